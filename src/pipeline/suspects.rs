//! Whether the fault is the operator's, or only this message's.
//!
//! A 403 says "the token is wrong", and a proxy that rejects a word in one alert says it, too. The difference shows in
//! the others: a delivery that is refused as misconfigured several times, while others succeed in between, is itself
//! the cause, and must not stop its destination again and again.
//!
//! The same holds for what looks like an outage: a delivery that is answered 502 while others arrive is set aside. It goes
//! on by its own schedule, and its failures say nothing about the destination.

use std::collections::HashMap;

use crate::domain::{DeliveryId, Outcome, Scope};

/// The deliveries of one destination that were answered like a fault in its settings.
#[derive(Debug, Default)]
pub struct Suspects {
    /// How many successes there were so far.
    successes: u64,
    seen: HashMap<DeliveryId, Suspect>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// How often others succeeded between two of its failures.
    singled_out: u32,
    /// How many successes there were at its last failure.
    successes: u64,
}

impl Suspects {
    /// The same for a batch of so many events: where others arrive and it keeps failing, one of its events is the cause. It
    /// is refused then, which has it halved, and a single event become a dead letter.
    pub fn classify_batch(&mut self, delivery: DeliveryId, events: u64, outcome: Outcome) -> Outcome {
        let most = if events > 1 { HALVED_AFTER } else { ALONE_AFTER };
        let singled_out = match &outcome {
            Outcome::Retry { after: None, .. } | Outcome::Unknown { .. } => self.singled_out(delivery),
            _ => 0,
        };
        match outcome {
            Outcome::Retry { reason, .. } | Outcome::Unknown { reason, .. } if singled_out >= most => {
                self.seen.remove(&delivery);
                Outcome::Refused { reason: alone(&reason) }
            }
            other => self.classify(delivery, other),
        }
    }

    /// Counts an outcome, and turns one that concerns only this delivery into a refusal.
    pub fn classify(&mut self, delivery: DeliveryId, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Misconfigured { reason, scope: Scope::Delivery }
                if self.singled_out(delivery) >= SINGLED_OUT_MAX =>
            {
                self.seen.remove(&delivery);
                Outcome::Refused { reason: format!("only this message is answered so, others arrive: {reason}") }
            }
            // A rate limit says how long, and holds for all.
            Outcome::Retry { reason, after: None, scope: Scope::Destination, progress }
                if self.singled_out(delivery) >= ASIDE_AFTER =>
            {
                Outcome::Retry { reason: alone(&reason), after: None, scope: Scope::Delivery, progress }
            }
            Outcome::Unknown { reason, scope: Scope::Destination, repeat, after, progress }
                if self.singled_out(delivery) >= ASIDE_AFTER =>
            {
                Outcome::Unknown { reason: alone(&reason), scope: Scope::Delivery, repeat, after, progress }
            }
            Outcome::Refused { .. } => {
                self.seen.remove(&delivery);
                outcome
            }
            Outcome::Delivered { .. } | Outcome::DeliveredExcept { .. } | Outcome::DeliveredSlowDown { .. } => {
                self.successes += 1;
                self.seen.remove(&delivery);
                outcome
            }
            other => other,
        }
    }

    /// Notes a failure; between how many of its failures others have succeeded by now.
    fn singled_out(&mut self, delivery: DeliveryId) -> u32 {
        if self.seen.len() >= SUSPECTS_MAX && !self.seen.contains_key(&delivery) {
            self.seen.clear();
        }
        let successes = self.successes;
        let suspect = self.seen.entry(delivery).or_insert(Suspect { singled_out: 0, successes });
        if suspect.successes < successes {
            suspect.singled_out += 1;
            suspect.successes = successes;
        }
        suspect.singled_out
    }
}

fn alone(reason: &str) -> String {
    format!("set aside, because others arrive and only this message fails: {reason}")
}

