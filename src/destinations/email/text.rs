//! A mail as plain text.

use super::notice::{Notice, Part};

/// The text, lines ended by `\n`. What came from outside and has several lines is indented: no line of it looks like one of
/// ours.
pub fn render(notice: &Notice) -> String {
    let mut blocks = vec![notice.first_line.clone()];
    blocks.extend(notice.parts.iter().map(block).filter(|block| !block.is_empty()));
    let mut text = blocks.join("\n\n");
    text.push('\n');
    text
}

fn block(part: &Part) -> String {
    match part {
        Part::Note(text) | Part::Origin(text) | Part::Own(text) => text.clone(),
        // A mail is read later: times have their date.
        Part::Lines(lines) => joined(lines.iter().map(|words| words.plain(None))),
        Part::Quote { name, text } => {
            joined([format!("{name}:")].into_iter().chain(text.lines().map(|line| format!("    {line}"))))
        }
        Part::Facts(facts) => joined(facts.iter().map(|(name, value)| format!("{name}: {value}"))),
        Part::Links(links) => joined(links.iter().map(|link| format!("{}: {}", link.title, link.url))),
    }
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}
