//! Every metric, and how it is counted and shown. Their names are in [`names`], their labels in
//! [`labels`](super::labels).

mod names;
mod zero;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use names::register;

use super::labels::{
    ByAttempt, ByCheck, ByDestination, ByEnd, ByHeartbeat, ByIncidentState, ByNotice, ByOutcome, ByQueue, ByReason,
    ByRoute, BySource, ByTask, DeliveryEnd, HeartbeatOutcome, IntakeOutcome, Task,
};
use crate::domain::{DeliveryState, OutcomeKind};

/// The metrics of the process. Cheap to share behind an `Arc`; every counter starts at zero with the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests to `/webhooks/{source}`, by how they ended.
    pub intake_requests: Family<ByOutcome, Counter>,
    /// From the head of a request to its answer, its body included, in seconds.
    pub intake_duration: Histogram,
    /// Events that were read from receipts, by source; repetitions among them are counted as well.
    pub events_read: Family<BySource, Counter>,
    /// Events that had been stored before, by source.
    pub events_duplicate: Family<BySource, Counter>,
    /// Events that were put into quarantine, by source.
    pub events_quarantined: Family<BySource, Counter>,
    /// Events so old that others like them will be put into quarantine, by source.
    pub events_aging: Family<BySource, Counter>,
    /// Events made of bodies that were not understood, by source.
    pub events_unparsed: Family<BySource, Counter>,
    /// Events that hold no field that their source knows, by source.
    pub events_unrecognized: Family<BySource, Counter>,
    /// Events whose severity word is not known, by source.
    pub events_severity_unknown: Family<BySource, Counter>,
    /// Receipts passed on unread because reading them failed or ended the process, by source.
    pub receipts_poison: Family<BySource, Counter>,
    /// Events that no route took, by source.
    pub events_unrouted: Family<BySource, Counter>,
    /// Events that were not told by themselves, by reason: counted in an incident, late, or with nothing to resolve.
    pub events_held_back: Family<ByReason, Counter>,
    /// Incidents, by state.
    pub incidents: Family<ByIncidentState, Gauge>,
    /// Incidents that were opened, by source.
    pub incidents_opened: Family<BySource, Counter>,
    /// Conditions that could not be decided, by route.
    pub routing_undecided: Family<ByRoute, Counter>,
    /// Changes that were told in the built-in words because a template failed, by destination.
    pub template_failures: Family<ByDestination, Counter>,
    /// Attempts, by destination and outcome.
    pub delivery_attempts: Family<ByAttempt, Counter>,
    /// Deliveries that have come to an end, by destination, what they told and what became of them.
    pub deliveries: Family<ByEnd, Counter>,
    /// Deliveries that became dead letters, by destination.
    pub delivery_dead: Family<ByQueue, Counter>,
    /// Deliveries that are not done, by destination and state.
    pub queue_deliveries: Family<ByQueue, Gauge>,
    /// Receipts that are not dispatched yet.
    pub queue_receipts: Gauge,
    /// The age of the oldest receipt that is not dispatched yet, by source; replays do not count.
    pub oldest_unread_age: Family<BySource, Gauge>,
    /// Receipts that wait to be read for the first time, by source.
    pub backlog_receipts: Family<BySource, Gauge>,
    /// How long their bodies are together, by source.
    pub backlog: Family<BySource, Gauge>,
    /// The age of the oldest delivery that is neither delivered nor dead, by destination.
    pub oldest_untold_age: Family<ByDestination, Gauge>,
    /// How many events a sink has not been sent, by destination.
    pub sink_lag_events: Family<ByDestination, Gauge>,
    /// How long ago the oldest of them was received, by destination.
    pub sink_lag: Family<ByDestination, Gauge>,
    /// 1 while a destination is stopped for a fault of the operator's making.
    pub destination_stopped: Family<ByDestination, Gauge>,
    /// 1 while a destination fails and is tried again.
    pub destination_failing: Family<ByDestination, Gauge>,
    /// Heartbeats, by what became of them.
    pub heartbeats: Family<ByHeartbeat, Counter>,
    /// 1 while a condition holds that the operator should know of.
    pub notices: Family<ByNotice, Gauge>,
    /// The size of the database and its log.
    pub store_size: Gauge,
    /// 1 while requests are refused because the disk is full.
    pub store_full: Gauge,
    /// 1 for what is known of the database file: whether it is sound.
    pub store_check: Family<ByCheck, Gauge>,
    /// Receipts that were set aside because their rows cannot be read.
    pub receipts_unreadable: Counter,
    /// Commits that failed, counted by the callers that waited for them.
    pub store_faults: Counter,
    /// Configuration reloads that were refused.
    pub reloads_refused: Counter,
    /// How often the machine's clock was set, by more than a few seconds.
    pub clock_jumps: Counter,
    /// How often a task of the pipeline ended and was started again, by task.
    pub pipeline_restarts: Family<ByTask, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let intake_duration =
            Histogram::new([0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]);
        let mut all = Self {
            registry: Registry::default(),
            intake_duration,
            intake_requests: Family::default(),
            events_read: Family::default(),
            events_duplicate: Family::default(),
            events_quarantined: Family::default(),
            events_aging: Family::default(),
            events_unparsed: Family::default(),
            events_unrecognized: Family::default(),
            events_severity_unknown: Family::default(),
            receipts_poison: Family::default(),
            events_unrouted: Family::default(),
            events_held_back: Family::default(),
            incidents: Family::default(),
            incidents_opened: Family::default(),
            routing_undecided: Family::default(),
            template_failures: Family::default(),
            delivery_attempts: Family::default(),
            deliveries: Family::default(),
            delivery_dead: Family::default(),
            queue_deliveries: Family::default(),
            queue_receipts: Gauge::default(),
            oldest_unread_age: Family::default(),
            backlog_receipts: Family::default(),
            backlog: Family::default(),
            oldest_untold_age: Family::default(),
            sink_lag_events: Family::default(),
            sink_lag: Family::default(),
            destination_stopped: Family::default(),
            destination_failing: Family::default(),
            heartbeats: Family::default(),
            notices: Family::default(),
            store_size: Gauge::default(),
            store_full: Gauge::default(),
            store_check: Family::default(),
            receipts_unreadable: Counter::default(),
            store_faults: Counter::default(),
            reloads_refused: Counter::default(),
            clock_jumps: Counter::default(),
            pipeline_restarts: Family::default(),
        };
        all.registry = register(&all);
        for outcome in HeartbeatOutcome::ALL {
            drop(all.heartbeats.get_or_create(&ByHeartbeat { outcome: outcome.as_str() }));
        }
        for task in Task::ALL {
            drop(all.pipeline_restarts.get_or_create(&ByTask { task: task.as_str() }));
        }
        all
    }

    /// Counts a request.
    pub fn count_intake(&self, source: &str, outcome: IntakeOutcome) {
        self.intake_requests.get_or_create(&ByOutcome { source: source.to_owned(), outcome }).inc();
    }

    /// How many requests of a source have ended so.
    pub fn intake_count(&self, source: &str, outcome: IntakeOutcome) -> u64 {
        self.intake_requests.get_or_create(&ByOutcome { source: source.to_owned(), outcome }).get()
    }

    /// Counts an attempt.
    pub fn count_attempt(&self, destination: &str, outcome: OutcomeKind) {
        let labels = ByAttempt { destination: destination.to_owned(), outcome: outcome.as_str() };
        self.delivery_attempts.get_or_create(&labels).inc();
    }

    /// Counts a delivery that has come to an end: of a change of an incident, or else of a batch.
    pub fn count_delivery(&self, destination: &str, change: Option<&'static str>, end: DeliveryEnd) {
        let kind = change.unwrap_or(ByEnd::BATCH);
        let labels = ByEnd { destination: destination.to_owned(), kind, outcome: end.as_str() };
        self.deliveries.get_or_create(&labels).inc();
    }

    /// Shows how many deliveries of a destination are in a state.
    pub fn show_depth(&self, destination: &str, state: DeliveryState, count: u64) {
        let gauge = self.queue_deliveries.get_or_create(&ByQueue::of(destination, state));
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Shows which of these states the check of the database file is in.
    pub fn show_store_check(&self, states: &[&'static str], present: &'static str) {
        for state in states {
            self.store_check.get_or_create(&ByCheck { state }).set((*state == present).into());
        }
    }

    /// Shows whether a destination is stopped or fails.
    pub fn show_destination(&self, destination: &str, is_stopped: bool, is_failing: bool) {
        let labels = ByDestination { destination: destination.to_owned() };
        self.destination_stopped.get_or_create(&labels).set(is_stopped.into());
        self.destination_failing.get_or_create(&labels).set(is_failing.into());
    }

    /// Counts a heartbeat.
    pub fn count_heartbeat(&self, outcome: HeartbeatOutcome) {
        self.heartbeats.get_or_create(&ByHeartbeat { outcome: outcome.as_str() }).inc();
    }

    /// Shows whether a condition holds that the operator should know of.
    pub fn show_notice(&self, kind: &'static str, subject: &str, holds: bool) {
        self.notices.get_or_create(&ByNotice { kind, subject: subject.to_owned() }).set(holds.into());
    }

    /// Shows how old the oldest unread receipt of a source is.
    pub fn show_unread_age(&self, source: &str, age: Duration) {
        self.oldest_unread_age.get_or_create(&BySource { source: source.to_owned() }).set(whole_seconds(age));
    }

    /// Shows how many receipts of a source wait to be read for the first time, and how long their bodies are together.
    pub fn show_backlog(&self, source: &str, receipts: u64, bytes: u64) {
        let labels = BySource { source: source.to_owned() };
        let shown = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.backlog_receipts.get_or_create(&labels).set(shown(receipts));
        self.backlog.get_or_create(&labels).set(shown(bytes));
    }

    /// Shows how old the oldest delivery is that a destination has not been told.
    pub fn show_untold_age(&self, destination: &str, age: Duration) {
        let labels = ByDestination { destination: destination.to_owned() };
        self.oldest_untold_age.get_or_create(&labels).set(whole_seconds(age));
    }

    /// Shows how far a sink is behind.
    pub fn show_sink_lag(&self, destination: &str, events: u64, age: Duration) {
        let labels = ByDestination { destination: destination.to_owned() };
        self.sink_lag_events.get_or_create(&labels).set(i64::try_from(events).unwrap_or(i64::MAX));
        self.sink_lag.get_or_create(&labels).set(whole_seconds(age));
    }

    /// All of it in the text form that Prometheus reads (OpenMetrics 1.0).
    pub fn render(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a String fails only if an encoder does, and then nothing is better than half.
            Err(std::fmt::Error) => String::new(),
        }
    }
}

fn whole_seconds(age: Duration) -> i64 {
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
