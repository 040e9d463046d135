//! What a workflow's answer means.
//!
//! 202 with no body: the workflow was started. A workflow may also answer by itself, and one that stands behind an older
//! address answers 200 with the error in its text, so the status alone decides nothing.

use serde_json::Value;

use super::errors::WORKFLOW;
use crate::destinations::classify::Answer;
use crate::destinations::hook::{Verdict, by_table};
use crate::domain::Outcome;

/// What the answer means.
pub fn verdict(answer: &Answer<'_>) -> Verdict {
    let said = said(answer);
    match (answer.reply.status, said) {
        (200..300, Said::Nothing | Said::Something) => Verdict::Done(Outcome::Delivered { remote: None }),
        (200..300, Said::Unreadable) => {
            Verdict::Done(answer.unknown("Teams answered with something that no workflow says"))
        }
        (status, Said::Error { status: inner, words }) => {
            // The error inside counts, not the success around it.
            let status = if (200..300).contains(&status) { inner.unwrap_or(status) } else { status };
            by_table(WORKFLOW, answer, status, &words)
        }
        (status, _) => by_table(WORKFLOW, answer, status, &[]),
    }
}

/// What the body of an answer says.
enum Said {
    /// No body, or the `1` of older addresses.
    Nothing,
    /// An error, with the status that it stands for where it says one.
    Error { status: Option<u16>, words: Vec<String> },
    /// A document that is no error: the workflow's own answer.
    Something,
    /// Neither.
    Unreadable,
}

fn said(answer: &Answer<'_>) -> Said {
    let text = String::from_utf8_lossy(&answer.reply.body);
    let text = text.trim();
    if answer.reply.truncated {
        return Said::Unreadable;
    }
    if text.is_empty() || text == "1" {
        return Said::Nothing;
    }
    if let Some(status) = status_in(text) {
        return Said::Error { status: Some(status), words: Vec::new() };
    }
    match serde_json::from_str::<Value>(text) {
        Ok(document) => error_in(&document).unwrap_or(Said::Something),
        Err(_) => Said::Unreadable,
    }
}

/// `Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with …`
fn status_in(text: &str) -> Option<u16> {
    text.starts_with(FAILED).then_some(())?;
    let digits: String = text.split_once(HTTP_ERROR)?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|status| (300..600).contains(status))
}

/// `{"error":{"code":"…","message":"…"}}`, or the same without `error` around it.
fn error_in(document: &Value) -> Option<Said> {
    let error = match document.get("error") {
        Some(error) if !error.is_null() => error,
        _ => document.get("code").filter(|code| code.is_string()).map(|_| document)?,
    };
    let words = [error.get("code"), error.get("message"), Some(error)].into_iter().flatten().filter_map(Value::as_str);
    let status =
        ["statusCode", "status"].iter().find_map(|key| error.get(*key).or_else(|| document.get(*key))?.as_u64());
    let status = status.and_then(|status| u16::try_from(status).ok()).filter(|status| (300..600).contains(status));
    Some(Said::Error { status, words: words.map(str::to_owned).collect() })
}

const FAILED: &str = "Webhook message delivery failed";
const HTTP_ERROR: &str = "HTTP error ";
