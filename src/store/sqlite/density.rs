//! How densely requests come: how many a commit holds on average.
//!
//! Asked by [`Schedule`](super::scheduling::Schedule). Where hundreds of connections ask again as soon as they are answered,
//! each commit holds many, whatever else goes on. Where few do, or the rate is given, many come at once behind a piece of
//! work or a slow sync only: on average a commit holds few.

use std::time::{Duration, Instant};

/// How densely requests came of late.
#[derive(Debug, Default)]
pub struct Density {
    /// Since when commits are counted.
    begun: Option<Instant>,
    commits: usize,
    arrivals: usize,
    /// When they were last counted.
    last: Option<Instant>,
    /// When that last showed that they come densely.
    shown: Option<Instant>,
}

impl Density {
    /// So many arrivals were committed at once.
    pub fn note(&mut self, arrivals: usize, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        self.last = Some(now);
        self.commits += 1;
        self.arrivals += arrivals;
        let length = now.duration_since(begun);
        if length < WINDOW {
            return;
        }
        // After a silence the window says nothing of what comes now.
        if length < WINDOW * 2 && self.arrivals >= DENSE * self.commits {
            self.shown = Some(now);
        }
        (self.begun, self.commits, self.arrivals) = (Some(now), 0, 0);
    }

    /// Whether they come densely. That background work gets less then has them come less densely: it takes a while until
    /// this shows that they do.
    pub fn is_high(&self, now: Instant) -> bool {
        let was_within = |time: Option<Instant>, length| time.is_some_and(|time| now < time + length);
        was_within(self.shown, HOLD) && was_within(self.last, WINDOW)
    }
}

/// For how long commits are counted.
const WINDOW: Duration = Duration::from_millis(50);
/// For how long they count as dense after they were.
const HOLD: Duration = Duration::from_secs(1);
/// So many arrivals a commit are many. Measured over 0.1 s: 51 to 114 with 256 connections that ask again at once, at most
/// 33 with 64 of them, and at given rates up to 24,000 a second.
const DENSE: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// One commit a millisecond.
    fn commits(density: &mut Density, begun: Instant, ms: std::ops::Range<u64>, arrivals: impl Fn(u64) -> usize) {
        ms.for_each(|ms| density.note(arrivals(ms), begun + Duration::from_millis(ms)));
    }

    #[test]
    fn many_a_commit_are_dense_for_a_while_unless_they_come_no_more() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut density = Density::default();
        commits(&mut density, begun, 0..50, |_| DENSE);
        assert!(!density.is_high(at(49)), "too soon to tell");
        commits(&mut density, begun, 50..60, |_| DENSE);
        assert!(density.is_high(at(60)) && !density.is_high(at(160)), "none came since");
        commits(&mut density, begun, 60..1_000, |_| DENSE - 1);
        assert!(density.is_high(at(1_000)), "work may be the reason");
        commits(&mut density, begun, 1_000..1_200, |_| DENSE - 1);
        assert!(!density.is_high(at(1_200)));
    }

    #[test]
    fn what_gathers_now_and_then_is_not_dense() {
        let begun = Instant::now();
        let mut density = Density::default();
        // Behind work, behind a slow sync.
        commits(&mut density, begun, 0..1_000, |ms| if ms % 10 == 0 { 150 } else { 20 });
        assert!(!density.is_high(begun + Duration::from_secs(1)));
    }

    #[test]
    fn a_burst_after_a_silence_is_not_dense() {
        let begun = Instant::now();
        let mut density = Density::default();
        density.note(1, begun);
        let later = begun + Duration::from_secs(60);
        density.note(500, later);
        assert!(!density.is_high(later));
    }
}
