//! Every series that the configuration makes known exists from the start.

use super::super::labels::{
    ByAttempt, ByDestination, ByEnd, ByOutcome, ByQueue, ByRoute, BySource, DeliveryEnd, IntakeOutcome, KnownLabels,
    UNKNOWN_SOURCE,
};
use super::Metrics;
use crate::domain::{Change, DeliveryState, OutcomeKind};

impl Metrics {
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
        drop(self.template_failures.get_or_create(&by_destination));
        for gauges in [&self.oldest_untold_age, &self.destination_stopped, &self.destination_failing] {
            drop(gauges.get_or_create(&by_destination));
        }
    }
}
