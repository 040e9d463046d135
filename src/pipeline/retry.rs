//! What next: the outcome of a try becomes a verdict on the delivery.
//!
//! Exponential backoff with full jitter from one second to fifteen minutes (one minute while the whole destination is
//! out), never earlier than the destination asked for; a last try a day after the first failure; then a dead letter.
//! While the fault is the operator's the day does not run. It is measured by the monotonic clock, and never ends within
//! the first hour of a process: the time before the start may be one without tries, or one in which the wall clock was
//! set.

use std::time::Duration;

use crate::domain::{EventId, Outcome, Progress, Repeat, Scope, Timestamp};
use crate::store::Verdict;

/// What is known of a delivery when its try has ended.
#[derive(Clone, Debug)]
pub struct Case {
    /// The present moment by the wall clock.
    pub now: Timestamp,
    /// The present by the monotonic clock.
    pub steady: Timestamp,
    /// When the worker was started, by the same clock.
    pub started: Timestamp,
    /// The number of the try that has ended, from 1.
    pub tries: u32,
    /// The first failure since which it has been retried, by the monotonic clock.
    pub retrying_since: Option<Timestamp>,
    /// How many events it holds: more than one in a batch.
    pub events: u64,
    /// The destination's notes before this try.
    pub progress: Progress,
    /// Its age is no reason to give it up.
    pub is_never_given_up: bool,
    /// How long the destination is left alone after this try.
    pub held: Duration,
    /// A random number from 0 (inclusive) to 1 (exclusive).
    pub jitter: f64,
}

/// What is to become of the delivery.
pub fn decide(outcome: Outcome, case: Case) -> Verdict {
    match outcome {
        Outcome::Delivered { remote } => Verdict::Delivered { remote },
        Outcome::DeliveredSlowDown { .. } => Verdict::Delivered { remote: None },
        Outcome::DeliveredExcept { refused, again, .. } => excepted(case, refused, again),
        Outcome::Refused { reason } if case.events > 1 => Verdict::Split { reason },
        Outcome::Refused { reason } => Verdict::Dead { reason },
        Outcome::Gone { reason } => Verdict::Gone { reason },
        // Behind the others: if it is this message and not the setting, another one shows it at the next trial.
        Outcome::Misconfigured { reason, .. } => Verdict::Again {
            not_before: case.now.plus(case.held).plus(BEHIND_THE_OTHERS),
            retrying_since: None,
            uncertain: false,
            is_pending: false,
            progress: case.progress,
            reason,
        },
        Outcome::Pending { reason, after, progress } => {
            let wait = after.max(backoff(case.tries, case.jitter));
            pending(again(&case, reason, wait, progress))
        }
        Outcome::Retry { reason, after, progress, scope: Scope::Delivery } => {
            let wait = after.unwrap_or_default().max(backoff(case.tries, case.jitter));
            again(&case, reason, wait, progress)
        }
        // The breaker spaces these tries already. What was tried first, the most urgent, must not be the last to go when
        // the destination is back.
        Outcome::Retry { reason, after, progress, scope: Scope::Destination } => {
            let wait = after.unwrap_or_default().max(backoff(case.tries, case.jitter).min(LONGEST_STEP_OF_OUTAGE));
            again(&case, reason, wait, progress)
        }
        Outcome::Unknown { reason, repeat: Repeat::Never, .. } => Verdict::Dead { reason },
        Outcome::Unknown { reason, scope, repeat, after, progress } => {
            let longest = if scope == Scope::Destination { LONGEST_STEP_OF_OUTAGE } else { LONGEST_STEP };
            let wait = backoff(case.tries, case.jitter).min(longest);
            let wait = if let Repeat::After(pause) = repeat { wait.max(pause) } else { wait };
            let wait = wait.max(after.unwrap_or_default());
            in_doubt(again(&case, reason, wait, progress))
        }
    }
}

