//! An incident in Slack's shape: the message that is kept up to date, the reply in its thread, and the message that stands
//! alone.

use serde_json::{Value, json};

use super::markup::{
    BLOCKS_BYTES_MAX, EXCERPT_CHARS_MAX, EXCERPT_LINES_MAX, HEADER_CHARS_MAX, buttons, code, escape, fact, lines,
    mrkdwn, plain, section, serialized_len, symbol,
};
use super::post::{Content, Marked};
use crate::destinations::render::{Form, IncidentSummary, Words, news, news_of_whole, truncate};
use crate::domain::{Change, IncidentState, Job, Telling, Timestamp};

/// An incident as Slack shows it.
pub struct Notice {
    incident: IncidentSummary,
    news: Option<Words>,
    news_of_whole: Option<Words>,
    change: Change,
    now: Timestamp,
}

impl Notice {
    pub fn of(job: &Job<'_>, telling: &Telling<'_>, marked: Marked) -> Self {
        let mut incident = IncidentSummary::of(job, telling);
        if marked == Marked::PossibleRepeat {
            incident.event = incident.event.possible_repeat();
        }
        let (news, news_of_whole) = (news(job, telling), news_of_whole(job, telling));
        Self { incident, news, news_of_whole, change: telling.intent.change, now: job.now }
    }

    /// The present state, which is complete at any time.
    pub fn state(&self) -> Content {
        Content { text: self.text(None), blocks: shrink(|chars_max| self.state_blocks(None, chars_max)) }
    }

    /// The present state as the first thing that people see of it: made again for a raise, it says so.
    pub fn opening(&self) -> Content {
        let news = self.news_of_whole.as_ref();
        Content { text: self.text(news), blocks: shrink(|chars_max| self.state_blocks(news, chars_max)) }
    }

    /// What is new, below the message that it answers. The text leads with the incident, for those who see nothing else.
    pub fn reply(&self) -> Content {
        Content { text: self.text_of_news(), blocks: shrink(|chars_max| self.reply_blocks(chars_max)) }
    }

    /// Rank, title and number, then what is new.
    pub fn standalone(&self) -> Content {
        Content { text: self.text_of_news(), blocks: shrink(|chars_max| self.standalone_blocks(chars_max)) }
    }

    /// `✅ resolved · CRITICAL · SUCCEEDED · SQL injection · #4711`: the first line always tells the present state.
    fn first_line(&self, chars_max: usize) -> String {
        let colour = match self.incident.form {
            Form::Events => symbol(self.incident.rank.severity),
            Form::Storm => "🌩",
            Form::Digest => "🕓",
        };
        let state = match self.incident.state {
            IncidentState::Open => format!("{colour} "),
            IncidentState::Acknowledged => format!("👀 {colour} acknowledged · "),
            IncidentState::Resolved => "✅ resolved · ".to_owned(),
            IncidentState::Quiet => "💤 quiet · ".to_owned(),
        };
        let room = chars_max.saturating_sub(state.encode_utf16().count());
        format!("{state}{}", self.incident.headline(room))
    }

    fn header(&self) -> Vec<Value> {
        let mut all = vec![json!({ "type": "header", "text": plain(&self.first_line(HEADER_CHARS_MAX)) })];
        if self.first_line(HEADER_CHARS_MAX) != self.first_line(usize::from(u16::MAX)) {
            all.push(section(plain(&truncate::chars(&self.incident.title, TITLE_CHARS_MAX))));
        }
        all.extend(self.incident.event.notes.iter().map(|note| section(plain(note))));
        all
    }

    fn state_blocks(&self, news: Option<&Words>, chars_max: usize) -> Vec<Value> {
        let incident = &self.incident;
        let mut all = self.header();
        let words =
            news.into_iter().chain(incident.action().as_ref()).map(|words| self.mrkdwn(words)).collect::<Vec<_>>();
        let more = incident.extent.iter().chain(&incident.parts).chain(&incident.standing);
        let mut body: Vec<String> = words.into_iter().chain(more.map(|words| self.mrkdwn(words))).collect();
        body.extend(self.facts());
        if body.is_empty() {
            body.push(format!("{} · {}", code(&incident.event.vendor), code(&incident.event.kind)));
        }
        all.push(lines(&body));
        all.extend(self.texts(chars_max).iter().map(|text| section(plain(text))));
        all.push(self.context());
        all.extend(buttons(&incident.links));
        all
    }

    fn reply_blocks(&self, chars_max: usize) -> Vec<Value> {
        let notes = self.incident.event.notes.iter().map(|note| section(plain(note)));
        let mut all: Vec<Value> = notes.collect();
        all.push(lines(&[self.news_line()]));
        if self.change == Change::Raise {
            all.extend(self.excerpt(chars_max).map(|excerpt| section(plain(&excerpt))));
        }
        all
    }

