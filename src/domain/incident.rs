//! What belongs together: an incident, as it is.
//!
//! An incident is what happens in the world, independent of which notifiers are told. These are its facts; how they
//! change is decided in `incidents`, by pure functions, and recorded by the store.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Event, EventOutcome, IncidentId, IncidentNumber, Severity, SourceName, Timestamp};

/// What makes events of one source belong to the same incident: 16 bytes of a SHA-256 over the source's name and the
/// grouping fields, so that a field of 100 KB is as good as a short one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentKey([u8; 16]);

impl IncidentKey {
    /// From the parts that the events have in common. Each part goes in with its length, so that parts cannot be shifted
    /// into each other.
    pub fn of(source: &SourceName, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(source.as_str()).chain(parts.iter().copied()) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }

    /// The 16 bytes that the store keeps.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From the 16 bytes that the store keeps.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// How bad it is: the severity, then the outcome. A successful attack outranks any number of blocked ones of the same
/// severity.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Rank {
    /// The severity.
    pub severity: Severity,
    /// What became of the attack, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<EventOutcome>,
}

impl Rank {
    /// The rank of an event.
    pub fn of(event: &Event) -> Self {
        Self { severity: event.severity, outcome: event.outcome }
    }

    /// The place in the order, 0 to 27: four for each severity; blocked < unknown < allowed < succeeded.
    pub fn level(self) -> u8 {
        let outcome = match self.outcome {
            Some(EventOutcome::Blocked) => 0,
            None => 1,
            Some(EventOutcome::Allowed) => 2,
            Some(EventOutcome::Succeeded) => 3,
        };
        self.severity.rank() * 4 + outcome
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.level() == other.level()
    }
}

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.level().cmp(&other.level())
    }
}

/// `CRITICAL · SUCCEEDED`, as every first line begins.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.severity.as_str().to_ascii_uppercase())?;
        self.outcome.map_or(Ok(()), |outcome| write!(f, " · {}", outcome.shown()))
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// It goes on, and no person has taken it.
    Open,
    /// A person has taken it.
    Acknowledged,
    /// The vendor or a person says that it is over.
    Resolved,
    /// No event for a long time: it absorbs no more, but it was never said to be over.
    Quiet,
}

impl IncidentState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Resolved, Self::Quiet];

    /// The word in the store, in metrics and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Quiet => "quiet",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether it is still going on.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged)
    }
}

/// Who changed an incident. A change is not told back to where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The vendor: by an event.
    Vendor,
    /// gatepost itself: by a timer.
    Gatepost,
    /// A person at the command line.
    CommandLine {
        /// The name given with `--by`, else that of the account.
        user: String,
    },
}

impl Origin {
    /// `vendor`, `gatepost`, `cli:dana`.
    pub fn to_word(&self) -> String {
        match self {
            Self::Vendor => "vendor".to_owned(),
            Self::Gatepost => "gatepost".to_owned(),
            Self::CommandLine { user } => format!("cli:{user}"),
        }
    }

    /// As a message names it: `the vendor`, `gatepost`, `dana`.
    pub fn shown(&self) -> &str {
        match self {
            Self::Vendor => "the vendor",
            Self::Gatepost => "gatepost",
            Self::CommandLine { user } => user,
        }
    }
}

/// That a person has taken an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Origin,
    /// The how manieth of this incident, from 1.
    pub number: u32,
}

/// When an alert fired last. What says that it is over, and is older, is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// When that was received.
    pub received_at: Timestamp,
    /// The vendor's time of it, where the vendor documents one; never later than the receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened_at: Option<Timestamp>,
}

/// How an incident stood when a person silenced it: what is worse is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// When.
    pub at: Timestamp,
    /// Its rank.
    pub rank: Rank,
    /// Its victims.
    pub victims: u64,
    /// Of a storm: how many of its rules it had named.
    #[serde(default)]
    pub named: u64,
}

