//! The time to an answer while gatepost has half of what it can take.

use super::contenders::GATEPOST;
use super::gateway::{Gateway, NEW, Setup};
use super::load::Load;
use super::plan::Plan;
use super::report::{Measured, Report, measure, median};
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// Offers half of the rate in `report`, or of one that is measured now.
pub fn run(plan: &Plan, report: Option<&Report>) -> Outcome<Vec<Target>> {
    println!("| connections | req/s offered | req/s | p50 ms | p99 ms | p999 ms | others, cores |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut targets = Vec::new();
    for connections in [256, 64] {
        let measured = report.map_or(&[][..], |report| report.windows(connections, GATEPOST));
        let fastest = if measured.is_empty() { fastest(plan, connections)? } else { measured.to_vec() };
        let at_most = |of: fn(&Measured) -> f64| median(fastest.iter().map(of));
        let rate = at_most(|one| one.per_second);
        let load = Load::open(connections, rate / 2.0, plan.warm_up, plan.open);
        let requests = Requests::sign(Shape::Alert, load.needs(), 0);
        let mut windows = Vec::new();
        // Three even in the quick form: a percentile of one window says little.
        for _ in 0..plan.few.max(3) {
            progress(&format!("{connections} connections, {:.0} requests a second", rate / 2.0));
            let gateway = Gateway::start(&Setup::to_file())?;
            windows.push(measure(load, (gateway.address, &|| gateway.cpu()), &requests, NEW)?.0);
        }
        let middle = |of: fn(&Measured) -> f64| median(windows.iter().map(of));
        let percentiles: [fn(&Measured) -> f64; 3] = [|one| one.p50_ms, |one| one.p99_ms, |one| one.p999_ms];
        let [p50, p99, p999] = percentiles.map(middle);
        println!(
            "| {connections} | {:.0} | {:.0} | {p50:.2} | {p99:.2} | {p999:.2} | {:.2} |",
            rate / 2.0,
            middle(|one| one.per_second),
            middle(|one| one.foreign)
        );
        for (name, found, most) in [("p50", p50, 2.0), ("p99", p99, 15.0), ("p999", p999, 60.0)] {
            let what = format!("half of that rate, {connections} connections, {name}");
            targets.push(Target::found(what, " ms", Goal::AtMost(most), found));
        }
        // What a slower machine changes in both: half of the load must leave less of a queue.
        for (name, found, full) in [("p50", p50, at_most(|one| one.p50_ms)), ("p99", p99, at_most(|one| one.p99_ms))] {
            let what = format!("half of that rate, {connections} connections, {name} to that at the full rate");
            targets.push(Target::found(what, "", Goal::Lower, found / full));
        }
    }
    println!();
    Ok(targets)
}

/// Windows of the closed loop.
fn fastest(plan: &Plan, connections: usize) -> Outcome<Vec<Measured>> {
    let requests = Requests::sign(Shape::Alert, plan.requests, 0);
    let load = Load::closed(connections, plan.warm_up, plan.window);
    let mut windows = Vec::new();
    for _ in 0..3 {
        progress(&format!("{connections} connections, as fast as it goes"));
        let gateway = Gateway::start(&Setup::to_file())?;
        windows.push(measure(load, (gateway.address, &|| gateway.cpu()), &requests, NEW)?.0);
    }
    Ok(windows)
}
