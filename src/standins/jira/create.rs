//! What an issue and a comment may hold, and Jira's errors for anything else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Dialect, ISSUE_TYPES, PRIORITIES, PROJECT, adf};
use crate::standins::shape;

/// What Jira says to a request that it does not take: sentences about the whole, and one about each field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    messages: Vec<String>,
    fields: BTreeMap<String, String>,
}

impl Refusal {
    fn whole(message: &str) -> Self {
        Self { messages: vec![message.to_owned()], ..Self::default() }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"errorMessages": self.messages, "errors": self.fields})
    }

    fn field(&mut self, name: &str, verdict: Result<(), String>) {
        if let Err(why) = verdict {
            self.fields.insert(name.to_owned(), why);
        }
    }

    fn into_result(self) -> Result<(), Self> {
        if self == Self::default() { Ok(()) } else { Err(self) }
    }
}

/// Checks the body of `POST /issue`. `hidden` fields are not on the create screen.
pub(super) fn check(dialect: Dialect, body: &Value, hidden: &BTreeSet<String>) -> Result<(), Refusal> {
    if let Some(unknown) = body.as_object().and_then(|body| body.keys().find(|key| !TOP.contains(&key.as_str()))) {
        return Err(Refusal::whole(&format!("Unrecognized field \"{unknown}\"")));
    }
    let Some(fields) = body["fields"].as_object() else { return Err(Refusal::whole("The fields are missing")) };
    check_properties(body.get("properties"))?;
    check_update(body.get("update"), hidden)?;
    let mut refusal = Refusal::default();
    for (name, verdict) in [
        ("project", project(fields.get("project"))),
        ("issuetype", issue_type(fields.get("issuetype"))),
        ("summary", summary(fields.get("summary"))),
    ] {
        refusal.field(name, verdict);
    }
    for (name, value) in fields.iter().filter(|(name, _)| !REQUIRED.contains(&name.as_str())) {
        match optional(dialect, name, value) {
            Some(_) if hidden.contains(name) => refusal.field(name, Err(not_on_screen(name))),
            None => refusal.field(name, Err(not_on_screen(name))),
            Some(Err(Fault::Field(why))) => refusal.field(name, Err(why)),
            Some(Err(Fault::Whole(why))) => refusal.messages.push(why),
            Some(Ok(())) => {}
        }
    }
    refusal.into_result()
}

/// Checks the body of `PUT /issue/KEY`: the same fields, none of them required.
pub(super) fn check_edit(dialect: Dialect, body: &Value, hidden: &BTreeSet<String>) -> Result<(), Refusal> {
    let Some(fields) = body["fields"].as_object().filter(|_| body.as_object().is_some_and(|body| body.len() == 1))
    else {
        return Err(Refusal::whole("An edit is an object with fields and nothing else"));
    };
    let mut refusal = Refusal::default();
    for (name, value) in fields {
        let verdict = match name.as_str() {
            "summary" => Some(summary(Some(value)).map_err(Fault::Field)),
            _ => optional(dialect, name, value),
        };
        match verdict {
            Some(_) if hidden.contains(name) => refusal.field(name, Err(not_on_screen(name))),
            None => refusal.field(name, Err(not_on_screen(name))),
            Some(Err(Fault::Field(why))) => refusal.field(name, Err(why)),
            Some(Err(Fault::Whole(why))) => refusal.messages.push(why),
            Some(Ok(())) => {}
        }
    }
    refusal.into_result()
}

/// The keys of the issues that a new one is to be linked to.
pub(super) fn links(body: &Value) -> Vec<String> {
    let links = shape::elements_of(&body["update"], "issuelinks").iter();
    links.filter_map(|link| link.pointer("/add/outwardIssue/key")?.as_str()).map(str::to_owned).collect()
}

/// The only operation on a new issue that is known here: a link of a type that every site has.
fn check_update(update: Option<&Value>, hidden: &BTreeSet<String>) -> Result<(), Refusal> {
    let Some(update) = update else { return Ok(()) };
    let mut refusal = Refusal::default();
    let is_link = |link: &Value| {
        let added = &link["add"];
        shape::text_of(&added["type"], "name") == "Relates" && !shape::text_of(&added["outwardIssue"], "key").is_empty()
    };
    for (name, operations) in update.as_object().into_iter().flatten() {
        let is_known = name == "issuelinks" && !hidden.contains(name);
        let is_sound = operations.as_array().is_some_and(|operations| operations.iter().all(is_link));
        refusal.field(
            name,
            match (is_known, is_sound) {
                (false, _) => Err(not_on_screen(name)),
                (true, false) => Err("An issue link is a type and an issue".to_owned()),
                (true, true) => Ok(()),
            },
        );
    }
    refusal.into_result()
}

/// Checks the body of `POST /issue/KEY/comment`.
pub(super) fn check_comment(dialect: Dialect, body: &Value) -> Result<(), Refusal> {
    if body.as_object().is_none_or(|body| body.keys().any(|key| key != "body")) {
        return Err(Refusal::whole("A comment is an object with a body and nothing else"));
    }
    let mut refusal = Refusal::default();
    match rich_text(dialect, &body["body"]) {
        Err(Fault::Field(why)) => refusal.field("comment", Err(why)),
        Err(Fault::Whole(why)) => refusal.messages.push(why),
        Ok(()) if body["body"] == "" => refusal.field("comment", Err("Comment body can not be empty!".to_owned())),
        Ok(()) => {}
    }
    refusal.into_result()
}

/// Whether Jira blames the field or the request.
enum Fault {
    Field(String),
    Whole(String),
}

