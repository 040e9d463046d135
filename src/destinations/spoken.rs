//! What people read of what a notifier sends, for tests of all notifiers.

use serde_json::Value;

use super::life::{self, OwnedTelling};
use super::{Build, KINDS, Kind, Message, Method, Next, Notifier, testing};
use crate::domain::{NotifierClass, Operation, Reference};

/// Every kind of notifier, built from its own template, those of two classes once for each.
pub fn notifiers() -> Vec<(&'static Kind, Box<dyn Notifier>)> {
    let of_kind = |kind: &&'static Kind| matches!(kind.build, Build::Notifier(_));
    let mut all: Vec<_> =
        KINDS.iter().copied().filter(of_kind).map(|kind| (kind, testing::notifier(kind, kind.template))).collect();
    let slack = super::find("slack").unwrap();
    all.push((slack, testing::notifier(slack, "token = { env = \"SLACK_TOKEN\" }\nchannel = \"C0123456789\"")));
    all
}

/// A stage of a life, with what that kind of notifier has made before.
pub fn told(kind: &Kind, class: NotifierClass, stage: &str) -> OwnedTelling {
    let mut told = life::at(stage, class);
    let data = match kind.name {
        "slack" => serde_json::json!({ "channel": "C0123456789", "ts": "1.2" }),
        "jira" => serde_json::json!({ "id": "10001" }),
        "servicenow" => serde_json::json!({ "sys_id": "0".repeat(32) }),
        _ => serde_json::json!({ "message": "1" }),
    };
    let name = if kind.name == "servicenow" { "INC0010001" } else { "SEC-1" };
    told.told.reference = Some(Reference { name: name.into(), data });
    told
}

/// What is first sent of a change; `None` where it holds no words, such as a search or the end of a page.
pub fn sent(notifier: &dyn Notifier, told: &OwnedTelling) -> Option<String> {
    match notifier.first(&told.job(), &told.telling()) {
        Next::Done(_) => None,
        Next::Send(_, Message::Http(request)) => {
            let is_search = request.method == Method::Get;
            (!is_search).then(|| strings(&serde_json::from_slice(&request.body).unwrap()).join("\n"))
        }
        Next::Send(_, Message::Mail(mailing)) => Some(decoded(&mailing.mails[0].content)),
        Next::Send(_, other) => panic!("{other:?}"),
    }
}

/// Whether the operation shows or says something with words of the incident's.
pub fn has_words(operation: Operation, class: NotifierClass) -> bool {
    match operation {
        Operation::Trigger { .. } | Operation::Create { .. } => true,
        Operation::Reply { .. } => class == NotifierClass::AppendOnly,
        Operation::Edit => class == NotifierClass::EditableChat,
        Operation::AcknowledgePage { .. } | Operation::ResolvePage { .. } | Operation::Transition => false,
    }
}

/// Every text of a document, in its order.
pub fn strings(document: &Value) -> Vec<String> {
    match document {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [vec![name.clone()], strings(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

/// A mail without quoted-printable.
fn decoded(content: &[u8]) -> String {
    let text = String::from_utf8(content.to_vec()).unwrap().replace("=\r\n", "").replace("\r\n", "\n");
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        let hex: Option<Vec<u8>> = (byte == b'=').then(|| rest.clone().take(2).collect());
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest.next();
                rest.next();
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}
