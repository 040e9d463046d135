//! The JSON Schema of the configuration, for editors: the common settings, and those of each vendor and destination.
//!
//! `gatepost schema config` prints it; the published copy in `schemas/` is compared with it. A test holds it against the
//! settings that are read, so that it names each and no other.

use serde_json::{Map, Value, json};

use crate::{destinations, vendors};

/// The schema of `gatepost.toml`.
///
/// # Errors
/// Where a part that a vendor or a destination declares is no JSON, which is a defect of gatepost.
pub fn schema() -> serde_json::Result<Value> {
    let mut whole: Value = serde_json::from_str(COMMON)?;
    let names: Vec<&str> = vendors::VENDORS.iter().map(|vendor| vendor.name).collect();
    let source = &mut whole["$defs"]["source"]["properties"];
    source["vendor"]["enum"] = json!(names);
    for vendor in vendors::VENDORS {
        for (name, setting) in serde_json::from_str::<Map<String, Value>>(vendor.schema)? {
            source[name] = setting;
        }
    }
    let kinds = destinations::KINDS.iter().map(|kind| destination(kind)).collect::<serde_json::Result<Vec<Value>>>()?;
    whole["$defs"]["destination"]["oneOf"] = Value::Array(kinds);
    Ok(whole)
}

fn destination(kind: &destinations::Kind) -> serde_json::Result<Value> {
    let mut settings: Map<String, Value> = serde_json::from_str(kind.carrier.schema())?;
    settings.extend(serde_json::from_str::<Map<String, Value>>(destinations::FLOW_SCHEMA)?);
    if !kind.is_notifier() {
        settings.extend(serde_json::from_str::<Map<String, Value>>(destinations::BATCH_SCHEMA)?);
    }
    settings.extend(serde_json::from_str::<Map<String, Value>>(kind.schema)?);
    settings.insert("type".to_owned(), json!({ "const": kind.name }));
    if kind.is_notifier() {
        settings.extend(serde_json::from_str::<Map<String, Value>>(OF_NOTIFIERS)?);
        settings.insert("templates".to_owned(), json!({ "$ref": "#/$defs/templates" }));
    }
    let required: Vec<&str> = ["type"].iter().chain(kind.required).copied().collect();
    Ok(json!({ "additionalProperties": false, "properties": settings, "required": required }))
}

/// What is the same whatever vendors and destinations there are.
const COMMON: &str = include_str!("schema.json");

/// What every destination that tells people has.
const OF_NOTIFIERS: &str = r##"{
    "fallback": { "type": "string", "description": "Another destination, told of what this one has not taken" },
    "fallback_after": { "$ref": "#/$defs/duration", "description": "How long this one may take; 1s to 24h" }
}"##;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::testing::golden_text;

    #[test]
    fn the_published_copy_is_the_one_that_is_printed() {
        let text = serde_json::to_string_pretty(&schema().unwrap()).unwrap();
        golden_text("schemas/config.v1.schema.json", &format!("{text}\n"));
    }

    #[test]
    fn what_must_be_there_is_declared() {
        for kind in destinations::KINDS {
            let settings: Map<String, Value> = serde_json::from_str(kind.schema).unwrap();
            assert!(kind.required.iter().all(|name| settings.contains_key(*name)), "{}", kind.name);
        }
    }

    #[test]
    fn no_two_vendors_declare_one_setting_differently() {
        let common: Value = serde_json::from_str(COMMON).unwrap();
        let mut known = common["$defs"]["source"]["properties"].as_object().unwrap().clone();
        for vendor in vendors::VENDORS {
            for (name, setting) in serde_json::from_str::<Map<String, Value>>(vendor.schema).unwrap() {
                let before = known.insert(name.clone(), setting.clone());
                assert!(before.is_none_or(|before| before == setting), "{} {name}", vendor.name);
            }
        }
    }
}
