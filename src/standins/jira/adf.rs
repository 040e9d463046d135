//! The Atlassian Document Format: whether Jira Cloud would take a document.
//!
//! A subset of the official schema (adf-schema 57): the nodes that make sense in a ticket written by a program. What is
//! not in the table is refused, so that nothing passes here which Jira refuses.

use serde_json::Value;

use crate::standins::shape::{self, Fault, Field, may, must};

/// Refuses what is not a document, with the place of the first fault.
pub(super) fn check(document: &Value) -> Result<(), Fault> {
    shape::object(
        document,
        &[
            must("type", |value| shape::one_of(value, &["doc"])),
            must("version", |value| if value == 1 { Ok(()) } else { Err(Fault::new("must be 1")) }),
            must("content", |value| inside(value, &Inside { min: 0, kinds: DOCUMENT, marks: &[] })),
        ],
    )
}

/// A kind of node.
struct Node {
    kind: &'static str,
    attrs: &'static [Field],
    inside: Option<Inside>,
}

/// What a node may contain.
struct Inside {
    min: usize,
    kinds: &'static [&'static str],
    /// The marks that its text may carry.
    marks: &'static [&'static str],
}

fn inside(content: &Value, allowed: &Inside) -> Result<(), Fault> {
    let Some(nodes) = content.as_array() else { return Err(Fault::new("must be an array")) };
    if nodes.len() < allowed.min {
        return Err(Fault::new("must not be empty"));
    }
    for (index, node) in nodes.iter().enumerate() {
        child(node, allowed).map_err(|fault| fault.under(index))?;
    }
    Ok(())
}

fn child(node: &Value, allowed: &Inside) -> Result<(), Fault> {
    let kind = shape::text_of(node, "type");
    if !allowed.kinds.contains(&kind) {
        return Err(Fault::new(format!("{kind:?} may not stand here")).under("type"));
    }
    match NODES.iter().find(|known| known.kind == kind) {
        Some(known) => check_node(node, known),
        None => text(node, allowed.marks),
    }
}

fn check_node(node: &Value, known: &Node) -> Result<(), Fault> {
    keys(node, known)?;
    match node.get("attrs") {
        Some(attrs) => shape::object(attrs, known.attrs).map_err(|fault| fault.under("attrs"))?,
        None if known.attrs.iter().any(Field::is_required) || ALWAYS_ATTRS.contains(&known.kind) => {
            return Err(Fault::new("is missing").under("attrs"));
        }
        None => {}
    }
    match (&known.inside, node.get("content")) {
        (Some(allowed), Some(content)) => inside(content, allowed).map_err(|fault| fault.under("content")),
        (Some(allowed), None) if allowed.min > 0 || ALWAYS_CONTENT.contains(&known.kind) => {
            Err(Fault::new("is missing").under("content"))
        }
        _ => Ok(()),
    }
}

/// Refuses keys that a node of this kind does not have. Where blocks have marks, they are of alignment and the like:
/// only the empty list is taken.
fn keys(node: &Value, known: &Node) -> Result<(), Fault> {
    for (key, value) in node.as_object().into_iter().flatten() {
        let is_fine = match key.as_str() {
            "type" | "attrs" => true,
            "content" => known.inside.is_some(),
            "marks" => MARKABLE.contains(&known.kind) && value.as_array().is_some_and(Vec::is_empty),
            _ => false,
        };
        if !is_fine {
            return Err(Fault::new("may not stand here").under(key));
        }
    }
    Ok(())
}

fn text(node: &Value, marks: &[&str]) -> Result<(), Fault> {
    shape::object(
        node,
        &[
            must("type", shape::any_text),
            must("text", |value| shape::text(value, 1, usize::MAX)),
            may("marks", |value| shape::list(value, 0, usize::MAX, mark)),
        ],
    )?;
    let kinds: Vec<&str> = shape::elements_of(node, "marks").iter().map(|mark| shape::text_of(mark, "type")).collect();
    if let Some(kind) = kinds.iter().find(|kind| !marks.contains(kind)) {
        return Err(Fault::new(format!("{kind} may not stand here")).under("marks"));
    }
    let is_code = kinds.contains(&"code");
    if is_code && kinds.iter().any(|kind| !matches!(*kind, "code" | "link")) {
        return Err(Fault::new("code goes together with nothing but link").under("marks"));
    }
    Ok(())
}

fn mark(mark: &Value) -> Result<(), Fault> {
    let kind = shape::text_of(mark, "type");
    match MARK_ATTRS.iter().find(|(name, _)| *name == kind) {
        Some((_, fields)) => shape::object(mark, fields),
        None => Err(Fault::new(format!("{kind:?} is not known")).under("type")),
    }
}

