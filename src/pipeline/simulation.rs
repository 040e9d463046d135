//! A destination, its queue and hours of virtual time: whether messages that cannot be delivered hold up the others.

use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Breaker;
use super::retry::{Case, decide};
use super::suspects::Suspects;
use crate::domain::{DeliveryId, Outcome, Progress, Repeat, Scope, Timestamp};
use crate::store::Verdict;

/// Whether trials take turns and what fails alone is set aside; without them the test shows the effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fairness {
    On,
    Off,
}

struct Waiting {
    id: DeliveryId,
    severity: u8,
    created_s: f64,
    due_s: f64,
    tries: u32,
    since: Option<Timestamp>,
    is_poison: bool,
    is_done: bool,
}

/// Poison of the highest severity is there from the start; something lesser comes every half minute. One at a time, a
/// fifth of a second each. How long each lesser one waited, in seconds.
fn waits_beside(poison: usize, hours: u64, fairness: Fairness) -> Vec<f64> {
    let begun = Instant::now();
    let (mut breaker, mut suspects) = (Breaker::default(), Suspects::default());
    let waiting = |severity, at: f64| Waiting {
        id: DeliveryId::generate(),
        severity,
        created_s: at,
        due_s: at,
        tries: 0,
        since: None,
        is_poison: severity > 1,
        is_done: false,
    };
    let mut queue: Vec<Waiting> = (0..poison).map(|_| waiting(5, 0.0)).collect();
    let (mut waits, mut now, mut next_post, mut seed) = (Vec::new(), 0.0_f64, 0.0, 7_u64);
    let end = hours as f64 * 3600.0;
    while now < end {
        while next_post <= now {
            queue.push(waiting(1, next_post));
            next_post += 30.0;
        }
        let instant = begun + Duration::from_secs_f64(now);
        let due = queue.iter().enumerate().filter(|(_, delivery)| !delivery.is_done && delivery.due_s <= now);
        // As the store hands them out.
        let chosen = if breaker.is_on_trial() && fairness == Fairness::On {
            due.min_by(|a, b| a.1.due_s.total_cmp(&b.1.due_s)).map(|(place, _)| place)
        } else {
            due.min_by(|a, b| (255 - a.1.severity).cmp(&(255 - b.1.severity)).then(a.1.due_s.total_cmp(&b.1.due_s)))
                .map(|(place, _)| place)
        };
        let Some(place) = chosen.filter(|_| breaker.allowed(1, 0, instant) > 0) else {
            now += 0.1;
            continue;
        };
        now += 0.2;
        let delivery = &mut queue[place];
        delivery.tries += 1;
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let jitter = (seed >> 40) as f64 / f64::from(1 << 24);
        let outcome = if delivery.is_poison { bad_gateway() } else { Outcome::Delivered { remote: None } };
        let outcome = match fairness {
            Fairness::On => suspects.classify(delivery.id, outcome),
            Fairness::Off => outcome,
        };
        let ended = begun + Duration::from_secs_f64(now);
        breaker.learn(&outcome, instant, ended, jitter);
        let time = Timestamp::from_millis((now * 1000.0) as i64);
        let held = breaker.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(ended));
        let (tries, retrying_since) = (delivery.tries, delivery.since);
        let started = Timestamp::from_millis(-3_600_000);
        let progress = Progress::default();
        match decide(
            outcome,
            Case {
                now: time,
                steady: time,
                started,
                tries,
                retrying_since,
                is_never_given_up: false,
                events: 1,
                progress,
                held,
                jitter,
            },
        ) {
            Verdict::Again { not_before, retrying_since, .. } => {
                (delivery.due_s, delivery.since) = (not_before.as_millis() as f64 / 1000.0, retrying_since);
            }
            Verdict::Delivered { .. } => {
                delivery.is_done = true;
                waits.push(now - delivery.created_s);
            }
            Verdict::DeliveredExcept { .. } | Verdict::Split { .. } | Verdict::Dead { .. } | Verdict::Gone { .. } => {
                delivery.is_done = true;
            }
        }
    }
    waits
}

fn bad_gateway() -> Outcome {
    let (reason, progress) = ("502".to_owned(), Progress::default());
    Outcome::Unknown { reason, scope: Scope::Destination, repeat: Repeat::Freely, after: None, progress }
}

#[test]
fn a_few_messages_that_always_fail_do_not_hold_up_the_others() {
    let worst = |waits: &[f64]| waits.iter().copied().fold(0.0, f64::max);
    for (poison, first_s) in [(1, 5.0), (5, 60.0), (20, 900.0)] {
        let waits = waits_beside(poison, 6, Fairness::On);
        let (early, late) = waits.split_at(waits.len() / 6);
        let (early, late) = (worst(early), worst(late));
        println!(
            "{poison} fail for ever: {} others, waited {early:.1} s in the first hour, then {late:.1} s",
            waits.len()
        );
        assert!(waits.len() >= 6 * 120 - 1, "{poison}: only {} arrived", waits.len());
        assert!(early <= first_s && late <= 2.0 + poison as f64 / 5.0, "{poison}: {early} s, {late} s");
    }
    let arrived = waits_beside(20, 6, Fairness::Off).len();
    println!("20 fail for ever, without fairness: {arrived} others arrived");
    assert!(arrived < 600, "the simulation shows nothing: {arrived} arrived");
}
