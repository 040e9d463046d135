//! Scheduling of intake and background work on the writer thread.
//!
//! Requests wait for their answers, background work does not: while arrivals keep coming, work goes with them into
//! their transactions, and after each piece leaves them the thread for a moment, or, where they come in [crowds](Crowd), for
//! some multiple of the time that it took: work never starves. Each line of work pauses for its own pieces only.

use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::work::WorkLine;
use super::work_queue::OpenLines;

/// What may run now.
#[derive(Debug, Default)]
pub struct Schedule {
    /// When arrivals were last committed.
    last_intake: Option<Instant>,
    /// How they have come of late.
    crowd: Crowd,
    /// While arrivals come, the first line of work goes on no earlier.
    first_not_before: Option<Instant>,
    /// The same of the later line.
    later_not_before: Option<Instant>,
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

    /// Whether arrivals come in crowds.
    pub fn is_crowded(&self, now: Instant) -> bool {
        self.crowd.is_here(now)
    }

    /// How long work may go on now.
    pub fn slice(&self, alone: bool) -> Duration {
        if alone { SLICE_ALONE } else { SLICE_SHARED }
    }

    /// So many arrivals are committed at once.
    pub fn intake_ends(&mut self, arrivals: usize, now: Instant) {
        self.last_intake = Some(now);
        self.crowd.note(arrivals, now);
    }

    /// Work of a line has had the thread for so long; so many of its pieces are left.
    pub fn work_ends(&mut self, line: WorkLine, took: Duration, now: Instant, left: usize) {
        let share = if self.is_crowded(now) { took * INTAKE_SHARES } else { Duration::ZERO };
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
/// In a crowd, intake has the thread for so many times as long as work has had it.
const INTAKE_SHARES: u32 = 4;
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

    /// A commit a millisecond with so many arrivals, for so long.
    fn crowd(schedule: &mut Schedule, begun: Instant, ms: u64, arrivals: usize) {
        (0..=ms).for_each(|ms| schedule.intake_ends(arrivals, after(begun, ms * 1_000)));
    }

    #[test]
    fn work_gets_less_while_arrivals_come_in_crowds_but_never_nothing() {
        let begun = Instant::now();
        for (arrivals, pause) in [(1, PAUSE), (30, Duration::from_millis(4))] {
            let mut schedule = Schedule::default();
            crowd(&mut schedule, begun, 100, arrivals);
            let now = after(begun, 100_000);
            schedule.work_ends(WorkLine::First, Duration::from_millis(1), now, 0);
            assert_eq!(schedule.first_not_before, Some(now + pause), "{arrivals}");
        }
    }
}
