//! Intake on a store with millions of keys, and while retention deletes.

use std::io;
use std::time::{Duration, Instant};

use super::fill::{Past, fill, small_request};
use super::gateway::{Gateway, NEW, REPEATED, Setup};
use super::load::{Load, ask};
use super::plan::Plan;
use super::process::new_folder;
use super::report::{measure, median};
use super::requests::{Requests, Shape};
use super::start::first_answer_ms;
use super::targets::{Goal, Target};
use super::threads;
use super::{Outcome, progress};

/// The rate with many keys and a month of events in the store, to that with none; its memory, and how soon it is ready.
pub fn many(plan: &Plan) -> Outcome<Vec<Target>> {
    let (folder, setup) = (new_folder()?, Setup::to_file());
    let Plan { keys, month, .. } = *plan;
    // Within the thirty days that are kept.
    let age = Duration::from_secs(29 * 24 * 3_600);
    let begun = Instant::now();
    fill(&folder, &setup, Past { keys: keys - month, events: month, age, spread: true, ..Past::default() })?;
    let bytes = std::fs::metadata(folder.path().join("gatepost.db"))?.len() as f64;
    println!("filled within {:.0?}, {:.1} GB\n", begun.elapsed(), bytes / 1e9);

    let mut ready = Vec::new();
    for repetition in 0..plan.few.max(3) {
        ready.push(first_answer_ms(&setup, &folder, plan.repetitions * plan.requests + repetition)?);
    }
    println!("first answer after {ready:.0?} ms\n");
    let load = Load::closed(256, plan.warm_up, plan.window);
    let ratio = compare(plan, load, || Gateway::start(&setup), || checked(Gateway::start_in(&setup, &folder)?))?;
    let empty = Gateway::start(&setup)?.memory()?.now / 1e6;
    let gateway = Gateway::start_in(&setup, &folder)?;
    let full = gateway.memory()?.now / 1e6;
    println!("memory after the start: {full:.1} MB, of an empty store {empty:.1} MB\n");
    for place in [0, (keys - month) / 2, keys - month - 1] {
        ask(gateway.address, &small_request(place), REPEATED)?;
    }
    let what = |what: &str| format!("{keys} keys, {month} of them of events of 29 days: {what}");
    Ok(vec![
        Target::found(what("intake to that with none"), "", Goal::AtLeast(0.9), ratio),
        Target::found(what("first answer"), " ms", Goal::AtMost(2_000.0), median(ready)),
        Target::found(what("memory after the start"), " MB", Goal::AtMost(128.0), full),
    ])
}

/// After a start the whole file is read once, to check it. That is over first: it is not what keys cost, and lasts longer than
/// a window.
fn checked(gateway: Gateway) -> io::Result<Gateway> {
    let begun = Instant::now();
    // It may begin a little later than requests are taken.
    std::thread::sleep(Duration::from_millis(300));
    while threads::has(gateway.id(), "store-check")? {
        if begun.elapsed() > CHECK_MAX {
            return Err(io::Error::other(format!("the store is checked for more than {} s", CHECK_MAX.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    progress(&format!("the check of the store took {:.1?}", begun.elapsed()));
    Ok(gateway)
}

/// The rate while retention deletes, to that on the same store while it does not.
pub fn retention(plan: &Plan) -> Outcome<Vec<Target>> {
    let past = Past { keys: plan.expired, age: Duration::from_secs(40 * 24 * 3_600), ..Past::default() };
    let (kept, deleted) = (new_folder()?, new_folder()?);
    let keep = Setup::to_file().keeping("[retention]\nkeys = \"3650d\"\nreceipts = \"3650d\"\nevents = \"3650d\"\n");
    // As it is shipped: thirty days.
    let delete = Setup::to_file();
    fill(&kept, &keep, past)?;
    fill(&deleted, &delete, past)?;
    let settled = |gateway: io::Result<Gateway>| {
        std::thread::sleep(Duration::from_millis(300));
        gateway
    };
    let load = Load::closed(256, plan.warm_up, plan.window);
    let ratio = compare(
        plan,
        load,
        || settled(Gateway::start_in(&keep, &kept)),
        || settled(Gateway::start_in(&delete, &deleted)),
    )?;
    // The oldest key is forgotten: it was deleted meanwhile. The others tell how far that went.
    let gateway = Gateway::start_in(&delete, &deleted)?;
    ask(gateway.address, &small_request(0), NEW).map_err(|error| format!("retention deleted nothing: {error}"))?;
    let under_way = ask(gateway.address, &small_request(plan.expired - 1), REPEATED).is_ok();
    println!("retention was {} at the end\n", if under_way { "still deleting" } else { "through with the keys" });
    let what = format!("intake while {} expired requests are deleted", plan.expired);
    Ok(vec![Target::found(what, "", Goal::AtLeast(0.9), ratio)])
}

/// The median of the ratios of the second's rate to the first's, window by window in turn. Each is started for its window.
pub fn compare(
    plan: &Plan,
    load: Load,
    first: impl Fn() -> io::Result<Gateway>,
    second: impl Fn() -> io::Result<Gateway>,
) -> Outcome<f64> {
    println!("| repetition | req/s without | req/s with | p99 ms without | p99 ms with |\n|---:|---:|---:|---:|---:|");
    let mut ratios = Vec::new();
    for repetition in 0..plan.repetitions {
        // A store that is kept knows the requests of the repetitions before.
        let requests = Requests::sign(Shape::Alert, plan.requests, repetition * plan.requests);
        let window = |gateway: Gateway| measure(load, (gateway.address, &|| gateway.cpu()), &requests, NEW);
        progress(&format!("repetition {}, without", repetition + 1));
        let (without, _) = window(first()?)?;
        progress(&format!("repetition {}, with", repetition + 1));
        let (with, _) = window(second()?)?;
        println!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.2} |",
            repetition + 1,
            without.per_second,
            with.per_second,
            without.p99_ms,
            with.p99_ms
        );
        ratios.push(with.per_second / without.per_second);
    }
    println!();
    Ok(median(ratios))
}

const CHECK_MAX: Duration = Duration::from_secs(300);