fn level(value: &Value) -> Result<(), Fault> {
    match value.as_f64() {
        Some(level) if (1.0..=6.0).contains(&level) => Ok(()),
        _ => Err(Fault::new("must be 1 to 6")),
    }
}

fn not_negative(value: &Value) -> Result<(), Fault> {
    match value.as_f64() {
        Some(number) if number >= 0.0 => Ok(()),
        _ => Err(Fault::new("must be a number, 0 or more")),
    }
}

fn panel(value: &Value) -> Result<(), Fault> {
    shape::one_of(value, &["info", "note", "tip", "warning", "error", "success", "custom"])
}

fn status_color(value: &Value) -> Result<(), Fault> {
    shape::one_of(value, &["neutral", "purple", "blue", "red", "yellow", "green"])
}

fn hex_color(value: &Value) -> Result<(), Fault> {
    let digits = value.as_str().and_then(|color| color.strip_prefix('#')).unwrap_or_default();
    let is_hex = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { Ok(()) } else { Err(Fault::new("must be #rrggbb")) }
}

fn link_attrs(value: &Value) -> Result<(), Fault> {
    shape::object(value, &[must("href", shape::any_text), may("title", shape::any_text)])
}

fn color_attrs(value: &Value) -> Result<(), Fault> {
    shape::object(value, &[must("color", hex_color)])
}

const LOCAL_ID: Field = may("localId", shape::any_text);

const INLINE: &[&str] = &["text", "hardBreak", "inlineCard", "mention", "status", "emoji", "date"];

const ALL_MARKS: &[&str] = &["strong", "em", "strike", "underline", "code", "link", "textColor"];

const DOCUMENT: &[&str] = &[
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "codeBlock",
    "blockquote",
    "rule",
    "panel",
    "table",
    "expand",
];

const IN_CELL: &[&str] =
    &["paragraph", "heading", "bulletList", "orderedList", "codeBlock", "blockquote", "rule", "panel", "nestedExpand"];

const IN_EXPAND: &[&str] = &[
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "codeBlock",
    "blockquote",
    "rule",
    "panel",
    "table",
    "nestedExpand",
];

const IN_NESTED_EXPAND: &[&str] =
    &["paragraph", "heading", "bulletList", "orderedList", "codeBlock", "blockquote", "rule", "panel"];

const IN_PANEL: &[&str] = &["paragraph", "heading", "bulletList", "orderedList", "codeBlock", "rule"];

const IN_ITEM: &[&str] = &["paragraph", "bulletList", "orderedList", "codeBlock"];

const fn holding(min: usize, kinds: &'static [&'static str]) -> Option<Inside> {
    Some(Inside { min, kinds, marks: &[] })
}

const WORDS: Option<Inside> = Some(Inside { min: 0, kinds: INLINE, marks: ALL_MARKS });

/// Every node but `text`, whose rules depend on where it stands.
const NODES: &[Node] = &[
    Node { kind: "paragraph", attrs: &[LOCAL_ID], inside: WORDS },
    Node { kind: "heading", attrs: &[must("level", level), LOCAL_ID], inside: WORDS },
    Node { kind: "bulletList", attrs: &[LOCAL_ID], inside: holding(1, &["listItem"]) },
    Node { kind: "orderedList", attrs: &[may("order", not_negative), LOCAL_ID], inside: holding(1, &["listItem"]) },
    Node { kind: "listItem", attrs: &[LOCAL_ID], inside: holding(1, IN_ITEM) },
    Node {
        kind: "codeBlock",
        attrs: &[may("language", shape::any_text), may("uniqueId", shape::any_text), LOCAL_ID],
        inside: holding(0, &["text"]),
    },
    Node { kind: "blockquote", attrs: &[LOCAL_ID], inside: holding(1, IN_ITEM) },
    Node { kind: "rule", attrs: &[LOCAL_ID], inside: None },
    Node { kind: "panel", attrs: &[must("panelType", panel), LOCAL_ID], inside: holding(1, IN_PANEL) },
    Node { kind: "table", attrs: TABLE, inside: holding(1, &["tableRow"]) },
    Node { kind: "tableRow", attrs: &[LOCAL_ID], inside: holding(0, &["tableHeader", "tableCell"]) },
    Node { kind: "tableHeader", attrs: CELL, inside: holding(1, IN_CELL) },
    Node { kind: "tableCell", attrs: CELL, inside: holding(1, IN_CELL) },
    Node { kind: "expand", attrs: &[may("title", shape::any_text), LOCAL_ID], inside: holding(1, IN_EXPAND) },
    Node {
        kind: "nestedExpand",
        attrs: &[may("title", shape::any_text), LOCAL_ID],
        inside: holding(1, IN_NESTED_EXPAND),
    },
    Node { kind: "hardBreak", attrs: &[may("text", |value| shape::one_of(value, &["\n"])), LOCAL_ID], inside: None },
    Node { kind: "inlineCard", attrs: &[must("url", shape::any_text), LOCAL_ID], inside: None },
    Node {
        kind: "mention",
        attrs: &[must("id", shape::any_text), may("text", shape::any_text), LOCAL_ID],
        inside: None,
    },
    Node {
        kind: "status",
        attrs: &[must("text", |value| shape::text(value, 1, usize::MAX)), must("color", status_color), LOCAL_ID],
        inside: None,
    },
    Node {
        kind: "emoji",
        attrs: &[
            must("shortName", shape::any_text),
            may("id", shape::any_text),
            may("text", shape::any_text),
            LOCAL_ID,
        ],
        inside: None,
    },
    Node { kind: "date", attrs: &[must("timestamp", |value| shape::text(value, 1, 20)), LOCAL_ID], inside: None },
];

