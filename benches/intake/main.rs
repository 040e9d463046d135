//! How much gatepost takes in and hands on, and how soon, beside what the machine could do at best.
//!
//! `cargo bench --bench intake` starts everything itself on loopback: each contender as a process of its own, this one as
//! the load. It prints a table for each section and at the end one of the targets. Only figures of one run are comparable;
//! medians are shown. `GATEPOST_BENCH` chooses, with commas in between:
//!
//! - sections: see [`plan::Section`]; all but `keys` where none is named;
//! - `quick`: shorter and fewer windows;
//! - `ci`: quick, and it fails where less than 0.85 of a figure that is [`committed`], or half of another target, is reached
//!   twice in a row.
//!
//! `GATEPOST_BENCH_OTHER=PATH` lets another build of gatepost take part in `rates`; `GATEPOST_BENCH_PICTURE=PATH` says where the
//! picture of the rates is written. It does not show what a network, TLS or
//! a slow disk would add; `docs/performance.md` says how to read it.

// A bench that cannot go on says so and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive;
mod backlog;
mod committed;
mod contenders;
mod deliveries;
mod end_to_end;
mod fill;
mod flood;
mod gateway;
mod keys;
mod latency;
mod load;
mod machine;
mod peers;
mod people;
mod picture;
mod plan;
mod process;
mod profile;
mod rates;
mod receiver;
mod report;
mod requests;
mod sinks;
mod size;
mod start;
mod steps;
mod targets;
mod threads;
mod to_page;

use std::path::Path;

use plan::{Plan, Section};
use report::Report;
use targets::{Goal, Lines, Table, Target};

/// Whatever goes wrong ends the run.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(process::SERVE) {
        let (what, argument) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
        return serve(&what, &argument, arguments);
    }
    let plan = Plan::read(&std::env::var("GATEPOST_BENCH").unwrap_or_default())?;
    println!("{}", machine::description(&plan.words)?);
    let (mut report, mut targets, mut shortfalls) = (None, Vec::new(), Vec::new());
    for &section in &plan.sections {
        let mut found = measure(&plan, section, &mut report)?;
        // A regression falls short twice; other work on the machine hardly does.
        let before = short(&found);
        if plan.strict && !before.is_empty() {
            println!("below its floor, so once more:\n- {}\n", sentences(&before));
            found = measure(&plan, section, &mut report)?;
            let again = short(&found).into_iter().filter(|(what, _)| before.iter().any(|(first, _)| first == what));
            shortfalls.extend(again);
        }
        targets.extend(found);
    }
    println!("{}", Table(&targets));
    println!("{}", Lines(&targets));
    match shortfalls.is_empty() {
        true => Ok(()),
        false => Err(format!("below its floor, twice:\n- {}", sentences(&shortfalls)).into()),
    }
}

/// Measures a section. The rates stay for those that come after.
fn measure(plan: &Plan, section: Section, report: &mut Option<Report>) -> Outcome<Vec<Target>> {
    println!("## {section:?}\n");
    if let Some(lacking) = plan.needs(section).lacking()? {
        println!("Left out: {lacking}.\n");
        return Ok(vec![Target::skipped(format!("{section:?}"), "", Goal::Lower, lacking)]);
    }
    match section {
        Section::Rates => {
            let rates = rates::run(plan)?;
            *report = Some(rates.report);
            Ok(rates.targets)
        }
        Section::Latency => latency::run(plan, report.as_ref()),
        Section::Deliveries => deliveries::run(plan),
        Section::Backlog => backlog::run(plan),
        Section::Retention => keys::retention(plan),
        Section::Steps => steps::run(plan),
        Section::Start => start::run(plan),
        Section::Size => size::run(plan),
        Section::Keys => keys::many(plan),
        Section::Flood => flood::run(plan),
        Section::Sinks => sinks::run(plan),
    }
}

/// What falls short: the target, and how far as a sentence.
fn short(targets: &[Target]) -> Vec<(String, String)> {
    targets.iter().filter_map(|target| Some((target.what().to_owned(), target.shortfall()?))).collect()
}

fn sentences(shortfalls: &[(String, String)]) -> String {
    shortfalls.iter().map(|(_, sentence)| sentence.as_str()).collect::<Vec<_>>().join("\n- ")
}

/// The main function of a process of this binary that is no benchmark.
fn serve(what: &str, argument: &str, rest: impl Iterator<Item = String>) -> Outcome {
    match what {
        process::KEEP => Ok(process::keep(argument, rest)?),
        gateway::LIFTED => {
            process::end_with_our_keeper();
            gateway::serve_lifted(Path::new(argument))
        }
        _ => contenders::serve(what, argument),
    }
}

/// Says on standard error what is going on, so that the tables stay clean.
fn progress(what: &str) {
    eprintln!("{what}");
}
