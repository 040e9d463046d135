use serde_json::json;

use super::super::tests::{build, request};
use super::*;

fn read(settings: &str, body: &Value) -> Reading {
    build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}")).normalize(body.to_string().as_bytes())
}

#[test]
fn a_simple_sender_needs_no_map() {
    let body =
        json!({"title": "T", "severity": "HIGH", "time": 1748765730, "actor": "claude", "ip": "10.0.0.1", "x": 1});
    let draft = read("", &body).drafts.remove(0);
    assert_eq!((draft.title.as_str(), draft.severity, draft.kind.as_str()), ("T", Some(Severity::High), "alert"));
    let actor = draft.actor.unwrap();
    assert_eq!((actor.user.as_deref(), actor.ip), (Some("claude"), "10.0.0.1".parse().ok()));
    assert_eq!(Value::Object(draft.unmapped), json!({"x": 1}));
    assert_eq!(draft.key[0], "content");
}

#[test]
fn pointers_lead_anywhere_and_odd_names_are_escaped() {
    let settings = "events = \"/a~1b/list\"\n[map]\ntitle = \"/n/0\"\nseverity = \"/s\"\nkey = \"/k\"\nlink = \"/u\"\n\
                    rule = \"/m~0n\"\n[severity]\nP1 = \"critical\"\n3 = \"low\"";
    let body = json!({"a/b": {"list": [
        {"n": ["first"], "s": "p1", "k": 1, "u": "https://example.com/1", "m~n": "r"},
        {"n": ["second"], "s": 3, "k": 2, "ip": "not one"},
        {"n": [], "s": 4},
    ]}});
    let drafts = read(settings, &body).drafts;
    let severities: Vec<_> = drafts.iter().map(|draft| draft.severity).collect();
    assert_eq!(severities, [Some(Severity::Critical), Some(Severity::Low), None]);
    let words: Vec<_> = drafts.iter().map(|draft| draft.severity_word.as_deref()).collect();
    assert_eq!(words, [None, None, Some("4")]);
    assert_eq!((drafts[0].title.as_str(), &drafts[0].key), ("first", &vec!["key".to_owned(), "1".to_owned()]));
    assert_eq!((drafts[0].links.len(), drafts[0].rule.as_ref().unwrap().id.as_deref()), (1, Some("r")));
    assert_eq!(Value::Object(drafts[1].unmapped.clone()), json!({"n": ["second"], "ip": "not one"}));
    assert_eq!(Value::Object(drafts[2].unmapped.clone()), json!({"s": 4}));
}

