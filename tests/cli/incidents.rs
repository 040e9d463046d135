//! `gatepost incidents`: what people read of incidents, what they order, and that the pager follows within seconds.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use gatepost::standins::{Fault, Rate, StandIn, pagerduty};
use serde_json::Value;

use crate::harness::{Gateway, until};
use crate::{ARCHIVE, block_on, commands_in};

const TOKEN: &str = "scanner-shows-this-token-of-32-b";

const SCANNER: &str = r#"
[sources.scanner]
vendor = "generic"
secrets = [{ value = "scanner-shows-this-token-of-32-b" }]
verify = { scheme = "token" }
map = { key = "/id", state = "/state", correlation = "/alert", group = "/group" }
"#;

fn pager() -> StandIn<pagerduty::PagerDuty> {
    let pager = block_on(pagerduty::start()).unwrap();
    pager.limit_rate(Rate::UNLIMITED);
    pager
}

fn on_call(pager: &StandIn<pagerduty::PagerDuty>) -> String {
    let (url, key) = (pager.base_url(), pagerduty::ROUTING_KEY);
    format!(
        "[destinations.oncall]\ntype = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = {{ value = \"{key}\" }}\n\
         [[routes]]\nname = \"page\"\nto = [\"oncall\"]\n"
    )
}

fn start(pager: &StandIn<pagerduty::PagerDuty>) -> Gateway {
    Gateway::start(&format!("{SCANNER}{ARCHIVE}{}", on_call(pager)))
}

fn post(gateway: &Gateway, id: &str, rule: &str, host: &str, severity: &str) {
    let body = format!(
        r#"{{"id":"{id}","type":"scan","title":"{rule} on {host}","rule":"{rule}","host":"{host}","severity":"{severity}"}}"#
    );
    gateway.post_bearer("scanner", TOKEN, body.as_bytes()).accepted();
}

/// Three incidents: a high one of two events, a medium and a low one.
fn filled(pager: &StandIn<pagerduty::PagerDuty>) -> Gateway {
    let gateway = start(pager);
    for (id, rule, host, severity, pages) in [
        ("1", "sqli", "api", "high", 1),
        ("2", "sqli", "api", "high", 1),
        ("3", "ssrf", "api", "medium", 2),
        ("4", "xss", "shop", "low", 3),
    ] {
        post(&gateway, id, rule, host, severity);
        gateway.dispatched();
        until("it is paged", || (pager.incidents().len() == pages).then_some(()));
    }
    gateway
}

/// How many requests of that action have come.
fn sent(pager: &StandIn<pagerduty::PagerDuty>, action: &str) -> usize {
    let is_it = |body: Value| body["event_action"] == action;
    pager.requests().iter().filter(|request| request.json().is_some_and(is_it)).count()
}

fn numbers(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["number"].as_u64().unwrap()).collect()
}

