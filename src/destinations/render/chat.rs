//! An incident as a chat tells it, before it takes the markup of one place.
//!
//! What is in a message, in which order, and what is left out is the same in every chat: this is the only place that says it.
//! Texts are redacted and free of control characters, and **not escaped**: each chat escapes by its own rules.

use super::incident::{Form, IncidentSummary};
use super::news::{news, news_of_whole};
use super::own::Own;
use super::summary::Fact;
use super::truncate;
use super::words::Words;
use crate::domain::{Change, IncidentState, Job, Severity, Telling, Timestamp};

/// An incident as a chat tells it.
#[derive(Debug)]
pub struct ChatMessage {
    /// Its words.
    pub incident: IncidentSummary,
    /// What is new against what was told.
    pub news: Option<Words>,
    /// The same where the whole incident stands below it.
    pub news_of_whole: Option<Words>,
    /// What is told.
    pub change: Change,
    /// The present moment, which times are compared with.
    pub now: Timestamp,
}

impl ChatMessage {
    /// Of what a notifier is told.
    pub fn of(job: &Job<'_>, telling: &Telling<'_>) -> Self {
        Self {
            incident: IncidentSummary::of(job, telling),
            news: news(job, telling),
            news_of_whole: news_of_whole(job, telling),
            change: telling.intent.change,
            now: job.now,
        }
    }

    /// Marks it as something that the reader may have seen before.
    pub fn possible_repeat(mut self) -> Self {
        self.incident.event = self.incident.event.possible_repeat();
        self
    }

    /// `✅ resolved · CRITICAL · SUCCEEDED · SQL injection · #4711`: the first line always tells the present state. At most
    /// `chars_max` characters; the title gives way.
    pub fn first_line(&self, chars_max: usize) -> String {
        if let Some(title) = self.incident.own_title(chars_max) {
            return title;
        }
        let colour = Self::symbol_of(&self.incident);
        let state = match self.incident.state {
            IncidentState::Open => format!("{colour} "),
            IncidentState::Acknowledged => format!("👀 {colour} acknowledged · "),
            IncidentState::Resolved => "✅ resolved · ".to_owned(),
            IncidentState::Quiet => "💤 quiet · ".to_owned(),
        };
        let room = chars_max.saturating_sub(state.encode_utf16().count());
        format!("{state}{}", self.incident.headline(room))
    }

