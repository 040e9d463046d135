//! A chat that is told by an incoming webhook and by nothing else: what was posted cannot be edited or looked for, so each change
//! of an incident is a message of its own.
//!
//! Used by the notifiers that differ in the message and in what an answer means. They promise no idempotency: after doubt
//! `on_uncertain` decides.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use url::Url;

use super::classify::{self, Answer};
use super::hook::{self, Form, Hook, Verdict};
use super::uncertain::OnUncertain;
use super::{HttpRequest, Next, Notifier, Pace, Reply, Step, base, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Telling};

/// What such chats differ in.
pub(super) trait Chat: Send + Sync + 'static {
    /// The `type` of its destinations.
    const KIND: &'static str;
    /// Its name, as people read it.
    const NAME: &'static str;
    /// Parts of every webhook's URL, which are no secrets.
    const WORDS: &'static [&'static str];

    /// The message about a change.
    fn request(url: &Url, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest;

    /// What the answer to a message means.
    fn verdict(answer: &Answer<'_>) -> Verdict;
}

/// A channel of such a chat.
pub(super) struct AppendOnly<C> {
    url: Url,
    on_uncertain: OnUncertain,
    chat: PhantomData<C>,
}

impl<C: Chat> AppendOnly<C> {
    /// By the URL of its webhook, which is a credential.
    pub fn new(url: Url, on_uncertain: OnUncertain) -> Self {
        Self { url, on_uncertain, chat: PhantomData }
    }
}

impl<C: Chat> Notifier for AppendOnly<C> {
    fn class(&self) -> NotifierClass {
        NotifierClass::AppendOnly
    }

    fn fingerprint(&self) -> [u8; 16] {
        fingerprint::of(&[C::KIND.as_bytes(), self.url.as_str().as_bytes()])
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match telling.intent.operation {
            Operation::Create { .. } | Operation::Reply { .. } => hook::first(self, job, telling),
            other => Next::Done(classify::not_supported(C::NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        hook::next(self, job, telling, step, reply)
    }
}

impl<C: Chat> Hook for AppendOnly<C> {
    const NAME: &'static str = C::NAME;

    fn on_uncertain(&self) -> OnUncertain {
        self.on_uncertain
    }

    fn request(&self, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest {
        C::request(&self.url, job, telling, form)
    }

    fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        C::verdict(answer)
    }

    fn secrets(&self) -> Vec<String> {
        base::secrets_of(&self.url, C::WORDS)
    }
}

/// Shows nothing of the URL, which is a credential.
impl<C: Chat> fmt::Debug for AppendOnly<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by webhook", C::NAME)
    }
}

/// A message a second: people can follow no more, and the services take more.
const PACE: Pace = Pace { concurrency: 1, burst: 3, interval: Duration::from_secs(1) };
