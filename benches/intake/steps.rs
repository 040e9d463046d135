//! What a request and an event cost in processor time: by thread from the kernel's account, by step from a profile.

use std::time::Duration;

use super::archive::Archive;
use super::contenders::{Contender, Running};
use super::end_to_end::drain;
use super::gateway::Gateway;
use super::load::Load;
use super::plan::Plan;
use super::process::new_folder;
use super::profile::{Profile, Recording, Step};
use super::report::measure;
use super::requests::{Requests, Shape};
use super::targets::{Goal, Target};
use super::threads::Account;
use super::{Outcome, progress};

/// A file alone, then a file and three notifiers; each as fast as it goes, and at a rate that is sustained.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    let alerts = Requests::sign(Shape::Alert, plan.requests, 0);
    let (mut costs, mut bare_us) = (Vec::new(), 0.0);
    for (contender, to) in [(Contender::Gatepost, "a file"), (Contender::Notifying, "a file and 3 notifiers")] {
        for connections in [64, 256] {
            let load = Load::closed(connections, plan.warm_up, plan.window);
            progress(&format!("processor time, {connections} connections, {to}"));
            costs.push(Cost::of(&contender, to, load, &alerts)?);
        }
        let bare = bare(plan, &alerts)?;
        bare_us = bare.1;
        let load = Load::open(64, bare.0 * SUSTAINED, Duration::ZERO, plan.open);
        progress(&format!("processor time, {:.0} events a second, {to}", bare.0 * SUSTAINED));
        costs.push(Cost::of(&contender, to, load, &Requests::sign(Shape::Alert, load.needs(), 0))?);
    }
    by_thread(&costs);
    by_step(&costs);
    println!("A request costs L0 {bare_us:.1} us at 64 connections.\n");
    Ok(targets(&costs, bare_us))
}

/// Requests a second of the bare server, and what one costs it.
fn bare(plan: &Plan, requests: &Requests) -> Outcome<(f64, f64)> {
    let running = Contender::Bare.start()?;
    let load = Load::closed(64, plan.warm_up, plan.window);
    let (row, _) = measure(load, (running.address(), &|| running.cpu()), requests, Contender::Bare.fresh())?;
    Ok((row.per_second, row.server_us))
}

/// What one load cost.
struct Cost {
    to: &'static str,
    load: String,
    /// Whether the rate was given, and everything that was answered was read and written.
    is_whole: bool,
    requests: f64,
    events: f64,
    account: Account,
    /// Of the same load once more, with its own account; or why there is none.
    profile: Result<(Profile, Window), String>,
}

/// What was done meanwhile.
struct Window {
    requests: f64,
    events: f64,
    account: Account,
}

impl Cost {
    fn of(contender: &Contender, to: &'static str, load: Load, requests: &Requests) -> Outcome<Self> {
        // Without perf first: it slows what it looks at.
        let (Window { requests: sent, events, account }, _) = window(contender, load, requests, false)?;
        let (profiled, profile) = window(contender, load, requests, true)?;
        let profile = profile.map(|profile| (profile, profiled));
        Ok(Self { to, load: load.to_string(), is_whole: load.is_open(), requests: sent, events, account, profile })
    }
}

fn window(
    contender: &Contender,
    load: Load,
    requests: &Requests,
    is_profiled: bool,
) -> Outcome<(Window, Result<Profile, String>)> {
    let folder = new_folder()?;
    let running = contender.start_in(&folder)?;
    let Running::Gatepost { gateway, .. } = &running else { return Err("it is no gatepost".into()) };
    let recording = if is_profiled {
        Recording::start(gateway.id(), load.warm_up + load.window, &folder)
    } else {
        Err(String::new())
    };
    let before = Account::of(gateway.id())?;
    let outcome = load.run(gateway.address, requests, contender.fresh())?;
    if load.is_open() {
        drain(&mut Archive::at(folder.path().join("events.ndjson")), outcome.sent)?;
    }
    let window = Window {
        requests: outcome.sent as f64,
        events: events_of(gateway)?,
        account: Account::of(gateway.id())?.since(&before),
    };
    let profile = match recording {
        Ok(recording) => recording.end().map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    Ok((window, profile))
}

fn events_of(gateway: &Gateway) -> Outcome<f64> {
    Ok(gateway.metrics()?.read_events())
}

fn by_thread(costs: &[Cost]) {
    println!(
        "| to | load | thread | requests | events read | us/request | us/event |\n|---|---|---|---:|---:|---:|---:|"
    );
    for cost in costs {
        let whole = ("all", cost.account.whole());
        for (role, used) in cost.account.by_role().chain([whole]) {
            let used = used.as_secs_f64() * 1e6;
            println!(
                "| {} | {} | {role} | {:.0} | {:.0} | {:.1} | {:.1} |",
                cost.to,
                cost.load,
                cost.requests,
                cost.events,
                used / cost.requests,
                used / cost.events.max(1.0)
            );
        }
    }
    println!();
}

fn by_step(costs: &[Cost]) {
    if let Some(why) = costs.iter().find_map(|cost| cost.profile.as_ref().err()) {
        println!("The table by step is left out: {why}.\n");
        return;
    }
    println!("| to | load | step | share | us/request | us/event |\n|---|---|---|---:|---:|---:|");
    for cost in costs {
        let Ok((profile, window)) = &cost.profile else { continue };
        for step in Step::ALL {
            let used = profile.share(step) * window.account.whole().as_secs_f64() * 1e6;
            println!(
                "| {} | {} | {step:?} | {:.3} | {:.1} | {:.1} |",
                cost.to,
                cost.load,
                profile.share(step),
                used / window.requests,
                used / window.events.max(1.0)
            );
        }
    }
    println!(
        "\nBy the innermost function that a rule of `profile.rs` knows, else by the thread. Sync is the end of every transaction, \
         also of those of Read, Count and Deliver, and checkpoints.\n"
    );
}

fn targets(costs: &[Cost], bare_us: f64) -> Vec<Target> {
    let mut targets = Vec::new();
    for cost in costs.iter().filter(|cost| cost.is_whole) {
        let name = |what: &str| format!("processor of an event to {}{what}, times a request of L0", cost.to);
        let whole = cost.account.whole().as_secs_f64() * 1e6 / cost.requests / bare_us;
        targets.push(Target::found(name(""), "", Goal::Lower, whole));
        let later = cost.profile.as_ref().map(|(profile, window)| {
            let share: f64 = Step::ALL.into_iter().filter(|step| step.is_later()).map(|step| profile.share(step)).sum();
            share * window.account.whole().as_secs_f64() * 1e6 / window.requests
        });
        let what = format!("processor of an event to {} after its answer, without the end of transactions", cost.to);
        targets.push(match later {
            Ok(later) => Target::observed(what, " us", Goal::AtMost(20.0), later),
            Err(why) => Target::skipped(what, " us", Goal::AtMost(20.0), why.clone()),
        });
    }
    targets
}

/// Of the rate of L0.
const SUSTAINED: f64 = 0.1;
