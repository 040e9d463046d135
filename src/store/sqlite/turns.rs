//! Which source's receipts are claimed next: the sources that have some waiting, in turn, by name.
//!
//! A source that has nothing waiting is not in the table of runs and costs nothing, however many of them come and go.

use rusqlite::Connection;

use super::super::ReceiptSize;
use super::runs::next_source;

/// The turns of both sizes.
#[derive(Debug, Default)]
pub struct Turns {
    small: Turn,
    large: Turn,
}

/// The position in the round.
#[derive(Debug, Default)]
pub struct Turn {
    /// The source that was served last; empty before the first.
    source: String,
    /// How often the round was begun.
    rounds: usize,
}

impl Turns {
    /// The turn of that size.
    pub fn of(&mut self, size: ReceiptSize) -> &mut Turn {
        match size {
            ReceiptSize::Small => &mut self.small,
            ReceiptSize::Large => &mut self.large,
        }
    }
}

impl Turn {
    /// The source that is next; `None` if nothing of that size waits.
    pub fn next(&self, connection: &Connection, size: ReceiptSize) -> rusqlite::Result<Option<String>> {
        match next_source(connection, size, &self.source)? {
            None if self.source.is_empty() => Ok(None),
            None => next_source(connection, size, ""),
            found => Ok(found),
        }
    }

    /// How many of the `count` receipts of a turn are the oldest of the source: a quarter, also over several rounds.
    pub fn oldest_share(&self, count: usize) -> usize {
        let place = self.rounds % OLDEST_EVERY * count;
        (place + count) / OLDEST_EVERY - place / OLDEST_EVERY
    }

    /// The source has had its turn.
    pub fn served(&mut self, source: String) {
        if source <= self.source {
            self.rounds = self.rounds.wrapping_add(1);
        }
        self.source = source;
    }
}

/// One in four.
const OLDEST_EVERY: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_turns_goes_to_the_oldest_whatever_their_length() {
        for count in 1..40 {
            let mut turn = Turn::default();
            let mut shares = 0;
            for _ in 0..OLDEST_EVERY {
                shares += turn.oldest_share(count);
                turn.served("b".to_owned());
                // Others between do not change it.
                turn.served("c".to_owned());
                turn.served("a".to_owned());
            }
            assert_eq!(shares, count, "{count}");
        }
    }
}
