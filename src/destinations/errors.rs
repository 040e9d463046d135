//! The errors that a receiver documents, as data: one table a destination.
//!
//! A row holds what the receiver answers, in its own words, what that means for the delivery, and what the operator does
//! about it. What an answer says is compared whole: text of an alert that a receiver repeats cannot choose a row.
//! An answer without a row is classified by its status alone: [`classify`](super::classify).

use std::ops::RangeInclusive;
use std::time::Duration;

use super::classify::Answer;
use crate::domain::{Outcome, Scope};

/// One documented error.
pub(super) struct ErrorRow {
    /// The statuses that it comes with.
    pub status: RangeInclusive<u16>,
    /// What the answer says, without regard to case; each `*` stands for any text.
    pub word: &'static str,
    /// What becomes of the delivery.
    pub class: ErrorClass,
    /// What it means, for the operator.
    pub meaning: &'static str,
    /// What the operator does about it.
    pub remedy: &'static str,
    /// A body as the receiver sends it; where it says one word, the word.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the tests that walk the tables"))]
    pub sample: &'static str,
}

/// What an error means for the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// Not taken; the whole destination waits.
    Busy,
    /// Not taken; this delivery is tried again.
    Again,
    /// It may have been taken.
    Unknown,
    /// The settings are at fault, whatever is sent: the destination stops.
    Settings,
    /// The settings are probably at fault: the destination stops, unless only this message is answered so.
    Suspect,
    /// The message is at fault.
    Refused,
    /// The message may be taken in a plainer form.
    Plainer,
    /// It is not possible there, and left as it is.
    Left,
    /// What was made there is no longer there, or cannot be changed any more.
    Gone,
    /// What the status means at every destination.
    ByStatus,
}

impl ErrorClass {
    /// What follows, as the documentation says it.
    #[cfg(test)]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "retry; the whole destination waits",
            Self::Again => "retry",
            Self::Unknown => "unknown",
            Self::Settings => "misconfigured; the destination stops",
            Self::Suspect => "misconfigured; refused if only this message is answered so",
            Self::Refused => "refused",
            Self::Plainer => "once more in a plainer form, then refused",
            Self::Left => "left as it is; with a ticket the reason is kept",
            Self::Gone => "gone; made anew at the next raise or reopening",
            Self::ByStatus => "as the status says",
        }
    }
}

/// What a row makes of an answer.
pub(super) enum Classified {
    /// The try is over.
    Done(Outcome),
    /// A plainer form may be taken, or nothing at all is needed; if that is not so, this is the outcome.
    Plainer(Outcome),
}

impl ErrorRow {
    /// The first row that fits an answer with this status that says these things.
    pub fn find<'t>(table: &'t [Self], status: u16, said: &[String]) -> Option<&'t Self> {
        table.iter().find(|row| {
            row.status.contains(&status) && (row.word == ANY || said.iter().any(|text| fits(row.word, text)))
        })
    }

    /// What becomes of the delivery. A destination that is busy is left alone for at least `pause`, unless it says how
    /// long.
    pub fn classify(&self, answer: &Answer<'_>, pause: Duration) -> Classified {
        let reason = self.reason(answer);
        Classified::Done(match self.class {
            ErrorClass::Busy => answer.retry(Scope::Destination, Some(pause), &reason),
            ErrorClass::Again => answer.retry(Scope::Delivery, None, &reason),
            ErrorClass::Unknown => answer.unknown(&reason),
            ErrorClass::Settings => answer.settings_at_fault(&reason),
            ErrorClass::Suspect => answer.misconfigured(&reason),
            ErrorClass::Refused => answer.refused(&reason),
            ErrorClass::Plainer | ErrorClass::Left => return Classified::Plainer(answer.refused(&reason)),
            ErrorClass::Gone => answer.gone(&reason),
            ErrorClass::ByStatus => answer.by_status(),
        })
    }

    /// The reason that the operator reads.
    fn reason(&self, answer: &Answer<'_>) -> String {
        let (who, status, meaning) = (answer.who, answer.reply.status, self.meaning);
        let meaning = if self.word.contains(ANY) {
            format!("{who} says ({status}) that {meaning}")
        } else {
            format!("{who} says {} ({status}): {meaning}", self.word)
        };
        if self.remedy.is_empty() { meaning } else { format!("{meaning}: {}", self.remedy) }
    }
}

