//! Which conditions hold: a table from facts to conditions.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Condition, DestinationFacts, Facts, Health, Limits, NoticeId, NoticeKind, SourceFacts, StoreFacts};
use crate::domain::Severity;

/// The conditions that hold, at most one of a kind and subject.
pub fn conditions(facts: &Facts, limits: &Limits) -> Vec<Condition> {
    let of_destinations = facts.destinations.iter().flat_map(|one| {
        let down = down(one, limits);
        // What waits for a destination that is down waits for that reason.
        let behind = if down.is_none() { behind(one, limits) } else { None };
        [down, behind, dead_letters(one)]
    });
    let of_sources = facts.sources.iter().flat_map(|one| [refused(one, limits), silent(one)]);
    let of_store = [disk_low(&facts.store, limits), damaged(&facts.store)];
    of_destinations.chain(of_sources).chain(of_store).flatten().collect()
}

/// Conditions of which it is not known whether they hold: a destination that was down and has not been sent anything since may be so
/// still.
pub fn unproven(facts: &Facts) -> BTreeSet<NoticeId> {
    let untried = facts.destinations.iter().filter(|one| one.health == Health::Untried);
    untried.map(|one| NoticeId { kind: NoticeKind::DestinationDown, subject: one.name.to_string() }).collect()
}

fn down(facts: &DestinationFacts, limits: &Limits) -> Option<Condition> {
    let name = &facts.name;
    let waiting = match facts.waiting {
        0 => String::new(),
        waiting => format!("; {waiting} wait for it, the oldest for {}", in_words(facts.oldest_waiting)),
    };
    let instead = facts.fallback.as_ref().map(|other| format!("; {other} is told instead")).unwrap_or_default();
    let (severity, title, reason, remedy, holds_for) = match &facts.health {
        Health::Running | Health::Untried | Health::Unconfigured => return None,
        Health::Failing { reason } => (
            Severity::Medium,
            format!("{name} fails; what is due there waits"),
            reason,
            format!("It is tried again by itself. See whether {name} can be reached: `gatepost probe {name}`"),
            limits.failing_after,
        ),
        Health::Stopped { reason } => (
            Severity::High,
            format!("{name} is stopped; nothing is sent there"),
            reason,
            format!("Mend its settings and reload. Everything for {name} is kept, and sent then"),
            limits.stopped_after(),
        ),
    };
    let id = NoticeId { kind: NoticeKind::DestinationDown, subject: name.to_string() };
    Some(Condition {
        id,
        severity,
        title,
        message: format!("{reason}{waiting}{instead}"),
        remedy,
        amount: 1,
        holds_for,
        known_after: Duration::ZERO,
    })
}

fn behind(facts: &DestinationFacts, limits: &Limits) -> Option<Condition> {
    let name = &facts.name;
    if facts.waiting == 0 || facts.oldest_waiting < limits.untold_after {
        return None;
    }
    let (waiting, minutes) = (facts.waiting, facts.oldest_waiting.as_secs() / 60);
    let remedy = match facts.health {
        Health::Unconfigured => {
            format!("Configure {name} again, or close what waits: `gatepost deliveries discard {name}`")
        }
        _ => format!("See what waits: `gatepost deliveries list --destination {name} --state waiting`"),
    };
    let why = if facts.health == Health::Unconfigured { ", which is not configured" } else { "" };
    Some(Condition {
        id: NoticeId { kind: NoticeKind::DestinationBehind, subject: name.to_string() },
        severity: Severity::Medium,
        title: format!("{name} is behind: what is due there waits for too long"),
        message: format!("{waiting} wait for {name}{why}, the oldest for {minutes} min"),
        remedy,
        amount: waiting,
        holds_for: Duration::ZERO,
        known_after: Duration::ZERO,
    })
}

