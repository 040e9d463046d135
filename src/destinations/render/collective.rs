//! The words of a storm or a digest: an incident that stands for others.
//!
//! Called by [`incident`](super::incident) and [`news`](super::news) for what differs from the words of an incident of events.

use super::words::{Words, count, number};
use super::{line, truncate};
use crate::domain::{
    Change, DigestFacts, DigestOf, Incident, IncidentKind, IncidentState, Intent, Notification, Operation, Rank,
    STORM_NAMED_MAX, StormFacts, Telling, Updated,
};

/// How many: `1,204 events`, of a storm `13 incidents`.
pub fn amount(incident: &Incident) -> String {
    match &incident.kind {
        // What comes beyond the incidents that one storm takes is counted in it as events.
        IncidentKind::Storm(storm) if incident.count > storm.incidents => {
            format!("over {}", counted(incident, storm.incidents))
        }
        _ => counted(incident, incident.count),
    }
}

/// That many of what such an incident counts: events, of a storm incidents.
pub fn counted(incident: &Incident, number: u64) -> String {
    match incident.kind {
        IncidentKind::Storm(_) => count(number, "incident", "incidents"),
        IncidentKind::Events | IncidentKind::Digest(_) => count(number, "event", "events"),
    }
}

/// The rules that a storm has named since this notifier was told last, the rarest first; `None`: there are none.
pub fn newly_named(storm: &StormFacts, told: &Notification) -> Option<Words> {
    let told = told.said.map_or(0, |said| usize::try_from(said.standing.named).unwrap_or(usize::MAX));
    let listed = storm.rules.get(told.saturating_sub(storm.named_unlisted)..storm.named)?;
    let new = storm.named_in_all().saturating_sub(told);
    rarest_first(listed.iter().collect(), new.saturating_sub(listed.len()))
}

/// The incidents that came into a digest since this notifier was told last, the newest first; `None`: there are none.
pub fn latecomers(digest: &DigestFacts, told: &Notification) -> Option<Words> {
    let late = &digest.latecomers;
    let new = late.told.saturating_sub(told.said.map_or(0, |said| said.standing.named));
    let listed = late.newest.iter().rev().take(usize::try_from(new).unwrap_or(usize::MAX));
    let (words, count) = listed.map(titled).fold((None, 0), |(words, count): (Option<Words>, u64), next| {
        (Some(words.map_or_else(|| next.clone(), |words| words.ours(", ").then(next.clone()))), count + 1)
    });
    let more = new.saturating_sub(count);
    words.map(|words| if more > 0 { words.ours(format!(" and {} more", number(more))) } else { words })
}

/// What a storm or a digest stands for, except what the news above it say.
pub fn parts(telling: &Telling<'_>) -> Vec<Words> {
    let incident = telling.incident;
    match &incident.kind {
        IncidentKind::Events => Vec::new(),
        IncidentKind::Digest(digest) => {
            let highest = match incident.rank.outcome {
                Some(outcome) => format!("{} ({})", incident.rank.severity.as_str().to_uppercase(), outcome.shown()),
                None => rank_words(incident.rank),
            };
            let all = Words::of(format!("{}, highest {highest}", count(digest.incidents, "incident", "incidents")));
            let told = telling.told.said.filter(|_| !is_news(telling.intent, Change::Raise));
            let late = told.and_then(|_| latecomers(digest, telling.told));
            let late = late.map(|names| Words::of("new since last told: ").then(names));
            std::iter::once(all).chain(late).chain(updates(digest)).collect()
        }
        IncidentKind::Storm(storm) => {
            let mut most: Vec<&(String, u64)> = storm.rules.iter().collect();
            most.sort_by_key(|(_, incidents)| std::cmp::Reverse(*incidents));
            most.truncate(MOST_MAX);
            let named = match telling.told.said {
                Some(_) if is_news(telling.intent, Change::Raise) => None,
                Some(_) => newly_named(storm, telling.told).map(|names| Words::of("new since last told: ").then(names)),
                None => {
                    let named = storm.rules.get(..storm.named).unwrap_or_default().iter();
                    let others = named.filter(|rule| !most.contains(rule)).collect();
                    rarest_first(others, storm.named_unlisted).map(|names| Words::of("rules: ").then(names))
                }
            };
            let left = left_open(incident).filter(|_| !is_news(telling.intent, Change::Quiet));
            named.into_iter().chain(most_words(&most)).chain(left).collect()
        }
    }
}

