//! `[operator]`: who is told how gatepost itself is doing, and from when on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::destinations::Receiver;
use crate::domain::{DestinationName, SourceName};
use crate::notices::{Limits, Operator};
use crate::pipeline::Heartbeat;
use crate::settings::Section;

use super::names::Built;

/// Reads who is told, and where heartbeats go. `expect`: how long sources may send nothing, as they say themselves.
pub fn read(
    root: &Section<'_>,
    destinations: &Built,
    expect: BTreeMap<SourceName, Duration>,
) -> (Operator, Option<Heartbeat>) {
    let Some(section) = root.section("operator") else { return (Operator { expect, ..Operator::default() }, None) };
    let to = read_to(&section, destinations);
    let limits = read_limits(&section);
    let heartbeat = read_heartbeat(&section);
    section.finish();
    (Operator { to, limits, expect }, heartbeat)
}

/// The URL is a credential: a check that any machine can tell that all is well.
fn read_heartbeat(section: &Section<'_>) -> Option<Heartbeat> {
    let every = section.duration("heartbeat_every", Duration::from_secs(1)..Duration::from_secs(24 * 3600 + 1));
    if section.has("heartbeat_every") && !section.has("heartbeat") {
        let fix = "add heartbeat = { env = \"NAME\" } with the URL of a dead man's switch";
        section.fault("heartbeat_every", "has no `heartbeat`", fix);
    }
    let secret = section.secret("heartbeat")?;
    let url = section.checked_url("heartbeat", secret.expose_str().unwrap_or_default())?;
    Some(Heartbeat { url, every: every.unwrap_or(HEARTBEAT_EVERY) })
}

fn read_to(section: &Section<'_>, destinations: &Built) -> Vec<DestinationName> {
    let Some(texts) = section.texts_given("to") else { return Vec::new() };
    if texts.is_empty() {
        section.fault("to", "names no destination", "write to = [\"NAME\"] with a destination's name");
    }
    texts.iter().filter_map(|text| notifier(section, "to", text, destinations)).collect()
}

/// The notifier of that name; a fault where there is none, or where it is a sink.
pub(super) fn notifier(
    section: &Section<'_>,
    key: &'static str,
    text: &str,
    destinations: &Built,
) -> Option<DestinationName> {
    let is_notifier = |built: &Option<Receiver>| !matches!(built, Some(Receiver::Sink(_)));
    match destinations.iter().find(|(name, _)| name.as_str() == text) {
        Some((name, built)) if is_notifier(built) => Some(name.clone()),
        Some(_) => {
            let message = format!("'{text}' keeps events and does not tell people");
            section.fault(key, &message, &names(destinations, "name a destination that tells people"));
            None
        }
        None => {
            section.fault(key, &format!("there is no destination '{text}'"), &names(destinations, "add one"));
            None
        }
    }
}

/// Those that tell people, or what to do where there is none.
fn names(destinations: &Built, else_do: &str) -> String {
    let all = destinations.iter().filter(|(_, built)| matches!(built, Some(Receiver::Notifier(_))));
    let all: Vec<&str> = all.map(|(name, _)| name.as_str()).collect();
    if all.is_empty() { else_do.to_owned() } else { format!("those that tell people: {}", all.join(", ")) }
}

fn read_limits(section: &Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let times = Duration::from_secs(1)..Duration::from_secs(24 * 3600 + 1);
    limits.failing_after = section.duration("failing_after", times.clone()).unwrap_or(limits.failing_after);
    limits.untold_after = section.duration("untold_after", times).unwrap_or(limits.untold_after);
    let refused = section.integer("refused", 1..1_000_001).and_then(|refused| u64::try_from(refused).ok());
    limits.refused = refused.unwrap_or(limits.refused);
    limits.disk_free = section.size("disk_free", (1 << 20)..(1 << 50) + 1).unwrap_or(limits.disk_free);
    limits
}

/// As often as most dead man's switches can tell that one is missing.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);
