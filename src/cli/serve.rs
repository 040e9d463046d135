//! `gatepost serve`

use std::path::Path;

use super::failure::{Failure, Outcome};
use super::opening::load_quietly;
use crate::app::run_until_stopped;

#[derive(clap::Args)]
pub struct Serve {}

impl Serve {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load_quietly(path)?;
        // Into the log, which may be JSON lines that a program reads.
        for warning in &config.warnings {
            tracing::warn!(%warning, "the configuration deserves a look");
        }
        run_until_stopped(config, path).map_err(Failure::App)
    }
}
