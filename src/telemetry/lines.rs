//! A limit on log lines that come with every request and every delivery.
//!
//! At a few a second each has its line. A line costs some microseconds and a system call, and a log collector drops
//! lines beyond some rate; so beyond a limit they are counted, and the number is logged instead.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Timestamp;

/// How many lines of one kind may be written. One for each source or destination, so that none takes the lines of another.
#[derive(Debug, Default)]
pub struct LineBudget(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: i64,
    written: u32,
    left_out: u64,
}

/// What is to be done about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It is written.
    Write,
    /// It is left out, and counted: the caller logs the number after [`TELL_AFTER`].
    LeaveOutAndTell,
    /// It is left out, and counted; the number will be logged.
    LeaveOut,
}

impl LineBudget {
    /// Asks for a line; `steady` is the monotonic clock.
    pub fn line(&self, steady: Timestamp) -> Line {
        let second = steady.as_millis() / 1_000;
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.second != second {
            (window.second, window.written) = (second, 0);
        }
        if window.written < LINES_PER_SECOND {
            window.written += 1;
            return Line::Write;
        }
        window.left_out += 1;
        if window.left_out == 1 { Line::LeaveOutAndTell } else { Line::LeaveOut }
    }

    /// How many were left out since this was last asked.
    pub fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).left_out)
    }
}

/// So many lines of a kind are written in a second.
const LINES_PER_SECOND: u32 = 20;
/// After how long the number of lines left out is logged.
pub const TELL_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_lines_are_counted_until_the_number_is_told() {
        let (budget, at) = (LineBudget::default(), |millis| Timestamp::from_millis(millis));
        let asked: Vec<Line> = (0..25).map(|n| budget.line(at(5_000 + n))).collect();
        assert!(asked[..20].iter().all(|line| *line == Line::Write));
        assert_eq!(asked[20], Line::LeaveOutAndTell);
        assert!(asked[21..].iter().all(|line| *line == Line::LeaveOut));
        assert_eq!(budget.line(at(6_000)), Line::Write, "another second");
        assert_eq!((budget.take_left_out(), budget.take_left_out()), (5, 0));
        let again: Vec<Line> = (0..21).map(|_| budget.line(at(6_500))).collect();
        assert_eq!(again.iter().filter(|line| **line == Line::Write).count(), 19);
        assert_eq!(again[19], Line::LeaveOutAndTell, "what is left out from now on is told anew");
    }
}
