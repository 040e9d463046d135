//! An incident in Slack's shape: the message that is kept up to date, the reply in its thread, and the message that stands
//! alone.

use serde_json::{Value, json};

use super::markup::{
    BLOCKS_BYTES_MAX, EXCERPT_CHARS_MAX, EXCERPT_LINES_MAX, HEADER_CHARS_MAX, buttons, escape, fact, lines, mrkdwn,
    plain, section, serialized_len,
};
use super::post::Content;
use crate::destinations::render::{ChatMessage, Words, truncate};
use crate::destinations::uncertain::Marked;
use crate::domain::{Job, Telling};

/// An incident as Slack shows it.
pub struct Notice(ChatMessage);

impl Notice {
    pub fn of(job: &Job<'_>, telling: &Telling<'_>, marked: Marked) -> Self {
        let message = ChatMessage::of(job, telling);
        Self(if marked == Marked::PossibleRepeat { message.possible_repeat() } else { message })
    }

    /// The present state, which is complete at any time.
    pub fn state(&self) -> Content {
        let lines = self.0.state_lines();
        Content { text: self.text(&lines), blocks: shrink(|chars_max| self.state_blocks(&lines, chars_max)) }
    }

    /// The present state as the first thing that people see of it: made again for a raise, it says so.
    pub fn opening(&self) -> Content {
        let lines = self.0.opening_lines();
        Content { text: self.text(&lines), blocks: shrink(|chars_max| self.state_blocks(&lines, chars_max)) }
    }

    /// What is new, below the message that it answers. The text leads with the incident, for those who see nothing else.
    pub fn reply(&self) -> Content {
        Content { text: self.text_of_news(), blocks: shrink(|chars_max| self.reply_blocks(chars_max)) }
    }

    /// Rank, title and number, then what is new.
    pub fn standalone(&self) -> Content {
        Content { text: self.text_of_news(), blocks: shrink(|chars_max| self.standalone_blocks(chars_max)) }
    }

    fn header(&self) -> Vec<Value> {
        let mut all = vec![json!({ "type": "header", "text": plain(&self.0.first_line(HEADER_CHARS_MAX)) })];
        all.extend(self.0.title_beyond(HEADER_CHARS_MAX).map(|title| section(plain(&title))));
        all.extend(self.notes());
        all
    }

    fn notes(&self) -> impl Iterator<Item = Value> {
        self.0.incident.event.notes.iter().map(|note| section(plain(note)))
    }

    fn state_blocks(&self, words: &[Words], chars_max: usize) -> Vec<Value> {
        let mut all = self.header();
        let mut body: Vec<String> = words.iter().map(|words| self.mrkdwn(words)).collect();
        body.extend(self.facts());
        let own = self.own_text(chars_max);
        if body.is_empty() && own.is_none() {
            body.push(self.mrkdwn(&self.0.least()));
        }
        all.extend(own);
        all.extend((!body.is_empty()).then(|| lines(&body)));
        all.extend(self.texts(chars_max).iter().map(|text| section(plain(text))));
        all.push(self.context());
        all.extend(buttons(&self.0.incident.links));
        all
    }

    fn reply_blocks(&self, chars_max: usize) -> Vec<Value> {
        let mut all: Vec<Value> = self.notes().collect();
        if let Some(own) = self.own_text(chars_max) {
            all.push(own);
            return all;
        }
        all.push(lines(&[self.news_line()]));
        if self.0.is_raise() {
            all.extend(self.excerpt(chars_max).map(|excerpt| section(plain(&excerpt))));
        }
        all
    }

    fn standalone_blocks(&self, chars_max: usize) -> Vec<Value> {
        let body: Vec<String> = self.0.news_lines().iter().map(|words| self.mrkdwn(words)).collect();
        let mut all = self.header();
        all.extend(self.own_text(chars_max));
        all.extend((!body.is_empty()).then(|| lines(&body)));
        let texts = if self.0.is_raise() { self.0.texts(chars_max) } else { self.0.said(chars_max) };
        all.extend(named(texts).iter().map(|text| section(plain(text))));
        all.push(self.context());
        all.extend(buttons(&self.0.incident.links));
        all
    }

