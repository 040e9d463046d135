//! The terms of the project as types: what a receipt, an event, a delivery is.
//!
//! Every module may import this one, and it imports none. No input or output, no `async`, no policy: a type here proves
//! that its value is well-formed, and nothing more.

mod batch;
mod clock;
mod cut;
mod dedupe;
mod delivery;
mod draft;
mod event;
mod event_document;
mod facets;
mod id_prefix;
mod ids;
mod incident;
mod inflate;
mod milestone;
mod names;
mod notification;
mod receipt;
mod request;
mod secret;
mod severity;
mod severity_word;
mod token_chain;
mod urgency;
mod wording;

pub use batch::{Batch, BatchSize, Try};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use dedupe::{DedupeKey, EventKey, RequestKey};
pub use delivery::{
    Attempt, Delivery, DeliveryState, Job, Outcome, OutcomeKind, Progress, Purpose, Repeat, Scope, Telling,
};
pub use draft::Draft;
pub use event::{Actor, Event, EventOutcome, EventState, Link, Rule, Target};
pub use event_document::{BatchEvent, EventDocument};
pub use facets::{Distinct, Facet, Facets};
pub use id_prefix::{IdPrefix, IdPrefixError};
pub use ids::{DeliveryId, EventId, IncidentId, IncidentNumber, NotificationId, ReceiptId};
pub use incident::{
    Acknowledgement, DigestFacts, DigestOf, Firing, Fold, Incident, IncidentKey, IncidentKind, IncidentState,
    Latecomers, Origin, Rank, STATE_NOTE_CHARS_MAX, STORM_NAMED_MAX, Silence, StormFacts, Updated,
};
pub use inflate::{InflateError, inflate, inflated_length_hint};
pub use milestone::{Milestone, MilestoneKind};
pub use names::{DestinationName, NameError, RouteName, SourceName};
pub use notification::{
    Audience, Change, Doubtful, Intent, Notification, NotifierClass, Operation, Reference, Standing, Told,
};
pub use receipt::{Encoding, Note, Receipt};
pub use request::{Headers, Request};
pub use secret::Secret;
pub use severity::{Severity, UnknownSeverity};
pub use severity_word::folded_word;
pub use token_chain::{AccessToken, ChainId, Renewal, TokenPair, TokenQuery, TokenState};
pub use urgency::Urgency;
pub use wording::{Annotation, Wording};
