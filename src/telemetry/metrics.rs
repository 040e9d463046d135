//! Every metric, under its one name.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::{Change, DeliveryState, OutcomeKind};

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

/// By source and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    /// The source, or `unknown`.
    pub source: String,
    /// How the request ended.
    pub outcome: IntakeOutcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntakeOutcome {
    /// Stored.
    Accepted,
    /// Stored before.
    Duplicate,
    /// Its body was stored before, under another id that is not signed.
    Repeated,
    /// Refused, with the stable code of the problem.
    Refused(&'static str),
}

impl IntakeOutcome {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Repeated => "repeated",
            Self::Refused(code) => code,
        }
    }
}

impl EncodeLabelValue for IntakeOutcome {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// By source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySource {
    /// The source.
    pub source: String,
}

/// By route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByRoute {
    /// The route.
    pub route: String,
}

/// By reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// Why an event was not told by itself.
    pub reason: &'static str,
}

/// By the state of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByIncidentState {
    /// The state.
    pub state: &'static str,
}

/// By destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDestination {
    /// The destination.
    pub destination: String,
}

/// By what is known of the database file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCheck {
    /// What is known.
    pub state: &'static str,
}

/// By destination and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByAttempt {
    /// The destination.
    pub destination: String,
    /// The outcome of the attempt.
    pub outcome: &'static str,
}

/// By destination, what was told, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByEnd {
    /// The destination.
    pub destination: String,
    /// The change of an incident, or [`ByEnd::BATCH`].
    pub kind: &'static str,
    /// `delivered`, `dead` or `gone`.
    pub outcome: &'static str,
}

impl ByEnd {
    /// The kind of a delivery to a sink.
    pub const BATCH: &'static str = "batch";
}

/// What a delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// It has arrived.
    Delivered,
    /// It is a dead letter.
    Dead,
    /// What was made at the destination is no longer there.
    Gone,
}

impl DeliveryEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Dead, Self::Gone];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Gone => "gone",
        }
    }
}

/// By destination and state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByQueue {
    /// The destination.
    pub destination: String,
    /// The state of the delivery.
    pub state: &'static str,
}

impl ByQueue {
    /// The deliveries of a destination in a state.
    pub fn of(destination: &str, state: DeliveryState) -> Self {
        Self { destination: destination.to_owned(), state: state.as_str() }
    }
}

/// The labels that the configuration makes known, and the codes of refusals.
#[derive(Clone, Debug, Default)]
pub struct KnownLabels {
    /// The sources.
    pub sources: Vec<String>,
    /// The routes.
    pub routes: Vec<String>,
    /// The destinations.
    pub destinations: Vec<String>,
    /// The codes of refused requests.
    pub refusals: Vec<&'static str>,
}

/// By task of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByTask {
    /// The task.
    pub task: &'static str,
}

