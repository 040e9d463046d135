//! Any body of a vendor is read without a panic and within limits, and yields an event or a note.

#![no_main]

use bytes::Bytes;
use gatepost::config::Config;
use gatepost::domain::{Encoding, Event, Headers, Note, Receipt, ReceiptId, Request, Severity, Timestamp};
use gatepost::settings::{Environment, PathFacts};
use gatepost::vendors::Sources;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static SOURCES: LazyLock<Arc<Sources>> = LazyLock::new(|| {
    let text = r#"
        [sources.adrian]
        vendor = "secureagentics"
        secrets = [{ value = "0123456789abcdef0123456789abcdef" }]
        [sources.akto]
        vendor = "akto"
        secrets = [{ value = "0123456789abcdef0123456789abcdef" }]
        dashboard_url = "https://akto.example.com"
        [sources.scanner]
        vendor = "generic"
        secrets = [{ value = "0123456789abcdef0123456789abcdef" }]
        verify = { scheme = "token" }
        id = { pointer = "/id" }
        events = "/alerts"
        map = { title = "/rule/name", severity = "/level", time = "/at", actor = "/src_ip", key = "/id" }
    "#;
    let nothing = Environment {
        variable: Box::new(|_| None),
        read_file: Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        paths: PathFacts::default(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
        base: std::path::PathBuf::new(),
    };
    Config::parse(text, &nothing).unwrap_or_else(|faults| panic!("{faults:?}")).sources
});

fuzz_target!(|data: &[u8]| {
    let Some((which, body)) = data.split_first() else { return };
    let sources: Vec<_> = SOURCES.values().collect();
    let source = sources[usize::from(*which) % sources.len()];
    let request = Request {
        headers: Headers::default(),
        body: Bytes::copy_from_slice(body),
        received_at: Timestamp::from_millis(0),
    };
    let id = source.normalizer.event_id(&request);
    assert!(id.is_none_or(|id| !id.is_empty()), "an id of nothing");
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: source.name.clone(),
        received_at: request.received_at,
        content_type: None,
        encoding: Encoding::Identity,
        body: request.body,
    };
    let reading = source.normalizer.normalize(body);
    let is_understood = reading.note != Some(Note::Unparsed);
    assert!(!reading.drafts.is_empty() || matches!(reading.note, Some(Note::Ping | Note::Empty)), "it left no trace");
    let is_object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok();
    assert!(is_understood || !is_object || source.vendor.name == "akto", "a sound object was not understood");
    for (position, draft) in reading.drafts.into_iter().enumerate() {
        let event = draft.into_event(&receipt, source.vendor.name, Severity::Medium, position);
        assert!(!event.title.is_empty() && !event.title.contains(|c: char| c.is_control()), "{:?}", event.title);
        let json = serde_json::to_string(&event).expect("an event can be written");
        assert!(json.len() < EVENT_BYTES_MAX, "an event of {} bytes", json.len());
        assert_eq!(serde_json::from_str::<Event>(&json).expect("and read again"), event);
    }
});

/// Far above the limits of all fields together, escapes included: what grows without bound passes it.
const EVENT_BYTES_MAX: usize = 512 << 10;
