//! `gatepost replay`

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::dead_letters::DeadLetters;
use super::failure::{Failure, Outcome};
use super::moment::parse_moment;
use super::opening::{open_store, outline};
use super::output::out;
use super::replay_to::{CARRIED_OUT, ReplayTo};
use super::{delivery_words, find, names};
use crate::domain::{Clock, DeliveryId, IdPrefix, ReceiptId, SystemClock, Timestamp};
use crate::store::{Doubt, Queries, SqliteStore};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Replay {
    /// Process this receipt again: its events get the deliveries that they lack, dead ones revive, those in quarantine are
    /// released, and what has arrived is not sent again
    #[arg(long, value_name = "ID", group = "what")]
    receipt: Option<IdPrefix>,
    /// Send this delivery again, even if it has arrived
    #[arg(long, value_name = "ID", group = "what")]
    delivery: Option<IdPrefix>,
    /// Send dead letters again
    #[arg(long, group = "what")]
    dead: bool,
    /// Send this sink the events of the past that the routes of now send there and that it was never sent; needs --since
    #[arg(long, value_name = "SINK", group = "what")]
    to: Option<String>,
    /// Only those for this destination
    #[arg(long, value_name = "NAME", conflicts_with_all = ["receipt", "delivery", "to"])]
    destination: Option<String>,
    /// Only those planned, or with --to received, since this day (2026-11-21), time (2026-11-21T10:00:00Z), or within this
    /// duration (24h)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["receipt", "delivery"], value_parser = parse_moment)]
    since: Option<Timestamp>,
    /// Only those before this day, time, or longer than this duration ago
    #[arg(long, value_name = "TIME", conflicts_with_all = ["receipt", "delivery"], value_parser = parse_moment)]
    until: Option<Timestamp>,
    /// Only dead letters with this text in their reason
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["receipt", "delivery", "to"])]
    reason: Option<String>,
    /// Also events that the sink was sent before
    #[arg(long, conflicts_with_all = ["receipt", "delivery", "dead", "stop"])]
    again: bool,
    /// Stop the replay that the sink is being sent
    #[arg(long, requires = "to", conflicts_with_all = ["since", "until"])]
    stop: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Replay {
    pub fn run(&self, path: &Path) -> Outcome {
        let outline = outline(path)?;
        let store = open_store(&outline)?;
        if let Some(sink) = &self.to {
            let to = ReplayTo { path, outline: &outline, store: &store, sink, dry_run: self.dry_run };
            return match self.since {
                _ if self.stop => to.stop(),
                Some(since) => to.run(since, self.until, self.again),
                None => Err(Failure::Usage("say from when on: --since 7d, --since 2026-11-21".to_owned())),
            };
        }
        match (&self.receipt, &self.delivery) {
            (Some(id), _) => self.replay_receipt(&store, find::receipt(&store, id)?),
            (None, Some(id)) => self.replay_delivery(&store, find::delivery(&store, id)?),
            (None, None) => {
                names::check_destination(&outline, &store, self.destination.as_deref())?;
                self.replay_dead(&store)
            }
        }
    }

    fn replay_receipt(&self, store: &SqliteStore, id: ReceiptId) -> Outcome {
        let Some((row, _)) = store.receipt(id)? else { return Err(absent("receipt", &id)) };
        if self.dry_run {
            return out!("would process receipt {id} again ({} bytes from {})", row.bytes, row.source);
        }
        if !store.replay_receipt(id)? {
            return Err(absent("receipt", &id));
        }
        out!("receipt {id} is processed again: ordered; {CARRIED_OUT}")
    }

    fn replay_delivery(&self, store: &SqliteStore, id: DeliveryId) -> Outcome {
        let Some((row, _)) = store.delivery(id)? else { return Err(absent("delivery", &id)) };
        if self.dry_run {
            return out!(
                "would send delivery {id} to {} again ({})",
                row.delivery.destination,
                row.delivery.state.as_str()
            );
        }
        if !store.replay_delivery(id, Doubt::Forget, SystemClock.now())? {
            return Err(Failure::Found(format!("delivery {id} is under way right now")));
        }
        out!("delivery {id} to {} is sent again: ordered; {CARRIED_OUT}", row.delivery.destination)
    }

    fn replay_dead(&self, store: &SqliteStore) -> Outcome {
        let rows = DeadLetters {
            destination: self.destination.clone(),
            since: self.since,
            until: self.until,
            reason: self.reason.clone(),
        }
        .find(store)?;
        if self.dry_run {
            for row in &rows {
                let delivery = &row.delivery;
                out!(
                    "would send {} to {} again: {}",
                    delivery.id,
                    delivery.destination,
                    super::terminal::line(&format!("{}{}", delivery_words::subject(row), row.title), 80)
                )?;
            }
            return out!("{} dead letters would be sent again", rows.len());
        }
        let bar = ProgressBar::new(rows.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} dead letters") {
            bar.set_style(style);
        }
        let mut revived = 0;
        for row in &rows {
            revived += usize::from(store.replay_delivery(row.delivery.id, Doubt::Keep, SystemClock.now())?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        if revived == 0 {
            return out!("0 dead letters are sent again");
        }
        out!("{revived} dead letters are sent again: ordered; {CARRIED_OUT}")
    }
}

fn absent(what: &str, id: &dyn std::fmt::Display) -> Failure {
    Failure::Found(format!("there is no {what} {id} in the store"))
}
