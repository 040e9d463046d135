//! What is in a ticket and in a work note: plain text, within the lengths of the columns.
//!
//! ServiceNow shows `[code]` in work notes as HTML, and `@[…]` as a mention: both are broken up wherever they come from.

use crate::destinations::render::{
    Fact, Form, IncidentSummary, Own, Words, growth, newest, news, news_of_whole, truncate, who_and_what,
};
use crate::domain::{Change, Job, Link, Telling};

/// The description of a ticket: how it stands when it is made, by headings.
pub fn description(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary, follows: Option<&str>) -> String {
    let mut text = String::new();
    for extent in &EXTENTS {
        text = harmless(&sections(job, telling, incident, follows, extent).join("\n\n"));
        if text.encode_utf16().count() <= TEXT_CHARS_MAX {
            break;
        }
    }
    truncate::chars(&text, TEXT_CHARS_MAX).into_owned()
}

/// A work note: what is new against what was told before, never the whole again; and the mark by which it is found.
pub fn note(job: &Job<'_>, telling: &Telling<'_>, repeat: Option<&str>, mark: &str) -> String {
    let mut lines: Vec<String> = repeat.map(str::to_owned).into_iter().collect();
    let room = TEXT_CHARS_MAX.saturating_sub(mark.len() + 2);
    let own = Own::of(telling.wording);
    if let Some(text) = &own.text {
        lines.push(text.clone());
        lines.extend(own.fields.iter().flatten().map(|field| format!("- {}: {}", field.name, field.value)));
        return format!("{}\n\n{mark}", truncate::chars(&harmless(&lines.join("\n")), room));
    }
    let change = telling.intent.change;
    let news = if change == Change::Update { Some(growth(telling)) } else { news(job, telling) };
    lines.extend(news.as_ref().map(plain));
    if matches!(change, Change::Update | Change::Repeat) {
        lines.extend(who_and_what(telling));
        lines.extend(newest(telling).as_ref().map(plain));
    }
    let text = harmless(&lines.join("\n"));
    format!("{}\n\n{mark}", truncate::chars(&text, room))
}

/// How the incident ended, for the ticket's close notes.
pub fn close_notes(job: &Job<'_>, telling: &Telling<'_>) -> String {
    let text = news(job, telling).map_or_else(|| "Resolved.".to_owned(), |words| plain(&words));
    truncate::chars(&harmless(&text), CLOSE_NOTES_CHARS_MAX).into_owned()
}

/// One line.
pub fn short_description(incident: &IncidentSummary) -> String {
    let title = harmless(&incident.lasting_title(SHORT_DESCRIPTION_CHARS_MAX - BREAKS_CHARS_MAX));
    truncate::chars(&title, SHORT_DESCRIPTION_CHARS_MAX).into_owned()
}

fn sections(
    job: &Job<'_>,
    telling: &Telling<'_>,
    incident: &IncidentSummary,
    follows: Option<&str>,
    extent: &Extent,
) -> Vec<String> {
    let (event, is_events) = (&incident.event, incident.form == Form::Events);
    let short = |words: &Words| plain(&words.shortened(extent.value_chars_max));
    let mut head: Vec<String> = event.notes.iter().map(|note| (*note).to_owned()).collect();
    let cut = |text: &str| truncate::chars(text, extent.value_chars_max).into_owned();
    let fact = |fact: &Fact| format!("- {}: {}", cut(&fact.name), cut(&fact.value));
    if let Some(own) = incident.own_text(2 * extent.text_chars_max) {
        head.push(own);
        head.extend(follows.map(|number| format!("Follows {number}")));
        let fields: Vec<String> = incident.own.fields.iter().flatten().map(fact).collect();
        let all = [head.join("\n"), fields.join("\n"), where_from(incident, &incident.links, is_events, &cut)];
        return all.into_iter().filter(|section| !section.is_empty()).collect();
    }
    head.push(incident.rank.to_string());
    head.extend(news_of_whole(job, telling).iter().chain(&incident.standing).map(short));
    head.extend(follows.map(|number| format!("Follows {number}")));
    let mut sections = vec![head.join("\n")];
    let mut section = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            sections.push(format!("{heading}\n{}", lines.join("\n")));
        }
    };
    let text = |text: &Option<String>| {
        let text = text.as_ref().filter(|_| is_events);
        text.map(|text| truncate::chars(text, extent.text_chars_max).into_owned()).into_iter().collect::<Vec<_>>()
    };
    section("What happened", text(&event.message));
    let facts = incident.facts.iter().chain(&event.labels).take(extent.facts_max).filter(|_| is_events);
    let facts: Vec<String> = match &incident.own.fields {
        Some(fields) => fields.iter().map(fact).collect(),
        None => facts.map(fact).collect(),
    };
    section("Who and what", incident.action().as_ref().map(short).into_iter().chain(facts).collect());
    section("How often", incident.extent.iter().chain(&incident.parts).map(short).collect());
    section("What it means", text(&event.impact));
    section("What to do", text(&event.remediation));
    let said = incident.said().into_iter().map(|(name, text)| format!("{name}: {text}"));
    let runbook = incident.runbook.as_ref().map(|link| format!("{}: {}", link.title, link.url));
    section("Owner and runbook", said.chain(runbook).collect());
    let evidence = text(&event.evidence);
    sections.push(where_from(incident, incident.vendor_links(), is_events, &cut));
    if !evidence.is_empty() {
        sections.push(format!("Excerpt, credentials redacted\n{}", evidence.join("\n")));
    }
    sections
}

