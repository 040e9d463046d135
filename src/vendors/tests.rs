//! What holds for every vendor: golden events for every fixture, no body that breaks a normalizer, nothing forgotten.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::{Normalizer, Reading, VENDORS, find};
use crate::domain::{Encoding, Event, EventId, Headers, Note, Receipt, ReceiptId, Request, Severity, Timestamp};
use crate::processor_time::processor_time;
use crate::settings::{Document, Environment};

/// Builds the normalizer of a vendor from lines of settings; the faults where there are any.
pub(super) fn build(vendor: &str, settings: &str) -> Result<Box<dyn Normalizer>, Vec<String>> {
    let environment = Environment::of_process(PathBuf::new());
    let document = Document::new(settings, &environment);
    let table = document.parse();
    let normalizer = (find(vendor).unwrap().normalizer)(&document.root(table.get_ref()));
    let faults: Vec<String> = document.into_faults().iter().map(ToString::to_string).collect();
    normalizer.filter(|_| faults.is_empty()).ok_or(faults)
}

pub(super) fn request(headers: &[(&str, &str)], body: &[u8]) -> Request {
    Request {
        headers: headers.iter().copied().collect::<Headers>(),
        body: Bytes::copy_from_slice(body),
        received_at: received_at(),
    }
}

fn received_at() -> Timestamp {
    Timestamp::parse("2026-01-02T03:04:05Z").unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendors")
}

/// The settings that a vendor's fixtures are read with.
fn settings_of(vendor: &str, fixture: &str) -> &'static str {
    match (vendor, fixture) {
        ("akto", _) => "dashboard_url = \"https://akto.example.com\"",
        ("generic", "batch") => {
            "events = \"/alerts\"\nseverity = { P1 = \"critical\" }\n[map]\ntitle = \"/rule/name\"\nrule = \"/rule/id\"\n\
             severity = \"/level\"\ntime = \"/at\"\nactor = \"/src_ip\"\nuser = \"/details/user\"\n"
        }
        ("generic", "alertmanager") => {
            "events = \"/alerts\"\n[map]\ntitle = \"/annotations/summary\"\nmessage = \"/annotations/description\"\n\
             severity = \"/labels/severity\"\ntime = \"/startsAt\"\nrule = \"/labels/alertname\"\nhost = \"/labels/instance\"\n\
             key = [\"/fingerprint\", \"/startsAt\", \"/status\"]\ngroup = \"/groupKey\"\ncorrelation = \"/fingerprint\"\n\
             state = \"/status\"\nvictim = \"/labels/job\"\nlink = \"/generatorURL\"\n"
        }
        _ => "",
    }
}

/// The events of a reading as the store would keep them, with everything random or of the moment fixed.
fn events(vendor: &str, reading: Reading) -> Vec<Event> {
    let receipt = Receipt {
        id: ReceiptId::from_bytes([0; 16]),
        source: vendor.parse().unwrap(),
        received_at: received_at(),
        content_type: None,
        encoding: Encoding::Identity,
        body: Bytes::new(),
    };
    let default_severity = find(vendor).unwrap().default_severity;
    let drafts = reading.drafts.into_iter().enumerate();
    let events = drafts.map(|(position, draft)| draft.into_event(&receipt, vendor, default_severity, position));
    events.map(|event| Event { id: EventId::from_bytes([0; 16]), ..event }).collect()
}

fn golden(vendor: &str, reading: Reading) -> String {
    let note = reading.note.map(Note::as_str);
    let grouping: Vec<_> =
        reading.drafts.iter().map(|draft| json!({ "parts": draft.incident_parts, "victim": draft.victim })).collect();
    let document = json!({ "note": note, "grouping": grouping, "events": events(vendor, reading) });
    format!("{document:#}\n")
}

fn fixture_files(vendor: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures().join(vendor)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.to_string_lossy().ends_with(".events.json"));
    files.sort();
    files
}

