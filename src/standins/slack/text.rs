//! A message as people read it, and what in it would ring their phones.

use serde_json::Value;

use super::message::{CHANNEL_NAME, Message};
use crate::standins::shape::{elements_of, text_of};
use crate::standins::terminal::{Card, Line, Tone};

impl Message {
    /// Control sequences that Slack would act on instead of showing them: `<!channel>`, `<@U…>`, `<#C…>`. They ring
    /// people's phones; text of an alert must never get one through.
    pub fn pings(&self) -> Vec<String> {
        let everything = self.to_json();
        pings(&everything)
    }

    pub(super) fn card(&self) -> Card {
        let mut lines = lines(self);
        if self.updates > 0 {
            lines.push(Line::new(Tone::Faint, "(edited)"));
        }
        let reply = match (&self.thread_ts, self.is_broadcast) {
            (None, _) => "",
            (Some(_), false) => " · reply in thread",
            (Some(_), true) => " · reply in thread, also sent to the channel",
        };
        Card { heading: format!("Slack {CHANNEL_NAME} · {}{reply}", self.received_at.to_human()), lines }
    }
}

/// The message, block by block; its text where it has no blocks.
fn lines(message: &Message) -> Vec<Line> {
    let attached = message.attachments.iter().flat_map(|attachment| elements_of(attachment, "blocks"));
    let mut lines: Vec<Line> = message.blocks.iter().chain(attached).flat_map(block).collect();
    for attachment in &message.attachments {
        let texts = ["title", "text", "footer"].map(|part| text_of(attachment, part));
        lines.extend(texts.iter().filter(|text| !text.is_empty()).map(|text| Line::normal(mrkdwn(text))));
    }
    if lines.is_empty() { vec![Line::normal(mrkdwn(&message.text))] } else { lines }
}

/// Control sequences and mentions anywhere in the message. Where Slack shows text as it stands they are harmless and
/// not listed: in `plain_text` objects and in the plain elements of `rich_text`.
fn pings(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object)
            if text_of(value, "type") == "plain_text" || object.get("type") == Some(&"text".into()) =>
        {
            Vec::new()
        }
        Value::Object(_) if matches!(text_of(value, "type"), "broadcast" | "user") => vec![value.to_string()],
        Value::Object(object) => {
            object.iter().filter(|(key, _)| *key != "metadata").flat_map(|(_, value)| pings(value)).collect()
        }
        Value::Array(elements) => elements.iter().flat_map(pings).collect(),
        Value::String(text) => {
            controls(text).filter(|inner| is_ping(inner)).map(|inner| format!("<{inner}>")).collect()
        }
        _ => Vec::new(),
    }
}

fn is_ping(inner: &str) -> bool {
    inner.starts_with(['!', '@', '#']) && !inner.starts_with("!date^")
}

/// What stands between `<` and `>`.
fn controls(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(inner, _)| inner))
}

fn block(block: &Value) -> Vec<Line> {
    match text_of(block, "type") {
        "header" => vec![Line::new(Tone::Strong, text_object(&block["text"]))],
        "section" => section(block),
        "context" => {
            let parts: Vec<String> = elements_of(block, "elements").iter().map(text_object).collect();
            vec![Line::new(Tone::Faint, parts.join("  "))]
        }
        "actions" => elements_of(block, "elements").iter().map(button).collect(),
        "divider" => vec![Line::new(Tone::Faint, "─".repeat(40))],
        "image" => vec![Line::new(Tone::Faint, format!("[image: {}]", text_of(block, "alt_text")))],
        "markdown" => vec![Line::normal(text_of(block, "text"))],
        _ => elements_of(block, "elements").iter().map(rich_text).collect(),
    }
}

fn section(block: &Value) -> Vec<Line> {
    let text = block.get("text").map(|text| Line::normal(text_object(text)));
    let fields = elements_of(block, "fields").iter().map(|field| Line::normal(on_one_line(&text_object(field))));
    let accessory = block.get("accessory").filter(|accessory| accessory["type"] == "button").map(button);
    text.into_iter().chain(fields).chain(accessory).collect()
}

/// Fields are written as a label above a value; a terminal has space beside it.
fn on_one_line(field: &str) -> String {
    match field.split_once('\n') {
        Some((label, value)) => format!("{}: {value}", label.trim_end_matches(':')),
        None => field.to_owned(),
    }
}

fn button(button: &Value) -> Line {
    Line::normal(format!("[ {} ] {}", text_object(&button["text"]), text_of(button, "url")))
}

fn text_object(object: &Value) -> String {
    let text = text_of(object, "text");
    match text_of(object, "type") {
        "plain_text" => emoji(text),
        "image" => format!("[image: {}]", text_of(object, "alt_text")),
        _ => mrkdwn(text),
    }
}

fn rich_text(element: &Value) -> Line {
    let inner = elements_of(element, "elements");
    let text = match text_of(element, "type") {
        "rich_text_list" => {
            inner.iter().map(|item| format!("• {}", rich_text(item).text)).collect::<Vec<_>>().join("\n")
        }
        "rich_text_preformatted" => indented(&inner.iter().map(rich_inline).collect::<String>(), "    "),
        "rich_text_quote" => indented(&inner.iter().map(rich_inline).collect::<String>(), "> "),
        _ => inner.iter().map(rich_inline).collect(),
    };
    Line::normal(text)
}

