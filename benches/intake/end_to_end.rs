//! The rate that is sustained from the request to the file: answered, read, counted and written, with nothing growing.
//!
//! Rates are offered in an open loop, as shares of what the bare server reached just before. Every line of the file is
//! counted beside every answer, so that the lag is exact. A delivery is no measure of it: a sink takes batches, and
//! notifiers are told of incidents.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::archive::Archive;
use super::contenders::Contender;
use super::load::Load;
use super::plan::Plan;
use super::process::new_folder;
use super::report::{measure, median};
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// Climbs with a file alone, then with a file and three notifiers.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    println!("{HEAD}");
    let any = Requests::sign(Shape::Alert, 20_000, 0);
    let mut targets = Vec::new();
    for (contender, to) in [(Contender::Gatepost, "a file"), (Contender::Notifying, "a file and 3 notifiers")] {
        let best = Climb { plan, contender, to, any: &any }.climb()?;
        targets.push(Target::found(share_of(to), "", Goal::AtLeast(0.25), best.share));
        let (what, goal) = (format!("end to end to {to}, where L0 is 80,000"), Goal::AtLeast(20_000.0));
        targets.push(match best.bare {
            bare if bare >= 80_000.0 => Target::found(what, "/s", goal, best.per_second),
            bare => Target::skipped(
                what,
                "/s",
                goal,
                format!("L0 was {bare:.0} beside the {:.0}/s that held", best.per_second),
            ),
        });
    }
    println!(
        "\nA rate holds where {:.0} % of it is answered and what is answered and not yet in the file does not grow; each has \
         two tries. Where none held, the share is that which was written of the lowest. us/event is the processor time of \
         the whole server.\n",
        KEPT * 100.0
    );
    Ok(targets)
}

/// The name of the target.
fn share_of(to: &str) -> String {
    format!("end to end to {to}, of L0")
}

struct Climb<'p> {
    plan: &'p Plan,
    contender: Contender,
    to: &'static str,
    /// For the bare server, which does not look at them.
    any: &'p Requests,
}

/// The highest rate that held.
#[derive(Clone, Copy)]
struct Best {
    share: f64,
    per_second: f64,
    /// What the bare server reached just before.
    bare: f64,
}

impl Climb<'_> {
    /// Offers rising rates until one does not hold; then looks for more between that one and the last that did.
    fn climb(&self) -> Outcome<Best> {
        let mut best: Option<Best> = None;
        for rung in self.plan.rungs {
            match self.hold(*rung)? {
                Ok(held) => best = Some(held),
                Err(written) => {
                    let Some(held) = best else { return Ok(written) };
                    return self.between(held, *rung);
                }
            }
        }
        best.ok_or_else(|| "no rate is named".into())
    }

    fn between(&self, mut held: Best, mut above: f64) -> Outcome<Best> {
        for _ in 0..REFINEMENTS {
            let middle = (held.share * above).sqrt();
            match self.hold(middle)? {
                Ok(better) => held = better,
                Err(_) => above = middle,
            }
        }
        Ok(held)
    }

    /// Whether a share of L0 holds in one of two tries; otherwise what was written of it.
    fn hold(&self, share: f64) -> Outcome<Result<Best, Best>> {
        let mut written = Best { share: 0.0, per_second: 0.0, bare: 0.0 };
        for _ in 0..TRIES {
            let bare = self.bare()?;
            let rate = share * bare;
            progress(&format!("{rate:.0} events a second to {}, {share:.3} of L0", self.to));
            let seen = self.offer(rate)?;
            println!(
                "| {} | {share:.3} | {bare:.0} | {rate:.0} | {:.0} | {:.0} | {:.0}, {:.0}, {:.0} | {:.0} | {:.1} | {} |",
                self.to,
                seen.answered,
                seen.written,
                seen.lag.early,
                seen.lag.late,
                seen.lag.worst,
                seen.p99_ms,
                seen.server_us,
                if seen.holds { "yes" } else { "no" }
            );
            if seen.holds {
                return Ok(Ok(Best { share, per_second: rate, bare }));
            }
            if seen.written > written.per_second {
                written = Best { share: seen.written / bare, per_second: seen.written, bare };
            }
        }
        Ok(Err(written))
    }

    /// What the bare server does at the moment.
    fn bare(&self) -> Outcome<f64> {
        let running = Contender::Bare.start()?;
        let load = Load::closed(CONNECTIONS, self.plan.warm_up, self.plan.window);
        let (row, _) = measure(load, (running.address(), &|| running.cpu()), self.any, Contender::Bare.fresh())?;
        Ok(row.per_second)
    }

    fn offer(&self, rate: f64) -> Outcome<Seen> {
        let folder = new_folder()?;
        let running = self.contender.start_in(&folder)?;
        let load = Load::open(CONNECTIONS, rate, Duration::ZERO, self.plan.sustained);
        let requests = Requests::sign(Shape::Alert, load.needs(), 0);
        let mut archive = Archive::at(folder.path().join("events.ndjson"));
        let (is_over, begun, cpu) = (AtomicBool::new(false), Instant::now(), running.cpu()?);
        let (driven, looks) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| watch(&mut archive, &is_over));
            let driven = load.run(running.address(), &requests, self.contender.fresh());
            is_over.store(true, Ordering::Relaxed);
            (driven, watch.join().unwrap_or_else(|_| Err(io::Error::other("the look at the file failed"))))
        });
        let (driven, looks) = (driven?, looks?);
        let answers: Vec<Duration> = driven.answers.iter().map(|(_, at)| at.duration_since(begun)).collect();
        let looks: Vec<Look> = looks.into_iter().map(|(at, lines)| Look::of(at - begun, lines, &answers)).collect();
        let length = self.plan.sustained;
        let lag = Lag::of(&looks, length);
        let answered = driven.latencies.len() as f64 / driven.elapsed.as_secs_f64();
        let may_grow = (1.0 - KEPT) * rate * length.as_secs_f64() / 2.0;
        let holds = answered >= KEPT * rate && lag.late - lag.early <= may_grow;
        let written = looks.last().map_or(0.0, |look| look.lines as f64 / look.at.as_secs_f64());
        if holds {
            drain(&mut archive, answers.len())?;
        }
        let events = if holds { answers.len() } else { archive.lines()? };
        let server_us = (running.cpu()?.saturating_sub(cpu)).as_secs_f64() * 1e6 / events.max(1) as f64;
        let p99_ms = super::report::percentile_ms(&driven.latencies, 0.99);
        Ok(Seen { answered, written, lag, p99_ms, server_us, holds })
    }
}

