//! An incident as alerts: created, acknowledged, closed.
//!
//! A request with the alias of an open alert notifies no person, so what is worse is an alert of its own, under an alias of its
//! own. Counts are never sent. A try that gets a 202 ends; what became of the request is asked for in the next one.

use super::processing::{self, Processed, Taken};
use super::{NAME, Opsgenie, PACE, by_alias, content, errors, reply};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Message, Next, Notifier, Pace, Reply, Step, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Outcome, Reference, Telling};

impl Notifier for Opsgenie {
    fn class(&self) -> NotifierClass {
        NotifierClass::Pager
    }

    fn fingerprint(&self) -> [u8; 16] {
        let address = self.base.as_str().trim_end_matches('/').as_bytes();
        fingerprint::of(&[b"opsgenie", address, self.api_key.expose()])
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        let Some(order) = self.order(telling) else {
            return Next::Done(classify::not_supported(NAME, telling.intent.operation));
        };
        match Taken::of(job, &order.token) {
            Some(taken) if !taken.is_overdue() && !taken.is_over(job) => match taken.too_early(job) {
                Some(rest) => Next::Done(taken.pending(job, rest)),
                None => self.ask(&taken),
            },
            Some(taken) if taken.is_second() && !taken.is_over(job) => Next::Done(order.delivered()),
            // The request was lost, was not done, or it is not known what became of it.
            Some(_) if order.is_trigger() => self.look(&order),
            None if order.is_trigger() && classify::in_doubt(job) => self.look(&order),
            _ => self.send(job, telling, &order),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let Some(order) = self.order(telling) else {
            return Next::Done(classify::not_supported(NAME, telling.intent.operation));
        };
        match step {
            LOOK => self.looked(job, telling, &order, reply),
            ASK => Next::Done(self.asked(job, &order, reply)),
            _ => Next::Done(self.sent(job, &order, reply)),
        }
    }
}

/// What is asked for, about which alert.
struct Order {
    operation: Operation,
    alias: String,
    /// By which the notes of its requests are told from those of others, and of other accounts.
    token: String,
}

impl Order {
    fn is_trigger(&self) -> bool {
        matches!(self.operation, Operation::Trigger { .. })
    }

    /// It is done; a new alert is known by its alias.
    fn delivered(&self) -> Outcome {
        Outcome::Delivered { remote: self.is_trigger().then(|| Reference::named(self.alias.clone())) }
    }
}

impl Opsgenie {
    /// What is asked for; `None` for what a pager has not.
    fn order(&self, telling: &Telling<'_>) -> Option<Order> {
        let operation = telling.intent.operation;
        let (action, page) = match operation {
            Operation::Trigger { page } => (CREATE, page),
            Operation::AcknowledgePage { page } => (ACKNOWLEDGE, page),
            Operation::ResolvePage { page } => (CLOSE, page),
            _ => return None,
        };
        // No slash: the alias becomes part of an address, where proxies take an escaped one apart.
        let alias = format!("{}-{page}", telling.incident.id);
        let token = fingerprint::of(&[&self.fingerprint(), action.as_bytes(), alias.as_bytes()]);
        Some(Order { operation, alias, token: hex::encode(&token[..4]) })
    }

    fn send(&self, job: &Job<'_>, telling: &Telling<'_>, order: &Order) -> Next {
        let change = |action| by_alias(self.post(&[&order.alias, action], &content::change(job, telling)));
        match order.operation {
            Operation::AcknowledgePage { .. } => Next::Send(ACKNOWLEDGE, change("acknowledge")),
            Operation::ResolvePage { .. } => Next::Send(CLOSE, change("close")),
            _ => Next::Send(CREATE, Message::Http(self.post(&[], &self.alert(job, telling, &order.alias)))),
        }
    }

    /// Asks for an alert with the alias, which an earlier try may have made.
    fn look(&self, order: &Order) -> Next {
        Next::Send(LOOK, by_alias(self.get(&[&order.alias])))
    }

    /// Asks what became of a request.
    fn ask(&self, taken: &Taken) -> Next {
        Next::Send(ASK, Message::Http(self.get(&["requests", taken.request()])))
    }

    fn sent(&self, job: &Job<'_>, order: &Order, reply: &Reply) -> Outcome {
        // Harmless again because of the alias, but what is unknown stays unknown on the operator's screen.
        let reply = match classify::http(job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        if (200..300).contains(&reply.status) {
            let answer = self.answer(job, reply, Again::Doubled);
            return match Taken::by(&answer, job, &order.token, Taken::of(job, &order.token).as_ref()) {
                Some(taken) => taken.pending(job, processing::FIRST_PAUSE),
                None => answer.unknown(&format!("Opsgenie answered {} without the id of a request", reply.status)),
            };
        }
        let table = if order.is_trigger() { errors::ALERT } else { errors::CHANGE };
        reply::refusal(&self.answer(job, reply, Again::Harmless), table).unwrap_or_else(|| order.delivered())
    }

    fn looked(&self, job: &Job<'_>, telling: &Telling<'_>, order: &Order, reply: &Reply) -> Next {
        let reply = match classify::http(job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let answer = self.answer(job, reply, Again::Harmless);
        let is_there = answer.json().is_some_and(|body| processing::data_of(&body)["alias"] == order.alias);
        match reply.status {
            200 if is_there => Next::Done(order.delivered()),
            // Not there, or not to be seen: sent again, it folds into an alert that is there all the same.
            403 | 404 => self.send(job, telling, order),
            200 => Next::Done(answer.unknown("Opsgenie did not show the alert in its JSON")),
            _ => match reply::refusal(&answer, errors::ALERT) {
                Some(outcome) => Next::Done(outcome),
                None => self.send(job, telling, order),
            },
        }
    }

    fn asked(&self, job: &Job<'_>, order: &Order, reply: &Reply) -> Outcome {
        let taken = Taken::of(job, &order.token);
        let unanswered = |outcome| match &taken {
            Some(taken) => taken.unanswered(job, outcome),
            None => outcome,
        };
        let reply = match classify::http(job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return unanswered(outcome),
        };
        let answer = self.answer(job, reply, Again::Harmless);
        let table = if order.is_trigger() { errors::PROCESSED_ALERT } else { errors::PROCESSED_CHANGE };
        match (processing::read(&answer, table), taken) {
            (Processed::Done, _) => order.delivered(),
            (Processed::Over(outcome), Some(taken)) => taken.unanswered(job, outcome),
            (Processed::Over(outcome), None) => outcome,
            (Processed::NotYet, Some(taken)) => taken.missed(job),
            (Processed::NotYet, None) => answer.unknown("Opsgenie was asked about no request"),
        }
    }
}

const CREATE: Step = "create";
const ACKNOWLEDGE: Step = "acknowledge";
const CLOSE: Step = "close";
const LOOK: Step = "look";
const ASK: Step = "ask";

#[cfg(test)]
mod tests;
