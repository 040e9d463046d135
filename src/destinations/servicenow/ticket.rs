//! An incident as a ticket: made once, commented on, and brought up to date only where people have left it to gatepost.

use serde_json::{Value, json};

use super::create::{Creation, impact_and_urgency, priority};
use super::reference::{LEFT, PRIORITY, delivered, nothing_there, ticket_of};
use super::reply::{self, Said};
use super::{NAME, PACE, ServiceNow, errors, state};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Method, Next, Notifier, Pace, Reply, Step, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Outcome, Telling};

impl Notifier for ServiceNow {
    fn class(&self) -> NotifierClass {
        NotifierClass::Ticket
    }

    /// The tickets are those of the table, under any account: they are not made anew when a password is replaced.
    fn fingerprint(&self) -> [u8; 16] {
        let address = self.base.as_str().trim_end_matches('/').as_bytes();
        fingerprint::of(&[b"servicenow", address, self.table.as_bytes()])
    }

    fn former_fingerprint(&self) -> Option<[u8; 16]> {
        let address = self.base.as_str().trim_end_matches('/').as_bytes();
        let login = self.login.as_ref().map_or(&b"oauth"[..], |login| login.authorization.expose());
        Some(fingerprint::of(&[b"servicenow", address, self.table.as_bytes(), login]))
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match telling.intent.operation {
            Operation::Create { number } => self.make(&Creation::of(job, telling, &format!("{number}"))),
            Operation::Reply { number, .. } => self.note(job, telling, number),
            Operation::Edit => self.edit(telling),
            Operation::Transition => self.transition(telling),
            other => Next::Done(classify::not_supported(NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        match telling.intent.operation {
            Operation::Create { number } => self.made(&Creation::of(job, telling, &format!("{number}")), step, reply),
            Operation::Reply { number, .. } => self.noted(job, telling, number, step, reply),
            Operation::Edit => self.edited(job, telling, step, reply),
            Operation::Transition if state::is_own(step) => self.transitioned(job, telling, step, reply),
            Operation::Transition => self.made(&Creation::follower(job, telling), step, reply),
            other => Next::Done(classify::not_supported(NAME, other)),
        }
    }
}

impl ServiceNow {
    /// Impact and urgency, where they are still those that gatepost has set.
    fn edit(&self, telling: &Telling<'_>) -> Next {
        match (ticket_of(telling), set_priority(telling)) {
            (None, _) => Next::Done(nothing_there()),
            (Some(ticket), Some(_)) => {
                Next::Send(READ, self.get(Some(ticket), &[("sysparm_fields", "sys_id,impact,urgency,state,active")]))
            }
            (Some(_), None) => Next::Done(Outcome::Delivered { remote: None }),
        }
    }

    fn edited(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let again = if step == READ { Again::Harmless } else { Again::Doubled };
        let reply = match classify::http(job, NAME, again, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let wanted = priority(telling.incident.rank.severity);
        match (reply::read(&self.answer(job, reply, again), errors::CHANGE), step) {
            (Said::Done(record), READ) => self.compare(telling, &wanted, &record),
            (Said::Done(_), _) => Next::Done(delivered(telling, PRIORITY, Some(&wanted))),
            (Said::Left(reason), _) => Next::Done(delivered(telling, LEFT, Some(&reason))),
            (Said::Over(outcome), _) => Next::Done(outcome),
        }
    }

    fn compare(&self, telling: &Telling<'_>, wanted: &str, record: &Value) -> Next {
        let Some(ticket) = ticket_of(telling) else { return Next::Done(nothing_there()) };
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let present = format!("{}/{}", text("impact"), text("urgency"));
        // A try of which the answer was lost has set what it was to set.
        let is_ours = set_priority(telling) == Some(&present) || intended_priority(telling) == present;
        if present == wanted {
            return Next::Done(delivered(telling, PRIORITY, Some(wanted)));
        }
        if !is_ours || self.is_closed(record) {
            return Next::Done(delivered(telling, PRIORITY, None));
        }
        let (impact, urgency) = impact_and_urgency(telling.incident.rank.severity);
        let document = json!({ "impact": impact, "urgency": urgency });
        Next::Send(
            EDIT,
            self.send(Method::Patch, self.address(Some(ticket), &[("sysparm_fields", "sys_id")]), &document),
        )
    }
}

fn set_priority<'a>(telling: &Telling<'a>) -> Option<&'a str> {
    telling.told.reference.as_ref()?.data.get(PRIORITY)?.as_str()
}

/// What the intent was to set when it was made.
fn intended_priority(telling: &Telling<'_>) -> String {
    let then = telling.intent.then.shown.map_or(telling.incident.rank, |told| told.standing.rank);
    priority(then.severity)
}

pub const READ: Step = "read";
pub const EDIT: Step = "edit";

#[cfg(test)]
mod tests;
