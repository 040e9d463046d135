//! `[incidents]`: how incidents are timed, and `group_by` of a source: what its events of one incident have in common.

use std::time::Duration;

use crate::incidents::{GroupBy, GroupField, StormLimits, Timing, UnknownGroupField};
use crate::settings::Section;

/// Reads the times of all incidents; what is left out is the default.
pub fn read(root: &Section<'_>) -> Timing {
    let mut timing = Timing::default();
    let Some(section) = root.section("incidents") else { return timing };
    let minute = Duration::from_secs(60);
    let day = 24 * 60 * minute;
    timing.wait = section.duration("wait", Duration::ZERO..60 * minute).unwrap_or(timing.wait);
    timing.update_every = section
        .duration("update_every", Duration::from_secs(1)..day + Duration::from_secs(1))
        .unwrap_or(timing.update_every);
    timing.quiet_after = section.duration("quiet_after", minute..90 * day).unwrap_or(timing.quiet_after);
    timing.max_age = section.duration("max_age", minute..365 * day).unwrap_or(timing.max_age);
    timing.ack_for = section.duration("ack_for", minute..365 * day).unwrap_or(timing.ack_for);
    timing.reopen_within = section.duration("reopen_within", Duration::ZERO..90 * day).unwrap_or(timing.reopen_within);
    if section.has("repeat_after") {
        timing.repeat_after = read_or_never(&section, "repeat_after", minute..90 * day);
    }
    if section.has("storm") {
        timing.storm = read_storm(&section);
    }
    section.finish();
    contradictions(&section, &timing);
    timing
}

/// A duration, or the word `never`.
fn read_or_never(section: &Section<'_>, key: &'static str, range: std::ops::Range<Duration>) -> Option<Duration> {
    if section.is_text(key, "never") { None } else { section.duration(key, range) }
}

/// `storm = { per_rule = 5, per_rank = 15, within = "15m" }`, or `"never"`.
fn read_storm(section: &Section<'_>) -> Option<StormLimits> {
    if section.is_text("storm", "never") {
        return None;
    }
    let defaults = StormLimits::default();
    let Some(storm) = section.section("storm") else { return Some(defaults) };
    let count = |key, default: u32| {
        storm.integer(key, 1..100_001).and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
    };
    let range = Duration::from_secs(10)..Duration::from_secs(24 * 3600 + 1);
    let limits = StormLimits {
        per_rule: count("per_rule", defaults.per_rule),
        per_rank: count("per_rank", defaults.per_rank),
        within: storm.duration("within", range).unwrap_or(defaults.within),
    };
    if limits.per_rule > limits.per_rank {
        let message = "is larger than `per_rank`, so that it never applies";
        storm.warn("per_rule", message, "make it smaller than `per_rank`, or leave it out");
    }
    storm.finish();
    Some(limits)
}

/// Times that cannot be meant together.
fn contradictions(section: &Section<'_>, timing: &Timing) {
    if timing.quiet_after > timing.max_age {
        let message = "is longer than `max_age`, so that no incident ever lives to see it";
        section.fault("quiet_after", message, "make it at most as long as `max_age`");
    }
    if timing.reopen_within > timing.max_age {
        let message = "is longer than `max_age`";
        section.warn("reopen_within", message, "make it at most as long as `max_age`");
    }
    if timing.repeat_after.is_some_and(|repeat| repeat < timing.update_every) {
        let message = "is shorter than `update_every`, so that a repeat says what no update has shown";
        section.warn("repeat_after", message, "make it at least as long as `update_every`");
    }
}

/// `group_by = ["rule", "target.host"]`; `["event"]`: each event is its own incident.
pub fn read_group_by(section: &Section<'_>) -> Option<GroupBy> {
    let words = section.texts_given("group_by")?;
    if words.is_empty() {
        let fix = "name fields such as [\"rule\", \"target.host\"], or leave it out";
        section.fault("group_by", "is empty, so that all events of the source would be one incident", fix);
        return None;
    }
    if words == ["event"] {
        return Some(GroupBy::Event);
    }
    let mut fields = Vec::new();
    for word in &words {
        match GroupField::parse(word) {
            Ok(field) => fields.push(field),
            Err(error) => {
                let fix = remedy(&error);
                section.fault("group_by", &format!("'{word}' is no field to group by"), &fix);
            }
        }
    }
    (fields.len() == words.len()).then_some(GroupBy::Fields(fields))
}

fn remedy(error: &UnknownGroupField) -> String {
    match error.nearest.as_slice() {
        _ if error.word == "event" => {
            "write [\"event\"] alone, which makes each event an incident of its own, or leave it out".to_owned()
        }
        [] => "write fields as conditions name them, without `event.`, such as rule, target.host or labels.team"
            .to_owned(),
        nearest => {
            format!("did you mean {}?", nearest.iter().map(|near| format!("'{near}'")).collect::<Vec<_>>().join(" or "))
        }
    }
}
