//! Names of sources and destinations on the command line: a misspelt one must not look like an empty answer.

use super::failure::{Failure, Outcome};
use crate::config::Outline;
use crate::domain::SourceName;
use crate::settings::nearest;
use crate::store::{Overview, SqliteStore};

/// A source that is configured, or of which the store holds something; or gatepost itself.
pub fn check_source(outline: &Outline, store: &SqliteStore, name: Option<&str>) -> Outcome {
    match name {
        Some(name) if name == SourceName::OWN => Ok(()),
        Some(name) if !outline.sources.contains_key(name) && !store.knows_source(name)? => {
            Err(unknown("source", name, outline.sources.keys().map(String::as_str)))
        }
        _ => Ok(()),
    }
}

/// A destination that is configured, or for which the store holds something.
pub fn check_destination(outline: &Outline, store: &SqliteStore, name: Option<&str>) -> Outcome {
    match name {
        Some(name) if !outline.destinations.contains_key(name) && !store.knows_destination(name)? => {
            Err(unknown("destination", name, outline.destinations.keys().map(String::as_str)))
        }
        _ => Ok(()),
    }
}

/// There is none of that name; the nearest one, and all there are.
pub fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Failure {
    let near = nearest(name, known.clone()).map(|near| format!("; did you mean '{near}'?"));
    let all = known.collect::<Vec<_>>().join(", ");
    let all = if all.is_empty() { "none".to_owned() } else { all };
    Failure::Found(format!("there is no {what} '{name}'{}; {what}s: {all}", near.unwrap_or_default()))
}
