//! The message of an incident, brought up to date.

use super::{Discord, at, errors, message, reply};
use crate::destinations::classify::{self, Again};
use crate::destinations::hook::{self, Hook, Shape, Verdict};
use crate::destinations::{HttpRequest, Message, Method, Next, Reply, Step};
use crate::domain::{Job, Outcome, Telling};

impl Discord {
    pub(super) fn edit(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step) -> Next {
        let Some(id) = reply::message_of(telling.told.reference.as_ref()) else {
            return Next::Done(Outcome::Gone { reason: NOT_KNOWN.to_owned() });
        };
        let shape = if step == EDIT_PLAIN { Shape::Plain } else { Shape::Full };
        let url = at(&self.url, &format!("{}/messages/{id}", self.url.path()));
        let document = message::state(job, telling, shape).to_string();
        Next::Send(step, Message::Http(HttpRequest::json(Method::Patch, url, document)))
    }

    pub(super) fn edited(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let reply = match classify::http(job, Self::NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::edited(&hook::answer(self, job, reply), errors::EDIT) {
            Verdict::Plainer(_) if step == EDIT => self.edit(job, telling, EDIT_PLAIN),
            Verdict::Plainer(outcome) | Verdict::Done(outcome) => Next::Done(outcome),
        }
    }
}

pub(super) const EDIT: Step = "edit";
pub(super) const EDIT_PLAIN: Step = "edit-plain";
const NOT_KNOWN: &str = "it is not known which message of Discord's is that of the incident";