/// What a storm that takes no more leaves to people: `2 not acknowledged: #4712 Ssrf, #4713 Xxe · gatepost incidents
/// list --storm 4720 --state open`.
pub fn left_open(storm: &Incident) -> Option<Words> {
    let IncidentKind::Storm(facts) = &storm.kind else { return None };
    if facts.left_open == 0 || storm.state != IncidentState::Quiet {
        return None;
    }
    let words = Words::default().strong(format!("{} not acknowledged", number(facts.left_open)));
    let listed = facts.left_open_first.iter().map(titled).reduce(|words, next| words.ours(", ").then(next));
    let words = listed.into_iter().fold(words, |words, listed| words.ours(": ").then(listed));
    let more = facts.left_open.saturating_sub(u64::try_from(facts.left_open_first.len()).unwrap_or(u64::MAX));
    let words = if more > 0 { words.ours(format!(" and {} more", number(more))) } else { words };
    Some(words.ours(format!(" · gatepost incidents list --storm {} --state open", storm.number.0)))
}

/// `#4712 Ssrf`
fn titled(updated: &Updated) -> Words {
    let title = line(&updated.title).unwrap_or_else(|| "alert without a title".into());
    Words::of(format!("{} ", updated.number)).value(title)
}

/// `CRITICAL, SUCCEEDED`, within a sentence.
pub fn rank_words(rank: Rank) -> String {
    rank.to_string().replace(" · ", ", ")
}

/// Whether the same message says the news of that change, so that its other lines need not say it again.
fn is_news(intent: &Intent, change: Change) -> bool {
    let has_news = match intent.operation {
        Operation::Edit | Operation::Transition => false,
        Operation::Create { .. } => matches!(change, Change::Raise | Change::Spread),
        Operation::Trigger { .. }
        | Operation::AcknowledgePage { .. }
        | Operation::ResolvePage { .. }
        | Operation::Reply { .. } => true,
    };
    has_news && intent.change == change
}

/// `None` where there are none. `beyond`: how many there are that are not listed.
fn rarest_first(mut rules: Vec<&(String, u64)>, beyond: usize) -> Option<Words> {
    rules.sort_by_key(|(_, incidents)| *incidents);
    let more = rules.len().saturating_sub(STORM_NAMED_MAX).saturating_add(beyond);
    rules.truncate(STORM_NAMED_MAX);
    let names: Vec<String> = rules.iter().map(|(rule, _)| name_of(rule)).collect();
    let words = Words::default().values(names.iter().map(String::as_str));
    let words = if more > 0 { words.ours(format!(" and {more} more")) } else { words };
    (!names.is_empty()).then_some(words)
}

/// `most: 4XX_FILTER 341, Ssrf 12`
fn most_words(most: &[&(String, u64)]) -> Option<Words> {
    let one = |(rule, incidents): &(String, u64)| {
        Words::default().value(name_of(rule)).ours(format!(" {}", number(*incidents)))
    };
    let all = most.iter().map(|rule| one(rule)).reduce(|words, next| words.ours(", ").then(next))?;
    Some(Words::of("most: ").then(all))
}

fn name_of(rule: &str) -> String {
    line(rule).map_or_else(|| "unknown".into(), |rule| truncate::chars(&rule, RULE_CHARS_MAX).into_owned())
}

/// Of the name of a rule, where many are listed.
const RULE_CHARS_MAX: usize = 80;

/// How the incidents of a digest of updates stood.
fn updates(digest: &DigestFacts) -> Vec<Words> {
    let DigestOf::Updates(listed) = &digest.of else { return Vec::new() };
    let mut all: Vec<Words> = listed
        .iter()
        .take(UPDATES_MAX)
        .map(|updated| titled(updated).ours(format!(" {}", count(updated.count, "event", "events"))))
        .collect();
    let more = digest.incidents.saturating_sub(u64::try_from(all.len()).unwrap_or(u64::MAX));
    all.extend((more > 0).then(|| Words::of(format!("and {} more", number(more)))));
    all
}

/// The most frequent rules of a storm, which are counted.
const MOST_MAX: usize = 3;
/// Incidents of a digest of updates that a message lists.
const UPDATES_MAX: usize = 10;