    /// The operator's own text, which Slack shows as it is.
    fn own_text(&self, chars_max: usize) -> Option<Value> {
        self.0.own_text(own_chars_max(chars_max)).map(|text| section(plain(&text)))
    }

    fn news_line(&self) -> String {
        self.mrkdwn(self.0.news.as_ref().unwrap_or(&self.0.least()))
    }

    fn mrkdwn(&self, words: &Words) -> String {
        mrkdwn(words, self.0.now)
    }

    /// Facts with a name that people know, then a few labels.
    fn facts(&self) -> Option<String> {
        let (facts, more) = self.0.facts();
        let more = (more > 0).then(|| format!("{more} more label{}", if more == 1 { "" } else { "s" }));
        let all: Vec<String> = facts.into_iter().map(fact).chain(more).collect();
        (!all.is_empty()).then(|| all.join(" · "))
    }

    fn texts(&self, chars_max: usize) -> Vec<String> {
        named(self.0.texts(chars_max))
    }

    /// The beginning of what was seen, redacted like everything in a summary.
    fn excerpt(&self, chars_max: usize) -> Option<String> {
        let evidence = self.0.incident.event.evidence.as_deref().filter(|_| chars_max > 0)?;
        let excerpt = truncate::lines(evidence, EXCERPT_LINES_MAX, chars_max.min(EXCERPT_CHARS_MAX));
        Some(format!("Excerpt, credentials redacted:\n{excerpt}"))
    }

    fn context(&self) -> Value {
        json!({ "type": "context", "elements": [plain(&truncate::chars(&self.0.origin(), CONTEXT_CHARS_MAX))] })
    }

    /// The whole in one text.
    fn text(&self, lines: &[Words]) -> String {
        let incident = &self.0.incident;
        let mut all = vec![self.0.first_line(TEXT_LINE_CHARS_MAX)];
        all.extend(incident.event.notes.iter().map(|note| (*note).to_owned()));
        all.extend(lines.iter().map(|words| self.plain(words)));
        all.extend(self.0.own_text(OWN_CHARS_MAX));
        let facts = self.0.facts().0.into_iter();
        all.extend(facts.map(|fact| truncate::chars(&format!("{}: {}", fact.name, fact.value), 200).into_owned()));
        all.extend(self.texts(TEXT_CHARS_MAX));
        all.push(self.0.origin());
        all.extend(incident.links.iter().map(|link| link.url.clone()));
        escape(&all.join("\n"))
    }

    fn text_of_news(&self) -> String {
        let mut all = vec![self.0.first_line(TEXT_LINE_CHARS_MAX)];
        all.extend(self.0.incident.event.notes.iter().map(|note| (*note).to_owned()));
        match self.0.own_text(TEXT_LINE_CHARS_MAX) {
            // A phone shows one line below the first.
            Some(text) => all.push(truncate::lines(&text, 1, TEXT_LINE_CHARS_MAX).into_owned()),
            None => all.extend(self.0.news.as_ref().map(|words| self.plain(words))),
        }
        escape(&all.join("\n"))
    }

    fn plain(&self, words: &Words) -> String {
        truncate::chars(&words.plain(Some(self.0.now)), TEXT_LINE_CHARS_MAX).into_owned()
    }
}

fn named(texts: Vec<(&'static str, String)>) -> Vec<String> {
    texts.into_iter().map(|(name, text)| format!("{name}: {text}")).collect()
}

/// The blocks with the longest texts that Slack takes.
fn shrink(blocks: impl Fn(usize) -> Vec<Value>) -> Vec<Value> {
    let mut all = Vec::new();
    for texts_chars_max in [600, 300, 100, 0] {
        all = blocks(texts_chars_max);
        if serialized_len(&all) <= BLOCKS_BYTES_MAX {
            break;
        }
    }
    all
}

/// One text in the place of several lines and texts, within the 3,000 characters of a block.
fn own_chars_max(text_chars_max: usize) -> usize {
    300 + 4 * text_chars_max
}

/// Of the operator's own text where Slack shows no blocks.
const OWN_CHARS_MAX: usize = 1_500;
const TEXT_CHARS_MAX: usize = 300;
const TEXT_LINE_CHARS_MAX: usize = 400;
const CONTEXT_CHARS_MAX: usize = 800;
