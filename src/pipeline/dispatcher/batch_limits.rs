//! How many receipts a batch holds.

use std::time::Duration;

use super::reader::PIECE_EVENTS;
use crate::store::{ReceiptLimits, ReceiptSize};

/// How many receipts are claimed at once: as many as were recently done in `BATCH_TIME`.
#[derive(Debug)]
pub(super) struct BatchLimits {
    most: ReceiptLimits,
    receipts: usize,
}

impl BatchLimits {
    /// Of at most that size.
    pub(super) fn new(most: ReceiptLimits) -> Self {
        Self { most, receipts: most.receipts }
    }

    pub(super) fn limits(&self) -> ReceiptLimits {
        ReceiptLimits { receipts: self.receipts, ..self.most }
    }

    /// A batch of so many receipts took so long, from its claim to its last commit.
    pub(super) fn note(&mut self, receipts: usize, took: Duration) {
        if receipts > 0 && took > BATCH_TIME {
            self.receipts = (self.receipts / 2).max(BATCH_RECEIPTS_MIN.min(self.most.receipts));
        } else if receipts >= self.receipts && took < BATCH_TIME / 2 {
            self.receipts = (self.receipts * 2).min(self.most.receipts);
        }
    }
}

/// How long a batch may take before the next one is made smaller. An urgent receipt waits for the end of one batch and the
/// claim of the next.
const BATCH_TIME: Duration = Duration::from_millis(40);
/// Fewer receipts than are recorded in one piece of work take no less time.
const BATCH_RECEIPTS_MIN: usize = PIECE_EVENTS;
/// Small receipts taken at once, at most.
pub(super) const SMALL: ReceiptLimits = ReceiptLimits { size: Some(ReceiptSize::Small), receipts: 512, bytes: 1 << 20 };
/// Large receipts taken at once: one, where it is a large one.
pub(super) const LARGE: ReceiptLimits = ReceiptLimits { size: Some(ReceiptSize::Large), receipts: 4, bytes: 512 << 10 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_as_many_as_are_done_in_time() {
        let mut batches = BatchLimits::new(SMALL);
        let (slow, quick) = (BATCH_TIME + Duration::from_millis(1), BATCH_TIME / 4);
        let mut after = |receipts, took| {
            batches.note(receipts, took);
            batches.limits().receipts
        };
        assert_eq!(after(512, quick), 512);
        let halved = [512, 256, 128, 64, 32, 24].map(|receipts| after(receipts, slow));
        assert_eq!(halved, [256, 128, 64, 32, 24, 24]);
        assert_eq!(after(0, slow), 24, "waiting for a claim of nothing says nothing");
        assert_eq!((after(5, quick), after(24, BATCH_TIME)), (24, 24), "nothing says that more could be done");
        assert_eq!([after(24, quick), after(48, quick), after(96, quick)], [48, 96, 192]);
        let mut large = BatchLimits::new(LARGE);
        large.note(1, Duration::from_secs(9));
        assert_eq!(large.limits().receipts, LARGE.receipts);
    }
}