/// Where it came from, the way back, and the pages to open.
fn where_from(incident: &IncidentSummary, links: &[Link], is_events: bool, cut: &dyn Fn(&str) -> String) -> String {
    let event = &incident.event;
    let when = is_events.then(|| format!("{} · event {}", event.when, event.event));
    let links = links.iter().map(|link| format!("{}: {}", cut(&link.title), link.url));
    let origin = [cut(&incident.origin)].into_iter().chain(when).chain(incident.lookup.clone()).chain(links);
    format!("Where it came from\n{}", origin.collect::<Vec<_>>().join("\n"))
}

/// A ticket is read for days: times have their date.
fn plain(words: &Words) -> String {
    words.plain(None)
}

/// An invisible space behind every bracket that begins a `[code]`, a `[/code]` or a mention.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        harmless.push(c);
        if c == '[' && (before == '@' || begins_code(&text[at + 1..])) {
            harmless.push('\u{200b}');
        }
        before = c;
    }
    harmless
}

fn begins_code(rest: &str) -> bool {
    let rest = rest.trim_start().trim_start_matches('/').trim_start();
    rest.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("code"))
}

/// How much of everything goes into a description.
struct Extent {
    text_chars_max: usize,
    value_chars_max: usize,
    facts_max: usize,
}

/// From generous to what fits in most cases; what is longer still loses its end, which is the excerpt.
const EXTENTS: [Extent; 4] = [
    Extent { text_chars_max: 1500, value_chars_max: 300, facts_max: 40 },
    Extent { text_chars_max: 800, value_chars_max: 200, facts_max: 20 },
    Extent { text_chars_max: 400, value_chars_max: 120, facts_max: 12 },
    Extent { text_chars_max: 200, value_chars_max: 60, facts_max: 6 },
];

/// Of `description` and of a work note.
pub const TEXT_CHARS_MAX: usize = 4000;
pub const SHORT_DESCRIPTION_CHARS_MAX: usize = 160;
/// 4,000 in new instances, 1,000 in old ones.
pub const CLOSE_NOTES_CHARS_MAX: usize = 1000;
/// Room for what breaks up brackets in a title.
const BREAKS_CHARS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_html_or_a_mention_is_broken_up() {
        for (text, wanted) in [
            ("[code]<b>x</b>[/code]", "[\u{200b}code]<b>x</b>[\u{200b}/code]"),
            ("[CoDe] [ code ] [ / code ]", "[\u{200b}CoDe] [\u{200b} code ] [\u{200b} / code ]"),
            ("@[Ann Lee]", "@[\u{200b}Ann Lee]"),
            ("[[code]]", "[[\u{200b}code]]"),
            ("a[0] [cod [é", "a[0] [cod [é"),
            ("[", "["),
        ] {
            assert_eq!(harmless(text), wanted);
            assert_eq!(harmless(wanted).replace('\u{200b}', ""), text, "it stays harmless");
        }
    }
}
