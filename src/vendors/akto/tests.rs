//! The forms of Akto, one by one.

use serde_json::{Value, json};

use super::*;
use crate::domain::{EventOutcome, Timestamp};

fn read(body: &str) -> Reading {
    for_tests().normalize(body.as_bytes())
}

fn drafts(body: &Value) -> Vec<Draft> {
    read(&body.to_string()).drafts
}

fn sample(name: &str) -> Reading {
    for_tests().normalize(SAMPLES.iter().find(|sample| sample.name == name).unwrap().body)
}

#[test]
fn the_documented_body_reads_as_people_should_see_it() {
    let mut keys = Vec::new();
    for name in ["documented", "documented-agent"] {
        let reading = sample(name);
        assert_eq!(
            (reading.drafts.len(), reading.note),
            (1, Some(Note::Repaired)),
            "raw line breaks are no valid JSON"
        );
        let draft = &reading.drafts[0];
        assert_eq!(draft.title, "API level rate limiting on POST v1/api/test/orders");
        assert_eq!(draft.severity, Some(Severity::Medium));
        assert_eq!(draft.time.unwrap().to_human(), "13 May 2025 18:51:48 UTC");
        let actor = draft.actor.as_ref().unwrap();
        assert_eq!((actor.ip, actor.country.as_deref()), ("14.143.179.162".parse().ok(), Some("IN")));
        assert_eq!((draft.labels["event_type"].as_str(), draft.labels["samples"].as_str()), ("AGGREGATED", "1"));
        assert!(draft.impact.as_ref().unwrap().contains("alert fatigue"));
        let remedy = draft.remediation.as_ref().unwrap();
        assert!(remedy.starts_with("Remediation for 2FA") && remedy.contains("return True\n"), "{remedy}");
        keys.push(draft.key.clone());
        assert!(draft.links.is_empty(), "there is no refId to link to");
    }
    assert_eq!(keys[0], keys[1], "overview and remediation, which differ, are no part of the record");
}

