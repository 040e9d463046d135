//! `gatepost status`: how everything is doing, on one screen of 80 columns and 24 lines.

mod lines;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::json::json_of;
use super::opening::read_store;
use super::output::out;
use crate::config::Outline;
use crate::domain::{Clock, DeliveryState, IncidentState, SystemClock, Timestamp};
use crate::store::{IncidentFilter, IncidentQueries, Overview, Page, Queries, SinkReplay, SinkReplays, SqliteStore};
use serving::Serving;

#[derive(clap::Args)]
pub struct Status {
    /// One JSON object, with every source and destination
    #[arg(long)]
    json: bool,
}

impl Status {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        let report = Report::of(&outline, &store, Serving::ask(outline.admin_listen)?, SystemClock.now())?;
        if self.json { out!("{}", json_of(&report)?) } else { lines::print(&report) }
    }
}

/// The whole report.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    at: Timestamp,
    serve: Serving,
    store: StoreReport,
    receipts_unread: u64,
    incidents: IncidentReport,
    sources: Vec<SourceReport>,
    destinations: Vec<DestinationReport>,
    /// The events of the past that sinks are being sent.
    replays: Vec<SinkReplay>,
}

#[derive(Serialize)]
struct StoreReport {
    path: PathBuf,
    bytes: u64,
    /// What is free on its disk; `null` where the system does not say.
    free_bytes: Option<u64>,
}

#[derive(Serialize)]
struct IncidentReport {
    /// By the word of the state.
    by_state: BTreeMap<&'static str, u64>,
    /// Those that went quiet and that no person has acknowledged; at most as many as are looked at.
    unattended: usize,
    /// The notifier for which a change has been waiting the longest.
    oldest_untold: Option<Untold>,
}

#[derive(Serialize)]
struct Untold {
    destination: String,
    since: Timestamp,
}

#[derive(Serialize)]
struct SourceReport {
    name: String,
    /// `null` where only the store knows it.
    vendor: Option<String>,
    /// `null` where nothing came lately.
    last_request: Option<Timestamp>,
    requests_24h: u64,
    /// There were more than were counted.
    more: bool,
}

#[derive(Default, Serialize)]
struct DestinationReport {
    name: String,
    /// `null` where only the store knows it.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `running`, `failing` or `stopped`; `null` where the process that serves does not say.
    state: Option<String>,
    /// Why it is not running, or why its last dead letter is dead.
    reason: Option<String>,
    waiting: u64,
    leased: u64,
    dead: u64,
    oldest_waiting: Option<Timestamp>,
    last_delivered: Option<Timestamp>,
}

impl Report {
    fn of(outline: &Outline, store: &SqliteStore, serve: Serving, at: Timestamp) -> Result<Self, Failure> {
        let destinations = destinations(outline, store, &serve)?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            at,
            incidents: incidents(store, &destinations)?,
            store: StoreReport {
                path: outline.store.clone(),
                bytes: store.size_bytes(),
                free_bytes: free_bytes(&outline.store),
            },
            receipts_unread: store.undispatched()?,
            sources: sources(outline, store, at)?,
            destinations,
            replays: store.sink_replays()?.into_iter().filter(SinkReplay::is_open).collect(),
            serve,
        })
    }

    /// Deliveries that wait, are under way and are dead.
    fn totals(&self) -> [u64; 3] {
        let sum = |count: fn(&DestinationReport) -> u64| self.destinations.iter().map(count).sum();
        [sum(|one| one.waiting), sum(|one| one.leased), sum(|one| one.dead)]
    }
}

fn incidents(store: &SqliteStore, destinations: &[DestinationReport]) -> Result<IncidentReport, Failure> {
    let counts = store.incident_counts()?;
    let quiet = IncidentFilter { state: Some(IncidentState::Quiet), is_listed: true, ..IncidentFilter::default() };
    let is_notifier = |one: &&DestinationReport| {
        let kind = one.kind.as_deref().and_then(crate::destinations::find);
        kind.is_none_or(|kind| kind.is_notifier())
    };
    let waiting = destinations.iter().filter(is_notifier).filter_map(|one| Some((one.oldest_waiting?, &one.name)));
    Ok(IncidentReport {
        by_state: counts.into_iter().map(|(state, count)| (state.as_str(), count)).collect(),
        unattended: store.incidents(&Page { limit: UNATTENDED_MAX, before: None }, &quiet)?.len(),
        oldest_untold: waiting.min().map(|(since, name)| Untold { destination: name.clone(), since }),
    })
}

fn sources(outline: &Outline, store: &SqliteStore, now: Timestamp) -> Result<Vec<SourceReport>, Failure> {
    let active = store.active_sources(now.minus(DAY))?;
    let mut seen: BTreeMap<&str, _> = active.iter().map(|activity| (activity.source.as_str(), activity)).collect();
    let configured = outline.sources.iter().map(|(name, vendor)| (name.as_str(), Some(vendor.clone())));
    let mut all: Vec<_> = configured.map(|(name, vendor)| (name, vendor, seen.remove(name))).collect();
    all.extend(seen.into_iter().map(|(name, activity)| (name, None, Some(activity))));
    let report =
        |(name, vendor, activity): (&str, Option<String>, Option<&crate::store::SourceActivity>)| SourceReport {
            name: name.to_owned(),
            vendor,
            last_request: activity.map(|activity| activity.last),
            requests_24h: activity.map_or(0, |activity| activity.receipts),
            more: activity.is_some_and(|activity| activity.is_more),
        };
    Ok(all.into_iter().map(report).collect())
}

/// Rows that need action first.
fn destinations(outline: &Outline, store: &SqliteStore, serve: &Serving) -> Result<Vec<DestinationReport>, Failure> {
    let (depths, activities) = (store.depths(SystemClock.now())?, store.active_destinations()?);
    let mut names: BTreeSet<&str> = outline.destinations.keys().map(String::as_str).collect();
    names.extend(depths.iter().map(|depth| depth.destination.as_str()));
    let report = |name: &str| {
        let of = |state| depths.iter().find(|depth| depth.destination.as_str() == name && depth.state == state);
        let count = |state| of(state).map_or(0, |depth| depth.count);
        let activity = activities.iter().find(|activity| activity.destination.as_str() == name);
        let health = serve.destinations.get(name);
        let dead = count(DeliveryState::Dead);
        let of_dead = activity.and_then(|activity| activity.dead_reason.clone()).filter(|_| dead > 0);
        DestinationReport {
            name: name.to_owned(),
            kind: outline.destinations.get(name).cloned(),
            state: health.map(|health| health.state.clone()),
            reason: health.and_then(|health| health.reason.clone()).or(of_dead),
            waiting: count(DeliveryState::Waiting),
            leased: count(DeliveryState::Leased),
            dead,
            oldest_waiting: of(DeliveryState::Waiting).map(|depth| depth.oldest),
            last_delivered: activity.and_then(|activity| activity.last_delivered),
        }
    };
    let mut all: Vec<DestinationReport> = names.into_iter().map(report).collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.reason.is_some(), one.trouble())));
    Ok(all)
}

impl DestinationReport {
    fn trouble(&self) -> u8 {
        match self.state.as_deref() {
            Some("stopped") => 4,
            Some("failing") => 3,
            _ if self.dead > 0 => 2,
            _ => u8::from(self.waiting > 0),
        }
    }
}

/// The free space on the file's disk for processes other than root's.
fn free_bytes(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// More of them are not counted.
const UNATTENDED_MAX: usize = 1_000;
const DAY: Duration = Duration::from_secs(24 * 3600);