fn rich_inline(element: &Value) -> String {
    match text_of(element, "type") {
        "link" => link(text_of(element, "url"), text_of(element, "text")),
        "emoji" => emoji(&format!(":{}:", text_of(element, "name"))),
        "broadcast" => format!("@{}", text_of(element, "range")),
        "user" => format!("@{}", text_of(element, "user_id")),
        _ => text_of(element, "text").to_owned(),
    }
}

fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| format!("{by}{line}")).collect::<Vec<_>>().join("\n")
}

/// Slack's markup as it is shown: links and mentions resolved, asterisks of bold text gone, entities decoded. Code
/// keeps its backticks, so that it can be told from the sentence around it.
fn mrkdwn(text: &str) -> String {
    let mut shown = String::new();
    for (index, part) in text.split('`').enumerate() {
        let is_code = index % 2 == 1;
        if index > 0 {
            shown.push('`');
        }
        shown.push_str(&decode(&resolve(&if is_code { part.to_owned() } else { emoji(&without_bold(part)) })));
    }
    shown
}

/// Replaces what is in angle brackets. Entities are decoded after this, so that an escaped bracket stays text.
fn resolve(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        shown.push_str(before);
        match after.split_once('>') {
            Some((inner, after)) => {
                shown.push_str(&control(inner));
                rest = after;
            }
            None => {
                shown.push('<');
                rest = after;
            }
        }
    }
    shown + rest
}

fn control(inner: &str) -> String {
    let (target, label) = inner.split_once('|').unwrap_or((inner, ""));
    match target.chars().next() {
        Some('!') if target.starts_with("!date^") => label.to_owned(),
        Some('!') => format!("@{}", &target[1..]),
        Some('@') | Some('#') => {
            if label.is_empty() {
                target.to_owned()
            } else {
                format!("{}{label}", &target[..1])
            }
        }
        _ => link(target, label),
    }
}

fn link(url: &str, label: &str) -> String {
    if label.is_empty() || label == url { url.to_owned() } else { format!("{label} ({url})") }
}

fn decode(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Takes out pairs of asterisks that hug a piece of one line, as Slack does.
fn without_bold(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('*') {
        shown.push_str(before);
        let is_open = !shown.ends_with(char::is_alphanumeric) && !after.starts_with([' ', '*', '\n']);
        match after.split_once('*') {
            Some((bold, after)) if is_open && !bold.ends_with(' ') && !bold.contains('\n') => {
                shown.push_str(bold);
                rest = after;
            }
            _ => {
                shown.push('*');
                rest = after;
            }
        }
    }
    shown + rest
}

/// The short codes that alerts use; any other stays as it is written.
fn emoji(text: &str) -> String {
    EMOJI.iter().fold(text.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

const EMOJI: &[(&str, &str)] = &[
    (":bell:", "🔔"),
    (":black_circle:", "⚫"),
    (":fire:", "🔥"),
    (":information_source:", "ℹ"),
    (":large_blue_circle:", "🔵"),
    (":large_green_circle:", "🟢"),
    (":large_orange_circle:", "🟠"),
    (":large_yellow_circle:", "🟡"),
    (":red_circle:", "🔴"),
    (":rotating_light:", "🚨"),
    (":warning:", "⚠"),
    (":white_check_mark:", "✅"),
    (":white_circle:", "⚪"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_is_shown_as_slack_shows_it() {
        for (written, shown) in [
            ("*HIGH* · `a*b*c` &lt;x&gt; &amp;amp;", "HIGH · `a*b*c` <x> &amp;"),
            ("<https://a.example/x|Open> <https://a.example>", "Open (https://a.example/x) https://a.example"),
            ("<!channel> <@U1> <#C1|soc> <!date^1^{date}|then>", "@channel @U1 #soc then"),
            ("2 * 3 * 4, a*b*c, *open", "2 * 3 * 4, a*b*c, *open"),
            (":rotating_light: :unknown:", "🚨 :unknown:"),
            ("a < b", "a < b"),
            ("&lt;!channel&gt;", "<!channel>"),
            ("<!é> <é|ü> <> <|>", "@é ü (é)  "),
        ] {
            assert_eq!(mrkdwn(written), shown, "{written}");
        }
    }

    #[test]
    fn pings_are_found_where_slack_would_act_on_them() {
        let section = |kind: &str| json!([{"type": "section", "text": {"type": kind, "text": "a <!channel> <@U1>"}}]);
        assert_eq!(pings(&section("mrkdwn")), ["<!channel>", "<@U1>"]);
        assert!(pings(&section("plain_text")).is_empty());
        assert_eq!(pings(&json!({"text": "<!here>"})), ["<!here>"]);
        assert!(pings(&json!({"text": "&lt;!here&gt; <https://a.example|x> <!date^1^x|y>"})).is_empty());
        assert!(pings(&json!({"type": "text", "text": "<!here>"})).is_empty());
        assert_eq!(pings(&json!([{"type": "broadcast", "range": "here"}])).len(), 1);
    }
}
