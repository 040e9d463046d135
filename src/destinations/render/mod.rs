//! What every destination says, before it takes the shape of one place.
//!
//! [`Summary`] holds the words of one event in the order that is the same everywhere: title, who did what to
//! what, when and from where. [`IncidentSummary`] holds those of an incident, and [`news`] says what is new about
//! it; [`ChatMessage`] is what chats make of both. Their texts are redacted ([`redact`]) and free of control characters
//! ([`sanitize`]), but **not escaped**: each destination cuts ([`truncate`]) and escapes at its last step, because only it
//! knows its markup. [`ocsf`], [`ecs`] and [`cloudevents`] are the other projections, for machines: complete and not redacted.

mod chat;
pub mod cloudevents;
mod collective;
pub mod ecs;
mod incident;
mod news;
pub mod ocsf;
mod own;
pub mod redact;
pub mod sanitize;
mod standing;
mod summary;
pub mod truncate;
mod words;

pub use chat::ChatMessage;
pub use incident::{Form, IncidentSummary, Side};
pub use news::{growth, newest, news, news_of_whole, who_and_what};
pub use own::Own;
pub use summary::{Action, Fact, Summary};
pub use words::{Piece, Words, utc};

use summary::rough;
pub(crate) use summary::{line, own_link, web_links};