#[test]
fn the_documented_body_may_hold_many_or_none() {
    let event = |url: &str| json!({"filterId": "XSS", "url": url, "actor": "a", "timestamp": 1747162308});
    let body = json!({"maliciousEvents": [event("/1"), 7, event("/2"), event("/2")], "overview": {"details": "D"}});
    let drafts = drafts(&body);
    let kinds: Vec<&str> = drafts.iter().map(|draft| draft.kind.as_str()).collect();
    assert_eq!(kinds, ["threat", "unparsed", "threat"], "the same event twice is one");
    assert_eq!(drafts[2].message.as_deref(), Some("D"));
    assert_eq!(read(r#"{"maliciousEvents":[]}"#), Reading::nothing(Note::Empty));
    assert_eq!(read(r#"{"maliciousEvents":[1]}"#).note, Some(Note::Unparsed));
    let doubled = r#"{"maliciousEvents":[],"maliciousEvents":[{"filterId":"XSS","url":"/"}]}"#;
    assert_eq!(read(doubled).drafts.len(), 1, "a second list is not hidden by the first");
}

#[test]
fn the_export_is_read_record_by_record() {
    let reading = sample("export");
    assert_eq!((reading.drafts.len(), reading.note), (3, None));
    let [inclusion, limited, prompt] = &reading.drafts[..] else { panic!("three were expected") };
    assert_eq!(inclusion.key, ["id", "3f0c2a9e-1d1b-4c7e-9b0f-2c6f5a7e0001"]);
    assert_eq!(inclusion.severity, Some(Severity::High), "of the filter: the export leaves its own empty");
    assert_eq!(inclusion.time, Some(Timestamp::from_millis(1_760_000_000_000)));
    assert!(inclusion.evidence.as_ref().unwrap().starts_with("GET /api/v2/files?name=../../etc/passwd HTTP/1.1\n"));
    assert_eq!(
        inclusion.links[0].url,
        "https://akto.example.com/dashboard/protection/threat-activity\
         ?refId=9a4b6f10-0c3d-4a52-8f7e-1b2c3d4e0001&eventType=SINGLE&actor=198.51.100.9%3A40112\
         &filterId=LocalFileInclusionLFIRFI"
    );
    assert_eq!(limited.status.as_deref(), Some("IGNORED"), "the vendor's state lowers nothing by itself");
    assert_eq!((limited.severity, limited.evidence.as_ref()), (Some(Severity::Medium), None));
    assert_eq!(limited.actor.as_ref().unwrap().country.as_deref(), Some("FR"), "from protobuf's text form");
    assert_eq!((prompt.kind.as_str(), prompt.severity), ("guardrail", None), "the source's default applies");
    let actor = prompt.actor.as_ref().unwrap();
    assert_eq!((actor.user.as_deref(), actor.ip), (Some("cursor"), "192.0.2.44".parse().ok()));
    assert_eq!(prompt.target.as_ref().unwrap().agent.as_deref(), Some("cursor"));
    assert_eq!(prompt.rule.as_ref().unwrap().name.as_deref(), Some("No secrets in prompts"));
    assert_eq!(prompt.remediation.as_deref(), Some("Remove the page from the index."));
}

#[test]
fn records_in_snake_case_and_with_odd_types_are_read() {
    let body = json!([
        {"id": 5, "filter_id": "SQLInjection", "latest_api_endpoint": "/a", "latest_api_method": "GET",
         "detected_at": "1760000000", "severity": "low", "metadata": {"country_code": "SE"}, "successful_exploit": true},
        {"refId": "r", "filterId": ["x"], "actor": {"ip": "1.2.3.4"}, "url": 7, "detectedAt": "never", "severity": 4},
    ]);
    let drafts = drafts(&body);
    assert_eq!((drafts[0].key[1].as_str(), drafts[0].severity), ("5", Some(Severity::Low)));
    assert_eq!(drafts[0].time, Timestamp::from_seconds(1_760_000_000));
    assert_eq!(drafts[0].actor.as_ref().unwrap().country.as_deref(), Some("SE"));
    assert_eq!(drafts[0].labels["successful_exploit"], "true");
    assert_eq!((drafts[1].title.as_str(), drafts[1].key.len()), ("Threat on 7", 0));
    assert!(drafts[1].unmapped.contains_key("filterId") && drafts[1].unmapped.contains_key("detectedAt"));
}

#[test]
fn what_became_of_the_attack_is_the_outcome() {
    let of = |more: Value| {
        let mut record =
            json!({"id": "u-1", "filterId": "XSS", "latestApiEndpoint": "/", "detectedAt": 1760000000000_i64});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        drafts(&json!([record])).remove(0)
    };
    for (more, outcome) in [
        (json!({"successfulExploit": true}), Some(EventOutcome::Succeeded)),
        (json!({"successful_exploit": "TRUE"}), Some(EventOutcome::Succeeded)),
        (json!({"successfulExploit": false}), None),
        (json!({"metadata": "{\"behaviour\": \"block\"}"}), Some(EventOutcome::Blocked)),
        (json!({"metadata": {"behaviour": "alert"}, "successfulExploit": false}), Some(EventOutcome::Allowed)),
        (json!({"metadata": {"behaviour": "warn"}}), None),
        (json!({"metadata": {"behaviour": "block"}, "successfulExploit": true}), Some(EventOutcome::Succeeded)),
        (json!({"action": "Block"}), Some(EventOutcome::Blocked)),
        (json!({"status": "IGNORED"}), None),
        (json!({"status": "TRAINING"}), None),
    ] {
        assert_eq!(of(more.clone()).outcome, outcome, "{more}");
    }
    let said = of(json!({"metadata": "{\"behaviour\": \"block\", \"riskScore\": 0.91}", "status": "IGNORED"}));
    assert_eq!((said.vendor_id.as_deref(), said.status.as_deref()), (Some("u-1"), Some("IGNORED")));
    assert_eq!((said.labels["action"].as_str(), said.labels["risk_score"].as_str()), ("block", "0.91"));
    let body = json!({"maliciousEvents": [{"filterId": "XSS", "url": "/", "successfulExploit": true}]});
    assert_eq!(drafts(&body)[0].outcome, Some(EventOutcome::Succeeded), "the documented body");
    let doubled = r#"[{"id":"1","filterId":"XSS","filterId":"SSRF","metadata":{"behaviour":"block"}}]"#;
    assert_eq!(read(doubled).drafts[0].outcome, None, "the reassuring reading is not believed");
    assert_eq!(sample("object-names").drafts[0].outcome, Some(EventOutcome::Succeeded));
}

#[test]
fn the_operator_has_the_last_word_on_severity() {
    let severities = crate::vendors::tests::build("akto", "severity = { sqlinjection = \"critical\" }").ok().unwrap();
    let body = br#"[{"id":"1","filterId":"SQLInjection","severity":"LOW"},{"id":"2","filterId":"XSS"}]"#;
    let found: Vec<_> = severities.normalize(body).drafts.iter().map(|draft| draft.severity).collect();
    assert_eq!(found, [Some(Severity::Critical), Some(Severity::Medium)]);
    let words = crate::vendors::tests::build("akto", "severities = { purple = \"low\" }").ok().unwrap();
    let body = br#"[{"id":"1","filterId":"XSS","severity":"purple"},{"id":"2","filterId":"XSS","severity":"pink"}]"#;
    let drafts = words.normalize(body).drafts;
    assert_eq!((drafts[0].severity, drafts[0].severity_word.as_deref()), (Some(Severity::Low), None));
    assert_eq!((drafts[1].severity, drafts[1].severity_word.as_deref()), (Some(Severity::Medium), Some("pink")));
}

#[test]
fn five_thousand_records_with_a_bad_one_are_five_thousand_events() {
    let record = |n: usize| match n {
        2_500 => "{\"id\":\"bad\",\"filterId\":\"XSS\",\"latestApiEndpoint\":\"/q=\"><script>\"}".to_owned(),
        n => {
            format!("{{\"id\":\"{n}\",\"filterId\":\"XSS\",\"latestApiEndpoint\":\"/{n}\",\"latestApiOrig\":\"{{}}\"}}")
        }
    };
    let body = format!("[{}]", (0..5_000).map(record).collect::<Vec<_>>().join(","));
    let reading = read(&body);
    assert_eq!((reading.drafts.len(), reading.note), (5_000, Some(Note::Repaired)));
    let unparsed: Vec<_> = reading.drafts.iter().filter(|draft| draft.kind == "unparsed").collect();
    assert_eq!(unparsed.len(), 1);
    assert!(unparsed[0].evidence.as_ref().unwrap().contains("/q=\"><script>"));
}

#[test]
fn large_recordings_are_not_kept() {
    let record = |n: usize| json!({"id": n, "filterId": "XSS", "latestApiOrig": "x".repeat(40_000)});
    let drafts = drafts(&Value::Array((0..20).map(record).collect()));
    assert!(drafts.iter().all(|draft| draft.evidence.as_ref().is_some_and(|text| text.capacity() < 4_200)));
    assert!(drafts.iter().all(|draft| draft.unmapped.is_empty()));
}

#[test]
fn the_default_body_gives_one_event_an_option() {
    let drafts = sample("default-body").drafts;
    let seen: Vec<_> = drafts.iter().map(|draft| (draft.kind.as_str(), draft.title.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("endpoint.sensitive", "New sensitive endpoint POST /v3/refunds: CREDIT_CARD, EMAIL"),
            ("endpoint.new", "3 new endpoints"),
            ("parameter.new", "12 new parameters"),
        ]
    );
    let lines = "POST pay.example.net/v3/refunds\nGET /v3/refunds/STRING\nPUT pay.example.net/v3/limits";
    assert_eq!(drafts[1].message.as_deref(), Some(lines));
    let link = "https://akto.example.com/dashboard/observe/inventory/1719400002/L3YzL3JlZnVuZHM=";
    assert_eq!(drafts[0].links[0].url, link);
    assert!(drafts.iter().all(|draft| draft.key.is_empty() && draft.severity.is_some()));
}

#[test]
fn counters_alone_count_and_zero_says_nothing() {
    let body =
        json!({"New Endpoint Count": "1", "New Sensitive Endpoint Count": 2, "New Parameter Count": 0, "extra": "x"});
    let drafts = drafts(&body);
    let titles: Vec<&str> = drafts.iter().map(|draft| draft.title.as_str()).collect();
    assert_eq!(titles, ["1 new endpoint", "2 new sensitive endpoints"]);
    assert_eq!(drafts[0].unmapped["extra"], "x");
    assert_eq!(read(r#"{"New Parameter Count":0,"API Threat payloads":[]}"#), Reading::nothing(Note::Empty));
    assert_eq!(read(r#"{"New Endpoint Count":"many"}"#).note, Some(Note::Unparsed));
}

#[test]
fn a_link_never_leaves_the_operators_dashboard() {
    let body = |link: &str| json!({"New Sensitive Endpoint": [{"url": "/a", "method": "GET", "link": link}]});
    for link in ["https://evil.example/", "//evil.example/x", "/\\evil.example", "javascript:alert(1)"] {
        assert!(drafts(&body(link))[0].links.is_empty(), "{link}");
    }
}

#[test]
fn object_names_are_counted_and_told_once() {
    let reading = sample("object-names");
    assert_eq!(reading.note, Some(Note::Repaired));
    let titles: Vec<&str> = reading.drafts.iter().map(|draft| draft.title.as_str()).collect();
    assert_eq!(titles, ["3 successful exploits since the last message", "2 new parameters"]);
    assert_eq!(reading.drafts[0].severity, Some(Severity::High));
    assert!(reading.drafts[0].key.is_empty() && reading.drafts[0].links.len() == 1);
    for template in [
        r#"{"threats":"[com.akto.dto.MaliciousEventDto@1]"}"#,
        r#""[com.akto.dto.MaliciousEventDto@1]""#,
        "{\"API Threat payloads\":\"[com.akto.dto.MaliciousEventDto@1]\"}",
    ] {
        assert_eq!(read(template).drafts[0].title, "1 successful exploit since the last message", "{template}");
    }
}

#[test]
fn an_attacker_who_writes_an_object_name_hides_nothing() {
    let body = json!([{"id": "1", "filterId": "XSS", "latestApiEndpoint": "/com.akto.dto.MaliciousEventDto@1"}]);
    assert_eq!(drafts(&body)[0].kind, "threat");
}

#[test]
fn older_items_are_read_escaped_or_not() {
    let item = r#"{ "apiCollectionId":"7", "url":"URL", "method":"GET", "matchingUrl":"/", "discovered":"1730000000", "filter":"XSS", "IPs":"[1.2.3.4, 5.6.7.8]", "sample":null}"#;
    for (url, note) in [("/a", None), ("/q=\"><script>", Some(Note::Repaired))] {
        let reading = read(&format!("{{\"API Threat payloads\":[{}]}}", item.replace("URL", url)));
        assert_eq!((reading.drafts.len(), reading.note), (1, note), "{url}");
        let draft = &reading.drafts[0];
        assert_eq!(draft.title, format!("Cross-site scripting (XSS) on GET {url}"));
        assert_eq!(draft.actor.as_ref().unwrap().ip, "1.2.3.4".parse().ok());
        assert_eq!(draft.unmapped["IPs"], "1.2.3.4, 5.6.7.8");
        assert_eq!(draft.time, Timestamp::from_seconds(1_730_000_000));
        assert_eq!(draft.key[0], "record");
    }
}

#[test]
fn a_card_gives_one_event_a_set_of_facts() {
    let reading = sample("teams-card");
    assert_eq!((reading.drafts.len(), reading.note), (2, Some(Note::Repaired)), "the comma too many");
    assert_eq!(reading.drafts[0].title, "Cross-site scripting (XSS) on GET /search?q=\"><svg onload=alert(1)>");
    assert_eq!(reading.drafts[1].severity, Some(Severity::Critical));
    assert!(reading.drafts.iter().all(|draft| draft.links.len() == 1 && draft.key[0] == "record"));
    let told = r#"{"attachments":[{"content":{"body":[{"type":"TextBlock","text":"Traffic"},{"items":[{"type":"TextBlock","text":"stopped"}]}]}}]}"#;
    let draft = &read(told).drafts[0];
    assert_eq!((draft.title.as_str(), draft.message.as_deref()), ("Traffic", Some("stopped")));
    let odd = r#"{"attachments":[{"content":{"body":[{"type":"FactSet","facts":[{"title":"a:","value":"b"}]}]}}]}"#;
    assert_eq!(read(odd).drafts[0].unmapped["a"], "b");
}

#[test]
fn an_answer_of_the_dashboard_is_one_event() {
    let body = json!({
        "filterId": "SQLInjection", "actor": "1.2.3.4", "refId": "r", "eventType": "SINGLE",
        "maliciousPayloadsResponses": [
            {"orig": r#"{"method":"GET","path":"/x","requestHeaders":"{\"host\":\"h.example\"}"}"#, "ts": 1760002000},
            {"orig": "{}", "ts": 1760002001},
        ],
    });
    let drafts = drafts(&body);
    assert_eq!((drafts.len(), drafts[0].title.as_str()), (1, "SQL injection on GET /x"));
    assert_eq!((drafts[0].labels["samples"].as_str(), drafts[0].links.len()), ("2", 1));
    assert_eq!(drafts[0].time, Timestamp::from_seconds(1_760_002_000));
    assert_eq!(drafts[0].target.as_ref().unwrap().host.as_deref(), Some("h.example"));
}

#[test]
fn threats_of_one_filter_and_policy_have_them_in_common_and_the_host_is_the_victim() {
    let of = |record: Value| drafts(&json!([record])).remove(0);
    for (record, parts, victim) in [
        (
            json!({"filterId": "XSS", "url": "/a", "host": "A.example.com"}),
            &["threat", "XSS", ""][..],
            Some("a.example.com"),
        ),
        (
            json!({"filterId": "XSS", "url": "/b", "latestApiCollectionId": 7}),
            &["threat", "XSS", ""],
            Some("API collection 7"),
        ),
        (
            json!({"filterId": "XSS", "url": "/b", "apiCollectionId": "-3"}),
            &["threat", "XSS", ""],
            Some("API collection -3"),
        ),
        (json!({"filterId": "XSS", "url": "/b", "apiCollectionId": 0}), &["threat", "XSS", ""], None),
        (
            json!({"filterId": "PII", "label": "GUARDRAIL", "metadata": {"policyName": "No PII"}, "url": "/",
                   "host": "laptop-7.ai-agent.claude", "latestApiCollectionId": 7}),
            &["guardrail", "PII", "No PII"],
            Some("laptop-7.ai-agent.claude"),
        ),
        (json!({"refId": "r", "metadata": {"ruleViolated": "BanTopics"}}), &["threat", "", "BanTopics"], None),
        (json!({"refId": "r", "category": "SSRF", "subCategory": "S1"}), &["threat", "SSRF", "S1"], None),
        (json!({"actor": "1.2.3.4", "url": "/minted"}), &[], None),
    ] {
        let draft = of(record.clone());
        assert_eq!(draft.incident_parts, parts, "{record}");
        assert_eq!(draft.victim.as_deref(), victim, "{record}");
        assert_eq!((draft.group, draft.correlation, draft.state), (None, None, None), "{record}");
    }
    let ignored = of(json!({"id": "1", "filterId": "XSS", "status": "IGNORED"}));
    assert_eq!((ignored.state, ignored.status.as_deref()), (None, Some("IGNORED")), "it is no end of an alert");
    let doubled = read(r#"[{"id":"1","filterId":"XSS","filterId":"SSRF","host":"h.example"}]"#);
    assert_eq!(doubled.drafts[0].incident_parts, ["threat", "doubled_keys"]);
}

#[test]
fn counts_and_lists_are_grouped_by_what_they_are_about() {
    let parts = |body: Value| drafts(&body).into_iter().map(|draft| draft.incident_parts).collect::<Vec<_>>();
    assert_eq!(parts(json!({"New Endpoint Count": 1})), parts(json!({"New Endpoint Count": 20})));
    assert_eq!(parts(json!({"New Parameter Count": 1})), [["parameter.new"]]);
    assert_eq!(parts(json!({"New Sensitive Endpoint": [{"url": "/a", "host": "h"}]})), [["endpoint.sensitive"]]);
    assert_eq!(parts(json!({"countPendingTests": 1})), [["test.pending"]]);
    assert_eq!(sample("object-names").drafts[0].incident_parts, ["threat.count"]);
}

#[test]
fn nothing_is_nothing_and_the_unknown_is_unparsed() {
    for body in ["", " \n", "{}", "[]", "null", "\u{feff}{}"] {
        assert_eq!(read(body), Reading::nothing(Note::Empty), "{body:?}");
    }
    for body in ["{\"hello\":\"world\"}", "hello", "[1]", "7", "{\"attachments\":[]}", "a=b", "{\"maliciousEvents\":7}"]
    {
        let reading = read(body);
        assert_eq!((reading.drafts.len(), reading.note), (1, Some(Note::Unparsed)), "{body}");
        assert_eq!(reading.drafts[0].evidence.as_deref(), Some(body));
    }
}

#[test]
fn a_doubled_key_takes_the_identity_away() {
    let body = r#"[{"id":"seen before","id":"2","filterId":"XSS","severity":"LOW","severity":"HIGH"}]"#;
    let draft = &read(body).drafts[0];
    assert!(draft.key.is_empty());
    assert_eq!((draft.labels["doubled_keys"].as_str(), &draft.unmapped["id#2"]), ("true", &json!("2")));
}

#[test]
fn a_name_with_a_hash_in_it_is_no_doubled_name() {
    let threat = r##"{"id":"1","id#2":"2","filterId":"XSS"}"##;
    for body in [format!("[{threat}]"), format!("{{\"maliciousEvents\":[{threat}]}}"), threat.to_owned()] {
        let draft = &read(&body).drafts[0];
        assert_eq!(draft.key, ["id", "1"], "{body}");
        assert!(!draft.labels.contains_key("doubled_keys"), "{body}");
    }
    let card = r#"{"body":[{"type":"FactSet","facts":[{"title":"filter:","value":"XSS"},{"title":"filter:","value":"SSRF"}]}]}"#;
    assert!(read(card).drafts[0].labels.contains_key("doubled_keys"), "facts of a card are kept like names");
}

#[test]
fn the_dashboard_may_be_written_as_the_browser_shows_it() {
    for base in
        ["https://a.example", "https://a.example/", "https://a.example/dashboard", "https://a.example/dashboard/?x#y"]
    {
        let akto = Akto { dashboard: Url::parse(base).ok(), ..for_tests() };
        let page = akto.page(&["protection"]).unwrap();
        assert_eq!(page.as_str(), "https://a.example/dashboard/protection", "{base}");
    }
    let faults = crate::vendors::tests::build("akto", "dashboard_url = \"ftp://x\"").err().unwrap();
    assert!(faults[0].contains("neither http nor https"), "{faults:?}");
}

#[test]
fn requests_have_no_id() {
    let request = crate::vendors::tests::request(&[("x-request-id", "1")], br#"{"id":"x"}"#);
    assert_eq!(for_tests().event_id(&request), None);
}

#[test]
fn a_harmless_record_does_not_take_the_place_of_another() {
    let record = |host: &str, severity: &str| {
        format!(
            r#"{{"filterId":"XSS","actor":"6.6.6.6","method":"GET","url":"/a","timestamp":1730000000,"host":"{host}","severity":"{severity}"}}"#
        )
    };
    let (probe, attack) = (record("dev", "LOW"), record("prod", "CRITICAL"));
    let drafts = read(&format!(r#"{{"maliciousEvents":[{probe},{attack},{attack}]}}"#)).drafts;
    let severities: Vec<_> = drafts.iter().map(|draft| draft.severity).collect();
    assert_eq!(severities, [Some(Severity::Low), Some(Severity::Critical)], "and the one that comes twice counts once");
}
