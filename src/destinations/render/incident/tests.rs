use super::super::{newest, news};
use super::*;
use crate::destinations::life::{self, OwnedTelling};
use crate::domain::{
    Acknowledgement, Change, DigestFacts, DigestOf, IncidentKind, IncidentNumber, NotifierClass, Operation, Origin,
    Severity, Updated,
};

fn summary(told: &OwnedTelling) -> IncidentSummary {
    IncidentSummary::of(&told.job(), &told.telling())
}

fn plain(words: &[Words], told: &OwnedTelling) -> Vec<String> {
    words.iter().map(|words| words.plain(Some(told.now))).collect()
}

#[test]
fn the_first_line_keeps_rank_and_number_and_cuts_the_title() {
    let mut told = life::at("worse", NotifierClass::EditableChat);
    assert_eq!(summary(&told).headline(200), "CRITICAL · SUCCEEDED · SQL injection on POST /v1/payments · #4711");
    assert_eq!(summary(&told).lasting_title(200), "SQL injection on POST /v1/payments · #4711");
    told.incident.title = "😀".repeat(300);
    for chars_max in [60, 150, 254] {
        let line = summary(&told).headline(chars_max);
        assert!(line.encode_utf16().count() <= chars_max && line.starts_with("CRITICAL · SUCCEEDED · 😀"), "{line}");
        assert!(line.ends_with("… · #4711"), "{line}");
    }
    told.incident.title = " \n".into();
    assert_eq!(summary(&told).title, "Alert without a title");
}

#[test]
fn who_did_what_is_told_with_how_many_more_there_are() {
    let mut told = life::at("raise", NotifierClass::EditableChat);
    let action = |told: &OwnedTelling| summary(told).action().map(|words| words.plain(None));
    let expected = "14.143.179.162 (IN) and 2 more → POST /v1/payments on api.example.com and 1 more";
    assert_eq!(action(&told).as_deref(), Some(expected));
    // An event that does not name them leaves it to what others said.
    (told.event.actor, told.event.target) = (None, None);
    assert_eq!(action(&told).as_deref(), Some("203.0.113.9 and 2 more → POST /v1/refunds and 1 more"));
    (told.facets.actors, told.facets.targets) = Default::default();
    assert_eq!(action(&told).as_deref(), Some("api.example.com"));
    told.facets = Default::default();
    assert_eq!(action(&told), None);
    told.event.target = Some(crate::domain::Target { agent: Some("build-7".into()), ..Default::default() });
    assert_eq!(action(&told).as_deref(), Some("agent build-7"));
    assert!(summary(&told).facts.iter().all(|fact| fact.name != "agent"), "it is said already");
    for number in 0..5_000 {
        told.facets.actors.add(&format!("10.0.{number}"));
    }
    assert!(action(&told).unwrap().contains(" and about "), "{:?}", action(&told));
}

#[test]
fn how_often_is_left_out_for_one_event() {
    let told = life::at("open", NotifierClass::EditableChat);
    assert_eq!(summary(&told).extent, None);
    let told = life::at("worse", NotifierClass::EditableChat);
    let expected = "1,204 events since 02:10 UTC, last 02:50 UTC; 3 attackers, 2 endpoints, 2 victims";
    assert_eq!(summary(&told).extent.unwrap().plain(Some(told.now)), expected);
}

