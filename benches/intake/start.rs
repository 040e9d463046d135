//! How soon the first request is answered after the process was started.

use std::time::{Duration, Instant};

use super::contenders::Contender;
use super::fill::{Past, fill};
use super::gateway::{Gateway, NEW, Setup};
use super::load::ask;
use super::plan::Plan;
use super::process::{Folder, new_folder};
use super::report::median;
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// On an empty store, then on a filled one.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    let setup = Setup::to_file();
    let (mut empty, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 0..plan.repetitions {
        let (ours, least) = (first_answer_ms(&setup, &new_folder()?, repetition)?, bare_ms()?);
        empty.push(ours);
        bare.push(least);
        ratios.push(ours / least);
    }
    println!("empty store: first answer after {empty:.0?} ms; L0 after {bare:.0?} ms\n");
    let mut targets = vec![
        Target::found("first answer, empty store", " ms", Goal::AtMost(100.0), median(empty)),
        Target::found("first answer, empty store, times that of L0", "", Goal::Lower, median(ratios)),
    ];

    let (keys, waiting) = plan.start;
    if keys + waiting > 0 {
        let setup = Setup::to_file().and_away();
        let folder = new_folder()?;
        fill(&folder, &setup, Past { keys, waiting, age: Duration::from_secs(3_600), ..Past::default() })?;
        let full = (0..plan.few).map(|repetition| first_answer_ms(&setup, &folder, repetition));
        let full = full.collect::<Outcome<Vec<f64>>>()?;
        println!("{keys} keys and {waiting} waiting events: first answer after {full:.0?} ms\n");
        let what = format!("first answer, {keys} keys and {waiting} waiting events");
        targets.push(Target::found(what, " ms", Goal::AtMost(2_000.0), median(full)));
    }
    Ok(targets)
}

/// Milliseconds from the start of the process to the answer to a request of this number.
pub fn first_answer_ms(setup: &Setup, folder: &Folder, repetition: usize) -> Outcome<f64> {
    progress("from the start to the first answer");
    let request = Requests::sign(Shape::Alert, 1, repetition);
    let gateway = Gateway::start_in(setup, folder)?;
    ask(gateway.address, request.get(0), NEW)?;
    Ok(gateway.age().as_secs_f64() * 1e3)
}

/// The same of the bare server.
fn bare_ms() -> Outcome<f64> {
    let (request, begun) = (Requests::sign(Shape::Alert, 1, 0), Instant::now());
    let running = Contender::Bare.start()?;
    ask(running.address(), request.get(0), Contender::Bare.fresh())?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
