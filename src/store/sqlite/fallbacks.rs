//! Deliveries that have waited for so long that another notifier is told instead.

use std::sync::Arc;

use rusqlite::params;

use super::super::{Fallbacks, FellBack, OverdueDelivery, Policy, StoreError, Ticket};
use super::SqliteStore;
use super::notifications::Notifications;
use super::rows::row_limit;
use super::urgency::urgency_of_change;
use crate::domain::{Change, EventOutcome, Rank, Severity, Timestamp};

impl Fallbacks for SqliteStore {
    fn overdue(
        &self,
        policy: &Policy,
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OverdueDelivery>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(OVERDUE)?;
        let mut found = Vec::new();
        for (destination, fallback) in &policy.fallbacks {
            let values = params![
                destination.as_str(),
                least_urgency(),
                now.minus(fallback.after).as_millis(),
                fallback.to.as_str(),
                after,
                row_limit(limit)
            ];
            let rows = select.query_map(values, |row| {
                let due_since = Timestamp::from_millis(row.get(2)?);
                Ok(OverdueDelivery { cursor: row.get(0)?, notification: row.get(1)?, due_since })
            })?;
            found.extend(rows.collect::<Result<Vec<_>, _>>()?);
        }
        found.sort_by_key(|delivery| delivery.cursor);
        found.truncate(limit);
        Ok(found)
    }

    fn fall_back(&self, overdue: Vec<OverdueDelivery>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<FellBack> {
        let policy = Arc::clone(policy);
        self.writer.write(move |transaction| {
            let notifications = Notifications::of(transaction, &policy, now);
            let mut fell_back = FellBack::default();
            for delivery in &overdue {
                notifications.fall_back_if_overdue(delivery, &mut fell_back)?;
            }
            Ok(fell_back)
        })
    }
}

/// The lowest place of a change that must be told at once.
fn least_urgency() -> u8 {
    urgency_of_change(Change::Open, Rank { severity: Severity::Unknown, outcome: Some(EventOutcome::Blocked) })
}

/// What waits or is under way, whose incident its fallback does not know yet.
const OVERDUE: &str = "SELECT d.seq, d.notification, d.created_at FROM (
        SELECT seq, notification, created_at FROM deliveries INDEXED BY deliveries_due
        WHERE destination = ?1 AND state = 0 AND urgency >= ?2 AND created_at <= ?3
        UNION ALL
        SELECT seq, notification, created_at FROM deliveries INDEXED BY deliveries_leased
        WHERE destination = ?1 AND state = 1 AND urgency >= ?2 AND created_at <= ?3
    ) d JOIN notifications n ON n.seq = d.notification
    WHERE d.seq > ?5 AND NOT EXISTS (SELECT 1 FROM notifications f WHERE f.incident = n.incident AND f.destination = ?4)
    ORDER BY d.seq LIMIT ?6";
