//! An event as it is stored.

use bytes::Bytes;

use super::{Event, EventId, IncidentNumber};

/// An event as it is stored: one line of JSON, parsed only where it is needed. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDocument(Bytes);

impl EventDocument {
    /// What is stored of an event.
    pub fn new(json: Vec<u8>) -> Self {
        Self(json.into())
    }

    /// What is stored of an event, with the number of its incident as the last field.
    pub fn with_incident(stored: &[u8], incident: Option<IncidentNumber>) -> Self {
        match (stored.strip_suffix(b"}"), incident) {
            (Some(fields), Some(number)) => {
                Self([fields, format!(",\"incident\":{}}}", number.0).as_bytes()].concat().into())
            }
            _ => Self::new(stored.to_vec()),
        }
    }

    /// The form in which an event would be stored.
    ///
    /// # Errors
    ///
    /// If the event cannot be written as JSON, which is a defect of gatepost.
    pub fn of(event: &Event) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(event).map(Self::new)
    }

    /// The JSON, without a line break.
    pub fn json(&self) -> &[u8] {
        &self.0
    }

    /// The same, without a copy.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The event.
    ///
    /// # Errors
    ///
    /// If what is stored is no event, which is a defect of gatepost.
    pub fn read(&self) -> Result<Event, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

/// An event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchEvent {
    /// Its id.
    pub id: EventId,
    /// The event.
    pub document: EventDocument,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_incident_is_the_last_field() {
        let with = |incident: Option<u64>| {
            let document = EventDocument::with_incident(br#"{"id":1}"#, incident.map(IncidentNumber));
            String::from_utf8(document.json().to_vec()).unwrap()
        };
        assert_eq!((with(None), with(Some(4711))), (r#"{"id":1}"#.into(), r#"{"id":1,"incident":4711}"#.into()));
    }
}