#[test]
fn the_state_is_told_with_who_and_when() {
    let standing = |stage: &str| {
        let told = life::at(stage, NotifierClass::EditableChat);
        plain(&summary(&told).standing, &told)
    };
    for (stage, told) in [
        ("acknowledge", "👀 dana has it since 02:40 UTC (command line) · \"looking at the logs\""),
        ("worse", "dana acknowledged it at 02:40 UTC; worse since 02:50 UTC"),
        ("resolve", "✅ resolved by dana at 03:05 UTC after 55 min · \"blocked at the edge\""),
        ("reopen", "↩ reopened at 03:20 UTC"),
        ("quiet", "💤 no event since 03:20 UTC; not acknowledged"),
    ] {
        assert_eq!(standing(stage), [told], "{stage}");
    }
    assert!(standing("open").is_empty());
    let mut told = life::at("acknowledge", NotifierClass::EditableChat);
    told.incident.state = IncidentState::Open;
    told.incident.silenced_until = Some(told.now.plus(std::time::Duration::from_secs(3600)));
    told.incident.follows = Some(IncidentNumber(4690));
    let expected = [
        "dana acknowledged it at 02:40 UTC; open again since 02:40 UTC",
        "🔕 silenced until 03:40 UTC: only a raise or a spread is told",
        "follows #4690",
    ];
    assert_eq!(plain(&summary(&told).standing, &told), expected);
}

#[test]
fn what_is_new_is_one_line_for_each_change() {
    let told = |stage: &str| {
        let told = life::at(stage, NotifierClass::AppendOnly);
        news(&told.job(), &told.telling()).map(|words| words.plain(Some(told.now)))
    };
    let action = "14.143.179.162 (IN) → POST /v1/payments on api.example.com";
    for (stage, expected) in [
        ("update", Some("120 events".to_owned())),
        ("raise", Some(format!("⬆ now HIGH, allowed since 02:30 UTC: {action}"))),
        ("spread", Some("second victim: pay.example.com".to_owned())),
        ("acknowledge", Some("👀 dana has it since 02:40 UTC (command line) · \"looking at the logs\"".to_owned())),
        (
            "worse",
            Some(format!(
                "worse since dana acknowledged it at 02:40 UTC: ⬆ now CRITICAL, SUCCEEDED since 02:50 UTC: {action}"
            )),
        ),
        (
            "resolve",
            Some("✅ resolved by dana at 03:05 UTC after 55 min · 1,204 events · \"blocked at the edge\"".to_owned()),
        ),
        ("reopen", Some("↩ reopened at 03:20 UTC: 1,207 events since".to_owned())),
        (
            "quiet",
            Some(
                "💤 no event for 20 h: 1,207 events, last 03:20 UTC; not acknowledged. The next event opens a new \
                 incident"
                    .to_owned(),
            ),
        ),
        ("repeat", Some("🔁 still open, not acknowledged: 1,207 events since 02:10 UTC".to_owned())),
        ("open", None),
        ("storm", None),
    ] {
        assert_eq!(told(stage), expected, "{stage}");
    }
}

#[test]
fn more_events_are_told_as_a_difference_or_as_a_multiple() {
    let mut told = life::at("update", NotifierClass::AppendOnly);
    let opened = told.clone().with(Change::Open, Operation::Create { number: 1 });
    told.told = opened.intent.then;
    let words = |told: &OwnedTelling| news(&told.job(), &told.telling()).unwrap().plain(Some(told.now));
    told.incident.count = 432;
    assert_eq!(words(&told), "+312 events since 02:20 UTC (432 in all)");
    told.incident.count = 1_204;
    assert_eq!(words(&told), "ten times as many: 1,204 events (120 when last told, 02:20 UTC)");
    told.incident.count = 4_440;
    assert!(words(&told).starts_with("37 times as many: 4,440 events"), "{}", words(&told));
    let newest = newest(&told.telling()).unwrap().plain(None);
    assert_eq!(newest, "newest attacker 203.0.113.9; newest endpoint POST /v1/refunds");
}