/// Some events of a batch were not taken. Where it has only one event, that is the batch.
fn excepted(case: Case, mut refused: Vec<(EventId, String)>, mut again: Vec<(EventId, String)>) -> Verdict {
    let wait = backoff(case.tries, case.jitter);
    match (case.events, refused.pop(), again.pop()) {
        (1, Some((_, reason)), _) => Verdict::Dead { reason },
        (1, None, Some((_, reason))) => self::again(&case, reason, wait, Progress::default()),
        (_, last_refused, last_again) => {
            refused.extend(last_refused);
            again.extend(last_again);
            Verdict::DeliveredExcept { refused, again, not_before: case.now.plus(wait) }
        }
    }
}

fn again(case: &Case, reason: String, wait: Duration, progress: Progress) -> Verdict {
    // An earlier process may have run on a clock that was ahead.
    let since = case.retrying_since.unwrap_or(case.steady).min(case.steady);
    let last = since.plus(GIVE_UP_AFTER).max(case.started.plus(FRESH));
    if case.steady >= last && !case.is_never_given_up {
        return Verdict::Dead { reason: format!("given up after 24 h of trying: {reason}") };
    }
    let left = if case.is_never_given_up { wait } else { last.since(case.steady) };
    let not_before = case.now.plus(wait.min(left));
    Verdict::Again { not_before, retrying_since: Some(since), uncertain: false, is_pending: false, progress, reason }
}

/// The same, with the doubt whether it has arrived.
fn in_doubt(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Again { not_before, retrying_since, is_pending, progress, reason, .. } => {
            Verdict::Again { not_before, retrying_since, uncertain: true, is_pending, progress, reason }
        }
        settled => settled,
    }
}

/// The same, of what the destination has and has not said the end of.
fn pending(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Again { not_before, retrying_since, uncertain, progress, reason, .. } => {
            Verdict::Again { not_before, retrying_since, uncertain, is_pending: true, progress, reason }
        }
        settled => settled,
    }
}

/// A random time up to the step's length ("full jitter"), so that what failed together is not tried again together.
pub fn backoff(tries: u32, jitter: f64) -> Duration {
    let doublings = tries.saturating_sub(1).min(20);
    let ceiling = FIRST_STEP.saturating_mul(1 << doublings).min(LONGEST_STEP);
    ceiling.mul_f64(jitter.clamp(0.0, 1.0)).max(SHORTEST_WAIT)
}

