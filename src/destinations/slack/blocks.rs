//! A summary of one event in Slack's shape: Block Kit, and the plain text below it.

use serde_json::{Value, json};

use super::markup::{
    BLOCKS_BYTES_MAX, EXCERPT_CHARS_MAX, EXCERPT_LINES_MAX, HEADER_CHARS_MAX, SECTION_CHARS_MAX, buttons, code, escape,
    name, plain, section, serialized_len, symbol,
};
use crate::destinations::render::{Fact, Summary, truncate};

/// The blocks: header, who and what, message, what to do, excerpt, when and where, button. Serialized they stay below
/// [`BLOCKS_BYTES_MAX`].
pub fn blocks(summary: &Summary) -> Vec<Value> {
    let mut all = Vec::new();
    for texts_chars_max in [1500, 600, 150, 0] {
        all = with_texts(summary, texts_chars_max);
        if serialized_len(&all) <= BLOCKS_BYTES_MAX {
            break;
        }
    }
    all
}

/// The same in one text, for notifications and for clients and errors that take no blocks. Escaped.
pub fn text(summary: &Summary) -> String {
    let mut lines = vec![format!("{} {}", symbol(summary.severity), truncate::chars(&summary.headline(), 400))];
    lines.extend(summary.notes.iter().map(|note| (*note).to_owned()));
    lines.push(match &summary.action {
        Some(action) => truncate::chars(&action.to_string(), 600).into_owned(),
        None => truncate::chars(&summary.origin(), 300).into_owned(),
    });
    lines.extend(
        facts(summary).map(|fact| truncate::chars(&format!("{}: {}", fact.name, fact.value), 200).into_owned()),
    );
    lines.extend(more_labels(summary));
    lines.extend(summary.message.as_deref().map(|message| truncate::chars(message, 1000).into_owned()));
    lines.extend(remedy(summary, 300));
    lines.extend(excerpt(summary, 500));
    lines.push(summary.when_and_where());
    lines.extend(summary.link.as_ref().map(|link| link.url.clone()));
    escape(&lines.join("\n"))
}

fn with_texts(summary: &Summary, texts_chars_max: usize) -> Vec<Value> {
    let headline = format!("{} {}", symbol(summary.severity), summary.headline());
    let shown = truncate::chars(&headline, HEADER_CHARS_MAX);
    let mut all = vec![json!({ "type": "header", "text": plain(&shown) })];
    if shown != headline {
        all.push(section(plain(&truncate::chars(&summary.title, 600))));
    }
    all.extend(summary.notes.iter().map(|note| section(plain(note))));
    all.push(section(json!({ "type": "mrkdwn", "text": who_and_what(summary), "verbatim": true })));
    if texts_chars_max > 0 {
        let message = summary.message.as_deref().map(|message| truncate::chars(message, texts_chars_max).into_owned());
        let remedy = remedy(summary, texts_chars_max.min(REMEDY_CHARS_MAX));
        let excerpt = excerpt(summary, texts_chars_max.min(EXCERPT_CHARS_MAX));
        all.extend([message, remedy, excerpt].into_iter().flatten().map(|text| section(plain(&text))));
    }
    all.push(json!({ "type": "context", "elements": [plain(&summary.when_and_where())] }));
    all.extend(buttons(summary.link.as_slice()));
    all
}

/// `who` → `what`, or who says so and what they call it; below it the facts.
fn who_and_what(summary: &Summary) -> String {
    let first = match &summary.action {
        Some(action) => {
            [&action.who, &action.what].into_iter().flatten().map(|side| code(side)).collect::<Vec<_>>().join(" → ")
        }
        None => format!("{} · {}", code(&summary.vendor), code(&summary.kind)),
    };
    // The names of agent, rule and status are ours, those of labels are not: all are treated alike.
    let told = facts(summary).map(|fact| format!("{} {}", name(&fact.name), code(&fact.value)));
    let facts: Vec<String> = told.chain(more_labels(summary)).collect();
    let mut text = first;
    for (index, fact) in facts.iter().enumerate() {
        let separator = if index == 0 { "\n" } else { " · " };
        if text.encode_utf16().count() + fact.encode_utf16().count() + separator.len() > SECTION_CHARS_MAX {
            break;
        }
        text.push_str(separator);
        text.push_str(fact);
    }
    text
}

/// The facts, and a few labels after them.
fn facts(summary: &Summary) -> impl Iterator<Item = &Fact> {
    summary.facts.iter().chain(summary.few_labels().0)
}

fn more_labels(summary: &Summary) -> Option<String> {
    let more = summary.few_labels().1;
    (more > 0).then(|| format!("{more} more label{}", if more == 1 { "" } else { "s" }))
}

/// What to do, in a few lines: the whole of it is in the ticket and in the store.
fn remedy(summary: &Summary, chars_max: usize) -> Option<String> {
    let remedy = truncate::lines(summary.remediation.as_deref()?, REMEDY_LINES_MAX, chars_max);
    Some(format!("What to do: {remedy}"))
}

/// The beginning of what was seen, redacted like everything in a summary.
fn excerpt(summary: &Summary, chars_max: usize) -> Option<String> {
    let excerpt = truncate::lines(summary.evidence.as_deref()?, EXCERPT_LINES_MAX, chars_max);
    Some(format!("Excerpt, credentials redacted:\n{excerpt}"))
}

const REMEDY_LINES_MAX: usize = 3;
const REMEDY_CHARS_MAX: usize = 400;
