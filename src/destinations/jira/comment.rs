//! A comment, looked for before it is repeated: it ends with a mark, which is searched for among the ticket's comments.

use sha2::{Digest, Sha256};

use super::description::difference;
use super::part::Part;
use super::reply::{self, Change};
use super::{Jira, LABEL_PREFIX, NAME, errors, reference};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Next, Reply, Step};
use crate::domain::{Job, Outcome, Telling};

impl Jira {
    pub fn comment(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32) -> Next {
        let Some(issue) = reference::issue_of(telling) else { return Next::Done(reference::nothing_there()) };
        if classify::in_doubt(job) {
            // The newest first: what was said since is little.
            let query = "orderBy=-created&maxResults=20";
            return Next::Send(COMMENTS, self.get(&format!("/issue/{issue}/comment"), query));
        }
        self.write(job, telling, number, COMMENT)
    }

    pub fn commented(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32, step: Step, reply: &Reply) -> Next {
        let again = if step == COMMENTS { Again::Harmless } else { Again::Doubled };
        let reply = match classify::http(job, NAME, again, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let answer = self.answer(job, reply, again);
        if step == COMMENTS && reply.status == 200 {
            let is_there = holds(&String::from_utf8_lossy(&reply.body), &mark(telling, number));
            return match (is_there, answer.json()) {
                (true, _) => Next::Done(Outcome::Delivered { remote: None }),
                (false, Some(body)) if body["comments"].is_array() && is_whole(&body) => {
                    self.write(job, telling, number, COMMENT)
                }
                // What is longer than what is read of a reply may hold it.
                (false, Some(_)) => self.write(job, telling, number, REPEAT),
                (false, None) if reply.is_too_long() => self.write(job, telling, number, REPEAT),
                (false, None) => Next::Done(answer.unknown("Jira did not show the ticket's comments in its JSON")),
            };
        }
        Next::Done(match reply::change(&answer, errors::COMMENT) {
            Change::Done(Some(body)) if reply.status == 201 && body["id"].is_string() => {
                Outcome::Delivered { remote: None }
            }
            Change::Done(_) => answer.unknown("Jira answered without the id of the comment"),
            Change::Left(reason) => Outcome::Refused { reason },
            Change::Over(outcome) => outcome,
        })
    }

    fn write(&self, job: &Job<'_>, telling: &Telling<'_>, number: u32, step: Step) -> Next {
        let Some(issue) = reference::issue_of(telling) else { return Next::Done(reference::nothing_there()) };
        let repeat = (step == REPEAT).then_some(REPEAT_NOTE);
        let body = self.rich_text(|extent| {
            let mut parts = difference(job, telling, repeat, extent);
            parts.push(Part::Mark(mark(telling, number)));
            parts
        });
        let document = serde_json::json!({ "body": body });
        Next::Send(step, self.post(&format!("/issue/{issue}/comment"), &document))
    }
}

/// `gatepost-3f9a2c1d-2`: short, and the same for every try of this comment.
pub fn mark(telling: &Telling<'_>, number: u32) -> String {
    let digest = Sha256::digest(telling.notification.to_string().as_bytes());
    format!("{LABEL_PREFIX}{}-{number}", hex::encode(&digest[..4]))
}

/// Whether the mark is there, and not one with more digits.
fn holds(text: &str, mark: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| !text[at + mark.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether the newest comments are among those that came: all came, or they came newest first.
fn is_whole(body: &serde_json::Value) -> bool {
    let comments = body["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let total = body["total"].as_u64().and_then(|total| usize::try_from(total).ok());
    let created = |comment: Option<&serde_json::Value>| comment.and_then(|c| c["created"].as_str()).map(str::to_owned);
    let is_newest_first = comments.len() > 1 && created(comments.first()) > created(comments.last());
    total.is_none_or(|total| total <= comments.len()) || is_newest_first
}

pub const COMMENTS: Step = "comments";
pub const COMMENT: Step = "comment";
pub const REPEAT: Step = "comment-repeat";
const REPEAT_NOTE: &str = "Possible repeat: an earlier comment about this may have arrived.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_told_from_one_with_more_digits() {
        assert!(holds("x gatepost-0a-1\"", "gatepost-0a-1") && holds("gatepost-0a-12 gatepost-0a-1", "gatepost-0a-1"));
        assert!(!holds("gatepost-0a-12", "gatepost-0a-1") && !holds("", "gatepost-0a-1"));
    }

    #[test]
    fn comments_are_enough_where_the_newest_are_among_them() {
        let body = |total: u64, created: &[&str]| {
            let comments: Vec<serde_json::Value> =
                created.iter().map(|created| serde_json::json!({ "created": created })).collect();
            serde_json::json!({ "comments": comments, "total": total })
        };
        assert!(is_whole(&body(0, &[])) && is_whole(&body(1, &["a"])) && is_whole(&body(9, &["b", "a"])));
        assert!(!is_whole(&body(9, &["a", "b"])) && !is_whole(&body(9, &["a"])));
    }
}