/// That an incident is told through a storm incident and not by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// The storm incident.
    pub storm: IncidentNumber,
    /// The rank of the storm or digest: an incident that raises above it is told by itself.
    pub rank: Rank,
    /// It is a digest of old events: an incident that has a new one is told by itself.
    #[serde(default)]
    pub is_digest: bool,
}

/// What an incident is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// Events with one key.
    #[default]
    Events,
    /// Incidents that are too many to be told one by one.
    Storm(StormFacts),
    /// Many incidents of one source that are told with one message.
    Digest(DigestFacts),
}

/// What a storm incident stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormFacts {
    /// How many incidents were folded into it.
    pub incidents: u64,
    /// The distinct rules by the order in which they came, at most 64, each with its number of incidents. Where there are
    /// more, the rarest of those that were named are listed no longer.
    pub rules: Vec<(String, u64)>,
    /// Distinct rules beyond those.
    pub more_rules: u64,
    /// How many of `rules` are to be named to people, from the first; what one notifier was told is in its [`super::Standing`].
    pub named: usize,
    /// When a rule was last named, and how long the next one waits, in milliseconds.
    pub named_at: Option<(Timestamp, u64)>,
    /// How many had been named before that time, listed or not.
    #[serde(default)]
    pub named_before: usize,
    /// How many were named, by name or as a number, and are listed no longer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub named_unlisted: usize,
    /// How many came since the last naming that are not listed, because all that are were to be named first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub new_unlisted: usize,
    /// Hashes of those that are not listed, the newest 512: they are not new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// The last fold.
    pub last_fold: Option<Timestamp>,
    /// Since it takes no more, at high or above: how many of its incidents are open, so that no person has taken them.
    #[serde(default)]
    pub left_open: u64,
    /// The first of those, at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_open_first: Vec<Updated>,
    /// It takes no more, and some of its incidents were open at that time, when they were counted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_at: Option<Timestamp>,
}

impl StormFacts {
    /// How many rules were named, listed or not.
    pub fn named_in_all(&self) -> usize {
        self.named.saturating_add(self.named_unlisted)
    }
}

/// As many rules of a storm are named in one message. Below high no more are taken as named at once.
pub const STORM_NAMED_MAX: usize = 20;

/// What a digest stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DigestFacts {
    /// How many incidents it stands for.
    pub incidents: u64,
    /// Why they are told together.
    #[serde(default)]
    pub of: DigestOf,
    /// When it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// What came after it was told, and matters.
    #[serde(default, skip_serializing_if = "Latecomers::is_none")]
    pub latecomers: Latecomers,
}

/// Incidents at high or above that came into a digest of old events after it was told: they are told like a raise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latecomers {
    /// How many there are.
    pub incidents: u64,
    /// How many of them are to be told; what one notifier was told is in its [`super::Standing`].
    pub told: u64,
    /// How many were to be told before the last time.
    pub told_before: u64,
    /// When they were last told, and how long the next ones wait, in milliseconds.
    pub told_at: Option<(Timestamp, u64)>,
    /// The newest of them, at most five.
    pub newest: Vec<Updated>,
}

impl Latecomers {
    fn is_none(&self) -> bool {
        self.incidents == 0
    }
}

/// Why many incidents are told with one message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestOf {
    /// All their events were old when they arrived together.
    #[default]
    OldEvents,
    /// They went on while a notifier was not told: how each of the first ones stood.
    Updates(Vec<Updated>),
}

/// An incident in a digest, or one that a storm left open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    /// Its number.
    pub number: IncidentNumber,
    /// Its title.
    pub title: String,
    /// Its events.
    pub count: u64,
}

impl IncidentKind {
    /// Whether it stands for updates, which are told once.
    pub fn is_of_updates(&self) -> bool {
        matches!(self, Self::Digest(DigestFacts { of: DigestOf::Updates(_), .. }))
    }
}