/// Whether the text is what the word describes: equal but for case, with any text in the place of each `*`.
fn fits(word: &str, text: &str) -> bool {
    let (word, text) = (word.to_lowercase(), text.trim().to_lowercase());
    let Some((start, rest)) = word.split_once(ANY) else { return word == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once(ANY).unwrap_or(("", rest));
    for piece in middle.split(ANY).filter(|piece| !piece.is_empty()) {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(end)
}

/// In a word: any text. Alone: whatever the answer says.
pub(super) const ANY: &str = "*";

#[cfg(test)]
mod tests {
    use super::super::{
        discord, elasticsearch, email, jira, mattermost, opsgenie, pagerduty, servicenow, slack, splunk, teams,
        testing, webhook,
    };
    use super::*;

    /// Every table, by the name of its section in `docs/destination-errors.md`.
    const TABLES: &[(&str, &[ErrorRow])] = &[
        ("Slack, incoming webhook", slack::errors::WEBHOOK),
        ("Slack, bot token", slack::errors::API),
        ("Slack, bot token, edits", slack::errors::UPDATE),
        ("Slack, token rotation", slack::errors::RENEWAL),
        ("Jira, new tickets", jira::errors::CREATE),
        ("Jira, comments", jira::errors::COMMENT),
        ("Jira, status and priority", jira::errors::CHANGE),
        ("Opsgenie, new alerts", opsgenie::errors::ALERT),
        ("Opsgenie, acknowledging and closing", opsgenie::errors::CHANGE),
        ("Opsgenie, processing of new alerts", opsgenie::errors::PROCESSED_ALERT),
        ("Opsgenie, processing of acknowledging and closing", opsgenie::errors::PROCESSED_CHANGE),
        ("PagerDuty", pagerduty::errors::EVENTS),
        ("ServiceNow, new tickets", servicenow::errors::CREATE),
        ("ServiceNow, work notes", servicenow::errors::NOTE),
        ("ServiceNow, fields and state", servicenow::errors::CHANGE),
        ("Email, connection and login", email::errors::SESSION),
        ("Email, sender", email::errors::SENDER),
        ("Email, recipients", email::errors::RECIPIENT),
        ("Email, messages", email::errors::MESSAGE),
        ("Elasticsearch, bulk requests", elasticsearch::errors::BULK),
        ("Elasticsearch, documents", elasticsearch::errors::DOCUMENT),
        ("Splunk, HTTP Event Collector", splunk::errors::COLLECTOR),
        ("Discord", discord::errors::POST),
        ("Discord, edits", discord::errors::EDIT),
        ("Microsoft Teams", teams::errors::WORKFLOW),
        ("Mattermost", mattermost::errors::WEBHOOK),
        ("Webhook", webhook::errors::WEBHOOK),
    ];

    #[test]
    fn every_row_is_found_by_its_own_sample_and_hidden_by_none_before_it() {
        for (name, table) in TABLES {
            for row in *table {
                let sentence = |c: char| c == '*' || c == '`' || c.is_lowercase() || c.is_uppercase();
                assert!(row.meaning.starts_with(sentence) && !row.meaning.ends_with('.'), "{name}: {}", row.meaning);
                let is_operators = matches!(row.class, ErrorClass::Settings | ErrorClass::Suspect);
                assert!(!is_operators || !row.remedy.is_empty(), "{name}: {} has no remedy", row.word);
                assert!(!row.sample.is_empty() || row.word == ANY, "{name}: {} has no sample", row.word);
                if row.word != ANY {
                    let word = row.word.trim_matches('*').split('*').next().unwrap().to_lowercase();
                    // Jira names the field apart from the text.
                    let word = word.split(": ").next().unwrap().trim_end();
                    assert!(row.sample.to_lowercase().contains(word), "{name}: {} is not in its sample", row.word);
                }
            }
            let general = table.iter().position(|row| row.word == ANY && row.status == (400..=400));
            let specific = table.iter().rposition(|row| row.word != ANY && row.status.contains(&400));
            assert!(general.is_none_or(|general| specific.is_none_or(|specific| specific < general)), "{name}");
        }
    }

    #[test]
    fn the_documentation_holds_the_tables() {
        let mut text = String::from(
            "# Errors of destinations\n\nWhat destinations answer, what that means for the delivery, and \
             what to do about it. Each `*` stands for\nany text. [Destinations](destinations.md) says what an outcome \
             is, and what the other answers mean.\nThis page is made from the tables that gatepost goes by.\n",
        );
        for (name, table) in TABLES {
            text +=
                &format!("\n## {name}\n\n| status | says | outcome | meaning | what to do |\n|---|---|---|---|---|\n");
            for row in *table {
                let status = match (row.status.start(), row.status.end()) {
                    (start, end) if start == end => start.to_string(),
                    (start, end) => format!("{start} to {end}"),
                };
                let word = if row.word == ANY { "anything else".to_owned() } else { format!("`{}`", row.word) };
                let (class, meaning, remedy) = (row.class.as_str(), row.meaning, row.remedy);
                text += &format!("| {status} | {word} | {class} | {meaning} | {remedy} |\n");
            }
        }
        testing::golden_text("docs/destination-errors.md", &text);
    }

    #[test]
    fn a_word_is_compared_whole() {
        for (word, text, wanted) in [
            ("no_text", "No_Text\n", true),
            ("no_text", "x no_text", false),
            ("invalid routing key*", "Invalid routing key", true),
            ("invalid routing key*", "the title said: Invalid routing key", false),
            ("field '*' cannot be set*", "Field 'labels' cannot be set. It is not there.", true),
            ("field '*' cannot be set*", "field 'x' can be set", false),
            ("*: * is required*", "customfield_1: Region is required.", true),
            ("*: * is required*", "customfield_1: Region", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("é*", "Éa", true),
        ] {
            assert_eq!(fits(word, text), wanted, "{word} {text}");
        }
    }
}
