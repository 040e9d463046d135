//! `gatepost check`

use std::path::Path;

use super::failure::Outcome;
use super::opening::load;
use super::output::out;

#[derive(clap::Args)]
pub struct Check {}

impl Check {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load(path)?;
        let (sources, destinations) = (config.sources.len(), config.destinations.len());
        let routes = config.router.routes().len();
        out!(
            "{} is sound: {}, {}, {}",
            path.display(),
            many(sources, "source"),
            many(routes, "route"),
            many(destinations, "destination")
        )?;
        for source in config.sources.values() {
            out!("  POST http://{}/webhooks/{}  ({})", config.listen, source.name, source.vendor.title)?;
        }
        Ok(())
    }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
