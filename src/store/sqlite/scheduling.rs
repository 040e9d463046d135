//! Scheduling of intake and background work on the writer thread.
//!
//! Requests wait for their answers, background work does not: while arrivals keep coming, work goes with them into
//! their transactions, and after each piece leaves them the thread for a moment, or for some multiple of the time that it
//! took. The multiple grows while many arrivals come at once, and shrinks while they do not. What gathered behind work
//! says nothing of that, unless so much comes on average that there is [work in every transaction](Density). It is bounded,
//! so that work never starves. Each line of work pauses for its own pieces only.

use std::time::{Duration, Instant};

use super::density::Density;
use super::work::WorkLine;
use super::work_queue::OpenLines;

/// What may run now.
#[derive(Debug)]
pub struct Schedule {
    /// When arrivals were last committed.
    last_intake: Option<Instant>,
    /// While arrivals come, the first line of work goes on no earlier.
    first_not_before: Option<Instant>,
    /// The same of the later line.
    later_not_before: Option<Instant>,
    /// How much longer than a piece of work intake has the thread afterwards.
    intake_shares: u32,
    /// When that changed, or many arrivals last came at once.
    unchanged_since: Option<Instant>,
    /// Since when many arrivals have come at once, time and again.
    crowded_since: Option<Instant>,
    /// Whether work was done in this transaction, and in the one before, during which the arrivals of this one came.
    has_worked: bool,
    had_worked: bool,
    /// How many come at once on average.
    density: Density,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            last_intake: None,
            first_not_before: None,
            later_not_before: None,
            intake_shares: INTAKE_SHARES_LEAST,
            unchanged_since: None,
            crowded_since: None,
            has_worked: false,
            had_worked: false,
            density: Density::default(),
        }
    }
}

impl Schedule {
    /// How long work has to wait where no arrivals are here whose transaction it could share; zero when it may go on.
    pub fn work_waits(&self, now: Instant) -> Duration {
        // If more arrivals follow, they come within a moment after the last ones are answered.
        self.last_intake.map_or(Duration::ZERO, |last| (last + QUIET).saturating_duration_since(now))
    }

    /// The lines of work that may go on. `alone`: no arrivals are here whose transaction it could share.
    pub fn open_lines(&self, now: Instant, alone: bool) -> OpenLines {
        if self.work_waits(now).is_zero() {
            return OpenLines::ALL;
        }
        let is_due = |due: Option<Instant>| !alone && due.is_none_or(|due| due <= now);
        OpenLines { first: is_due(self.first_not_before), later: is_due(self.later_not_before) }
    }

    /// Whether arrivals have come many at once for a while. After a checkpoint, or any other moment in which none were
    /// answered, they do so for some milliseconds, however few they are.
    pub fn is_crowded(&self, now: Instant) -> bool {
        let is_long = self.crowded_since.is_some_and(|since| now >= since + CROWDED_AFTER);
        is_long && self.unchanged_since.is_some_and(|last| now < last + EASE) || self.density.is_high(now)
    }

    /// How long work may go on now.
    pub fn slice(&self, alone: bool) -> Duration {
        if alone { SLICE_ALONE } else { SLICE_SHARED }
    }

    /// The next transaction begins, with what came during the one before.
    pub fn transaction_begins(&mut self) {
        self.had_worked = std::mem::take(&mut self.has_worked);
    }

    /// So many arrivals are committed at once.
    pub fn intake_ends(&mut self, arrivals: usize, now: Instant) {
        self.last_intake = Some(now);
        self.density.note(arrivals, now);
        let unchanged = self.unchanged_since.map_or(Duration::MAX, |since| now.duration_since(since));
        if arrivals >= LOADED && !self.had_worked {
            self.intake_shares = (self.intake_shares * 2).clamp(1, INTAKE_SHARES_MOST);
            self.unchanged_since = Some(now);
            self.crowded_since.get_or_insert(now);
        } else if unchanged > EASE {
            self.crowded_since = None;
            self.intake_shares /= 2;
            self.unchanged_since = Some(now);
        }
    }

    /// Work of a line has had the thread for so long; so many of its pieces are left.
    pub fn work_ends(&mut self, line: WorkLine, took: Duration, now: Instant, left: usize) {
        self.has_worked = true;
        let share = took * if self.density.is_high(now) { INTAKE_SHARES_MOST } else { self.intake_shares };
        let least = if left < PIECES_FEW { PAUSE } else { PAUSE_SHORT };
        let not_before = match line {
            WorkLine::First => &mut self.first_not_before,
            WorkLine::Later => &mut self.later_not_before,
        };
        *not_before = Some(now + share.max(least));
    }
}

