//! How a sink writes an event: as it is stored, or as an OCSF document.
//!
//! Events are complete and not redacted. A probe says so in its title and its labels.

use serde_json::Value;

use super::render::ocsf;
use crate::domain::{BatchEvent, Event, Purpose};
use crate::settings::Section;

/// The form in which a sink gets events.
#[derive(Clone, Copy, Debug)]
pub(super) enum EventFormat {
    /// As it is stored: `schemas/event.v1.schema.json`.
    Event,
    /// An OCSF 1.8.0 Detection Finding.
    Ocsf,
}

impl EventFormat {
    /// Reads `format`; events as they are stored where it is absent. `None` where it is at fault.
    pub fn setting(section: &Section) -> Option<Self> {
        if section.has("format") {
            return section.choice("format", &[("event", Self::Event), ("ocsf", Self::Ocsf)]);
        }
        Some(Self::Event)
    }

    /// The event as one line of JSON.
    ///
    /// # Errors
    ///
    /// If what is stored is no event, which is a defect of gatepost. What need not be read is not.
    pub fn line(self, event: &BatchEvent, purpose: Purpose) -> serde_json::Result<Vec<u8>> {
        match (self, purpose) {
            (Self::Event, Purpose::Alert) => Ok(event.document.json().to_vec()),
            (Self::Event, Purpose::Probe) => serde_json::to_vec(&read(event, purpose)?),
            (Self::Ocsf, _) => serde_json::to_vec(&ocsf::document(&read(event, purpose)?)),
        }
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