const TABLE: &[Field] = &[
    may("isNumberColumnEnabled", shape::boolean),
    may("layout", |value| {
        shape::one_of(value, &["wide", "full-width", "center", "align-end", "align-start", "default"])
    }),
    may("width", shape::number),
    may("localId", |value| shape::text(value, 1, usize::MAX)),
];

const CELL: &[Field] = &[
    may("colspan", shape::number),
    may("rowspan", shape::number),
    may("colwidth", |value| shape::list(value, 0, usize::MAX, shape::number)),
    may("background", shape::any_text),
    LOCAL_ID,
];

const MARK_ATTRS: &[(&str, &[Field])] = &[
    ("strong", &[MARK_TYPE]),
    ("em", &[MARK_TYPE]),
    ("strike", &[MARK_TYPE]),
    ("underline", &[MARK_TYPE]),
    ("code", &[MARK_TYPE]),
    ("link", &[MARK_TYPE, must("attrs", link_attrs)]),
    ("textColor", &[MARK_TYPE, must("attrs", color_attrs)]),
];

const MARK_TYPE: Field = must("type", shape::any_text);

/// Nodes whose attributes must be there although none of them must.
const ALWAYS_ATTRS: &[&str] = &["nestedExpand"];

/// Nodes whose content must be there although it may be empty.
const ALWAYS_CONTENT: &[&str] = &["tableRow"];

