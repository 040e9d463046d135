//! `gatepost schema`

use clap::ValueEnum;

use super::failure::Outcome;
use super::output::out;

#[derive(clap::Args)]
pub struct Schema {
    /// Of what
    of: Subject,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// The event, as files and the queries hold it
    Event,
    /// gatepost.toml, for editors
    Config,
}

impl Schema {
    pub fn run(&self) -> Outcome {
        let text = match self.of {
            Subject::Event => include_str!("../../schemas/event.v1.schema.json"),
            Subject::Config => include_str!("../../schemas/config.v1.schema.json"),
        };
        out!("{}", text.trim_end())
    }
}
