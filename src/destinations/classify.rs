//! What a reply means for any destination: the part of every reply table that is the same.
//!
//! Destinations use it for replies without a row in their own tables. Reasons are sentences that an operator can act
//! on; the destination's credentials are removed from what is quoted, because receivers often repeat what they were
//! sent.

use std::time::Duration;

use serde_json::{Value, json};

use super::render::{redact, sanitize, truncate};
use super::{Fault, HttpReply, Reply};
use crate::domain::{Operation, Outcome, Progress, Repeat, Scope, Try};

/// Whether sending the same thing again does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It is a question, or the receiver folds repetitions: after a 5xx simply try again.
    Harmless,
    /// It would be there twice: after a 5xx it may have been taken.
    Doubled,
}

/// An HTTP reply to classify.
pub(super) struct Answer<'a> {
    /// The try it is about.
    pub attempt: Try<'a>,
    /// Who answered, as the operator says it: `Slack`.
    pub who: &'static str,
    /// What came back.
    pub reply: &'a HttpReply,
    /// Texts that no reason may repeat.
    pub secrets: Vec<String>,
    /// Whether the request may be repeated.
    pub again: Again,
}

impl Answer<'_> {
    /// The outcome that the status alone decides.
    pub fn by_status(&self) -> Outcome {
        let who = self.who;
        let status = self.reply.status;
        match status {
            300..400 => self.misconfigured(&format!(
                "{who} answered {status}, a redirect, and redirects are not followed: set the URL to its final address"
            )),
            401 => self.misconfigured(&format!("{who} refused the credentials (401): renew or correct them")),
            403 => self.misconfigured(&format!("{who} does not allow this (403): give the credentials the permission")),
            404 | 405 | 410 => {
                self.misconfigured(&format!("{who} has nothing at this address ({status}): correct the URL"))
            }
            407 => self.misconfigured("a proxy on the way wants credentials (407): set `proxy` and `proxy_password`"),
            408 | 425 => self.retry(Scope::Delivery, None, &format!("{who} asks to try again ({status})")),
            413 => self.refused(&format!("{who} finds the message too large (413)")),
            429 => self.retry(Scope::Destination, Some(RATE_LIMIT_PAUSE), &format!("{who} limits the rate (429)")),
            400..500 => self.refused(&format!("{who} refused the message ({status})")),
            500.. => self.server_error(),
            _ => self.unknown(&format!("{who} answered {status} with something unexpected")),
        }
    }

    /// Not taken. Waits at least as long as `Retry-After` says, else `fallback`.
    pub fn retry(&self, scope: Scope, fallback: Option<Duration>, reason: &str) -> Outcome {
        let after = self.reply.retry_after(self.attempt.now).or(fallback);
        Outcome::Retry { reason: self.with_quote(reason), after, scope, progress: carried(self.attempt) }
    }

    /// The fault is in the message.
    pub fn refused(&self, reason: &str) -> Outcome {
        Outcome::Refused { reason: self.with_quote(reason) }
    }

    /// What was made there is no longer there.
    pub fn gone(&self, reason: &str) -> Outcome {
        Outcome::Gone { reason: self.with_quote(reason) }
    }

    /// The fault is the operator's.
    pub fn misconfigured(&self, reason: &str) -> Outcome {
        Outcome::Misconfigured { reason: self.with_quote(reason), scope: Scope::Delivery }
    }

    /// The fault is the operator's, whatever is sent: no message is to blame.
    pub fn settings_at_fault(&self, reason: &str) -> Outcome {
        Outcome::Misconfigured { reason: self.with_quote(reason), scope: Scope::Destination }
    }

    /// It may have been taken.
    pub fn unknown(&self, reason: &str) -> Outcome {
        match self.again {
            Again::Harmless => self.retry(Scope::Delivery, None, reason),
            Again::Doubled => {
                let (scope, repeat, progress) = (Scope::Destination, Repeat::Freely, doubt(self.attempt));
                let after = self.reply.retry_after(self.attempt.now);
                Outcome::Unknown { reason: self.with_quote(reason), scope, repeat, after, progress }
            }
        }
    }

    /// The body as JSON; `None` when it is cut off or none.
    pub fn json(&self) -> Option<Value> {
        if self.reply.truncated { None } else { serde_json::from_slice(&self.reply.body).ok() }
    }

    /// The body without what must not be repeated, one line.
    pub fn quote(&self) -> Option<String> {
        let mut said = String::from_utf8_lossy(&self.reply.body).replace("\\/", "/");
        for secret in self.secrets.iter().filter(|secret| secret.len() >= SECRET_CHARS_MIN) {
            said = said.replace(secret.as_str(), "[secret]");
        }
        // Truncated before the slower redaction, with a margin for what that removes.
        let said = redact::text(&truncate::chars(&said, 2000));
        sanitize::line(&said).map(|line| truncate::chars(&line, QUOTE_CHARS_MAX).into_owned())
    }

    /// 502, 503 and 504 mean that the service is away; a 500 may be this one message's doing, and must not hold up others.
    fn server_error(&self) -> Outcome {
        let reason = format!("{} is in trouble ({})", self.who, self.reply.status);
        match (self.again, self.reply.status) {
            (Again::Doubled, _) => self.unknown(&reason),
            (Again::Harmless, 502..=504) => self.retry(Scope::Destination, None, &reason),
            (Again::Harmless, _) => self.retry(Scope::Delivery, None, &reason),
        }
    }

    fn with_quote(&self, reason: &str) -> String {
        match self.quote() {
            Some(quote) => format!("{reason}. It said: {quote}"),
            None => reason.to_owned(),
        }
    }
}

