//! What to send and how to read the reply: one file a destination.
//!
//! A destination renders what to send and classifies what came back; it never sends. It is a small step machine without
//! input or output: `first` makes a message of what is to be told, `next` makes of a reply either the next message or the
//! outcome. There are two kinds: a [`Sink`] is handed [batches](Batch) of events and says for the batch, or event by
//! event, what was taken; a [`Notifier`] is handed the change of an incident and what it was told last.
//! `pipeline::attempt` drives both, `egress` sends the messages. Neither knows of positions, retries or leases: the store
//! and the pipeline keep them. All of a destination's behaviour is therefore a table of event or change -> message and
//! reply -> outcome, and is tested as one.
//!
//! A new destination costs one file here, one line in [`KINDS`], one folder in `tests/fixtures/destinations/` and one
//! page in `docs/destinations/`.

#[cfg(test)]
mod annotated;
mod append_only;
mod base;
mod classify;
mod compression;
mod connected;
mod connection;
mod discord;
mod elasticsearch;
mod email;
mod errors;
mod event_format;
mod file;
mod fingerprint;
mod flow;
mod hook;
mod jira;
#[cfg(test)]
pub(crate) mod life;
mod mailing;
mod markdown;
mod mattermost;
mod message;
mod next;
mod notifier;
mod opsgenie;
mod pace;
mod pagerduty;
mod probe;
mod receiver;
pub mod render;
mod servicenow;
mod slack;
mod splunk;
#[cfg(test)]
mod spoken;
mod syslog;
mod teams;
pub mod templates;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod uncertain;
mod userinfo;
mod webhook;

pub use connection::{Carrier, Connection, Grant, OAuth, Proxy, Renewed, Rotating, RotationDialect};
pub use flow::{BATCH_SCHEMA, FLOW_SCHEMA};
pub use mailing::{Mail, MailAnswer, MailLogin, MailResult, MailSecurity, MailServer, MailStage, Mailing};
pub use message::{
    Append, Collector, Fault, HttpReply, HttpRequest, Line, Message, Method, Reply, Rotation, SyslogMessages, Transport,
};
pub use next::{Next, Step};
pub use notifier::Notifier;
pub use pace::Pace;
pub use probe::ProbeTelling;
pub use receiver::{Exchange, Receiver};
pub use tls::{Identity, TlsSettings};

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Batch, BatchSize};
use crate::settings::Section;
use connected::Connected;
use flow::{Flow, Paced};

/// Every kind of destination, in alphabetical order.
pub const KINDS: &[&Kind] = &[
    &discord::KIND,
    &elasticsearch::KIND,
    &email::KIND,
    &file::KIND,
    &jira::KIND,
    &mattermost::KIND,
    &opsgenie::KIND,
    &pagerduty::KIND,
    &servicenow::KIND,
    &slack::KIND,
    &splunk::KIND,
    &syslog::KIND,
    &teams::KIND,
    &webhook::KIND,
];

/// A kind of destination.
pub struct Kind {
    /// The word after `type =`.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// Reads the settings of one destination; faults are recorded in the section.
    pub build: Build,
    /// What carries its messages, and which settings it therefore has beside its own.
    pub carrier: Carrier,
    /// The settings below `type = …` as a JSON object: name -> JSON Schema. `gatepost schema config` is made of it.
    pub schema: &'static str,
    /// Those of them that must be there.
    pub required: &'static [&'static str],
    /// Commented lines for `gatepost.toml` below `type = …`.
    pub template: &'static str,
    /// The settings of the template whose values are examples, which the operator must replace.
    pub examples: &'static [&'static str],
}

/// How the settings of a section become a destination: as a sink or as a notifier.
#[derive(Clone, Copy)]
pub enum Build {
    /// A sink.
    Sink(fn(&Section) -> Option<Box<dyn Sink>>),
    /// A notifier.
    Notifier(fn(&Section) -> Option<Box<dyn Notifier>>),
}

impl Kind {
    /// Reads the settings of one destination; `None` where a fault was recorded in the section.
    pub fn receiver(&self, section: &Section) -> Option<Receiver> {
        let connection = self.carrier.read(section);
        match self.build {
            Build::Sink(build) => {
                let (sink, flow) = (build(section), Flow::of_sink(section));
                let sink = match (sink?, connection?) {
                    (sink, None) => sink,
                    (sink, Some(connection)) => Box::new(Connected::new(sink, connection)),
                };
                let flow = flow?;
                Some(Receiver::Sink(if flow.is_set() { Arc::new(Paced::new(sink, flow)) } else { Arc::from(sink) }))
            }
            Build::Notifier(build) => {
                let (notifier, flow) = (build(section), Flow::of_notifier(section));
                let notifier = match (notifier?, connection?) {
                    (notifier, None) => notifier,
                    (notifier, Some(connection)) => Box::new(Connected::new(notifier, connection)),
                };
                let flow = flow?;
                let notifier: Arc<dyn Notifier> =
                    if flow.is_set() { Arc::new(Paced::new(notifier, flow)) } else { Arc::from(notifier) };
                Some(Receiver::Notifier(notifier))
            }
        }
    }

    /// Whether its destinations tell people about incidents.
    pub fn is_notifier(&self) -> bool {
        matches!(self.build, Build::Notifier(_))
    }
}

/// One configured sink: it keeps every event that a route sends there.
pub trait Sink: Send + Sync + Debug {
    /// How fast it may be told, and how much at once.
    fn pace(&self) -> Pace;

    /// How much it takes at once.
    fn batch_size(&self) -> BatchSize;

    /// The least time between batches that are not full.
    fn batch_interval(&self) -> Duration {
        Duration::ZERO
    }

    /// The first message of a try, or an outcome where there is nothing to send.
    fn first(&self, batch: &Batch<'_>) -> Next;

    /// What to make of the reply to the message that [`Next::Send`] named `step`.
    fn next(&self, batch: &Batch<'_>, step: Step, reply: &Reply) -> Next;

    /// The file that it writes, if it writes one.
    fn file(&self) -> Option<&Path> {
        None
    }
}

/// The kind of that name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_order_and_each_has_its_fixtures() {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert!(names.is_sorted());
        let folders = std::fs::read_dir(testing::project("tests/fixtures/destinations")).unwrap();
        let mut folders: Vec<String> =
            folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
        folders.sort();
        assert_eq!(folders, names);
        assert!(find("slack").is_some() && find("Slack").is_none());
    }
}
