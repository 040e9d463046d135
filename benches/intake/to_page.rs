//! How soon a pager knows: from the answer to an event that opens an incident to the arrival of its page.

use std::time::{Duration, Instant};

use super::gateway::{AT_ONCE, Gateway, NEW, Setup};
use super::load::Load;
use super::plan::Plan;
use super::receiver::Receivers;
use super::report::percentile_ms;
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// To a file and two pagers, on an empty store.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    println!(
        "Each event opens an incident (`group_by = [\"event\"]`, `storm = \"never\"`); the pace of the two pagers (PagerDuty \
         takes 100 a minute) is lifted, {AT_ONCE} pages at once.\n"
    );
    let receivers = Receivers::start(2)?;
    let gateway = Gateway::start(&Setup::to_file().and_pagers(&receivers.all).each_an_incident())?;
    let times = times_to_page(&gateway, &receivers, plan.open * 2)?;
    Ok(page_targets("answer to page", &times))
}

/// What a load of events that open incidents saw.
pub struct Times {
    /// From each answer to the page at each pager, ascending.
    pages: Vec<Duration>,
    /// To each answer, ascending.
    answers: Vec<Duration>,
}

/// The targets for the time from an answer to the page.
pub fn page_targets(what: &str, times: &Times) -> Vec<Target> {
    let at = |share| percentile_ms(&times.pages, share);
    let (p50, p99, answer) = (at(0.5), at(0.99), percentile_ms(&times.answers, 0.5));
    println!(
        "{what}, {PER_SECOND} events/s: p50 {p50:.2} ms, p99 {p99:.2} ms, p999 {:.2} ms; the answer itself p50 {answer:.2} ms\n",
        at(0.999)
    );
    vec![
        Target::found(format!("{what}, p50"), " ms", Goal::AtMost(5.0), p50),
        Target::found(format!("{what}, p99"), " ms", Goal::AtMost(50.0), p99),
        Target::found(format!("{what}, p50, times that of the answer"), "", Goal::Lower, p50 / answer),
    ]
}

/// The time from each answer to its event's page at each pager; a page before its answer was read took no time.
pub fn times_to_page(gateway: &Gateway, receivers: &Receivers, length: Duration) -> Outcome<Times> {
    progress(&format!("{PER_SECOND} events a second, from the answer to the page"));
    let load = Load::open(8, PER_SECOND, Duration::ZERO, length);
    let requests = Requests::sign(Shape::Alert, load.needs(), NUMBERED_FROM);
    let outcome = load.run(gateway.address, &requests, NEW)?;
    let mut pages = Vec::new();
    for place in 0..receivers.all.len() {
        let begun = Instant::now();
        let arrivals = loop {
            let (arrivals, strange) = receivers.arrivals(place);
            if strange > 0 {
                return Err(format!("{strange} pages held no event's number").into());
            }
            if arrivals.len() >= outcome.answers.len() {
                break arrivals;
            }
            if begun.elapsed() > ARRIVE_MAX {
                return Err(format!("{} of {} events were paged", arrivals.len(), outcome.answers.len()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        for (index, answered) in &outcome.answers {
            let arrived = arrivals.get(&requests.number(*index)).ok_or("an event that was answered was not paged")?;
            pages.push(arrived.saturating_duration_since(*answered));
        }
    }
    pages.sort_unstable();
    Ok(Times { pages, answers: outcome.latencies })
}

const PER_SECOND: f64 = 200.0;
/// Above the numbers of the loads on the same store.
const NUMBERED_FROM: usize = 10_000_000_000;
const ARRIVE_MAX: Duration = Duration::from_secs(20);