fn dead_letters(facts: &DestinationFacts) -> Option<Condition> {
    let (name, dead) = (&facts.name, facts.dead);
    (dead > 0).then(|| Condition {
        id: NoticeId { kind: NoticeKind::DeadLetters, subject: name.to_string() },
        severity: Severity::High,
        title: format!("{name} has dead letters: they are not tried again by themselves"),
        message: format!("{dead} in all"),
        remedy: format!(
            "See why with `gatepost deliveries list --destination {name} --state dead`, mend it, then \
             `gatepost replay --dead --destination {name}`"
        ),
        amount: dead,
        holds_for: Duration::ZERO,
        known_after: Duration::ZERO,
    })
}

fn refused(facts: &SourceFacts, limits: &Limits) -> Option<Condition> {
    let name = &facts.name;
    let all: u64 = facts.refused.iter().map(|(_, count)| count).sum();
    let mut codes: Vec<_> = facts.refused.iter().filter(|(_, count)| *count > 0).collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let codes: Vec<String> = codes.into_iter().map(|(code, count)| format!("{count} {code}")).collect();
    (all >= limits.refused.max(1)).then(|| Condition {
        id: NoticeId { kind: NoticeKind::SourceRefused, subject: name.to_string() },
        severity: Severity::Medium,
        title: format!("requests for {name} are refused in numbers"),
        message: format!("within 5 min: {}", codes.join(", ")),
        remedy: "Compare the secret here with the one at the vendor; a foreign sender may also be trying".to_owned(),
        amount: all,
        holds_for: Duration::ZERO,
        known_after: Duration::ZERO,
    })
}

fn silent(facts: &SourceFacts) -> Option<Condition> {
    let name = &facts.name;
    let expect = facts.expect?;
    (facts.silent_for >= expect).then(|| Condition {
        id: NoticeId { kind: NoticeKind::SourceSilent, subject: name.to_string() },
        severity: Severity::High,
        title: format!("{name} has sent nothing for {}", in_words(expect)),
        message: format!("`expect` of {name} is {}", in_words(expect)),
        remedy: format!(
            "See whether the vendor still sends: its webhook may be off, or lead elsewhere than /webhooks/{name}"
        ),
        amount: 1,
        holds_for: Duration::ZERO,
        known_after: expect.min(GRACE),
    })
}

fn disk_low(facts: &StoreFacts, limits: &Limits) -> Option<Condition> {
    let free = facts.free_bytes;
    let is_low = free.is_some_and(|free| free < limits.disk_free);
    if !facts.is_full && !is_low {
        return None;
    }
    let (severity, title) = if facts.is_full {
        (Severity::Critical, "the disk of the store is full: requests are refused with 503")
    } else {
        (Severity::High, "the disk of the store is nearly full")
    };
    let free = free.map_or_else(|| "unknown".to_owned(), |free| format!("{} MiB", free >> 20));
    Some(Condition {
        id: NoticeId { kind: NoticeKind::DiskLow, subject: STORE.to_owned() },
        severity,
        title: title.to_owned(),
        message: format!("free: {free}"),
        remedy: "Free space outside the database, or shorten [retention] and reload".to_owned(),
        amount: 1,
        holds_for: Duration::ZERO,
        known_after: Duration::ZERO,
    })
}

fn damaged(facts: &StoreFacts) -> Option<Condition> {
    let damage = facts.damage.as_ref()?;
    Some(Condition {
        id: NoticeId { kind: NoticeKind::StoreDamaged, subject: STORE.to_owned() },
        severity: Severity::Critical,
        title: "the database is damaged".to_owned(),
        message: damage.clone(),
        remedy: "Make a copy with `gatepost backup`, and restore a sound one".to_owned(),
        amount: 1,
        holds_for: Duration::ZERO,
        known_after: Duration::ZERO,
    })
}

fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long after a start no source is silent: a vendor that got no answer while gatepost was down comes again first.
const GRACE: Duration = Duration::from_secs(10 * 60);
/// The subject of what concerns the store.
const STORE: &str = "store";
