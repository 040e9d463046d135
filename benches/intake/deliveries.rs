//! What the pipeline sustains with its queue not growing, and how soon a destination knows of an answered request.

use std::io;
use std::time::{Duration, Instant};

use super::gateway::{ARCHIVE, AT_ONCE, Gateway, Metrics, NEW, Setup};
use super::load::Load;
use super::plan::Plan;
use super::receiver::{Kind, Receivers};
use super::report::percentile_ms;
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// Offers rates to one file, then to three HTTP destinations; then measures how soon these know.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    println!(
        "| events/s offered | to | events/s answered | delivered/s to each | backlog at first and last look | holds |"
    );
    println!("|---:|---|---:|---:|---:|---|");
    let to_file = climb(plan, FILE_PER_SECOND, || Ok((Setup::to_file(), None)))?;
    let to_http = climb(plan, HTTP_PER_SECOND, || {
        let receivers = Receivers::start(&[Kind::PagerDuty, Kind::PagerDuty, Kind::SlackWebhook])?;
        Ok((Setup::to_http(&receivers.all), Some(receivers)))
    })?;
    println!(
        "\nThe pace of the HTTP destinations (PagerDuty 100 a minute, Slack 1 a second) is lifted, {AT_ONCE} messages at \
         once.\n"
    );
    let receivers = Receivers::start(&[Kind::PagerDuty, Kind::PagerDuty, Kind::SlackWebhook])?;
    let gateway = Gateway::start(&Setup::to_http(&receivers.all))?;
    let times = times_to_arrival(&gateway, &receivers, plan.open * 2)?;
    let sustained = |what: &str, goal, found| {
        Target::found(format!("events sustained to {what}"), "/s", Goal::AtLeast(goal), found)
    };
    let mut targets = vec![
        sustained("one file", FILE_PER_SECOND, to_file),
        sustained("three HTTP destinations each", HTTP_PER_SECOND, to_http),
    ];
    targets.extend(arrival_targets("from answer to arrival", &times));
    Ok(targets)
}

/// The targets for the time from an answer to the arrival.
pub fn arrival_targets(what: &str, ascending: &[Duration]) -> Vec<Target> {
    let at = |share| percentile_ms(ascending, share);
    let (p50, p99) = (at(0.5), at(0.99));
    println!("{what}, {ARRIVALS_PER_SECOND} events/s: p50 {p50:.2} ms, p99 {p99:.2} ms, p999 {:.2} ms\n", at(0.999));
    vec![
        Target::found(format!("{what}, p50"), " ms", Goal::AtMost(10.0), p50),
        Target::found(format!("{what}, p99"), " ms", Goal::AtMost(50.0), p99),
    ]
}

/// Offers rising rates, each to a fresh gatepost, until one does not hold. Returns the last that did, or what was
/// delivered a second of the first that did not.
fn climb(
    plan: &Plan,
    target: f64,
    mut prepare: impl FnMut() -> io::Result<(Setup, Option<Receivers>)>,
) -> Outcome<f64> {
    let mut best = None;
    for rung in plan.rungs {
        let rate = target * rung;
        // The receivers run as long as they are delivered to.
        let (setup, _receivers) = prepare()?;
        progress(&format!("{rate:.0} events a second to {}", setup.names().join(", ")));
        let seen = offer(plan, &setup, rate)?;
        let to = if setup.names() == [ARCHIVE] { "a file".to_owned() } else { format!("{} HTTP", setup.names().len()) };
        println!(
            "| {rate:.0} | {to} | {:.0} | {:.0} | {:.0}, {:.0} | {} |",
            seen.answered,
            seen.delivered,
            seen.backlog.0,
            seen.backlog.1,
            if seen.holds { "yes" } else { "no" }
        );
        if !seen.holds {
            return Ok(best.unwrap_or(seen.delivered));
        }
        best = Some(rate);
    }
    Ok(best.unwrap_or(0.0))
}

struct Seen {
    answered: f64,
    /// A second, to the destination that got least.
    delivered: f64,
    /// Events that were answered and not delivered everywhere, after a quarter of the time and at its end.
    backlog: (f64, f64),
    holds: bool,
}

fn offer(plan: &Plan, setup: &Setup, rate: f64) -> Outcome<Seen> {
    let gateway = Gateway::start(setup)?;
    let load = Load::open(64, rate, Duration::ZERO, plan.sustained);
    let requests = Requests::sign(Shape::Alert, load.needs(), 0);
    let admin = gateway.admin();
    let look = |after: Duration| -> io::Result<(Instant, Metrics)> {
        std::thread::sleep(after);
        Ok((Instant::now(), Metrics::read(admin)?))
    };
    let (outcome, looks) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| Ok::<_, io::Error>((look(plan.sustained / 4)?, look(plan.sustained * 7 / 10)?)));
        let outcome = load.run(gateway.address, &requests, NEW);
        (outcome, watch.join().unwrap_or_else(|_| Err(io::Error::other("the look at the metrics failed"))))
    });
    let (outcome, ((earlier, first), (later, last))) = (outcome?, looks?);
    if last.failed() > 0.0 {
        return Err(format!("{:.0} attempts did not arrive", last.failed()).into());
    }
    let least =
        |metrics: &Metrics| setup.names().iter().map(|name| metrics.delivered(name)).fold(f64::INFINITY, f64::min);
    let seconds = (later - earlier).as_secs_f64();
    let backlog = (first.accepted() - least(&first), last.accepted() - least(&last));
    let answered = outcome.latencies.len() as f64 / outcome.elapsed.as_secs_f64();
    let holds = answered >= KEPT * rate && backlog.1 - backlog.0 <= (1.0 - KEPT) * rate * seconds;
    Ok(Seen { answered, delivered: (least(&last) - least(&first)) / seconds, backlog, holds })
}

/// The time from each answer to its event's arrival at each receiver, ascending; an arrival before its answer was read
/// took no time.
pub fn times_to_arrival(gateway: &Gateway, receivers: &Receivers, length: Duration) -> Outcome<Vec<Duration>> {
    progress(&format!("{ARRIVALS_PER_SECOND} events a second, from the answer to the arrival"));
    let load = Load::open(8, ARRIVALS_PER_SECOND, Duration::ZERO, length);
    let requests = Requests::sign(Shape::Alert, load.needs(), NUMBERED_FROM);
    let outcome = load.run(gateway.address, &requests, NEW)?;
    let mut times = Vec::new();
    for place in 0..receivers.all.len() {
        let begun = Instant::now();
        let arrivals = loop {
            let (arrivals, strange) = receivers.arrivals(place);
            if strange > 0 {
                return Err(format!("{strange} messages held no event's number").into());
            }
            if arrivals.len() >= outcome.answers.len() {
                break arrivals;
            }
            if begun.elapsed() > ARRIVE_MAX {
                return Err(format!("{} of {} events arrived", arrivals.len(), outcome.answers.len()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        for (index, answered) in &outcome.answers {
            let arrived = arrivals.get(&requests.number(*index)).ok_or("an event that was answered did not arrive")?;
            times.push(arrived.saturating_duration_since(*answered));
        }
    }
    times.sort_unstable();
    Ok(times)
}

const FILE_PER_SECOND: f64 = 10_000.0;
const HTTP_PER_SECOND: f64 = 2_000.0;
const ARRIVALS_PER_SECOND: f64 = 200.0;
/// Above the numbers of the loads on the same store.
const NUMBERED_FROM: usize = 10_000_000_000;
/// A rate holds where no more than the rest is left unanswered or added to the backlog.
const KEPT: f64 = 0.97;
const ARRIVE_MAX: Duration = Duration::from_secs(20);
