//! Block Kit: which blocks the stand-in takes, and the limits of each.
//!
//! Limits are those of @slack/types 3.2.0 and of Slack's reference of blocks. Interactive blocks, and
//! the newer kinds that old clients cannot show, are not known here and are refused.

use std::collections::HashSet;

use serde_json::Value;

use super::refusal::Refusal;
use crate::standins::shape::{self, Fault, Field, may, must};

/// Refuses anything but `min` to 50 well-formed blocks.
pub(super) fn check(blocks: &Value, min: usize) -> Result<(), Fault> {
    shape::list(blocks, min, BLOCKS_MAX, block)?;
    let mut seen = HashSet::new();
    let ids = blocks.as_array().into_iter().flatten().filter_map(|block| block["block_id"].as_str());
    for id in ids {
        if !seen.insert(id) {
            return Err(Fault::new(format!("block_id {id} is used twice")));
        }
    }
    Ok(())
}

/// Refuses blocks that are too long together. The limit is not documented; it is known from its error.
pub(super) fn check_total<'b>(blocks: impl Iterator<Item = &'b Value>) -> Result<(), Refusal> {
    let total: usize = blocks.map(|block| block.to_string().chars().count()).sum();
    if total <= TOTAL_CHARS_MAX {
        return Ok(());
    }
    Err(Refusal::new("msg_blocks_too_long", format!("{total} characters over all blocks")))
}

fn block(value: &Value) -> Result<(), Fault> {
    by_type(value, BLOCKS)?;
    // The official types let a section be empty; the service does not.
    let is_empty_section = value["type"] == "section" && value.get("text").is_none() && value.get("fields").is_none();
    if is_empty_section { Err(Fault::new("has neither text nor fields")) } else { Ok(()) }
}

/// A table of the types that are allowed in one place.
type Types = &'static [(&'static str, &'static [Field])];

fn by_type(value: &Value, types: Types) -> Result<(), Fault> {
    let kind = shape::text_of(value, "type");
    match types.iter().find(|(name, _)| *name == kind) {
        Some((_, fields)) => shape::object(value, fields),
        None => Err(Fault::new(format!("is not known here: {kind:?}")).under("type")),
    }
}

/// A text object of one or both types, with at most this many characters.
fn text_object(value: &Value, types: &[&str], max: usize) -> Result<(), Fault> {
    let kind = value.get("type").unwrap_or(&Value::Null);
    shape::one_of(kind, types).map_err(|fault| fault.under("type"))?;
    let fields = if kind == "plain_text" { PLAIN_TEXT } else { MRKDWN };
    shape::object(value, fields)?;
    shape::text(&value["text"], 1, max).map_err(|fault| fault.under("text"))
}

fn any_kind_of_text(value: &Value, max: usize) -> Result<(), Fault> {
    text_object(value, &["plain_text", "mrkdwn"], max)
}

fn plain_text(value: &Value, max: usize) -> Result<(), Fault> {
    text_object(value, &["plain_text"], max)
}

fn context_element(value: &Value) -> Result<(), Fault> {
    match shape::text_of(value, "type") {
        "image" => shape::object(value, IMAGE_ELEMENT),
        _ => any_kind_of_text(value, 3000),
    }
}

fn accessory(value: &Value) -> Result<(), Fault> {
    by_type(value, &[("button", BUTTON), ("image", IMAGE_ELEMENT)])
}

fn button(value: &Value) -> Result<(), Fault> {
    by_type(value, &[("button", BUTTON)])
}

fn rich_text_element(value: &Value) -> Result<(), Fault> {
    by_type(value, RICH_ELEMENTS)
}

fn rich_text_inline(value: &Value) -> Result<(), Fault> {
    by_type(value, RICH_INLINE)
}

/// Slack opens only web pages.
fn http_url(value: &Value) -> Result<(), Fault> {
    shape::text(value, 1, 3000)?;
    match value.as_str().map(url::Url::parse) {
        Some(Ok(url)) if matches!(url.scheme(), "http" | "https") => Ok(()),
        _ => Err(Fault::new("must be an http or https URL")),
    }
}

