//! The creation of a ticket, looked for before it is repeated.
//!
//! Each ticket has a correlation id of its own. After a try that may have arrived it is searched for. A request that was still
//! worked on when its answer was lost shows later, so that a miss counts only after searches with pauses in between. A
//! certain refusal needs no search.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::reference::{self, LEFT, PRIORITY, noted};
use super::reply::{self, Said};
use super::{NAME, ServiceNow, content, errors};
use crate::destinations::classify::{self, Again};
use crate::destinations::render::IncidentSummary;
use crate::destinations::{Method, Next, Reply, Step};
use crate::domain::{Job, Outcome, Progress, Reference, Scope, Severity, Telling, Timestamp};

/// A ticket to make.
pub struct Creation<'a> {
    /// The try.
    pub job: &'a Job<'a>,
    /// By which it is found again: our own, of letters, digits and hyphens.
    pub correlation: String,
    /// One line.
    pub short_description: String,
    /// Its content.
    pub description: String,
    /// Decides impact and urgency.
    pub severity: Severity,
    /// The id of the ticket that it follows.
    pub parent: Option<String>,
}

impl<'a> Creation<'a> {
    /// The ticket of a notification; `name` tells the tickets of one notification apart.
    pub fn of(job: &'a Job<'a>, telling: &Telling<'_>, name: &str) -> Self {
        let incident = IncidentSummary::of(job, telling);
        Self {
            job,
            correlation: correlation(&format!("{}/{name}", telling.notification)),
            short_description: content::short_description(&incident),
            description: content::description(job, telling, &incident, reference::number_of(telling)),
            severity: incident.rank.severity,
            parent: reference::ticket_of(telling).map(str::to_owned),
        }
    }

    /// A new ticket for an incident that is back while its old one stays closed.
    pub fn follower(job: &'a Job<'a>, telling: &Telling<'_>) -> Self {
        Self::of(job, telling, &format!("reopened {}", telling.incident.reopenings))
    }
}

impl ServiceNow {
    /// The first message of a try.
    pub fn make(&self, ticket: &Creation<'_>) -> Next {
        match (classify::in_doubt(ticket.job), too_early(ticket.job)) {
            (true, Some(rest)) => Next::Done(not_found_yet(rest, classify::carried(ticket.job))),
            (true, None) => self.search(ticket),
            (false, _) => self.create(ticket),
        }
    }

    /// What to make of a reply to one of the steps here.
    pub fn made(&self, ticket: &Creation<'_>, step: Step, reply: &Reply) -> Next {
        if step == SEARCH { self.searched(ticket, reply) } else { Next::Done(self.created(ticket, reply)) }
    }

    fn search(&self, ticket: &Creation<'_>) -> Next {
        // Of an alphabet that an encoded query needs no escaping for; `^` would begin another condition.
        let query = format!("correlation_id={}", ticket.correlation);
        let query = [("sysparm_query", query.as_str()), ("sysparm_limit", "1"), ("sysparm_fields", RECORD)];
        Next::Send(SEARCH, self.get(None, &query))
    }

    fn create(&self, ticket: &Creation<'_>) -> Next {
        let mut record: Map<String, Value> =
            self.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let (impact, urgency) = impact_and_urgency(ticket.severity);
        for (name, value) in [
            ("short_description", ticket.short_description.as_str()),
            ("description", &ticket.description),
            ("correlation_id", &ticket.correlation),
            ("correlation_display", CORRELATION_DISPLAY),
            ("impact", impact),
            ("urgency", urgency),
        ] {
            record.insert(name.to_owned(), json!(value));
        }
        if let Some(parent) = &ticket.parent {
            record.insert("parent".to_owned(), json!(parent));
        }
        let query = [("sysparm_fields", RECORD)];
        Next::Send(CREATE, self.send(Method::Post, self.address(None, &query), &Value::Object(record)))
    }

