//! An event in the envelope of CloudEvents 1.0, in the structured JSON format.
//!
//! `id` and `source` together identify the event; `data` holds it as it is stored.

use serde_json::{Value, json};

use crate::domain::Event;

/// The event as a CloudEvent.
///
/// # Errors
///
/// If the event cannot be written as JSON, which is a defect of gatepost.
pub fn document(event: &Event) -> serde_json::Result<Value> {
    Ok(json!({
        "specversion": "1.0",
        "id": event.id,
        "source": format!("/gatepost/sources/{}", event.source),
        "type": format!("gatepost.{}.{}", event.vendor, plain(&event.kind)),
        "subject": event.key,
        "time": event.time.to_string(),
        "severity": event.severity.as_str(),
        "datacontenttype": "application/json",
        "data": serde_json::to_value(event)?,
    }))
}

/// Without what an attribute may not hold: control characters and noncharacters (CloudEvents 1.0.2, type system).
fn plain(text: &str) -> String {
    let is_noncharacter = |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    text.chars().filter(|c| !c.is_control() && !is_noncharacter(*c)).collect()
}

/// The media type of one event.
pub const ONE: &str = "application/cloudevents+json";
/// The media type of an array of events.
pub const SEVERAL: &str = "application/cloudevents-batch+json";

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;

    #[test]
    fn every_event_fulfils_the_specification() {
        let contract = testing::contract("cloudevents-1.0.schema.json");
        for event in testing::most_events() {
            let document = document(&event).unwrap();
            if let Some(contract) = &contract {
                contract.assert(&document);
            }
            assert_eq!(document["data"], serde_json::to_value(&event).unwrap());
            assert_eq!(document["id"], json!(event.id));
            let is_name = |name: &String| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            assert!(document.as_object().unwrap().keys().all(is_name), "{document}");
        }
    }

    #[test]
    fn a_type_holds_no_character_that_an_attribute_may_not_hold() {
        let mut event = testing::event("minimal");
        event.kind = "a\u{7f}b\n\u{85}\u{fdd0}\u{1ffff}é".to_owned();
        let found = document(&event).unwrap();
        assert_eq!(found["type"], format!("gatepost.{}.abé", event.vendor));
    }
}