/// The HTTP reply, or the outcome where there is none.
pub(super) fn http<'r, 't>(
    attempt: impl Into<Try<'t>>,
    who: &str,
    again: Again,
    reply: &'r Reply,
) -> Result<&'r HttpReply, Outcome> {
    let attempt = attempt.into();
    match reply {
        Reply::Http(reply) => Ok(reply),
        Reply::Failed(fault) => Err(silence(attempt, who, again, fault)),
        Reply::NotSent(why) => {
            let reason = format!("{who} was sent nothing: {}", detail(why));
            Err(Outcome::Misconfigured { reason, scope: Scope::Destination })
        }
        Reply::Appended | Reply::Mailed(_) | Reply::Written => Err(mixed_up(attempt)),
    }
}

/// The reply to another kind of message.
pub(super) fn mixed_up<'t>(attempt: impl Into<Try<'t>>) -> Outcome {
    in_doubt_now(attempt, MIXED_UP.into())
}

/// No answer at all. What certainly did not arrive may be sent again, and so will everything else for this receiver
/// fail; what may have arrived is in doubt.
pub(super) fn silence<'t>(attempt: impl Into<Try<'t>>, who: &str, again: Again, fault: &Fault) -> Outcome {
    let attempt = attempt.into();
    let detail = detail(&fault.detail);
    match (fault.may_have_arrived, again) {
        (true, Again::Doubled) => {
            in_doubt_now(attempt, format!("{who} may have taken it, but no answer came: {detail}"))
        }
        _ => Outcome::Retry {
            reason: format!("{who} cannot be reached: {detail}"),
            after: None,
            scope: Scope::Destination,
            progress: carried(attempt),
        },
    }
}

/// The detail from `egress`, part of which may come from the peer.
fn detail(text: &str) -> String {
    let line = sanitize::line(text).unwrap_or_else(|| "no details".into());
    truncate::chars(&line, DETAIL_CHARS_MAX).into_owned()
}

/// It may have arrived; the next try looks for it first.
pub(super) fn in_doubt_now<'t>(attempt: impl Into<Try<'t>>, reason: String) -> Outcome {
    let (scope, repeat, progress) = (Scope::Destination, Repeat::Freely, doubt(attempt));
    Outcome::Unknown { reason, scope, repeat, after: None, progress }
}

/// The outcome of an operation that this kind of notifier has not.
pub(super) fn not_supported(who: &str, operation: Operation) -> Outcome {
    Outcome::Refused { reason: format!("{who} knows no {operation:?}: report this as a defect of gatepost") }
}

/// Whether an earlier try may have arrived, by the queue's account or by our own notes.
pub(super) fn in_doubt<'t>(attempt: impl Into<Try<'t>>) -> bool {
    let attempt = attempt.into();
    attempt.uncertain || attempt.progress.0["doubt"] == json!(true)
}

/// Since when there has been doubt, in milliseconds since the epoch.
pub(super) fn in_doubt_since<'t>(attempt: impl Into<Try<'t>>) -> Option<i64> {
    attempt.into().progress.0["since"].as_i64()
}

/// The notes of a try that was certainly not taken: an earlier doubt stays.
pub(super) fn carried<'t>(attempt: impl Into<Try<'t>>) -> Progress {
    let attempt = attempt.into();
    let mut notes = attempt.progress.clone();
    if in_doubt(attempt) {
        if !notes.0.is_object() {
            notes = Progress(json!({}));
        }
        notes.0["doubt"] = json!(true);
    }
    notes
}

/// The notes of a try that may have been taken: everything that was learned before is void, except when the doubt
/// began.
pub(super) fn doubt<'t>(attempt: impl Into<Try<'t>>) -> Progress {
    let attempt = attempt.into();
    let since = in_doubt_since(attempt).unwrap_or(attempt.now.as_millis());
    Progress(json!({ "doubt": true, "since": since }))
}

