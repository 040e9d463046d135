//! The parts of a text as wiki markup: what Jira Data Center takes. Whatever is not ours is inside `{noformat}`, where only
//! `{noformat}` itself has a meaning; that one word is broken up.

use super::part::Part;
use crate::destinations::render::truncate;

/// The parts of a ticket or a comment. Lines and facts that follow each other share one `{noformat}`.
pub fn of(parts: &[Part]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut plain: Vec<String> = Vec::new();
    for part in parts {
        match part {
            // A ticket is read for days: the time has its date.
            Part::Line(words) => plain.push(words.plain(None)),
            Part::Facts(facts) => plain.extend(facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value))),
            other => {
                texts.extend((!plain.is_empty()).then(|| verbatim(&std::mem::take(&mut plain).join("\n"))));
                texts.push(one(other));
            }
        }
    }
    texts.extend((!plain.is_empty()).then(|| verbatim(&plain.join("\n"))));
    texts.join("\n\n")
}

fn one(part: &Part) -> String {
    match part {
        Part::Strong(words) => format!("*{words}*"),
        Part::Heading(heading) => format!("h3. {heading}"),
        Part::Text(body) | Part::Code(body) => verbatim(body),
        Part::Link(link) => format!("[{}|{}]", label(&link.title), address(&link.url)),
        Part::Mark(mark) => mark.clone(),
        Part::Line(_) | Part::Facts(_) => String::new(),
    }
}

fn verbatim(text: &str) -> String {
    format!("{{noformat}}\n{}\n{{noformat}}", without_end_marks(text))
}

/// Puts an invisible space behind every brace, so that no `{noformat}` is left in any case or context.
fn without_end_marks(text: &str) -> String {
    if text.to_ascii_lowercase().contains("noformat") { text.replace('{', "{\u{200b}") } else { text.to_owned() }
}

/// Link titles are ours; if one is not, its markup goes.
fn label(title: &str) -> String {
    let plain: String =
        title.chars().map(|c| if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',') { c } else { ' ' }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { "Open".to_owned() } else { truncate::chars(&plain, 75).into_owned() }
}

/// `!`, `~` and `*` are legal in a URL and mean something in wiki markup.
fn address(url: &str) -> String {
    url.replace('!', "%21").replace('~', "%7E").replace('*', "%2A")
}
