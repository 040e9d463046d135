//! A mail as HTML: no images, no scripts, nothing from elsewhere. The only links are the vendor's own, which are shown as what
//! they are.

use super::notice::{Notice, Part};
use crate::destinations::render::{Piece, Words, utc};
use crate::domain::{Link, Severity};

/// The document, one element a line.
pub fn render(notice: &Notice) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"></head>\n");
    out.push_str("<body style=\"font-family:sans-serif;font-size:14px;line-height:1.4\">\n");
    let (colour, first_line) = (colour(notice.severity), escape(&notice.first_line));
    out.push_str(&format!("<p style=\"border-left:6px solid {colour};padding-left:8px\"><b>{first_line}</b></p>\n"));
    for part in &notice.parts {
        block(part, &mut out);
    }
    out.push_str("</body></html>\n");
    out
}

fn block(part: &Part, out: &mut String) {
    match part {
        Part::Note(text) => out.push_str(&format!("<p><b>{}</b></p>\n", escape(text))),
        Part::Own(text) => out.push_str(&format!("<p style=\"white-space:pre-wrap\">{}</p>\n", escape(text))),
        Part::Origin(text) => {
            out.push_str(&format!("<p style=\"color:#666666;font-size:12px\">{}</p>\n", escape(text)));
        }
        Part::Lines(lines) => paragraph(lines.iter().map(words), out),
        Part::Quote { name, text } => {
            let text = escape(text);
            out.push_str(&format!("<p><b>{name}</b></p>\n<pre style=\"white-space:pre-wrap\">{text}</pre>\n"));
        }
        Part::Facts(facts) => {
            paragraph(facts.iter().map(|(name, value)| format!("{}: {}", escape(name), code(value))), out);
        }
        Part::Links(links) => paragraph(links.iter().map(anchor), out),
    }
}

fn paragraph(lines: impl Iterator<Item = String>, out: &mut String) {
    let lines = lines.collect::<Vec<_>>().join("<br>\n");
    if !lines.is_empty() {
        out.push_str(&format!("<p>{lines}</p>\n"));
    }
}

fn words(words: &Words) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Ours(text) => escape(text),
        Piece::Strong(text) => format!("<b>{}</b>", escape(text)),
        Piece::Value(text) => code(text),
        Piece::Time(time) => utc(*time, None),
    };
    words.pieces().iter().map(text).collect()
}

fn code(value: &str) -> String {
    format!("<code>{}</code>", escape(value))
}

/// The address itself is the text of the link: a title that names another one misleads no reader.
fn anchor(link: &Link) -> String {
    let url = escape(&link.url);
    format!("{}: <a href=\"{url}\" rel=\"noopener noreferrer\">{url}</a>", escape(&link.title))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal | Severity::Critical => "#d72638",
        Severity::High => "#f08700",
        Severity::Medium => "#e8c500",
        Severity::Low => "#2e86de",
        Severity::Informational | Severity::Unknown | Severity::Other => "#999999",
    }
}
