//! What is new about an incident, against what a notifier was told last: the first words of a reply, of a comment, of a
//! message that stands alone. The words of the incident itself are in [`incident`](super::incident).

use super::collective::{amount, counted, latecomers, left_open, newly_named, rank_words};
use super::incident::{parties, victims};
use super::standing::{name_of, noted, place_of, resolved_words};
use super::words::{Words, number};
use super::{Action, line, rough};
use crate::domain::{Change, Distinct, Facet, Incident, IncidentKind, IncidentState, Job, Origin, Telling};

/// One line about the change; `None` where the incident itself is the news.
pub fn news(job: &Job<'_>, telling: &Telling<'_>) -> Option<Words> {
    let incident = telling.incident;
    Some(match telling.intent.change {
        Change::Open => return None,
        Change::Raise => raised(job, telling),
        Change::Spread => spread(telling),
        Change::Reopen => reopened(telling),
        Change::Acknowledge => acknowledged(incident),
        Change::Resolve => resolved(incident),
        Change::Quiet => quiet(incident),
        Change::Update => more_events(telling),
        Change::Repeat => repeat(incident),
    })
}

/// The same where the whole incident stands below it: only what its own lines do not say.
pub fn news_of_whole(job: &Job<'_>, telling: &Telling<'_>) -> Option<Words> {
    matches!(telling.intent.change, Change::Raise | Change::Spread).then(|| news(job, telling)).flatten()
}

/// The newest of what there is more than one of, for a comment: `newest attacker 203.0.113.7`.
pub fn newest(telling: &Telling<'_>) -> Option<Words> {
    let facets = telling.facets;
    let one = |facet: &Facet, kind: &str| {
        let value = facet.newest().find_map(line)?;
        (facet.distinct() != Distinct::Exactly(1)).then(|| Words::of(format!("newest {kind} ")).value(value))
    };
    // A storm keeps its rules in the place of endpoints.
    let endpoint =
        one(&facets.targets, "endpoint").filter(|_| !matches!(telling.incident.kind, IncidentKind::Storm(_)));
    let all = [one(&facets.actors, "attacker"), endpoint, one(&facets.victims, "victim")];
    all.into_iter().flatten().reduce(|words, next| words.ours("; ").then(next))
}

fn raised(job: &Job<'_>, telling: &Telling<'_>) -> Words {
    let incident = telling.incident;
    let before = telling.told.said.map(|told| told.standing.rank);
    if let IncidentKind::Storm(storm) = &incident.kind
        && let Some(rules) = newly_named(storm, telling.told)
    {
        return worse(incident).ours("⬆ new since last told: ").then(rules);
    }
    if let IncidentKind::Digest(digest) = &incident.kind
        && let Some(late) = latecomers(digest, telling.told)
    {
        return worse(incident).ours("⬆ new since last told: ").then(late);
    }
    let words = worse(incident).ours("⬆ now ").strong(rank_words(incident.rank));
    let words = match before.filter(|before| *before != incident.rank) {
        Some(before) => words.ours(format!(" (was {})", rank_words(before))),
        None => words,
    };
    let words = words.ours(" since ").time(incident.rank_since);
    let action = Action::of(job.event).map(|action| action.to_string());
    match action.filter(|_| incident.kind == IncidentKind::Events) {
        Some(action) => words.ours(": ").value(action),
        None => words,
    }
}

/// `worse since dana acknowledged it at 02:12: `, where that is so.
fn worse(incident: &Incident) -> Words {
    let is_back = |at| incident.reopened_at.last().is_some_and(|reopened| *reopened > at);
    match &incident.acknowledgement {
        Some(acknowledgement) if incident.state == IncidentState::Open && !is_back(acknowledgement.at) => {
            let words = name_of(Words::of("worse since "), &acknowledgement.by).ours(" acknowledged it at ");
            words.time(acknowledgement.at).ours(": ")
        }
        _ => Words::default(),
    }
}

fn spread(telling: &Telling<'_>) -> Words {
    let words = worse(telling.incident);
    let words = match victims(telling) {
        0..=2 => words.strong("second victim"),
        more => words.strong(format!("{} victims", number(more))),
    };
    match (victims(telling), telling.facets.victims.newest().find_map(line)) {
        (_, None) => words,
        (0..=2, Some(newest)) => words.ours(": ").value(newest),
        (_, Some(newest)) => words.ours(", the newest ").value(newest),
    }
}

