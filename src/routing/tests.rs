//! Conditions, right ones and wrong ones, in two tables.

use super::condition::{Asked, Condition, Decision, Facts};
use super::known::KnownNames;
use crate::domain::Event;

fn known() -> KnownNames {
    KnownNames::new(["adrian", "akto", "scanner", "scanner-eu_2"], ["akto", "generic", "secureagentics"])
}

/// What is wrong with a condition, each fault with its remedy; the condition where nothing is.
fn compile(source: &str) -> Result<Condition, Vec<String>> {
    Condition::compile(source, &known()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The event in which every field is present, and five that lack most of them.
fn events() -> Vec<Event> {
    let texts = [
        include_str!("../../tests/fixtures/events/full.json"),
        include_str!("../../tests/fixtures/events/akto.json"),
        include_str!("../../tests/fixtures/events/hostile.json"),
        include_str!("../../tests/fixtures/events/minimal.json"),
        include_str!("../../tests/fixtures/events/secureagentics.json"),
        include_str!("../../tests/fixtures/events/unparsed.json"),
    ];
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn right_conditions_are_decided_for_every_event() {
    assert!(RIGHT.len() >= 100, "{}", RIGHT.len());
    let events = events();
    let mut found = Vec::new();
    for (source, holds_for_full) in RIGHT {
        let condition = match compile(source) {
            Ok(condition) => condition,
            Err(errors) => {
                found.push(format!("{source}: {errors:?}"));
                continue;
            }
        };
        let decisions: Vec<Decision> = events.iter().map(|event| decide(&condition, event)).collect();
        let wanted = if *holds_for_full { Decision::Holds } else { Decision::Fails };
        if decisions[0] != wanted || decisions.iter().any(|decision| matches!(decision, Decision::Undecided(_))) {
            found.push(format!("{source}: {decisions:?}"));
        }
    }
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), RIGHT.len(), found.join("\n"));
}

/// What a condition says of an event whose other fields are not made.
fn decide(condition: &Condition, event: &Event) -> Decision {
    condition.decide(&Facts::of(event, &Asked::by(condition.source())))
}

#[test]
fn wrong_conditions_are_faults_that_name_the_remedy() {
    assert!(WRONG.len() >= 100, "{}", WRONG.len());
    let mut found = Vec::new();
    for (source, remedy) in WRONG {
        match compile(source) {
            Ok(_) => found.push(format!("{source}: was taken")),
            Err(errors) if errors.iter().any(|error| error.contains(remedy)) => {}
            Err(errors) => found.push(format!("{source}: {errors:?} does not say {remedy:?}")),
        }
    }
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), WRONG.len(), found.join("\n"));
}