const FIRST_STEP: Duration = Duration::from_secs(1);
const LONGEST_STEP: Duration = Duration::from_secs(15 * 60);
/// Within an outage: when it ends, everything has gone out a minute later.
const LONGEST_STEP_OF_OUTAGE: Duration = Duration::from_secs(60);
const BEHIND_THE_OTHERS: Duration = Duration::from_secs(1);
/// No jitter makes a retry immediate.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// So long after a start nothing is given up for its age.
const FRESH: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn case(now_s: i64, since_s: Option<i64>) -> Case {
        Case {
            now: Timestamp::from_millis(now_s * 1000),
            steady: Timestamp::from_millis(now_s * 1000),
            started: Timestamp::from_millis(-3_600_000),
            tries: 3,
            retrying_since: since_s.map(|s| Timestamp::from_millis(s * 1000)),
            is_never_given_up: false,
            events: 1,
            progress: Progress("kept".into()),
            held: Duration::from_secs(10),
            jitter: 0.5,
        }
    }

    fn retry(after_s: Option<u64>) -> Outcome {
        let after = after_s.map(Duration::from_secs);
        Outcome::Retry { reason: "busy".into(), after, scope: Scope::Delivery, progress: Progress::default() }
    }

    fn unknown(scope: Scope, repeat: Repeat) -> Outcome {
        Outcome::Unknown { reason: "cut".into(), scope, repeat, after: None, progress: Progress::default() }
    }

    #[test]
    fn what_would_be_there_twice_waits_longer_and_ends() {
        let after = |seconds| Repeat::After(Duration::from_secs(seconds));
        let mut late = case(0, None);
        (late.tries, late.jitter) = (20, 1.0);
        for (scope, repeat, wanted_s) in [
            (Scope::Destination, Repeat::Freely, 60),
            (Scope::Delivery, Repeat::Freely, 900),
            (Scope::Destination, after(10), 60),
            (Scope::Destination, after(14_400), 14_400),
            (Scope::Delivery, after(14_400), 14_400),
        ] {
            let wanted = (wanted_s * 1000, Some(0), true);
            assert_eq!(not_before(decide(unknown(scope, repeat), late.clone())), wanted, "{scope:?} {repeat:?}");
        }
        // Nor sooner than the destination asks for.
        for (repeat, wanted_s) in [(Repeat::Freely, 600), (after(10), 600), (after(14_400), 14_400)] {
            let asked = match unknown(Scope::Destination, repeat) {
                Outcome::Unknown { reason, scope, repeat, progress, .. } => {
                    Outcome::Unknown { reason, scope, repeat, after: Some(Duration::from_secs(600)), progress }
                }
                other => other,
            };
            assert_eq!(not_before(decide(asked, late.clone())), (wanted_s * 1000, Some(0), true), "{repeat:?}");
        }
        let dead = decide(unknown(Scope::Destination, Repeat::Never), case(0, None));
        assert_eq!(dead, Verdict::Dead { reason: "cut".into() });
    }

    fn not_before(verdict: Verdict) -> (i64, Option<i64>, bool) {
        match verdict {
            Verdict::Again { not_before, retrying_since, uncertain, .. } => {
                (not_before.as_millis(), retrying_since.map(Timestamp::as_millis), uncertain)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_finished_there_is_asked_about_after_the_pause_and_stays_what_it_is() {
        let waits = |after_s| {
            let after = Duration::from_secs(after_s);
            Outcome::Pending { reason: "not yet".into(), after, progress: Progress("noted".into()) }
        };
        for (after_s, wanted_ms) in [(30, 30_000), (0, 2_000)] {
            let verdict = decide(waits(after_s), case(0, None));
            assert!(
                matches!(&verdict, Verdict::Again { is_pending: true, uncertain: false, progress, .. } if progress.0 == "noted")
            );
            assert_eq!(not_before(verdict), (wanted_ms, Some(0), false));
        }
        assert!(matches!(decide(retry(None), case(0, None)), Verdict::Again { is_pending: false, .. }));
        let old = decide(waits(1), case(24 * 3600, Some(0)));
        assert!(matches!(old, Verdict::Dead { .. }), "{old:?}");
    }

    #[test]
    fn a_retry_waits_for_the_longer_of_backoff_and_retry_after() {
        assert_eq!(not_before(decide(retry(None), case(0, None))), (2_000, Some(0), false));
        assert_eq!(not_before(decide(retry(Some(1)), case(0, None))), (2_000, Some(0), false));
        assert_eq!(not_before(decide(retry(Some(30)), case(0, None))), (30_000, Some(0), false));
        assert_eq!(
            not_before(decide(unknown(Scope::Destination, Repeat::Freely), case(0, None))),
            (2_000, Some(0), true)
        );
    }

    #[test]
    fn a_refused_batch_is_halved_until_one_event_is_left() {
        let refused = || Outcome::Refused { reason: "too odd".into() };
        assert_eq!(decide(refused(), Case { events: 2, ..case(0, None) }), Verdict::Split { reason: "too odd".into() });
        assert_eq!(decide(refused(), case(0, None)), Verdict::Dead { reason: "too odd".into() });
    }

    #[test]
    fn events_that_a_batch_was_taken_without_go_their_own_ways() {
        let one = |why: &str| vec![(EventId::generate(), why.to_owned())];
        let (refused, again) = (one("bad"), one("busy"));
        let outcome = Outcome::DeliveredExcept { refused: refused.clone(), again: again.clone() };
        let not_before = Timestamp::from_millis(2_000);
        let verdict = decide(outcome, Case { events: 3, ..case(0, None) });
        assert_eq!(verdict, Verdict::DeliveredExcept { refused, again, not_before });
        let alone = |refused, again| decide(Outcome::DeliveredExcept { refused, again }, case(0, None));
        assert_eq!(alone(one("bad"), Vec::new()), Verdict::Dead { reason: "bad".into() });
        assert!(matches!(alone(Vec::new(), one("busy")), Verdict::Again { reason, .. } if reason == "busy"));
    }

    #[test]
    fn an_outage_does_not_cost_the_most_urgent_delivery_a_quarter_of_an_hour() {
        let mut late = case(0, None);
        (late.tries, late.jitter) = (20, 1.0);
        let down = |scope| Outcome::Retry { reason: "down".into(), after: None, scope, progress: Progress::default() };
        assert_eq!(not_before(decide(down(Scope::Destination), late.clone())).0, 60_000);
        assert_eq!(not_before(decide(down(Scope::Delivery), late)).0, 900_000);
    }

    #[test]
    fn the_last_try_is_a_day_after_the_first_failure() {
        let day = 24 * 3600;
        assert_eq!(not_before(decide(retry(Some(3600)), case(day - 10, Some(0)))).0, day * 1000);
        assert!(matches!(decide(retry(None), case(day, Some(0))), Verdict::Dead { reason } if reason.contains("busy")));
    }

    #[test]
    fn a_wall_clock_that_is_set_neither_shortens_nor_lengthens_the_day() {
        let day = 24 * 3600;
        let jumped = |now_s: i64, steady_s: i64| {
            let steady = Timestamp::from_millis(steady_s * 1000);
            Case { now: Timestamp::from_millis(now_s * 1000), ..Case { steady, ..case(0, Some(0)) } }
        };
        // To 2038 after ten seconds: the wait is measured from there.
        let later = 2_145_916_800;
        assert_eq!(not_before(decide(retry(None), jumped(later, 10))), ((later + 2) * 1000, Some(0), false));
        // A day back: the end is still a day after the first failure.
        assert_eq!(not_before(decide(retry(Some(3600)), jumped(-day, day - 10))).0, (10 - day) * 1000);
        assert!(matches!(decide(retry(None), jumped(0, day)), Verdict::Dead { .. }));
    }

    #[test]
    fn nothing_is_given_up_within_the_first_hour_of_a_process() {
        let day = 24 * 3600;
        let mut late = case(30 * day, Some(0));
        late.started = Timestamp::from_millis((30 * day - 3599) * 1000);
        assert_eq!(not_before(decide(retry(None), late.clone())).0, (30 * day + 1) * 1000);
        late.started = Timestamp::from_millis((30 * day - 3600) * 1000);
        assert!(matches!(decide(retry(None), late), Verdict::Dead { .. }));
        // Since a time that is still to come: a clock was ahead.
        assert_eq!(not_before(decide(retry(None), case(5, Some(day)))), (7_000, Some(5_000), false));
    }

    #[test]
    fn the_operators_fault_costs_the_delivery_nothing() {
        let misconfigured = Outcome::Misconfigured { reason: "401".into(), scope: Scope::Delivery };
        let verdict = decide(misconfigured, case(90_000, Some(0)));
        let Verdict::Again { not_before, retrying_since, progress, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!((retrying_since, progress), (None, Progress("kept".into())));
        assert_eq!(not_before.as_millis(), 90_011_000, "behind whatever waits for the same trial");
    }

    #[test]
    fn backoff_doubles_and_has_a_ceiling() {
        assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(4, 1.0), Duration::from_secs(8));
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST_STEP);
        assert_eq!(backoff(1, 0.0), SHORTEST_WAIT);
    }
}
