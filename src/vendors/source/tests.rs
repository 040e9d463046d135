use super::super::tests::build;
use super::super::{Authenticated, VENDORS, find};
use super::*;
use crate::domain::{Headers, Request, Secret};
use crate::processor_time::processor_time;
use crate::verify::{HmacScheme, Scheme, SignedPart, TimestampFormat, TimestampRule, Verifier};

fn source(vendor: &'static str, settings: &str) -> Source {
    let vendor = find(vendor).unwrap();
    Source {
        name: "s".parse().unwrap(),
        vendor,
        verifier: Verifier::new(Scheme::DangerUnsigned, Vec::new()).unwrap(),
        normalizer: build(vendor.name, settings).unwrap_or_else(|faults| panic!("{faults:?}")),
        default_severity: vendor.default_severity,
        body_limit_bytes: 1 << 20,
        gzip: false,
        rate_limit_per_second: None,
        backlog_limit: BacklogLimit { requests: 1, bytes: 1 },
        repeat_window: Duration::from_secs(1),
        on_old: OnOld::Deliver,
        danger_trust_unsigned_id: false,
    }
}

/// A source that signs the body, perhaps with its time, and has the id in a header that is not signed.
fn with_unsigned_id(is_timed: bool) -> Source {
    let timestamp = TimestampRule {
        header: "x-time".to_owned(),
        prefix: String::new(),
        separator: None,
        format: TimestampFormat::Unix,
        tolerance: Duration::from_secs(300),
    };
    let mut scheme = HmacScheme::sha256_hex("x-signature");
    if is_timed {
        scheme.signed = vec![SignedPart::Timestamp, SignedPart::Literal(".".to_owned()), SignedPart::Body];
        scheme.timestamp = Some(timestamp);
    }
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    let verifier = Verifier::new(Scheme::Hmac(scheme), vec![secret]).unwrap();
    Source { verifier, ..source("generic", "id = { header = \"x-id\" }") }
}

/// What the source makes of a body that is signed at `now`, with further header lines.
fn signed(source: &Source, now: Timestamp, body: &[u8], lines: &[(&str, &str)]) -> Authenticated {
    let mut headers: Headers = lines.iter().copied().collect();
    source.verifier.sign(body, now, "").iter().for_each(|(name, value)| headers.push(name, value.expose()));
    let request = Request { headers, body: body.to_vec().into(), received_at: now };
    source.authenticate(request, now).unwrap()
}

fn holds(source: &Source, cases: &[(&str, Urgency)]) {
    for (body, urgency) in cases {
        assert_eq!(source.preview(body.as_bytes(), Encoding::Identity).urgency, *urgency, "{body}");
    }
}

