//! Who has an incident, who has ended it, and since when.

use super::words::Words;
use super::{line, rough};
use crate::domain::{Incident, IncidentKind, IncidentState, Job, Origin};

/// Who has it, who has ended it, until when it is silenced, which it follows.
pub fn standing(job: &Job<'_>, incident: &Incident) -> Vec<Words> {
    let mut lines: Vec<Words> = state_words(incident).into_iter().collect();
    if let Some(until) = incident.silenced_until.filter(|until| *until > job.now) {
        lines.push(Words::of("🔕 silenced until ").time(until).ours(": only a raise or a spread is told"));
    }
    lines.extend(incident.follows.map(|number| Words::of(format!("follows {number}"))));
    lines
}

fn state_words(incident: &Incident) -> Option<Words> {
    match incident.state {
        IncidentState::Open => reopened_words(incident).or_else(|| lapsed_words(incident)),
        IncidentState::Acknowledged => incident.acknowledgement.as_ref().map(|acknowledgement| {
            name_of(Words::of("👀 "), &acknowledgement.by)
                .ours(" has it since ")
                .time(acknowledgement.at)
                .ours(place_of(&acknowledgement.by))
                .then(noted(incident))
        }),
        IncidentState::Resolved => Some(resolved_words(incident).then(noted(incident))),
        IncidentState::Quiet => {
            let words = match incident.kind {
                IncidentKind::Storm(_) => Words::of("💤 no more incidents since ").time(incident.received_at),
                IncidentKind::Events | IncidentKind::Digest(_) => {
                    Words::of("💤 no event since ").time(incident.last_at)
                }
            };
            Some(if incident.is_unattended { words.ours("; not acknowledged") } else { words })
        }
    }
}

/// ` · "blocked at the edge"`: what the person noted who brought it into its state; nothing where nothing was noted.
pub fn noted(incident: &Incident) -> Words {
    match incident.state_note.as_deref().and_then(line) {
        Some(note) => Words::of(" · \"").value(note).ours("\""),
        None => Words::default(),
    }
}

/// `✅ resolved by dana at 03:05 after 55 min`
pub fn resolved_words(incident: &Incident) -> Words {
    name_of(Words::of("✅ resolved by "), &incident.state_by)
        .ours(" at ")
        .time(incident.state_since)
        .ours(format!(" after {}", rough(incident.state_since.since(incident.first_at))))
}

fn reopened_words(incident: &Incident) -> Option<Words> {
    let at = *incident.reopened_at.last()?;
    let is_later = incident.acknowledgement.as_ref().is_none_or(|acknowledgement| acknowledgement.at <= at);
    is_later.then(|| Words::of("↩ reopened at ").time(at))
}

/// An acknowledgement that no longer holds: it is worse, or the time of the acknowledgement is over.
fn lapsed_words(incident: &Incident) -> Option<Words> {
    let acknowledgement = incident.acknowledgement.as_ref()?;
    let words = name_of(Words::default(), &acknowledgement.by).ours(" acknowledged it at ").time(acknowledgement.at);
    Some(if incident.rank_since > acknowledgement.at {
        words.ours("; worse since ").time(incident.rank_since)
    } else {
        words.ours("; open again since ").time(incident.state_since)
    })
}

/// A person, the vendor or gatepost itself, as a sentence names them.
pub fn name_of(words: Words, origin: &Origin) -> Words {
    match origin {
        Origin::CommandLine { user } => words.value(line(user).unwrap_or_else(|| "a person".into())),
        Origin::Vendor | Origin::Gatepost => words.ours(origin.shown()),
    }
}

/// Where an order came from; blank where the name says it.
pub fn place_of(origin: &Origin) -> &'static str {
    match origin {
        Origin::CommandLine { .. } => " (command line)",
        Origin::Vendor | Origin::Gatepost => "",
    }
}
