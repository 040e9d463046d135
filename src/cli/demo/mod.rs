//! `gatepost demo`: the whole product with nothing configured.
//!
//! It runs the same [`App`] as `gatepost serve`, on a configuration of its own in a folder that it removes at the end,
//! with stand-ins for Slack, Jira and PagerDuty, and for the destinations that are asked for, on loopback. Everything goes over
//! real HTTP, mail over real SMTP, signed as the vendors sign.

mod extra;
mod script;
mod setting;

use std::time::Duration;

use super::failure::Outcome;
use super::runtime::runtime;
use super::terminal;
use crate::domain::{Clock, SystemClock};
use crate::standins::Style;
use extra::EXTRAS;
use script::Script;
use setting::Setting;

#[derive(clap::Args)]
pub struct Demo {
    /// End after the show instead of staying up
    #[arg(long)]
    once: bool,
    /// Tell these destinations as well
    #[arg(long, value_name = "T", value_delimiter = ',', value_parser = EXTRAS)]
    with: Vec<String>,
}

impl Demo {
    pub fn run(&self) -> Outcome {
        runtime()?.block_on(self.play())
    }

    async fn play(&self) -> Outcome {
        let setting = Setting::start(&self.with).await?;
        let app = setting.serve().await?;
        let style = if terminal::is_watched() { Style::Ansi } else { Style::Plain };
        let script = Script { setting: &setting, app: &app, style, begun: SystemClock.now() };
        let shown = script.play().await;
        let stayed = match (&shown, self.once) {
            (Ok(()), false) => script.stay().await,
            _ => Ok(()),
        };
        app.stop().await;
        setting.clear();
        shown.and(stayed)
    }
}

/// How long the demo waits for all deliveries to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
