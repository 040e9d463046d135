//! What becomes of a request that Opsgenie has taken.
//!
//! A 202 comes before the request is processed, and "does not guarantee" that it will be: an integration may ignore it. Its
//! id is kept between tries, and asked about until Opsgenie says. A request of which nothing is known after a minute is
//! sent again, once: a person may have closed the alert by then, and would be notified again each time.

use std::time::Duration;

use serde_json::{Value, json};

use super::{errors, reply};
use crate::destinations::classify::Answer;
use crate::destinations::errors::ErrorRow;
use crate::domain::{Job, Outcome, Progress, Timestamp};

/// A request that was answered 202.
pub struct Taken {
    request: String,
    /// What it asks for: what is noted of one request says nothing of another.
    order: String,
    /// How often Opsgenie did not know it yet.
    misses: usize,
    /// Not asked about before, in milliseconds since 1970.
    ask_at: i64,
    /// Whether it is the second one, because nothing became known of the first.
    is_second: bool,
    /// The number of the try that has noted it.
    tries: u32,
}

impl Taken {
    /// By the answer to the request; `before` is one of which nothing became known.
    pub fn by(answer: &Answer<'_>, job: &Job<'_>, order: &str, before: Option<&Self>) -> Option<Self> {
        let body = answer.json().filter(|_| answer.reply.status == 202)?;
        let request = body["requestId"].as_str().filter(|id| is_id(id))?.to_owned();
        let ask_at = job.now.plus(FIRST_PAUSE).as_millis();
        let (order, tries) = (order.to_owned(), job.tries);
        Some(Self { request, order, misses: 0, ask_at, is_second: before.is_some_and(Self::is_overdue), tries })
    }

    /// By the notes of an earlier try, where they are about this order.
    pub fn of(job: &Job<'_>, order: &str) -> Option<Self> {
        let notes = &job.progress.0;
        let order = notes["order"].as_str().filter(|noted| *noted == order)?.to_owned();
        let request = notes["request"].as_str().filter(|id| is_id(id))?.to_owned();
        let misses = usize::try_from(notes["misses"].as_u64()?).ok()?;
        let tries = u32::try_from(notes["tries"].as_u64()?).ok()?;
        let is_second = notes["second"] == true;
        Some(Self { request, order, misses, ask_at: notes["ask_at"].as_i64()?, is_second, tries })
    }

    /// Its id.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// Whether it is the second one of which nothing becomes known: it is taken, and may be processed yet.
    pub fn is_second(&self) -> bool {
        self.is_second
    }

    /// Whether it has been asked about often enough.
    pub fn is_overdue(&self) -> bool {
        self.misses > PAUSES.len()
    }

    /// Whether a later try has left nothing about it: Opsgenie has said that it was not done, or the process ended.
    pub fn is_over(&self, job: &Job<'_>) -> bool {
        job.tries > self.tries.saturating_add(1)
    }

    /// What is left of the pause, where the queue made the delivery due before its end.
    pub fn too_early(&self, job: &Job<'_>) -> Option<Duration> {
        let rest = Timestamp::from_millis(self.ask_at).since(job.now);
        // More than a pause is left only where a clock was set.
        (!rest.is_zero() && rest <= PAUSES[PAUSES.len() - 1]).then_some(rest)
    }

    /// Opsgenie does not know it yet.
    pub fn missed(mut self, job: &Job<'_>) -> Outcome {
        let pause = PAUSES.get(self.misses).copied().unwrap_or(FIRST_PAUSE);
        self.misses += 1;
        self.ask_at = job.now.plus(pause).as_millis();
        self.pending(job, pause)
    }

    /// It is asked about after the pause.
    pub fn pending(&self, job: &Job<'_>, pause: Duration) -> Outcome {
        Outcome::Pending {
            reason: "Opsgenie has the request, and has not said yet that it is processed".to_owned(),
            after: pause,
            progress: self.noted(job),
        }
    }

    /// The outcome of a question that says nothing about it: it is asked again.
    pub fn unanswered(&self, job: &Job<'_>, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Retry { reason, after, scope, .. } => {
                Outcome::Retry { reason, after, scope, progress: self.noted(job) }
            }
            other => other,
        }
    }

    fn noted(&self, job: &Job<'_>) -> Progress {
        Progress(json!({
            "request": self.request, "order": self.order, "misses": self.misses, "ask_at": self.ask_at,
            "second": self.is_second, "tries": job.tries,
        }))
    }
}

/// What Opsgenie says about a request.
pub enum Processed {
    /// It is done, or there is nothing to do.
    Done,
    /// It is not processed yet.
    NotYet,
    /// Anything else.
    Over(Outcome),
}

/// What the answer about a request means; `table` holds why processing fails.
pub fn read(answer: &Answer<'_>, table: &[ErrorRow]) -> Processed {
    let body = answer.json().filter(Value::is_object);
    match (answer.reply.status, body) {
        (200, Some(body)) => match is_success(data_of(&body)) {
            Some(true) => Processed::Done,
            Some(false) => over(reply::failure(answer, table, &data_of(&body)["status"])),
            None => Processed::Over(answer.unknown("Opsgenie did not say what became of a request")),
        },
        (404, Some(body)) if is_not_yet(&body["message"]) => Processed::NotYet,
        // The key may write and not read, or there is no such question below this base: Jira Service Management documents
        // none. That it was taken is all there is to know.
        (403 | 404, _) => Processed::Done,
        _ => over(reply::refusal(answer, errors::ALERT)),
    }
}

fn over(outcome: Option<Outcome>) -> Processed {
    outcome.map_or(Processed::Done, Processed::Over)
}

/// What an answer is about; Jira Service Management leaves the wrapping out.
pub fn data_of(body: &Value) -> &Value {
    if body["data"].is_object() { &body["data"] } else { body }
}

/// `Request not found. It might not be processed, yet.`
fn is_not_yet(message: &Value) -> bool {
    message.as_str().is_some_and(|message| message.to_ascii_lowercase().starts_with("request not found"))
}

fn is_success(data: &Value) -> Option<bool> {
    data["isSuccess"].as_bool().or_else(|| data["success"].as_bool())
}

/// It becomes part of an address, so nothing else may.
fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Most requests are processed by then.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// After each question that came too early.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];
