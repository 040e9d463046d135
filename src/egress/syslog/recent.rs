//! What was written to a collector last: written again where the collector dies before it has read it.
//!
//! A peer that ends with something unread resets the connection, and one that has read everything closes it. So a reset says
//! that something of the last seconds is lost, and not how much: all of it is written again. A collector tells repetitions apart
//! by the id of the event. What is older is taken as read: idle connections are reset by what stands in between, too.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// The last batches that were written.
#[derive(Debug, Default)]
pub(super) struct Recent {
    batches: VecDeque<(Instant, Vec<Bytes>)>,
    /// The connection that they were written to was reset.
    is_lost: bool,
}

impl Recent {
    /// Notes a batch that was written, with those before it if they were lost.
    pub fn written(&mut self, messages: Vec<Bytes>, now: Instant) {
        self.is_lost = false;
        self.batches.push_back((now, messages));
        while self.bytes() > BYTES_MAX && self.batches.len() > 1 {
            self.batches.pop_front();
        }
        self.forget_old(now);
    }

    /// Notes how the connection has ended.
    pub fn ended(&mut self, kind: ErrorKind) {
        match kind {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::TimedOut => {
                self.is_lost = true
            }
            // A peer that closes it has read everything.
            _ if self.is_lost => {}
            _ => self.batches.clear(),
        }
    }

    /// What is to be written once more before anything new.
    pub fn lost(&mut self, now: Instant) -> Vec<Bytes> {
        if !self.is_lost {
            return Vec::new();
        }
        self.forget_old(now);
        self.batches.iter().flat_map(|(_, messages)| messages).cloned().collect()
    }

    /// It leads elsewhere now.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget_old(&mut self, now: Instant) {
        while self.batches.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > KEPT) {
            self.batches.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.batches.iter().flat_map(|(_, messages)| messages).map(Bytes::len).sum()
    }
}

/// A collector that is well reads within a moment; one that is not comes back within a restart.
const KEPT: Duration = Duration::from_secs(30);
/// About as much as a system keeps for a peer that does not read.
const BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(numbers: std::ops::Range<u8>) -> Vec<Bytes> {
        numbers.map(|number| Bytes::from(vec![number; 1 << 20])).collect()
    }

    #[test]
    fn what_was_written_last_is_lost_with_a_reset_and_not_with_an_end() {
        let now = Instant::now();
        for (kind, lost) in [
            (ErrorKind::ConnectionReset, true),
            (ErrorKind::BrokenPipe, true),
            (ErrorKind::TimedOut, true),
            (ErrorKind::UnexpectedEof, false),
            (ErrorKind::Other, false),
        ] {
            let mut recent = Recent::default();
            recent.written(messages(0..1), now);
            recent.written(messages(1..2), now);
            assert!(recent.lost(now).is_empty());
            recent.ended(kind);
            let wanted = if lost { messages(0..2) } else { Vec::new() };
            assert!(recent.lost(now) == wanted, "{kind}");
            // Until it is written, whatever comes of the connections in between.
            recent.ended(ErrorKind::UnexpectedEof);
            assert_eq!(recent.lost(now).len(), wanted.len(), "{kind}");
            recent.written(messages(2..3), now);
            assert!(recent.lost(now).is_empty());
        }
    }

    #[test]
    fn only_so_much_of_the_last_seconds_is_kept() {
        let now = Instant::now();
        let mut recent = Recent::default();
        for number in 0..6 {
            recent.written(messages(number..number + 1), now);
        }
        recent.ended(ErrorKind::ConnectionReset);
        assert!(recent.lost(now) == messages(2..6));
        assert!(recent.lost(now + KEPT + Duration::from_millis(1)).is_empty());
    }
}