#[test]
fn a_raise_says_what_it_was_and_a_reopening_after_an_acknowledgement_does_not_say_worse() {
    let mut told = life::at("worse", NotifierClass::AppendOnly);
    let mut before = told.clone();
    before.incident.rank = Rank { severity: Severity::Medium, outcome: Some(crate::domain::EventOutcome::Blocked) };
    told.told = before.with(Change::Open, Operation::Create { number: 1 }).intent.then;
    told.incident.reopened_at = vec![told.now];
    let words = news(&told.job(), &told.telling()).unwrap().plain(Some(told.now));
    assert!(words.starts_with("⬆ now CRITICAL, SUCCEEDED (was MEDIUM, blocked) since 02:50 UTC: "), "{words}");
    told.incident.acknowledgement = None;
    told = told.clone().with(Change::Acknowledge, Operation::Edit);
    let words = news(&told.job(), &told.telling()).unwrap().plain(Some(told.now));
    assert_eq!(words, "no longer acknowledged: open again since 02:50 UTC");
}

#[test]
fn a_storm_and_a_digest_are_told_by_what_they_stand_for() {
    let told = life::at("storm", NotifierClass::EditableChat);
    let storm = summary(&told);
    assert_eq!(storm.headline(200), "akto: 512 more incidents of 37 rules, MEDIUM, blocked · #4720");
    let parts = ["new since last told: CommandInjection, Ssrf", "most: 4XX_FILTER 341, Ssrf 12, CommandInjection 2"];
    assert_eq!(plain(&storm.parts, &told), parts);
    let expected = "512 incidents since 02:10 UTC, last 04:00 UTC";
    assert_eq!(storm.extent.clone().unwrap().plain(Some(told.now)), expected);
    assert_eq!(storm.lookup.as_deref(), Some("gatepost incidents list --storm 4720"));
    assert!(storm.links.is_empty() && storm.action().is_none() && storm.victim.is_none());
    let raise = told.with(Change::Raise, Operation::Edit);
    let words = news(&raise.job(), &raise.telling()).unwrap().plain(None);
    assert_eq!(words, "⬆ new since last told: CommandInjection, Ssrf");
    let told = life::at("digest", NotifierClass::EditableChat);
    assert_eq!(summary(&told).headline(200), "akto: 2,311 events from 18 to 21 Nov arrived together · #4721");
    assert_eq!(plain(&summary(&told).parts, &told), ["14 incidents, highest HIGH (blocked)"]);
}

#[test]
fn a_storm_counts_incidents_and_says_nothing_of_endpoints() {
    let mut told = life::at("storm", NotifierClass::AppendOnly);
    for number in 0..13 {
        told.facets.actors.add(&format!("203.0.113.{}", number % 3));
        told.facets.victims.add(&format!("host-{number}"));
        told.facets.targets.add(&format!("rule {number}"));
    }
    let expected = "512 incidents since 02:10 UTC, last 04:00 UTC; 4 attackers, 14 victims";
    assert_eq!(summary(&told).extent.unwrap().plain(Some(told.now)), expected);
    assert!(!newest(&told.telling()).unwrap().plain(None).contains("rule"));
    let opened = told.clone().with(Change::Open, Operation::Create { number: 1 }).intent.then;
    told.told = opened;
    // A storm goes quiet only where it leaves incidents open, and names them.
    for change in Change::ALL.into_iter().filter(|change| *change != Change::Quiet) {
        let told = told.clone().with(change, Operation::Edit);
        let words = news(&told.job(), &told.telling()).map(|words| words.plain(None)).unwrap_or_default();
        assert!(!words.contains("event ") && !words.contains(" events"), "{change:?}: {words}");
    }
    // Beyond what one storm takes, the events of further ones are counted in it.
    told.incident.count = 600;
    assert!(summary(&told).extent.unwrap().plain(None).starts_with("over 512 incidents since "));
}

#[test]
fn the_first_message_of_a_storm_names_the_rarest_rules_first_and_none_twice() {
    let mut told = life::at("storm", NotifierClass::EditableChat);
    told.told.said = None;
    let parts = |told: &OwnedTelling| plain(&summary(told).parts, told);
    assert_eq!(parts(&told), ["most: 4XX_FILTER 341, Ssrf 12, CommandInjection 2"], "all that it has named");
    let IncidentKind::Storm(storm) = &mut told.incident.kind else { panic!("no storm") };
    storm.rules.extend([("Xxe", 2), ("Traversal", 1), ("Unnamed", 1)].map(|(rule, count)| (rule.to_owned(), count)));
    storm.named = 5;
    assert_eq!(
        parts(&told),
        ["rules: Traversal, Xxe", "most: 4XX_FILTER 341, Ssrf 12, CommandInjection 2"],
        "what it is to name later is not named now"
    );
}