#[test]
fn every_fixture_reads_as_its_golden_file_says() {
    let bless = std::env::var_os("GATEPOST_BLESS").is_some();
    let mut wrong = Vec::new();
    for vendor in VENDORS {
        for path in fixture_files(vendor.name) {
            let fixture = path.file_stem().unwrap().to_string_lossy().into_owned();
            let normalizer = build(vendor.name, settings_of(vendor.name, &fixture)).unwrap_or_else(|f| panic!("{f:?}"));
            let body = std::fs::read(&path).unwrap();
            assert_eq!(
                normalizer.normalize(&body),
                normalizer.normalize(&body),
                "{fixture} reads differently each time"
            );
            let found = golden(vendor.name, normalizer.normalize(&body));
            let golden_path = path.with_file_name(format!("{fixture}.events.json"));
            if bless {
                std::fs::write(&golden_path, &found).unwrap();
            }
            if std::fs::read_to_string(&golden_path).ok().as_deref() != Some(&found) {
                wrong.push(format!("{}: now\n{found}", golden_path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "run with GATEPOST_BLESS=1 to accept:\n{}", wrong.join("\n"));
}

#[test]
fn folder_list_samples_and_fixtures_agree() {
    let mut files: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vendors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned())
        .filter(|name| {
            ![
                "mod",
                "tests",
                "authenticated",
                "lenient",
                "outcomes",
                "own_words",
                "request_kind",
                "severities",
                "source",
                "urgency_hint",
            ]
            .contains(&name.as_str())
        })
        .collect();
    files.sort();
    let names: Vec<&str> = VENDORS.iter().map(|vendor| vendor.name).collect();
    assert_eq!(files, names, "the folder and VENDORS differ");
    for vendor in VENDORS {
        assert!(!vendor.samples.is_empty(), "{} has no sample", vendor.name);
        assert!(vendor.setup.contains("{url}") && vendor.setup.contains("{secret}"), "{}", vendor.name);
        let needed = |line: &str| vendor.scheme.is_none() && line.starts_with("verify = ");
        assert!(vendor.template.lines().all(|line| line.starts_with("# ") || needed(line)), "{}", vendor.name);
        let bodies: Vec<Vec<u8>> = fixture_files(vendor.name).iter().map(|path| std::fs::read(path).unwrap()).collect();
        for sample in vendor.samples {
            assert!(bodies.iter().any(|body| body == sample.body), "{} {}", vendor.name, sample.name);
        }
        for sample in vendor.samples.iter().filter(|sample| sample.time.is_some()) {
            let normalizer = build(vendor.name, "").unwrap_or_else(|f| panic!("{f:?}"));
            let reading = normalizer.normalize(&sample.body_at(received_at()));
            let times: Vec<_> = reading.drafts.iter().map(|draft| draft.time).collect();
            assert!(
                times.iter().all(|time| *time == Some(received_at())),
                "{} {}: {times:?}",
                vendor.name,
                sample.name
            );
            let original = normalizer.normalize(sample.body);
            let of_now = sample.body_at(received_at());
            assert!(of_now != sample.body && original.note == reading.note, "{} {}", vendor.name, sample.name);
        }
        let best = build(vendor.name, "").unwrap_or_else(|f| panic!("{f:?}")).normalize(vendor.samples[0].body);
        assert!(!best.drafts.is_empty() && best.drafts[0].kind != "unparsed", "{}", vendor.name);
    }
}

#[test]
fn the_template_of_each_vendor_is_valid() {
    for vendor in VENDORS {
        let lines = vendor.template.lines().map(|line| line.trim_start_matches("# "));
        // What is no setting is an explanation; `verify` is read elsewhere.
        let is_setting =
            |line: &&str| line.split(" = ").next().is_some_and(|key| !key.contains(' ') && key != "verify");
        let own: Vec<&str> = lines.filter(is_setting).collect();
        assert!(build(vendor.name, &own.join("\n")).is_ok(), "{}", vendor.name);
    }
}

#[test]
fn unknown_words_in_the_severity_table_are_faults() {
    for vendor in VENDORS {
        for table in ["severity", "severities"] {
            let settings = format!("{table} = {{ a = \"purple\", b = \"high\" }}");
            let faults = build(vendor.name, &settings).err().unwrap();
            assert!(faults[0].contains("'purple' is no severity"), "{faults:?}");
        }
        let faults = build(vendor.name, "severities = { \"sev-1\" = \"low\", SEV1 = \"high\" }").err().unwrap();
        assert!(faults[0].contains("is given two severities"), "{faults:?}");
        assert!(build(vendor.name, "severity_numbers = \"cvs\"").err().unwrap()[0].contains("did you mean 'cvss'?"));
        let faults = build(vendor.name, "severity = { a = \"purple\", b = \"high\" }").err().unwrap();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("'purple' is no severity"), "{faults:?}");
    }
}

/// Bodies that were collected elsewhere, and how many events each must give.
#[test]
fn collected_samples_give_their_events() {
    let Some(shared) = crate::needs::shared("samples") else { return };
    let expected: &[(&str, &str, usize, Option<Note>)] = &[
        ("akto", "akto-customwebhook-empty-body.txt", 0, Some(Note::Empty)),
        ("akto", "akto-customwebhook-new-endpoints.json", 4, None),
        ("akto", "akto-customwebhook-pending-tests.json", 1, None),
        ("akto", "akto-customwebhook-threats-before-2025-11.INVALID.txt", 1, Some(Note::Repaired)),
        ("akto", "akto-customwebhook-threats-before-2025-11.json", 2, None),
        ("akto", "akto-customwebhook-threats-since-2025-11.INVALID.txt", 1, Some(Note::Repaired)),
        ("akto", "akto-dashboard-fetchAggregateMaliciousRequests.json", 1, None),
        ("akto", "akto-docs-agent-runtime-threat.NOT-STRICT-JSON.txt", 1, Some(Note::Repaired)),
        ("akto", "akto-docs-agent-runtime-threat.json", 1, None),
        ("akto", "akto-docs-api-runtime-threat.NOT-STRICT-JSON.txt", 1, Some(Note::Repaired)),
        ("akto", "akto-docs-api-runtime-threat.json", 1, None),
        ("akto", "akto-threat-export-array.json", 3, None),
        ("secureagentics", "adrian-oss-discord-verdict.json", 1, None),
        ("secureagentics", "secureagentics-alert.triggered.json", 1, None),
    ];
    for entry in std::fs::read_dir(&shared).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !["akto-", "adrian-", "secureagentics-"].iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let row = expected.iter().find(|row| row.1 == name).unwrap_or_else(|| panic!("{name} is not expected"));
        let body = std::fs::read(shared.join(&name)).unwrap();
        let reading = build(row.0, "").unwrap_or_else(|f| panic!("{f:?}")).normalize(&body);
        assert_eq!((reading.drafts.len(), reading.note), (row.2, row.3), "{name}");
        assert!(reading.drafts.iter().all(|draft| draft.kind != "unparsed" && !draft.title.is_empty()), "{name}");
    }
}

/// Bodies that were made to break a reader.
fn poison() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let utf16 = |bom: &[u8], unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        bom.iter().copied().chain(r#"{"id":"x","type":"é"}"#.encode_utf16().flat_map(unit)).collect()
    };
    let keys: String = (0..100_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let deep_object = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    vec![
        ("nothing", Vec::new()),
        ("blanks", text(" \r\n\t ")),
        ("a bom", b"\xef\xbb\xbf".to_vec()),
        ("a bom and an object", b"\xef\xbb\xbf{\"id\":\"x\",\"type\":\"t\"}".to_vec()),
        ("two boms", b"\xef\xbb\xbf\xef\xbb\xbf{}".to_vec()),
        ("nul", vec![0]),
        ("a thousand nul", vec![0; 1000]),
        ("invalid utf-8", vec![0xff; 100]),
        ("half a character", b"{\"a\":\"\xe2\x82".to_vec()),
        ("overlong slash", b"{\"a\":\"\xc0\xaf\"}".to_vec()),
        ("surrogate bytes", b"{\"id\":\"\xed\xa0\x80\"}".to_vec()),
        ("utf-16 little", utf16(b"\xff\xfe", u16::to_le_bytes)),
        ("utf-16 big", utf16(b"\xfe\xff", u16::to_be_bytes)),
        ("utf-16 without bom", utf16(b"", u16::to_le_bytes)),
        ("odd utf-16", b"\xff\xfe{\0}".to_vec()),
        ("lone high surrogate", text(r#"{"id":"\ud800","type":"\ud800"}"#)),
        ("lone low surrogate", text(r#"{"\udc00":"\udc00"}"#)),
        ("escaped nul", text(r#"{"id":"\u0000","type":"a\u0000b"}"#)),
        ("raw nul", b"{\"id\":\"a\0b\",\"type\":\"t\"}".to_vec()),
        ("bad escapes", text(r#"{"id":"\q\u12","x":"\uZZZZ"}"#)),
        ("lone backslash", text(r#"{"id":"\"#)),
        ("null", text("null")),
        ("true", text("true")),
        ("a number", text("7")),
        ("a text", text("\"hello\"")),
        ("a word", text("hello")),
        ("a sentence", text("Something bad happened!")),
        ("a form", text("payload=%7B%7D&a=b")),
        ("xml", text("<?xml version=\"1.0\"?><a/>")),
        ("html", text("<script>alert(1)</script>")),
        ("an object", text("{}")),
        ("a list", text("[]")),
        ("a list of nothing", text("[null,null]")),
        ("a list of lists", text("[[],[[]],[{}]]")),
        ("a list of empty objects", text("[{},{},{}]")),
        ("a list of everything", text("[1,\"a\",null,true,{\"a\":1},[2]]")),
        ("a hundred thousand numbers", text(&format!("[{}1]", "1,".repeat(100_000)))),
        ("a hundred thousand objects", text(&format!("[{}{{}}]", "{\"id\":1},".repeat(100_000)))),
        ("a hundred thousand keys", text(&format!("{{{keys}\"z\":0}}"))),
        ("a hundred thousand doubled keys", text(&format!("{{{}\"z\":0}}", "\"id\":\"x\",".repeat(100_000)))),
        ("doubled id", text(r#"{"id":"a","id":"b","type":"ping","type":"alert.triggered"}"#)),
        ("doubled lists", text(r#"{"maliciousEvents":[],"maliciousEvents":[{"filterId":"XSS","url":"/"}]}"#)),
        ("deep lists", text(&"[".repeat(10_000))),
        ("deep closed lists", text(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)))),
        ("deep objects", text(&deep_object)),
        ("deep in data", text(&format!("{{\"id\":\"x\",\"type\":\"t\",\"data\":{deep_object}}}"))),
        ("a million brackets", text(&"[".repeat(1 << 20))),
        ("a million braces", text(&"{".repeat(1 << 20))),
        ("a million quotes", text(&"\"".repeat(1 << 20))),
        ("a million backslashes", text(&format!("\"{}", "\\".repeat(1 << 20)))),
        ("a million commas", text(&format!("[{}]", ",".repeat(1 << 20)))),
        ("a million torn objects", text(&format!("[{}", "{\"},".repeat(1 << 18)))),
        ("four megabytes of digits", text(&"9".repeat(4 << 20))),
        ("a key of a megabyte", text(&format!("{{\"{}\":1}}", "k".repeat(1 << 20)))),
        ("an id of a megabyte", text(&format!("{{\"id\":\"{}\",\"type\":\"t\"}}", "i".repeat(1 << 20)))),
        ("a type of a megabyte", text(&format!("{{\"id\":\"x\",\"type\":\"{}\"}}", "T".repeat(1 << 20)))),
        ("huge numbers", text(r#"{"id":1e400,"timestamp":1e308,"type":-1e999,"detectedAt":-9223372036854775808}"#)),
        ("thirty digits", text(r#"{"id":123456789012345678901234567890}"#)),
        ("nan", text(r#"{"id":NaN,"severity":Infinity}"#)),
        ("trailing commas", text(r#"{"id":"x","data":{"a":[1,2,],},}"#)),
        ("trailing garbage", text(r#"{"id":"x"} and more"#)),
        ("two objects", text("{\"id\":\"x\"}\n{\"id\":\"y\"}")),
        ("cut off", text(r#"{"id":"x","type":"alert.trig"#)),
        ("comments", text("{/* c */\"id\":1}")),
        ("single quotes", text("{'id':'x'}")),
        ("wrong types", text(r#"{"id":{},"type":[],"timestamp":{},"data":"text","severity":[1],"actor":{"a":1}}"#)),
        ("wrong types of threats", text(r#"{"maliciousEvents":{"filterId":[],"actor":7,"url":{},"metadata":7}}"#)),
        ("threats that are none", text(r#"{"maliciousEvents":"none"}"#)),
        ("options of wrong types", text(r#"{"New Endpoint":7,"New Endpoint Count":"many","API Threat payloads":{}}"#)),
        ("a card without a card", text(r#"{"attachments":[{"content":7},null]}"#)),
        ("a card with nothing", text(r#"{"attachments":[{"content":{"body":[{"type":"FactSet","facts":[]}]}}]}"#)),
        ("starts of items", text(&"{\"apiCollectionId\":".repeat(50_000))),
        ("control characters", (0..32).chain(127..160).collect()),
        ("right to left", text("{\"id\":\"x\",\"type\":\"\u{202e}gnp\u{202c}\"}")),
        ("every byte", (0..=255).collect()),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
    ]
}

#[test]
fn no_body_breaks_a_normalizer_or_vanishes() {
    let settings = ["", "id = { pointer = \"/id\" }\nevents = \"/data/a\"\nmap = { key = \"/id\" }"];
    let bodies = poison();
    assert!(bodies.len() >= 60);
    for vendor in VENDORS {
        let usable = if vendor.name == "generic" { &settings[..] } else { &settings[..1] };
        for (settings, (what, body)) in usable.iter().flat_map(|s| bodies.iter().map(move |body| (s, body))) {
            let normalizer = build(vendor.name, settings).unwrap_or_else(|f| panic!("{f:?}"));
            let request = request(&[], body);
            let read = || (normalizer.event_id(&request), normalizer.normalize(body));
            let ((id, reading), took) = processor_time(read);
            assert!(took < SLOW || processor_time(read).1 < SLOW, "{} {what}: {took:?}", vendor.name);
            assert!(id.is_none_or(|id| !id.is_empty()), "{} {what}", vendor.name);
            let silent = matches!(reading.note, Some(Note::Ping | Note::Empty));
            assert!(reading.drafts.is_empty() == silent, "{} {what}: {:?}", vendor.name, reading.note);
            for draft in reading.drafts.iter().filter(|draft| draft.kind == Event::UNPARSED) {
                assert_eq!(
                    draft.incident_parts.first().map(String::as_str),
                    Some(Event::UNPARSED),
                    "{what}: {draft:?}"
                );
                assert!((2..=34).contains(&draft.incident_parts.len()) && draft.victim.is_none(), "{what}: {draft:?}");
            }
            drop(events(vendor.name, reading));
        }
    }
}

#[test]
fn broken_bodies_of_one_shape_are_one_incident() {
    let parts = |vendor: &str, body: &str| {
        let normalizer = build(vendor, "").unwrap_or_else(|f| panic!("{f:?}"));
        let drafts = normalizer.normalize(body.as_bytes()).drafts;
        drafts
            .into_iter()
            .filter(|draft| draft.kind == Event::UNPARSED)
            .map(|draft| draft.incident_parts)
            .collect::<Vec<_>>()
    };
    for vendor in VENDORS {
        let name = vendor.name;
        let torn = |url: &str| parts(name, &format!("{{\"url\":\"{url}\"\",\"title\":\"t\"}}"));
        assert_eq!(torn("/a"), torn("/b\"><script>"), "{name}");
        assert_eq!(torn("/a"), [["unparsed", "object", "url"]], "{name}");
        assert_ne!(torn("/a"), parts(name, "<html>502</html>"), "{name}");
        assert_eq!(parts(name, "<html>502</html>"), parts(name, "<html>503</html>"), "{name}");
    }
    let records = parts("akto", r#"[{"filterId":"XSS"},{"a":1,"b":2},{"b":3,"a":{"x":1}},7,{"c":"\"}"#);
    assert_eq!(records.len(), 4, "{records:?}");
    assert_eq!(records[0], ["unparsed", "object", "a", "b"]);
    assert_eq!(records[0], records[1]);
    assert_eq!(records[2], ["unparsed", "number"]);
    assert_eq!(records[3], ["unparsed", "object", "c"]);
    let many = format!("[{}]", vec!["{\"id\":1}"; 10_002].join(","));
    let beyond = parts("generic", &many);
    assert_eq!(beyond, [["unparsed", "more records than are read"]]);
}

#[test]
fn the_setup_of_akto_warns_of_addresses_that_it_refuses() {
    let setup = find("akto").unwrap().setup;
    for part in ["Export via webhook", "Authorization: Bearer {secret}", "10.0.", "172.31.", "127.0.", "169.254."] {
        assert!(setup.contains(part), "{part}");
    }
    assert_eq!(find("akto").unwrap().default_severity, Severity::High);
}

/// A debug build on a busy machine reads the largest of these bodies in less.
const SLOW: Duration = Duration::from_secs(5);
