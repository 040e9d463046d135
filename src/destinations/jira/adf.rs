//! The parts of a text as an Atlassian Document: what Jira Cloud takes. Text nodes are text and nothing else, so there is nothing
//! to escape.

use serde_json::{Value, json};

use super::part::Part;
use crate::destinations::render::{Piece, truncate, utc};

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
