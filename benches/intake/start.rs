//! How soon the first request is answered after the process was started.

use std::time::Duration;

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
    let mut empty = Vec::new();
    for repetition in 0..plan.repetitions {
        empty.push(first_answer_ms(&setup, &new_folder()?, repetition)?);
    }
    println!("empty store: first answer after {empty:.0?} ms\n");
    let mut targets = vec![Target::found("first answer, empty store", " ms", Goal::AtMost(100.0), median(empty))];

    let (keys, waiting) = plan.start;
    if keys + waiting > 0 {
        let setup = Setup::to_file().and_away();
        let folder = new_folder()?;
        fill(&folder, &setup, Past { keys, waiting, age: Duration::from_secs(3_600) })?;
        let full = (0..plan.few).map(|repetition| first_answer_ms(&setup, &folder, repetition));
        let full = full.collect::<Outcome<Vec<f64>>>()?;
        println!("{keys} keys and {waiting} waiting events: first answer after {full:.0?} ms\n");
        let what = format!("first answer, {keys} keys and {waiting} waiting events");
        targets.push(Target::found(what, " ms", Goal::AtMost(2_000.0), median(full)));
    }
    Ok(targets)
}

fn first_answer_ms(setup: &Setup, folder: &Folder, repetition: usize) -> Outcome<f64> {
    progress("from the start to the first answer");
    let request = Requests::sign(Shape::Alert, 1, repetition);
    let gateway = Gateway::start_in(setup, folder)?;
    ask(gateway.address, request.get(0), NEW)?;
    Ok(gateway.age().as_secs_f64() * 1e3)
}
