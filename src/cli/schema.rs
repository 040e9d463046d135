//! `gatepost schema`

use clap::ValueEnum;

use super::failure::{Failure, Outcome};
use super::output::out;
use crate::config;

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
        match self.of {
            Subject::Event => out!("{}", include_str!("../../schemas/event.v1.schema.json").trim_end()),
            Subject::Config => {
                let schema = config::schema().and_then(|schema| serde_json::to_string_pretty(&schema));
                let defect = |error| Failure::Found(format!("a part of the schema is no JSON: {error}"));
                out!("{}", schema.map_err(defect)?)
            }
        }
    }
}