    fn created(&self, ticket: &Creation<'_>, reply: &Reply) -> Outcome {
        let reply = match classify::http(ticket.job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        let answer = self.answer(ticket.job, reply, Again::Doubled);
        match reply::read(&answer, errors::CREATE) {
            Said::Done(record) => match reference::of(&record) {
                Some(reference) => Outcome::Delivered { remote: Some(as_made(reference, ticket, &record)) },
                None => answer.unknown("ServiceNow answered without the id of the ticket"),
            },
            Said::Left(reason) => Outcome::Refused { reason },
            Said::Over(outcome) => outcome,
        }
    }

    fn searched(&self, ticket: &Creation<'_>, reply: &Reply) -> Next {
        let reply = match classify::http(ticket.job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let answer = self.answer(ticket.job, reply, Again::Harmless);
        let records = match reply::read(&answer, errors::CREATE) {
            Said::Done(Value::Array(records)) => records,
            Said::Done(_) => return Next::Done(answer.unknown("ServiceNow answered a search without a list")),
            Said::Left(reason) => return Next::Done(Outcome::Refused { reason }),
            Said::Over(outcome) => return Next::Done(outcome),
        };
        // An instance leaves out a condition that it does not understand, and then shows any ticket.
        let found = records.iter().find(|record| record["correlation_id"] == ticket.correlation.as_str());
        match found.and_then(reference::of) {
            Some(reference) => Next::Done(Outcome::Delivered { remote: Some(as_intended(reference, ticket)) }),
            None if records.is_empty() => self.missed(ticket),
            None => Next::Done(answer.misconfigured(
                "ServiceNow does not search the table by `correlation_id`, so a ticket that may exist cannot be looked \
                 for: set a `table` that extends task, and let the account read that field",
            )),
        }
    }

    /// Searches again after a pause, and creates after the last miss.
    fn missed(&self, ticket: &Creation<'_>) -> Next {
        let job = ticket.job;
        let misses = job.progress.0["misses"].as_u64().unwrap_or(0);
        let Some(pause) = usize::try_from(misses).ok().and_then(|misses| PAUSES.get(misses)) else {
            return self.create(ticket);
        };
        let mut progress = classify::carried(job);
        progress.0["misses"] = json!(misses + 1);
        progress.0["search_at"] = json!(job.now.plus(*pause).as_millis());
        Next::Done(not_found_yet(*pause, progress))
    }
}

/// With impact and urgency as the ticket has them: rules of the instance may have changed what was sent.
fn as_made(reference: Reference, ticket: &Creation<'_>, record: &Value) -> Reference {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let reference = match (text("impact"), text("urgency")) {
        ("", _) | (_, "") => reference,
        (impact, urgency) => noted(&reference, PRIORITY, Some(&truncated(impact, urgency))),
    };
    if record["correlation_id"] == ticket.correlation.as_str() {
        return reference;
    }
    noted(
        &reference,
        LEFT,
        Some("the table has kept no correlation id: after a lost answer a ticket is not found again"),
    )
}

fn truncated(impact: &str, urgency: &str) -> String {
    let short = |text: &str| text.chars().take(9).collect::<String>();
    format!("{}/{}", short(impact), short(urgency))
}

fn as_intended(reference: Reference, ticket: &Creation<'_>) -> Reference {
    noted(&reference, PRIORITY, Some(&priority(ticket.severity)))
}

fn not_found_yet(pause: Duration, progress: Progress) -> Outcome {
    Outcome::Retry {
        reason: "an earlier try may have made the ticket, which ServiceNow does not show yet".into(),
        after: Some(pause),
        scope: Scope::Delivery,
        progress,
    }
}

/// What is left of the pause after a miss, where the queue made the delivery due before its end.
fn too_early(job: &Job<'_>) -> Option<Duration> {
    let rest = Timestamp::from_millis(job.progress.0["search_at"].as_i64()?).since(job.now);
    // More than a pause is left only where a clock was set.
    (!rest.is_zero() && rest <= PAUSES[PAUSES.len() - 1]).then_some(rest)
}

/// The correlation id by which a ticket is found again: the same for every try that has the same name.
pub fn correlation(name: &str) -> String {
    format!("{CORRELATION_PREFIX}{}", hex::encode(&Sha256::digest(name.as_bytes())[..8]))
}

/// Of 1 (high) to 3 (low) each, from which an instance makes a priority of 1 to 5.
pub fn impact_and_urgency(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical | Severity::Fatal => ("1", "1"),
        Severity::High => ("2", "1"),
        Severity::Medium | Severity::Unknown | Severity::Other => ("2", "2"),
        Severity::Low => ("3", "2"),
        Severity::Informational => ("3", "3"),
    }
}

/// Both in one word: `2/1`.
pub fn priority(severity: Severity) -> String {
    let (impact, urgency) = impact_and_urgency(severity);
    format!("{impact}/{urgency}")
}

pub const SEARCH: Step = "search";
pub const CREATE: Step = "create";
/// The columns that are asked for.
const RECORD: &str = "sys_id,number,correlation_id,impact,urgency";
pub const CORRELATION_PREFIX: &str = "gatepost-";
const CORRELATION_DISPLAY: &str = "gatepost";
/// After each miss but the last. A search reads what is written; a request may be worked on for a while.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_is_made_of_its_name_alone() {
        // printf 00000000000000000000000000000002 | sha256sum | cut -c 1-16
        assert_eq!(correlation("00000000000000000000000000000002"), "gatepost-d2b1f1d83f0ad4f5");
        assert_ne!(correlation("a/1"), correlation("a/2"));
    }

    #[test]
    fn severities_make_priorities_from_1_to_5() {
        let words: Vec<String> = (0..=6).chain([99]).map(|id| priority(Severity::from_id(id))).collect();
        assert_eq!(words, ["2/2", "3/3", "3/2", "2/2", "2/1", "1/1", "1/1", "2/2"]);
    }
}