/// A task of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Receipts become events and deliveries.
    Dispatcher,
    /// Deliveries become messages; one for each destination.
    Delivery,
    /// What is old is deleted, and queues are measured.
    Retention,
    /// The clock is watched.
    Clock,
    /// Incidents are looked at when their time has come.
    Incidents,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Dispatcher, Self::Delivery, Self::Retention, Self::Clock, Self::Incidents];

    /// Its name in metrics and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatcher => "dispatcher",
            Self::Delivery => "delivery",
            Self::Retention => "retention",
            Self::Clock => "clock",
            Self::Incidents => "incidents",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[allow(clippy::too_many_lines, reason = "one line a metric, in one list")]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("gatepost");
        let intake_duration =
            Histogram::new([0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]);
        let all = Self {
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
            store_size: Gauge::default(),
            store_full: Gauge::default(),
            store_check: Family::default(),
            receipts_unreadable: Counter::default(),
            store_faults: Counter::default(),
            reloads_refused: Counter::default(),
            clock_jumps: Counter::default(),
            pipeline_restarts: Family::default(),
        };
        registry.register("intake_requests", "Requests by how they ended", all.intake_requests.clone());
        let help = "From the head of a request to its answer";
        registry.register_with_unit("intake_duration", help, Unit::Seconds, all.intake_duration.clone());
        registry.register("events_read", "Events read from receipts", all.events_read.clone());
        registry.register("events_duplicate", "Events that had been stored before", all.events_duplicate.clone());
        registry.register("events_quarantined", "Events put into quarantine", all.events_quarantined.clone());
        let help = "Events older than half of the time for which keys are kept";
        registry.register("events_aging", help, all.events_aging.clone());
        registry.register("events_unparsed", "Bodies that were not understood", all.events_unparsed.clone());
        let help = "Events without any field that their source knows";
        registry.register("events_unrecognized", help, all.events_unrecognized.clone());
        let help = "Events whose severity word is not known";
        registry.register("events_severity_unknown", help, all.events_severity_unknown.clone());
        registry.register("receipts_poison", "Bodies that reading failed on", all.receipts_poison.clone());
        registry.register("events_unrouted", "Events that no route took", all.events_unrouted.clone());
        let help = "Events that were not told by themselves";
        registry.register("events_held_back", help, all.events_held_back.clone());
        registry.register("incidents", "Incidents by state", all.incidents.clone());
        registry.register("incidents_opened", "Incidents that were opened", all.incidents_opened.clone());
        registry.register("routing_undecided", "Conditions that could not be decided", all.routing_undecided.clone());
        registry.register("delivery_attempts", "Attempts by outcome", all.delivery_attempts.clone());
        registry.register("deliveries", "Deliveries that have come to an end", all.deliveries.clone());
        registry.register("delivery_dead", "Deliveries that became dead letters", all.delivery_dead.clone());
        registry.register("queue_deliveries", "Deliveries that are not done", all.queue_deliveries.clone());
        registry.register("queue_receipts", "Receipts that are not dispatched", all.queue_receipts.clone());
        let help = "Age of the oldest receipt that is not dispatched";
        registry.register_with_unit("oldest_unread_age", help, Unit::Seconds, all.oldest_unread_age.clone());
        let help = "Receipts that wait to be read for the first time";
        registry.register("backlog_receipts", help, all.backlog_receipts.clone());
        let help = "Bodies of receipts that wait to be read for the first time";
        registry.register_with_unit("backlog", help, Unit::Bytes, all.backlog.clone());
        let help = "Age of the oldest delivery that is neither delivered nor dead";
        registry.register_with_unit("oldest_untold_age", help, Unit::Seconds, all.oldest_untold_age.clone());
        registry.register("sink_lag_events", "Events that a sink has not been sent", all.sink_lag_events.clone());
        let help = "Age of the oldest event that a sink has not been sent";
        registry.register_with_unit("sink_lag", help, Unit::Seconds, all.sink_lag.clone());
        let help = "1 while the destination fails and is tried again";
        registry.register("destination_failing", help, all.destination_failing.clone());
        let help = "1 while the destination is stopped for a fault in its settings";
        registry.register("destination_stopped", help, all.destination_stopped.clone());
        registry.register_with_unit("store_size", "Database and log", Unit::Bytes, all.store_size.clone());
        let help = "1 while requests are refused because the disk is full";
        registry.register("store_full", help, all.store_full.clone());
        let help = "1 for the state of the check of the database file";
        registry.register("store_check", help, all.store_check.clone());
        let help = "Receipts set aside because their rows cannot be read";
        registry.register("receipts_unreadable", help, all.receipts_unreadable.clone());
        registry.register("store_faults", "Writes that the store refused", all.store_faults.clone());
        registry.register("config_reloads_refused", "Reloads that were refused", all.reloads_refused.clone());
        registry.register("clock_jumps", "How often the clock was set", all.clock_jumps.clone());
        let help = "Tasks of the pipeline that ended and were started again";
        registry.register("pipeline_restarts", help, all.pipeline_restarts.clone());
        for task in Task::ALL {
            drop(all.pipeline_restarts.get_or_create(&ByTask { task: task.as_str() }));
        }
        Self { registry, ..all }
    }

    /// Creates every series of these labels that is not there yet, at zero: `increase()` of a series that appears with its
    /// first value misses that first increment.
    pub fn start_at_zero(&self, known: &KnownLabels) {
        for source in known.sources.iter().map(String::as_str).chain([UNKNOWN_SOURCE]) {
            let outcomes = [IntakeOutcome::Accepted, IntakeOutcome::Duplicate, IntakeOutcome::Repeated].into_iter();
            for outcome in outcomes.chain(known.refusals.iter().map(|code| IntakeOutcome::Refused(code))) {
                drop(self.intake_requests.get_or_create(&ByOutcome { source: source.to_owned(), outcome }));
            }
        }
        for source in &known.sources {
            let by_source = BySource { source: source.clone() };
            for counters in [
                &self.events_read,
                &self.events_duplicate,
                &self.events_quarantined,
                &self.events_aging,
                &self.events_unparsed,
                &self.events_unrecognized,
                &self.events_severity_unknown,
                &self.receipts_poison,
                &self.events_unrouted,
                &self.incidents_opened,
            ] {
                drop(counters.get_or_create(&by_source));
            }
            for gauge in [&self.oldest_unread_age, &self.backlog_receipts, &self.backlog] {
                drop(gauge.get_or_create(&by_source));
            }
        }
        for route in &known.routes {
            drop(self.routing_undecided.get_or_create(&ByRoute { route: route.clone() }));
        }
        known.destinations.iter().for_each(|destination| self.start_destination_at_zero(destination));
    }

    fn start_destination_at_zero(&self, destination: &str) {
        for kind in OutcomeKind::ALL {
            let labels = ByAttempt { destination: destination.to_owned(), outcome: kind.as_str() };
            drop(self.delivery_attempts.get_or_create(&labels));
        }
        for kind in Change::ALL.map(Change::as_str).into_iter().chain([ByEnd::BATCH]) {
            for end in DeliveryEnd::ALL {
                let labels = ByEnd { destination: destination.to_owned(), kind, outcome: end.as_str() };
                drop(self.deliveries.get_or_create(&labels));
            }
        }
        for state in DeliveryState::QUEUED {
            drop(self.queue_deliveries.get_or_create(&ByQueue::of(destination, state)));
        }
        drop(self.delivery_dead.get_or_create(&ByQueue::of(destination, DeliveryState::Dead)));
        let by_destination = ByDestination { destination: destination.to_owned() };
        for gauges in [&self.oldest_untold_age, &self.destination_stopped, &self.destination_failing] {
            drop(gauges.get_or_create(&by_destination));
        }
    }

    /// Counts a request.
    pub fn count_intake(&self, source: &str, outcome: IntakeOutcome) {
        self.intake_requests.get_or_create(&ByOutcome { source: source.to_owned(), outcome }).inc();
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

/// The label of requests that name no configured source.
pub const UNKNOWN_SOURCE: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        let metrics = Metrics::new();
        metrics.count_intake("adrian", IntakeOutcome::Refused("signature-mismatch"));
        metrics.count_attempt("soc", OutcomeKind::Delivered);
        metrics.show_depth("soc", DeliveryState::Waiting, 3);
        metrics.count_delivery("soc", Some(Change::Raise.as_str()), DeliveryEnd::Delivered);
        metrics.count_delivery("archive", None, DeliveryEnd::Dead);
        metrics.show_destination("soc", false, true);
        metrics.show_unread_age("adrian", Duration::from_millis(61_999));
        metrics.show_untold_age("soc", Duration::from_secs(3));
        metrics.show_backlog("adrian", 5, 4_096);
        metrics.show_sink_lag("archive", 70, Duration::from_secs(2));
        metrics.intake_duration.observe(0.001);
        let text = metrics.render();
        for line in [
            "gatepost_intake_requests_total{source=\"adrian\",outcome=\"signature-mismatch\"} 1",
            "gatepost_delivery_attempts_total{destination=\"soc\",outcome=\"delivered\"} 1",
            "gatepost_queue_deliveries{destination=\"soc\",state=\"waiting\"} 3",
            "gatepost_deliveries_total{destination=\"soc\",kind=\"raise\",outcome=\"delivered\"} 1",
            "gatepost_deliveries_total{destination=\"archive\",kind=\"batch\",outcome=\"dead\"} 1",
            "gatepost_intake_duration_seconds_count 1",
            "gatepost_store_size_bytes 0",
            "gatepost_store_full 0",
            "gatepost_destination_stopped{destination=\"soc\"} 0",
            "gatepost_destination_failing{destination=\"soc\"} 1",
            "gatepost_oldest_unread_age_seconds{source=\"adrian\"} 61",
            "gatepost_oldest_untold_age_seconds{destination=\"soc\"} 3",
            "gatepost_sink_lag_events{destination=\"archive\"} 70",
            "gatepost_sink_lag_seconds{destination=\"archive\"} 2",
            "gatepost_backlog_receipts{source=\"adrian\"} 5",
            "gatepost_backlog_bytes{source=\"adrian\"} 4096",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
