//! `gatepost deliveries discard`

use std::path::Path;

use super::dead_letters::DeadLetters;
use super::failure::{Failure, Outcome};
use super::moment::parse_moment;
use super::opening::{open_store, outline, read_store};
use super::output::out;
use super::{delivery_words, find, names, terminal};
use crate::domain::{DeliveryState, DestinationName, IdPrefix, Timestamp};
use crate::store::{Commands, DeliveryRow, Depth, Queries, SqliteStore};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true), after_help = "Examples:
  gatepost deliveries discard --delivery 01a1fbc0
  gatepost deliveries discard --dead --destination soc --reason msg_too_long --dry-run
  gatepost deliveries discard old-pager")]
pub struct Discard {
    /// Close what waits, and every dead letter, for this destination, which is no longer in the configuration
    #[arg(value_name = "DESTINATION", group = "what")]
    removed: Option<String>,
    /// Close this dead letter
    #[arg(long, value_name = "ID", group = "what")]
    delivery: Option<IdPrefix>,
    /// Close dead letters
    #[arg(long, group = "what")]
    dead: bool,
    /// Only those for this destination
    #[arg(long, value_name = "NAME", requires = "dead")]
    destination: Option<String>,
    /// Only those planned since this day (2026-11-21), time (2026-11-21T10:00:00Z), or within this duration (24h)
    #[arg(long, value_name = "TIME", requires = "dead", value_parser = parse_moment)]
    since: Option<Timestamp>,
    /// Only those planned before this day, time, or longer than this duration ago
    #[arg(long, value_name = "TIME", requires = "dead", value_parser = parse_moment)]
    until: Option<Timestamp>,
    /// Only those with this text in their reason
    #[arg(long, value_name = "TEXT", requires = "dead")]
    reason: Option<String>,
    /// Say what would be closed, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Discard {
    pub fn run(&self, path: &Path) -> Outcome {
        match (&self.removed, &self.delivery) {
            (Some(name), _) => removed(path, name, self.dry_run),
            (None, Some(id)) => self.one(path, id),
            (None, None) => self.dead(path),
        }
    }

    fn one(&self, path: &Path, id: &IdPrefix) -> Outcome {
        let (_, reader) = read_store(path)?;
        let id = find::delivery(&reader, id)?;
        let Some((row, _)) = reader.delivery(id)? else {
            return Err(Failure::Found(format!("there is no delivery {id} in the store")));
        };
        if row.delivery.state != DeliveryState::Dead {
            return Err(Failure::Found(format!(
                "delivery {id} is {}, and no dead letter",
                row.delivery.state.as_str()
            )));
        }
        drop(reader);
        self.close(path, &[row])
    }

    fn dead(&self, path: &Path) -> Outcome {
        let (outline, reader) = read_store(path)?;
        names::check_destination(&outline, &reader, self.destination.as_deref())?;
        let rows = DeadLetters {
            destination: self.destination.clone(),
            since: self.since,
            until: self.until,
            reason: self.reason.clone(),
        }
        .find(&reader)?;
        drop(reader);
        self.close(path, &rows)
    }

    fn close(&self, path: &Path, rows: &[DeliveryRow]) -> Outcome {
        if self.dry_run {
            for row in rows {
                let delivery = &row.delivery;
                let reason = delivery.reason.as_deref().unwrap_or_default();
                let told = format!("{}{} · {reason}", delivery_words::subject(row), row.title);
                out!("would close {} to {}: {}", delivery.id, delivery.destination, terminal::line(&told, 120))?;
            }
            return out!("{} dead letters would be closed", rows.len());
        }
        let store = open_store(&outline(path)?)?;
        let mut closed = 0;
        for row in rows {
            // One that was sent again meanwhile stays as it is.
            closed += usize::from(store.discard_dead(row.delivery.id)?);
        }
        out!("{closed} dead letters are closed; `gatepost deliveries list --state superseded` still shows them")
    }
}

fn removed(path: &Path, name: &str, dry_run: bool) -> Outcome {
    let outline = outline(path)?;
    if outline.destinations.contains_key(name) {
        return Err(Failure::Found(format!(
            "{name} is in the configuration, and what waits for it will be sent; to close that, remove the destination, \
             reload, and say it again; to close its dead letters alone: --dead --destination {name}"
        )));
    }
    if dry_run {
        let (outline, store) = read_store(path)?;
        names::check_destination(&outline, &store, Some(name))?;
        let waiting = open(&store, name, DeliveryState::Waiting)? + open(&store, name, DeliveryState::Leased)?;
        let dead = open(&store, name, DeliveryState::Dead)?;
        return out!(
            "{} deliveries for {name} would be closed: {waiting} that wait, {dead} dead letters",
            waiting + dead
        );
    }
    let store = open_store(&outline)?;
    names::check_destination(&outline, &store, Some(name))?;
    let destination: DestinationName =
        name.parse().map_err(|fault: crate::domain::NameError| Failure::Found(fault.to_string()))?;
    let closed = store.discard(&destination)?;
    out!("{closed} deliveries for {name} are closed; what it was told of open incidents is forgotten")
}

/// How many deliveries of a destination stand in a state; of a sink: how many events.
fn open(store: &SqliteStore, destination: &str, state: DeliveryState) -> Result<u64, Failure> {
    let depths = store.depths(Timestamp::from_millis(i64::MAX))?;
    let is_it = |depth: &&Depth| depth.destination.as_str() == destination && depth.state == state;
    Ok(depths.iter().filter(is_it).map(|depth| depth.count).sum())
}
