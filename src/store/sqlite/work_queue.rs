//! Background work that waits for the thread that writes, in two lines.
//!
//! What brings an alert to people is first: to claim and record receipts, to claim and settle what notifiers are told. What
//! keeps a copy of every event, the work of sinks, is later: there is much of it, and none is urgent. Both lines have their
//! own pauses, see [`Schedule`](super::scheduling::Schedule), so that neither waits for the pause that the other has caused.

use std::collections::VecDeque;

use super::work::{Work, WorkLine};

/// The lines that may go on now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenLines {
    /// [`WorkLine::First`].
    pub first: bool,
    /// [`WorkLine::Later`].
    pub later: bool,
}

/// Both lines.
#[derive(Default)]
pub struct WorkQueue {
    first: VecDeque<Box<dyn Work>>,
    later: VecDeque<Box<dyn Work>>,
    /// How many of the first have gone while later ones might have.
    passed: usize,
}

impl WorkQueue {
    /// Puts a piece at the end of its line.
    pub fn push(&mut self, line: WorkLine, work: Box<dyn Work>) {
        match line {
            WorkLine::First => self.first.push_back(work),
            WorkLine::Later => self.later.push_back(work),
        }
    }

    /// The next piece of the lines that are open: of the first, but every fourth of the other where both have some.
    pub fn pop(&mut self, open: OpenLines) -> Option<(WorkLine, Box<dyn Work>)> {
        let has_first = open.first && !self.first.is_empty();
        let has_later = open.later && !self.later.is_empty();
        if has_first && !(has_later && self.passed >= PASSED_MAX) {
            self.passed = if has_later { self.passed + 1 } else { 0 };
            return self.first.pop_front().map(|work| (WorkLine::First, work));
        }
        if has_later {
            self.passed = 0;
            return self.later.pop_front().map(|work| (WorkLine::Later, work));
        }
        None
    }

    /// Whether the lines that are open have any.
    pub fn has(&self, open: OpenLines) -> bool {
        open.first && !self.first.is_empty() || open.later && !self.later.is_empty()
    }

    /// How many pieces wait in a line.
    pub fn len(&self, line: WorkLine) -> usize {
        match line {
            WorkLine::First => self.first.len(),
            WorkLine::Later => self.later.len(),
        }
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.later.is_empty()
    }
}

impl OpenLines {
    /// Both.
    pub const ALL: Self = Self { first: true, later: true };
    /// None.
    pub const NONE: Self = Self { first: false, later: false };
}

/// So many of the first go before one of the later ones.
const PASSED_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use rusqlite::Transaction;

    use super::super::super::StoreError;
    use super::super::keys::KeysAtHand;
    use super::*;

    struct Piece;

    impl Work for Piece {
        fn run(&mut self, _transaction: &Transaction<'_>, _keys: &mut KeysAtHand) -> Result<(), StoreError> {
            Ok(())
        }

        fn answer(self: Box<Self>, _fate: Result<(), StoreError>) {}
    }

    fn queue(first: usize, later: usize) -> WorkQueue {
        let mut queue = WorkQueue::default();
        (0..later).for_each(|_| queue.push(WorkLine::Later, Box::new(Piece)));
        (0..first).for_each(|_| queue.push(WorkLine::First, Box::new(Piece)));
        queue
    }

    fn order(queue: &mut WorkQueue, open: OpenLines) -> String {
        let letter = |line| if line == WorkLine::First { 'f' } else { 'l' };
        std::iter::from_fn(|| queue.pop(open)).map(|(line, _)| letter(line)).collect()
    }

    #[test]
    fn what_is_for_people_goes_first_and_every_fourth_is_for_sinks() {
        assert_eq!(order(&mut queue(2, 2), OpenLines::ALL), "ffll");
        assert_eq!(order(&mut queue(8, 3), OpenLines::ALL), "ffflffflffl");
        assert_eq!(order(&mut queue(3, 0), OpenLines::ALL), "fff");
    }

    #[test]
    fn a_line_that_is_closed_waits() {
        let mut both = queue(2, 2);
        assert!(!both.has(OpenLines::NONE) && both.pop(OpenLines::NONE).is_none());
        let (first, later) = (OpenLines { first: true, later: false }, OpenLines { first: false, later: true });
        assert!(both.has(first) && both.has(later));
        assert_eq!(order(&mut both, first), "ff");
        assert_eq!((both.has(first), both.len(WorkLine::Later), both.is_empty()), (false, 2, false));
        assert_eq!(order(&mut both, later), "ll");
        assert!(both.is_empty());
    }
}
