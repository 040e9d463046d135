//! An ADF document as people read it.

use serde_json::Value;

use crate::standins::shape::{elements_of, text_of};
use crate::standins::terminal::{Line, Tone};

/// The document, block by block, with a blank line between blocks of different kinds.
pub(super) fn lines(document: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    for node in elements_of(document, "content") {
        if !lines.is_empty() {
            lines.push(Line::normal(""));
        }
        lines.extend(block(node));
    }
    lines
}

fn block(node: &Value) -> Vec<Line> {
    match text_of(node, "type") {
        "paragraph" => vec![Line::normal(inline(node))],
        "heading" => vec![Line::new(Tone::Strong, inline(node))],
        "codeBlock" => prefixed("    ", vec![Line::normal(inline(node))]),
        "rule" => vec![Line::new(Tone::Faint, "─".repeat(40))],
        "bulletList" => items(node, |_| "• ".to_owned()),
        "orderedList" => items(node, |number| format!("{number}. ")),
        "blockquote" => prefixed("> ", blocks(node)),
        "panel" => prefixed("▌ ", blocks(node)),
        "table" => elements_of(node, "content").iter().map(row).collect(),
        "expand" | "nestedExpand" => {
            let title = Line::new(Tone::Strong, format!("▾ {}", text_of(&node["attrs"], "title")));
            std::iter::once(title).chain(prefixed("  ", blocks(node))).collect()
        }
        _ => blocks(node),
    }
}

fn blocks(node: &Value) -> Vec<Line> {
    elements_of(node, "content").iter().flat_map(block).collect()
}

fn items(list: &Value, bullet: impl Fn(usize) -> String) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, item) in elements_of(list, "content").iter().enumerate() {
        let bullet = bullet(index + 1);
        let under = " ".repeat(bullet.chars().count());
        for (place, line) in prefixed("", blocks(item)).into_iter().enumerate() {
            let lead = if place == 0 { &bullet } else { &under };
            lines.push(Line::new(line.tone, format!("{lead}{}", line.text)));
        }
    }
    lines
}

/// Puts the prefix before every row, also before those that a line break within a line makes.
fn prefixed(prefix: &str, lines: Vec<Line>) -> Vec<Line> {
    let rows = lines.iter().flat_map(|line| line.text.split('\n').map(|row| (line.tone, row)));
    rows.map(|(tone, row)| Line::new(tone, format!("{prefix}{row}"))).collect()
}

/// A row of two cells is a label and its value; any other is a row of columns.
fn row(row: &Value) -> Line {
    let cell = |cell| blocks(cell).into_iter().map(|line| line.text).collect::<Vec<_>>().join(" ");
    let cells: Vec<String> = elements_of(row, "content").iter().map(cell).collect();
    match cells.as_slice() {
        [label, value] => Line::normal(format!("{label}: {value}")),
        cells => Line::normal(cells.join(" │ ")),
    }
}

fn inline(node: &Value) -> String {
    elements_of(node, "content").iter().map(word).collect()
}

fn word(node: &Value) -> String {
    let attrs = &node["attrs"];
    match text_of(node, "type") {
        "hardBreak" => "\n".to_owned(),
        "inlineCard" => text_of(attrs, "url").to_owned(),
        "mention" => format!("@{}", text_of(attrs, "text").trim_start_matches('@')),
        "status" => format!("[{}]", text_of(attrs, "text")),
        "emoji" => text_of(attrs, "shortName").to_owned(),
        "date" => date(text_of(attrs, "timestamp")),
        _ => linked(node),
    }
}

fn date(millis: &str) -> String {
    let time = millis.parse().map(crate::domain::Timestamp::from_millis);
    time.map(|time| time.to_human()).unwrap_or_default()
}

/// Text, with the target beside it where it is a link that says something else.
fn linked(node: &Value) -> String {
    let text = text_of(node, "text");
    let href = elements_of(node, "marks").iter().find(|mark| mark["type"] == "link");
    match href.map(|mark| text_of(&mark["attrs"], "href")) {
        Some(href) if href != text => format!("{text} ({href})"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_reads_like_a_ticket() {
        let words = |text: &str| json!([{"type": "paragraph", "content": [{"type": "text", "text": text}]}]);
        let document = json!({"type": "doc", "version": 1, "content": [
            {"type": "heading", "attrs": {"level": 2}, "content": [{"type": "text", "text": "What happened"}]},
            {"type": "paragraph", "content": [
                {"type": "text", "text": "a"}, {"type": "hardBreak"},
                {"type": "text", "text": "Open", "marks": [{"type": "link", "attrs": {"href": "https://a.example"}}]}]},
            {"type": "orderedList", "content": [
                {"type": "listItem", "content": words("one")},
                {"type": "listItem", "content": [words("two")[0], {"type": "codeBlock", "content": [{"type": "text", "text": "x\ny"}]}]}]},
            {"type": "panel", "attrs": {"panelType": "info"}, "content": words("mind")},
            {"type": "table", "content": [
                {"type": "tableRow", "content": [{"type": "tableHeader", "content": words("Actor")}, {"type": "tableCell", "content": words("1.2.3.4")}]},
                {"type": "tableRow", "content": [{"type": "tableCell", "content": words("a")}, {"type": "tableCell", "content": words("b")}, {"type": "tableCell", "content": words("c")}]}]},
            {"type": "expand", "attrs": {"title": "Request"}, "content": words("GET /")},
        ]});
        let text: Vec<String> = lines(&document).into_iter().map(|line| line.text).collect();
        assert_eq!(
            text.join("\n"),
            "What happened\n\na\nOpen (https://a.example)\n\n1. one\n2. two\n       x\n       y\n\n▌ mind\n\n\
             Actor: 1.2.3.4\na │ b │ c\n\n▾ Request\n  GET /"
        );
    }
}