#[test]
fn every_fault_of_a_condition_is_named_at_once() {
    let errors = compile("event.sevrity >= high && event.title >= high || event.labels.x == true").err().unwrap();
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn absence_decides_as_documented() {
    let minimal = &events()[3];
    for (source, holds) in [
        ("event.labels.team == 'red'", false),
        ("event.labels.team != 'red'", true),
        ("event.labels['team'] == ''", true),
        ("has(event.labels.team)", false),
        ("!has(event.labels.team) || event.labels.team == 'red'", true),
        ("has(event.labels.team) || event.labels.team == ''", true),
        ("['team', 'env'].exists(name, event.labels[name] == 'red')", false),
        ("event.labels[event.type] == ''", true),
        ("event.labels.team == '' && size(event.labels) == 0", true),
        ("event.unmapped.score == null", true),
        ("event.unmapped.score > 3", false),
        ("3 < event.unmapped.score", false),
        ("event.unmapped.score <= 3.5", false),
        ("event.unmapped.muted", false),
        ("!event.unmapped.muted", true),
        ("!(event.unmapped.muted == true)", true),
        ("event.unmapped.a.b.c == 1", false),
        ("has(event.unmapped.a.b)", false),
        ("event.unmapped.tags[3].name == 'x'", false),
        ("event.unmapped.name.contains('x')", false),
        ("event.unmapped.tags.exists(tag, tag == 'x')", false),
        ("event.unmapped.tags.all(tag, tag.name == 'x')", true),
        ("'x' in event.unmapped.tags", false),
        ("size(event.unmapped.tags) == 0", true),
        ("event.actor.user == ''", true),
        ("int(event.unmapped.n) > 3", false),
        ("int(event.unmapped.n) == 3", false),
        ("int(event.unmapped.n) != 3", true),
        ("double(event.labels.score) >= 7.0", false),
        ("double(event.labels.score) + 1.0 < 7.0", false),
        ("event.unmapped.a + event.unmapped.b > 3", false),
        ("-event.unmapped.a < 0", false),
        ("string(event.unmapped.a) == 'x'", false),
        ("event.labels.a + 'x' == 'x'", true),
        ("event.labels.a < 'x'", true),
        ("bool(event.labels.muted)", false),
        ("!bool(event.labels.muted)", true),
        ("event.severity == informational || !(bool(event.unmapped.muted) == true)", true),
    ] {
        let condition = compile(source).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        let wanted = if holds { Decision::Holds } else { Decision::Fails };
        assert_eq!(decide(&condition, minimal), wanted, "{source}");
    }
}

#[test]
fn long_chains_are_checked_or_refused_and_never_end_the_process() {
    let chains = [
        "!".repeat(3000) + "true",
        "-".repeat(3000) + "1 == 1",
        "true ? true : ".repeat(250) + "true",
        vec!["true"; 500].join(" && "),
        vec!["event.severity == high"; 150].join(" || "),
        vec!["'a'"; 900].join(" + ") + " == 'a'",
        "event.unmapped".to_owned() + &".a".repeat(1900) + " == 1",
        "event.unmapped".to_owned() + &"[0]".repeat(1200) + " == 1",
        "event.title".to_owned() + &".contains('a')".repeat(250),
        "[".repeat(16) + &"]".repeat(16) + " == []",
        "1+".repeat(2000) + "1 == 1",
        "1<".repeat(2000) + "1",
        "1 in ".repeat(800) + "[1]",
        "event.labels.a == ".repeat(220) + "''",
    ];
    for chain in chains {
        drop(compile(&chain).map(|condition| decide(&condition, &events()[0])));
    }
}

#[test]
fn what_is_as_deep_as_may_be_is_evaluated_on_a_thread_of_two_mebibytes() {
    let macros = "['a'].exists(a, ".repeat(9) + "event.title == a" + &")".repeat(9);
    let ordered = "(".repeat(14) + "event.unmapped.a > 1" + &") == (event.unmapped.b > 1)".repeat(14);
    let deep = [
        "1+".repeat(29) + "1 == 30",
        "event.unmapped".to_owned() + &".a".repeat(29) + " == null",
        "true ? true : ".repeat(29) + "true",
        macros,
        ordered,
    ];
    for condition in deep {
        let compiled = compile(&condition).unwrap_or_else(|errors| panic!("{condition}: {errors:?}"));
        let decided = std::thread::scope(|scope| {
            let worker = std::thread::Builder::new().stack_size(2 << 20);
            worker.spawn_scoped(scope, || decide(&compiled, &events()[3])).unwrap().join().unwrap()
        });
        assert!(!matches!(decided, Decision::Undecided(_)), "{condition}: {decided:?}");
    }
}

/// A condition, and whether it holds for the event in which every field is present.
const RIGHT: &[(&str, bool)] = &[
    ("true", true),
    ("false", false),
    ("event.severity >= high", true),
    ("event.severity > high", true),
    ("event.severity < high", false),
    ("event.severity <= fatal", true),
    ("event.severity == fatal", true),
    ("event.severity != informational", true),
    ("high <= event.severity", true),
    ("event.severity in [critical, fatal]", true),
    ("!(event.severity in [low, medium])", true),
    ("event.severity >= low && event.severity <= medium", false),
    ("[low, medium].exists(s, s == event.severity)", false),
    ("[high, critical].all(s, event.severity > s)", true),
    ("event.severity >= (event.vendor == 'akto' ? critical : high)", true),
    ("event.vendor == 'akto' ? event.severity >= critical : event.severity >= high", true),
    ("event.vendor in {'akto': critical} && event.severity >= {'akto': critical}[event.vendor]", false),
    ("event.vendor == 'akto'", false),
    ("event.vendor == \"generic\"", true),
    ("event.vendor != 'secureagentics'", true),
    ("event.vendor in ['akto', 'generic']", true),
    ("event.source == 'scanner-eu_2'", true),
    ("event.source in ['adrian', 'akto']", false),
    ("event.source.startsWith('scanner')", true),
    ("['adrian', 'akto'].exists(name, name == event.source)", false),
    ("event.source == (event.vendor == 'akto' ? 'akto' : 'scanner')", false),
    ("event.type == 'policy.violated'", true),
    ("event.type in ['alert.triggered', 'policy.violated']", true),
    ("event.type == event.title", false),
    ("event.type.startsWith('policy.')", true),
    ("event.type.endsWith('violated')", true),
    ("event.type.matches('^policy[.]')", true),
    ("matches(event.type, '^policy[.]')", true),
    ("event.title.contains('must not')", true),
    ("event.title.contains('x') || event.title.contains('Agent')", true),
    ("event.title + event.type == ''", false),
    ("(event.title + ' ' + event.status).endsWith(' open')", true),
    ("event.title < 'B'", true),
    ("size(event.title) > 10", true),
    ("event.title.size() > 10", true),
    ("size(event.title) == 39", true),
    ("size(event.title) * 2 - 1 > 10", true),
    ("size(event.title) % 2 == 1", true),
    ("size(event.title) / 2 < 100", true),
    ("-size(event.title) < 0", true),
    ("event.message != ''", true),
    ("event.message == ''", false),
    ("event.status == 'open'", true),
    ("event.status in ['IGNORED', 'TRAINING']", false),
    ("!(event.status == 'IGNORED')", true),
    ("event.status != \"IGNORED\" && event.status != \"TRAINING\"", true),
    ("event.outcome == 'succeeded'", true),
    ("event.outcome == ''", false),
    ("event.outcome in ['allowed', 'succeeded']", true),
    ("event.outcome != 'blocked' && event.severity >= high", true),
    ("event.outcome.startsWith('succ')", true),
    ("event.group == 'secrets on agt_7'", true),
    ("event.correlation.startsWith('https://')", true),
    ("event.state == 'firing'", true),
    ("event.state == 'resolved'", false),
    ("event.state in ['', 'firing']", true),
    ("event.vendor_id == ''", false),
    ("event.vendor_id.startsWith('C-')", true),
    ("event.rule.id == 'r-17'", true),
    ("event.rule.name.contains('secrets')", true),
    ("event.rule.id in ['4XX_FILTER', 'SQLInjection']", false),
    ("event.actor.ip == '203.0.113.9'", true),
    ("event.actor.ip == ''", false),
    ("event.actor.ip == '2001:db8::1'", false),
    ("event.actor.ip.startsWith('203.0.113.')", true),
    ("event.actor.ip.matches('^10[.]')", false),
    ("event.actor.ip in ['192.0.2.1', '203.0.113.9']", true),
    ("event.actor.user == 'alice'", true),
    ("['root', 'admin'].exists(name, name == event.actor.user)", false),
    ("['root', 'admin'].exists_one(name, name == event.actor.user)", false),
    ("['root', 'admin'].existsOne(name, name != event.actor.user)", false),
    ("['ali', 'bob'].map(name, name + 'ce').exists(name, name == event.actor.user)", true),
    ("['ali', 'bob'].map(name, name != 'bob', name + 'ce') == ['alice']", true),
    ("size(['root', 'alice'].filter(name, name == event.actor.user)) == 1", true),
    ("['root', 'alice'].filter(name, name == event.actor.user) == ['alice']", true),
    ("event.actor.country in ['DE', 'FR']", true),
    ("event.target.method == 'POST'", true),
    ("event.target.url.startsWith('/api/admin')", false),
    ("event.target.host == 'files.example'", true),
    ("event.target.agent == 'agt_7'", true),
    ("event.target.agent != ''", true),
    ("event.time > '2026-11-21'", true),
    ("event.time >= '2026-11-21T09:58:00.123Z'", true),
    ("event.time < '2027'", true),
    ("event.time < event.received_at", true),
    ("event.time.startsWith('2026-11')", true),
    ("event.received_at >= '2026-11-21T10:00'", true),
    ("event.id == '0190b6a0-0000-7000-8000-000000000005'", true),
    ("event.key == '00000000000000000000000000000005'", true),
    ("event.receipt != ''", true),
    ("event.labels.team == 'payments'", true),
    ("event.labels['team'] == 'payments'", true),
    ("event.labels['team'] in ['payments', 'red']", true),
    ("event.labels.test != 'true'", true),
    ("event.labels.none == ''", true),
    ("has(event.labels.team)", true),
    ("!has(event.labels.none)", true),
    ("has(event.labels.none) && event.labels.none != 'x'", false),
    ("has(event.labels.team) ? event.labels.team == 'payments' : event.severity >= high", true),
    ("'team' in event.labels", true),
    ("event.labels.exists(name, event.labels[name] == 'payments')", true),
    ("event.labels.exists(name, name.startsWith('te'))", true),
    ("event.labels.all(name, size(name) < 100)", true),
    ("size(event.labels) > 0", true),
    ("event.labels[event.status] == ''", true),
    ("event.labels.successful_exploit == 'true'", false),
    ("bool(event.labels.muted == 'true' ? 'true' : 'false')", false),
    ("event.labels.samples.matches('^[0-9]+$') && int(event.labels.samples) > 3", false),
    ("event.unmapped.score > 0.5", true),
    ("event.unmapped.score >= 1", false),
    ("event.unmapped.score == 0.93", true),
    ("event.unmapped.score in [1, 0.93]", true),
    ("event.unmapped.nothing == null", true),
    ("event.unmapped.nothing != null", false),
    ("has(event.unmapped.score) && event.unmapped.score > 0.5", true),
    ("!(event.unmapped.muted == true)", true),
    ("event.unmapped.muted == true", false),
    ("event.unmapped.type == 'Rule-Based'", false),
    ("event.unmapped.tags[0] == 'a'", true),
    ("event.unmapped.tags[7] == null", true),
    ("'a' in event.unmapped.tags", true),
    ("event.unmapped.tags.exists(tag, tag == 'b')", true),
    ("event.unmapped.finding.cvss.score >= 9", false),
    ("event.unmapped['New Endpoint'] == null", true),
    ("has(event.unmapped.finding.cvss)", false),
    ("event.unmapped == {} || size(event.unmapped) > 0", true),
    ("string(size(event.labels)) != ''", true),
    ("double(size(event.labels)) < 12.5", true),
    ("size(event.labels) < 12.5", true),
    ("int('7') == 7", true),
    ("uint(7) == 7u", true),
    ("b'abc' == bytes('abc')", true),
    ("size([1, 2, 3]) == 3", true),
    ("[[1], [2]].exists(list, 2 in list)", true),
    ("true || event.severity >= high", true),
    ("event.title\n  .contains('Agent')", true),
    ("event.severity >= high // a comment", true),
];

/// A condition, and a part of what must be said about it.
const WRONG: &[(&str, &str)] = &[
    // Severities.
    ("event.severity == 'critical'", "write event.severity == critical"),
    ("event.severity >= 'high'", "write event.severity >= high"),
    ("event.severity >= 'HIGH'", "write event.severity >= high"),
    ("'high' <= event.severity", "write high <= event.severity"),
    ("event.severity in ['high']", "write event.severity in [high]"),
    ("event.severity in ['high', 'critical']", "write event.severity in [high, critical]"),
    ("event.severity in [high, 'critical']", "write event.severity in [high, critical]"),
    ("event.severity >= 4", "write event.severity >= high"),
    ("event.severity > 3.5", "event.severity >= high"),
    ("event.severity == true", "compared with the constants informational .. fatal"),
    ("event.severity == 'P1'", "compared with the constants informational .. fatal"),
    ("event.severity == null", "compared with the constants informational .. fatal"),
    ("event.severity == event.title", "compared with the constants informational .. fatal"),
    ("event.severity == event.labels.severity", "compared with the constants informational .. fatal"),
    ("event.severity >= event.unmapped.level", "compared with the constants informational .. fatal"),
    ("event.unmapped.level >= high", "compared with the constants informational .. fatal"),
    ("event.labels.severity >= high", "compared with the constants informational .. fatal"),
    ("event.title >= high", "write event.severity >= high"),
    ("event.title == critical", "write event.severity == critical"),
    ("event.type in [high, critical]", "write event.severity in [high, critical]"),
    ("event.vendor == 'akto' && event.title >= high", "write event.severity >= high"),
    ("event.vendor == 'akto' || event.severity == 'high'", "write event.severity == high"),
    ("event.severity == 'high' && event.vendor == 'akto'", "write event.severity == high"),
    ("false && event.severity == 'high'", "write event.severity == high"),
    ("true || event.severity == 'high'", "write event.severity == high"),
    ("event.vendor == 'akto' ? event.severity >= 'high' : true", "write event.severity >= high"),
    ("event.vendor == 'akto' ? true : event.severity >= 'high'", "write event.severity >= high"),
    ("event.severity >= (event.vendor == 'akto' ? 'high' : 'low')", "constants informational .. fatal"),
    ("event.severity >= (event.vendor == 'akto' ? high : 'low')", "constants informational .. fatal"),
    ("['high', 'critical'].exists(s, s == event.severity)", "constants informational .. fatal"),
    ("[3, 4].exists(s, event.severity > s)", "constants informational .. fatal"),
    ("event.severity + 1 > high", "constants informational .. fatal"),
    ("-event.severity < low", "constants informational .. fatal"),
    ("string(event.severity) == 'high'", "constants informational .. fatal"),
    ("int(event.severity) >= 4", "constants informational .. fatal"),
    ("size(event.severity) > 1", "constants informational .. fatal"),
    ("event.severity.contains('high')", "constants informational .. fatal"),
    ("event.severity.matches('high')", "constants informational .. fatal"),
    ("event.title.contains(high)", "constants informational .. fatal"),
    ("event.severity", "write event.severity >= high"),
    ("high", "write event.severity >= high"),
    ("event.severity && event.vendor == 'akto'", "write event.severity >= high"),
    ("!event.severity", "write event.severity >= high"),
    ("event.severity in high", "write event.severity == high"),
    ("event.severity >= hihg", "did you mean 'high'?"),
    ("event.severity >= High", "did you mean 'high'?"),
    ("event.severity >= error", "informational, low, medium, high, critical, fatal"),
    // Fields.
    ("event.sevrity >= high", "did you mean 'severity'?"),
    ("event.Severity >= high", "did you mean 'severity'?"),
    ("event.actor.name == ''", "event.actor has ip, user, country"),
    ("event.actor.usr == ''", "did you mean 'actor.user'?"),
    ("event.rule == 'r-17'", "event.rule.id"),
    ("event.actor == 'alice'", "event.actor.user"),
    ("event.actor.contains('alice')", "event.actor.user"),
    ("event.title.text == ''", "event.title is a text"),
    ("event.labels.team.name == ''", "event.labels.team is a text"),
    ("event.severity.id == 4", "constants informational .. fatal"),
    ("event == 'x'", "compare one of its fields"),
    ("event['title'] == 'x'", "write event.title"),
    ("event.actor['user'] == 'x'", "write event.actor.user"),
    ("'title' in event", "compare one of its fields"),
    ("size(event) > 0", "compare one of its fields"),
    ("evnt.severity >= high", "did you mean 'event'?"),
    ("severity >= high", "write event.severity"),
    ("labels.team == 'red'", "write event.labels"),
    ("title.contains('x')", "write event.title"),
    ("thing == 'x'", "docs/routing.md"),
    ("event.evidence.contains('x')", "docs/routing.md"),
    ("has(event.title)", "write event.title != \"\""),
    ("has(event.actor.user)", "write event.actor.user != \"\""),
    ("has(event.severity)", "it is always there"),
    ("has(event.actor)", "it is always there"),
    ("has(event.title.x)", "event.title is a text"),
    ("has(event.labels)", "write size(event.labels) > 0"),
    ("has(event.sevrity)", "did you mean 'severity'?"),
    ("has(event.labels['team'])", "write \"team\" in event.labels or has(event.labels.team)"),
    // Labels are texts.
    ("event.labels.x == true", "write event.labels.x == \"true\""),
    ("event.labels.x == 1", "write event.labels.x == \"1\""),
    ("event.labels.x != false", "write event.labels.x != \"false\""),
    ("event.labels.x > 3", "int(event.labels.x)"),
    ("event.labels.x", "write event.labels.x == \"true\""),
    ("!event.labels.x", "write event.labels.x == \"true\""),
    ("event.labels.x && event.severity >= high", "write event.labels.x == \"true\""),
    ("event.labels.x == null", "absent is \"\""),
    ("event.labels['x'] == true", "write event.labels[\"x\"] == \"true\""),
    ("event.labels.x in [true, false]", "\"true\""),
    ("event.labels == 'red'", "event.labels.NAME"),
    ("event.labels[0] == 'red'", "in quotes"),
    ("event.labels.contains('red')", "event.labels.NAME"),
    ("0 in event.labels", "in quotes"),
    // Texts and numbers.
    ("event.title == 5", "write event.title == \"5\""),
    ("event.title > 5", "write size(event.title) > 5"),
    ("event.title == null", "absent is \"\""),
    ("event.title == true", "write event.title == \"true\""),
    ("event.title == ['x']", "write event.title in [\"x\"]"),
    ("event.title in 'abc'", "contains"),
    ("'abc' in event.title", "write event.title.contains(\"abc\")"),
    ("event.title in ['a', 1]", "write event.title == \"1\""),
    ("event.title", "write event.title == \"…\" or event.title.contains(\"…\")"),
    ("size(event.title)", "write size(event.title) > 0"),
    ("event.title + 1 == 'x'", "string("),
    ("event.title - 'x' == ''", "'-' does not go with text"),
    ("event.title && true", "is a text, not true or false"),
    ("size(event.title) == '5'", "write size(event.title) == 5"),
    ("1 + 2.0 == 3.0", "'+' does not go with"),
    ("true < false", "'<' does not go with"),
    ("-event.title == 'x'", "'-' does not go with text"),
    ("event.unmapped.x == high", "constants informational .. fatal"),
    ("event.unmapped.score > true", "'>' does not go with"),
    ("null == null ? 1 : 2", "answers a number"),
    ("event.vendor == 'akto' ? 'yes' : 'no'", "answers a text"),
    ("event.vendor == 'akto' ? true : 'no'", "the two halves"),
    ("'akto' ? true : false", "is a text, not true or false"),
    ("[event.title]", "answers a list"),
    ("{}", "answers a map"),
    ("null", "answers null"),
    // Slips of syntax.
    ("event.type = 'a'", "write == to compare"),
    ("event.type='a'", "write == to compare"),
    ("event.title == 'a=b' && event.type = 'a'", "write == to compare"),
    ("event.severity => high", "write >="),
    ("event.severity =< high", "write <="),
    ("event.title contains \"x\"", "write event.title.contains(\"x\")"),
    ("event.actor.user CONTAINS 'root'", "write event.actor.user.contains(\"root\")"),
    ("event.title like 'x%'", "write event.title.contains(\"x\")"),
    ("event.title == 'a' && (event.labels.team like '%red%')", "write event.labels.team.contains(\"red\")"),
    ("event.title like", "write event.title.contains(\"x\")"),
    ("event.title == 'this and that", "write it like"),
    ("", "leave `when` out to take everything"),
    (" \n", "leave `when` out to take everything"),
    ("event.labels.test == true", "a text, with true; labels are texts: write event.labels.test == \"true\""),
    // Times and addresses.
    ("event.time > 5", "write event.time > \"2026-11-21\""),
    ("event.time > 'yesterday'", "write event.time > \"2026-11-21\""),
    ("event.time > '21.11.2026'", "write event.time > \"2026-11-21\""),
    ("event.time > timestamp('2026-11-21T00:00:00Z')", "times compare as text"),
    ("event.time.getHours() < 8", "times compare as text"),
    ("duration('5m') == duration('300s')", "times compare as text"),
    ("event.actor.ip == '10.0.0.0/8'", "event.actor.ip.startsWith"),
    ("event.actor.ip == 'localhost'", "event.actor.ip.startsWith"),
    ("event.actor.ip == '2001:0db8::1'", "2001:db8::1"),
    ("event.actor.ip in ['10.0.0.*']", "event.actor.ip.startsWith"),
    // Functions and methods.
    ("nonsense(event.title)", "there are all, bool, bytes, contains"),
    ("event.title.contain('x')", "did you mean 'contains'?"),
    ("event.title.startswith('x')", "did you mean 'startsWith'?"),
    ("event.title.lower() == 'x'", "matches(\"(?i)"),
    ("event.title.lowerAscii() == 'x'", "matches(\"(?i)"),
    ("event.title.contains()", "contains takes one text"),
    ("event.title.contains('a', 'b')", "contains takes one text"),
    ("event.title.contains(5)", "contains takes one text"),
    ("event.title.contains(event.labels)", "contains takes one text"),
    ("contains(event.title, 'x')", "write event.title.contains("),
    ("startsWith('x')", "startsWith"),
    ("size(event.title).contains('x')", "is a number"),
    ("size()", "size takes"),
    ("size(5) > 1", "size takes"),
    ("event.title.matches('(')", "is no regular expression"),
    ("event.title.matches('[a')", "is no regular expression"),
    ("matches(event.title, '*')", "is no regular expression"),
    ("event.title.matches(event.status)", "a regular expression is written as a text"),
    ("int(true) == 1", "int takes"),
    ("int('x') == 1", "int takes"),
    ("bool(1)", "bool takes"),
    ("dyn(event.severity) == 4", "there is no function 'dyn'"),
    ("type(event.title) == string", "there is no function 'type'"),
    ("optional.of(true).hasValue()", "there is no"),
    ("min(1, 2) == 1", "there is no function 'min'"),
    // Macros.
    ("['a'].exists(x, x)", "is a text, not true or false"),
    ("['a'].exists(x, x == 1)", "write x == \"1\""),
    ("['a'].all(x, y == x)", "names 'y'"),
    ("[1].all(x, x == event.title)", "in quotes"),
    ("['a'].filter(x, x)", "is a text, not true or false"),
    ("['a'].map(x, x)", "answers a list"),
    ("['a'].exists(x)", "exists(name, condition)"),
    ("['a'].exists('x', true)", "a simple name"),
    ("['a'].exists_one(x, x + 'b')", "is a text, not true or false"),
    ("event.title.exists(c, c == 'x')", "event.title is a text"),
    ("event.severity.exists(c, c == high)", "constants informational .. fatal"),
    ("['a'].exists(event, event == 'a')", "is taken"),
    ("['a'].exists(high, high == 'a')", "is taken"),
    ("['high'].map(s, s) == [event.severity]", "constants informational .. fatal"),
    ("has(event)", "has"),
    ("has('x')", "has"),
    ("has(event.labels.x, event.labels.y)", "has(event.labels.NAME)"),
    // Names of sources and vendors.
    ("event.source == 'adrain'", "did you mean 'adrian'?"),
    ("event.source == 'nowhere'", "sources: adrian, akto, scanner"),
    ("event.source != 'adrain'", "did you mean 'adrian'?"),
    ("'adrain' == event.source", "did you mean 'adrian'?"),
    ("event.source in ['akto', 'adrain']", "did you mean 'adrian'?"),
    ("['akto', 'adrain'].exists(name, name == event.source)", "did you mean 'adrian'?"),
    ("event.source == (event.severity >= high ? 'adrain' : 'akto')", "did you mean 'adrian'?"),
    ("event.source == ''", "sources: adrian, akto, scanner"),
    ("event.vendor == 'aktoo'", "did you mean 'akto'?"),
    ("event.vendor in ['Akto']", "did you mean 'akto'?"),
    ("event.vendor == 'github'", "vendors: akto, generic, secureagentics"),
    ("event.vendor > 'akto'", "'>' does not go with"),
    // Enumerations.
    ("event.outcome == 'block'", "did you mean 'blocked'?"),
    ("event.outcome == 'Blocked'", "did you mean 'blocked'?"),
    ("event.outcome != 'denied'", "it is blocked, allowed, succeeded"),
    ("event.outcome in ['blocked', 'success']", "did you mean 'succeeded'?"),
    ("['deny'].exists(word, word == event.outcome)", "it is blocked, allowed, succeeded"),
    ("event.outcome > 'allowed'", "compare names with == or in"),
    ("event.outcome == true", "write event.outcome == \"blocked\""),
    ("event.outcome == null", "absent is \"\""),
    ("has(event.outcome)", "write event.outcome != \"\""),
    ("event.state == 'closed'", "it is firing, resolved"),
    ("event.state != 'Resolved'", "did you mean 'resolved'?"),
    ("event.state == event.severity", "write"),
    ("event.group == 7", "write event.group == \"7\""),
    ("has(event.correlation)", "write event.correlation != \"\""),
    ("event.vendor_id == 7", "write event.vendor_id == \"7\""),
    ("event.vendorid == '7'", "did you mean 'vendor_id'?"),
    // Syntax.
    ("event.severity >=", "write it like event.severity >= high"),
    ("event.severity >= high and true", "write && for and"),
    ("event.severity >= high AND true", "write && for and"),
    ("not event.status == 'x'", "write && for and"),
    ("event.?title == 'x'", "write it like event.severity >= high"),
    ("Event{title: 'x'}", "an object cannot be made in a condition"),
];