    /// The first thing that the eye sees.
    pub fn symbol_of(incident: &IncidentSummary) -> &'static str {
        match incident.form {
            Form::Events => symbol(incident.rank.severity),
            Form::Storm => "🌩",
            Form::Digest => "🕓",
        }
    }

    /// Without the operator's templates: for a chat that has not taken what they make.
    pub fn in_built_in_words(mut self) -> Self {
        self.incident.own = Own::default();
        self
    }

    /// The operator's own text, of at most `chars_max` characters. It stands in the place of the lines and texts.
    pub fn own_text(&self, chars_max: usize) -> Option<String> {
        self.incident.own_text(chars_max)
    }

    /// The whole title, where the first line of at most `chars_max` characters has not all of it.
    pub fn title_beyond(&self, chars_max: usize) -> Option<String> {
        let is_whole = self.first_line(chars_max) == self.first_line(usize::from(u16::MAX));
        (!is_whole).then(|| truncate::chars(&self.incident.title, TITLE_CHARS_MAX).into_owned())
    }

    /// The lines of the present state, below the first line: who did what to what, how often, what a storm stands for, who
    /// has it.
    pub fn state_lines(&self) -> Vec<Words> {
        if self.has_own_text() {
            return Vec::new();
        }
        let action = self.incident.action();
        let lines = action.iter().chain(&self.incident.extent).chain(&self.incident.parts);
        lines.chain(&self.incident.standing).cloned().collect()
    }

    /// The same as the first thing that people see of it: made again for a raise, it says so.
    pub fn opening_lines(&self) -> Vec<Words> {
        let news = self.news_of_whole.iter().filter(|_| !self.has_own_text());
        news.cloned().chain(self.state_lines()).collect()
    }

    /// The lines of a message that stands alone, below the first line: what is new, then as much of the incident as it needs.
    pub fn news_lines(&self) -> Vec<Words> {
        if self.has_own_text() {
            return Vec::new();
        }
        // A raise names who did what already.
        let action = self.incident.action().filter(|_| !self.is_raise());
        let news = self.news.clone().unwrap_or_else(|| self.least());
        let more = action.iter().chain(&self.incident.extent).chain(&self.incident.parts);
        [news].into_iter().chain(more.cloned()).collect()
    }

    /// The vendor and its word for what happened, for a message with no other line.
    pub fn least(&self) -> Words {
        let event = &self.incident.event;
        Words::default().value(event.vendor.as_str()).ours(" · ").value(event.kind.as_str())
    }

    /// Whether it tells of a higher rank.
    pub fn is_raise(&self) -> bool {
        self.change == Change::Raise
    }

    /// Facts with a name that people know, then a few labels, and how many more labels there are.
    pub fn facts(&self) -> (Vec<&Fact>, usize) {
        if let Some(fields) = &self.incident.own.fields {
            return (fields.iter().collect(), 0);
        }
        if self.incident.form != Form::Events || self.has_own_text() {
            return (Vec::new(), 0);
        }
        let (labels, more) = self.incident.event.few_labels();
        (self.incident.facts.iter().chain(labels).collect(), more)
    }

    /// What happened, what it means, what to do: two lines each, each of at most `chars_max` characters; none for zero.
    pub fn texts(&self, chars_max: usize) -> Vec<(&'static str, String)> {
        let event = &self.incident.event;
        let all =
            [("What happened", &event.message), ("What it means", &event.impact), ("What to do", &event.remediation)];
        let is_shown = self.incident.form == Form::Events && chars_max > 0 && !self.has_own_text();
        let shown = all.into_iter().filter_map(|(name, text)| Some((name, text.as_ref().filter(|_| is_shown)?)));
        let shown = shown.map(|(name, text)| (name, truncate::lines(text, TEXT_LINES_MAX, chars_max).into_owned()));
        shown.chain(self.said(chars_max)).collect()
    }

    /// Who is responsible and what else the operator says: what a message says at any time. The owner stays even where there
    /// is no room for a text.
    pub fn said(&self, chars_max: usize) -> Vec<(&'static str, String)> {
        if self.has_own_text() {
            return Vec::new();
        }
        let said = self.incident.said().into_iter().filter(|(name, _)| chars_max > 0 || *name == "Owner");
        said.map(|(name, text)| (name, truncate::chars(text, SAID_CHARS_MAX).into_owned())).collect()
    }

    fn has_own_text(&self) -> bool {
        self.incident.own.text.is_some()
    }

    /// Where it came from, and the way back.
    pub fn origin(&self) -> String {
        let origin = truncate::chars(&self.incident.origin, ORIGIN_CHARS_MAX);
        match &self.incident.lookup {
            Some(lookup) => format!("{origin} · {lookup}"),
            None => format!("{origin} · event {}", self.incident.event.event),
        }
    }

    /// The color of its bar, as red, green and blue; that of what is over is grey or green.
    pub fn color(&self) -> u32 {
        match (self.incident.state, self.incident.rank.severity) {
            (IncidentState::Resolved, _) => 0x2e_a0_43,
            (IncidentState::Quiet, _) => 0x8b_94_9e,
            (_, Severity::Fatal | Severity::Critical) => 0xd1_24_2f,
            (_, Severity::High) => 0xf0_88_3e,
            (_, Severity::Medium) => 0xe3_b3_41,
            (_, Severity::Low) => 0x38_8b_fd,
            (_, Severity::Informational | Severity::Unknown | Severity::Other) => 0x8b_94_9e,
        }
    }
}

/// The color, for the eye that has not read yet; the word follows it.
fn symbol(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal | Severity::Critical => "🔴",
        Severity::High => "🟠",
        Severity::Medium => "🟡",
        Severity::Low => "🔵",
        Severity::Informational | Severity::Unknown | Severity::Other => "⚪",
    }
}

const TITLE_CHARS_MAX: usize = 600;
const TEXT_LINES_MAX: usize = 2;
/// Settings are shorter, but a character may take two units.
const SAID_CHARS_MAX: usize = 300;
const ORIGIN_CHARS_MAX: usize = 600;
