//! The workflow: which transitions a ticket offers, and what they do.

use serde_json::{Value, json};

use super::super::wire::{Answer, Arrived};
use super::{Jira, done, refuse};

impl Jira {
    pub(super) fn transitions(&mut self, key: &str) -> Answer {
        match self.issue(key) {
            Ok(issue) => {
                let offered = TRANSITIONS.iter().filter(|(_, _, from, _)| from.contains(&issue.status));
                let offered: Vec<Value> =
                    offered.map(|(id, name, _, to)| json!({"id": id, "name": name, "to": {"name": to}})).collect();
                Answer::json(200, &json!({"expand": "transitions", "transitions": offered}))
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) fn transition(&mut self, key: &str, request: &Arrived, body: &Value) -> Answer {
        if let Err(refusal) = self.issue(key).map(|_| ()).and_then(|()| self.admit(key, request)) {
            return refusal;
        }
        // Other clients send the id as a number, and no fields as an object that is empty.
        let id = match &body["transition"]["id"] {
            Value::Number(id) => id.to_string(),
            id => id.as_str().unwrap_or_default().to_owned(),
        };
        let is_no_more = |(name, value): (&String, &Value)| name == "transition" || *value == json!({});
        if id.is_empty() || !body.as_object().is_some_and(|body| body.iter().all(is_no_more)) {
            return Answer::json(400, &json!({"errorMessages": ["Missing 'transition' identifier"], "errors": {}}));
        }
        let issue = match self.issue(key) {
            Ok(issue) => issue,
            Err(refusal) => return refusal,
        };
        match TRANSITIONS.iter().find(|(known, _, from, _)| *known == id && from.contains(&issue.status)) {
            Some((_, _, _, to)) => {
                issue.status = to;
                done()
            }
            None => refuse(400, &format!("Transition id '{id}' is not valid for this issue.")),
        }
    }
}

/// The transitions: id, name, from which statuses, to which.
const TRANSITIONS: [(&str, &str, &[&str], &str); 3] = [
    ("11", "Start", &["To Do"], "In Progress"),
    ("21", "Done", &["To Do", "In Progress"], "Done"),
    ("31", "Reopen", &["Done"], "To Do"),
];
