//! A summary as an Atlassian Document: what Jira Cloud takes. Text nodes are text and nothing else, so there is nothing
//! to escape.

use serde_json::{Value, json};

use super::Extent;
use super::description::Part;
use crate::destinations::render::{Piece, Summary, truncate, utc};

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

/// The parts of a ticket or a comment.
pub fn of(parts: &[Part]) -> Value {
    let content: Vec<Value> = parts.iter().map(part).collect();
    json!({ "type": "doc", "version": 1, "content": content })
}

fn part(part: &Part) -> Value {
    match part {
        Part::Strong(words) => paragraph(vec![strong(words)]),
        Part::Line(words) => paragraph(words.pieces().iter().filter_map(piece).collect()),
        Part::Heading(heading) => json!({ "type": "heading", "attrs": { "level": 3 }, "content": [text(heading)] }),
        Part::Text(body) => paragraph(lines(body)),
        Part::Code(body) => json!({ "type": "codeBlock", "attrs": {}, "content": [text(body)] }),
        Part::Facts(facts) => json!({ "type": "bulletList", "content": facts.iter().map(|fact| {
            let content = paragraph(vec![text(&format!("{}: ", fact.name)), code(&fact.value)]);
            json!({ "type": "listItem", "content": [content] })
        }).collect::<Vec<_>>() }),
        Part::Link(link) => {
            let marks = json!([{ "type": "link", "attrs": { "href": link.url } }]);
            paragraph(vec![
                json!({ "type": "text", "text": truncate::chars(&link.title, LINK_CHARS_MAX), "marks": marks }),
            ])
        }
        Part::Mark(mark) => paragraph(vec![text(mark)]),
    }
}

/// An empty text node is refused.
fn piece(piece: &Piece) -> Option<Value> {
    Some(match piece {
        Piece::Ours(words) if !words.is_empty() => text(words),
        Piece::Strong(words) if !words.is_empty() => strong(words),
        Piece::Value(value) if !value.is_empty() => code(value),
        // A ticket is read for days: the time has its date.
        Piece::Time(time) => text(&utc(*time, None)),
        _ => return None,
    })
}

const LINK_CHARS_MAX: usize = 80;

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