const TYPE: Field = must("type", shape::any_text);
const BLOCK_ID: Field = may("block_id", |value| shape::text(value, 0, 255));
const ACTION_ID: Field = may("action_id", |value| shape::text(value, 0, 255));
const ALT_TEXT: Field = must("alt_text", |value| shape::text(value, 0, 2000));
const INLINE: Field = must("elements", |value| shape::list(value, 0, usize::MAX, rich_text_inline));
const RICH_STYLE: Field = may("style", |value| shape::object(value, RICH_STYLES));
const BORDER: Field = may("border", shape::number);

const BLOCKS: Types = &[
    ("actions", &[TYPE, BLOCK_ID, must("elements", |value| shape::list(value, 1, 25, button))]),
    ("context", &[TYPE, BLOCK_ID, must("elements", |value| shape::list(value, 1, 10, context_element))]),
    ("divider", &[TYPE, BLOCK_ID]),
    ("header", &[TYPE, BLOCK_ID, must("text", |value| plain_text(value, 150))]),
    ("image", &[TYPE, BLOCK_ID, ALT_TEXT, must("image_url", http_url), may("title", |value| plain_text(value, 2000))]),
    ("markdown", &[TYPE, BLOCK_ID, must("text", |value| shape::text(value, 1, 12_000))]),
    ("rich_text", &[TYPE, BLOCK_ID, must("elements", |value| shape::list(value, 0, usize::MAX, rich_text_element))]),
    ("section", SECTION),
];

const SECTION: &[Field] = &[
    TYPE,
    BLOCK_ID,
    may("text", |value| any_kind_of_text(value, 3000)),
    may("fields", |value| shape::list(value, 1, 10, |field| any_kind_of_text(field, 2000))),
    may("accessory", accessory),
    may("expand", shape::boolean),
];

const BUTTON: &[Field] = &[
    TYPE,
    ACTION_ID,
    must("text", |value| plain_text(value, 75)),
    may("url", http_url),
    may("value", |value| shape::text(value, 0, 2000)),
    may("style", |value| shape::one_of(value, &["primary", "danger"])),
    may("accessibility_label", |value| shape::text(value, 0, 75)),
];

const IMAGE_ELEMENT: &[Field] = &[TYPE, ALT_TEXT, must("image_url", http_url)];

const PLAIN_TEXT: &[Field] = &[TYPE, must("text", shape::any_text), may("emoji", shape::boolean)];

const MRKDWN: &[Field] = &[TYPE, must("text", shape::any_text), may("verbatim", shape::boolean)];

const RICH_ELEMENTS: Types = &[
    ("rich_text_section", &[TYPE, INLINE]),
    ("rich_text_quote", &[TYPE, INLINE, BORDER]),
    ("rich_text_preformatted", &[TYPE, INLINE, BORDER]),
    ("rich_text_list", RICH_LIST),
];

const RICH_LIST: &[Field] = &[
    TYPE,
    BORDER,
    must("elements", |value| shape::list(value, 0, usize::MAX, |item| by_type(item, RICH_SECTION_ONLY))),
    must("style", |value| shape::one_of(value, &["bullet", "ordered"])),
    may("indent", shape::number),
];

const RICH_SECTION_ONLY: Types = &[("rich_text_section", &[TYPE, INLINE])];

const RICH_INLINE: Types = &[
    ("text", &[TYPE, must("text", |value| shape::text(value, 1, usize::MAX)), RICH_STYLE]),
    ("link", &[TYPE, must("url", http_url), may("text", shape::any_text), may("unsafe", shape::boolean), RICH_STYLE]),
    ("emoji", &[TYPE, must("name", shape::any_text), may("unicode", shape::any_text), RICH_STYLE]),
    ("broadcast", &[TYPE, must("range", |value| shape::one_of(value, &["here", "channel", "everyone"])), RICH_STYLE]),
    ("user", &[TYPE, must("user_id", shape::any_text), RICH_STYLE]),
];

const RICH_STYLES: &[Field] = &[
    may("bold", shape::boolean),
    may("italic", shape::boolean),
    may("strike", shape::boolean),
    may("code", shape::boolean),
    may("underline", shape::boolean),
];

const BLOCKS_MAX: usize = 50;

/// Where `msg_blocks_too_long` was seen to begin; Slack publishes no number.
const TOTAL_CHARS_MAX: usize = 13_200;
