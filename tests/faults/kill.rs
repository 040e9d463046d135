//! `kill -9` at random moments under load.

use std::sync::Arc;
use std::time::Duration;

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::world::World;
use super::{is_long, percentile, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_kill_nine() {
    schedule::measured(kills).await;
}

async fn kills() {
    let mut dice = Dice::of("kill");
    let cycles = cycles();
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    // A little more than the paced destinations can be told, so that they always have something in flight.
    let amount = Amount { paced: [1.5, 8.0, 10.0], ..Amount::default() };
    let load = Load::start(&expectations, world.public, amount, &mut dice);
    let mut restarts = Vec::new();
    let mut gateway = Gateway::start(&world);
    for _ in 0..cycles {
        restarts.push(gateway.first_answer(&expectations).await);
        tokio::time::sleep(dice.millis(50, 1_500)).await;
        gateway.kill();
        gateway = Gateway::start(&world);
    }
    restarts.push(gateway.first_answer(&expectations).await);
    load.stop().await;
    // Slack takes one message a second.
    let drained = gateway.drained(Duration::from_secs(120 + 3 * cycles as u64)).await;
    gateway.stop().await;
    // Slack is told one at a time: no more can be in flight when the process dies.
    let figures = oracle::check(&world, &expectations, Allowance { slack_repeats: cycles });
    let (median, worst) = (percentile(&restarts, 0.5), percentile(&restarts, 1.0));
    println!("kill: {cycles} cycles; {figures}; restart to first answer median {median:?}, worst {worst:?}");
    println!("kill: the queue was empty {drained:?} after the last start");
    schedule::within("a restart, to its first answer", worst, RESTART_LIMIT);
    let torn = expectations.entries().torn;
    println!("kill: {torn} answers were cut off by a kill");
}

fn cycles() -> usize {
    let given = std::env::var("GATEPOST_KILLS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(if is_long() { 200 } else { 12 })
}

const RESTART_LIMIT: Duration = Duration::from_secs(2);
