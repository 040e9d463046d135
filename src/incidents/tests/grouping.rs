//! Which incident an event belongs to.

use crate::domain::*;
use crate::incidents::*;

#[test]
fn the_vendors_group_goes_before_its_name_of_the_alert_and_that_before_type_rule_and_victim() {
    let plain = event(|_| {});
    assert_eq!(by_vendor(&plain).by, "type, rule and victim");
    let correlated = event(|draft| draft.correlation = Some("https://vendor.example/alerts/1".into()));
    assert_eq!(by_vendor(&correlated).by, "correlation");
    let grouped = event(|draft| {
        draft.group = Some("{alertname=\"x\"}".into());
        draft.correlation = Some("https://vendor.example/alerts/1".into());
    });
    assert_eq!(by_vendor(&grouped).by, "group");
    let same = event(|draft| draft.group.clone_from(&grouped.group));
    assert_eq!(by_vendor(&grouped).key, by_vendor(&same).key);
    // A word that is a group for one event and a correlation for another does not bring them together.
    let other = event(|draft| draft.correlation.clone_from(&grouped.group));
    assert_ne!(by_vendor(&grouped).key, by_vendor(&other).key);
}

#[test]
fn by_default_the_same_type_rule_and_victim_are_one_incident_and_attackers_and_pages_are_not_asked() {
    let base = by_vendor(&event(|_| {}));
    type Change = fn(&mut Draft);
    let same: [Change; 6] = [
        |draft| draft.actor = Actor::from_text("203.0.113.9"),
        |draft| target(draft).url = Some("/other".into()),
        |draft| target(draft).method = Some("PUT".into()),
        |draft| draft.severity = Some(Severity::Critical),
        |draft| draft.title = "Another title".into(),
        |draft| draft.vendor_id = Some("2".into()),
    ];
    for (place, change) in same.into_iter().enumerate() {
        assert_eq!(by_vendor(&event(change)).key, base.key, "{place}");
    }
    let other: [Change; 5] = [
        |draft| draft.kind = "other".into(),
        |draft| draft.rule = None,
        |draft| draft.rule = Some(Rule { id: Some("R2".into()), name: None }),
        |draft| target(draft).host = Some("b.example".into()),
        |draft| target(draft).agent = Some("build-runner-7".into()),
    ];
    let mut keys: Vec<IncidentKey> = other.into_iter().map(|change| by_vendor(&event(change)).key).collect();
    keys.push(base.key);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

#[test]
fn a_missing_rule_is_replaced_by_the_shape_of_the_title_and_does_not_widen_the_key() {
    let titled = |title: &str| {
        by_vendor(&event(|draft| {
            draft.rule = None;
            draft.title = title.into();
        }))
        .key
    };
    assert_eq!(titled("Disk 7 of 12 is full"), titled("Disk 1 of 3 is full"));
    assert_ne!(titled("Disk 7 is full"), titled("Disk 7 is gone"));
    let unparsed = |message: &str| {
        by_vendor(&event(|draft| {
            (draft.rule, draft.kind) = (None, Event::UNPARSED.into());
            draft.message = Some(message.into());
        }))
        .key
    };
    assert_eq!(unparsed("trailing comma at line 3"), unparsed("trailing comma at line 14"));
    assert_ne!(unparsed("trailing comma at line 3"), unparsed("no JSON"));
}

#[test]
fn the_vendors_hint_replaces_type_rule_and_victim() {
    let hint = |parts: &[&str], victim: Option<&str>| Hint {
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
        victim: victim.map(str::to_owned),
    };
    let key = |hint: &Hint| group(&event(|_| {}), hint, &GroupBy::Vendor).key;
    assert_eq!(key(&hint(&["filter", "policy"], None)), key(&hint(&["filter", "policy"], None)));
    assert_ne!(key(&hint(&["filter", "policy"], None)), key(&hint(&["filterpolicy"], None)));
    assert_ne!(key(&hint(&["filter"], Some("a"))), key(&hint(&["filter"], Some("b"))));
    assert_ne!(key(&hint(&[], Some("a"))), key(&hint(&[], Some("b"))));
}

#[test]
fn the_operators_fields_replace_everything_and_an_absent_field_is_not_an_empty_one() {
    let fields = |words: &[&str]| GroupBy::Fields(words.iter().map(|word| GroupField::parse(word).unwrap()).collect());
    let by = |event: &Event, words: &[&str]| group(event, &Hint::default(), &fields(words));
    let (one, two) = (event(|_| {}), event(|draft| draft.kind = "other".into()));
    assert_eq!(by(&one, &["rule", "target.host"]).key, by(&two, &["rule", "target.host"]).key);
    assert_ne!(by(&one, &["rule", "type"]).key, by(&two, &["rule", "type"]).key);
    assert_eq!(by(&one, &["rule"]).by, "group_by");
    let labelled = event(|draft| drop(draft.labels.insert("team".into(), "payments".into())));
    assert_ne!(by(&one, &["labels.team"]).key, by(&labelled, &["labels.team"]).key);
    assert_ne!(by(&one, &["labels.team"]).key, by(&one, &["labels.other"]).key);
}

#[test]
fn each_event_is_its_own_incident_where_the_operator_says_so() {
    let (one, two) = (event(|draft| draft.key = vec!["1".into()]), event(|draft| draft.key = vec!["2".into()]));
    let key = |event: &Event| group(event, &Hint::default(), &GroupBy::Event).key;
    assert_ne!(key(&one), key(&two));
    assert_eq!(key(&one), key(&one));
}

#[test]
fn the_victim_is_the_agent_with_its_device_else_the_host() {
    let grouped = event(|draft| {
        draft.group = Some("g".into());
        *target(draft) = Target { host: Some("host-1".into()), agent: Some("agent-1".into()), ..Target::default() };
    });
    assert_eq!(by_vendor(&grouped).victim.as_deref(), Some("agent-1 on host-1"));
    let none = event(|draft| (draft.group, draft.target) = (Some("g".into()), None));
    assert_eq!(by_vendor(&none).victim, None);
    assert_eq!(by_vendor(&event(|_| {})).victim.as_deref(), Some("a.example"));
    let known_better = Hint { victim: Some("device-1".into()), ..Hint::default() };
    assert_eq!(group(&grouped, &known_better, &GroupBy::Vendor).victim.as_deref(), Some("device-1"));
}

#[test]
fn every_field_can_be_named_and_a_wrong_word_is_answered_with_the_nearest() {
    for word in ["rule", "type", "target.host", "target.agent", "actor.user", "group", "labels.team", "vendor_id"] {
        assert_eq!(GroupField::parse(word).unwrap().to_string(), word);
    }
    for (word, meant) in [("host", "target.host"), ("target.hots", "target.host"), ("Rule", "rule"), ("agent_id", "")] {
        let error = GroupField::parse(word).unwrap_err();
        let first = error.nearest.first().copied().unwrap_or_default();
        assert!(meant.is_empty() || first == meant, "{word}: {error}");
        assert!(error.to_string().starts_with(&format!("'{word}' is no field to group by; ")), "{error}");
    }
    for word in ["", "labels.", "event", &"x".repeat(100_000)] {
        assert!(GroupField::parse(word).is_err());
    }
}

fn by_vendor(event: &Event) -> Grouped {
    group(event, &Hint::default(), &GroupBy::Vendor)
}

fn target(draft: &mut Draft) -> &mut Target {
    draft.target.get_or_insert_default()
}

fn event(change: impl FnOnce(&mut Draft)) -> Event {
    let mut draft = Draft {
        kind: "api_threat".into(),
        title: "SQL injection".into(),
        rule: Some(Rule { id: Some("R1".into()), name: Some("SqlInjection".into()) }),
        actor: Actor::from_text("192.0.2.7"),
        target: Some(Target { host: Some("a.example".into()), url: Some("/v1".into()), ..Target::default() }),
        ..Draft::default()
    };
    change(&mut draft);
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: "akto".parse().unwrap(),
        received_at: Timestamp::from_millis(1_000),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    draft.into_event(&receipt, "akto", Severity::Medium, 0)
}
