//! `gatepost serve`

use std::path::Path;

use super::{Failure, Outcome, load};
use crate::app::run_until_stopped;

#[derive(clap::Args)]
pub struct Serve {}

impl Serve {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load(path)?;
        run_until_stopped(config, path).map_err(Failure::App)
    }
}
