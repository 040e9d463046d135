//! A ticket, as programs and people see it.

use serde_json::{Map, Value};

use super::super::terminal::{Card, Line, Tone};
use super::adf_text;
use crate::domain::Timestamp;

/// The statuses of the workflow, each with the category by which Jira orders all statuses.
pub const STATUSES: [(&str, &str); 3] = [("To Do", "new"), ("In Progress", "indeterminate"), ("Done", "done")];

/// A ticket.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// Its number within the site, as text.
    pub id: String,
    /// Its name for people: `SEC-1`.
    pub key: String,
    /// Its fields as they were given.
    pub fields: Map<String, Value>,
    /// What only programs see.
    pub properties: Vec<Value>,
    /// The bodies of its comments, oldest first.
    pub comments: Vec<Value>,
    /// When each of them was written.
    pub commented_at: Vec<Timestamp>,
    /// The keys of the issues that it is linked to.
    pub links: Vec<String>,
    /// Its status: one of [`STATUSES`].
    pub status: &'static str,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Issue {
    /// The summary: one line.
    pub fn summary(&self) -> &str {
        self.fields.get("summary").and_then(Value::as_str).unwrap_or_default()
    }

    /// The description as people read it.
    pub fn description(&self) -> String {
        let lines: Vec<String> = self.description_lines().into_iter().map(|line| line.text).collect();
        lines.join("\n")
    }

    /// The labels.
    pub fn labels(&self) -> Vec<&str> {
        let labels = self.fields.get("labels").and_then(Value::as_array);
        labels.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn description_lines(&self) -> Vec<Line> {
        match self.fields.get("description") {
            Some(Value::String(wiki)) => wiki.lines().map(Line::normal).collect(),
            Some(document) => adf_text::lines(document),
            None => Vec::new(),
        }
    }

    pub(super) fn mentions(&self, text: &str) -> bool {
        let fields = self.fields.values().chain(&self.properties);
        fields.into_iter().any(|value| value.to_string().contains(text))
    }

    pub(super) fn card(&self) -> Card {
        let mut lines = vec![Line::new(Tone::Strong, self.summary())];
        lines.push(Line::new(Tone::Faint, self.standing()));
        lines.push(Line::normal(""));
        lines.extend(self.description_lines());
        for comment in &self.comments {
            lines.push(Line::new(Tone::Faint, "── comment"));
            match comment {
                Value::String(wiki) => lines.push(Line::normal(wiki)),
                document => lines.extend(adf_text::lines(document)),
            }
        }
        Card { heading: format!("Jira {} · {}", self.key, self.created_at.to_human()), lines }
    }

    fn standing(&self) -> String {
        let named = |field: &str| self.fields.get(field).and_then(|value| value["name"].as_str()).map(str::to_owned);
        let labels = self.labels().join(" ");
        let links = self.links.iter().map(|key| format!("relates to {key}")).collect::<Vec<_>>().join(" ");
        let links = Some(links).filter(|links| !links.is_empty());
        // A new issue has the first status of every workflow, which says nothing.
        let status = Some(self.status.to_owned()).filter(|status| status != STATUSES[0].0);
        let parts =
            [named("issuetype"), status, named("priority"), links, Some(labels).filter(|labels| !labels.is_empty())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}