struct Seen {
    /// A second.
    answered: f64,
    /// In the file, a second, until the last request was answered.
    written: f64,
    lag: Lag,
    p99_ms: f64,
    server_us: f64,
    holds: bool,
}

/// One look at the file.
struct Look {
    at: Duration,
    lines: usize,
    /// Answered by then and not in the file.
    behind: usize,
}

impl Look {
    /// `answers` ascend.
    fn of(at: Duration, lines: usize, answers: &[Duration]) -> Self {
        let answered = answers.partition_point(|answer| *answer <= at);
        // An event may be in the file before its answer was read.
        Self { at, lines, behind: answered.saturating_sub(lines) }
    }
}

/// Events that were answered and not in the file.
struct Lag {
    /// The median of the second quarter of the time.
    early: f64,
    /// The median of its last quarter.
    late: f64,
    worst: f64,
}

impl Lag {
    fn of(looks: &[Look], length: Duration) -> Self {
        let within = |from: f64, to: f64| {
            let part = looks.iter().filter(|look| look.at >= length.mul_f64(from) && look.at < length.mul_f64(to));
            median(part.map(|look| look.behind as f64))
        };
        let worst = looks.iter().map(|look| look.behind).max().unwrap_or(0) as f64;
        Self { early: within(0.25, 0.5), late: within(0.75, 1.0), worst }
    }
}

/// Counts the lines again and again until the load is over. The time is that before the count: what is written while it
/// is counted may be counted.
fn watch(archive: &mut Archive, is_over: &AtomicBool) -> io::Result<Vec<(Instant, usize)>> {
    let mut looks = Vec::new();
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        looks.push((Instant::now(), archive.lines()?));
        if is_last {
            return Ok(looks);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits for every event: what was answered is in the file, each once.
pub fn drain(archive: &mut Archive, events: usize) -> Outcome {
    let begun = Instant::now();
    loop {
        let lines = archive.lines()?;
        if lines > events {
            return Err(format!("{events} events were answered, and {lines} are in the file").into());
        }
        if lines == events {
            return Ok(());
        }
        if begun.elapsed() > DRAIN_MAX {
            return Err(format!("{lines} of {events} events are in the file {} s later", DRAIN_MAX.as_secs()).into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

const CONNECTIONS: usize = 64;
/// A rate holds where no more than the rest is left unanswered or added to the lag.
const KEPT: f64 = 0.97;
const TRIES: usize = 2;
/// Each halves what lies between a rate that held and one that did not.
const REFINEMENTS: usize = 2;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const DRAIN_MAX: Duration = Duration::from_secs(30);
const HEAD: &str = "\
| to | of L0 | L0 req/s | events/s offered | answered/s | in the file/s | behind early, late, worst | p99 ms | us/event | holds |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---|";
