//! When incidents are too many to be told one by one, and what tells them instead.
//!
//! The store asks [`StormGauge::admit`] in the transaction that opens an incident. What is not admitted is folded into the
//! storm incident of its source and rank, which is told like any other; [`fold`] and [`digest`] make it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{
    DigestFacts, Facets, Fold, Incident, IncidentId, IncidentKey, IncidentKind, IncidentNumber, IncidentState,
    Milestone, MilestoneKind, Origin, Rank, SourceName, StormFacts, Timestamp,
};

use super::absorb::Subject;
use super::correlations::Correlations;
use super::timing::{MINUTE, StormLimits};

/// How much one source has told one by one: token buckets over the running maximum of the time of receipt. The same events in
/// the same order give the same answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormGauge {
    /// The running maximum.
    at: Option<Timestamp>,
    /// When the bucket of a rank is full again, by the level of the rank.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ranks: BTreeMap<u8, Timestamp>,
    /// When the bucket of a rule and rank is full again, by a hash of both in hexadecimal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rules: BTreeMap<String, Timestamp>,
    /// When an incident of that level was last told by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<u8, Timestamp>,
}

impl StormGauge {
    /// Whether an incident that is opened at `at` is told by itself. `false`: it is to be folded.
    pub fn admit(&mut self, rank: Rank, rule: &str, at: Timestamp, limits: &StormLimits) -> bool {
        let now = self.advance(at, limits.within);
        let (level, rule) = (rank.level(), rule_key(rule, rank));
        let is_above_all = self.told.range(level..).next().is_none();
        let of_rank = Bucket { per_window: limits.per_rank, within: limits.within };
        let of_rule = Bucket { per_window: limits.per_rule, within: limits.within };
        let next_of_rank = of_rank.take(self.ranks.get(&level), now);
        let next_of_rule = of_rule.take(self.rules.get(&rule), now);
        let is_within = next_of_rank.is_some() && next_of_rule.is_some();
        if is_within || is_above_all {
            self.ranks.extend(next_of_rank.map(|full_at| (level, full_at)));
            self.rules.extend(next_of_rule.map(|full_at| (rule, full_at)));
            self.told.insert(level, now);
        }
        is_within || is_above_all
    }

    /// Moves on to `at` and forgets what no longer counts. A clock that was set back by more than the window begins anew:
    /// else everything would be folded until the time that it had shown.
    fn advance(&mut self, at: Timestamp, within: Duration) -> Timestamp {
        if self.at.is_some_and(|before| before.since(at) > within) {
            *self = Self::default();
        }
        let now = self.at.map_or(at, |before| before.max(at));
        self.at = Some(now);
        self.ranks.retain(|_, full_at| *full_at > now);
        self.rules.retain(|_, full_at| *full_at > now);
        self.told.retain(|_, told_at| now.since(*told_at) < within);
        now
    }
}

/// The generic cell rate algorithm: a bucket is known by the time at which it is full again.
struct Bucket {
    per_window: u32,
    within: Duration,
}

impl Bucket {
    /// When it is full again after one more; `None`: it is empty.
    fn take(&self, full_at: Option<&Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let interval = self.within.checked_div(self.per_window)?;
        let next = full_at.map_or(now, |full_at| now.max(*full_at)).plus(interval);
        (next.since(now) <= self.within).then_some(next)
    }
}

/// The key of the storm incident of that source and rank.
pub fn storm_key(source: &SourceName, rank: Rank) -> IncidentKey {
    IncidentKey::of(source, &["storm", &rank.level().to_string()])
}

/// The key of the digest of that source.
pub fn digest_key(source: &SourceName) -> IncidentKey {
    IncidentKey::of(source, &["digest"])
}

/// Folds an incident into the storm incident of its source and rank, which is opened where `storm` is `None` or has ended.
/// Marks the incident as folded.
pub fn fold(
    storm: Option<Subject>,
    folded: &mut Subject,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let rank = folded.incident.rank;
    let mut storm = live(storm).unwrap_or_else(|| {
        let key = storm_key(&folded.incident.source, rank);
        open(IncidentKind::Storm(StormFacts::default()), key, &folded.incident, numbers(), now)
    });
    add_to_storm(&mut storm, &folded.incident, now);
    add_facets(&mut storm, folded, now);
    if let IncidentKind::Storm(facts) = &storm.incident.kind
        && names_at(facts).is_some_and(|at| at <= now)
    {
        let named = name(&mut storm.incident, now);
        storm.milestones.push(named);
    }
    mark(folded, Fold { storm: storm.incident.number, rank: storm.incident.rank, is_digest: false }, now);
    storm
}

/// Folds an incident whose events were all old when they arrived into the digest of its source.
pub fn digest(
    digest: Option<Subject>,
    folded: &mut Subject,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let mut digest = live(digest).unwrap_or_else(|| {
        let key = digest_key(&folded.incident.source);
        open(IncidentKind::Digest(DigestFacts::default()), key, &folded.incident, numbers(), now)
    });
    if let IncidentKind::Digest(facts) = &mut digest.incident.kind {
        facts.incidents = facts.incidents.saturating_add(1);
        digest.incident.title = format!("{} of events older than a day", counted(facts.incidents, "incident"));
    }
    let incident = &mut digest.incident;
    incident.count = incident.count.saturating_add(folded.incident.count);
    if folded.incident.rank > incident.rank {
        (incident.rank, incident.rank_since) = (folded.incident.rank, now);
    }
    add_facets(&mut digest, folded, now);
    mark(folded, Fold { storm: digest.incident.number, rank: folded.incident.rank, is_digest: true }, now);
    digest
}

