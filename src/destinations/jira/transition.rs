//! The status of a ticket: it follows the incident where the operator has named a transition, and people's decision everywhere.

use serde_json::{Value, json};

use super::create::Creation;
use super::reference::{LEFT, delivered, issue_of, nothing_there};
use super::reply::{self, Change};
use super::{Jira, NAME, errors, is_number};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Next, Reply, Step};
use crate::domain::{IncidentState, Job, Outcome, Telling};

/// What the incident's state asks of the ticket.
enum Wanted<'a> {
    /// Closed, by this transition.
    Closed(&'a str),
    /// Not closed; by this transition, else a new ticket.
    Open(Option<&'a str>),
    /// As people have it.
    Unchanged,
}

impl Jira {
    pub fn transition(&self, telling: &Telling<'_>) -> Next {
        match (issue_of(telling), self.wanted(telling)) {
            (None, _) => Next::Done(nothing_there()),
            (Some(_), Wanted::Unchanged) => Next::Done(Outcome::Delivered { remote: None }),
            (Some(issue), _) => Next::Send(STATUS, self.get(&format!("/issue/{issue}"), "fields=status")),
        }
    }

    pub fn transitioned(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let again = if step == TRANSITION { Again::Doubled } else { Again::Harmless };
        let reply = match classify::http(job, NAME, again, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let answer = self.answer(job, reply, again);
        match (reply::change(&answer, errors::CHANGE), step) {
            (Change::Done(Some(issue)), STATUS) => match issue.pointer("/fields/status/statusCategory/key") {
                Some(category) => self.decide(job, telling, *category == "done"),
                None => Next::Done(answer.unknown("Jira did not show the status of the ticket")),
            },
            (Change::Done(Some(body)), TRANSITIONS) => self.choose(telling, &body),
            (Change::Done(_), TRANSITION) => Next::Done(Outcome::Delivered { remote: None }),
            (Change::Done(_), _) => Next::Done(answer.unknown("Jira did not show the ticket")),
            (Change::Left(reason), _) => Next::Done(delivered(telling, LEFT, Some(&reason))),
            (Change::Over(outcome), _) => Next::Done(outcome),
        }
    }

    /// A new ticket for an incident that is back while its old one stays closed.
    pub fn follower<'a>(&self, job: &'a Job<'a>, telling: &Telling<'_>) -> Creation<'a> {
        self.ticket(job, telling, &format!("reopened {}", telling.incident.reopenings))
    }

    fn wanted(&self, telling: &Telling<'_>) -> Wanted<'_> {
        match telling.incident.state {
            IncidentState::Resolved => self.resolve_transition.as_deref().map_or(Wanted::Unchanged, Wanted::Closed),
            IncidentState::Open | IncidentState::Acknowledged => Wanted::Open(self.reopen_transition.as_deref()),
            IncidentState::Quiet => Wanted::Unchanged,
        }
    }

    fn decide(&self, job: &Job<'_>, telling: &Telling<'_>, is_closed: bool) -> Next {
        let Some(issue) = issue_of(telling) else { return Next::Done(nothing_there()) };
        match (self.wanted(telling), is_closed) {
            (Wanted::Closed(_), false) | (Wanted::Open(Some(_)), true) => {
                Next::Send(TRANSITIONS, self.get(&format!("/issue/{issue}/transitions"), ""))
            }
            (Wanted::Open(None), true) => self.make(&self.follower(job, telling)),
            // What people have closed is left closed, and what they have open is open.
            _ => Next::Done(Outcome::Delivered { remote: None }),
        }
    }

    /// The transition of that name or id among those that the workflow offers now.
    fn choose(&self, telling: &Telling<'_>, body: &Value) -> Next {
        let Some(issue) = issue_of(telling) else { return Next::Done(nothing_there()) };
        let (Wanted::Closed(name) | Wanted::Open(Some(name))) = self.wanted(telling) else {
            return Next::Done(Outcome::Delivered { remote: None });
        };
        let offered = body["transitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_named = |transition: &&Value| {
            let text = |key: &str| transition[key].as_str().unwrap_or_default();
            text("id") == name || !is_number(name) && text("name").trim().eq_ignore_ascii_case(name.trim())
        };
        match offered.iter().find(is_named).and_then(|transition| transition["id"].as_str()) {
            Some(id) => {
                let document = json!({ "transition": { "id": id } });
                Next::Send(TRANSITION, self.post(&format!("/issue/{issue}/transitions"), &document))
            }
            None => {
                let why = format!("the ticket's workflow does not offer the transition '{name}' in its present status");
                Next::Done(delivered(telling, LEFT, Some(&why)))
            }
        }
    }
}

/// Whether it is a step of a transition, and none of a new ticket.
pub fn is_own(step: Step) -> bool {
    [STATUS, TRANSITIONS, TRANSITION].contains(&step)
}

pub const STATUS: Step = "status";
pub const TRANSITIONS: Step = "transitions";
pub const TRANSITION: Step = "transition";
