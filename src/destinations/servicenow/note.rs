//! A work note, looked for before it is repeated: it ends with a mark, which is searched for among the ticket's work notes.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::create::CORRELATION_PREFIX;
use super::reference::{nothing_there, ticket_of};
use super::reply::{self, Said};
use super::{NAME, ServiceNow, content, errors};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Method, Next, Reply, Step};
use crate::domain::{Job, Outcome, Telling};

impl ServiceNow {
    pub fn note(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32) -> Next {
        let Some(ticket) = ticket_of(telling) else { return Next::Done(nothing_there()) };
        if classify::in_doubt(job) {
            // As people read them: all in one text, the newest first.
            let query = [("sysparm_fields", "sys_id,work_notes"), ("sysparm_display_value", "true")];
            return Next::Send(NOTES, self.get(Some(ticket), &query));
        }
        self.write(job, telling, number, NOTE)
    }

    pub fn noted(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32, step: Step, reply: &Reply) -> Next {
        let again = if step == NOTES { Again::Harmless } else { Again::Doubled };
        let reply = match classify::http(job, NAME, again, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let answer = self.answer(job, reply, again);
        if step == NOTES && reply.status == 200 && reply.is_too_long() {
            // The newest come first; what is longer than what is read of a reply may hold it all the same.
            let is_there = holds(&String::from_utf8_lossy(&reply.body), &mark(telling, number));
            let done = Next::Done(Outcome::Delivered { remote: None });
            return if is_there { done } else { self.write(job, telling, number, REPEAT) };
        }
        match (reply::read(&answer, errors::NOTE), step) {
            (Said::Done(record), NOTES) => self.looked(job, telling, number, &record),
            (Said::Done(_), _) => Next::Done(Outcome::Delivered { remote: None }),
            (Said::Left(reason), _) => Next::Done(Outcome::Refused { reason }),
            (Said::Over(outcome), _) => Next::Done(outcome),
        }
    }

    fn looked(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32, record: &Value) -> Next {
        match record["work_notes"].as_str() {
            Some(notes) if holds(notes, &mark(telling, number)) => Next::Done(Outcome::Delivered { remote: None }),
            Some(notes) if !notes.is_empty() || telling.told.replies == 0 => self.write(job, telling, number, NOTE),
            // Earlier ones do not show, so that this one would not show either.
            _ => self.write(job, telling, number, REPEAT),
        }
    }

    fn write(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32, step: Step) -> Next {
        let Some(ticket) = ticket_of(telling) else { return Next::Done(nothing_there()) };
        let repeat = (step == REPEAT).then_some(REPEAT_NOTE);
        let document = json!({ "work_notes": content::note(job, telling, repeat, &mark(telling, number)) });
        let url = self.address(Some(ticket), &[("sysparm_fields", "sys_id")]);
        Next::Send(step, self.send(Method::Patch, url, &document))
    }
}

/// `gatepost-3f9a2c1d-2`: short, and the same for every try of this note.
pub fn mark(telling: &Telling<'_>, number: u32) -> String {
    let digest = Sha256::digest(telling.notification.to_string().as_bytes());
    format!("{CORRELATION_PREFIX}{}-{number}", hex::encode(&digest[..4]))
}

/// Whether the mark is there, and not one with more digits.
fn holds(text: &str, mark: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| !text[at + mark.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

pub const NOTES: Step = "notes";
pub const NOTE: Step = "note";
pub const REPEAT: Step = "note-repeat";
const REPEAT_NOTE: &str = "Possible repeat: an earlier work note about this may have arrived.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_told_from_one_with_more_digits() {
        assert!(holds("x gatepost-0a-1\n", "gatepost-0a-1") && holds("gatepost-0a-12 gatepost-0a-1", "gatepost-0a-1"));
        assert!(!holds("gatepost-0a-12", "gatepost-0a-1") && !holds("", "gatepost-0a-1"));
    }
}
