//! Which dead letters an order is about: by destination, time and reason. `replay` and `deliveries discard` ask.

use super::failure::Failure;
use crate::domain::{DeliveryState, Timestamp};
use crate::store::{DeliveryFilter, DeliveryRow, Page, Queries, SqliteStore};

/// Which dead letters.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters {
    /// For this destination.
    pub destination: Option<String>,
    /// Planned at this time or later.
    pub since: Option<Timestamp>,
    /// Planned before this time.
    pub until: Option<Timestamp>,
    /// With this text in the reason, whatever its case.
    pub reason: Option<String>,
}

impl DeadLetters {
    /// Finds them, the oldest first, as they would have gone out.
    pub fn find(&self, store: &SqliteStore) -> Result<Vec<DeliveryRow>, Failure> {
        let filter = DeliveryFilter {
            destination: self.destination.clone(),
            state: Some(DeliveryState::Dead),
            since: self.since,
            until: self.until,
            ..DeliveryFilter::default()
        };
        let reason = self.reason.as_ref().map(|reason| reason.to_lowercase());
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let rows = store.deliveries(&Page { limit: PAGE_ROWS, before }, &filter)?;
            let Some(last) = rows.last() else { break };
            before = Some(last.cursor);
            all.extend(rows.into_iter().filter(|row| says(row, reason.as_deref())));
        }
        all.reverse();
        Ok(all)
    }
}

fn says(row: &DeliveryRow, reason: Option<&str>) -> bool {
    let of_row = row.delivery.reason.as_deref().unwrap_or_default();
    reason.is_none_or(|reason| of_row.to_lowercase().contains(reason))
}

const PAGE_ROWS: usize = 500;