fn state(gateway: &Gateway, number: &str) -> String {
    gateway.show("incidents", number)["incident"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_list_holds_what_is_not_over_and_filters_take_what_they_say() {
    let pager = pager();
    let gateway = filled(&pager);
    let list = |filters: &[&str]| numbers(&gateway.list("incidents", filters));
    assert_eq!(list(&[]), [3, 2, 1]);
    assert_eq!(list(&["--severity", "medium"]), [2, 1]);
    assert_eq!(list(&["--text", "SSRF"]), [2]);
    assert_eq!(list(&["--source", "scanner", "--since", "1h"]), [3, 2, 1]);
    assert_eq!((list(&["--until", "1h"]), list(&["--storm", "1"])), (vec![], vec![]));
    gateway.run(&["incidents", "resolve", "3"]).done();
    assert_eq!((list(&[]), list(&["--all"])), (vec![2, 1], vec![3, 2, 1]));
    assert_eq!((list(&["--state", "resolved"]), list(&["--state", "open"])), (vec![3], vec![2, 1]));
    let row = &gateway.list("incidents", &["--text", "sqli"])[0];
    assert_eq!(
        (&row["count"], &row["severity_name"], &row["state_by_name"]),
        (&2.into(), &"high".into(), &"vendor".into())
    );
    let page = gateway.run(&["incidents", "list", "--all", "--limit", "2"]).done().prints("RANK").prints("xss on shop");
    page.complains("--before 2");
    assert_eq!(list(&["--all", "--before", "2"]), [1]);
    gateway.run(&["incidents", "list", "--source", "absent"]).ended(1).complains("there is no source 'absent'");
    gateway.run(&["incidents", "list", "--state", "over"]).ended(2).complains("open, acknowledged, resolved or quiet");
}

const SAID: &str = r#"
[[annotations]]
when = 'event.rule.name == "ssrf" || event.rule.id == "ssrf"'
owner = "@web"

[[annotations]]
when = "event.severity >= high"
runbook = "https://wiki.example.org/sqli"

[[annotations]]
owner = "@soc"
"#;

#[test]
fn what_the_operator_says_of_an_event_is_in_its_page_and_wherever_it_is_shown() {
    let pager = pager();
    let gateway = Gateway::start(&format!("{SCANNER}{ARCHIVE}{}{SAID}", on_call(&pager)));
    post(&gateway, "1", "sqli", "api", "high");
    gateway.dispatched();
    let pages = || pager.requests().iter().filter_map(|request| request.json()).collect::<Vec<Value>>();
    until("it is paged", || (!pages().is_empty()).then_some(()));
    let page = &pages()[0];
    let details = &page["payload"]["custom_details"];
    assert_eq!(
        (&details["owner"], &page["links"][0]["href"]),
        (&"@soc".into(), &"https://wiki.example.org/sqli".into())
    );
    let said = serde_json::json!({ "owner": "@soc", "runbook": "https://wiki.example.org/sqli" });
    assert_eq!(gateway.show("incidents", "1")["annotation"], said);
    gateway
        .run(&["incidents", "show", "1"])
        .done()
        .prints("owner         @soc")
        .prints("https://wiki.example.org/sqli");
    let event = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.show("events", &event)["annotation"], said);
    gateway.run(&["events", "show", &event]).done().prints("  owner       @soc");
    let explained = gateway.run(&["explain", &event]).done();
    let explained = explained.prints("✘ annotation 1: ").prints("✔ annotation 3: always holds: owner @soc");
    explained.prints("✔ annotation 2: event.severity >= high holds: runbook https://wiki.example.org/sqli");
    let json = gateway.run(&["explain", &event, "--json"]).done();
    json.prints(r#""annotation":{"owner":"@soc""#);
}

#[test]
fn an_incident_is_shown_with_its_timeline_and_who_was_told() {
    let pager = pager();
    let gateway = filled(&pager);
    gateway.run(&["incidents", "ack", "1", "--by", "dana", "--note", "looking"]).done();
    until("the page is acknowledged", || (sent(&pager, "acknowledge") == 1).then_some(()));
    until("it is written down", || {
        let shown = gateway.run(&["incidents", "show", "#1"]).done();
        shown.stdout.contains("oncall: acknowledge").then_some(())
    });
    let shown = gateway.run(&["incidents", "show", "1"]).done().prints("#1 acknowledged · HIGH · sqli on api");
    let shown =
        shown.prints("how they came opened 1 · counted 1").prints("opened ").prints("by dana (command line): looking");
    let shown = shown.prints("told             oncall: open").prints("told acknowledged · HIGH · 2 events");
    shown.prints("1 events: counted in #1").prints("pages 1, acknowledged 1, resolved 0");
    let json = gateway.show("incidents", "1");
    assert_eq!(json["events_by_reason"], serde_json::json!({ "opened": 1, "counted": 1 }));
    assert_eq!(json["milestones"][1]["by"], "cli:dana");
    assert_eq!(json["notifications"][0]["destination"], "oncall");
    assert!(json["changes"].as_array().unwrap().iter().all(|change| change["told_at"].is_string()), "{json:#}");
    let of_it = gateway.list("events", &["--incident", "1"]);
    assert!(of_it.len() == 2 && of_it.iter().all(|row| row["incident"] == 1), "{of_it:?}");
    let changes = gateway.list("deliveries", &["--incident", "#1"]);
    assert_eq!(changes.iter().map(|row| row["change"].as_str().unwrap()).collect::<Vec<_>>(), ["acknowledge", "open"]);
    gateway.run(&["deliveries", "list", "--incident", "1"]).done().prints("#1 acknowledge · sqli on api");
}

#[test]
fn what_a_person_orders_reaches_the_pager_within_two_seconds() {
    let pager = pager();
    let gateway = filled(&pager);
    let within = |action: &str, arguments: &[&str], count: usize| {
        gateway.run(arguments).done();
        let ordered = Instant::now();
        until(action, || (sent(&pager, action) == count).then_some(()));
        assert!(ordered.elapsed() < Duration::from_secs(2), "{action} took {:?}", ordered.elapsed());
    };
    within("acknowledge", &["incidents", "ack", "1", "--by", "dana"], 1);
    within("resolve", &["incidents", "resolve", "1"], 1);
    within("trigger", &["incidents", "reopen", "1"], 4);
    assert_eq!(pager.incidents().len(), 4, "a reopening is a page of its own");
}

#[test]
fn orders_change_what_is_asked_and_refuse_what_makes_no_sense() {
    let pager = pager();
    let gateway = filled(&pager);
    let run = |arguments: &[&str]| gateway.run(&[&["incidents"], arguments].concat());
    run(&["ack", "1", "#2", "--by", "dana"]).done().prints("#1 is acknowledged").prints("#2 is acknowledged");
    run(&["ack", "1"]).ended(1).complains("#1 is acknowledged already, by dana at ").complains("incidents unack");
    run(&["ack", "1", "3"]).ended(1).prints("#3 is acknowledged").complains("1 of 2 incidents are as they were");
    run(&["ack", "99"]).ended(1).complains("there is no incident #99 in the store; `gatepost incidents list --all`");
    run(&["unack", "1"]).done();
    run(&["unack", "1"]).ended(1).complains("there is nothing to give back");
    run(&["resolve", "1", "--note", "blocked at the edge"]).done();
    run(&["resolve", "1"]).ended(1).complains("is resolved already");
    run(&["ack", "1"]).ended(1).complains("reopen it with `gatepost incidents reopen` first");
    run(&["silence", "1", "--for", "4h", "--note", "x"]).ended(1).complains("reopen it");
    run(&["reopen", "1"]).done();
    run(&["reopen", "1"]).ended(1).complains("only a resolved or quiet incident");
    run(&["note", "1", "the red team is at work"]).done().prints("#1 is noted");
    run(&["note", "1", " "]).ended(1).complains("the note is empty");
    run(&["silence", "1", "--for", "4h", "--note", "the red team"]).done().prints("#1 is silenced until ");
    run(&["silence", "1", "--note", "for ever"]).ended(2);
    run(&["silence", "1", "--for", "0s", "--note", "x"]).ended(2).complains("write a duration from 1s to 90d");
    run(&["silence", "1", "--for", "1h", "--note", ""]).ended(2).complains("the note is empty");
    run(&["show", "1"]).done().prints("silenced      until ").prints("noted            by ").prints("Held back");
    run(&["ack", "one"]).ended(2).complains("write the number of an incident, such as 4711");
    run(&["ack", "2", "--by", " "]).ended(2).complains("write a name");
    assert_eq!((state(&gateway, "1"), state(&gateway, "2")), ("open".into(), "acknowledged".into()));
}

#[test]
fn filters_choose_incidents_and_a_dry_run_changes_nothing() {
    let pager = pager();
    let gateway = filled(&pager);
    let run = |arguments: &[&str]| gateway.run(&[&["incidents"], arguments].concat());
    run(&["ack"]).ended(2).complains("name incidents by number, or say which");
    run(&["ack", "1", "--severity", "high"]).ended(2).complains("not both");
    let dry = run(&["ack", "--severity", "medium", "--dry-run"]).done();
    dry.prints("#1 would be acknowledged")
        .prints("#2 would be acknowledged")
        .prints("2 incidents would be acknowledged");
    assert_eq!(state(&gateway, "1"), "open");
    run(&["ack", "--severity", "medium"]).done();
    assert_eq!(["1", "2", "3"].map(|number| state(&gateway, number)), ["acknowledged", "acknowledged", "open"]);
    run(&["ack", "--severity", "medium"]).done().prints("0 incidents are acknowledged");
    run(&["ack", "1", "--dry-run"]).ended(1).complains("is acknowledged already");
    run(&["resolve", "--text", "SSRF", "--source", "scanner"]).done().prints("#2 is resolved");
    run(&["resolve", "--source", "absent"]).ended(1).complains("there is no source");
    assert_eq!(["1", "2", "3"].map(|number| state(&gateway, number)), ["acknowledged", "resolved", "open"]);
}

#[test]
fn an_order_is_kept_while_nothing_serves_and_is_told_at_the_start() {
    let pager = pager();
    let mut gateway = filled(&pager);
    gateway.stop();
    gateway.run(&["incidents", "ack", "1", "--by", "dana"]).done().prints("or when it starts");
    assert_eq!(sent(&pager, "acknowledge"), 0);
    gateway.serve_again();
    until("the page is acknowledged", || (sent(&pager, "acknowledge") == 1).then_some(()));
}

#[test]
fn the_tail_shows_changes_as_they_come() {
    let pager = pager();
    let gateway = filled(&pager);
    let mut child =
        gateway.folder.command(&["incidents", "tail", "--json", "-n", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let last = next();
    assert_eq!((&last["incident"], &last["what"]), (&3.into(), &"opened".into()));
    gateway.run(&["incidents", "ack", "2", "--by", "dana", "--note", "n"]).done();
    let seen = next();
    let fields =
        ["what", "by", "note", "severity_name", "source"].map(|field| seen[field].as_str().unwrap().to_owned());
    assert_eq!(fields, ["acknowledged", "cli:dana", "n", "medium", "scanner"]);
    drop(child.kill());
    drop(child.wait());
    gateway.run(&["incidents", "tail", "--source", "absent"]).ended(1).complains("there is no source");
}

#[test]
fn explain_says_what_a_silence_keeps_from_a_notifier_that_was_not_told_before() {
    let pager = pager();
    let second =
        on_call(&pager).replace("oncall", "second").replace("\"page\"", "\"more\"\nwhen = 'event.severity == low'");
    let gateway = Gateway::start(&format!("{SCANNER}{ARCHIVE}{second}{}", on_call(&pager)));
    post(&gateway, "1", "sqli", "api", "high");
    gateway.dispatched();
    until("it is paged", || (pager.incidents().len() == 1).then_some(()));
    gateway.run(&["incidents", "silence", "1", "--for", "1h", "--note", "the red team"]).done();
    post(&gateway, "2", "sqli", "api", "low");
    gateway.dispatched();
    let id = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    until("it waits for the end of the silence", || {
        gateway.run(&["explain", &id]).done().stdout.contains("not told to second: silenced until ").then_some(())
    });
    assert_eq!(pager.incidents().len(), 1);
}

#[test]
fn explain_ends_with_the_incident_and_with_who_was_told() {
    let pager = pager();
    let gateway = filled(&pager);
    let ids: Vec<String> =
        gateway.list("events", &["--incident", "1"]).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let [second, first] = ids.as_slice() else { panic!("{ids:?}") };
    until("both are told", || gateway.list("deliveries", &["--state", "waiting"]).is_empty().then_some(()));
    let explained = gateway.run(&["explain", first]).done();
    let explained = explained
        .prints("opened incident #1; events join it where type, rule and victim are the same: scan · sqli · api");
    explained.prints("told to archive at ").prints("told to oncall at ").prints(": open");
    let explained = gateway.run(&["explain", second]).done().prints("joined incident #1 because type, rule and victim");
    explained.prints("not told to oncall: counted in #1");
    gateway.run(&["incidents", "silence", "1", "--for", "1h", "--note", "the red team"]).done();
    until("it is looked at once more", || {
        gateway.run(&["explain", second]).done().stdout.contains("not told to oncall: silenced until ").then_some(())
    });
    let json = gateway.run(&["explain", second, "--json"]).done().json();
    assert_eq!((&json["place"]["incident"], &json["place"]["joined"]), (&1.into(), &"counted".into()));

    let of = |body: &str| {
        gateway.post_bearer("scanner", TOKEN, body.as_bytes()).accepted();
        gateway.dispatched();
        let id = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
        gateway.run(&["explain", &id]).done()
    };
    of(r#"{"id":"5","title":"t","group":"g1","severity":"low"}"#).prints("the vendor's group is the same: g1");
    of(r#"{"id":"6","title":"t","alert":"https://x/1","severity":"low"}"#)
        .prints("the vendor's alert is the same: https://x/1");
    of(r#"{"id":"7","title":"t","alert":"https://x/2","state":"resolved"}"#).prints("no incident: nothing to resolve");
}

#[test]
fn group_by_decides_which_incident_and_explain_names_it() {
    let pager = pager();
    let by_host = SCANNER.replace("verify", "group_by = [\"target.host\"]\nverify");
    let gateway = Gateway::start(&format!("{by_host}{ARCHIVE}{}", on_call(&pager)));
    post(&gateway, "1", "sqli", "api", "low");
    post(&gateway, "2", "ssrf", "api", "low");
    gateway.settle();
    let rows = gateway.list("incidents", &[]);
    assert!(rows.len() == 1 && rows[0]["count"] == 2, "{rows:?}");
    let id = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    gateway.run(&["explain", &id]).done().prints("because group_by of scanner: the same target.host");

    let each = SCANNER.replace("verify", "group_by = [\"event\"]\nverify");
    gateway.configure(&format!("{each}{}{ARCHIVE}{}", crate::SOURCES, on_call(&pager)));
    gateway.signal("HUP");
    gateway.logs("the configuration has been reloaded");
    post(&gateway, "3", "sqli", "api", "low");
    gateway.settle();
    assert_eq!(gateway.list("incidents", &[]).len(), 2, "what was grouped otherwise takes in no more");
    let id = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    gateway.run(&["explain", &id]).done().prints("where group_by of scanner makes each event an incident of its own");
    gateway.post_bearer("akto", crate::AKTO, br#"[{"id":"1","filterId":"XSS","url":"https://shop/a"}]"#).accepted();
    gateway.settle();
    let id = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    gateway
        .run(&["explain", &id])
        .done()
        .prints("where what akto calls the same alert, and the victim, are the same: ");
}

#[test]
fn what_waits_for_a_destination_that_left_can_be_discarded() {
    let pager = pager();
    let mut gateway = filled(&pager);
    gateway.run(&["deliveries", "discard", "oncall"]).ended(1).complains("oncall is in the configuration");
    gateway.stop();
    gateway.run(&["incidents", "ack", "1"]).done();
    gateway.configure(&format!("{SCANNER}{ARCHIVE}"));
    gateway.serve_again();
    let dry = gateway.run(&["deliveries", "discard", "oncall", "--dry-run"]).done();
    dry.prints("1 deliveries for oncall would be closed: 1 that wait, 0 dead letters");
    gateway.run(&["incidents", "show", "1"]).done().prints("oncall (not configured)");
    gateway.run(&["deliveries", "discard", "oncall"]).done().prints("1 deliveries for oncall are closed");
    assert!(gateway.list("deliveries", &["--state", "waiting"]).is_empty());
    let closed = gateway.list("deliveries", &["--state", "superseded"]);
    assert!(closed.iter().any(|row| row["reason"] == "discarded by the operator"), "{closed:?}");
    gateway.run(&["deliveries", "discard", "absent"]).ended(1).complains("there is no destination 'absent'");
}

#[test]
fn status_counts_incidents_and_names_who_has_not_been_told() {
    let pager = pager();
    let mut gateway = filled(&pager);
    gateway.run(&["incidents", "ack", "1"]).done();
    gateway.run(&["status"]).done().prints("incidents  2 open, 1 acknowledged");
    let report = gateway.run(&["status", "--json"]).done().json();
    assert_eq!(report["incidents"]["by_state"]["open"], 2);
    gateway.stop();
    gateway.run(&["incidents", "resolve", "2"]).done();
    gateway.run(&["status"]).done().prints("oncall untold for ");
}

#[test]
fn a_change_is_sent_again_on_order_and_leads_to_its_events() {
    let pager = pager();
    let gateway = filled(&pager);
    let change = |number: &str| {
        let rows = gateway.list("deliveries", &["--incident", number, "--state", "delivered"]);
        rows.first().map(|row| row["id"].as_str().unwrap().to_owned())
    };
    let id = until("it is written down", || change("2"));
    let dry = gateway.run(&["replay", "--delivery", &id, "--dry-run"]).done();
    dry.prints(&format!("would send delivery {id} to oncall again (delivered)"));
    assert_eq!(sent(&pager, "trigger"), 3);
    gateway.run(&["replay", "--delivery", &id]).done();
    until("it is sent again", || (sent(&pager, "trigger") == 4).then_some(()));
    assert_eq!(pager.incidents().len(), 3, "the same page");
    gateway
        .run(&["events", "show", &id])
        .done()
        .prints("ssrf on api")
        .prints("incident    #2")
        .prints("-> oncall #2 open");
    gateway.run(&["deliveries", "show", &id]).done().prints("incident #2 · open");
}

#[test]
fn a_change_that_was_refused_is_a_dead_letter_that_can_be_replayed() {
    let pager = pager();
    pager.always(Some(Fault::Status(413)));
    let gateway = start(&pager);
    post(&gateway, "1", "sqli", "api", "high");
    until("it is dead", || (gateway.list("deliveries", &["--state", "dead"]).len() == 1).then_some(()));
    let shown = gateway.run(&["incidents", "show", "1"]).done().prints("open is a dead letter: ").prints("413");
    shown.prints("gatepost replay --delivery ");
    let event = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    gateway.run(&["explain", &event]).done().prints("not told to oncall: dead: ");
    gateway.run(&["replay", "--dead", "--dry-run"]).done().prints("to oncall again: #1 open · sqli on api");
    pager.always(None);
    gateway.run(&["replay", "--dead"]).done();
    until("it is paged", || (pager.incidents().len() == 1).then_some(()));
}

#[test]
fn a_storm_is_listed_with_what_it_stands_for() {
    let pager = pager();
    let gateway = Gateway::start(&format!(
        "{SCANNER}[incidents]\nstorm = {{ per_rule = 2, per_rank = 3, within = \"15m\" }}\n{ARCHIVE}{}",
        on_call(&pager)
    ));
    for host in ["a", "b", "c", "d", "e"] {
        post(&gateway, host, "sqli", host, "high");
        gateway.dispatched();
    }
    let rows = gateway.list("incidents", &[]);
    let storm = rows.iter().find(|row| row["kind"]["storm"].is_object()).unwrap_or_else(|| panic!("{rows:?}"));
    let (number, folded) = (storm["number"].to_string(), storm["kind"]["storm"]["incidents"].as_u64().unwrap());
    let within = gateway.list("incidents", &["--storm", &number]);
    assert_eq!((rows.len(), within.len() as u64, folded), (6, 3, 3));
    let shown = gateway.run(&["incidents", "show", &number]).done();
    let shown =
        shown.prints("stands for    3 incidents of 1 rule, of which 1 is named").prints("  incidents     3 since ");
    let shown = shown.prints("  rules         1: sqli (3)");
    assert!(!shown.stdout.contains(" events ") && !shown.stdout.contains("  targets "), "{shown}");
    let shown = gateway.show("incidents", &number);
    assert_eq!(shown["rules"]["frequent"][0], serde_json::json!({ "value": "sqli", "incidents": 3 }));
    assert_eq!(shown["targets"]["distinct"], 0);
    let one = within[2]["number"].to_string();
    gateway.run(&["incidents", "show", &one]).done().prints(&format!("told through  #{number}, not by itself"));
    gateway.run(&["incidents", "list"]).done().prints(&format!("(through #{number}) sqli on "));
    let event = gateway.list("events", &["--incident", &one])[0]["id"].as_str().unwrap().to_owned();
    until("it is told through the storm", || {
        let explained = gateway.run(&["explain", &event]).done();
        let told = explained.stdout.lines().filter(|line| line.contains("told to oncall")).collect::<Vec<_>>();
        assert_eq!(told.len(), 1, "{explained}");
        (told[0].contains("  told to oncall at ") && told[0].contains(&format!(": through #{number}: "))).then_some(())
    });
    gateway.run(&["incidents", "ack", "--storm", &number]).done().prints("is acknowledged");
    assert_eq!(gateway.list("incidents", &["--storm", &number, "--state", "acknowledged"]).len(), 3);
}

#[test]
fn an_incident_does_not_command_the_terminal() {
    let pager = pager();
    let gateway = start(&pager);
    let hostile = "\\u001b[2J\\u001b]0;owned\\u0007 \\u009b31m \\u202egnp.exe";
    let body = format!(r#"{{"id":"1","title":"{hostile}","rule":"{hostile}","host":"{hostile}","severity":"high"}}"#);
    gateway.post_bearer("scanner", TOKEN, body.as_bytes()).accepted();
    gateway.settle();
    let event = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    let hostile_name = "\u{202e}dana";
    for arguments in [
        &["incidents", "list"][..],
        &["incidents", "list", "--json"],
        &["incidents", "ack", "1", "--by", hostile_name, "--note", "\u{202e}x"],
        &["incidents", "show", "1"],
        &["incidents", "show", "1", "--json"],
        &["explain", &event],
        &["explain", &event, "--json"],
    ] {
        let ran = gateway.run(arguments).done();
        assert!(commands_in(&ran.stdout).is_empty(), "{arguments:?}: {:?}", ran.stdout);
        assert!(commands_in(&ran.stderr).is_empty(), "{arguments:?}: {:?}", ran.stderr);
    }
}

#[test]
fn an_incident_shows_when_a_repetition_was_received_last() {
    let pager = pager();
    let gateway = start(&pager);
    post(&gateway, "1", "sqli", "api", "high");
    gateway.dispatched();
    let shown = gateway.run(&["incidents", "show", "1"]).done();
    assert!(!shown.stdout.contains("last received"), "{shown}");
    std::thread::sleep(Duration::from_millis(2_100));
    // The same event in another request.
    post(&gateway, "1", "sqli", "api", "high ");
    let shown = || gateway.run(&["incidents", "show", "1"]).done().stdout;
    until("the repetition is seen", || shown().contains("last received ").then_some(()));
    assert!(shown().contains("events        1, at "), "{}", shown());
}
