//! A backlog slows nothing: intake comes first, and each destination has its own queue.

use std::time::Duration;

use super::Outcome;
use super::fill::{Past, fill};
use super::gateway::{AWAY, Gateway, Setup};
use super::keys::compare;
use super::load::Load;
use super::plan::Plan;
use super::process::new_folder;
use super::receiver::Receivers;
use super::targets::{Goal, Target};
use super::to_page::{page_targets, times_to_page};

/// Many events wait for a sink that is away, while pagers are told and requests come in.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    let pagers = Receivers::start(2)?;
    let folder = new_folder()?;
    let told = Setup::to_file().and_pagers(&pagers.all).and_away().each_an_incident();
    fill(&folder, &told, Past { waiting: plan.backlog, ..Past::default() })?;

    let gateway = Gateway::start_in(&told, &folder)?;
    let times = times_to_page(&gateway, &pagers, plan.open * 2)?;
    gateway.wait_until("the backlog is seen", Duration::from_secs(20), |metrics| {
        metrics.lag(AWAY) >= plan.backlog as f64
    })?;
    drop(gateway);
    let what = format!("{} events wait", plan.backlog);
    let mut targets = page_targets(&format!("{what}, answer to page"), &times);

    let setup = Setup::to_file().and_away();
    let load = Load::closed(256, plan.warm_up, plan.window);
    let ratio = compare(plan, load, || Gateway::start(&setup), || Gateway::start_in(&setup, &folder))?;
    targets.push(Target::found(format!("{what}, intake to that without"), "", Goal::AtLeast(0.95), ratio));
    Ok(targets)
}
