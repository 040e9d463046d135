//! How many receipts a batch holds, and how many events are recorded in one piece of work.

use std::time::Duration;

use crate::store::{ReceiptLimits, ReceiptSize};

/// How many receipts are claimed at once: as many as were recently done in `BATCH_TIME`.
#[derive(Debug)]
pub(super) struct BatchLimits {
    most: ReceiptLimits,
    receipts: usize,
    piece_events: usize,
}

impl BatchLimits {
    /// Of at most that size.
    pub(super) fn new(most: ReceiptLimits) -> Self {
        Self { most, receipts: most.receipts, piece_events: PIECE_EVENTS_FIRST }
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

    /// How many events are recorded in one piece of work: about as many as take a millisecond, so that intake need not wait.
    pub(super) fn piece_events(&self) -> usize {
        self.piece_events
    }

    /// Pieces of so many events had the thread that writes for so long: an event that is only counted takes a tenth of one
    /// that opens an incident.
    pub(super) fn note_pieces(&mut self, pieces: &[(usize, Duration)]) {
        for (events, took) in pieces {
            if *took > PIECE_TIME && *events > PIECE_EVENTS_MIN {
                self.piece_events = (self.piece_events.min(*events) / 2).max(PIECE_EVENTS_MIN);
            } else if *events >= self.piece_events && *took < PIECE_TIME / 3 {
                self.piece_events = (self.piece_events * 2).min(PIECE_EVENTS_MAX);
            }
        }
    }
}

/// How long a batch may take before the next one is made smaller. An urgent receipt waits for the end of one batch and the
/// claim of the next.
const BATCH_TIME: Duration = Duration::from_millis(40);
/// Fewer receipts take no less time.
const BATCH_RECEIPTS_MIN: usize = PIECE_EVENTS_FIRST;
/// How long a piece may have the thread that writes before the next one is made smaller.
const PIECE_TIME: Duration = Duration::from_micros(1_200);
const PIECE_EVENTS_FIRST: usize = 24;
const PIECE_EVENTS_MIN: usize = 24;
const PIECE_EVENTS_MAX: usize = 192;
/// Small receipts taken at once, at most.
pub(super) const SMALL: ReceiptLimits = ReceiptLimits { size: Some(ReceiptSize::Small), receipts: 512, bytes: 1 << 20 };
/// Large receipts taken at once: one, where it is a large one.
pub(super) const LARGE: ReceiptLimits = ReceiptLimits { size: Some(ReceiptSize::Large), receipts: 4, bytes: 512 << 10 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_holds_as_many_events_as_take_little_of_the_thread_that_writes() {
        let mut batches = BatchLimits::new(SMALL);
        let mut after = |events, took| {
            batches.note_pieces(&[(events, took)]);
            batches.piece_events()
        };
        let (quick, fair, slow) = (PIECE_TIME / 4, PIECE_TIME / 2, PIECE_TIME * 2);
        assert_eq!([after(24, fair), after(23, quick)], [24, 24], "nothing says that more would be quick");
        assert_eq!([24, 48, 96, 192].map(|events| after(events, quick)), [48, 96, 192, 192]);
        assert_eq!([192, 96, 48, 24].map(|events| after(events, slow)), [96, 48, 24, 24]);
        assert_eq!(after(24, quick), 48);
    }

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
