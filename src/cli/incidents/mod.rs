//! `gatepost incidents`: lists, shows and changes incidents.
//!
//! Queries and orders run beside a process that serves, and need no secret. What an order changes is told by
//! `gatepost serve`, at once or when it starts.

mod filter;
mod list;
mod orders;
mod show;
mod tail;

use std::path::Path;

use clap::{Args, Subcommand};

use super::failure::{Failure, Outcome};
use super::number::parse_incident;
use super::opening::read_store;
use crate::config::Outline;
use crate::domain::IncidentNumber;
use crate::store::IncidentQueries;

#[derive(Args)]
pub struct Incidents {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List incidents: those that are not over, unless --state or --all says otherwise
    List(list::List),
    /// Show one incident with its timeline: its events, its changes, who was told what and when, and what was held back
    Show {
        /// Its number: 4711 or '#4711'
        #[arg(value_parser = parse_incident)]
        number: IncidentNumber,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take incidents: pagers and chats are told who has them
    Ack(orders::Acknowledge),
    /// Give incidents back: they are open again
    Unack(orders::Unacknowledge),
    /// Say that incidents are over: pages are resolved, chats and tickets are told
    Resolve(orders::Resolve),
    /// Say that incidents are not over after all
    Reopen(orders::Reopen),
    /// Write a note into the timeline
    Note(orders::Note),
    /// Hold back everything but a raise or a spread, for some time
    Silence(orders::Silence),
    /// Show changes of incidents as they come
    Tail(tail::Tail),
}

impl Incidents {
    pub fn run(&self, path: &Path) -> Outcome {
        match &self.action {
            Action::List(list) => list.run(path),
            Action::Show { number, json } => {
                let (outline, store) = read_store(path)?;
                let details = store.incident(*number)?.ok_or_else(|| unknown(*number))?;
                show::incident(&outline, &Outline::load_annotations(path), &store, &details, *json)
            }
            Action::Ack(order) => order.run(path),
            Action::Unack(order) => order.run(path),
            Action::Resolve(order) => order.run(path),
            Action::Reopen(order) => order.run(path),
            Action::Note(order) => order.run(path),
            Action::Silence(order) => order.run(path),
            Action::Tail(tail) => tail.run(path),
        }
    }
}

/// There is no incident of that number, and where to find those there are.
fn unknown(number: IncidentNumber) -> Failure {
    Failure::Found(format!(
        "there is no incident {number} in the store; `gatepost incidents list --all` lists those there are"
    ))
}
