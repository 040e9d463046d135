//! Who signs and shapes requests like this: one file a vendor.
//!
//! A [`Vendor`] says how its requests are verified unless the operator says otherwise, and builds the [`Normalizer`] of
//! one source from the operator's settings. The dispatcher calls [`Normalizer::read`] on what is stored; intake
//! calls [`Normalizer::event_id`] between verification and commit. Everything here is pure and never fails: a body that
//! cannot be understood is [`Reading::unparsed`], because only authentication refuses.
//!
//! A new vendor costs one file here, one line in [`VENDORS`] and one folder in `tests/fixtures/vendors/`.

mod akto;
mod authenticated;
mod generic;
mod lenient;
mod outcomes;
mod own_words;
mod request_kind;
mod secureagentics;
mod severities;
mod source;
#[cfg(test)]
mod tests;
mod urgency_hint;

pub use authenticated::Authenticated;
pub use request_kind::{KindWords, RequestKind};
pub use severities::Severities;
pub use source::{BacklogLimit, OnOld, Preview, Source, Sources};
pub use urgency_hint::Hint;

use std::fmt;

use bytes::Bytes;

use crate::domain::{Draft, Event, Note, Request, Severity, Timestamp};
use crate::settings::Section;
use crate::verify::Scheme;

/// Every vendor, in alphabetical order.
pub const VENDORS: &[&Vendor] = &[&akto::VENDOR, &generic::VENDOR, &secureagentics::VENDOR];

/// Who signs and shapes requests like this.
pub struct Vendor {
    /// The word after `vendor =`.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// How its requests are verified unless `verify` says otherwise; `None` where `verify` must be given.
    pub scheme: Option<fn() -> Scheme>,
    /// The body limit in bytes unless `body_limit` says otherwise.
    pub body_limit_bytes: u64,
    /// Whether it may send gzip unless `gzip` says otherwise.
    pub gzip: bool,
    /// The severity of an event that says nothing about its own, unless `default_severity` says otherwise.
    pub default_severity: Severity,
    /// Reads the vendor's own settings of one source.
    pub normalizer: fn(&Section) -> Option<Box<dyn Normalizer>>,
    /// Bodies that the vendor sends, for `gatepost send` and the demo; the first is the clearest example.
    pub samples: &'static [Sample],
    /// What to paste where at the vendor, with `{url}` and `{secret}` to fill in.
    pub setup: &'static str,
    /// The vendor's own settings as a JSON object: name -> JSON Schema. `gatepost schema config` is made of it.
    pub schema: &'static str,
    /// Lines for `gatepost.toml` below `vendor = …`, beyond `secrets`. They are commented out, but for what the vendor cannot do
    /// without.
    pub template: &'static str,
}

/// A body that the vendor sends.
pub struct Sample {
    /// Its name on the command line.
    pub name: &'static str,
    /// The `Content-Type` it is sent with.
    pub content_type: &'static str,
    /// The bytes.
    pub body: &'static [u8],
    /// The time in it, as it is written there, if it has one that counts.
    pub time: Option<&'static str>,
}

impl Sample {
    /// The body as the vendor would send it at `now`. As it was printed it is years old, and what is signed and old goes to
    /// quarantine.
    pub fn body_at(&self, now: Timestamp) -> Bytes {
        let text = std::str::from_utf8(self.body).ok().zip(self.time);
        text.map_or(Bytes::from_static(self.body), |(text, time)| text.replace(time, &now.to_string()).into())
    }
}

/// What reads the bodies of one source.
pub trait Normalizer: Send + Sync {
    /// The vendor's own id of the request, which stays the same over its retries; `None` where there is none, and the
    /// raw body stands in for it. Called on the path of the answer: no more work than it takes.
    fn event_id(&self, request: &Request) -> Option<String>;

    /// The header that [`Normalizer::event_id`] reads the id from; `None` where it is in the body. A header is often
    /// not part of what is signed, and then the id is unauthenticated.
    fn id_header(&self) -> Option<&str> {
        None
    }

    /// What the beginning of a body, as it is on the wire, says about the severity and the subject of its event. Called
    /// on the path of the answer, and only to put requests that wait in an order: bounded work, and nothing is decided
    /// by it.
    fn urgency_hint(&self, _beginning: &[u8]) -> Hint {
        Hint::default()
    }

    /// Reads a body, already inflated, and hands out its events one by one, in the order of the body: there may be more
    /// of them than should be in memory at once. Answers what else there is to say about it.
    fn read(&self, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note>;

    /// Where the operator's settings lead to nothing in a body: for `explain`, not for the path of the answer.
    fn unfound(&self, _body: &[u8]) -> Vec<Unfound> {
        Vec::new()
    }

    /// The whole reading, for bodies of people and tests.
    fn normalize(&self, body: &[u8]) -> Reading {
        let mut drafts = Vec::new();
        let note = self.read(body, &mut |draft| drafts.push(draft));
        Reading { drafts, note }
    }
}

/// A setting that leads to nothing in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfound {
    /// The setting: `map.severity`.
    pub setting: String,
    /// The JSON pointer that is there.
    pub pointer: String,
    /// In how many elements nothing was found that fits.
    pub missing: usize,
    /// How many elements there are.
    pub of: usize,
}

impl fmt::Display for Unfound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, pointer, missing, of } = self;
        write!(f, "{setting} = \"{pointer}\" found nothing that fits")?;
        if *of > 1 { write!(f, " in {missing} of {of} events") } else { Ok(()) }
    }
}

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Its events, in the order of the body.
    pub drafts: Vec<Draft>,
    /// What else there is to say about it.
    pub note: Option<Note>,
}

impl Reading {
    /// A body with events and nothing else to say.
    pub fn of(drafts: Vec<Draft>) -> Self {
        Self { drafts, note: None }
    }

    /// A body that holds no event.
    pub fn nothing(note: Note) -> Self {
        Self { drafts: Vec::new(), note: Some(note) }
    }

    /// An authentic body that cannot be understood: one event of type `unparsed` with an excerpt, because text that an
    /// attacker chose must not make its own alert disappear.
    pub fn unparsed(body: &[u8], why: &str) -> Self {
        let excerpt: String = String::from_utf8_lossy(body.get(..2048).unwrap_or(body)).into_owned();
        let draft = Draft {
            kind: Event::UNPARSED.to_owned(),
            title: format!("A message that could not be read ({} bytes)", body.len()),
            incident_parts: Self::unparsed_parts(lenient::shape(body)),
            message: Some(format!("The request is authentic, but its body was not understood: {why}.")),
            evidence: Some(excerpt),
            ..Draft::default()
        };
        Self { drafts: vec![draft], note: Some(Note::Unparsed) }
    }

    /// What bodies of one shape have in common: they are broken by the same defect, of which people need to be told
    /// once.
    fn unparsed_parts(shape: Vec<String>) -> Vec<String> {
        std::iter::once(Event::UNPARSED.to_owned()).chain(shape).collect()
    }

    /// Hands the drafts out; the note.
    fn hand_out(self, take: &mut dyn FnMut(Draft)) -> Option<Note> {
        self.drafts.into_iter().for_each(take);
        self.note
    }
}

/// The vendor of that name.
pub fn find(name: &str) -> Option<&'static Vendor> {
    VENDORS.iter().find(|vendor| vendor.name == name).copied()
}