/// When the storm is over, if nothing is folded until then.
pub(super) fn ends_at(facts: &StormFacts, listening_since: Timestamp) -> Option<Timestamp> {
    facts.last_fold.map(|last| last.max(listening_since).plus(ENDS_AFTER))
}

/// When the rules that are new are named; `None`: all are.
pub(super) fn names_at(facts: &StormFacts) -> Option<Timestamp> {
    let (at, wait_ms) = facts.named_at.unwrap_or_default();
    (facts.named < facts.rules.len()).then(|| at.plus(Duration::from_millis(wait_ms)))
}

/// Names what is new: that is told like a raise, and takes back an acknowledgement, which covered only what was named.
pub(super) fn name(incident: &mut Incident, now: Timestamp) -> Milestone {
    let mut names = String::new();
    if let IncidentKind::Storm(facts) = &mut incident.kind {
        let new = facts.rules.get(facts.named..).unwrap_or_default();
        names = new.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>().join(", ");
        let wait = facts.named_at.map_or(NAMING_WAIT_MIN, |(_, wait_ms)| 2 * Duration::from_millis(wait_ms));
        let wait = wait.clamp(NAMING_WAIT_MIN, NAMING_WAIT_MAX);
        facts.named = facts.rules.len();
        facts.named_at = Some((now, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    }
    if incident.state == IncidentState::Acknowledged {
        (incident.state, incident.state_since, incident.state_by) = (IncidentState::Open, now, Origin::Vendor);
    }
    Milestone::new(now, MilestoneKind::StormNamed, Origin::Gatepost).noting(names)
}

fn live(subject: Option<Subject>) -> Option<Subject> {
    subject.filter(|subject| subject.incident.state.is_live())
}

fn open(
    kind: IncidentKind,
    key: IncidentKey,
    first: &Incident,
    (id, number): (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let incident = Incident {
        id,
        number,
        key,
        kind,
        state: IncidentState::Open,
        state_since: now,
        state_by: Origin::Vendor,
        acknowledgement: None,
        rank_since: now,
        count: 0,
        victims: 1,
        reopenings: 0,
        reopened_at: Vec::new(),
        resolution_held_until: None,
        is_unattended: false,
        ends_by_vendor: false,
        silenced_until: None,
        fold: None,
        follows: None,
        ..first.clone()
    };
    let mut subject = Subject::new(incident, Facets::default(), Correlations::default());
    subject.milestones.push(Milestone::new(now, MilestoneKind::Opened, Origin::Gatepost));
    subject
}

/// The rules are a facet of a storm, as victims are: so the number of those that are not listed is known in bounded space.
fn add_to_storm(storm: &mut Subject, folded: &Incident, now: Timestamp) {
    let IncidentKind::Storm(facts) = &mut storm.incident.kind else { return };
    facts.incidents = facts.incidents.saturating_add(1);
    facts.last_fold = Some(now);
    storm.facets.targets.add(&folded.rule);
    let listed = facts.rules.len();
    match facts.rules.iter_mut().find(|(rule, _)| *rule == folded.rule) {
        Some((_, incidents)) => *incidents = incidents.saturating_add(1),
        None if listed < RULES_MAX => facts.rules.push((folded.rule.clone(), 1)),
        None => {}
    }
    let listed = u64::try_from(facts.rules.len()).unwrap_or(u64::MAX);
    facts.more_rules = facts.more_rules.max(storm.facets.targets.distinct().number().saturating_sub(listed));
    let rules = listed.saturating_add(facts.more_rules);
    storm.incident.count = facts.incidents;
    storm.incident.rule = "storm".to_owned();
    storm.incident.title = format!("{} of {}", counted(facts.incidents, "more incident"), counted(rules, "rule"));
}

fn add_facets(subject: &mut Subject, folded: &Subject, now: Timestamp) {
    for victim in folded.facets.victims.newest() {
        subject.facets.victims.add(victim);
    }
    for actor in folded.facets.actors.newest() {
        subject.facets.actors.add(actor);
    }
    let incident = &mut subject.incident;
    incident.victims = incident.victims.max(subject.facets.victims.distinct().number());
    incident.first_at = incident.first_at.min(folded.incident.first_at);
    incident.last_at = incident.last_at.max(folded.incident.last_at);
    incident.received_at = incident.received_at.max(now);
}

fn mark(folded: &mut Subject, fold: Fold, now: Timestamp) {
    folded.incident.fold = Some(fold);
    let through = fold.storm.to_string();
    folded.milestones.push(Milestone::new(now, MilestoneKind::Folded, Origin::Gatepost).noting(through));
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn rule_key(rule: &str, rank: Rank) -> String {
    let mut hash = Sha256::new();
    hash.update([rank.level()]);
    hash.update(rule.as_bytes());
    hex::encode(&hash.finalize()[..8])
}

/// A storm is over after that long without a new fold.
const ENDS_AFTER: Duration = Duration::from_secs(15 * MINUTE.as_secs());
const NAMING_WAIT_MIN: Duration = MINUTE;
const NAMING_WAIT_MAX: Duration = Duration::from_secs(15 * MINUTE.as_secs());
/// Rules that a storm lists by name.
const RULES_MAX: usize = 64;
