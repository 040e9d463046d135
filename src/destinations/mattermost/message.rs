//! An incident in Mattermost's shape. The first line is the text, which notifications show; everything else is in one attachment
//! below it, with a bar in the color of the severity.

use serde_json::{Value, json};

use super::markup::{escape, links, plain};
use crate::destinations::hook::{Form, Shape};
use crate::destinations::markdown::{facts, line};
use crate::destinations::render::{ChatMessage, truncate};
use crate::destinations::uncertain::Marked;
use crate::domain::{Job, Operation, Telling};

/// The message about a change, with the longest texts that Mattermost takes.
pub fn message(job: &Job<'_>, telling: &Telling<'_>, form: Form) -> Value {
    let chat = ChatMessage::of(job, telling);
    let chat = if form.marked == Marked::PossibleRepeat { chat.possible_repeat() } else { chat };
    let is_opening = matches!(telling.intent.operation, Operation::Create { .. });
    if form.shape == Shape::Full {
        for room in ROOMS {
            let attachment = attachment(&chat, is_opening, room);
            if attachment.to_string().encode_utf16().count() <= ATTACHMENT_CHARS_MAX {
                return json!({ "text": text(&chat), "attachments": [attachment] });
            }
        }
    }
    json!({ "text": least(&chat.in_built_in_words()) })
}

/// How much of each there may be.
#[derive(Clone, Copy)]
struct Room {
    /// Characters of a text of several lines, before they are escaped.
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

    /// Of one text in the place of several lines and texts, before it is escaped.
    fn own_chars(self) -> usize {
        300 + 4 * self.text_chars
    }
}

fn attachment(chat: &ChatMessage, is_opening: bool, room: Room) -> Value {
    let words = if is_opening { chat.opening_lines() } else { chat.news_lines() };
    let title = chat.title_beyond(TEXT_CHARS_MAX).map(|title| escape(&title));
    let notes = chat.incident.event.notes.iter().map(|note| format!("**{}**", escape(note)));
    let mut lines: Vec<String> = title.into_iter().chain(notes).collect();
    lines.extend(words.iter().map(|words| line(words, room.value_chars, chat.now, escape)));
    // Four spaces at the beginning would be a block of code.
    let own = chat.own_text(room.own_chars()).unwrap_or_default();
    lines.extend(own.lines().map(|line| escape(line.trim_start())));
    let (known, more_labels) = if is_opening { chat.facts() } else { (Vec::new(), 0) };
    if !known.is_empty() {
        lines.push(facts(&known, more_labels, room.value_chars, escape));
    }
    if lines.is_empty() {
        lines.push(line(&chat.least(), room.value_chars, chat.now, escape));
    }
    lines.extend(links(chat.incident.links.get(..room.links).unwrap_or(&chat.incident.links)));
    let is_whole = is_opening || chat.is_raise();
    let texts = if is_whole { chat.texts(room.text_chars) } else { chat.said(room.text_chars) };
    let field = |(name, text): &(&str, String)| json!({ "title": name, "value": escape(text), "short": false });
    let mut document = json!({
        "fallback": plain(&chat.first_line(TEXT_CHARS_MAX)),
        "color": format!("#{:06x}", chat.color()),
        // One line break would be a space.
        "text": lines.join("  \n"),
        "footer": plain(&truncate::chars(&chat.origin(), FOOTER_CHARS_MAX)),
    });
    if !texts.is_empty() {
        document["fields"] = texts.iter().map(field).collect();
    }
    document
}

/// Rank, title and number, what is new, and the way back: for a Mattermost that did not accept the full form.
fn least(chat: &ChatMessage) -> String {
    let news = chat.news.as_ref().map(|news| line(news, VALUE_CHARS_MIN, chat.now, escape));
    let notes = chat.incident.event.notes.iter().map(|note| escape(note));
    let origin = escape(&truncate::chars(&chat.origin(), FOOTER_CHARS_MAX));
    let all: Vec<String> = [text(chat)].into_iter().chain(notes).chain(news).chain([origin]).collect();
    all.join("  \n")
}

fn text(chat: &ChatMessage) -> String {
    format!("**{}**", escape(&chat.first_line(TEXT_CHARS_MAX)))
}

/// From all that is wanted to what fits whatever it holds.
const ROOMS: [Room; 5] =
    [Room::of(600, 150, 3), Room::of(300, 150, 3), Room::of(150, 100, 2), Room::of(0, 60, 1), Room::of(0, 30, 0)];
const VALUE_CHARS_MIN: usize = 30;
/// The text may have 16,383 characters, and is cut into several messages beyond. Escaped, a line is at most twice as long.
const TEXT_CHARS_MAX: usize = 300;
/// What older servers take of all attachments as JSON, less what they add; new ones take a hundred times as much.
const ATTACHMENT_CHARS_MAX: usize = 7_400;
/// More of a footer is not shown.
const FOOTER_CHARS_MAX: usize = 300;
