//! Incidents that are too many to be told one by one: one storm incident for a source and rank tells them.
//!
//! The store calls [`fold`] for an incident that [`super::StormGauge`] did not admit. The storm is told like any other
//! incident: rules that it names as a raise, victims as a spread. The incidents in it stay what they are, and one that raises
//! above the storm's rank is told by itself.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::{
    Fold, Incident, IncidentId, IncidentKey, IncidentKind, IncidentNumber, IncidentState, Milestone, MilestoneKind,
    Origin, Rank, STORM_NAMED_MAX, SourceName, StormFacts, Timestamp, Updated,
};

use super::collective::{counted, gather, is_high, live_or_opened, mark, naming};
use super::subject::Subject;
use super::timing::MINUTE;

/// The key of the storm incident of that source and rank.
pub fn storm_key(source: &SourceName, rank: Rank) -> IncidentKey {
    IncidentKey::of(source, &["storm", &rank.level().to_string()])
}

/// Folds an incident into the storm incident of its source and rank, and marks it so.
///
/// `storm`: the newest of [`storm_key`], whatever its state; where it has ended, or there is none, another is opened. One that
/// stands for very many incidents takes no more: the incident is left unmarked then, it is not to be kept, and its events
/// belong to the storm itself.
pub fn fold(
    storm: Option<Subject>,
    folded: &mut Subject,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let key = storm_key(&folded.incident.source, folded.incident.rank);
    let kind = IncidentKind::Storm(StormFacts::default());
    let mut storm = live_or_opened(storm, kind, "storm", key, &folded.incident, numbers, now);
    let is_full = matches!(&storm.incident.kind, IncidentKind::Storm(facts) if facts.incidents >= FOLDED_MAX);
    add(&mut storm, &folded.incident, now);
    gather(&mut storm, folded, now);
    if names_now(&storm.incident, now) {
        let named = name(&mut storm.incident, now);
        storm.milestones.retain(|milestone| (milestone.what, milestone.at) != (named.what, now));
        storm.milestones.push(named);
    }
    if !is_full {
        mark(folded, Fold { storm: storm.incident.number, rank: storm.incident.rank, is_digest: false }, now);
    }
    storm
}

/// Whether what is open of that storm is to be counted now, before [`super::advance`] decides whether it ends: it takes no
/// more, at high or above.
pub fn counts_open(incident: &Incident, listening_since: Timestamp, now: Timestamp) -> bool {
    let IncidentKind::Storm(facts) = &incident.kind else { return false };
    let is_due = ends_at(facts, listening_since).is_some_and(|at| at <= now);
    is_due && goes_on(incident) && is_high(incident.rank)
}

/// Notes how many incidents of a storm are open; `first`: the first of them, as many as are to be listed.
pub fn note_left_open(storm: &mut Incident, open: u64, first: &[Incident]) {
    let IncidentKind::Storm(facts) = &mut storm.kind else { return };
    let listed = |incident: &Incident| Updated {
        number: incident.number,
        title: incident.title.chars().take(TITLE_CHARS_MAX).collect(),
        count: incident.count,
    };
    facts.left_open = open;
    facts.left_open_first = first.iter().take(LEFT_OPEN_MAX).map(listed).collect();
}

/// Makes room for the next storm of its key, where it takes no more and is live still, because a person has it. `None`: it
/// needs none.
pub fn give_way(storm: &mut Incident, now: Timestamp) -> Option<Milestone> {
    if !takes_no_more(storm) || !storm.state.is_live() {
        return None;
    }
    Some(fall_quiet(storm, now))
}

/// It waits for the end of the incidents in it.
pub(super) fn takes_no_more(incident: &Incident) -> bool {
    matches!(&incident.kind, IncidentKind::Storm(facts) if facts.open_at.is_some())
}

/// Whether its end is still to come: silence alone is not the end of one whose incidents are open.
pub(super) fn goes_on(incident: &Incident) -> bool {
    incident.state.is_live() || incident.state == IncidentState::Quiet && takes_no_more(incident)
}

