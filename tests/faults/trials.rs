//! What a notifier meets at one step of an incident's life.

use std::time::Duration;

use gatepost::standins::{Fault, email};

use super::guests::Mishap;
use super::misdeeds::LONGER_THAN_A_TRY;

/// A fault of one notifier, or of the gateway itself, at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// None.
    Calm,
    /// Not taken, and the connection ends without an answer.
    Reset,
    /// Taken, and the connection ends without an answer.
    AnswerLost,
    /// Taken, and no answer comes within the time of a try.
    AnswerLate,
    /// Taken; the answer comes a byte a second.
    Slow,
    /// It wants a pause, in its own words.
    TooMany,
    /// It fails.
    Broken,
    /// Another service answers.
    Garbage,
    /// Nothing listens for a while.
    Away,
    /// The same, and meanwhile the gateway is killed and started again.
    AwayAndKilled,
    /// The gateway is killed while the request is under way, which has been taken.
    Killed,
    /// The gateway is killed while the request is under way, which has not been taken.
    KilledUntaken,
}

impl Trial {
    /// All but the calm; the slow ones first.
    pub const ALL: [Self; 11] = [
        Self::AnswerLate,
        Self::Slow,
        Self::AnswerLost,
        Self::Reset,
        Self::Broken,
        Self::TooMany,
        Self::Garbage,
        Self::Away,
        Self::AwayAndKilled,
        Self::Killed,
        Self::KilledUntaken,
    ];

    /// Those of the gateway: every notifier meets them at once.
    pub const OF_ALL: [Self; 3] = [Self::AwayAndKilled, Self::Killed, Self::KilledUntaken];

    /// Those that are over within seconds, for that kind of notifier.
    pub fn short(kind: &str) -> &'static [Self] {
        match kind {
            // Mail is repeated after a minute.
            "email" => &[Self::Away, Self::Garbage],
            // What is in doubt is looked for three times within 35 s.
            "servicenow" => &[Self::Away, Self::TooMany],
            _ => &[Self::Away, Self::AnswerLost, Self::Broken, Self::Garbage, Self::Reset, Self::TooMany],
        }
    }

    /// What the next request meets; `None`: it is no matter of the service.
    pub fn mishap(self) -> Option<Mishap> {
        use email::Fault::{Answer, Close, Silence, TakenThenClose, TakenThenSilence};
        let (http, mail) = match self {
            Self::Calm | Self::Away | Self::AwayAndKilled => return None,
            Self::Reset => (Fault::Reset, ("EHLO", Close)),
            Self::AnswerLost => (Fault::TakenThenReset, (".", TakenThenClose)),
            Self::AnswerLate => (Fault::TakenThenHang(LONGER_THAN_A_TRY), (".", TakenThenSilence(LONGER_THAN_A_MAIL))),
            Self::Slow => (Fault::SlowAnswer { bytes_per_second: 1 }, ("MAIL", Silence(LONGER_THAN_A_MAIL))),
            Self::TooMany => (
                Fault::Status429 { retry_after: Some(RETRY_AFTER) },
                ("connect", Answer("421 4.7.0 too many connections, try again later")),
            ),
            Self::Broken => (Fault::Status(503), (".", Answer("451 4.3.0 the queue cannot be written"))),
            Self::Garbage => (Fault::Garbage200, ("connect", Answer("SSH-2.0-OpenSSH_9.6"))),
            Self::Killed => (Fault::TakenThenHang(LONGER_THAN_A_START), (".", TakenThenSilence(LONGER_THAN_A_START))),
            Self::KilledUntaken => (Fault::Hang(LONGER_THAN_A_START), (".", Silence(LONGER_THAN_A_START))),
        };
        Some(Mishap { http, mail })
    }

    /// Whether nothing listens at first.
    pub fn is_away(self) -> bool {
        matches!(self, Self::Away | Self::AwayAndKilled)
    }

    /// Whether the gateway is killed, too.
    pub fn kills(self) -> bool {
        Self::OF_ALL.contains(&self)
    }
}

/// As short as whole seconds allow.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const LONGER_THAN_A_MAIL: Duration = Duration::from_secs(17);
const LONGER_THAN_A_START: Duration = Duration::from_secs(20);