#[test]
fn a_severity_that_is_no_plain_word_is_an_unknown_word() {
    let stated = |severity: &Value| {
        let draft = read("", &json!({"title": "t", "severity": severity})).drafts.remove(0);
        assert!(draft.severity_word.is_none() || draft.unmapped.contains_key("severity"), "{severity} is kept");
        (draft.severity, draft.severity_word)
    };
    for (severity, word) in [
        (json!({"level": "high"}), r#"{"level":"high"}"#),
        (json!(["high", "low"]), r#"["high","low"]"#),
        (json!([{"level": 3}]), r#"{"level":3}"#),
        (json!(true), "true"),
        (json!(["purple"]), "purple"),
    ] {
        assert_eq!(stated(&severity), (None, Some(word.to_owned())));
    }
    assert_eq!(stated(&json!(["high"])), (Some(Severity::High), None));
    assert_eq!(stated(&json!([["P1"]])), (Some(Severity::Critical), None));
    for absent in [json!(null), json!(""), json!(" \t"), json!([""]), json!([]), json!({})] {
        assert_eq!(stated(&absent), (None, None), "{absent}");
    }
    let long = stated(&json!(vec!["high"; 10_000])).1.unwrap();
    assert!(long.len() < 300 && long.starts_with("[\"high\""), "{}", long.len());
}

#[test]
fn what_was_done_about_it_is_the_outcome() {
    let read_one = |settings: &str, body: Value| read(settings, &body).drafts.remove(0);
    for (settings, body, outcome) in [
        ("", json!({"outcome": "Blocked"}), Some(EventOutcome::Blocked)),
        ("", json!({"action": "deny"}), Some(EventOutcome::Blocked)),
        ("", json!({"action": "opened"}), None),
        ("", json!({"outcome": "failure", "action": "allow"}), Some(EventOutcome::Allowed)),
        (
            "map = { outcome = \"/waf/stopped\" }\noutcomes = { true = \"blocked\", false = \"succeeded\" }",
            json!({"waf": {"stopped": false}}),
            Some(EventOutcome::Succeeded),
        ),
        ("outcomes = { deny = \"allowed\" }", json!({"outcome": "DENY"}), Some(EventOutcome::Allowed)),
    ] {
        assert_eq!(read_one(settings, body.clone()).outcome, outcome, "{body}");
    }
    let draft = read_one("", json!({"id": 5, "riskScore": 97, "action": "deny", "outcome": "odd"}));
    assert_eq!(draft.vendor_id.as_deref(), Some("5"));
    assert_eq!((draft.labels["risk_score"].as_str(), draft.labels["action"].as_str()), ("97", "deny"));
    assert_eq!(Value::Object(draft.unmapped), json!({"outcome": "odd"}));
    let mapped = read_one("map = { vendor_id = \"/case/no\" }", json!({"id": 5, "case": {"no": "C-7"}}));
    assert_eq!(mapped.vendor_id.as_deref(), Some("C-7"));
    let faults = build("generic", "outcomes = { a = \"stopped\" }").err().unwrap();
    assert!(faults[0].contains("'stopped' is no outcome") && faults[0].contains("succeeded"), "{faults:?}");
}

#[test]
fn what_no_field_of_the_map_fits_is_shown_in_its_own_words() {
    let body = json!({"finding": {"name": "Brute force", "password": "a b"}, "n": 7});
    let draft = read("", &body).drafts.remove(0);
    assert!(draft.is_unrecognized);
    assert_eq!(draft.title, "alert · name: \"Brute force\"");
    let evidence = "n: 7\nfinding:\n  name: \"Brute force\"\n  password: \"a b\"";
    assert_eq!(draft.evidence.as_deref(), Some(evidence));
    assert!(draft.message.unwrap().contains("No field"));
    let by_id = read("", &json!({"id": 5, "foo": 1})).drafts.remove(0);
    assert!(by_id.is_unrecognized && by_id.title == "alert · foo: 1", "an id alone says nothing");
    let without_title = read("", &json!({"severity": "low", "foo": 1})).drafts.remove(0);
    assert!(!without_title.is_unrecognized && without_title.message.is_none());
    assert_eq!((without_title.title.as_str(), without_title.evidence.as_deref()), ("alert · foo: 1", Some("foo: 1")));
    let told = read("", &json!({"title": "T", "foo": 1})).drafts.remove(0);
    assert_eq!((told.title.as_str(), told.evidence), ("T", None));
}

#[test]
fn a_key_may_be_made_of_several_fields() {
    let settings = "events = \"/alerts\"\n[map]\nkey = [\"/fingerprint\", \"/startsAt\", \"/status\"]";
    let alert = |starts: &str, status: &str| json!({"fingerprint": "f1", "startsAt": starts, "status": status});
    let body = json!({"alerts": [alert("1", "firing"), alert("1", "resolved"), alert("2", "firing"), {"x": 1}]});
    let keys: Vec<_> = read(settings, &body).drafts.into_iter().map(|draft| draft.key).collect();
    assert_eq!(keys[0], ["key", "f1", "1", "firing"]);
    assert_eq!(keys[1], ["key", "f1", "1", "resolved"]);
    assert_eq!((keys[2][2].as_str(), keys[3][0].as_str()), ("2", "content"));
    for (settings, fault) in [
        ("map = { key = [] }", "is an empty list"),
        ("map = { key = [\"/a\", \"b\"] }", "'b' is no JSON pointer"),
        ("map = { key = [1] }", "a list of texts"),
        ("map = { key = \"/fingerprint\" }", "key = [\"/fingerprint\", \"/startsAt\", \"/status\"]"),
        ("map = { key = [\"/groupKey\"] }", "only the first of them would be told"),
    ] {
        let faults = build("generic", settings).err().unwrap_or_else(|| panic!("{settings} was taken"));
        assert!(faults.iter().any(|found| found.contains(fault)), "{settings}: {faults:?}");
    }
    assert!(build("generic", "map = { key = \"/alert_id\" }").is_ok());
}

#[test]
fn a_key_with_an_absent_part_is_none() {
    let settings = "map = { key = [\"/fingerprint\", \"/startsAt\", \"/status\"] }";
    let draft = |settings: &str, body: &Value| read(settings, body).drafts.remove(0);
    let disk = json!({"title": "DiskFull", "host": "a", "status": "firing"});
    let shell = json!({"title": "RootShell", "host": "b", "status": "firing", "severity": "critical"});
    let (disk_event, shell_event) = (draft(settings, &disk), draft(settings, &shell));
    assert_eq!((disk_event.key[0].as_str(), shell_event.key[0].as_str()), ("content", "content"));
    assert_ne!(disk_event.key, shell_event.key, "what two alerts have in common is no name of both");
    let part = draft("map = { key = [\"/a\", \"/b\"] }", &json!({"b": 1}));
    assert!(part.is_unrecognized && part.unmapped.contains_key("b"), "half a key is not understood: {part:?}");
    let by_id = draft(&format!("id = {{ pointer = \"/id\" }}\n{settings}"), &json!({"id": "d1", "status": "firing"}));
    assert_eq!(by_id.key, ["delivery", "d1", "0"]);
    let normalizer = build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}"));
    let unfound = normalizer.unfound(disk.to_string().as_bytes());
    assert_eq!(
        unfound.iter().map(Unfound::to_string).collect::<Vec<_>>(),
        ["map.key = \"/fingerprint\" found nothing that fits", "map.key = \"/startsAt\" found nothing that fits",]
    );
}

#[test]
fn the_end_of_an_alert_is_told_by_the_operators_words() {
    let state = |settings: &str, word: Value| {
        let draft = read(settings, &json!({"title": "t", "status": word})).drafts.remove(0);
        assert!(draft.state.is_some() != draft.unmapped.contains_key("status") || word.is_null(), "{word}");
        draft.state
    };
    let (firing, resolved) = (Some(EventState::Firing), Some(EventState::Resolved));
    let mapped = "map = { state = \"/status\" }";
    for (word, wanted) in [
        (json!("resolved"), resolved),
        (json!(" OK "), resolved),
        (json!("Closed"), resolved),
        (json!("inactive"), resolved),
        (json!("firing"), firing),
        (json!("unresolved"), firing),
        (json!(7), firing),
        (json!(""), None),
        (json!(null), None),
    ] {
        let found = read(mapped, &json!({"title": "t", "status": word})).drafts.remove(0).state;
        assert_eq!(found, wanted, "{word}");
    }
    assert_eq!(state(mapped, json!({"is": "resolved"})), None, "no word");
    assert_eq!(state(&format!("resolved_words = [\"Fixed\", \"false\"]\n{mapped}"), json!("FIXED")), resolved);
    assert_eq!(state(&format!("resolved_words = [\"Fixed\", \"false\"]\n{mapped}"), json!(false)), resolved);
    assert_eq!(state(&format!("resolved_words = [\"Fixed\"]\n{mapped}"), json!("resolved")), firing);
}

#[test]
fn what_joins_events_or_ends_an_alert_is_never_guessed() {
    let body = json!({
        "title": "t", "group": "g", "groupKey": "g", "correlation": "c", "state": "resolved", "victim": "v",
    });
    let draft = read("", &body).drafts.remove(0);
    assert_eq!((draft.group, draft.correlation, draft.state, draft.victim), (None, None, None, None));
    assert_eq!(draft.unmapped.len(), 5, "and nothing is lost");
    let settings =
        "map = { group = \"/group\", correlation = \"/correlation\", state = \"/state\", victim = \"/victim\" }";
    let draft = read(settings, &body).drafts.remove(0);
    assert_eq!((draft.group.as_deref(), draft.correlation.as_deref()), (Some("g"), Some("c")));
    assert_eq!((draft.state, draft.victim.as_deref()), (Some(EventState::Resolved), Some("v")));
    assert_eq!(draft.unmapped.keys().collect::<Vec<_>>(), ["groupKey"]);
    assert!(draft.incident_parts.is_empty(), "type and rule are the default");
}

#[test]
fn what_can_be_read_in_two_ways_neither_joins_an_incident_nor_ends_one() {
    let settings = "events = \"/alerts\"\n\
                    map = { group = \"/g\", correlation = \"/c\", state = \"/s\", victim = \"/v\", key = \"/k\" }";
    let normalizer = build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}"));
    let first = |body: &str| normalizer.normalize(body.as_bytes()).drafts.remove(0);
    let draft = first(r#"{"g":"known","alerts":[{"c":"known","s":"resolved","s":"firing","v":"known","k":1}]}"#);
    assert_eq!((draft.group, draft.correlation, draft.state, draft.victim), (None, None, None, None));
    assert_eq!(draft.incident_parts, ["alert", "doubled_keys"]);
    assert_eq!((&draft.unmapped["s"], &draft.unmapped["s#2"]), (&json!("resolved"), &json!("firing")));
    let around = first(r#"{"g":"known","g":"other","alerts":[{"c":"c"}]}"#);
    assert_eq!((around.group, around.correlation.as_deref()), (None, Some("c")));
}

#[test]
fn a_name_with_a_hash_in_it_is_no_doubled_name() {
    let map = "map = { group = \"/g\", correlation = \"/c\", key = \"/k\" }";
    let first = |body: &str| {
        let events = if body.starts_with('[') { "" } else { "events = \"/alerts\"\n" };
        let normalizer = build("generic", &format!("{events}{map}")).unwrap_or_else(|faults| panic!("{faults:?}"));
        normalizer.normalize(body.as_bytes()).drafts.remove(0)
    };
    let alert = r##"{"title":"d1 low","severity":"low","c":"c","k":1,"headers":{"x":"1","x#":"2","y":1,"y#2":3}}"##;
    for body in [
        alert.to_owned(),
        format!("[{alert}]"),
        format!(r##"{{"alerts":[{alert}],"g":"g","g#2":"h"}}"##),
        // Another record holds a name twice, and one that was repaired otherwise does not.
        format!(r#"[{alert},{{"c":"d","c":"e"}}]"#),
        format!("[{alert},]"),
    ] {
        let draft = first(&body);
        assert_eq!((draft.severity, draft.correlation.as_deref()), (Some(Severity::Low), Some("c")), "{body}");
        assert_eq!((draft.key, draft.incident_parts.len()), (vec!["key".to_owned(), "1".to_owned()], 0), "{body}");
        assert!(!draft.labels.contains_key("doubled_keys"), "{body}");
        assert_eq!(draft.group.is_some(), body.contains("\"g\""), "{body}");
    }
    for body in [r##"{"k#2":5,"k":1,"k":2}"##, r##"[{"x":{"k#2":5,"k":1,"k":2,}}]"##] {
        let draft = first(body);
        assert!(draft.labels.contains_key("doubled_keys") && draft.key.is_empty(), "{body}");
    }
}

#[test]
fn what_names_an_alert_by_several_fields_names_no_other() {
    let named = |body: Value| {
        let draft = read("map = { correlation = [\"/a\", \"/b\"], group = [\"/a\", \"/b\"] }", &body).drafts.remove(0);
        assert_eq!(draft.correlation, draft.group);
        draft.correlation.unwrap()
    };
    for (one, other) in [
        (json!({"a": "prod", "b": "x · y"}), json!({"a": "prod · x", "b": "y"})),
        (json!({"a": "x ·", "b": "y"}), json!({"a": "x", "b": "· y"})),
        (json!({"a": "x ··", "b": "y"}), json!({"a": "x", "b": "·· y"})),
        (json!({"a": "x · ·", "b": "y"}), json!({"a": "x", "b": "· · y"})),
    ] {
        assert_ne!(named(one.clone()), named(other), "{one}");
    }
    assert_eq!(named(json!({"a": "CORP\\eve", "b": "a#b"})), "CORP\\eve · a#b", "an ordinary name stays as it is");
    let alone = read("map = { correlation = \"/a\" }", &json!({"a": "x · y"})).drafts.remove(0);
    assert_eq!(alone.correlation.as_deref(), Some("x · y"));
}

#[test]
fn the_group_of_a_message_is_that_of_its_events() {
    let settings = "events = \"/alerts\"\nmap = { group = \"/groupKey\" }";
    let groups = |settings: &str, body: Value| {
        let drafts = read(settings, &body).drafts;
        drafts.into_iter().map(|draft| draft.group.unwrap_or_default()).collect::<Vec<_>>()
    };
    let alerts = json!([{"title": "a"}, {"title": "b", "groupKey": "own"}]);
    assert_eq!(groups(settings, json!({"groupKey": "all", "alerts": alerts})), ["all", "own"]);
    assert_eq!(groups(settings, json!({"alerts": alerts})), ["", "own"]);
    assert_eq!(groups("map = { group = \"/groupKey\" }", json!({"title": "a", "groupKey": "all"})), ["all"]);
    let several = "map = { group = [\"/labels/cluster\", \"/labels/alertname\"] }";
    assert_eq!(groups(several, json!({"labels": {"cluster": "eu", "alertname": "Disk"}})), ["eu · Disk"]);
    assert_eq!(groups(several, json!({"labels": {"cluster": "eu"}})), [""], "half a name names more");
    let both = "events = \"/alerts\"\nmap = { group = [\"/cluster\", \"/name\"] }";
    let body = json!({"cluster": "eu", "name": "all", "alerts": [{"name": "Disk"}, {"title": "b"}]});
    assert_eq!(groups(both, body), ["eu · Disk", "eu · all"]);
}

#[test]
fn a_bare_number_is_the_name_of_no_alert() {
    let named = |settings: &str, body: Value| {
        let draft = read(&format!("map = {{ correlation = {settings} }}"), &body).drafts.remove(0);
        assert_eq!(draft.correlation.is_none(), draft.unmapped.contains_key("n"), "{body}");
        draft.correlation
    };
    assert_eq!(named("\"/n\"", json!({"n": 7})), None);
    assert_eq!(named("\"/n\"", json!({"n": "999999999999"})), None);
    assert_eq!(named("\"/n\"", json!({"n": "4624254118161234"})).as_deref(), Some("4624254118161234"));
    assert_eq!(named("\"/n\"", json!({"n": "https://example.com/7"})).as_deref(), Some("https://example.com/7"));
    assert_eq!(named("[\"/repo\", \"/n\"]", json!({"repo": "a/b", "n": 7})).as_deref(), Some("a/b · 7"));
    assert_eq!(named("[\"/repo\", \"/n\"]", json!({"n": 7})), None);
}

#[test]
fn the_end_of_an_alert_is_no_repetition_of_its_beginning() {
    let settings = "map = { key = \"/alert_id\", state = \"/status\" }";
    let key = |status: &str| read(settings, &json!({"alert_id": 5, "status": status})).drafts.remove(0).key;
    assert_eq!(key("firing"), ["key", "5"]);
    assert_eq!(key("resolved"), ["key", "5", "resolved"]);
    assert_eq!(key("firing"), key("acknowledged"));
}

#[test]
fn keys_follow_the_id() {
    let body = json!({"id": "d1", "alerts": [{"t": 1}, {"t": 1}]});
    let keys = |settings: &str| read(settings, &body).drafts.into_iter().map(|d| d.key).collect::<Vec<_>>();
    let by_id = keys("events = \"/alerts\"\nid = { pointer = \"/id\" }");
    assert_eq!(by_id, [["delivery", "d1", "0"], ["delivery", "d1", "1"]]);
    assert_eq!(keys("events = \"/alerts\"\nid = { header = \"X-Id\" }"), [Vec::<String>::new(), Vec::new()]);
    assert_eq!(keys("events = \"/alerts\"").len(), 1, "equal content is one event");
}

#[test]
fn what_has_neither_an_id_nor_a_time_recurs() {
    let recurs = |settings: &str, body: &Value| read(settings, body).drafts.remove(0).recurs;
    let (plain, dated) = (json!({"title": "x", "n": 1}), json!({"title": "x", "n": 1, "time": 1_748_765_730}));
    assert!(recurs("", &plain) && !recurs("", &dated));
    assert!(!recurs("map = { key = \"/n\" }", &plain), "a mapped key");
    assert!(!recurs("id = { pointer = \"/n\" }", &plain), "an id");
    assert!(!recurs("id = { header = \"X-Id\" }", &plain), "an id that is not in the body");
}

#[test]
fn the_id_of_a_request_comes_from_one_place() {
    let by_header = build("generic", "id = { header = \"X-Delivery\" }").ok().unwrap();
    assert_eq!(by_header.event_id(&request(&[("x-delivery", "7")], b"{}")).as_deref(), Some("7"));
    assert_eq!(by_header.event_id(&request(&[("x-delivery", "7"), ("x-delivery", "8")], b"{}")), None);
    let by_pointer = build("generic", "id = { pointer = \"/meta/id\" }").ok().unwrap();
    let id = |body: &str| by_pointer.event_id(&request(&[], body.as_bytes()));
    assert_eq!(id(r#"{"meta":{"id":5}}"#).as_deref(), Some("5"));
    for body in [r#"{"meta":{"id":"a","id":"b"}}"#, r#"{"meta":{"id":" "}}"#, r#"{"meta":{"id":[1]}}"#, "x", ""] {
        assert_eq!(id(body), None, "{body}");
    }
}

#[test]
fn a_long_id_is_not_rounded() {
    let normalizer = build("generic", "id = { pointer = \"/id\" }\nmap = { key = \"/id\" }").ok().unwrap();
    for long in ["123456789012345678901234567890", "123456789012345678901234567891", "9007199254740993.5", "1e400"] {
        let body = format!("{{\"id\":{long},\"title\":\"t\"}}");
        assert_eq!(normalizer.event_id(&request(&[], body.as_bytes())).as_deref(), Some(long));
        let draft = normalizer.normalize(body.as_bytes()).drafts.remove(0);
        assert_eq!((draft.key[1].as_str(), draft.vendor_id.as_deref()), (long, Some(long)));
    }
}

#[test]
fn bodies_of_any_form_give_an_event_or_say_why_not() {
    assert_eq!(read("", &json!([])), Reading::nothing(Note::Empty));
    assert_eq!(read("events = \"/alerts\"", &json!({"alerts": []})), Reading::nothing(Note::Empty));
    assert_eq!(read("", &json!([{"a": 1}, {"a": 2}])).drafts.len(), 2);
    assert_eq!(read("events = \"/alerts\"", &json!({"alerts": {"title": "x"}})).drafts.len(), 1);
    assert_eq!(read("events = \"/none\"", &json!({"title": "x"})).drafts[0].title, "x");
    assert_eq!(read("", &json!([1, 2])).note, Some(Note::Unparsed));
    let normalizer = build("generic", "").ok().unwrap();
    for body in ["a=b&c=d", "plain text", "<a/>", "7"] {
        assert_eq!(normalizer.normalize(body.as_bytes()).note, Some(Note::Unparsed), "{body}");
    }
    let hidden = br#"{"alerts":[{"title":"a"}],"alerts":[{"title":"b"}]}"#;
    let reading = build("generic", "events = \"/alerts\"").ok().unwrap().normalize(hidden);
    assert_eq!((reading.drafts.len(), reading.note), (2, Some(Note::Repaired)));
    assert!(reading.drafts[1].unmapped.contains_key("alerts#2"));
}

#[test]
fn pointers_that_lead_to_nothing_are_named() {
    let settings = "id = { pointer = \"/id\" }\nevents = \"/alerts\"\n\
                    map = { title = \"/t\", severity = \"/s\", time = \"/at\", user = \"/u/name\" }";
    let told = |body: &Value| {
        let normalizer = build("generic", settings).ok().unwrap();
        normalizer.unfound(body.to_string().as_bytes()).iter().map(Unfound::to_string).collect::<Vec<_>>()
    };
    let whole = json!({"id": 1, "alerts": [{"t": "x", "s": "high", "at": "2025-06-01T08:15:30Z", "u": {"name": "a"}}]});
    assert_eq!(told(&whole), [""; 0]);
    let some =
        json!({"alerts": [{"t": "x", "s": [], "at": "soon", "u": {"name": "a"}}, {"t": " ", "s": "low", "u": 1}]});
    assert_eq!(
        told(&some),
        [
            "id.pointer = \"/id\" found nothing that fits",
            "map.title = \"/t\" found nothing that fits in 1 of 2 events",
            "map.severity = \"/s\" found nothing that fits in 1 of 2 events",
            "map.time = \"/at\" found nothing that fits in 2 of 2 events",
            "map.user = \"/u/name\" found nothing that fits in 1 of 2 events",
        ]
    );
    assert_eq!(told(&json!({"id": 1}))[0], "events = \"/alerts\" found nothing that fits");
}

#[test]
fn pointers_that_join_events_are_named_where_they_lead_to_nothing() {
    let settings = "events = \"/alerts\"\n\
                    map = { group = [\"/groupKey\", \"/zone\"], correlation = \"/n\", state = \"/s\", victim = \"/v\" }";
    let told = |body: &Value| {
        let normalizer = build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}"));
        normalizer.unfound(body.to_string().as_bytes()).iter().map(Unfound::to_string).collect::<Vec<_>>()
    };
    let whole = json!({"groupKey": "g", "zone": "z", "alerts": [{"n": "a", "s": "ok", "v": "h"}]});
    assert_eq!(told(&whole), [""; 0]);
    assert_eq!(
        told(&json!({"zone": "z", "alerts": [{"n": 7, "s": {}}]})),
        [
            "map.state = \"/s\" found nothing that fits",
            "map.victim = \"/v\" found nothing that fits",
            "map.group = \"/groupKey\" found nothing that fits",
            "map.correlation = \"/n\" found nothing that fits",
        ]
    );
}

#[test]
fn settings_at_fault_say_how_to_mend_them() {
    for (settings, fault) in [
        ("events = \"alerts\"", "'alerts' is no JSON pointer; write a JSON pointer like \"/alerts\""),
        ("events = \"$.a.b\"", "like \"/a/b\""),
        ("map = { titel = \"/t\" }", "did you mean 'title'?"),
        ("map = { title = 7 }", "is an integer, not a text in quotes"),
        ("map = { severity = \"level\" }", "'level' is no JSON pointer"),
        ("map = { group = \"groupKey\" }", "'groupKey' is no JSON pointer"),
        ("map = { correlation = [] }", "is an empty list"),
        ("map = { state = \"/s\" }\nresolved_words = []", "is an empty list"),
        ("map = { state = \"/s\" }\nresolved_words = [\"done\", \" \"]", "holds a blank word"),
        ("resolved_words = [\"done\"]", "is never looked at without map.state"),
        ("map = { title = \"/t\" }\nresolved_words = [\"done\"]", "is never looked at without map.state"),
        ("id = { }", "needs one place"),
        ("id = { header = \"a\", pointer = \"/b\" }", "needs one place"),
        ("id = { header = \" \" }", "is empty"),
        ("id = { pointer = \"id\" }", "'id' is no JSON pointer"),
        ("id = \"x\"", "not a table"),
        ("id = { heade = \"x\" }", "needs one place"),
    ] {
        let faults = build("generic", settings).err().unwrap_or_else(|| panic!("{settings} was taken"));
        assert!(faults.iter().any(|found| found.contains(fault)), "{settings}: {faults:?}");
    }
}