#[test]
fn rules_that_a_notifier_has_missed_are_counted_where_they_are_not_named() {
    let mut told = life::at("storm", NotifierClass::AppendOnly);
    let IncidentKind::Storm(storm) = &mut told.incident.kind else { panic!("no storm") };
    storm.rules.extend((1..=28).map(|n| (format!("rule {n}"), n + 20)));
    storm.named = 31;
    let audience = crate::domain::Audience::Channel;
    let raise = |told: &OwnedTelling| {
        let raise = told.clone().with(Change::Raise, Operation::Reply { number: 1, audience });
        news(&raise.job(), &raise.telling()).unwrap().plain(None)
    };
    let names: Vec<String> = (1..=18).map(|n| format!("rule {n}")).collect();
    let said = |more| format!("⬆ new since last told: CommandInjection, Ssrf, {} and {more} more", names.join(", "));
    assert_eq!(raise(&told), said(10));
    // Those that are listed no longer count.
    let IncidentKind::Storm(storm) = &mut told.incident.kind else { panic!("no storm") };
    storm.named_unlisted = 20;
    assert_eq!(raise(&told), said(30));
}

#[test]
fn what_a_message_says_first_its_other_lines_do_not_say_again() {
    let storm = life::at("storm", NotifierClass::AppendOnly);
    let audience = crate::domain::Audience::Channel;
    let operations = [
        (Operation::Trigger { page: 2 }, false),
        (Operation::Reply { number: 1, audience }, false),
        (Operation::Create { number: 2 }, false),
        (Operation::Edit, true),
    ];
    for (operation, is_alone) in operations {
        let raise = storm.clone().with(Change::Raise, operation);
        let parts = plain(&summary(&raise).parts, &raise).join(" ");
        assert_eq!(parts.contains("new since last told"), is_alone, "{operation:?}: {parts}");
    }
}

#[test]
fn a_storm_that_takes_no_more_says_once_what_no_person_has_taken() {
    let mut told = life::at("storm", NotifierClass::AppendOnly);
    told.incident.enter(IncidentState::Quiet, Origin::Gatepost, told.now);
    let IncidentKind::Storm(storm) = &mut told.incident.kind else { panic!("no storm") };
    let listed = |number| Updated { number: IncidentNumber(number), title: format!("Ssrf\n{number}"), count: 1 };
    (storm.left_open, storm.left_open_first) = (3, vec![listed(4712), listed(4713)]);
    let expected = "3 not acknowledged: #4712 Ssrf 4712, #4713 Ssrf 4713 and 1 more · gatepost incidents list --storm \
                    4720 --state open";
    let audience = crate::domain::Audience::Channel;
    for (operation, is_part) in [
        (Operation::Reply { number: 1, audience }, false),
        (Operation::Create { number: 1 }, true),
        (Operation::Edit, true),
    ] {
        let end = told.clone().with(Change::Quiet, operation);
        let news = news(&end.job(), &end.telling()).unwrap().plain(Some(end.now));
        assert!(news.ends_with(&format!(": 512 incidents · {expected}")), "{news}");
        assert_eq!(plain(&summary(&end).parts, &end).iter().any(|part| part == expected), is_part, "{operation:?}");
    }
    // A person who ends it has seen it.
    told.incident.enter(IncidentState::Resolved, Origin::CommandLine { user: "dana".into() }, told.now);
    assert!(plain(&summary(&told).parts, &told).iter().all(|part| !part.contains("not acknowledged")));
}