fn resolved(incident: &Incident) -> Words {
    resolved_words(incident).ours(format!(" · {}", amount(incident))).then(noted(incident))
}

fn reopened(telling: &Telling<'_>) -> Words {
    let incident = telling.incident;
    let before = telling.told.said.map_or(0, |told| told.standing.count);
    let words = match person(incident) {
        Some(by) => name_of(Words::of("↩ reopened by "), by).ours(" at ").time(incident.state_since),
        // An acknowledgement may have come and gone since.
        None => {
            let at = incident.reopened_at.last().copied().unwrap_or(incident.state_since);
            Words::of("↩ reopened at ").time(at)
        }
    };
    let words = match incident.count.saturating_sub(before) {
        0 => words,
        more => words.ours(format!(": {} since", counted(incident, more))),
    };
    let words = words.then(noted(incident));
    match incident.resolution_held_until {
        Some(until) => words.ours("; it came back often, so a resolution counts only from ").time(until).ours(" on"),
        None => words,
    }
}

fn acknowledged(incident: &Incident) -> Words {
    match &incident.acknowledgement {
        Some(acknowledgement) if incident.state != IncidentState::Open => {
            let words = name_of(Words::of("👀 "), &acknowledgement.by).ours(" has it since ").time(acknowledgement.at);
            words.ours(place_of(&acknowledgement.by)).then(noted(incident))
        }
        _ => match person(incident) {
            Some(by) => {
                let words = name_of(Words::of("no longer acknowledged: "), by).ours(" gave it back at ");
                words.time(incident.state_since).then(noted(incident))
            }
            None => Words::of("no longer acknowledged: open again since ").time(incident.state_since),
        },
    }
}

/// The person who brought it into its state.
fn person(incident: &Incident) -> Option<&Origin> {
    match &incident.state_by {
        by @ Origin::CommandLine { .. } => Some(by),
        Origin::Vendor | Origin::Gatepost => None,
    }
}

fn quiet(incident: &Incident) -> Words {
    let silence = rough(incident.state_since.since(incident.received_at));
    if let Some(left) = left_open(incident) {
        return Words::of(format!("💤 no more incidents for {silence}: {} · ", amount(incident))).then(left);
    }
    let silence = rough(incident.state_since.since(incident.last_at));
    let words = Words::of(format!("💤 no event for {silence}: {}, last ", amount(incident)));
    let words = words.time(incident.last_at);
    let words = if incident.is_unattended { words.ours("; not acknowledged") } else { words };
    words.ours(". The next event opens a new incident")
}

/// `ten times as many: 1,204 events (120 when last told, 02:20)`, below that as [`growth`].
fn more_events(telling: &Telling<'_>) -> Words {
    let (incident, told) = (telling.incident, telling.told.said.or(telling.told.shown));
    let before = told.map_or(0, |told| told.standing.count);
    let times = incident.count.checked_div(before).filter(|times| *times >= 10);
    let (Some(told), Some(times)) = (told, times) else { return growth(telling) };
    let times = if times == 10 { "ten".to_owned() } else { number(times) };
    let words = Words::default().strong(format!("{times} times as many: {}", amount(incident)));
    words.ours(format!(" ({} when last told, ", number(before))).time(told.at).ours(")")
}

/// `+312 events since 02:41 (1,516 in all)`, for a comment.
pub fn growth(telling: &Telling<'_>) -> Words {
    let (incident, told) = (telling.incident, telling.told.said.or(telling.told.shown));
    let Some(told) = told else { return Words::default().strong(amount(incident)) };
    let more = counted(incident, incident.count.saturating_sub(told.standing.count));
    let words = Words::default().strong(format!("+{more}")).ours(" since ").time(told.at);
    words.ours(format!(" ({} in all)", number(incident.count)))
}

fn repeat(incident: &Incident) -> Words {
    Words::of(format!("🔁 still open, not acknowledged: {} since ", amount(incident))).time(incident.first_at)
}

/// `3 attackers, 2 endpoints`; `None` where there is one of each.
pub fn who_and_what(telling: &Telling<'_>) -> Option<String> {
    let parties = parties(telling);
    (!parties.is_empty()).then(|| parties.join(", "))
}
