//! The one name of each metric, with what it measures. The prefix `gatepost_` and the units are added.

use prometheus_client::registry::{Registry, Unit};

use super::Metrics;

/// Every metric, under its name.
#[allow(clippy::too_many_lines, reason = "one line a metric, in one list")]
pub(super) fn register(all: &Metrics) -> Registry {
    let mut registry = Registry::with_prefix("gatepost");
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
    let help = "Templates that failed on a change, which was told in the built-in words";
    registry.register("template_failures", help, all.template_failures.clone());
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
    registry.register("heartbeats", "Heartbeats by what became of them", all.heartbeats.clone());
    let help = "1 while a condition holds that the operator should know of";
    registry.register("notices", help, all.notices.clone());
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
    registry
}
