//! Requests a second, side by side: contenders take turns within every repetition, because the speed of a machine drifts.

use std::collections::BTreeSet;

use super::contenders::{Contender, GATEPOST, NOTIFYING};
use super::load::Load;
use super::machine;
use super::peers::{self, Peer};
use super::picture;
use super::plan::Plan;
use super::report::{Report, measure, median};
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// The table, and what it says about the targets.
pub struct Rates {
    pub report: Report,
    pub targets: Vec<Target>,
}

/// Measures every contender.
pub fn run(plan: &Plan) -> Outcome<Rates> {
    let alerts = Requests::sign(Shape::Alert, plan.requests, 0);
    let mut peers = PeerRuns::new(plan, &alerts);
    let mut report = Report::default();
    let mut over_fsync = Vec::new();
    for repetition in 1..=plan.repetitions {
        for connections in CONNECTIONS {
            let load = Load::closed(connections, plan.warm_up, plan.window);
            for contender in Contender::own() {
                progress(&format!("repetition {repetition}: {connections} connections, {contender}"));
                let fsync_ms = machine::fsync_ms()?;
                one_after_another(repetition, load, &contender, &alerts, &mut report)?;
                if let (1, Contender::Gatepost, Some(last)) =
                    (connections, &contender, report.windows(1, GATEPOST).last())
                {
                    over_fsync.push(last.p50_ms - f64::midpoint(fsync_ms, machine::fsync_ms()?));
                }
            }
            if repetition <= plan.few {
                peers.measure(repetition, load, &mut report);
            }
        }
    }
    println!("{report}\nPeers: {}.\n", peers.said);
    println!("Picture: {}\n", picture::write(&report, &CONNECTIONS[1..])?.display());
    let targets = targets(&report, (!over_fsync.is_empty()).then(|| median(over_fsync)));
    Ok(Rates { report, targets })
}

/// One contender on an empty store; then, for those that know repetitions, the same requests again.
fn one_after_another(
    repetition: usize,
    load: Load,
    contender: &Contender,
    requests: &Requests,
    report: &mut Report,
) -> Outcome {
    let turn = (repetition, load.connections);
    let running = contender.start()?;
    let cpu = || running.cpu();
    let (mut row, outcome) = measure(load, (running.address(), &cpu), requests, contender.fresh())?;
    row.read = running.events_read()?;
    report.add(turn, &contender.to_string(), row);
    if let Some(repeated) = contender.repeated() {
        let known = requests.part(0, outcome.distinct);
        let (row, _) = measure(load, (running.address(), &cpu), &known, repeated)?;
        report.add(turn, &format!("{contender}, repeated"), row);
    }
    Ok(())
}

/// The peers that take part, and what is to be said about those that do not.
struct PeerRuns {
    peers: Vec<(Peer, Requests)>,
    failed: BTreeSet<(&'static str, usize)>,
    said: String,
}

impl PeerRuns {
    fn new(plan: &Plan, alerts: &Requests) -> Self {
        if plan.strict {
            return Self {
                peers: Vec::new(),
                failed: BTreeSet::new(),
                said: "left out of the quick form for CI".to_owned(),
            };
        }
        let (peers, said) = peers::installed();
        let with_requests = |peer: Peer| {
            let requests = match peer.shape() {
                Shape::Alert => alerts.clone(),
                shape => Requests::sign(shape, plan.requests / 4, 0),
            };
            (peer, requests)
        };
        Self { peers: peers.into_iter().map(with_requests).collect(), failed: BTreeSet::new(), said }
    }

    /// A contender that fails at so many connections is left out there from then on, with the reason printed.
    fn measure(&mut self, repetition: usize, load: Load, report: &mut Report) {
        for (peer, requests) in &self.peers {
            let (name, connections) = (peer.name(), load.connections);
            if self.failed.contains(&(name, connections)) {
                continue;
            }
            progress(&format!("{connections} connections, {name}"));
            if let Err(fault) = one_after_another(repetition, load, &Contender::Peer(peer.clone()), requests, report) {
                self.said.push_str(&format!("; {name} failed at {connections} connections ({fault})"));
                self.failed.insert((name, connections));
            }
        }
    }
}

fn targets(report: &Report, over_fsync_ms: Option<f64>) -> Vec<Target> {
    let mut targets = Vec::new();
    for (connections, share) in [(256, 0.60), (64, 0.50)] {
        let mut ratio = |what: &str, share, (one, other)| {
            let what = format!("intake at {connections} connections, {what}");
            let why = format!("'{one}' and '{other}' were in no repetition together");
            targets.push(Target::of(what, "", Goal::AtLeast(share), report.ratio(connections, one, other), why));
        };
        ratio("of L0", share, (GATEPOST, "L0"));
        ratio("with three notifiers, of L0", share, (NOTIFYING, "L0"));
        ratio("times naive", 10.0, (GATEPOST, "naive"));
        ratio("duplicates to new events", 1.0, ("gatepost, repeated", GATEPOST));
    }
    let qhook = report.ratio(64, GATEPOST, "qhook");
    let what = "intake at 64 connections, times qhook";
    targets.push(Target::of(what, "", Goal::AtLeast(100.0), qhook, "qhook did not take part"));
    let what = "1 connection, p50 beyond the disk's fsync";
    targets.push(Target::of(what, " ms", Goal::AtMost(0.3), over_fsync_ms, "gatepost did not take part"));
    targets
}

const CONNECTIONS: [usize; 3] = [1, 64, 256];
