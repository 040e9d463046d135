//! How destinations misbehave: faults of the service, or of the network before it.

use std::time::Duration;

use gatepost::standins::{Arrived, Fault};

use super::proxy::{self, Mode, Proxy};
use super::world::World;

/// The destination that misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Slack,
    PagerDuty,
    Jira,
}

impl Who {
    pub const ALL: [Self; 3] = [Self::Slack, Self::PagerDuty, Self::Jira];

    /// The destination's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slack => "soc",
            Self::PagerDuty => "oncall",
            Self::Jira => "tickets",
        }
    }
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// No fault: the baseline for the others.
    Well,
    /// Nothing listens.
    Refuse,
    /// Nothing accepts or refuses connections: packets are dropped.
    Deaf,
    /// The network resets each connection.
    Cut,
    /// A byte of the answer a second, from its first.
    Trickle,
    /// The head of the answer at once, its body a byte a second.
    SlowBody,
    /// Bytes of something else before each answer.
    Preface,
    /// Answers that have no end: a body, header lines, one header line, announcements of an answer.
    EndlessBody,
    EndlessHead,
    EndlessLine,
    EndlessInterim,
    /// Certificates: expired, not yet valid, another host's, by an unknown authority.
    Expired,
    Early,
    Elsewhere,
    UnknownAuthority,
    Reset,
    Hang,
    TakenThenReset,
    TakenThenHang,
    Garbage,
    /// Three times taken without an answer; then three times nonsense in answer to searches for what was taken.
    LostThenGarbage,
    /// To a place that must never be asked.
    Redirect,
    Unauthorized,
    /// Once, with `Retry-After`.
    TooMany,
    /// Four times.
    Broken,
}

impl How {
    /// Faults of the services themselves.
    pub const OF_SERVICES: [Self; 11] = [
        Self::Hang,
        Self::TakenThenHang,
        Self::Refuse,
        Self::Reset,
        Self::TakenThenReset,
        Self::Garbage,
        Self::LostThenGarbage,
        Self::Redirect,
        Self::Unauthorized,
        Self::TooMany,
        Self::Broken,
    ];

    /// Faults of networks, middle boxes and impostors; the slow ones first.
    pub const OF_NETWORKS: [Self; 13] = [
        Self::Deaf,
        Self::Trickle,
        Self::SlowBody,
        Self::EndlessInterim,
        Self::Expired,
        Self::Early,
        Self::Elsewhere,
        Self::UnknownAuthority,
        Self::Cut,
        Self::Preface,
        Self::EndlessBody,
        Self::EndlessHead,
        Self::EndlessLine,
    ];

