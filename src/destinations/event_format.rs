//! How a sink writes an event: as it is stored, or as a document of a standard.
//!
//! Events are complete and not redacted. A probe says so in its title and its labels.

use bytes::Bytes;
use serde_json::Value;

use super::render::{cloudevents, ecs, ocsf};
use crate::domain::{BatchEvent, Event, Purpose};
use crate::settings::Section;

/// The form in which a sink gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventFormat {
    /// As it is stored: `schemas/event.v1.schema.json`.
    Event,
    /// An OCSF 1.8.0 Detection Finding.
    Ocsf,
    /// A CloudEvent 1.0 with the event as its data.
    CloudEvents,
    /// A document of the Elastic Common Schema 9.4.
    Ecs,
}

impl EventFormat {
    /// Reads `format`, one of `choices`; `default` where it is absent. `None` where it is at fault.
    pub fn setting(section: &Section, choices: &[Self], default: Self) -> Option<Self> {
        if !section.has("format") {
            return Some(default);
        }
        let words: Vec<(&str, Self)> = choices.iter().map(|choice| (choice.as_str(), *choice)).collect();
        section.choice("format", &words)
    }

    /// The word in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Ocsf => "ocsf",
            Self::CloudEvents => "cloudevents",
            Self::Ecs => "ecs",
        }
    }

    /// How many times as long as what is stored a document may be, about: by so much less is put into a batch.
    pub fn growth(self) -> usize {
        match self {
            Self::Event | Self::Ocsf | Self::CloudEvents => 1,
            // The event stands in it a second time.
            Self::Ecs => 2,
        }
    }

    /// The event as one line of JSON.
    ///
    /// # Errors
    ///
    /// If what is stored is no event, which is a defect of gatepost. What need not be read is not.
    pub fn line(self, event: &BatchEvent, purpose: Purpose) -> serde_json::Result<Bytes> {
        let line = match (self, purpose) {
            (Self::Event, Purpose::Alert) => return Ok(event.document.bytes()),
            (Self::Event, Purpose::Probe) => serde_json::to_vec(&read(event, purpose)?),
            _ => serde_json::to_vec(&self.document(event, purpose)?.1),
        };
        line.map(Bytes::from)
    }

    /// The event as the destination may show it, for forms that need a part of it, and its document.
    ///
    /// # Errors
    ///
    /// If what is stored is no event, which is a defect of gatepost.
    pub fn document(self, event: &BatchEvent, purpose: Purpose) -> serde_json::Result<(Event, Value)> {
        let event = read(event, purpose)?;
        let document = match self {
            Self::Event => serde_json::to_value(&event)?,
            Self::Ocsf => ocsf::document(&event),
            Self::CloudEvents => cloudevents::document(&event)?,
            Self::Ecs => ecs::document(&event, &serde_json::to_string(&event)?),
        };
        Ok((event, document))
    }
}

fn read(event: &BatchEvent, purpose: Purpose) -> serde_json::Result<Event> {
    let mut event = event.document.read()?;
    if purpose == Purpose::Probe {
        event.title = format!("TEST · {}", event.title);
        event.labels.insert("purpose".into(), "probe".into());
    }
    Ok(event)
}
