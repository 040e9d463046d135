//! The state of a ticket: it follows the incident where the operator has asked for it, and people's decision everywhere.

use serde_json::{Value, json};

use super::create::Creation;
use super::reference::{LEFT, delivered, nothing_there, ticket_of};
use super::reply::{self, Said};
use super::{NAME, RESOLVED, ServiceNow, content, errors};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Method, Next, Reply, Step};
use crate::domain::{IncidentState, Job, Outcome, Telling};

/// What the incident's state asks of the ticket.
enum Wanted<'a> {
    /// Resolved, with this code.
    Resolved(&'a str),
    /// Not resolved: in this state, else a new ticket.
    Open(Option<&'a str>),
    /// As people have it.
    Unchanged,
}

impl ServiceNow {
    pub fn transition(&self, telling: &Telling<'_>) -> Next {
        match (ticket_of(telling), self.wanted(telling)) {
            (None, _) => Next::Done(nothing_there()),
            (Some(_), Wanted::Unchanged) => Next::Done(Outcome::Delivered { remote: None }),
            (Some(ticket), _) => {
                Next::Send(STATE, self.get(Some(ticket), &[("sysparm_fields", "sys_id,state,active")]))
            }
        }
    }

    pub fn transitioned(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let again = if step == STATE { Again::Harmless } else { Again::Doubled };
        let reply = match classify::http(job, NAME, again, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let answer = self.answer(job, reply, again);
        match (reply::read(&answer, errors::CHANGE), step) {
            (Said::Done(record), STATE) if record["state"].is_string() => self.decide(job, telling, &record),
            (Said::Done(_), STATE) => Next::Done(answer.unknown("ServiceNow did not show the state of the ticket")),
            (Said::Done(_), _) => Next::Done(Outcome::Delivered { remote: None }),
            (Said::Left(reason), _) => Next::Done(delivered(telling, LEFT, Some(&reason))),
            (Said::Over(outcome), _) => Next::Done(outcome),
        }
    }

    /// Whether people, or gatepost, have resolved, closed or cancelled it.
    pub fn is_closed(&self, record: &Value) -> bool {
        let state = record["state"].as_str().unwrap_or_default();
        let is_over = self.table == INCIDENT && OVER.contains(&state);
        is_over || state == self.resolve_state || is_inactive(record)
    }

    fn wanted(&self, telling: &Telling<'_>) -> Wanted<'_> {
        match telling.incident.state {
            IncidentState::Resolved => self.close_code.as_deref().map_or(Wanted::Unchanged, Wanted::Resolved),
            IncidentState::Open | IncidentState::Acknowledged => Wanted::Open(self.reopen_state.as_deref()),
            IncidentState::Quiet => Wanted::Unchanged,
        }
    }

    fn decide(&self, job: &Job<'_>, telling: &Telling<'_>, record: &Value) -> Next {
        let Some(ticket) = ticket_of(telling) else { return Next::Done(nothing_there()) };
        let change = |document: Value| {
            let url = self.address(Some(ticket), &[("sysparm_fields", "sys_id,state")]);
            Next::Send(CHANGE, self.send(Method::Patch, url, &document))
        };
        match (self.wanted(telling), self.is_closed(record)) {
            (Wanted::Resolved(code), false) => change(json!({
                "state": self.resolve_state,
                "close_code": code,
                "close_notes": content::close_notes(job, telling),
            })),
            // Only what is resolved can be taken up again: what is closed or cancelled is a record of the past.
            (Wanted::Open(Some(state)), true) if !is_inactive(record) => change(json!({ "state": state })),
            (Wanted::Open(_), true) => self.make(&Creation::follower(job, telling)),
            // What people have closed is left closed, and what they have open is open.
            _ => Next::Done(Outcome::Delivered { remote: None }),
        }
    }
}

fn is_inactive(record: &Value) -> bool {
    record["active"] == "false"
}

/// Whether it is a step of a change of state, and none of a new ticket.
pub fn is_own(step: Step) -> bool {
    [STATE, CHANGE].contains(&step)
}

const INCIDENT: &str = "incident";
/// Of the table `incident`: resolved, closed, cancelled.
const OVER: [&str; 3] = [RESOLVED, "7", "8"];
pub const STATE: Step = "state";
pub const CHANGE: Step = "change";
