//! Where the fields of an element are: the settings of `map`.

use std::borrow::Cow;

use crate::settings::Section;

/// Where the fields of an element are, as JSON pointers.
#[derive(Default)]
pub(super) struct Places {
    /// What makes two events the same, all together; none where nothing is mapped.
    pub(super) key: Vec<String>,
    /// The vendor's own group, together; also in the message around the list.
    pub(super) group: Vec<String>,
    /// The vendor's name of the alert, together.
    pub(super) correlation: Vec<String>,
    /// The rest of what `map` knows, where it is mapped.
    pub(super) map: Vec<(&'static str, String)>,
}

impl Places {
    /// Reads `map`; `None` where a pointer in it is at fault.
    pub(super) fn read(map: &Section) -> Option<Self> {
        let given: Vec<_> = NAMES.iter().map(|name| Some((*name, pointer(map, name)?))).collect();
        let (key, group) = (key_pointers(map), pointers(map, "group"));
        let correlation = pointers(map, "correlation");
        map.finish();
        let given = given.into_iter().collect::<Option<Vec<_>>>()?;
        let map = given.into_iter().filter_map(|(name, pointer)| Some((name, pointer?))).collect();
        Some(Self { key: key?, group: group?, correlation: correlation?, map })
    }

    /// The pointers that are mapped with their names, but for those of the key.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let one_by_one = self.map.iter().map(|(name, pointer)| (*name, pointer));
        let group = self.group.iter().map(|pointer| ("group", pointer));
        one_by_one.chain(group).chain(self.correlation.iter().map(|pointer| ("correlation", pointer)))
    }
}

/// Where a pointer that the operator gave leads: `Some(None)` where none was given, `None` where it is at fault.
pub(super) fn pointer(section: &Section, key: &'static str) -> Option<Option<String>> {
    if !section.has(key) {
        return Some(None);
    }
    checked(section, key, section.text(key)?).map(Some)
}

/// The pointer, if it is one.
pub(super) fn checked(section: &Section, key: &'static str, pointer: String) -> Option<String> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Some(pointer);
    }
    let fix =
        format!("write a JSON pointer like \"/{}\"", pointer.trim_start_matches(['$', '.', '#']).replace('.', "/"));
    section.fault(key, &format!("'{pointer}' is no JSON pointer"), &fix);
    None
}

/// `key = "/alert_id"`, or `key = ["/fingerprint", "/startsAt", "/status"]`; `None` where a pointer is at fault.
pub(super) fn key_pointers(map: &Section) -> Option<Vec<String>> {
    let pointers = pointers(map, "key")?;
    if let [pointer] = pointers.as_slice()
        && is_of_the_alert(pointer)
    {
        let message = format!(
            "'{pointer}' is the same each time that an alert fires, and when it is resolved: for as long as keys are kept only \
             the first of them would be told"
        );
        map.warn("key", &message, "add what differs, as in key = [\"/fingerprint\", \"/startsAt\", \"/status\"]");
    }
    Some(pointers)
}

/// One pointer, or several whose values count together; none where nothing is given, `None` where one is at fault.
pub(super) fn pointers(map: &Section, name: &'static str) -> Option<Vec<String>> {
    if !map.has(name) {
        return Some(Vec::new());
    }
    let given = map.text_or_texts(name)?;
    let pointers: Vec<Option<String>> = given.into_iter().map(|pointer| checked(map, name, pointer)).collect();
    pointers.into_iter().collect()
}

/// Whether a pointer leads to what names an alert, and not one time that it happens.
pub(super) fn is_of_the_alert(pointer: &str) -> bool {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    let bare: String = last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    LASTING.contains(&bare.as_str())
}

/// How deep the field stands that a pointer leads to, and its name.
pub(super) fn end_of(pointer: &str) -> (usize, Cow<'_, str>) {
    (pointer.matches('/').count(), unescaped(pointer.rsplit('/').next().unwrap_or_default()))
}

/// A part of a pointer, as the name is written in a body.
pub(super) fn unescaped(part: &str) -> Cow<'_, str> {
    if part.contains('~') { part.replace("~1", "/").replace("~0", "~").into() } else { part.into() }
}

pub(super) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        all + &head.to_ascii_uppercase() + tail
    })
}

/// What `map` knows, beside what several pointers may tell together.
pub(super) const NAMES: &[&str] = &[
    "title",
    "message",
    "severity",
    "time",
    "actor",
    "type",
    "rule",
    "rule_name",
    "method",
    "url",
    "host",
    "agent",
    "status",
    "link",
    "user",
    "ip",
    "outcome",
    "vendor_id",
    "action",
    "risk_score",
    "state",
    "victim",
];
/// What is never guessed.
pub(super) const MATTERS_OF_TRUST: &[&str] = &["link", "state", "victim"];
/// Names of fields that stay the same for as long as an alert exists, in small letters and without marks.
const LASTING: &[&str] = &["fingerprint", "groupkey", "dedupkey", "alertname", "ruleid", "alertcyclekey", "aggregkey"];
