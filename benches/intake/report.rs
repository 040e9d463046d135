//! The table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::load::Outcome;

/// One window.
#[derive(Clone, Copy)]
pub struct Measured {
    pub count: usize,
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    /// Processor time of the server for each request, in microseconds.
    pub cpu_us: f64,
    /// Cores that others had meanwhile.
    pub foreign: f64,
    /// Events that were read from receipts by the end of the window.
    pub read: Option<u64>,
}

impl Measured {
    /// Condenses a window; `cpu` is what the server used from its warm-up on, `foreign` what others used.
    pub fn new(outcome: &Outcome, cpu: Duration, foreign: Duration) -> Self {
        let count = outcome.latencies.len();
        let at = |share: f64| {
            let index = ((count as f64 * share) as usize).min(count.saturating_sub(1));
            outcome.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        Self {
            count,
            per_second: count as f64 / outcome.elapsed.as_secs_f64().max(1e-9),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            cpu_us: cpu.as_secs_f64() * 1e6 / outcome.sent.max(1) as f64,
            foreign: foreign.as_secs_f64() / outcome.driven.as_secs_f64().max(1e-9),
            read: None,
        }
    }
}

/// All windows, by connections and contender in the order of their first appearance.
#[derive(Default)]
pub struct Report {
    order: Vec<String>,
    windows: BTreeMap<(usize, usize), Vec<Measured>>,
}

impl Report {
    /// Adds a window.
    pub fn add(&mut self, connections: usize, contender: String, measured: Measured) {
        let place = self.order.iter().position(|name| *name == contender).unwrap_or_else(|| {
            self.order.push(contender);
            self.order.len() - 1
        });
        self.windows.entry((connections, place)).or_default().push(measured);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| connections | contender | req/s, median (min..max) | of L0 | p50 ms | p99 ms | p999 ms | server us/req | others, cores | read meanwhile |"
        )?;
        writeln!(f, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for ((connections, place), windows) in &self.windows {
            let rate = median(windows, |window| window.per_second);
            let bare =
                self.windows.get(&(*connections, 0)).map_or(0.0, |bare| median(bare, |window| window.per_second));
            let least = windows.iter().map(|window| window.per_second).fold(f64::INFINITY, f64::min);
            let most = windows.iter().map(|window| window.per_second).fold(0.0, f64::max);
            let read = windows.iter().filter_map(|window| window.read).max();
            writeln!(
                f,
                "| {connections} | {} | {rate:.0} ({least:.0}..{most:.0}) | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} | {} |",
                self.order[*place],
                rate / bare,
                median(windows, |window| window.p50_ms),
                median(windows, |window| window.p99_ms),
                median(windows, |window| window.p999_ms),
                median(windows, |window| window.cpu_us),
                median(windows, |window| window.foreign),
                read.map_or(String::new(), |read| read.to_string()),
            )?;
        }
        Ok(())
    }
}

fn median(windows: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = windows.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