/// A field that need not be there; `None` where the project has no such field.
fn optional(dialect: Dialect, name: &str, value: &Value) -> Option<Result<(), Fault>> {
    let verdict = match name {
        "description" => return Some(rich_text(dialect, value)),
        "labels" => labels(value),
        "priority" => chosen(value, &PRIORITIES, 1, "The priority selected is invalid."),
        "assignee" => assignee(dialect, value),
        _ => return None,
    };
    Some(verdict.map_err(Fault::Field))
}

fn project(value: Option<&Value>) -> Result<(), String> {
    let key = value.map(|project| shape::text_of(project, "key")).unwrap_or_default();
    let id = value.map(|project| shape::text_of(project, "id")).unwrap_or_default();
    if key == PROJECT || id == PROJECT_ID { Ok(()) } else { Err("valid project is required".to_owned()) }
}

fn issue_type(value: Option<&Value>) -> Result<(), String> {
    chosen(value.unwrap_or(&Value::Null), &ISSUE_TYPES, 10_001, "Specify a valid issue type")
}

/// One of these names, or its id; the ids count up from `first_id`.
fn chosen(value: &Value, names: &[&str], first_id: usize, otherwise: &str) -> Result<(), String> {
    let by_name = names.contains(&shape::text_of(value, "name"));
    let id = shape::text_of(value, "id").parse::<usize>();
    let by_id = id.is_ok_and(|id| (first_id..first_id + names.len()).contains(&id));
    if by_name || by_id { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn summary(value: Option<&Value>) -> Result<(), String> {
    let summary = value.and_then(Value::as_str).unwrap_or_default();
    if summary.trim().is_empty() {
        return Err("You must specify a summary of the issue.".to_owned());
    }
    if summary.contains(['\r', '\n']) {
        return Err("The summary is invalid because it contains newline characters.".to_owned());
    }
    if summary.chars().count() > SUMMARY_CHARS_MAX {
        return Err("Summary must be less than 255 characters.".to_owned());
    }
    Ok(())
}

fn labels(value: &Value) -> Result<(), String> {
    let Some(labels) = value.as_array() else { return Err("data was not an array".to_owned()) };
    for label in labels {
        let Some(label) = label.as_str() else { return Err("string expected".to_owned()) };
        if label.is_empty() || label.contains(char::is_whitespace) {
            return Err(format!("The label '{label}' contains spaces which is invalid."));
        }
        if label.chars().count() > LABEL_CHARS_MAX {
            return Err(format!("The label '{label}' is too long."));
        }
    }
    Ok(())
}

fn assignee(dialect: Dialect, value: &Value) -> Result<(), String> {
    let names: &[&str] = match dialect {
        Dialect::Cloud => &["accountId", "id"],
        Dialect::DataCenter => &["name"],
    };
    let is_given = names.iter().any(|name| !shape::text_of(value, name).is_empty());
    if is_given { Ok(()) } else { Err(format!("expected '{}' property to be provided", names[0])) }
}

/// A description or a comment: a document on Cloud, wiki markup on Data Center.
fn rich_text(dialect: Dialect, value: &Value) -> Result<(), Fault> {
    match (dialect, value) {
        (Dialect::Cloud, Value::Object(_)) => document(value),
        (Dialect::Cloud, _) => Err(Fault::Field(
            "Operation value must be an Atlassian Document (see the Atlassian Document Format)".to_owned(),
        )),
        (Dialect::DataCenter, Value::String(wiki)) if wiki.chars().count() > RICH_TEXT_CHARS_MAX => {
            Err(Fault::Field(TOO_LONG.to_owned()))
        }
        (Dialect::DataCenter, Value::String(_)) => Ok(()),
        (Dialect::DataCenter, _) => Err(Fault::Field("Operation value must be a string".to_owned())),
    }
}

fn document(value: &Value) -> Result<(), Fault> {
    if value.to_string().chars().count() > RICH_TEXT_CHARS_MAX {
        return Err(Fault::Whole("CONTENT_LIMIT_EXCEEDED".to_owned()));
    }
    // Jira says no more than the first words; the rest is for who has to find the fault.
    adf::check(value).map_err(|fault| Fault::Whole(format!("INVALID_INPUT {} {}", fault.at, fault.why)))
}

fn check_properties(properties: Option<&Value>) -> Result<(), Refusal> {
    let Some(properties) = properties else { return Ok(()) };
    let Some(properties) = properties.as_array() else { return Err(Refusal::whole("The properties must be an array")) };
    let is_sound = |property: &Map<String, Value>| {
        let key = property.get("key").and_then(Value::as_str).unwrap_or_default();
        let size = property.get("value").map(|value| value.to_string().len());
        property.len() == 2
            && (1..=PROPERTY_KEY_CHARS_MAX).contains(&key.chars().count())
            && size.is_some_and(|size| size <= PROPERTY_BYTES_MAX)
    };
    if properties.iter().all(|property| property.as_object().is_some_and(is_sound)) {
        return Ok(());
    }
    Err(Refusal::whole("A property is a key of at most 255 characters and a value of at most 32 KB"))
}

fn not_on_screen(name: &str) -> String {
    format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown.")
}

const TOP: [&str; 5] = ["fields", "properties", "update", "transition", "historyMetadata"];

const REQUIRED: [&str; 3] = ["project", "issuetype", "summary"];

const PROJECT_ID: &str = "10000";

/// Jira says "less than 255".
const SUMMARY_CHARS_MAX: usize = 254;

const LABEL_CHARS_MAX: usize = 255;

const PROPERTY_KEY_CHARS_MAX: usize = 255;

const PROPERTY_BYTES_MAX: usize = 32 * 1024;

/// Of wiki markup, and of the serialized document: Atlassian does not say which, and this is the stricter reading.
const RICH_TEXT_CHARS_MAX: usize = 32_767;

const TOO_LONG: &str = "The entered text is too long. It exceeds the allowed limit of 32,767 characters.";
