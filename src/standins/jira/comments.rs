//! The comments of a ticket: reading and writing.

use serde_json::{Value, json};

use super::super::Service;
use super::super::wire::{Answer, Arrived};
use super::{Dialect, Issue, Jira, create, query_of, refuse, self_url};

impl Jira {
    /// The comments, oldest first unless `orderBy` asks for the newest.
    pub(super) fn comments(&mut self, key: &str, request: &Arrived) -> Answer {
        let issue = match self.issue(key) {
            Ok(issue) => issue,
            Err(refusal) => return refusal,
        };
        let number = |name: &str, default: usize| query_of(request, name).map_or(Ok(default), |text| text.parse());
        let (Ok(start), Ok(size)) = (number("startAt", 0), number("maxResults", 50)) else {
            return refuse(400, "startAt and maxResults must be numbers");
        };
        let bodies = issue.comments.iter().zip(&issue.commented_at).enumerate();
        let mut all: Vec<Value> = bodies
            .map(|(index, (body, at))| json!({"id": comment_id(issue, index + 1), "created": at, "body": body}))
            .collect();
        match query_of(request, "orderBy").as_deref() {
            Some("-created") => all.reverse(),
            None | Some("created" | "+created") => {}
            Some(_) => return refuse(400, "The comments cannot be ordered by that"),
        }
        let total = all.len();
        let shown: Vec<Value> = all.into_iter().skip(start).take(size).collect();
        Answer::json(200, &json!({"startAt": start, "maxResults": size, "total": total, "comments": shown}))
    }

    pub(super) fn comment(&mut self, dialect: Dialect, key: &str, request: &Arrived, body: &Value) -> Answer {
        let Some(place) = self.issues.iter().position(|issue| issue.key == key || issue.id == key) else {
            return refuse(404, "Issue does not exist or you do not have permission to see it.");
        };
        if let Err(wait) = self.writes.admit(key, request.received_at) {
            return self.throttle(request, Some(wait)).header("RateLimit-Reason", "jira-per-issue-on-write");
        }
        if let Err(refusal) = create::check_comment(dialect, body) {
            return Answer::json(400, &refusal.to_json());
        }
        let issue = &mut self.issues[place];
        issue.comments.push(body["body"].clone());
        issue.commented_at.push(request.received_at);
        let id = comment_id(issue, issue.comments.len());
        let url = format!("{}/comment/{id}", self_url(dialect, request, &issue.id));
        Answer::json(201, &json!({"id": id, "self": url, "body": body["body"]}))
    }
}

fn comment_id(issue: &Issue, number: usize) -> String {
    format!("{}{number:03}", issue.id)
}
