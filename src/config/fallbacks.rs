//! `fallback` and `fallback_after` of a destination that tells people: who is told instead, and after how long.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::DestinationName;
use crate::settings::Section;
use crate::store::Fallback;

use super::names::Built;
use super::operator::notifier;

/// What the destinations say of their fallbacks, before it is known which destinations there are.
pub(super) type Wanted<'d> = Vec<(DestinationName, Section<'d>, String, Duration)>;

/// Reads what a destination says.
pub(super) fn read(section: &Section<'_>) -> Option<(String, Duration)> {
    let after = section.duration("fallback_after", Duration::from_secs(1)..Duration::from_secs(24 * 3600 + 1));
    let to = section.text("fallback");
    if to.is_none() && section.has("fallback_after") && !section.has("fallback") {
        section.fault("fallback_after", "has no `fallback`", "add fallback = \"NAME\" with a destination's name");
    }
    Some((to?, after.unwrap_or(FALLBACK_AFTER)))
}

/// The fallbacks, once all destinations are known: each is another notifier, and none leads back to itself.
pub(super) fn check(wanted: Wanted<'_>, destinations: &Built) -> BTreeMap<DestinationName, Fallback> {
    let mut fallbacks = BTreeMap::new();
    let mut sections = Vec::new();
    for (name, section, to, after) in wanted {
        if let Some(to) = notifier(&section, "fallback", &to, destinations) {
            fallbacks.insert(name.clone(), Fallback { to, after });
            sections.push((name, section));
        }
    }
    for (name, section) in &sections {
        if let Some(way) = way_back(name, &fallbacks) {
            let message = format!("leads back to where it began: {}", way.join(" -> "));
            section.fault("fallback", &message, "let the last one have no fallback");
        }
    }
    fallbacks
}

/// The way from a destination to itself, if there is one.
fn way_back(start: &DestinationName, fallbacks: &BTreeMap<DestinationName, Fallback>) -> Option<Vec<String>> {
    let mut way = vec![start.to_string()];
    let mut at = start;
    while let Some(next) = fallbacks.get(at).map(|fallback| &fallback.to) {
        way.push(next.to_string());
        if next == start {
            return Some(way);
        }
        if way.len() > fallbacks.len() + 1 {
            // It leads into a circle of others, which are told.
            return None;
        }
        at = next;
    }
    None
}

/// Long enough for most outages of a pager's service to be over.
const FALLBACK_AFTER: Duration = Duration::from_secs(10 * 60);
