//! The demo's script: what is posted, what is answered, what the destinations show.

use bytes::Bytes;
use tokio::time::Instant;

use super::super::failure::{Failure, Outcome, io};
use super::super::output::out;
use super::super::{send, terminal};
use super::PATIENCE;
use super::setting::Setting;
use crate::app::App;
use crate::config::Config;
use crate::destinations::{HttpRequest, Message, Method, Reply};
use crate::domain::{Clock, DeliveryState, Event, Origin, SystemClock, Timestamp};
use crate::egress::Egress;
use crate::incidents::Order;
use crate::standins::{Card, Style};
use crate::store::{
    Commands, DeliveryFilter, EventFilter, IncidentFilter, IncidentQueries, Page, Queries, ReceiptFilter,
};

/// The script and what it needs.
pub struct Script<'d> {
    /// Stand-ins, folder and configuration.
    pub setting: &'d Setting,
    /// The gateway.
    pub app: &'d App,
    /// Whether colours can be seen.
    pub style: Style,
    /// When it began: the time in the samples.
    pub begun: Timestamp,
}

/// A request of the demo.
struct Post {
    source: &'static str,
    sample: &'static str,
    what: &'static str,
    expected: &'static str,
}

impl Script<'_> {
    /// Posts, waits for everything to arrive, shows it.
    pub async fn play(&self) -> Outcome {
        let config = self.setting.config()?;
        let egress = Egress::new().map_err(crate::app::AppError::Client)?;
        out!("gatepost demo: real HTTP on loopback, a real store, stand-ins for Slack, Jira and PagerDuty\n")?;
        for post in POSTS {
            self.post(&config, &egress, post).await?;
        }
        self.forge(&egress).await?;
        self.arrive().await?;
        self.live(&config, &egress).await?;
        for (place, cards) in self.places() {
            for card in cards {
                out!("\n── {place} ──\n{}", card.render(self.style).trim_end())?;
            }
        }
        self.show_archive()?;
        self.sum_up()
    }

    /// Stays up until it is interrupted and shows what else arrives, and what is edited, commented on or moved.
    pub async fn stay(&self) -> Outcome {
        let file = self.setting.file();
        out!("\nIt stays up until Ctrl-C. In another terminal:\n")?;
        out!("  export GATEPOST_CONFIG={}", file.display())?;
        out!("  gatepost send adrian --sample policy.violated")?;
        out!("  gatepost send akto --sample export")?;
        out!("  gatepost events list")?;
        out!("  curl http://{}/readyz\n", self.app.admin_address())?;
        let mut shown: Vec<Vec<Card>> = self.places().into_iter().map(|(_, cards)| cards).collect();
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(()),
                () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
            }
            for ((place, cards), shown) in self.places().into_iter().zip(&mut shown) {
                for (index, card) in cards.iter().enumerate() {
                    let what = match shown.get(index) {
                        Some(known) if known == card => continue,
                        Some(_) => ", changed",
                        None => "",
                    };
                    out!("── {place}{what} ──\n{}\n", card.render(self.style).trim_end())?;
                }
                *shown = cards;
            }
        }
    }

    async fn post(&self, config: &Config, egress: &Egress, post: &Post) -> Outcome {
        let (source, sample) = self.sample(config, post)?;
        let body = (sample.body_at(self.begun), sample.content_type);
        let reply = send::post(egress, source, &self.url(post.source)?, body).await;
        self.report(post.what, post.expected, &reply)
    }

    /// The first alert becomes an incident that changes: it is counted, raised, acknowledged and resolved.
    async fn live(&self, config: &Config, egress: &Egress) -> Outcome {
        out!("\nThe same rule fires 20 times more at the same agent")?;
        for number in 1..=20 {
            self.post_again(config, egress, number, &[]).await?;
        }
        self.arrive().await?;
        out!("And once more, critical")?;
        self.post_again(config, egress, 21, &[("\"alert_id\"", "\"severity\": \"critical\", \"alert_id\"")]).await?;
        self.arrive().await?;
        let source =
            Some("adrian".parse().map_err(|fault: crate::domain::NameError| Failure::Found(fault.to_string()))?);
        let filter = IncidentFilter { source, ..IncidentFilter::default() };
        let Some(incident) = self.app.store().incidents(&ONE, &filter)?.pop() else {
            return Err(Failure::Found("the alerts made no incident".to_owned()));
        };
        let number = incident.number.0;
        for (words, order) in [("ack", Order::Acknowledge), ("resolve", Order::Resolve)] {
            out!("$ gatepost incidents {words} {number} --by dana")?;
            let by = Origin::CommandLine { user: "dana".to_owned() };
            let (store, number) = (self.app.store().clone(), incident.number);
            let obey = move || store.order(number, order, by, None, SystemClock.now());
            let done = tokio::task::spawn_blocking(obey).await.map_err(|error| Failure::Found(error.to_string()))??;
            done.map_err(|error| Failure::Found(error.to_string()))?;
            self.arrive().await?;
        }
        Ok(())
    }

    /// The first sample under another id, with these texts replaced.
    async fn post_again(&self, config: &Config, egress: &Egress, number: u32, replaced: &[(&str, &str)]) -> Outcome {
        let (source, sample) = self.sample(config, &POSTS[0])?;
        let body =
            String::from_utf8_lossy(&sample.body_at(self.begun)).replace("evt_abc123", &format!("evt_again{number}"));
        let body = replaced.iter().fold(body, |body, (before, after)| body.replace(before, after));
        let reply = send::post(egress, source, &self.url(POSTS[0].source)?, (body.into(), sample.content_type)).await;
        match reply {
            Reply::Http(answer) if answer.status == 200 => Ok(()),
            _ => Err(Failure::Found("an alert of the demo was not accepted".to_owned())),
        }
    }

    /// The source and the sample of a post.
    fn sample<'c>(
        &self,
        config: &'c Config,
        post: &Post,
    ) -> Result<(&'c crate::vendors::Source, &'static crate::vendors::Sample), Failure> {
        let found = config.sources.values().find(|source| source.name.as_str() == post.source);
        let sample = |source: &crate::vendors::Source| source.vendor.samples.iter().find(|s| s.name == post.sample);
        found
            .and_then(|source| Some((source, sample(source)?)))
            .ok_or_else(|| Failure::Found(format!("the demo lacks the sample {}", post.sample)))
    }

    /// A request whose signature was made with another secret.
    async fn forge(&self, egress: &Egress) -> Outcome {
        let body = Bytes::from_static(b"{\"id\":\"evt_forged\",\"type\":\"alert.triggered\"}");
        let signature = crate::domain::Secret::new("00".repeat(32));
        let request = HttpRequest {
            method: Method::Post,
            url: self.url("adrian")?,
            headers: vec![("x-secureagentics-signature".into(), signature)],
            content_type: "application/json",
            body,
        };
        let reply = egress.send(Message::Http(request)).await;
        self.report("a forged alert, with a wrong signature", "signature-mismatch", &reply)
    }

    fn report(&self, what: &str, expected: &str, reply: &Reply) -> Outcome {
        let Reply::Http(answer) = reply else {
            return Err(Failure::Found(format!("{what}: no answer from our own listener")));
        };
        let body = String::from_utf8_lossy(&answer.body);
        out!("POST {what}\n  -> {} {}", answer.status, terminal::line(&body, 160))?;
        if body.contains(expected) { Ok(()) } else { Err(Failure::Found(format!("{what}: expected {expected}"))) }
    }

    /// Waits until nothing is under way any more.
    async fn arrive(&self) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let store = self.app.store();
            let waiting = store.depths(SystemClock.now())?.iter().any(|depth| depth.state != DeliveryState::Dead);
            if store.undispatched()? == 0 && !waiting {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(Failure::Found(format!("not everything arrived within {} s", PATIENCE.as_secs())))
    }

    fn places(&self) -> Vec<(&'static str, Vec<Card>)> {
        let Setting { slack, jira, pagerduty, extras, .. } = self.setting;
        let usual = [
            ("PagerDuty, on the phone of who is on call", pagerduty.cards()),
            ("Slack, in the channel of the SOC", slack.cards()),
            ("Jira, as a ticket", jira.cards()),
        ];
        usual.into_iter().chain(extras.iter().map(|extra| (extra.place, extra.cards()))).collect()
    }

    fn show_archive(&self) -> Outcome {
        let path = self.setting.archive();
        let text = std::fs::read_to_string(&path).map_err(io(format!("{} cannot be read", path.display())))?;
        out!("\n── The archive, one event a line ──")?;
        for line in text.lines().take(ARCHIVE_LINES_SHOWN) {
            let event: Event = serde_json::from_str(line)
                .map_err(|error| Failure::Found(format!("a line of the archive is not an event: {error}")))?;
            out!(
                "{} · {}\n  {}",
                event.severity.as_str().to_uppercase(),
                terminal::line(&event.title, 90),
                terminal::line(line, 150)
            )?;
        }
        Ok(())
    }

    /// Counts what came in and what went out; anything that did not arrive is a failure of the demo.
    fn sum_up(&self) -> Outcome {
        let store = self.app.store();
        let all = Page { limit: 1_000, before: None };
        let receipts = store.receipts(&all, &ReceiptFilter::default())?;
        let events = store.events(&all, &EventFilter::default())?;
        let deliveries = store.deliveries(&all, &DeliveryFilter::default())?;
        let incidents = store.incidents(&all, &IncidentFilter::default())?;
        // A superseded delivery counts as neither.
        let needed = deliveries.iter().filter(|row| row.delivery.state != DeliveryState::Superseded).count();
        let arrived = deliveries.iter().filter(|row| row.delivery.state == DeliveryState::Delivered).count();
        let known: u64 = receipts.iter().map(|row| row.events_duplicate).sum();
        out!(
            "\n{} posts: {} stored, 1 repetition, 1 forgery refused; {} events ({known} more known already), {} incidents; {arrived} of {} deliveries arrived",
            POSTS.len() + 22,
            receipts.len(),
            events.len(),
            incidents.len(),
            needed
        )?;
        if arrived == needed && arrived > 0 {
            return Ok(());
        }
        Err(Failure::Found("not every delivery arrived".to_owned()))
    }

    fn url(&self, source: &str) -> Result<url::Url, Failure> {
        let text = format!("http://{}/webhooks/{source}", self.app.public_address());
        text.parse().map_err(|error| Failure::Found(format!("{text} is no URL: {error}")))
    }
}

/// Printed lines of the archive, to show its format.
const ARCHIVE_LINES_SHOWN: usize = 3;
const ONE: Page = Page { limit: 1, before: None };
const POSTS: &[Post] = &[
    Post {
        source: "adrian",
        sample: "alert.triggered",
        what: "Secureagentics' documented alert, signed with HMAC-SHA256",
        expected: "accepted",
    },
    Post {
        source: "akto",
        sample: "documented",
        what: "Akto's documented API threat, exactly as printed (which is not valid JSON), with a bearer token",
        expected: "accepted",
    },
    Post {
        source: "akto",
        sample: "documented-agent",
        what: "Akto's documented agent threat: another body, the same event",
        expected: "accepted",
    },
    Post {
        source: "adrian",
        sample: "alert.triggered",
        what: "Secureagentics' alert once more, as after a time-out",
        expected: "duplicate",
    },
];