    /// A part of the reason that the operator is shown, for faults of certificates.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Expired => Some("its certificate expired at 01 Feb 2020 00:00:00 UTC"),
            Self::Early => Some("its certificate begins at 01 Jan 2047 00:00:00 UTC"),
            Self::Elsewhere => Some("its certificate is not for 127.0.0.1 but for elsewhere.example: correct the URL"),
            Self::UnknownAuthority => Some("name the authority's certificate in `ca_file`"),
            _ => None,
        }
    }

    /// Whether the operator must act, so that the destination is stopped.
    pub fn stops(self) -> bool {
        self.advice().is_some() || matches!(self, Self::Redirect | Self::Unauthorized)
    }

    /// Whether memory would grow if nothing limited it.
    pub fn is_endless(self) -> bool {
        matches!(self, Self::EndlessBody | Self::EndlessHead | Self::EndlessLine | Self::EndlessInterim)
    }

    /// Until tries have met their limits.
    pub fn lasts(self) -> Duration {
        match self {
            Self::Deaf | Self::Trickle | Self::SlowBody | Self::Hang | Self::TakenThenHang => LONGER_THAN_A_TRY,
            _ if self.is_endless() => LONGER_THAN_A_TRY,
            _ => Duration::ZERO,
        }
    }

    /// Whether it ends without intervention.
    pub fn is_over_by_itself(self) -> bool {
        matches!(self, Self::Well | Self::LostThenGarbage | Self::TooMany | Self::Broken)
    }

    /// What the service does, from now on.
    pub fn trouble_service(self, world: &World, who: Who, canary: &str) {
        let always = match self {
            Self::SlowBody => Fault::SlowAnswer { bytes_per_second: 1 },
            Self::Reset => Fault::Reset,
            Self::Hang => Fault::Hang(LONGER_THAN_A_TRY),
            Self::TakenThenReset => Fault::TakenThenReset,
            Self::TakenThenHang => Fault::TakenThenHang(LONGER_THAN_A_TRY),
            Self::Garbage => Fault::Garbage200,
            Self::Redirect => Fault::Redirect(canary.to_owned()),
            Self::Unauthorized => Fault::Unauthorized,
            Self::LostThenGarbage => {
                let script = [vec![Fault::TakenThenReset; 3], vec![Fault::Garbage200; 3]];
                return world.script(who, script.concat());
            }
            Self::TooMany => return world.script(who, vec![Fault::Status429 { retry_after: Some(RETRY_AFTER) }]),
            Self::Broken => return world.script(who, vec![Fault::Status(500); 4]),
            _ => return,
        };
        world.always(who, Some(always));
    }

    /// What the network before it does.
    pub fn of_network(self) -> Mode {
        match self {
            Self::Refuse => Mode::Refuse,
            Self::Deaf => Mode::Deaf,
            Self::Cut => Mode::Reset,
            Self::Trickle => Mode::Trickle,
            Self::Preface => Mode::Preface(b"NOTICE: the line is being tested\r\n\r\n"),
            Self::EndlessBody => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                Mode::endless(head, &format!("{:x}\r\n{}\r\n", 16 << 10, " ".repeat(16 << 10)))
            }
            Self::EndlessHead => Mode::endless("HTTP/1.1 200 OK\r\n", "X-More: and more and more\r\n"),
            Self::EndlessLine => Mode::endless("HTTP/1.1 200 OK\r\nX-More: ", "and more and more"),
            Self::EndlessInterim => {
                Mode::endless("", &format!("HTTP/1.1 103 Early Hints\r\nLink: </{}>\r\n\r\n", "more".repeat(256)))
            }
            Self::Expired => proxy::tls("expired"),
            Self::Early => proxy::tls("early"),
            Self::Elsewhere => proxy::tls("elsewhere"),
            Self::UnknownAuthority => proxy::tls("stranger"),
            _ => Mode::Pass,
        }
    }

    /// The network when the fault is over.
    pub fn mended_network(self) -> Mode {
        if self.advice().is_some() { proxy::tls("good") } else { Mode::Pass }
    }
}

impl World {
    /// Puts a proxy before a destination, which speaks TLS or does not.
    pub async fn behind_proxy(&mut self, who: Who, scheme: &str) -> Proxy {
        let [slack, jira, pagerduty] = self.ports();
        let port = match who {
            Who::Slack => slack,
            Who::PagerDuty => pagerduty,
            Who::Jira => jira,
        };
        let proxy = Proxy::start(port).await;
        let to = format!("{scheme}://127.0.0.1:{}", proxy.port());
        self.lead_elsewhere(&format!("http://127.0.0.1:{port}"), &to);
        self.setting.environment.insert("SSL_CERT_FILE", proxy::authority().display().to_string());
        proxy
    }

    /// Puts a proxy before a guest.
    pub async fn guest_behind_proxy(&self, place: usize) -> Proxy {
        let from = self.guests[place].address();
        let proxy = Proxy::start(from.rsplit_once(':').unwrap().1.parse().unwrap()).await;
        self.lead_elsewhere(&from, &format!("127.0.0.1:{}", proxy.port()));
        proxy
    }

    /// Writes the configuration anew with this for that.
    fn lead_elsewhere(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.setting.config).unwrap();
        assert!(text.contains(from), "{text}");
        self.write_config(&text.replace(from, to));
    }

    pub fn always(&self, who: Who, fault: Option<Fault>) {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().always(fault),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().always(fault),
            Who::Jira => self.jira.as_ref().unwrap().always(fault),
        }
    }

    pub fn script(&self, who: Who, faults: Vec<Fault>) {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().script(faults),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().script(faults),
            Who::Jira => self.jira.as_ref().unwrap().script(faults),
        }
    }

    /// Scripted faults that no request has met are dropped.
    pub fn forget_script(&self, who: Who) {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().forget_script(),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().forget_script(),
            Who::Jira => self.jira.as_ref().unwrap().forget_script(),
        }
    }

    pub fn requests(&self, who: Who) -> Vec<Arrived> {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().requests(),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().requests(),
            Who::Jira => self.jira.as_ref().unwrap().requests(),
        }
    }

    /// How many messages, incidents or tickets there are.
    pub fn effects(&self, who: Who) -> usize {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().effects(),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().effects(),
            Who::Jira => self.jira.as_ref().unwrap().effects(),
        }
    }
}

/// The gateway waits ten seconds for an answer.
pub const LONGER_THAN_A_TRY: Duration = Duration::from_secs(12);
pub const RETRY_AFTER: Duration = Duration::from_secs(3);
