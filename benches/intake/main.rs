//! How many requests a second gatepost takes in, beside what the machine could do at best.
//!
//! `cargo bench --bench intake` starts everything itself on loopback: each contender as a process of its own, this one
//! as the load. Contenders take turns within every repetition, because the speed of a machine drifts; only figures of
//! one run are comparable, and medians are shown. `GATEPOST_BENCH=quick` makes it short, `GATEPOST_BENCH=soak` shows
//! how the rate holds while the store grows, and `GATEPOST_BENCH_OTHER=PATH` lets another build of gatepost take part.
//!
//! It does not show what a network, TLS or a slow disk would add; `docs/performance.md` says how to read it.

// A bench that cannot go on says so and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contenders;
mod load;
mod machine;
mod report;
mod requests;

use std::time::Duration;

use contenders::{Contender, Expected, Running};
use load::Load;
use report::{Measured, Report};
use requests::Requests;

/// How long and how often.
#[derive(Clone, Copy)]
struct Plan {
    connections: &'static [usize],
    repetitions: usize,
    load: Load,
    requests: usize,
}

const QUICK: Plan = Plan {
    connections: &[1, 64, 256],
    repetitions: 3,
    load: Load { warm_up: Duration::from_millis(200), window: Duration::from_millis(1_000) },
    requests: 120_000,
};
const FULL: Plan = Plan {
    connections: &[1, 64, 256],
    repetitions: 5,
    load: Load { warm_up: Duration::from_millis(300), window: Duration::from_secs(2) },
    requests: 260_000,
};
/// One server for all slices: the store grows from one to the next.
const SOAK_SLICES: usize = 20;
const SOAK: Plan = Plan {
    connections: &[256],
    repetitions: 1,
    load: Load { warm_up: Duration::ZERO, window: Duration::from_secs(2) },
    requests: 200_000,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(contenders::SERVE) {
        return contenders::serve(arguments);
    }
    match std::env::var("GATEPOST_BENCH").as_deref() {
        Ok("quick") => compare(QUICK),
        Ok("soak") => soak(SOAK),
        Ok(other) if !other.is_empty() => Err(format!("GATEPOST_BENCH is quick, soak or not set, not {other}").into()),
        _ => compare(FULL),
    }
}

fn compare(plan: Plan) -> Result<(), Box<dyn std::error::Error>> {
    let requests = Requests::sign(plan.requests, 0)?;
    let mut report = Report::default();
    for repetition in 1..=plan.repetitions {
        for &connections in plan.connections {
            for contender in Contender::all() {
                eprintln!("repetition {repetition} of {}: {connections} connections, {contender}", plan.repetitions);
                measure(plan.load, connections, &contender, &requests, &mut report)?;
            }
        }
    }
    println!("{}\n{}", machine::description()?, report);
    Ok(())
}

/// One contender on an empty store; then, for those that know repetitions, the same requests again.
fn measure(
    load: Load,
    connections: usize,
    contender: &Contender,
    requests: &Requests,
    report: &mut Report,
) -> Result<(), Box<dyn std::error::Error>> {
    let running = Running::start(contender)?;
    let (mut row, sent) = run(load, connections, &running, requests, running.fresh())?;
    row.read = running.events_read()?;
    report.add(connections, contender.to_string(), row);
    if let Some(repeated) = running.repeated() {
        let known = requests.first(sent);
        let (row, _) = run(load, connections, &running, &known, repeated)?;
        report.add(connections, format!("{contender}, repeated"), row);
    }
    Ok(())
}

fn run(
    load: Load,
    connections: usize,
    running: &Running,
    requests: &Requests,
    expected: Expected,
) -> Result<(Measured, usize), Box<dyn std::error::Error>> {
    let (all, ours, before) = (machine::busy()?, machine::cpu_of("self")?, running.cpu()?);
    let outcome = load.run(running.address(), connections, requests, expected)?;
    let cpu = running.cpu()?.saturating_sub(before);
    let known = cpu + machine::cpu_of("self")?.saturating_sub(ours);
    let foreign = machine::busy()?.saturating_sub(all).saturating_sub(known);
    Ok((Measured::new(&outcome, cpu, foreign), outcome.sent))
}

fn soak(plan: Plan) -> Result<(), Box<dyn std::error::Error>> {
    let contenders: Vec<Contender> = Contender::all().into_iter().filter(Contender::is_gatepost).collect();
    let running: Vec<Running> = contenders.iter().map(Running::start).collect::<Result<_, _>>()?;
    println!("{}", machine::description()?);
    println!("| requests before | contender | req/s | p99 ms |\n|---:|---|---:|---:|");
    for slice in 0..SOAK_SLICES {
        let requests = Requests::sign(plan.requests, slice * plan.requests)?;
        for (contender, running) in contenders.iter().zip(&running) {
            let (row, _) = run(plan.load, plan.connections[0], running, &requests, running.fresh())?;
            println!("| {} | {contender} | {:.0} | {:.1} |", running.taken(), row.per_second, row.p99_ms);
            running.add_taken(row.count);
        }
    }
    Ok(())
}
