//! The table of rates.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::load::{Expected, Load, Outcome};
use super::machine;
use super::requests::Requests;

/// One window.
#[derive(Clone, Copy)]
pub struct Measured {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    /// Processor time of the server for each request, in microseconds.
    pub server_us: f64,
    /// Processor time of the load for each request, in microseconds.
    pub load_us: f64,
    /// Cores that others had meanwhile.
    pub foreign: f64,
    /// Events that were read from receipts by the end of the window.
    pub read: Option<u64>,
    /// The turn that all contenders took once.
    pub repetition: usize,
}

/// Drives a window and condenses it; `cpu` tells what the server has used.
pub fn measure(
    load: Load,
    (address, cpu): (SocketAddr, &dyn Fn() -> io::Result<Duration>),
    requests: &Requests,
    expected: Expected,
) -> io::Result<(Measured, Outcome)> {
    let (all, ours, before) = (machine::busy()?, machine::cpu_of("self")?, cpu()?);
    let outcome = load.run(address, requests, expected)?;
    let server = cpu()?.saturating_sub(before);
    let ours = machine::cpu_of("self")?.saturating_sub(ours);
    let foreign = machine::busy()?.saturating_sub(all).saturating_sub(server + ours);
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / outcome.sent.max(1) as f64;
    let measured = Measured {
        per_second: outcome.latencies.len() as f64 / outcome.elapsed.as_secs_f64().max(1e-9),
        p50_ms: percentile_ms(&outcome.latencies, 0.5),
        p99_ms: percentile_ms(&outcome.latencies, 0.99),
        p999_ms: percentile_ms(&outcome.latencies, 0.999),
        server_us: each(server),
        load_us: each(ours),
        foreign: foreign.as_secs_f64() / outcome.driven.as_secs_f64().max(1e-9),
        read: None,
        repetition: 0,
    };
    Ok((measured, outcome))
}

/// A percentile of times that ascend, in milliseconds.
pub fn percentile_ms(ascending: &[Duration], share: f64) -> f64 {
    let index = ((ascending.len() as f64 * share) as usize).min(ascending.len().saturating_sub(1));
    ascending.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// The middle of some figures; of an even number the higher of the two.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// All windows, by connections and contender in the order of their first appearance.
#[derive(Default)]
pub struct Report {
    order: Vec<String>,
    windows: BTreeMap<(usize, usize), Vec<Measured>>,
}

impl Report {
    /// Adds a window of a repetition.
    pub fn add(&mut self, (repetition, connections): (usize, usize), contender: &str, measured: Measured) {
        let place = self.place(contender).unwrap_or_else(|| {
            self.order.push(contender.to_owned());
            self.order.len() - 1
        });
        self.windows.entry((connections, place)).or_default().push(Measured { repetition, ..measured });
    }

    /// The contenders, in the order of their first appearance.
    pub fn contenders(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// The windows of a contender, in the order of the repetitions.
    pub fn windows(&self, connections: usize, contender: &str) -> &[Measured] {
        let place = self.place(contender);
        place.and_then(|place| self.windows.get(&(connections, place))).map_or(&[], Vec::as_slice)
    }

    /// The median of the ratios of two contenders, each ratio within one repetition; `None` where they share none.
    pub fn ratio(&self, connections: usize, one: &str, other: &str) -> Option<f64> {
        let (ones, others) = (self.windows(connections, one), self.windows(connections, other));
        let within = |one: &Measured| {
            let other = others.iter().find(|other| other.repetition == one.repetition)?;
            Some(one.per_second / other.per_second)
        };
        let ratios: Vec<f64> = ones.iter().filter_map(within).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    fn place(&self, contender: &str) -> Option<usize> {
        self.order.iter().position(|name| name == contender)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| connections | contender | req/s, median (min..max) | of L0 | p50 ms | p99 ms | p999 ms | server us/req | \
             load us/req | others, cores | read meanwhile |"
        )?;
        writeln!(f, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for ((connections, place), windows) in &self.windows {
            let middle = |of: fn(&Measured) -> f64| median(windows.iter().map(of));
            let rates = || windows.iter().map(|window| window.per_second);
            let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
            let read = windows.iter().filter_map(|window| window.read).max();
            let name = &self.order[*place];
            writeln!(
                f,
                "| {connections} | {name} | {:.0} ({least:.0}..{most:.0}) | {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} \
                 | {:.2} | {} |",
                median(rates()),
                self.ratio(*connections, name, "L0").map_or(String::new(), |ratio| format!("{ratio:.2}")),
                middle(|window| window.p50_ms),
                middle(|window| window.p99_ms),
                middle(|window| window.p999_ms),
                middle(|window| window.server_us),
                middle(|window| window.load_us),
                middle(|window| window.foreign),
                read.map_or(String::new(), |read| read.to_string()),
            )?;
        }
        Ok(())
    }
}
