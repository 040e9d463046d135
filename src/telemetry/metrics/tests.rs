use super::*;
use crate::domain::Change;

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
