//! Whose turn it is on the thread that writes.
//!
//! Requests wait for their answers, background work does not: while arrivals keep coming, work goes with them into
//! their transactions, and after each piece leaves them the thread for some multiple of the time that it took. The
//! multiple grows while arrivals come in crowds, and shrinks while they do not. It never grows so far that work stands
//! still.

use std::time::{Duration, Instant};

/// Whose turn it is.
#[derive(Debug)]
pub struct Schedule {
    /// When arrivals were last committed.
    last_intake: Option<Instant>,
    /// While arrivals come, work goes on no earlier.
    work_not_before: Option<Instant>,
    /// How much longer than a piece of work intake has the thread afterwards.
    intake_shares: u32,
    /// When that changed, or arrivals last came in a crowd.
    unchanged_since: Option<Instant>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { last_intake: None, work_not_before: None, intake_shares: INTAKE_SHARES_LEAST, unchanged_since: None }
    }
}

impl Schedule {
    /// How long work has to wait; zero when it may go on. `alone`: no arrivals are here whose transaction it could share.
    pub fn work_waits(&self, now: Instant, alone: bool) -> Duration {
        // A moment after the last arrivals are answered the next ones are here, if there are more.
        let quiet = self.last_intake.map_or(Duration::ZERO, |last| (last + QUIET).saturating_duration_since(now));
        if quiet.is_zero() {
            return Duration::ZERO;
        }
        let put_off = self.work_not_before.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        if !alone {
            return put_off;
        }
        quiet
    }

    /// How long work may go on now.
    pub fn slice(&self, alone: bool) -> Duration {
        if alone { SLICE_ALONE } else { SLICE_SHARED }
    }

    /// So many arrivals are committed at once.
    pub fn intake_ends(&mut self, arrivals: usize, now: Instant) {
        self.last_intake = Some(now);
        let unchanged = self.unchanged_since.map_or(Duration::MAX, |since| now.duration_since(since));
        if arrivals >= CROWD {
            self.intake_shares = (self.intake_shares * 2).min(INTAKE_SHARES_MOST);
            self.unchanged_since = Some(now);
        } else if unchanged > EASE {
            self.intake_shares = (self.intake_shares / 2).max(INTAKE_SHARES_LEAST);
            self.unchanged_since = Some(now);
        }
    }

    /// Work has had the thread since `begun`; so many pieces are left.
    pub fn work_ends(&mut self, begun: Instant, now: Instant, left: usize) {
        let share = now.duration_since(begun) * self.intake_shares;
        let least = if left < PIECES_FEW { PAUSE } else { PAUSE_SHORT };
        self.work_not_before = Some(now + share.max(least));
    }
}

/// So long after the last arrivals no more are expected.
const QUIET: Duration = Duration::from_millis(1);
/// The pause after work while arrivals come, at least: most of them go without it.
const PAUSE: Duration = Duration::from_millis(2);
/// The same while so much work waits that it must go on.
const PAUSE_SHORT: Duration = Duration::from_micros(500);
/// Fewer pieces are not much.
const PIECES_FEW: usize = 4;
/// So many arrivals at once are more than come and go.
const CROWD: usize = 24;
/// After so long without a crowd work gets more again.
const EASE: Duration = Duration::from_millis(20);
/// While arrivals come, intake has at least as much of the thread as work.
const INTAKE_SHARES_LEAST: u32 = 1;
/// And at most thirty-two times as much.
const INTAKE_SHARES_MOST: u32 = 32;
/// How long work goes on in a transaction with arrivals.
const SLICE_SHARED: Duration = Duration::from_millis(1);
/// How long work goes on in a transaction of its own: arrivals may come meanwhile, and wait.
const SLICE_ALONE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(begun: Instant, micros: u64) -> Instant {
        begun + Duration::from_micros(micros)
    }

    #[test]
    fn work_waits_for_nobody_where_no_arrivals_come() {
        let begun = Instant::now();
        let mut turn = Schedule::default();
        assert!(turn.work_waits(begun, true).is_zero());
        turn.work_ends(begun, after(begun, 10_000), 0);
        assert!(turn.work_waits(after(begun, 10_000), true).is_zero());
    }

    #[test]
    fn work_goes_with_arrivals_while_they_come_and_leaves_them_the_thread_between() {
        let begun = Instant::now();
        let mut turn = Schedule::default();
        turn.work_ends(begun, after(begun, 10_000), 0);
        turn.intake_ends(1, after(begun, 10_500));
        let now = after(begun, 10_500);
        assert_eq!(turn.work_waits(now, false), Duration::from_micros(9_500));
        assert_eq!(turn.work_waits(now, true), QUIET, "they may be about to come");
        assert!(turn.work_waits(after(begun, 11_500), true).is_zero(), "they did not");
        turn.intake_ends(1, after(begun, 19_700));
        assert!(turn.work_waits(after(begun, 20_000), false).is_zero(), "work is never put off for ever");
    }

    #[test]
    fn work_that_piles_up_pauses_for_less() {
        let begun = Instant::now();
        let mut turn = Schedule::default();
        turn.work_ends(begun, after(begun, 100), PIECES_FEW - 1);
        assert_eq!(turn.work_not_before, Some(after(begun, 100) + PAUSE));
        turn.work_ends(begun, after(begun, 100), PIECES_FEW);
        assert_eq!(turn.work_not_before, Some(after(begun, 100) + PAUSE_SHORT));
    }

    #[test]
    fn work_gets_less_while_arrivals_come_in_crowds_but_never_nothing() {
        let begun = Instant::now();
        let mut turn = Schedule::default();
        (0..100).for_each(|_| turn.intake_ends(CROWD, begun));
        turn.work_ends(begun, after(begun, 1_000), 0);
        assert_eq!(turn.work_not_before, Some(after(begun, 1_000) + Duration::from_millis(32)));
        (0..100).for_each(|_| turn.intake_ends(CROWD - 1, begun));
        assert_eq!(turn.intake_shares, INTAKE_SHARES_MOST, "not at once");
        (1..7).for_each(|step| turn.intake_ends(1, begun + EASE * 2 * step));
        assert_eq!(turn.intake_shares, INTAKE_SHARES_LEAST);
    }
}