#[test]
fn secureagentics_says_it_by_the_type_and_in_data() {
    use Urgency::{Critical, High, Low, Normal};
    let plain = source("secureagentics", "");
    holds(
        &plain,
        &[
            (r#"{"id":"x","type":"alert.triggered","data":{}}"#, High),
            (r#"{"id":"x","type":"agent.error","data":{}}"#, Normal),
            (r#"{"id":"x","type":"agent.registered","data":{}}"#, Low),
            (r#"{"id":"x","type":"agent.error","data":{"severity":"CRITICAL"}}"#, Critical),
            (r#"{"id":"x","data":{"severity":"low"},"type":"policy.violated"}"#, Low),
            (r#"{"id":"x","type":"agent.error","data":{"outcome":"succeeded"}}"#, Critical),
            (r#"{"id":"x","type":"agent.error","data":{"action":"block"}}"#, Normal),
            (r#"{"id":"x","type":"agent.retired"}"#, High),
            (r#"{"id":"x"}"#, High),
            // The type of something in the data says nothing about the event.
            (r#"{"type":"policy.violated","data":{"type":"agent.registered"}}"#, High),
        ],
    );
    let ordered = source("secureagentics", "severity = { \"agent.error\" = \"fatal\", \"alert.triggered\" = \"low\" }");
    holds(
        &ordered,
        &[
            (r#"{"type":"agent.error","data":{"severity":"low"}}"#, Critical),
            (r#"{"type":"alert.triggered","data":{"severity":"high"}}"#, Low),
        ],
    );
}

#[test]
fn akto_says_it_in_a_record_by_filter_and_exploit() {
    use Urgency::{Critical, High, Low, Normal};
    let plain = source("akto", "severities = { purple = \"low\" }");
    holds(
        &plain,
        &[
            (r#"{"filterId":"x","url":"/","severity":"CRITICAL"}"#, Critical),
            (r#"{"filterId":"x","url":"/","severity":"purple"}"#, Low),
            (r#"{"filterId":"x","url":"/","severity":"medium"}"#, Normal),
            (r#"{"filterId":"x","url":"/","severity":""}"#, High),
            (r#"{"filterId":"x","url":"/","severity":"low","successfulExploit":true}"#, Critical),
            (r#"{"filterId":"x","url":"/","severity":"low","successfulExploit":"TRUE"}"#, Critical),
            (r#"{"filterId":"x","url":"/","severity":"low","successfulExploit":false}"#, Low),
            // A list holds more than is looked at.
            (r#"[{"filterId":"x","severity":"low"},{"filterId":"y","severity":"low"}]"#, High),
            (r#"[{"filterId":"x","severity":"low"},{"filterId":"y","severity":"critical"}]"#, Critical),
            (r#"{"maliciousEvents":[{"filterId":"x","severity":"low"}]}"#, High),
            (r#"{"maliciousEvents":[{"filterId":"x","successfulExploit":true}]}"#, Critical),
        ],
    );
    let ordered = source("akto", "severity = { \"4XX_FILTER\" = \"low\", \"SSRF\" = \"critical\" }");
    holds(
        &ordered,
        &[
            (r#"{"filterId":"4XX_FILTER","severity":"critical"}"#, Low),
            (r#"{"filterId":"other","subCategory":"SSRF","severity":"low"}"#, Critical),
            (r#"[{"filterId":"4XX_FILTER"}]"#, High),
        ],
    );
}

#[test]
fn a_generic_sender_says_it_where_its_map_leads() {
    use Urgency::{Critical, High, Low, Normal};
    holds(
        &source("generic", "severities = { S1 = \"fatal\" }"),
        &[
            (r#"{"severity":"critical"}"#, Critical),
            (r#"{"severity":"S-1"}"#, Critical),
            (r#"{"severity":"info"}"#, Low),
            (r#"{"severity":"odd"}"#, Normal),
            (r#"{"title":"x"}"#, Normal),
            (r#"{"severity":"low","outcome":"compromised"}"#, Critical),
            (r#"{"severity":"low","action":"exploited"}"#, Critical),
        ],
    );
    let mapped = "severity_numbers = \"cvss\"\noutcomes = { through = \"succeeded\" }\n\
        map = { severity = \"/rule/a~1b\", outcome = \"/did\" }\nseverity = { noisy = \"low\" }";
    holds(
        &source("generic", mapped),
        &[
            (r#"{"rule":{"a/b":9.8}}"#, Critical),
            (r#"{"rule":{"a/b":3}}"#, Low),
            (r#"{"rule":{"a/b":"noisy"}}"#, Low),
            (r#"{"rule":{"a/b":"high"},"did":"through"}"#, Critical),
            (r#"{"severity":"critical"}"#, Normal),
        ],
    );
    let listed = source("generic", "events = \"/alerts\"\nmap = { severity = \"/labels/severity\" }");
    holds(
        &listed,
        &[
            (r#"{"alerts":[{"labels":{"severity":"critical"}},{"labels":{"severity":"info"}}]}"#, Critical),
            (r#"{"alerts":[{"labels":{"severity":"info"}}]}"#, Normal),
            (r#"{"alerts":[{"labels":{"severity":"high"}}]}"#, High),
        ],
    );
}

#[test]
fn a_word_that_is_not_the_vendors_makes_more_urgent_and_never_less() {
    for (vendor, own) in [
        ("secureagentics", r#""type":"agent.error","data":{"severity":"OWN","x":THEIRS}"#),
        ("akto", r#""filterId":"x","severity":"OWN","payload":THEIRS"#),
        ("generic", r#""severity":"OWN","details":THEIRS"#),
    ] {
        let source = source(vendor, "");
        let urgency = |own_word: &str, theirs: &str| {
            let body = format!("{{{}}}", own.replace("OWN", own_word).replace("THEIRS", theirs));
            source.preview(body.as_bytes(), Encoding::Identity).urgency
        };
        for (word, own) in [("low", Urgency::Low), ("high", Urgency::High), ("critical", Urgency::Critical)] {
            for theirs in [
                r#"{"severity":"low","filterId":"other","type":"agent.registered","outcome":"blocked"}"#,
                r#"[[[{"severity":"informational"}]]]"#,
                r#""\"severity\":\"low\"""#,
                r#""{\"severity\":\"low\"}""#,
                r#"{"severity":{"severity":"low"}}"#,
            ] {
                assert_eq!(urgency(word, theirs), own, "{vendor} {word} {theirs}");
            }
            assert_eq!(urgency(word, r#"{"severity":"critical"}"#), Urgency::Critical, "{vendor}");
        }
        // Where the vendor's word is missing, theirs does not take its place.
        let missing = r#"{"a":{"b":{"c":{"severity":"low"}}}}"#;
        let default = Urgency::of(find(vendor).unwrap().default_severity);
        assert_eq!(source.preview(missing.as_bytes(), Encoding::Identity).urgency, default, "{vendor}");
    }
}

#[test]
fn what_cannot_be_looked_into_is_urgent_enough() {
    let generic = source("generic", "");
    for (body, encoding) in [
        (&b"\x1f\x8b\x08 {}"[..], Encoding::Gzip),
        (b"{\"severity\":\"low\"}", Encoding::Unknown),
        (b"severity=low", Encoding::Identity),
        (b"\xff\xfe{\0", Encoding::Identity),
        (b"\"low\"", Encoding::Identity),
    ] {
        assert_eq!(generic.preview(body, encoding).urgency, Urgency::High, "{body:?}");
    }
    for body in ["", " \r\n"] {
        assert_eq!(generic.preview(body.as_bytes(), Encoding::Identity).urgency, Urgency::Normal);
    }
    // With or without a mark of its encoding, and wherever it begins.
    assert_eq!(generic.preview("\u{feff} {\"severity\":\"low\"}".as_bytes(), Encoding::Identity).urgency, Urgency::Low);
    // The vendor's word may stand behind what is looked at.
    let long = format!("{{\"x\":\"{}\",\"severity\":\"low\"}}", "y".repeat(LOOKED_AT_BYTES_MAX));
    assert_eq!(generic.preview(long.as_bytes(), Encoding::Identity).urgency, Urgency::High);
    let first = format!("{{\"severity\":\"low\",\"x\":\"{}\"}}", "y".repeat(LOOKED_AT_BYTES_MAX));
    assert_eq!(generic.preview(first.as_bytes(), Encoding::Identity).urgency, Urgency::Low);
}

fn kinds<const N: usize>(source: &Source, bodies: [&str; N]) -> [RequestKind; N] {
    bodies.map(|body| source.preview(body.as_bytes(), Encoding::Identity).kind)
}

/// Which of the kinds is the same as the first, by rule and by victim.
fn same<const N: usize>(kinds: [RequestKind; N]) -> [(bool, bool); N] {
    kinds.map(|kind| (kind.rule == kinds[0].rule, kind.victim == kinds[0].victim))
}

#[test]
fn the_kind_of_secureagentics_is_type_rule_agent_and_outcome() {
    let source = source("secureagentics", "");
    let bodies = [
        r#"{"id":"1","type":"alert.triggered","data":{"alertId":"a","agentId":"g","details":"x","timestamp":"1"}}"#,
        r#"{"data":{"agentId":"g","details":"other","alertId":"a","n":{"agentId":"deep"}},"type":"alert.triggered"}"#,
        r#"{"id":"3","type":"alert.triggered","data":{"alertId":"a","agentId":"h"}}"#,
        r#"{"id":"4","type":"alert.triggered","data":{"alertId":"b","agentId":"g"}}"#,
        r#"{"id":"5","type":"policy.violated","data":{"alertId":"a","agentId":"g"}}"#,
        r#"{"id":"6","type":"alert.triggered","data":{"alertId":"a","agentId":"g","outcome":"succeeded"}}"#,
    ];
    let apart = (false, false);
    assert_eq!(same(kinds(&source, bodies)), [(true, true), (true, true), (true, false), apart, apart, apart]);
    // The rule of a violation is the policy. Without a rule the text counts, but for its digits.
    let violations = [
        r#"{"type":"policy.violated","data":{"alertId":"1","policyId":"p","agentId":"g"}}"#,
        r#"{"type":"policy.violated","data":{"alertId":"2","policyId":"p","agentId":"g"}}"#,
    ];
    assert_eq!(same(kinds(&source, violations))[1], (true, true));
    let texts = [
        r#"{"type":"agent.error","data":{"agentId":"g","error":"3 failed"}}"#,
        r#"{"type":"agent.error","data":{"agentId":"g","error":"4 failed"}}"#,
        r#"{"type":"agent.error","data":{"agentId":"g","error":"5 worked"}}"#,
    ];
    assert_eq!(same(kinds(&source, texts)), [(true, true), (true, true), apart]);
}

#[test]
fn the_kind_of_akto_is_filter_category_host_and_outcome() {
    let source = source("akto", "");
    let bodies = [
        r#"{"filterId":"x","url":"/1","host":"h","actor":"1","payload":{"a":{"host":"deep","filterId":"deep"}}}"#,
        r#"{"host":"h","url":"/2","actor":"2","filterId":"x"}"#,
        r#"{"filterId":"x","host":"i"}"#,
        r#"{"filterId":"y","host":"h"}"#,
        r#"{"filterId":"x","host":"h","successfulExploit":true}"#,
    ];
    let apart = (false, false);
    assert_eq!(same(kinds(&source, bodies)), [(true, true), (true, true), (true, false), apart, apart]);
    let lists = [
        r#"[{"filterId":"x","host":"h"},{"filterId":"x","host":"i"}]"#,
        r#"[{"filterId":"x","host":"j"}]"#,
        r#"[{"filterId":"x","host":"j"},{"filterId":"z"}]"#,
    ];
    assert_eq!(same(kinds(&source, lists)), [(true, true), (true, true), (false, true)]);
    assert_eq!(kinds(&source, lists)[0].victim, None, "a list has many");
}

#[test]
fn the_kind_of_a_generic_sender_is_found_where_its_map_leads() {
    let plain = source("generic", "");
    let bodies = [
        r#"{"type":"t","title":"3 tries","host":"h","ruleName":"r"}"#,
        r#"{"type":"t","title":"4 tries","host":"h","ruleName":"r","id":"9"}"#,
        r#"{"type":"t","title":"4 tries","host":"i","ruleName":"r"}"#,
        r#"{"type":"t","title":"4 tries","host":"h","ruleName":"s"}"#,
        r#"{"type":"t","title":"no try","host":"h","ruleName":"r"}"#,
        r#"{"x":{"type":"t"}}"#,
    ];
    let apart = (false, false);
    assert_eq!(same(kinds(&plain, bodies)), [(true, true), (true, true), (true, false), apart, apart, apart]);
    assert_eq!(kinds(&plain, bodies)[5], RequestKind::default());

    let mapped = source("generic", r#"map = { rule = "/rule/id", agent = "/agent/name", victim = "/a~1b/host" }"#);
    let bodies = [
        r#"{"rule":{"id":"5"},"agent":{"name":"g"},"data":{"id":"1","name":"x"},"title":"one"}"#,
        r#"{"data":{"id":"2","name":"y"},"agent":{"name":"g"},"rule":{"id":"5"},"title":"two"}"#,
        r#"{"rule":{"id":"5"},"agent":{"name":"h"}}"#,
        r#"{"rule":{"id":"6"},"agent":{"name":"g"}}"#,
        r#"{"rule":{"id":"5"},"agent":{"name":"g"},"a/b":{"host":"h"}}"#,
    ];
    assert_eq!(same(kinds(&mapped, bodies)), [(true, true), (true, true), (true, false), apart, (true, false)]);

    let settings = r#"events = "/alerts"
        map = { rule = "/labels/alertname", host = "/labels/instance" }"#;
    let listed = source("generic", settings);
    let bodies = [
        r#"{"alerts":[{"labels":{"alertname":"a","instance":"1"}},{"labels":{"alertname":"a"}}]}"#,
        r#"{"alerts":[{"labels":{"alertname":"a","instance":"2"}}],"groupLabels":{"alertname":"b"}}"#,
        r#"{"alerts":[{"labels":{"alertname":"c","instance":"1"}}]}"#,
    ];
    assert_eq!(same(kinds(&listed, bodies)).map(|(rule, _)| rule), [true, true, false]);
    let bare = kinds(&plain, [r#"[{"type":"a"}]"#, r#"[{"type":"a","host":"h"}]"#, r#"[{"type":"b"}]"#]);
    assert_eq!(same(bare).map(|(rule, _)| rule), [true, true, false]);
}

#[test]
fn the_same_words_at_another_severity_are_another_kind() {
    let kinds = kinds(&source("generic", ""), [r#"{"type":"t"}"#, r#"{"type":"t","severity":"high"}"#]);
    assert_ne!(kinds[0].rule, kinds[1].rule);
}

#[test]
fn what_cannot_be_looked_into_has_no_kind() {
    let source = source("generic", "");
    for (body, encoding) in
        [("{\"type\":\"t\"}", Encoding::Gzip), ("type=t", Encoding::Identity), ("", Encoding::Identity)]
    {
        assert_eq!(source.preview(body.as_bytes(), encoding).kind, RequestKind::default(), "{body}");
    }
}

#[test]
fn no_sample_of_a_vendor_is_put_behind_what_it_is() {
    for vendor in VENDORS {
        let source = source(vendor.name, "");
        for sample in vendor.samples {
            let drafts = source.normalizer.normalize(sample.body).drafts;
            let severities = drafts.iter().map(|draft| draft.severity.unwrap_or(source.default_severity));
            let Some(worst) = severities.map(Urgency::of).max() else { continue };
            let urgency = source.preview(sample.body, Encoding::Identity).urgency;
            assert!(urgency >= worst, "{} {}: {urgency:?} < {worst:?}", vendor.name, sample.name);
        }
    }
}

#[test]
fn no_body_takes_long_to_look_at() {
    let bodies = [
        "[".repeat(1 << 20),
        "{\"a\":".repeat(1 << 18),
        format!("{{{}", "\"severity\":\"odd word\",".repeat(1 << 16)),
        format!("{{\"o\":{{{}", "\"severity\":\"odd word\",".repeat(1 << 16)),
        format!("{{\"o\":{{{}", "\"filterId\":\"x\",\"type\":\"y\",\"outcome\":\"z\",".repeat(1 << 15)),
        format!("{{\"{}", "\\\"".repeat(1 << 19)),
        format!("{{\"a\"{}", " ".repeat(1 << 20)),
        format!("{{{}", "\"\":1,".repeat(1 << 17)),
        format!("{{\"severity\":\"{}\"}}", "x".repeat(1 << 20)),
    ];
    for vendor in VENDORS {
        let source = source(vendor.name, "");
        for body in &bodies {
            let look = || (0..100).map(|_| source.preview(body.as_bytes(), Encoding::Identity).urgency).max();
            let (_, took) = processor_time(look);
            // A debug build takes some tens of microseconds for one.
            assert!(took < Duration::from_millis(200), "{} {}: {took:?}", vendor.name, &body[..20]);
        }
    }
}

#[test]
fn a_captured_request_with_a_signed_time_is_known_under_every_id_and_its_retry_at_every_time() {
    let source = with_unsigned_id(true);
    let key = |second: i64, id: Option<&str>, body: &[u8]| {
        let now = Timestamp::from_millis(1_795_000_000_000 + second * 1_000);
        let lines: Vec<(&str, &str)> = id.into_iter().map(|id| ("x-id", id)).collect();
        signed(&source, now, body, &lines).key().clone()
    };
    let knows = |later: &RequestKey, first: &RequestKey| {
        let recorded = [Some(first.own), first.with_id];
        let looked_for = [Some(later.own), later.with_id].into_iter().flatten();
        looked_for.chain(later.earlier.iter().flat_map(|keys| **keys)).any(|key| recorded.contains(&Some(key)))
    };
    let first = key(0, Some("n0"), b"{}");
    for (known, second, id, body) in [
        (true, 0, Some("n0"), &b"{}"[..]),
        (true, 0, Some("n1"), b"{}"),
        (true, 0, None, b"{}"),
        // A retry is signed anew.
        (true, 60, Some("n0"), b"{}"),
        // The same thing happens again.
        (false, 60, Some("n1"), b"{}"),
        (false, 60, None, b"{}"),
        (false, 0, Some("n0"), b"[]"),
    ] {
        assert_eq!(knows(&key(second, id, body), &first), known, "{second} {id:?} {body:?}");
    }
    let without = key(0, None, b"{}");
    assert!(knows(&key(0, Some("n1"), b"{}"), &without) && !knows(&key(60, Some("n1"), b"{}"), &without));
    assert!(knows(&key(1, None, b"{}"), &without), "a retry without an id, within the window of repetition");
    assert!(!knows(&key(60, None, b"{}"), &without), "after the window it happens again");
}

#[test]
fn a_content_encoding_that_is_not_signed_does_not_change_how_a_body_is_read() {
    let source = with_unsigned_id(false);
    let encoding = |body: &[u8], stated: Option<&str>| {
        let lines: Vec<(&str, &str)> = stated.into_iter().map(|stated| ("content-encoding", stated)).collect();
        signed(&source, Timestamp::default(), body, &lines).encoding()
    };
    for text in
        [&b" {\"a\":\"\xff\"}"[..], b"[", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"a=b", "é".repeat(400).as_bytes(), b""]
    {
        for stated in [None, Some("br"), Some("gzip"), Some("gzip, gzip"), Some("deflate")] {
            assert_eq!(encoding(text, stated), Encoding::Identity, "{stated:?} {text:?}");
        }
    }
    for stated in [None, Some("br"), Some("gzip"), Some("identity")] {
        assert_eq!(encoding(b"\x1f\x8b\x08\0", stated), Encoding::Gzip, "{stated:?}");
    }
    assert_eq!(encoding(b"\x8b\x07\x80\xffabc", Some("br")), Encoding::Unknown, "what is no text may be so encoded");
}