/// Nodes that may have a list of marks.
const MARKABLE: &[&str] = &["paragraph", "heading", "codeBlock", "expand"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doc(blocks: Value) -> Value {
        json!({"type": "doc", "version": 1, "content": blocks})
    }

    fn paragraph(inline: Value) -> Value {
        doc(json!([{"type": "paragraph", "content": [inline]}]))
    }

    fn sound() -> Vec<Value> {
        let words = json!([{"type": "paragraph", "content": [{"type": "text", "text": "x"}]}]);
        let item = json!([{"type": "listItem", "content": words}]);
        vec![
            doc(json!([])),
            doc(words.clone()),
            doc(json!([{"type": "paragraph"}, {"type": "paragraph", "content": [], "marks": []}])),
            doc(json!([{"type": "heading", "attrs": {"level": 3}, "content": [{"type": "text", "text": "x"}]}])),
            doc(
                json!([{"type": "bulletList", "content": item}, {"type": "orderedList", "attrs": {"order": 3}, "content": item}]),
            ),
            doc(
                json!([{"type": "codeBlock", "attrs": {"language": "json"}, "content": [{"type": "text", "text": "{\n}"}]}]),
            ),
            doc(json!([{"type": "blockquote", "content": words}, {"type": "rule"}])),
            doc(json!([{"type": "panel", "attrs": {"panelType": "warning"}, "content": words}])),
            doc(json!([{"type": "expand", "attrs": {"title": "Request"}, "content": words}])),
            doc(json!([{"type": "table", "attrs": {"layout": "default"}, "content": [{"type": "tableRow", "content": [
                {"type": "tableHeader", "attrs": {}, "content": words}, {"type": "tableCell", "content": words}]}]}])),
            paragraph(json!({"type": "hardBreak"})),
            paragraph(json!({"type": "inlineCard", "attrs": {"url": "https://a.example"}})),
            paragraph(json!({"type": "status", "attrs": {"text": "HIGH", "color": "red"}})),
            paragraph(json!({"type": "emoji", "attrs": {"shortName": ":fire:"}})),
            paragraph(json!({"type": "mention", "attrs": {"id": "1", "text": "@x"}})),
            paragraph(json!({"type": "date", "attrs": {"timestamp": "1705314600000"}})),
            paragraph(
                json!({"type": "text", "text": "x", "marks": [{"type": "strong"}, {"type": "em"}, {"type": "strike"},
                {"type": "underline"}, {"type": "textColor", "attrs": {"color": "#ff0000"}}]}),
            ),
            paragraph(json!({"type": "text", "text": "x", "marks": [{"type": "code"},
                {"type": "link", "attrs": {"href": "https://a.example"}}]})),
        ]
    }

    fn broken() -> Vec<Value> {
        let words = json!([{"type": "paragraph", "content": [{"type": "text", "text": "x"}]}]);
        vec![
            json!(null),
            json!("text"),
            json!({"type": "doc", "content": []}),
            json!({"type": "doc", "version": 2, "content": []}),
            json!({"type": "doc", "version": 1}),
            json!({"type": "doc", "version": 1, "content": [], "title": "x"}),
            json!({"type": "document", "version": 1, "content": []}),
            doc(json!({})),
            doc(json!(["text"])),
            doc(json!([{"type": "text", "text": "x"}])),
            doc(json!([{"type": "paragraf"}])),
            doc(json!([{"type": "listItem", "content": words}])),
            doc(json!([{"type": "paragraph", "text": "x"}])),
            doc(json!([{"type": "paragraph", "content": words}])),
            doc(json!([{"type": "paragraph", "attrs": {"align": "left"}}])),
            doc(json!([{"type": "heading", "content": []}])),
            doc(json!([{"type": "heading", "attrs": {"level": 0}}])),
            doc(json!([{"type": "heading", "attrs": {"level": "1"}}])),
            doc(json!([{"type": "bulletList", "content": []}])),
            doc(json!([{"type": "bulletList", "content": words}])),
            doc(json!([{"type": "bulletList", "content": [{"type": "listItem", "content": []}]}])),
            doc(json!([{"type": "codeBlock", "content": [{"type": "text", "text": "x", "marks": [{"type": "em"}]}]}])),
            doc(json!([{"type": "codeBlock", "content": [{"type": "hardBreak"}]}])),
            doc(json!([{"type": "panel", "content": words}])),
            doc(json!([{"type": "panel", "attrs": {"panelType": "danger"}, "content": words}])),
            doc(json!([{"type": "panel", "attrs": {"panelType": "info"}}])),
            doc(json!([{"type": "rule", "content": []}])),
            doc(json!([{"type": "table", "content": [{"type": "tableRow"}]}])),
            doc(json!([{"type": "table", "content": [{"type": "tableCell", "content": words}]}])),
            doc(json!([{"type": "expand", "attrs": {"heading": "x"}, "content": words}])),
            paragraph(json!({"type": "text", "text": ""})),
            paragraph(json!({"type": "text"})),
            paragraph(json!({"type": "text", "text": 1})),
            paragraph(json!({"type": "text", "text": "x", "attrs": {}})),
            paragraph(json!({"type": "text", "text": "x", "marks": [{"type": "bold"}]})),
            paragraph(json!({"type": "text", "text": "x", "marks": [{"type": "link"}]})),
            paragraph(json!({"type": "text", "text": "x", "marks": [{"type": "link", "attrs": {}}]})),
            paragraph(json!({"type": "text", "text": "x", "marks": [{"type": "code"}, {"type": "strong"}]})),
            paragraph(
                json!({"type": "text", "text": "x", "marks": [{"type": "textColor", "attrs": {"color": "red"}}]}),
            ),
            paragraph(json!({"type": "status", "attrs": {"text": "HIGH", "color": "crimson"}})),
            paragraph(json!({"type": "status", "attrs": {"text": "", "color": "red"}})),
            paragraph(json!({"type": "inlineCard"})),
            paragraph(json!({"type": "emoji", "attrs": {}})),
        ]
    }

    #[test]
    fn sound_documents_are_taken_and_broken_ones_refused() {
        for document in sound() {
            assert_eq!(check(&document), Ok(()), "{document}");
        }
        for document in broken() {
            assert!(check(&document).is_err(), "{document}");
        }
    }

    #[test]
    fn the_place_of_a_fault_is_named() {
        let fault = check(&paragraph(json!({"type": "text", "text": ""}))).unwrap_err();
        assert_eq!(fault.at, "/content/0/content/0/text");
    }

    #[test]
    fn the_official_schema_decides_alike() {
        let Some(schema) = crate::standins::tests::contract("adf.schema.json") else { return };
        let official = jsonschema::validator_for(&schema).unwrap();
        for document in sound() {
            assert!(official.is_valid(&document), "{document}");
        }
        for document in broken() {
            assert!(!official.is_valid(&document), "{document}");
        }
        for (name, is_sound) in [("adf.valid.json", true), ("adf.invalid.json", false)] {
            for document in crate::standins::tests::examples(name) {
                assert_eq!(check(&document).is_ok(), is_sound, "{document}");
            }
        }
    }
}