const MIXED_UP: &str = "the reply to another kind of message came back: restart gatepost and report this as a defect";
/// For those that limit the rate and do not say how long.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(1);
const QUOTE_CHARS_MAX: usize = 200;
const DETAIL_CHARS_MAX: usize = 400;
/// Shorter texts are words, and replacing them would garble the quote.
const SECRET_CHARS_MIN: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::Job;
    use crate::domain::OutcomeKind::{self, Misconfigured, Refused, Retry, Unknown};

    fn classified(status: u16, again: Again) -> Outcome {
        let event = testing::event("minimal");
        let job = testing::job(&event);
        let Reply::Http(reply) = testing::reply(status, "said s3cr3t-value") else { unreachable!() };
        let secrets = vec!["s3cr3t-value".to_owned()];
        Answer { attempt: (&job).into(), who: "Acme", reply: &reply, secrets, again }.by_status()
    }

    #[test]
    fn the_status_table() {
        let rows: &[(u16, Again, OutcomeKind, Option<Scope>)] = &[
            (301, Again::Doubled, Misconfigured, None),
            (308, Again::Harmless, Misconfigured, None),
            (400, Again::Doubled, Refused, None),
            (401, Again::Doubled, Misconfigured, None),
            (403, Again::Doubled, Misconfigured, None),
            (404, Again::Doubled, Misconfigured, None),
            (405, Again::Doubled, Misconfigured, None),
            (407, Again::Doubled, Misconfigured, None),
            (408, Again::Doubled, Retry, Some(Scope::Delivery)),
            (410, Again::Doubled, Misconfigured, None),
            (413, Again::Doubled, Refused, None),
            (418, Again::Doubled, Refused, None),
            (425, Again::Doubled, Retry, Some(Scope::Delivery)),
            (429, Again::Doubled, Retry, Some(Scope::Destination)),
            (500, Again::Doubled, Unknown, None),
            (503, Again::Doubled, Unknown, None),
            (500, Again::Harmless, Retry, Some(Scope::Delivery)),
            (503, Again::Harmless, Retry, Some(Scope::Destination)),
            (599, Again::Doubled, Unknown, None),
            (100, Again::Doubled, Unknown, None),
            (204, Again::Doubled, Unknown, None),
            (204, Again::Harmless, Retry, Some(Scope::Delivery)),
        ];
        for (status, again, kind, scope) in rows {
            let outcome = classified(*status, *again);
            assert_eq!(outcome.kind(), *kind, "{status}");
            if let (Outcome::Retry { scope: found, .. }, Some(scope)) = (&outcome, scope) {
                assert_eq!(found, scope, "{status}");
            }
            let reason = outcome.reason().unwrap();
            assert!(reason.contains("said [secret]") && !reason.contains("s3cr3t"), "{reason}");
        }
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept_whether_it_may_have_arrived_or_not() {
        let event = testing::event("minimal");
        let job = testing::job(&event);
        for again in [Again::Doubled, Again::Harmless] {
            let Reply::Http(reply) = testing::reply_with(503, &[("retry-after", "600")], "busy") else {
                unreachable!()
            };
            let answer = Answer { attempt: (&job).into(), who: "Acme", reply: &reply, secrets: Vec::new(), again };
            let outcome = answer.by_status();
            let (Outcome::Unknown { after, .. } | Outcome::Retry { after, .. }) =
                super::super::uncertain::bounded(&job, outcome)
            else {
                panic!("{again:?}")
            };
            assert_eq!(after, Some(Duration::from_secs(600)), "{again:?}");
        }
    }

    #[test]
    fn silence_is_told_apart_by_whether_it_may_have_arrived() {
        let event = testing::event("minimal");
        let job = testing::job(&event);
        let outcome = |may_have_arrived, again| {
            silence(&job, "Acme", again, &Fault { may_have_arrived, detail: "connection refused".into() })
        };
        assert!(matches!(outcome(false, Again::Doubled), Outcome::Retry { scope: Scope::Destination, .. }));
        assert!(matches!(outcome(true, Again::Harmless), Outcome::Retry { scope: Scope::Destination, .. }));
        let Outcome::Unknown { progress, .. } = outcome(true, Again::Doubled) else { panic!() };
        let later = Job { progress: &progress, ..job };
        assert!(in_doubt(&later) && !in_doubt(&job));
        assert_eq!(in_doubt_since(&later), Some(job.now.as_millis()));
        assert_eq!(http(&job, "Acme", Again::Doubled, &Reply::Appended).unwrap_err().kind(), Unknown);
    }

    #[test]
    fn who_is_not_trusted_stops_the_destination_and_blames_no_message() {
        let event = testing::event("minimal");
        let job = testing::job(&event);
        let why = format!("its certificate is for \u{1b}[31m{}", "x".repeat(100_000));
        for again in [Again::Doubled, Again::Harmless] {
            let outcome = http(&job, "Acme", again, &Reply::NotSent(why.clone())).unwrap_err();
            let Outcome::Misconfigured { reason, scope: Scope::Destination } = outcome else { panic!("{outcome:?}") };
            assert!(reason.starts_with("Acme was sent nothing: its certificate is for"), "{reason}");
            assert!(reason.chars().count() < 500 && !reason.contains('\u{1b}'), "{reason}");
        }
    }

    #[test]
    fn a_doubt_outlives_a_refusal() {
        let event = testing::event("minimal");
        let job = Job { uncertain: true, ..testing::job(&event) };
        let progress = carried(&job);
        assert!(in_doubt(&Job { uncertain: false, progress: &progress, ..job }));
        assert_eq!(carried(&Job { uncertain: false, ..job }), Progress::default());
    }
}