/// When the storm takes no more, if nothing is folded until then; afterwards, when to look again whether all in it is over.
pub(super) fn ends_at(facts: &StormFacts, listening_since: Timestamp) -> Option<Timestamp> {
    match facts.open_at {
        Some(counted) => Some(counted.plus(COUNTED_EVERY)),
        None => facts.last_fold.map(|last| last.max(listening_since).plus(ENDS_AFTER)),
    }
}

/// Ends a storm that takes no more. While some of its incidents are open, at high or above, it falls quiet instead, so that
/// its pages stay; one that a person has stays with that person. `None`: nothing changes.
pub(super) fn end(incident: &mut Incident, now: Timestamp) -> Option<Milestone> {
    let is_high = is_high(incident.rank);
    let IncidentKind::Storm(facts) = &mut incident.kind else { return None };
    if !is_high || facts.left_open == 0 {
        facts.open_at = None;
        incident.is_unattended = false;
        incident.enter(IncidentState::Resolved, Origin::Gatepost, now);
        return Some(Milestone::new(now, MilestoneKind::Resolved, Origin::Gatepost));
    }
    facts.open_at = Some(now);
    (incident.state == IncidentState::Open).then(|| fall_quiet(incident, now))
}

fn fall_quiet(storm: &mut Incident, now: Timestamp) -> Milestone {
    storm.is_unattended = storm.state == IncidentState::Open;
    storm.enter(IncidentState::Quiet, Origin::Gatepost, now);
    Milestone::new(now, MilestoneKind::Quiet, Origin::Gatepost)
}

/// When the rules that are new are named; `None`: all are.
pub(super) fn names_at(facts: &StormFacts) -> Option<Timestamp> {
    let (at, wait_ms) = facts.named_at.unwrap_or_default();
    (facts.named < facts.rules.len()).then(|| at.plus(Duration::from_millis(wait_ms)))
}

/// Names what is new. It is told like a raise, and takes back an acknowledgement, which covered only what was named. At high
/// or above that is all that is new, twenty by name `and 44 more`: to be told of them late is worse than to look the
/// names up. Below, it is no more than a message says by name, and the next naming takes the rest.
pub(super) fn name(incident: &mut Incident, now: Timestamp) -> Milestone {
    let mut names = String::new();
    let most = named_at_once(incident.rank);
    if let IncidentKind::Storm(facts) = &mut incident.kind {
        if !is_naming(facts, incident.rank, now) {
            facts.named_before = facts.named_in_all();
            facts.named_at = Some(naming(facts.named_at, now));
        }
        let first = facts.named_before.saturating_sub(facts.named_unlisted);
        facts.named =
            facts.rules.len().min(facts.named_before.saturating_add(most).saturating_sub(facts.named_unlisted));
        facts.named_unlisted = facts.named_unlisted.saturating_add(std::mem::take(&mut facts.new_unlisted));
        let new = facts.rules.get(first..facts.named).unwrap_or_default();
        let listed: Vec<&str> = new.iter().take(STORM_NAMED_MAX).map(|(rule, _)| rule.as_str()).collect();
        let more = facts.named_in_all().saturating_sub(facts.named_before).saturating_sub(listed.len());
        names = listed.join(", ");
        if more > 0 {
            names.push_str(&format!(" and {more} more"));
        }
    }
    if incident.state == IncidentState::Acknowledged {
        incident.enter(IncidentState::Open, Origin::Vendor, now);
    }
    Milestone::new(now, MilestoneKind::StormNamed, Origin::Gatepost).noting(names)
}

/// Rules that come together are named together.
fn names_now(incident: &Incident, now: Timestamp) -> bool {
    let IncidentKind::Storm(facts) = &incident.kind else { return false };
    let is_due = names_at(facts).is_some_and(|at| at <= now);
    is_due || is_naming(facts, incident.rank, now) && facts.named < facts.rules.len()
}

/// A naming of this moment has room for more.
fn is_naming(facts: &StormFacts, rank: Rank, now: Timestamp) -> bool {
    let has_room = facts.named_in_all() < facts.named_before.saturating_add(named_at_once(rank));
    has_room && facts.named_at.is_some_and(|(at, _)| at == now)
}

fn named_at_once(rank: Rank) -> usize {
    if is_high(rank) { usize::MAX } else { STORM_NAMED_MAX }
}

