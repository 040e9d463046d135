//! The one question that is asked of Jira: which issues of the project carry this label?

use serde_json::{Map, Value, json};

use super::{Dialect, Issue, PROJECT};

/// Answers a search among these issues, newest first, or says what is wrong with it.
pub(super) fn run(
    dialect: Dialect,
    body: &Value,
    issues: &[&Issue],
    self_of: impl Fn(&Issue) -> String,
) -> Result<Value, String> {
    let given = body.as_object().ok_or("The request is not an object")?;
    let page = Page::read(dialect, given)?;
    let jql = given.get("jql").and_then(Value::as_str).unwrap_or_default();
    let question = Question::parse(jql).ok_or_else(|| format!("Error in the JQL Query: cannot parse {jql:?}"))?;
    if question.project != PROJECT {
        return Err(format!("The value '{}' does not exist for the field 'project'.", question.project));
    }
    let found: Vec<&&Issue> =
        issues.iter().rev().filter(|issue| issue.labels().contains(&question.label.as_str())).collect();
    let shown = found.iter().skip(page.start).take(page.size).map(|issue| page.show(issue, self_of(issue)));
    Ok(page.wrap(dialect, shown.collect(), found.len()))
}

/// `project = "X" AND labels = "Y"`.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    project: String,
    label: String,
}

impl Question {
    fn parse(jql: &str) -> Option<Self> {
        let tokens = tokens(jql)?;
        let [Token::Bare(first), Token::Equals, project, Token::Bare(and), Token::Bare(second), Token::Equals, label] =
            tokens.as_slice()
        else {
            return None;
        };
        let is_shaped = first.eq_ignore_ascii_case("project")
            && and.eq_ignore_ascii_case("and")
            && second.eq_ignore_ascii_case("labels");
        is_shaped.then_some(Self { project: project.value()?, label: label.value()? })
    }
}

#[derive(Debug)]
enum Token {
    Bare(String),
    Quoted(String),
    Equals,
}

impl Token {
    fn value(&self) -> Option<String> {
        match self {
            Self::Bare(text) | Self::Quoted(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }
}

/// The words, quoted texts and equal signs; `None` where anything else stands between them.
fn tokens(jql: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = jql.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '=' => (Token::Equals, &rest[1..]),
            '"' | '\'' => quoted(&rest[1..], first)?,
            _ => bare(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(tokens)
}

fn quoted(text: &str, quote: char) -> Option<(Token, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            c if c == quote => return Some((Token::Quoted(value), &text[at + 1..])),
            c => value.push(c),
        }
    }
    None
}

fn bare(text: &str) -> Option<(Token, &str)> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    (end > 0).then(|| (Token::Bare(text[..end].to_owned()), &text[end..]))
}

/// Which part of the answer is wanted, and how much of each issue.
struct Page {
    start: usize,
    size: usize,
    fields: Vec<String>,
}

impl Page {
    fn read(dialect: Dialect, given: &Map<String, Value>) -> Result<Self, String> {
        let known: &[&str] = match dialect {
            Dialect::Cloud => &["jql", "fields", "maxResults", "nextPageToken", "expand", "reconcileIssues"],
            Dialect::DataCenter => &["jql", "fields", "maxResults", "startAt", "expand", "validateQuery"],
        };
        if let Some(unknown) = given.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("Unrecognized field \"{unknown}\""));
        }
        let start = match given.get("nextPageToken") {
            Some(token) => token.as_str().and_then(|token| token.parse().ok()).ok_or("Invalid nextPageToken")?,
            None => number(given, "startAt", 0)?,
        };
        let size = number(given, "maxResults", 50)?.min(PAGE_MAX);
        let default = match dialect {
            Dialect::Cloud => json!([]),
            Dialect::DataCenter => json!(["*all"]),
        };
        let fields = given.get("fields").unwrap_or(&default).as_array().ok_or("The fields must be an array")?;
        let fields = fields.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { start, size, fields })
    }

    /// Only the id where no field is asked for, as Cloud does.
    fn show(&self, issue: &Issue, url: String) -> Value {
        if self.fields.is_empty() {
            return json!({"id": issue.id});
        }
        let is_wanted = |name: &str| self.fields.iter().any(|field| matches!(field.as_str(), "*all") || field == name);
        let fields: Map<String, Value> =
            issue.fields.iter().filter(|(name, _)| is_wanted(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
        json!({"id": issue.id, "key": issue.key, "self": url, "fields": fields})
    }

    fn wrap(&self, dialect: Dialect, shown: Vec<Value>, total: usize) -> Value {
        let end = self.start.saturating_add(shown.len());
        match dialect {
            Dialect::Cloud if end < total => {
                json!({"issues": shown, "isLast": false, "nextPageToken": end.to_string()})
            }
            Dialect::Cloud => json!({"issues": shown, "isLast": true}),
            Dialect::DataCenter => {
                json!({"startAt": self.start, "maxResults": self.size, "total": total, "issues": shown})
            }
        }
    }
}

fn number(given: &Map<String, Value>, name: &str, default: usize) -> Result<usize, String> {
    match given.get(name) {
        None => Ok(default),
        Some(value) => {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| format!("{name} must be a number, 0 or more"))
        }
    }
}

const PAGE_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shape_of_question_is_understood() {
        let question = |label: &str| Some(Question { project: "SEC".to_owned(), label: label.to_owned() });
        for jql in [
            r#"project = "SEC" AND labels = "gp-1""#,
            "project=SEC and labels=gp-1",
            "  PROJECT = 'SEC'  AND LABELS = 'gp-1' ",
        ] {
            assert_eq!(Question::parse(jql), question("gp-1"), "{jql}");
        }
        assert_eq!(Question::parse(r#"project = SEC AND labels = "a\"b\\c""#), question(r#"a"b\c"#));
    }

    #[test]
    fn any_other_is_refused() {
        for jql in [
            "",
            "project = SEC",
            "labels = x AND project = SEC",
            "project = SEC OR labels = x",
            "project = SEC AND labels = x ORDER BY created",
            r#"project = SEC AND labels = "x" OR project = SEC"#,
            "project = SEC AND labels = a b",
            "project = SEC AND labels in (x)",
            r#"project = SEC AND labels = "x"#,
            r#"project = SEC AND labels = "x\"#,
            r#"project = SEC AND labels = """#,
            r#""project" = SEC AND labels = x"#,
            "project == SEC AND labels = x",
            "project = SEC AND labels = é(",
        ] {
            assert_eq!(Question::parse(jql), None, "{jql}");
        }
    }
}
