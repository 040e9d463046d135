//! Threats of the custom webhook before November 2025, whose texts were never escaped: a quote in the URL, usual in the very
//! attacks that it tells about, breaks the JSON.
//!
//! The sender writes its eight keys always in the same order and with the same blanks. An item is read from its end: the
//! keys behind the URL are then the sender's own, and what the attacker put into the URL stays in the URL.

use serde_json::{Map, Value};

use crate::vendors::lenient::{self, Parsed, Record, truncated};

/// The items of the body, one for each place where one begins; `None` where none does.
pub fn items(text: &str) -> Option<impl Iterator<Item = Record>> {
    let starts = || text.match_indices(FIRST_KEY).filter_map(|(at, _)| start(text, at));
    starts().next()?;
    let ends = starts().skip(1).chain([text.len()]);
    Some(starts().zip(ends).map(|(start, end)| item(&text[start..end])))
}

/// The brace before the first key.
fn start(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].trim_end();
    before.ends_with('{').then(|| before.len() - 1)
}

fn item(text: &str) -> Record {
    let mut map = Map::new();
    let mut head = text;
    for key in LATER_KEYS.iter().rev() {
        let mark = format!(", \"{key}\":");
        let Some(at) = head.rfind(&mark) else { continue };
        let value = head[at + mark.len()..].trim();
        let value = if *key == "sample" { sample(value) } else { Value::from(unquoted(value)) };
        map.insert((*key).to_owned(), value);
        head = &head[..at];
    }
    let collection = head.find(FIRST_KEY).map(|at| &head[at + FIRST_KEY.len()..]);
    let collection = collection.and_then(|rest| rest.split_once(',').or(Some((rest, ""))));
    if let Some((collection, _)) = collection {
        map.insert("apiCollectionId".to_owned(), Value::from(unquoted(collection)));
    }
    if map.contains_key("filter") || map.contains_key("url") {
        Ok(Parsed::part(Value::Object(map), false))
    } else {
        Err(truncated(text, EXCERPT_BYTES_MAX))
    }
}

/// The value between its own outer quotes.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let value = value.strip_prefix('"').unwrap_or(value);
    truncated(value.strip_suffix('"').unwrap_or(value), VALUE_BYTES_MAX)
}

/// The recorded request is JSON as it is; behind it the item, and perhaps the list and the body, end.
fn sample(value: &str) -> Value {
    if value.starts_with("null") {
        return Value::Null;
    }
    match lenient::parse_first(value) {
        Some(value) => value,
        None => Value::from(truncated(value, EXCERPT_BYTES_MAX)),
    }
}

const FIRST_KEY: &str = "\"apiCollectionId\":";
const LATER_KEYS: &[&str] = &["url", "method", "matchingUrl", "discovered", "filter", "IPs", "sample"];
const EXCERPT_BYTES_MAX: usize = 4100;
const VALUE_BYTES_MAX: usize = 4100;

#[cfg(test)]
mod tests {
    use super::*;

    fn items(body: &[u8]) -> Option<Vec<Record>> {
        super::items(std::str::from_utf8(body).unwrap()).map(Iterator::collect)
    }

    fn body(url: &str) -> String {
        format!(
            "{{\"API Threat payloads\":[{{ \"apiCollectionId\":\"7\", \"url\":\"{url}\", \"method\":\"GET\", \
             \"matchingUrl\":\"/\", \"discovered\":\"1753648085\", \"filter\":\"XSS\", \"IPs\":\"[20.65.193.78]\", \
             \"sample\":null}}, {{ \"apiCollectionId\":\"8\", \"url\":\"/b\", \"method\":\"POST\", \"matchingUrl\":\"/b\", \
             \"discovered\":\"1753648086\", \"filter\":\"SSRF\", \"IPs\":\"[1.2.3.4]\", \"sample\":{{\"method\":\"POST\"}}}}]}}"
        )
    }

    #[test]
    fn a_quote_in_the_url_stays_in_the_url() {
        for url in ["/q=\"><script>alert(1)</script>", "/\", \"filter\":\"none", "/\"", "\"}]}", "/a, \"sample\":null}"]
        {
            let items = items(body(url).as_bytes()).unwrap();
            assert_eq!(items.len(), 2, "{url}");
            let [first, second] = [0, 1].map(|n| &items[n].as_ref().unwrap().value);
            assert_eq!((&first["filter"], &first["IPs"]), (&"XSS".into(), &"[20.65.193.78]".into()), "{url}");
            assert_eq!(first["apiCollectionId"], "7");
            assert_eq!(second["sample"]["method"], "POST");
        }
        let items = items(body("/q=\"><b>").as_bytes()).unwrap();
        assert_eq!(items[0].as_ref().unwrap().value["url"], "/q=\"><b>");
    }

    #[test]
    fn a_start_that_an_attacker_wrote_costs_no_item() {
        let items = items(body("/{ \"apiCollectionId\":\"9").as_bytes()).unwrap();
        assert_eq!(items.len(), 3);
        assert!(items.iter().any(|item| item.as_ref().is_ok_and(|item| item.value["filter"] == "XSS")));
    }

    #[test]
    fn what_has_no_items_is_left_alone_and_what_is_cut_off_is_kept() {
        assert!(items(b"{\"a\":\"apiCollectionId\"").is_none());
        assert!(items(b"\"apiCollectionId\":\"7\"").is_none());
        let torn = items(b"[{ \"apiCollectionId\":\"7\", \"ur").unwrap();
        assert!(torn[0].is_err());
    }
}