/// Lists a rule. Where there is no room, the rarest rule that was named gives way to one that is new, and is known by its
/// hash from then on: should there be very many, a rule that was named may count as new again, never the other way round.
fn list(facts: &mut StormFacts, rule: &str) {
    if let Some((_, incidents)) = facts.rules.iter_mut().find(|(listed, _)| listed == rule) {
        *incidents = incidents.saturating_add(1);
        return;
    }
    if facts.rules.len() >= RULES_MAX {
        if facts.unlisted.contains(&hash_of(rule)) {
            return;
        }
        let Some(rarest) = rarest_named(facts) else {
            facts.new_unlisted = facts.new_unlisted.saturating_add(1);
            return remember(facts, rule);
        };
        let (gone, _) = facts.rules.remove(rarest);
        facts.named = facts.named.saturating_sub(1);
        facts.named_unlisted = facts.named_unlisted.saturating_add(1);
        remember(facts, &gone);
    }
    facts.rules.push((rule.to_owned(), 1));
}

/// The rules that most of the incidents are of stay: messages count them.
fn rarest_named(facts: &StormFacts) -> Option<usize> {
    let mut frequent: Vec<u64> = facts.rules.iter().map(|(_, incidents)| *incidents).collect();
    frequent.sort_unstable_by_key(|incidents| std::cmp::Reverse(*incidents));
    let most = frequent.get(2).copied().unwrap_or_default();
    let named = facts.rules.iter().take(facts.named).enumerate();
    let rare = named.filter(|(_, (_, incidents))| *incidents <= most);
    rare.min_by_key(|(_, (_, incidents))| *incidents).map(|(place, _)| place)
}

fn remember(facts: &mut StormFacts, rule: &str) {
    facts.unlisted.push(hash_of(rule));
    let surplus = facts.unlisted.len().saturating_sub(UNLISTED_MAX);
    facts.unlisted.drain(..surplus);
}

fn hash_of(rule: &str) -> String {
    hex::encode(&Sha256::digest(rule.as_bytes())[..6])
}

/// The rules are a facet of a storm, in the place of targets: so the number of those that are not listed is known in bounded
/// space.
fn add(storm: &mut Subject, folded: &Incident, now: Timestamp) {
    let IncidentKind::Storm(facts) = &mut storm.incident.kind else { return };
    let is_beyond = facts.incidents >= FOLDED_MAX;
    // Beyond that the events are counted, whatever incident they would belong to.
    let more = if is_beyond { folded.count } else { 1 };
    facts.incidents = facts.incidents.saturating_add(1).min(FOLDED_MAX);
    facts.last_fold = Some(now);
    storm.facets.targets.add(&folded.rule);
    list(facts, &folded.rule);
    let listed = u64::try_from(facts.rules.len()).unwrap_or(u64::MAX);
    let distinct = storm.facets.targets.distinct().number();
    // An estimate may decrease; what was told must not.
    let unlisted = u64::try_from(facts.unlisted.len()).unwrap_or(u64::MAX);
    facts.more_rules = facts.more_rules.max(distinct.saturating_sub(listed)).max(unlisted);
    let rules = listed.saturating_add(facts.more_rules);
    storm.incident.count = storm.incident.count.saturating_add(more);
    let incidents = counted(facts.incidents, "more incident");
    let over = if is_beyond { "over " } else { "" };
    storm.incident.title = format!("{over}{incidents} of {}", counted(rules, "rule"));
}

/// A storm takes no more after that long without a new fold.
const ENDS_AFTER: Duration = Duration::from_secs(15 * MINUTE.as_secs());
/// How often the open incidents of a storm that takes no more are counted.
const COUNTED_EVERY: Duration = MINUTE;
/// As many incidents are folded into one storm, each kept with a number and a state of its own.
const FOLDED_MAX: u64 = 10_000;
/// Rules that a storm lists by name.
const RULES_MAX: usize = 64;
/// Rules beyond those that it knows by their hashes.
const UNLISTED_MAX: usize = 512;
/// Incidents that the end of a storm lists, each with that much of its title.
pub const LEFT_OPEN_MAX: usize = 5;
const TITLE_CHARS_MAX: usize = 200;
