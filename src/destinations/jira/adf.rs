//! A summary as an Atlassian Document: what Jira Cloud takes. Text nodes are text and nothing else, so there is nothing
//! to escape.

use serde_json::{Value, json};

use super::Extent;
use crate::destinations::render::{Summary, truncate};

/// The description: notes, who did what, facts, when and where, link; then what happened, what it means, what to do,
/// and the excerpt.
pub fn document(summary: &Summary, extent: &Extent) -> Value {
    let mut content: Vec<Value> = summary.notes.iter().map(|note| paragraph(vec![strong(note)])).collect();
    if let Some(action) = &summary.action {
        content.push(paragraph(vec![text(&truncate::chars(&action.to_string(), 2 * extent.value_chars_max))]));
    }
    content.push(paragraph(vec![text(&truncate::chars(&summary.origin(), extent.value_chars_max))]));
    let facts: Vec<Value> = summary
        .facts
        .iter()
        .chain(&summary.labels)
        .take(extent.facts_max)
        .map(|fact| {
            let name = text(&format!("{}: ", truncate::chars(&fact.name, extent.value_chars_max)));
            let value = code(&truncate::chars(&fact.value, extent.value_chars_max));
            json!({ "type": "listItem", "content": [paragraph(vec![name, value])] })
        })
        .collect();
    if !facts.is_empty() {
        content.push(json!({ "type": "bulletList", "content": facts }));
    }
    content.push(paragraph(vec![text(&summary.when_and_where())]));
    if let Some(link) = &summary.link {
        let marks = json!([{ "type": "link", "attrs": { "href": link.url } }]);
        let title = truncate::chars(&link.title, extent.value_chars_max);
        content.push(paragraph(vec![json!({ "type": "text", "text": title, "marks": marks })]));
    }
    for (heading, body) in sections(summary) {
        content.push(json!({ "type": "heading", "attrs": { "level": 3 }, "content": [text(heading)] }));
        content.push(paragraph(lines(&truncate::chars(body, extent.text_chars_max))));
    }
    if let Some(evidence) = &summary.evidence {
        content.push(json!({ "type": "heading", "attrs": { "level": 3 }, "content": [text(super::EXCERPT_HEADING)] }));
        let evidence = truncate::chars(evidence, extent.text_chars_max);
        content.push(json!({ "type": "codeBlock", "attrs": {}, "content": [text(&evidence)] }));
    }
    json!({ "type": "doc", "version": 1, "content": content })
}

/// The long texts with their headings.
pub fn sections(summary: &Summary) -> Vec<(&'static str, &str)> {
    let all = [
        ("What happened", summary.message.as_deref()),
        ("What it means", summary.impact.as_deref()),
        ("What to do", summary.remediation.as_deref()),
    ];
    all.into_iter().filter_map(|(heading, body)| Some((heading, body?))).collect()
}

fn paragraph(content: Vec<Value>) -> Value {
    json!({ "type": "paragraph", "content": content })
}

/// A line break inside a text node is none; it takes a node of its own. Empty text nodes are refused.
fn lines(body: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    for (index, line) in body.split('\n').enumerate() {
        if index > 0 {
            nodes.push(json!({ "type": "hardBreak" }));
        }
        if !line.is_empty() {
            nodes.push(text(line));
        }
    }
    nodes
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn strong(text: &str) -> Value {
    json!({ "type": "text", "text": text, "marks": [{ "type": "strong" }] })
}

/// `code` goes with no other mark.
fn code(text: &str) -> Value {
    json!({ "type": "text", "text": text, "marks": [{ "type": "code" }] })
}
