//! An incident in Discord's shape: the message that is kept up to date, and the messages that stand beside it.
//!
//! The first line is the content, which notifications show; everything else is in one embed below it, with a bar in the color of
//! the severity.

use serde_json::{Value, json};

use super::markup::{escape, links};
use crate::destinations::hook::{Form, Shape};
use crate::destinations::markdown::{facts, line};
use crate::destinations::render::{ChatMessage, Words, truncate};
use crate::destinations::uncertain::Marked;
use crate::domain::{Job, Link, Operation, Telling};

/// A message that is posted: the incident, or what is new about it.
pub fn posted(job: &Job<'_>, telling: &Telling<'_>, form: Form) -> Value {
    let chat = ChatMessage::of(job, telling);
    let chat = if form.marked == Marked::PossibleRepeat { chat.possible_repeat() } else { chat };
    if form.shape == Shape::Plain {
        return plain(&chat.in_built_in_words());
    }
    match telling.intent.operation {
        Operation::Reply { .. } => with_embed(&chat, |room| news(&chat, room)),
        _ => with_embed(&chat, |room| whole(&chat, &chat.opening_lines(), room)),
    }
}

/// The present state, in the place of whatever the message says. Sent again it says the same.
pub fn state(job: &Job<'_>, telling: &Telling<'_>, shape: Shape) -> Value {
    let chat = ChatMessage::of(job, telling);
    match shape {
        Shape::Full => with_embed(&chat, |room| whole(&chat, &chat.state_lines(), room)),
        Shape::Plain => plain(&chat.in_built_in_words()),
    }
}

/// What the embed holds.
struct Embed {
    lines: Vec<String>,
    texts: Vec<(&'static str, String)>,
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

    fn links(self, chat: &ChatMessage) -> &[Link] {
        chat.incident.links.get(..self.links).unwrap_or(&chat.incident.links)
    }
}

fn whole(chat: &ChatMessage, words: &[Words], room: Room) -> Embed {
    let mut lines: Vec<String> = words.iter().map(|words| line(words, room.value_chars, chat.now, escape)).collect();
    let own = chat.own_text(room.own_chars());
    lines.extend(own.as_deref().map(escape));
    let (known, more_labels) = chat.facts();
    if !known.is_empty() {
        lines.push(facts(&known, more_labels, room.value_chars, escape));
    }
    if lines.is_empty() {
        lines.push(line(&chat.least(), room.value_chars, chat.now, escape));
    }
    lines.extend(links(room.links(chat)));
    Embed { lines, texts: chat.texts(room.text_chars) }
}

fn news(chat: &ChatMessage, room: Room) -> Embed {
    let mut lines: Vec<String> =
        chat.news_lines().iter().map(|words| line(words, room.value_chars, chat.now, escape)).collect();
    lines.extend(chat.own_text(room.own_chars()).as_deref().map(escape));
    lines.extend(links(room.links(chat)));
    let texts = if chat.is_raise() { chat.texts(room.text_chars) } else { chat.said(room.text_chars) };
    Embed { lines, texts }
}

/// The message with the longest texts that Discord takes.
fn with_embed(chat: &ChatMessage, embed: impl Fn(Room) -> Embed) -> Value {
    let fitting = ROOMS.iter().map(|room| rendered(chat, &embed(*room))).find(|(_, is_fit)| *is_fit);
    match fitting {
        Some((embed, _)) => message(content(chat), vec![embed]),
        None => plain(chat),
    }
}

/// The embed, and whether Discord takes it.
fn rendered(chat: &ChatMessage, embed: &Embed) -> (Value, bool) {
    let title = chat.title_beyond(FIRST_LINE_CHARS_MAX).map(|title| escape(&title));
    let notes = chat.incident.event.notes.iter().map(|note| format!("**{}**", escape(note)));
    let description = title.into_iter().chain(notes).chain(embed.lines.iter().cloned()).collect::<Vec<_>>().join("\n");
    let footer = truncate::chars(&chat.origin(), FOOTER_CHARS_MAX).into_owned();
    let fields: Vec<(&str, String)> = embed.texts.iter().map(|(name, text)| (*name, escape(text))).collect();
    let texts: usize = fields.iter().map(|(name, text)| length(name) + length(text)).sum();
    let total = length(&description) + length(&footer) + texts;
    let is_fit = length(&description) <= DESCRIPTION_CHARS_MAX
        && fields.iter().all(|(_, text)| length(text) <= FIELD_CHARS_MAX)
        && total <= EMBEDS_CHARS_MAX;
    let fields: Vec<Value> =
        fields.into_iter().map(|(name, value)| json!({ "name": name, "value": value, "inline": false })).collect();
    let mut document = json!({ "color": chat.color(), "description": description, "footer": { "text": footer } });
    if !fields.is_empty() {
        document["fields"] = Value::Array(fields);
    }
    (document, is_fit)
}

/// Rank, title and number, what is new, and the way back: for a Discord that did not accept the full form.
fn plain(chat: &ChatMessage) -> Value {
    let news = chat.news.as_ref().map(|news| line(news, VALUE_CHARS_MIN, chat.now, escape));
    let notes = chat.incident.event.notes.iter().map(|note| escape(note));
    let origin = escape(&truncate::chars(&chat.origin(), PLAIN_ORIGIN_CHARS_MAX));
    let all: Vec<String> = [content(chat)].into_iter().chain(notes).chain(news).chain([origin]).collect();
    message(all.join("\n"), Vec::new())
}

fn content(chat: &ChatMessage) -> String {
    escape(&chat.first_line(FIRST_LINE_CHARS_MAX))
}

/// What is left out of an edit stays as it was, so that embeds are taken away by none.
fn message(content: String, embeds: Vec<Value>) -> Value {
    json!({ "content": content, "embeds": embeds, "allowed_mentions": { "parse": [] } })
}

/// Discord counts characters; units of UTF-16 are never fewer.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// From all that is wanted to what fits whatever it holds.
const ROOMS: [Room; 5] =
    [Room::of(450, 150, 3), Room::of(300, 150, 3), Room::of(150, 100, 2), Room::of(0, 60, 1), Room::of(0, 30, 0)];
const VALUE_CHARS_MIN: usize = 30;
/// Discord takes 2,000 characters of content; escaped, a line is at most twice as long.
const FIRST_LINE_CHARS_MAX: usize = 300;
const PLAIN_ORIGIN_CHARS_MAX: usize = 300;
/// Limits of an embed, and of all embeds of a message together.
const DESCRIPTION_CHARS_MAX: usize = 4_096;
const FIELD_CHARS_MAX: usize = 1_024;
const EMBEDS_CHARS_MAX: usize = 6_000;
/// The footer is no markup. Discord takes 2,048 characters.
const FOOTER_CHARS_MAX: usize = 800;
