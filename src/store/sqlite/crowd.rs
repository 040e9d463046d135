//! Whether requests come in crowds: so many at once that background work should leave them the processors.
//!
//! Asked by [`Schedule`](super::scheduling::Schedule). What counts is how many arrivals a commit holds on average, and not how
//! many it holds at most: some always gather behind a piece of work or a slow sync.

use std::time::{Duration, Instant};

/// How arrivals have come of late.
#[derive(Debug, Default)]
pub struct Crowd {
    /// When the commits were begun to be counted that are counted now.
    begun: Option<Instant>,
    commits: usize,
    arrivals: usize,
    /// How many arrivals a commit held in the window before, and when that ended.
    before: Option<(usize, Instant)>,
}

impl Crowd {
    /// So many arrivals were committed at once.
    pub fn note(&mut self, arrivals: usize, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        self.commits += 1;
        self.arrivals += arrivals;
        let length = now.duration_since(begun);
        if length < WINDOW {
            return;
        }
        // After a silence the window says nothing of what comes now.
        self.before = (length < WINDOW * 2).then_some((self.arrivals / self.commits, now));
        (self.begun, self.commits, self.arrivals) = (Some(now), 0, 0);
    }

    /// Whether they come in crowds now.
    pub fn is_here(&self, now: Instant) -> bool {
        self.before.is_some_and(|(at_once, ended)| at_once >= CROWD && now < ended + WINDOW * 2)
    }
}

/// How long commits are counted before they say something.
const WINDOW: Duration = Duration::from_millis(100);
/// So many arrivals a commit are a crowd: as many as 64 connections bring that ask again as soon as they are answered.
const CROWD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// One commit a millisecond.
    fn commits(crowd: &mut Crowd, begun: Instant, ms: std::ops::Range<u64>, arrivals: impl Fn(u64) -> usize) {
        ms.for_each(|ms| crowd.note(arrivals(ms), begun + Duration::from_millis(ms)));
    }

    #[test]
    fn many_at_once_for_a_while_are_a_crowd_until_they_come_no_more() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut crowd = Crowd::default();
        commits(&mut crowd, begun, 0..90, |_| CROWD);
        assert!(!crowd.is_here(at(90)), "too soon to tell");
        commits(&mut crowd, begun, 90..110, |_| CROWD);
        assert!(crowd.is_here(at(110)));
        assert!(!crowd.is_here(at(310)), "none come");
        commits(&mut crowd, begun, 110..310, |_| CROWD);
        assert!(crowd.is_here(at(310)));
        commits(&mut crowd, begun, 310..510, |_| CROWD - 1);
        assert!(!crowd.is_here(at(510)));
    }

    #[test]
    fn what_gathers_now_and_then_is_no_crowd() {
        let begun = Instant::now();
        let mut crowd = Crowd::default();
        // Behind work, behind a slow sync.
        commits(&mut crowd, begun, 0..1_000, |ms| if ms % 10 == 0 { 60 } else { 5 });
        assert!(!crowd.is_here(begun + Duration::from_secs(1)));
    }

    #[test]
    fn a_burst_after_a_silence_is_no_crowd() {
        let begun = Instant::now();
        let mut crowd = Crowd::default();
        crowd.note(1, begun);
        let later = begun + Duration::from_secs(60);
        crowd.note(500, later);
        assert!(!crowd.is_here(later));
    }
}
