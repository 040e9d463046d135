//! Faults, with one oracle: the real binary over real HTTP, strict local stand-ins behind it, and at the end of every
//! scenario the same question: is everything that was answered 200 there, unchanged, and has it had its effect once?
//!
//! | what | command |
//! |---|---|
//! | short form, about two minutes, part of every build | `cargo test --test faults` |
//! | long form: 200 kills, 1,000 copied events, 100 stops, ten minutes of outage, 10,500 power cuts | `GATEPOST_FAULTS=long cargo test --test faults -- --nocapture` |
//! | a failure once more | `GATEPOST_SEED=… cargo test --test faults NAME -- --nocapture` |
//!
//! Every scenario prints its seed and its figures. `GATEPOST_KILLS=N` sets the number of kills alone. What cannot run
//! here is skipped, and counted in the last line: see [`needs`].
//!
//! | file | what |
//! |---|---|
//! | [`dice`] | random numbers, from one seed |
//! | [`wire`] | an HTTP client that knows how far a request came |
//! | [`schedule`] | which scenarios run at the same time |
//! | [`world`] | stand-ins, folder, configuration |
//! | [`needs`] | what some scenarios need, and how it is skipped where that is missing |
//! | [`ports`] | ports that no other test is given |
//! | [`gateway`] | the process under test |
//! | [`expectations`] | what was sent and what was answered |
//! | [`load`] | several vendors at once |
//! | [`oracle`] | the question |
//! | [`told`] | the question about incidents and what their notifiers were told |
//! | [`strace`] | what the process asked of the system, and faults in its calls |
//! | [`disk_model`] | what a power cut may leave of a file |
//! | [`poisons`] | bodies that no parser likes |
//! | [`trials`], [`shown`] | what a notifier meets in the life of an incident, and what it shows at the end |
//! | [`misdeeds`] | how destinations misbehave |
//! | [`guests`] | every other kind of destination, and how it misbehaves |
//! | [`proxy`] | a faulty network before a destination |
//! | the rest | one scenario a file |

// Helpers of tests fail tests: a panic is how.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bombs;
mod calls;
mod clients;
mod clock;
mod copies;
mod destinations;
mod dice;
mod disk;
mod disk_model;
mod expectations;
mod flood;
mod gateway;
mod grouping;
mod guests;
mod kill;
mod life;
mod load;
mod matrix;
mod misdeeds;
#[path = "../harness/needs.rs"]
mod needs;
mod once;
mod oracle;
mod outage;
mod pace;
mod poison;
mod poisons;
#[path = "../harness/ports.rs"]
mod ports;
mod power;
mod proxy;
mod readonly;
mod schedule;
mod shown;
mod signals;
mod start;
mod strace;
mod told;
mod trials;
mod unsigned;
mod wire;
mod world;

use std::time::Duration;

/// Whether the long form was asked for.
fn is_long() -> bool {
    std::env::var("GATEPOST_FAULTS").is_ok_and(|form| form == "long")
}

/// The largest of the smallest `share` (0 to 1) of the durations.
fn percentile(durations: &[Duration], share: f64) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort();
    let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or_default()
}
