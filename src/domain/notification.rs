//! What one notifier was told about one incident, and what it is to be told next.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{DeliveryId, EventKey, IncidentState, Rank, Timestamp};

/// What kind of notifier it is: decides what is told, and when. How is the destination's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifierClass {
    /// It wakes people: PagerDuty. Pages are triggered, acknowledged and resolved; counts are never sent.
    Pager,
    /// A chat whose messages can be edited, and answered or followed by others: Slack with a bot token, Discord.
    EditableChat,
    /// What was sent stays as it is: a Slack webhook, Teams, Mattermost.
    AppendOnly,
    /// Work for people: Jira.
    Ticket,
}

/// How an incident stood at some time, as far as notifiers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its state.
    pub state: IncidentState,
    /// Its rank.
    pub rank: Rank,
    /// Its events.
    pub count: u64,
    /// Its victims.
    pub victims: u64,
    /// How often it had been acknowledged.
    pub acknowledgements: u32,
    /// How often it had been reopened.
    pub reopenings: u32,
    /// Of a storm: how many of its rules it had named, in their order. Of a digest of old events: how many of those that came
    /// late it had told. 0 for all others.
    #[serde(default)]
    pub named: u64,
}

/// What was told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How the incident stood.
    pub standing: Standing,
    /// When the destination had taken it.
    pub at: Timestamp,
}

/// What a destination calls what was made there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// As people see it: an issue key, a message's time stamp.
    pub name: String,
    /// What the destination needs to find it again; its own form, opaque to all other code.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// One incident at one notifier: what was told there. What waits is never a list of messages, but the difference between
/// this and the incident as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// When the notifier was to know of the incident first.
    pub opened_at: Timestamp,
    /// What was last *said*: by a page, a message, a reply, a comment. `None`: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Told>,
    /// What can be *seen* there: the edited message, the fields and the status of the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Told>,
    /// Pages that were triggered, each with a key of its own.
    #[serde(default)]
    pub pages: u32,
    /// How many of them were acknowledged, from the first.
    #[serde(default)]
    pub pages_acknowledged: u32,
    /// How many of them were resolved, from the first.
    #[serde(default)]
    pub pages_resolved: u32,
    /// Replies and comments that were written.
    #[serde(default)]
    pub replies: u32,
    /// Objects that were created: one, and one more for each time that the object was gone.
    #[serde(default)]
    pub creations: u32,
    /// What was created is no longer there.
    #[serde(default)]
    pub is_gone: bool,
    /// What was made there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// What was sent more than once, because it was not known whether it had arrived: sent once more after some time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubtful>,
}

/// An operation that sets a state, and was repeated after doubt: the first request may still be on its way, and would
/// overwrite what was set after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubtful {
    /// The operation.
    pub operation: Operation,
    /// When the destination had taken the last request.
    pub at: Timestamp,
}

impl Reference {
    /// One that is no more than a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), data: Value::Null }
    }

    /// Of what was sent as a single event, before incidents were told, and may have arrived: what each destination found it
    /// again by. It holds until the destination says what it has.
    pub fn former(delivery: DeliveryId, event: EventKey) -> Self {
        let data = json!({
            FORMER_DELIVERY: delivery.to_string(),
            FORMER_EVENT_KEY: event.to_string(),
            "dedup_keys": { "1": event.to_string() },
        });
        Self { name: String::new(), data }
    }
}

impl Notification {
    /// The delivery as which its first message may have arrived before incidents were told.
    pub fn former_delivery(&self) -> Option<&str> {
        self.reference.as_ref()?.data[FORMER_DELIVERY].as_str()
    }

    /// The key of the event of which its first ticket may have been made before incidents were told.
    pub fn former_event_key(&self) -> Option<&str> {
        self.reference.as_ref()?.data[FORMER_EVENT_KEY].as_str()
    }

    /// One of which nothing was told yet.
    pub fn new(opened_at: Timestamp) -> Self {
        Self {
            opened_at,
            said: None,
            shown: None,
            pages: 0,
            pages_acknowledged: 0,
            pages_resolved: 0,
            replies: 0,
            creations: 0,
            is_gone: false,
            reference: None,
            doubts: Vec::new(),
        }
    }