    fn standalone_blocks(&self, chars_max: usize) -> Vec<Value> {
        let incident = &self.incident;
        // A raise names who did what already.
        let is_raise = self.change == Change::Raise;
        let action = incident.action().filter(|_| !is_raise);
        let words = action.iter().chain(&incident.extent).chain(&incident.parts);
        let body: Vec<String> = [self.news_line()].into_iter().chain(words.map(|words| self.mrkdwn(words))).collect();
        let mut all = self.header();
        all.push(lines(&body));
        if is_raise {
            all.extend(self.texts(chars_max).iter().map(|text| section(plain(text))));
        }
        all.push(self.context());
        all.extend(buttons(&incident.links));
        all
    }

    fn news_line(&self) -> String {
        match &self.news {
            Some(news) => self.mrkdwn(news),
            None => format!("{} · {}", code(&self.incident.event.vendor), code(&self.incident.event.kind)),
        }
    }

    fn mrkdwn(&self, words: &Words) -> String {
        mrkdwn(words, self.now)
    }

    /// Facts with a name that people know, then a few labels.
    fn facts(&self) -> Option<String> {
        if self.incident.form != Form::Events {
            return None;
        }
        let (labels, more) = self.incident.event.few_labels();
        let facts = self.incident.facts.iter().chain(labels).map(fact);
        let more = (more > 0).then(|| format!("{more} more label{}", if more == 1 { "" } else { "s" }));
        let all: Vec<String> = facts.chain(more).collect();
        (!all.is_empty()).then(|| all.join(" · "))
    }

    /// What happened, what it means, what to do: two lines each.
    fn texts(&self, chars_max: usize) -> Vec<String> {
        let event = &self.incident.event;
        let all =
            [("What happened", &event.message), ("What it means", &event.impact), ("What to do", &event.remediation)];
        let is_shown = self.incident.form == Form::Events && chars_max > 0;
        let shown = all.into_iter().filter_map(|(name, text)| Some((name, text.as_ref().filter(|_| is_shown)?)));
        shown.map(|(name, text)| format!("{name}: {}", truncate::lines(text, TEXT_LINES_MAX, chars_max))).collect()
    }

    /// The beginning of what was seen, redacted like everything in a summary.
    fn excerpt(&self, chars_max: usize) -> Option<String> {
        let evidence = self.incident.event.evidence.as_deref().filter(|_| chars_max > 0)?;
        let excerpt = truncate::lines(evidence, EXCERPT_LINES_MAX, chars_max.min(EXCERPT_CHARS_MAX));
        Some(format!("Excerpt, credentials redacted:\n{excerpt}"))
    }

    fn context(&self) -> Value {
        json!({ "type": "context", "elements": [plain(&truncate::chars(&self.origin(), CONTEXT_CHARS_MAX))] })
    }

    /// Where it came from, and the way back.
    fn origin(&self) -> String {
        let origin = truncate::chars(&self.incident.origin, ORIGIN_CHARS_MAX);
        match &self.incident.lookup {
            Some(lookup) => format!("{origin} · {lookup}"),
            None => format!("{origin} · event {}", self.incident.event.event),
        }
    }

    /// The whole in one text.
    fn text(&self, news: Option<&Words>) -> String {
        let incident = &self.incident;
        let mut all = vec![self.first_line(TEXT_LINE_CHARS_MAX)];
        all.extend(incident.event.notes.iter().map(|note| (*note).to_owned()));
        let action = incident.action();
        let words = news.into_iter().chain(&action).chain(&incident.extent).chain(&incident.parts);
        all.extend(words.chain(&incident.standing).map(|words| self.plain(words)));
        if incident.form == Form::Events {
            let (labels, _) = incident.event.few_labels();
            let facts = incident.facts.iter().chain(labels);
            all.extend(facts.map(|fact| truncate::chars(&format!("{}: {}", fact.name, fact.value), 200).into_owned()));
        }
        all.extend(self.texts(TEXT_CHARS_MAX));
        all.push(self.origin());
        all.extend(incident.links.iter().map(|link| link.url.clone()));
        escape(&all.join("\n"))
    }

    fn text_of_news(&self) -> String {
        let mut all = vec![self.first_line(TEXT_LINE_CHARS_MAX)];
        all.extend(self.incident.event.notes.iter().map(|note| (*note).to_owned()));
        all.extend(self.news.as_ref().map(|words| self.plain(words)));
        escape(&all.join("\n"))
    }

    fn plain(&self, words: &Words) -> String {
        truncate::chars(&words.plain(Some(self.now)), TEXT_LINE_CHARS_MAX).into_owned()
    }
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

const TITLE_CHARS_MAX: usize = 600;
const TEXT_LINES_MAX: usize = 2;
const TEXT_CHARS_MAX: usize = 300;
const TEXT_LINE_CHARS_MAX: usize = 400;
const ORIGIN_CHARS_MAX: usize = 600;
const CONTEXT_CHARS_MAX: usize = 800;
