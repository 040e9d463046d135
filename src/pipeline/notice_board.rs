//! The conditions that hold, for `/readyz`, metrics and the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::notices::{Condition, NoticeId, Seen};
use crate::telemetry::Metrics;

/// The conditions that the operator should know of, as they were last seen; none before the first look.
#[derive(Clone, Debug, Default)]
pub struct NoticeBoard(Arc<Mutex<BTreeMap<NoticeId, Condition>>>);

impl NoticeBoard {
    /// The conditions that hold.
    pub fn read(&self) -> Vec<Condition> {
        self.lock().values().cloned().collect()
    }

    /// Takes what was seen: logs what has begun and ended, once each, and shows the rest.
    pub fn show(&self, seen: &Seen, metrics: &Metrics) {
        let mut shown = self.lock();
        for condition in &seen.holding {
            let NoticeId { kind, subject } = &condition.id;
            if shown.insert(condition.id.clone(), condition.clone()).is_none() {
                let (kind, title, message) = (kind.as_str(), &condition.title, &condition.message);
                tracing::warn!(kind, subject, title, message, "a condition needs the operator's attention");
            }
            metrics.show_notice(kind.as_str(), subject, true);
        }
        shown.retain(|id, _| {
            let holds = seen.undecided.contains(id) || seen.holding.iter().any(|condition| condition.id == *id);
            if !holds {
                tracing::info!(kind = id.kind.as_str(), subject = id.subject, "a condition has ended");
                metrics.show_notice(id.kind.as_str(), &id.subject, false);
            }
            holds
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<NoticeId, Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Severity;
    use crate::notices::NoticeKind;

    #[test]
    fn what_holds_is_shown_until_it_has_ended() {
        let condition = Condition {
            id: NoticeId { kind: NoticeKind::DeadLetters, subject: "soc".to_owned() },
            severity: Severity::High,
            title: "t".to_owned(),
            message: "1 in all".to_owned(),
            remedy: String::new(),
            amount: 1,
            holds_for: Duration::ZERO,
            known_after: Duration::ZERO,
        };
        let (board, metrics) = (NoticeBoard::default(), Metrics::new());
        let gauge = |value| format!("gatepost_notices{{kind=\"dead-letters\",subject=\"soc\"}} {value}");
        let seen = Seen { holding: vec![condition.clone()], ..Seen::default() };
        board.show(&seen, &metrics);
        assert!(metrics.render().contains(&gauge(1)));
        let grown = Condition { message: "2 in all".to_owned(), ..condition.clone() };
        board.show(&Seen { holding: vec![grown.clone()], ..Seen::default() }, &metrics);
        assert_eq!(board.read(), std::slice::from_ref(&grown), "the newest numbers are shown");
        board.show(&Seen { undecided: [condition.id].into(), ..Seen::default() }, &metrics);
        assert_eq!(board.read(), [grown]);
        board.show(&Seen::default(), &metrics);
        assert!(board.read().is_empty() && metrics.render().contains(&gauge(0)));
    }
}