    /// Notes that an operation was repeated after doubt.
    pub fn note_doubt(&mut self, operation: Operation, at: Timestamp) {
        if operation.sets_state() {
            self.doubts.retain(|doubt| doubt.operation != operation);
            self.doubts.push(Doubtful { operation, at });
        }
    }
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The incident is there.
    Open,
    /// Its rank is higher.
    Raise,
    /// It has a new victim.
    Spread,
    /// It is back.
    Reopen,
    /// A person has taken it, or has it no longer.
    Acknowledge,
    /// It is over.
    Resolve,
    /// Nothing has come for a long time.
    Quiet,
    /// It has more events.
    Update,
    /// It goes on, and no person has taken it.
    Repeat,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Raise,
        Self::Spread,
        Self::Reopen,
        Self::Acknowledge,
        Self::Resolve,
        Self::Quiet,
        Self::Update,
        Self::Repeat,
    ];

    /// The word in the store, in metrics and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Raise => "raise",
            Self::Spread => "spread",
            Self::Reopen => "reopen",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Quiet => "quiet",
            Self::Update => "update",
            Self::Repeat => "repeat",
        }
    }

    /// The change of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == word)
    }

    /// Whether the incident is new, worse or back.
    pub fn is_news(self) -> bool {
        matches!(self, Self::Open | Self::Raise | Self::Spread | Self::Reopen)
    }

    /// What goes first at a notifier, from 3: what is new or worse, what has ended, what has more, what is repeated.
    pub fn urgency(self) -> u8 {
        match self {
            Self::Open | Self::Raise | Self::Spread | Self::Reopen => 3,
            Self::Acknowledge | Self::Resolve | Self::Quiet => 2,
            Self::Update => 1,
            Self::Repeat => 0,
        }
    }
}

/// Who sees a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Those who follow the thread.
    Thread,
    /// The channel as well.
    Channel,
}

/// One remote operation. Each is claimed, sent and settled by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Trigger a page, under the key `<incident id>/<page>`.
    Trigger {
        /// Its number within the incident, from 1.
        page: u32,
    },
    /// Acknowledge a page.
    AcknowledgePage {
        /// Its number.
        page: u32,
    },
    /// Resolve a page.
    ResolvePage {
        /// Its number.
        page: u32,
    },
    /// Create the message or the ticket.
    Create {
        /// The how manieth for this incident, from 1: part of the token by which it is looked for.
        number: u32,
    },
    /// Bring the message, or the fields of the ticket, up to date.
    Edit,
    /// Write a reply in the thread, a message of its own where there are no threads, or a comment.
    Reply {
        /// Its number within the notification, from 1: part of the token by which it is looked for.
        number: u32,
        /// Who sees it.
        audience: Audience,
    },
    /// Change the status of the ticket to what the incident's state asks for.
    Transition,
}

impl Operation {
    /// Whether sending it again at any time does no more than to set the same state.
    pub fn sets_state(self) -> bool {
        match self {
            Self::AcknowledgePage { .. } | Self::ResolvePage { .. } | Self::Edit => true,
            Self::Trigger { .. } | Self::Create { .. } | Self::Reply { .. } | Self::Transition => false,
        }
    }

    /// Whether what comes after it can be done without it. Everything needs the message, the ticket or the page.
    pub fn can_be_left_out(self) -> bool {
        match self {
            Self::Trigger { .. } | Self::Create { .. } => false,
            Self::AcknowledgePage { .. }
            | Self::ResolvePage { .. }
            | Self::Edit
            | Self::Reply { .. }
            | Self::Transition => true,
        }
    }
}

/// What is about to be done, stored before it is sent: after doubt this is settled first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// What it tells.
    pub change: Change,
    /// How.
    pub operation: Operation,
    /// The notification as it is once this has succeeded; its `reference` is filled in then.
    pub then: Notification,
}

/// In the data of a reference.
const FORMER_DELIVERY: &str = "former_delivery";
const FORMER_EVENT_KEY: &str = "former_event_key";
