//! One normalized fact, named after OCSF 1.8.0 Detection Finding.
//!
//! A vendor's normalizer makes a [`Draft`](super::Draft); the dispatcher turns it into an [`Event`], which is what the store keeps,
//! routes test and destinations render. Limits are applied in that one step, so that every later module may rely on
//! them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EventId, EventKey, IncidentNumber, ReceiptId, Severity, SourceName, Timestamp};

/// A normalized event. Its JSON form is published as `schemas/event.v1.schema.json`; what is absent is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Our id.
    pub id: EventId,
    /// What makes two events the same.
    pub key: EventKey,
    /// The vendor's own id of the event, as its console shows it. It identifies nothing here: see `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// The receipt it came in.
    pub receipt: ReceiptId,
    /// The source it came from.
    pub source: SourceName,
    /// The vendor of that source.
    pub vendor: String,
    /// The vendor's word for what happened; `unparsed` where the body was not understood.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, by the vendor's account; else when it was received.
    pub time: Timestamp,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// OCSF `severity_id`.
    pub severity: Severity,
    /// One line that can be read on a lock screen.
    pub title: String,
    /// What happened, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The rule, filter or policy that fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// To what it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Whether it was stopped, where the vendor says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<EventOutcome>,
    /// The vendor's own group, where it has one (Alertmanager's `groupKey`): events with the same group are one incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The vendor's globally unique name of the same alert, firing or resolved: an alert's URL, a finding's id, never a bare
    /// number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Whether the alert fires or is over, where the vendor documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<EventState>,
    /// The incident that it joined. The store keeps it beside the event, and puts it in when the event is read or sent to a sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentNumber>,
    /// The vendor's state of the finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What it means for those who are hit, where the vendor says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// What to do, where the vendor says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
    /// An excerpt of what was seen (a request, a prompt). Written by attackers and full of credentials: it is
    /// redacted and escaped by the code that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Pages to open, most useful first. Only http and https.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Short facts for routing and grouping.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What the vendor sent and no other field holds.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub unmapped: Map<String, Value>,
}

/// Whether an alert fires or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventState {
    /// It goes on.
    Firing,
    /// It is over.
    Resolved,
}

impl EventState {
    /// Both with their words.
    pub const ALL: [(&'static str, Self); 2] = [("firing", Self::Firing), ("resolved", Self::Resolved)];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// What became of what was tried, where the vendor says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventOutcome {
    /// It was stopped.
    Blocked,
    /// It was let through; whether it did harm is not known.
    Allowed,
    /// It reached what it was after.
    Succeeded,
}

impl EventOutcome {
    /// Every outcome with its word.
    pub const ALL: [(&'static str, Self); 3] =
        [("blocked", Self::Blocked), ("allowed", Self::Allowed), ("succeeded", Self::Succeeded)];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Allowed => "allowed",
            Self::Succeeded => "succeeded",
        }
    }

    /// The word as a first line shows it: in capitals where a person must act at once.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Blocked | Self::Allowed => self.as_str(),
            Self::Succeeded => "SUCCEEDED",
        }
    }

    /// From a vendor's word for what was done about it. Only words that have one meaning everywhere are known: `detected`
    /// or `failed` do not say whether anything was stopped.
    pub fn from_vendor_word(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "blocked" | "block" | "denied" | "deny" | "prevented" | "prevent" | "dropped" | "drop" | "rejected"
            | "reject" => Self::Blocked,
            "allowed" | "allow" | "permitted" | "permit" | "passed" | "pass" | "accepted" | "accept" => Self::Allowed,
            "succeeded" | "success" | "successful" | "exploited" | "compromised" => Self::Succeeded,
            _ => return None,
        })
    }
}

/// The rule, filter or policy that fired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The vendor's id: an open string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The address, where the vendor's value is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The user, the client program or whatever else the vendor calls the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// ISO 3166-1 alpha-2 country of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

impl Event {
    /// How bad it is and what became of it, as every first line begins: `CRITICAL · SUCCEEDED`.
    pub fn rank(&self) -> String {
        let severity = self.severity.as_str().to_ascii_uppercase();
        self.outcome.map_or_else(|| severity.clone(), |outcome| format!("{severity} · {}", outcome.shown()))
    }
}

impl Actor {
    /// From a vendor's free-text actor: an address goes into `ip` (also from `ip:port` and `[ip]:port`), anything
    /// else into `user`. `None` for blank text.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let bare = text.parse::<IpAddr>().ok();
        let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
        Some(match bare.or_else(with_port) {
            Some(ip) => Self { ip: Some(ip), ..Self::default() },
            None => Self { user: Some(text.to_owned()), ..Self::default() },
        })
    }
}

/// To what it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// URL or path, as the vendor wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The software agent that was the target, or the means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// A page to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The text on the button, ours and never the alert's: `Open in Akto`.
    pub title: String,
    /// An http or https URL.
    pub url: String,
}

impl Event {
    /// The type of an event made of what could not be read.
    pub const UNPARSED: &'static str = "unparsed";

    /// The vendor's word for the severity, where it is not known and the severity is a default.
    pub fn severity_word(&self) -> Option<&str> {
        self.labels.get(SEVERITY_WORD).map(String::as_str)
    }
}

/// The label that holds a severity word that is not known.
pub(super) const SEVERITY_WORD: &str = "severity_word";