/// An incident, as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id, from which every remote key, label and token derives.
    pub id: IncidentId,
    /// Its number for people.
    pub number: IncidentNumber,
    /// The source whose events it holds.
    pub source: SourceName,
    /// What its events have in common; in hexadecimal in the JSON form.
    #[serde(with = "key_as_hex")]
    pub key: IncidentKey,
    /// What it is made of.
    #[serde(default, skip_serializing_if = "is_of_events")]
    pub kind: IncidentKind,
    /// One line: the title of its first event, or what a storm amounts to.
    pub title: String,
    /// The rule as people know it: name, else id, else type.
    pub rule: String,
    /// Where it stands.
    pub state: IncidentState,
    /// Since when.
    pub state_since: Timestamp,
    /// Who brought it there.
    pub state_by: Origin,
    /// What that person noted about it, for those who are told of the change; at most [`STATE_NOTE_CHARS_MAX`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_note: Option<String>,
    /// The last acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// The highest rank of its events since it was opened or reopened.
    pub rank: Rank,
    /// Since when.
    pub rank_since: Timestamp,
    /// Its distinct events, exactly.
    pub count: u64,
    /// Distinct victims where the key does not name the victim, else 1; exact up to 64.
    pub victims: u64,
    /// When the first of its events happened.
    pub first_at: Timestamp,
    /// When the last of its events happened.
    pub last_at: Timestamp,
    /// When the last of its events, or of their repetitions, was received.
    pub received_at: Timestamp,
    /// How often it was reopened.
    #[serde(default)]
    pub reopenings: u32,
    /// When it was reopened: the last four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopened_at: Vec<Timestamp>,
    /// It came back too often: the vendor's resolution counts from this time on, if nothing comes until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_held_until: Option<Timestamp>,
    /// Its timeline says already that resolutions are held: they may come by the hundred.
    #[serde(default)]
    pub is_hold_noted: bool,
    /// It went quiet without having been acknowledged, at medium or above: it stays listed.
    #[serde(default)]
    pub is_unattended: bool,
    /// Its vendor sends resolutions, so silence does not end it; its age does.
    #[serde(default)]
    pub ends_by_vendor: bool,
    /// The latest of its events that name no alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<Firing>,
    /// Until when only a raise or a spread is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced_until: Option<Timestamp>,
    /// How it stood then; `None`: an earlier version silenced it, or it is not silenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// It is told through a storm incident or a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// The incident of the same key that had ended before this one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<IncidentNumber>,
}

impl Incident {
    /// Brings it into a state. What was noted about the state before goes with it.
    pub fn enter(&mut self, state: IncidentState, by: Origin, at: Timestamp) {
        (self.state, self.state_by, self.state_since, self.state_note) = (state, by, at, None);
    }
}

/// An incident is read and written with every event of a flood: the whole of a long note is in its timeline alone.
pub const STATE_NOTE_CHARS_MAX: usize = 500;

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_of_events(kind: &IncidentKind) -> bool {
    *kind == IncidentKind::Events
}

mod key_as_hex {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::IncidentKey;

    pub fn serialize<S: Serializer>(key: &IncidentKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(key.as_bytes()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IncidentKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 16];
        hex::decode_to_slice(&text, &mut key).map_err(serde::de::Error::custom)?;
        Ok(IncidentKey::from_bytes(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successful_attack_outranks_blocked_ones_and_no_higher_severity() {
        let rank = |severity, outcome| Rank { severity, outcome };
        let order = [
            rank(Severity::Medium, Some(EventOutcome::Succeeded)),
            rank(Severity::High, Some(EventOutcome::Blocked)),
            rank(Severity::High, None),
            rank(Severity::High, Some(EventOutcome::Allowed)),
            rank(Severity::High, Some(EventOutcome::Succeeded)),
            rank(Severity::Critical, Some(EventOutcome::Blocked)),
        ];
        assert!(order.is_sorted() && order[0] < order[1]);
        assert_eq!(rank(Severity::High, Some(EventOutcome::Succeeded)).to_string(), "HIGH · SUCCEEDED");
    }

    #[test]
    fn parts_of_a_key_cannot_be_shifted_into_each_other() {
        let source = "s".parse().unwrap();
        let key = |parts: &[&str]| IncidentKey::of(&source, parts);
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    }
}