#[test]
fn a_digest_of_updates_lists_how_the_first_incidents_stood() {
    let mut told = life::at("digest", NotifierClass::EditableChat);
    let updated = |number| Updated { number: IncidentNumber(number), title: format!("Ssrf\n{number}"), count: number };
    let listed = (1..=12).map(updated).collect();
    told.incident.kind =
        IncidentKind::Digest(DigestFacts { incidents: 40, of: DigestOf::Updates(listed), ..DigestFacts::default() });
    assert_eq!(summary(&told).headline(200), "akto: 40 incidents went on · #4721");
    let parts = plain(&summary(&told).parts, &told);
    assert_eq!(parts[..3], ["40 incidents, highest HIGH (blocked)", "#1 Ssrf 1 1 event", "#2 Ssrf 2 2 events"]);
    assert_eq!((parts.len(), parts[11].as_str()), (12, "and 30 more"));
}

#[test]
fn what_came_late_into_a_digest_is_news_by_number_and_title() {
    let audience = crate::domain::Audience::Channel;
    let mut told = life::at("digest", NotifierClass::AppendOnly);
    told.told = told.clone().with(Change::Open, Operation::Create { number: 1 }).intent.then;
    let raise = |told: &life::OwnedTelling| {
        let raise = told.clone().with(Change::Raise, Operation::Reply { number: 1, audience });
        news(&raise.job(), &raise.telling()).unwrap().plain(None)
    };
    let listed = |number| Updated { number: IncidentNumber(number), title: format!("DCDump\n{number}"), count: 1 };
    for (late, expected) in [
        (1, "#1 DCDump 1"),
        (2, "#2 DCDump 2, #1 DCDump 1"),
        (9, "#9 DCDump 9, #8 DCDump 8, #7 DCDump 7, #6 DCDump 6, #5 DCDump 5 and 4 more"),
    ] {
        let IncidentKind::Digest(digest) = &mut told.incident.kind else { panic!("no digest") };
        (digest.latecomers.incidents, digest.latecomers.told) = (late, late);
        digest.latecomers.newest = (late.saturating_sub(4).max(1)..=late).map(listed).collect();
        assert_eq!(raise(&told), format!("⬆ new since last told: {expected}"));
    }
}

#[test]
fn names_of_people_and_rules_are_redacted_and_visible() {
    let mut told = life::at("acknowledge", NotifierClass::EditableChat);
    let by = Origin::CommandLine { user: "dana\u{202e}\npassword=hunter2".into() };
    told.incident.acknowledgement = Some(Acknowledgement { at: told.now, by, number: 1 });
    told.incident.rule = "token=abcdef0123456789".into();
    told.incident.state_note = Some("it was token=fedcba9876543210\u{202e}\nall over".into());
    let shown = format!("{:?} {}", plain(&summary(&told).standing, &told), summary(&told).origin);
    assert!(
        !shown.contains("hunter2") && !shown.contains("abcdef0123456789") && !shown.contains('\u{202e}'),
        "{shown}"
    );
    assert!(shown.contains("all over") && !shown.contains("fedcba9876543210"), "{shown}");
}

#[test]
fn a_person_who_reopens_an_incident_or_gives_it_back_is_named_with_the_note() {
    let mut told = life::at("reopen", NotifierClass::AppendOnly);
    told.incident.enter(IncidentState::Open, Origin::CommandLine { user: "ann".into() }, told.now);
    told.incident.state_note = Some("not over".into());
    let words = |told: &OwnedTelling| news(&told.job(), &told.telling()).unwrap().plain(Some(told.now));
    assert_eq!(words(&told), "↩ reopened by ann at 03:20 UTC: 1,207 events since · \"not over\"");
    let told = told.with(Change::Acknowledge, Operation::Edit);
    assert_eq!(words(&told), "no longer acknowledged: ann gave it back at 03:20 UTC · \"not over\"");
}