/// So long after the last arrivals no more are expected.
const QUIET: Duration = Duration::from_millis(1);
/// The pause after work while arrivals come, at least: most of them go without it.
const PAUSE: Duration = Duration::from_millis(1);
/// The same while so much work waits that it must go on.
const PAUSE_SHORT: Duration = Duration::from_micros(500);
/// Fewer pieces are a short queue.
const PIECES_FEW: usize = 2;
/// So many arrivals at once mean load.
const LOADED: usize = 24;
/// After so long without load, work gets more time again.
const EASE: Duration = Duration::from_millis(20);
/// So long many arrivals come at once before that is a crowd.
const CROWDED_AFTER: Duration = Duration::from_millis(100);
/// While few arrivals come at once, intake has the thread for the pause alone.
const INTAKE_SHARES_LEAST: u32 = 0;
/// And at most four times as much as work.
const INTAKE_SHARES_MOST: u32 = 4;
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

    const NONE: OpenLines = OpenLines::NONE;
    const LATER: OpenLines = OpenLines { first: false, later: true };
    const FIRST: OpenLines = OpenLines { first: true, later: false };

    #[test]
    fn work_does_not_wait_where_no_arrivals_come() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.open_lines(begun, true), OpenLines::ALL);
        schedule.work_ends(WorkLine::First, Duration::from_millis(10), after(begun, 10_000), 0);
        assert_eq!(schedule.open_lines(after(begun, 10_000), true), OpenLines::ALL);
        assert!(schedule.work_waits(after(begun, 10_000)).is_zero());
    }

    #[test]
    fn work_goes_with_arrivals_while_they_come_and_leaves_them_the_thread_between() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        for line in [WorkLine::First, WorkLine::Later] {
            schedule.work_ends(line, Duration::from_millis(10), after(begun, 10_000), 0);
        }
        schedule.intake_ends(1, after(begun, 10_500));
        let now = after(begun, 10_500);
        assert_eq!(schedule.open_lines(now, false), NONE);
        assert_eq!(
            (schedule.open_lines(now, true), schedule.work_waits(now)),
            (NONE, QUIET),
            "they may be about to come"
        );
        assert_eq!(schedule.open_lines(after(begun, 11_500), true), OpenLines::ALL, "they did not");
        schedule.intake_ends(1, after(begun, 11_700));
        assert_eq!(schedule.open_lines(after(begun, 12_000), false), OpenLines::ALL, "work is never put off for ever");
    }

    #[test]
    fn no_line_waits_for_the_pause_of_the_other() {
        let begun = Instant::now();
        for (line, other) in [(WorkLine::First, LATER), (WorkLine::Later, FIRST)] {
            let mut schedule = Schedule::default();
            schedule.intake_ends(1, begun);
            schedule.work_ends(line, Duration::from_millis(10), begun, 0);
            assert_eq!(schedule.open_lines(begun, false), other);
        }
    }

    #[test]
    fn work_that_piles_up_pauses_for_less() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        schedule.work_ends(WorkLine::First, Duration::from_micros(100), begun, PIECES_FEW - 1);
        assert_eq!(schedule.first_not_before, Some(begun + PAUSE));
        schedule.work_ends(WorkLine::First, Duration::from_micros(100), begun, PIECES_FEW);
        assert_eq!(schedule.first_not_before, Some(begun + PAUSE_SHORT));
    }

    #[test]
    fn what_gathered_behind_work_is_no_crowd() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        for _ in 0..100 {
            schedule.transaction_begins();
            schedule.work_ends(WorkLine::First, Duration::from_millis(2), begun, 9);
            schedule.intake_ends(LOADED, begun);
        }
        // The first came before any work.
        assert_eq!(schedule.intake_shares, 1);
        assert!(!schedule.is_crowded(begun));
    }

    #[test]
    fn many_at_once_for_a_while_are_a_crowd_until_they_come_no_more() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        let crowd = |schedule: &mut Schedule, from: u64, to: u64| {
            (from..=to).step_by(5).for_each(|ms| schedule.intake_ends(LOADED, after(begun, ms * 1_000)));
        };
        crowd(&mut schedule, 0, 30);
        assert!(!schedule.is_crowded(after(begun, 30_000)), "a checkpoint may have held them up");
        schedule.intake_ends(1, after(begun, 60_000));
        crowd(&mut schedule, 65, 160);
        assert!(!schedule.is_crowded(after(begun, 160_000)));
        crowd(&mut schedule, 165, 170);
        assert!(schedule.is_crowded(after(begun, 170_000)));
        assert!(!schedule.is_crowded(after(begun, 190_000)), "they come no more");
    }

    #[test]
    fn what_comes_densely_is_a_crowd_also_behind_work() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        for ms in 0..=100 {
            schedule.transaction_begins();
            schedule.work_ends(WorkLine::First, Duration::from_millis(1), after(begun, ms * 1_000), 9);
            schedule.intake_ends(100, after(begun, ms * 1_000));
        }
        let now = after(begun, 100_000);
        assert!(schedule.is_crowded(now));
        schedule.work_ends(WorkLine::First, Duration::from_millis(1), now, 9);
        assert_eq!(schedule.first_not_before, Some(now + Duration::from_millis(4)));
    }

    #[test]
    fn work_gets_less_while_arrivals_come_many_at_once_but_never_nothing() {
        let begun = Instant::now();
        let mut schedule = Schedule::default();
        (0..100).for_each(|_| schedule.intake_ends(LOADED, begun));
        schedule.work_ends(WorkLine::First, Duration::from_millis(1), begun, 0);
        assert_eq!(schedule.first_not_before, Some(begun + Duration::from_millis(4)));
        (0..100).for_each(|_| schedule.intake_ends(LOADED - 1, begun));
        assert_eq!(schedule.intake_shares, INTAKE_SHARES_MOST, "not at once");
        (1..7).for_each(|step| schedule.intake_ends(1, begun + EASE * 2 * step));
        assert_eq!(schedule.intake_shares, INTAKE_SHARES_LEAST);
    }
}