/// So often may others succeed between two failures of one delivery.
const SINGLED_OUT_MAX: u32 = 3;
/// So often may others succeed between two failures of one delivery before its failures hold up no other.
const ASIDE_AFTER: u32 = 1;
/// So often may others succeed between two failures of one batch before it is halved.
const HALVED_AFTER: u32 = 2;
/// So often may others succeed between two failures of a single event of a sink before it is a dead letter.
const ALONE_AFTER: u32 = 10;
/// More are not remembered: then it is not the messages.
const SUSPECTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Progress, Repeat};

    fn wrong() -> Outcome {
        Outcome::Misconfigured { reason: "403".into(), scope: Scope::Delivery }
    }

    #[test]
    fn a_batch_that_fails_while_others_arrive_is_halved_and_one_that_fails_with_all_is_not() {
        let (poison, other) = (DeliveryId::generate(), DeliveryId::generate());
        let mut suspects = Suspects::default();
        for scope in [Scope::Delivery, Scope::Destination] {
            let down = || Outcome::Retry { reason: "500".into(), after: None, scope, progress: Progress::default() };
            for _ in 0..5 {
                assert!(matches!(suspects.classify_batch(poison, 2, down()), Outcome::Retry { .. }));
            }
            suspects.classify_batch(other, 2, Outcome::Delivered { remote: None });
            assert!(matches!(suspects.classify_batch(poison, 2, down()), Outcome::Retry { .. }));
            suspects.classify_batch(other, 2, Outcome::Delivered { remote: None });
            let refused = suspects.classify_batch(poison, 2, down());
            assert!(matches!(&refused, Outcome::Refused { reason } if reason.contains("500")), "{refused:?}");
            let mut failures = 0;
            while matches!(suspects.classify_batch(poison, 1, down()), Outcome::Retry { .. }) {
                failures += 1;
                suspects.classify_batch(other, 2, Outcome::Delivered { remote: None });
            }
            assert_eq!(failures, 10, "a single event is found guilty later");
        }
    }

    #[test]
    fn a_delivery_that_fails_while_others_succeed_is_the_cause() {
        let (poison, other) = (DeliveryId::generate(), DeliveryId::generate());
        let mut suspects = Suspects::default();
        for _ in 0..3 {
            assert!(matches!(suspects.classify(poison, wrong()), Outcome::Misconfigured { .. }));
            suspects.classify(other, Outcome::Delivered { remote: None });
        }
        assert!(matches!(suspects.classify(poison, wrong()), Outcome::Refused { reason } if reason.contains("403")));
    }

    fn failed(cut: bool, after: Option<Duration>) -> Outcome {
        let (reason, scope, progress) = ("502".to_owned(), Scope::Destination, Progress::default());
        match cut {
            true => Outcome::Unknown { reason, scope, repeat: Repeat::Freely, after, progress },
            false => Outcome::Retry { reason, after, scope, progress },
        }
    }

    fn concerns(outcome: &Outcome) -> Scope {
        match outcome {
            Outcome::Unknown { scope, .. } | Outcome::Retry { scope, .. } => *scope,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_delivery_that_fails_while_others_arrive_is_set_aside() {
        for cut in [true, false] {
            let (poison, other) = (DeliveryId::generate(), DeliveryId::generate());
            let mut suspects = Suspects::default();
            let fail = |suspects: &mut Suspects| concerns(&suspects.classify(poison, failed(cut, None)));
            // An outage, however long, is one of the destination.
            for _ in 0..100 {
                assert_eq!(fail(&mut suspects), Scope::Destination);
            }
            suspects.classify(other, Outcome::Delivered { remote: None });
            for _ in 0..100 {
                let outcome = suspects.classify(poison, failed(cut, None));
                assert_eq!(concerns(&outcome), Scope::Delivery);
                assert!(outcome.reason().unwrap().contains("others arrive"), "{outcome:?}");
            }
            assert_eq!(
                concerns(&suspects.classify(other, failed(cut, None))),
                Scope::Destination,
                "the others count on"
            );
            suspects.classify(poison, Outcome::Delivered { remote: None });
            assert_eq!(fail(&mut suspects), Scope::Destination, "it is forgiven");
        }
    }

    #[test]
    fn a_rate_limit_always_concerns_the_destination() {
        let (unlucky, other) = (DeliveryId::generate(), DeliveryId::generate());
        let mut suspects = Suspects::default();
        for _ in 0..20 {
            let outcome = suspects.classify(unlucky, failed(false, Some(Duration::from_secs(1))));
            assert_eq!(concerns(&outcome), Scope::Destination);
            suspects.classify(other, Outcome::Delivered { remote: None });
        }
    }

    #[test]
    fn what_no_message_causes_is_held_against_none() {
        let (unlucky, other) = (DeliveryId::generate(), DeliveryId::generate());
        let mut suspects = Suspects::default();
        for _ in 0..100 {
            let distrusted = Outcome::Misconfigured { reason: "expired".into(), scope: Scope::Destination };
            assert_eq!(suspects.classify(unlucky, distrusted.clone()), distrusted);
            suspects.classify(other, Outcome::Delivered { remote: None });
        }
    }

    #[test]
    fn a_fault_in_the_settings_stays_one_however_often_it_is_seen() {
        let mut suspects = Suspects::default();
        let deliveries: Vec<DeliveryId> = (0..3000).map(|_| DeliveryId::generate()).collect();
        for delivery in deliveries.iter().cycle().take(10_000) {
            assert!(matches!(suspects.classify(*delivery, wrong()), Outcome::Misconfigured { .. }));
        }
    }
}
