//! An incident as an Adaptive Card, and the message around it.
//!
//! The opening shows the whole incident; every other message repeats rank, title and number, then says what is new.

use serde_json::{Value, json};

use super::markup::{buttons, continued, escape, facts, faint, heading, paragraph, run, strong, words};
use super::size;
use crate::destinations::hook::{Form, Shape};
use crate::destinations::render::{ChatMessage, truncate};
use crate::destinations::uncertain::Marked;
use crate::domain::{Job, Operation, Telling};

/// The message about a change, with the longest texts that Teams takes.
pub fn message(job: &Job<'_>, telling: &Telling<'_>, form: Form) -> String {
    let chat = ChatMessage::of(job, telling);
    let chat = if form.marked == Marked::PossibleRepeat { chat.possible_repeat() } else { chat };
    let is_opening = matches!(telling.intent.operation, Operation::Create { .. });
    if form.shape == Shape::Full {
        for room in ROOMS {
            let document = envelope(&chat, body(&chat, is_opening, room), room.links);
            if size::fits(&document) {
                return document;
            }
        }
    }
    let chat = chat.in_built_in_words();
    envelope(&chat, least(&chat), 0)
}

/// How much of each there may be.
#[derive(Clone, Copy)]
struct Room {
    /// Characters of a text of several lines.
    text_chars: usize,
    /// Characters of a value within a line.
    value_chars: usize,
    /// Links.
    links: usize,
}

impl Room {
    const fn of(text_chars: usize, value_chars: usize, links: usize) -> Self {
        Self { text_chars, value_chars, links }
    }

    /// Of one text in the place of several lines and texts.
    fn own_chars(self) -> usize {
        300 + 4 * self.text_chars
    }
}

fn envelope(chat: &ChatMessage, body: Vec<Value>, links_max: usize) -> String {
    let links = chat.incident.links.get(..links_max).unwrap_or(&chat.incident.links);
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        // It may hold Markdown, too.
        "fallbackText": escape(&chat.first_line(HEADING_CHARS_MAX)),
        "msteams": { "width": "Full" },
        "body": body,
    });
    let buttons = buttons(links);
    if !buttons.is_empty() {
        card["actions"] = Value::Array(buttons);
    }
    let attachment =
        json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] }).to_string()
}

fn body(chat: &ChatMessage, is_opening: bool, room: Room) -> Vec<Value> {
    let mut all = head(chat);
    let lines = if is_opening { chat.opening_lines() } else { chat.news_lines() };
    let (known, more_labels) = if is_opening { chat.facts() } else { (Vec::new(), 0) };
    let own = chat.own_text(room.own_chars()).unwrap_or_default();
    let own: Vec<&str> = own.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() && known.is_empty() && own.is_empty() {
        all.push(words(&chat.least(), room.value_chars, chat.now));
    }
    all.extend(lines.iter().map(|line| words(line, room.value_chars, chat.now)));
    // Runs know no line breaks, so each line is a paragraph.
    all.extend(own.iter().map(|line| paragraph(vec![run(line)])));
    if !known.is_empty() {
        all.push(facts(&known, more_labels, room.value_chars));
    }
    let is_whole = is_opening || chat.is_raise();
    let texts = if is_whole { chat.texts(room.text_chars) } else { chat.said(room.text_chars) };
    all.extend(texts.iter().flat_map(|(name, text)| named_text(name, text)));
    all.push(origin(chat));
    all
}

/// Rank, title and number, and the way back: what any form of it says.
fn least(chat: &ChatMessage) -> Vec<Value> {
    let news = chat.news.iter().map(|news| words(news, VALUE_CHARS_MIN, chat.now));
    head(chat).into_iter().chain(news).chain([origin(chat)]).collect()
}

fn head(chat: &ChatMessage) -> Vec<Value> {
    let incident = &chat.incident;
    let first = heading(&chat.first_line(HEADING_CHARS_MAX), incident.rank.severity, incident.state);
    let title = chat.title_beyond(HEADING_CHARS_MAX).map(|title| paragraph(vec![run(&title)]));
    let notes = incident.event.notes.iter().map(|note| paragraph(vec![strong(note)]));
    [first].into_iter().chain(title).chain(notes).collect()
}

/// Runs know no line breaks, so each line is a paragraph.
fn named_text(name: &str, text: &str) -> Vec<Value> {
    let mut lines = text.lines();
    let first = paragraph(vec![strong(&format!("{name}: ")), run(lines.next().unwrap_or_default())]);
    [first].into_iter().chain(lines.map(|line| continued(vec![run(line)]))).collect()
}

fn origin(chat: &ChatMessage) -> Value {
    paragraph(vec![faint(&truncate::chars(&chat.origin(), ORIGIN_CHARS_MAX))])
}

/// From all that is wanted to what fits however much space each character takes.
const ROOMS: [Room; 5] =
    [Room::of(600, 150, 3), Room::of(300, 150, 3), Room::of(100, 100, 2), Room::of(0, 60, 1), Room::of(0, 20, 0)];
const VALUE_CHARS_MIN: usize = 20;
/// What a phone shows of a heading in three lines.
const HEADING_CHARS_MAX: usize = 150;
const ORIGIN_CHARS_MAX: usize = 700;
