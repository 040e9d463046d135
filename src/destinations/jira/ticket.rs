//! An incident as a ticket: made once, commented on, and brought up to date only where people have left it to gatepost.

use serde_json::{Value, json};

use super::create::{Creation, label};
use super::description::description;
use super::reference::{LEFT, PRIORITY, delivered, is_key, issue_of, noted, nothing_there};
use super::reply::{self, Change};
use super::{Jira, NAME, PACE, Priorities, SUMMARY_CHARS_MAX, errors, priority, transition};
use crate::destinations::classify::{self, Again};
use crate::destinations::render::{IncidentSummary, news_of_whole};
use crate::destinations::{Next, Notifier, Pace, Reply, Step, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Outcome, Telling};

impl Notifier for Jira {
    fn class(&self) -> NotifierClass {
        NotifierClass::Ticket
    }

    /// The tickets are those of the project, under any account: they are not made anew when a token is replaced.
    fn fingerprint(&self) -> [u8; 16] {
        let address = self.base.as_str().trim_end_matches('/').as_bytes();
        fingerprint::of(&[b"jira", address, self.project.as_bytes()])
    }

    fn former_fingerprint(&self) -> Option<[u8; 16]> {
        let address = self.base.as_str().trim_end_matches('/').as_bytes();
        Some(fingerprint::of(&[b"jira", address, self.project.as_bytes(), self.authorization.expose()]))
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match telling.intent.operation {
            Operation::Create { number } => self.make(&self.ticket(job, telling, &format!("{number}"))),
            Operation::Reply { number, .. } => self.comment(job, telling, number),
            Operation::Edit => self.edit(telling),
            Operation::Transition => self.transition(telling),
            other => Next::Done(classify::not_supported(NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        match telling.intent.operation {
            Operation::Create { number } => {
                let next = self.made(&self.ticket(job, telling, &format!("{number}")), step, reply);
                self.with_priority(telling, step, next)
            }
            Operation::Reply { number, .. } => self.commented(job, telling, number, step, reply),
            Operation::Edit => self.edited(job, telling, step, reply),
            Operation::Transition if transition::is_own(step) => self.transitioned(job, telling, step, reply),
            Operation::Transition => {
                let next = self.made(&self.follower(job, telling), step, reply);
                self.with_priority(telling, step, next)
            }
            other => Next::Done(classify::not_supported(NAME, other)),
        }
    }
}

impl Jira {
    /// The ticket of a notification; `name` tells the tickets of one notification apart.
    pub fn ticket<'a>(&self, job: &'a Job<'a>, telling: &Telling<'_>, name: &str) -> Creation<'a> {
        let incident = IncidentSummary::of(job, telling);
        let follows = telling.told.reference.as_ref().map(|reference| reference.name.clone()).filter(|key| is_key(key));
        let news = news_of_whole(job, telling);
        Creation {
            job,
            label: match telling.told.former_event_key() {
                Some(key) => label(key),
                None => label(&format!("{}/{name}", telling.notification)),
            },
            summary: incident.lasting_title(SUMMARY_CHARS_MAX),
            description: self.rich_text(|extent| description(&incident, news.as_ref(), follows.as_deref(), extent)),
            severity: incident.rank.severity,
            follows,
        }
    }

    /// Notes which priority gatepost has set, so that it can be told later whether people have changed it.
    pub fn with_priority(&self, telling: &Telling<'_>, step: Step, next: Next) -> Next {
        let set = match step {
            _ if self.priorities == Priorities::Unset => return next,
            super::create::CREATE => priority(telling.incident.rank.severity),
            super::create::SEARCH => intended_priority(telling),
            _ => return next,
        };
        match next {
            Next::Done(Outcome::Delivered { remote: Some(reference) }) => {
                Next::Done(Outcome::Delivered { remote: Some(noted(&reference, PRIORITY, Some(set))) })
            }
            next => next,
        }
    }

    /// The priority, where gatepost sets it and has done so on this ticket.
    fn edit(&self, telling: &Telling<'_>) -> Next {
        match (issue_of(telling), set_priority(telling)) {
            (None, _) => Next::Done(nothing_there()),
            (Some(issue), Some(_)) if self.priorities == Priorities::Set => {
                Next::Send(READ, self.get(&format!("/issue/{issue}"), "fields=priority"))
            }
            (Some(_), _) => Next::Done(Outcome::Delivered { remote: None }),
        }
    }

    fn edited(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let again = if step == READ { Again::Harmless } else { Again::Doubled };
        let reply = match classify::http(job, NAME, again, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let wanted = priority(telling.incident.rank.severity);
        let answer = self.answer(job, reply, again);
        match (reply::change(&answer, errors::CHANGE), step) {
            (Change::Done(Some(issue)), READ) => {
                self.compare(telling, wanted, issue.pointer("/fields/priority/name").and_then(Value::as_str))
            }
            (Change::Done(None), READ) => Next::Done(answer.unknown("Jira did not show the ticket")),
            (Change::Done(_), _) => Next::Done(delivered(telling, PRIORITY, Some(wanted))),
            (Change::Left(reason), _) => Next::Done(delivered(telling, LEFT, Some(&reason))),
            (Change::Over(outcome), _) => Next::Done(outcome),
        }
    }

    /// Sets the priority only where it is the one that gatepost has set.
    fn compare(&self, telling: &Telling<'_>, wanted: &str, present: Option<&str>) -> Next {
        let Some(issue) = issue_of(telling) else { return Next::Done(nothing_there()) };
        // A try of which the answer was lost has set what it was to set.
        let ours = [set_priority(telling), Some(intended_priority(telling))];
        match present {
            Some(present) if present == wanted => Next::Done(delivered(telling, PRIORITY, Some(wanted))),
            Some(present) if ours.contains(&Some(present)) => {
                let document = json!({ "fields": { "priority": { "name": wanted } } });
                Next::Send(EDIT, self.put(&format!("/issue/{issue}"), &document))
            }
            _ => Next::Done(delivered(telling, PRIORITY, None)),
        }
    }
}

fn set_priority<'a>(telling: &Telling<'a>) -> Option<&'a str> {
    telling.told.reference.as_ref()?.data.get(PRIORITY)?.as_str()
}

/// What the intent was to set when it was made.
fn intended_priority(telling: &Telling<'_>) -> &'static str {
    let then = telling.intent.then.shown.map_or(telling.incident.rank, |told| told.standing.rank);
    priority(then.severity)
}

pub const READ: Step = "read";
pub const EDIT: Step = "edit";

#[cfg(test)]
mod tests;
