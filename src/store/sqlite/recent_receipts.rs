//! Receipts in memory from their commit to their claim: what was just accepted is not read from the disk again.
//!
//! The thread that writes adds a receipt once its commit is on the disk, and takes it out when it is claimed; one that was
//! claimed within its own commit is taken out right after it. What is not here, because it was too much or a process has
//! ended since, is read from the table, which alone says what waits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::super::ReceiptSize;
use super::runs;
use crate::domain::{Receipt, ReceiptId};
use crate::vendors::Authenticated;

/// Receipts that are committed and not claimed, by their rows; bounded.
#[derive(Debug, Default)]
pub struct RecentReceipts(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    by_row: HashMap<i64, Receipt>,
    bytes: usize,
}

impl RecentReceipts {
    /// Keeps a receipt that was stored in `row`, if there is room: the oldest are claimed first, and stay.
    pub fn add(&self, row: i64, id: ReceiptId, arrival: &Authenticated) {
        let body = arrival.body();
        if runs::size_of(body.len(), arrival.encoding()) == ReceiptSize::Large {
            return;
        }
        let mut recent = self.lock();
        if recent.bytes + weight(body) > BYTES_MAX {
            return;
        }
        recent.bytes += weight(body);
        let receipt = Receipt {
            id,
            source: arrival.source().clone(),
            received_at: arrival.received_at(),
            content_type: arrival.content_type().map(str::to_owned),
            encoding: arrival.encoding(),
            // What the connection has read is one piece of memory with what follows: a part would keep all of it.
            body: Bytes::copy_from_slice(body),
        };
        recent.by_row.insert(row, receipt);
    }

    /// Takes the receipt of a row out.
    pub fn take(&self, row: i64) -> Option<Receipt> {
        self.lock().take(row)
    }

    /// Forgets those of these rows that are here.
    pub fn forget(&self, rows: impl Iterator<Item = i64>) {
        let mut recent = self.lock();
        rows.for_each(|row| drop(recent.take(row)));
    }

    /// Forgets all: the rows may be those of another file.
    pub fn clear(&self) {
        *self.lock() = Recent::default();
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn take(&mut self, row: i64) -> Option<Receipt> {
        let receipt = self.by_row.remove(&row)?;
        self.bytes -= weight(&receipt.body);
        Some(receipt)
    }
}

/// What a receipt takes in memory, about.
fn weight(body: &Bytes) -> usize {
    body.len() + OVERHEAD_BYTES
}

/// As much as arrives in a quarter of a second at full speed.
const BYTES_MAX: usize = 8 << 20;
/// Of a receipt beside its body.
const OVERHEAD_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentic::authentic;
    use crate::domain::Timestamp;

    fn add(recent: &RecentReceipts, row: i64, body: &str) {
        recent.add(row, ReceiptId::generate(), &authentic("s", &row.to_string(), body, Timestamp::from_millis(7)));
    }

    #[test]
    fn a_receipt_is_handed_over_once() {
        let recent = RecentReceipts::default();
        add(&recent, 3, "three");
        assert!(recent.take(4).is_none());
        let receipt = recent.take(3).unwrap();
        assert_eq!((receipt.source.as_str(), receipt.received_at), ("s", Timestamp::from_millis(7)));
        assert!(receipt.body.ends_with(b"three"), "{:?}", receipt.body);
        assert!(recent.take(3).is_none());
        assert_eq!(recent.lock().bytes, 0);
        add(&recent, 5, "five");
        recent.clear();
        assert!(recent.take(5).is_none());
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_table() {
        let recent = RecentReceipts::default();
        add(&recent, 1, &"x".repeat(200_000));
        assert!(recent.take(1).is_none(), "it is a large one");
        let body = "x".repeat(100_000);
        (1..=100).for_each(|row| add(&recent, row, &body));
        let kept = (1..=100).filter(|row| recent.lock().by_row.contains_key(row)).count();
        assert!((80..=83).contains(&kept), "{kept}");
        assert!(recent.take(1).is_some(), "the oldest stay");
        add(&recent, 101, &body);
        assert!(recent.take(101).is_some(), "there is room again");
    }
}
