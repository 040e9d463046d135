//! A backlog slows nothing: intake comes first, and each destination has its own queue.

use std::time::Duration;

use super::Outcome;
use super::deliveries::{arrival_targets, times_to_arrival};
use super::fill::{Past, fill};
use super::gateway::{Gateway, Setup};
use super::keys::compare;
use super::load::Load;
use super::plan::Plan;
use super::process::new_folder;
use super::receiver::{Kind, Receivers};
use super::targets::{Goal, Target};

/// A flood of alerts waits for a pager that takes 100 a minute, while another destination is told and requests come in.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    let pager = Receivers::start(&[Kind::PagerDuty])?;
    let others = Receivers::start(&[Kind::PagerDuty])?;
    let folder = new_folder()?;
    let told = Setup::to_http(&others.all).and_pager(pager.all[0].1);
    fill(&folder, &told, Past { waiting: plan.backlog, ..Past::default() })?;

    let gateway = Gateway::start_in(&told, &folder)?;
    let times = times_to_arrival(&gateway, &others, plan.open * 2)?;
    gateway.wait_until("the backlog is seen", Duration::from_secs(20), |metrics| {
        let waiting = metrics.sum("gatepost_queue_deliveries", &["destination=\"pager\"", "state=\"waiting\""]);
        // Some have gone at the pager's pace meanwhile.
        waiting > plan.backlog as f64 * 0.9
    })?;
    drop(gateway);
    let what = format!("{} deliveries wait", plan.backlog);
    let mut targets = arrival_targets(&format!("{what}, from answer to arrival elsewhere"), &times);

    let setup = Setup::to_file().and_pager(pager.all[0].1);
    let load = Load::closed(256, plan.warm_up, plan.window);
    let ratio = compare(plan, load, || Gateway::start(&setup), || Gateway::start_in(&setup, &folder))?;
    targets.push(Target::found(format!("{what}, intake to that without"), "", Goal::AtLeast(0.95), ratio));
    Ok(targets)
}
