//! Whether the time of a verification tells anything about a secret: Welch's t-test over the real verifier.
//!
//! `cargo bench --bench timing`; `GATEPOST_BENCH=quick` takes a tenth of the samples. After dudect (Reparaz, Balasch and
//! Verbauwhede, 2017): two classes of requests that differ only in what an attacker would like to know, interleaved at
//! random, the time of each taken alone, and a test for whether the means differ; over all samples, and over what is
//! left when the slowest are cut off at a hundred places, because a scheduler's noise hides small differences.
//!
//! A difference is significant where |t| reaches 4.5. Every run also measures a comparison with an early exit: a bench
//! that does not see that one, by |t| above 50, has seen nothing.

// A bench that cannot go on prints the reason and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod classes;
mod welch;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use classes::{Class, Expected, Experiment};
use gatepost::domain::Request;
use welch::Crops;

fn main() -> ExitCode {
    let quick = std::env::var("GATEPOST_BENCH").is_ok_and(|form| form == "quick");
    let samples = if quick { 1_000_000 } else { 10_000_000 };
    println!("{samples} samples an experiment; a difference is believed from |t| = {BELIEVED}");
    println!("{:<48} {:>9} {:>9} {:>8}  verdict", "experiment", "mean A", "mean B", "max |t|");
    let mut sound = true;
    for experiment in classes::all() {
        let measured = measure(&experiment, samples);
        let (worst, [a, b]) = (measured.worst(), measured.means());
        let (holds, verdict) = match experiment.expected {
            Expected::Nothing if worst < BELIEVED => (true, "no difference"),
            Expected::Nothing => (false, "A DIFFERENCE"),
            Expected::Difference if worst > SEEN => (true, "seen, as it must be"),
            Expected::Difference => (false, "NOT SEEN: the bench is blind"),
            Expected::Either => (true, "shown only: the answer says as much"),
        };
        sound &= holds;
        println!("{:<48} {a:>6.0} ns {b:>6.0} ns {worst:>8.2}  {verdict}", experiment.name);
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first batch determines where to cut and is discarded.
fn measure(experiment: &Experiment, samples: usize) -> Crops {
    let mut dice = classes::Dice::new();
    let first = batch(experiment, &mut dice);
    let mut crops = Crops::new(first.iter().map(|(_, nanos)| *nanos).collect());
    for _ in 0..samples / BATCH {
        batch(experiment, &mut dice).into_iter().for_each(|(class, nanos)| crops.add(class, nanos));
    }
    crops
}

/// Requests are made before the clock runs and let go of after it.
fn batch(experiment: &Experiment, dice: &mut classes::Dice) -> Vec<(Class, u64)> {
    let prepared: Vec<(Class, Request)> = (0..BATCH)
        .map(|_| {
            let class = if dice.below(2) == 0 { Class::A } else { Class::B };
            (class, (experiment.request)(class, dice))
        })
        .collect();
    let mut kept = Vec::with_capacity(BATCH);
    let mut taken = Vec::with_capacity(BATCH);
    for (class, request) in prepared {
        let begun = Instant::now();
        let verdict = black_box((experiment.verify)(class, black_box(request)));
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        kept.push(verdict);
        taken.push((class, nanos));
    }
    for (verdict, (class, _)) in kept.iter().zip(&taken) {
        assert_eq!(verdict.is_ok(), experiment.accepts, "{} {class:?}", experiment.name);
    }
    taken
}

/// dudect's own limit is 10; 5 is common with it.
const BELIEVED: f64 = 4.5;
/// What the control must reach.
const SEEN: f64 = 50.0;
const BATCH: usize = 10_000;
