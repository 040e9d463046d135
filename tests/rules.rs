//! The alerting rules in `deploy/`: `promtool` takes them and they fire when they should, they name only what a running
//! gateway exposes, every counter in them is there before it counts, and the documentation lists them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use harness::{Gateway, Post, skip, until};

const RULES: &str = "deploy/gatepost.rules.yml";
const TESTS: &str = "deploy/gatepost.rules.test.yml";
const SECRET: &str = "adrian-signs-with-these-32-bytes";

const CONFIG: &str = r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ value = "adrian-signs-with-these-32-bytes" }]

[sources.akto]
vendor = "akto"
secrets = [{ value = "akto-shows-this-token-of-32-byte" }]

[destinations.archive]
type = "file"
path = "events.ndjson"

[destinations.second]
type = "file"
path = "second.ndjson"

[[routes]]
name = "everything"
to = ["archive", "second"]
"#;

#[test]
fn promtool_finds_no_fault_in_the_rules() {
    promtool(&["check", "rules", RULES]);
}

#[test]
fn each_rule_fires_when_it_should_and_not_before() {
    let tests = read(TESTS);
    for alert in rules().keys() {
        let fires = format!("alertname: {alert}\n        exp_alerts:\n");
        assert!(tests.contains(&fires), "{TESTS} does not hold that {alert} fires");
        let quiet = format!("alertname: {alert}\n        exp_alerts: []\n");
        assert!(tests.contains(&quiet), "{TESTS} does not hold when {alert} is quiet");
    }
    promtool(&["test", "rules", TESTS]);
}

#[test]
fn the_rules_name_only_what_a_gateway_exposes() {
    let samples = samples(&Gateway::start(CONFIG));
    for (alert, expression) in rules() {
        for (name, labels) in selectors(&expression) {
            let exposed: Vec<&Sample> = samples.iter().filter(|sample| sample.name == name).collect();
            assert!(!exposed.is_empty(), "{alert}: no gateway exposes {name}");
            for label in labels {
                let has_it = exposed.iter().any(|sample| sample.labels.contains_key(&label));
                assert!(has_it, "{alert}: {name} has no label {label}");
            }
        }
    }
}

#[test]
fn labels_in_the_text_of_an_alert_are_labels_of_its_metric() {
    let samples = samples(&Gateway::start(CONFIG));
    let of_prometheus = ["instance", "job"];
    for (alert, rule) in blocks() {
        let expression = &rules()[&alert];
        let Some((name, _)) = selectors(expression).into_iter().next() else { continue };
        for rest in rule.split("$labels.").skip(1) {
            let label: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let has_it = samples.iter().any(|sample| sample.name == name && sample.labels.contains_key(&label));
            assert!(has_it || of_prometheus.contains(&label.as_str()), "{alert}: {name} has no label {label}");
        }
    }
}

#[test]
fn every_counter_is_there_before_it_counts() {
    let mut gateway = Gateway::start(CONFIG);
    let scraped = scrape(&gateway);
    let samples = samples(&gateway);
    let counters = scraped.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"));
    let names: Vec<String> = counters.map(|name| format!("{name}_total")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let of_it: Vec<&Sample> = samples.iter().filter(|sample| sample.name == name).collect();
        assert!(!of_it.is_empty(), "{name} is not there before it counts");
        assert!(of_it.iter().all(|sample| sample.value == 0.0), "{of_it:?}");
        for (label, names) in [("source", ["adrian", "akto"]), ("destination", ["archive", "second"])] {
            if of_it.iter().any(|sample| sample.labels.contains_key(label)) {
                let has = |name: &str| of_it.iter().any(|sample| sample.labels.get(label).is_some_and(|l| l == name));
                assert!(names.into_iter().all(has), "{name} is not there for each {label}");
            }
        }
    }
    // A reload that adds a source and a destination adds their series.
    let more = CONFIG.replace("[sources.akto]", "[sources.later]").replace("archive", "deferred");
    gateway.configure(&more);
    gateway.signal("HUP");
    gateway.logs("the configuration has been reloaded");
    until("the new series", || {
        let text = scrape(&gateway);
        let refused = "gatepost_intake_requests_total{source=\"later\",outcome=\"signature-mismatch\"} 0";
        let dead = "gatepost_delivery_dead_total{destination=\"deferred\",state=\"dead\"} 0";
        [refused, dead].iter().all(|line| text.lines().any(|found| found == *line)).then_some(())
    });
    assert!(gateway.stop().success());
}

#[test]
fn a_destination_has_one_label_everywhere() {
    let samples = samples(&Gateway::start(CONFIG));
    for name in ["archive", "second", "adrian", "akto", "everything"] {
        let labels: BTreeSet<&str> = samples
            .iter()
            .flat_map(|sample| {
                sample.labels.iter().filter(|(_, value)| *value == name).map(|(label, _)| label.as_str())
            })
            .collect();
        assert_eq!(labels.len(), 1, "{name} stands in {labels:?}");
        assert!(labels.iter().all(|label| ["source", "destination", "route"].contains(label)), "{labels:?}");
    }
}

#[test]
fn the_codes_of_refusals_are_those_of_the_documentation() {
    let samples = samples(&Gateway::start(CONFIG));
    let counted: BTreeSet<String> = samples
        .iter()
        .filter(|sample| sample.name == "gatepost_intake_requests_total")
        .filter_map(|sample| sample.labels.get("outcome").cloned())
        .filter(|word| word.contains('-'))
        .collect();
    let page = read("docs/operation.md");
    let section = page.split("## Answers on the public listener").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
    let described: BTreeSet<String> =
        rows.flat_map(|row| row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert_eq!(counted, described);
}

#[test]
fn the_documentation_lists_every_rule_and_each_leads_to_its_page() {
    let page = read("docs/operation.md");
    for (alert, rule) in blocks() {
        assert!(page.contains(&format!("`{alert}`")), "docs/operation.md does not name {alert}");
        let runbook = rule.lines().find_map(|line| line.trim().strip_prefix("runbook: ")).expect(&alert);
        let (file, anchor) = runbook.split_once('#').unwrap();
        let target = read(file);
        let slug = |heading: &str| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
            kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect::<String>()
        };
        let headings = target.lines().filter_map(|line| line.strip_prefix('#'));
        let mut slugs = headings.map(|heading| slug(heading.trim_start_matches('#').trim()));
        assert!(slugs.any(|slug| slug == anchor), "{alert}: {file} has no heading for #{anchor}");
    }
    for word in page.split('`').filter(|word| word.starts_with("Gatepost") && !word.contains(' ')) {
        assert!(rules().contains_key(word), "docs/operation.md names {word}, which is no rule");
    }
}

#[test]
fn a_pager_that_fails_is_seen_in_the_metrics_and_in_readyz() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pager = format!(
        "[destinations.oncall]\ntype = \"pagerduty\"\nurl = \"http://{nowhere}\"\n\
         routing_key = {{ value = \"0000000000000000000000standin000\" }}\n"
    );
    let config =
        CONFIG.replace("[[routes]]", &format!("{pager}\n[[routes]]")).replace("\"second\"", "\"oncall\", \"second\"");
    let gateway = Gateway::start(&config);
    let value = |metric: &str, destination: &str| {
        let all = samples(&gateway);
        let is_it = |sample: &&Sample| {
            sample.name == metric && sample.labels.get("destination").is_some_and(|label| label == destination)
        };
        all.iter().find(is_it).map(|sample| sample.value)
    };
    assert_eq!(value("gatepost_destination_failing", "oncall"), Some(0.0));
    gateway.post_signed("adrian", SECRET, br#"{"event":"alert.triggered","alert_id":"a"}"#).accepted();
    until("the pager fails", || (value("gatepost_destination_failing", "oncall") == Some(1.0)).then_some(()));
    until("it grows old", || value("gatepost_oldest_untold_age_seconds", "oncall").filter(|age| *age > 0.0));
    assert_eq!(value("gatepost_oldest_untold_age_seconds", "archive"), Some(0.0));
    assert_eq!(value("gatepost_destination_stopped", "oncall"), Some(0.0));
    let readiness = Post::get("/readyz").send(gateway.admin).json();
    let (oncall, archive) = (&readiness["destinations"]["oncall"], &readiness["destinations"]["archive"]);
    assert_eq!((&oncall["state"], &oncall["waiting"], &oncall["dead"]), (&"failing".into(), &1.into(), &0.into()));
    assert!(oncall["oldest_waiting_seconds"].as_u64().unwrap() > 0, "{readiness}");
    assert_eq!((&archive["state"], &archive["waiting"]), (&"running".into(), &0.into()), "{readiness}");
}

#[test]
fn the_database_is_checked_after_a_start_and_a_damaged_one_is_told() {
    let mut gateway = Gateway::start(CONFIG);
    let check = |gateway: &Gateway| Post::get("/readyz").send(gateway.admin).json()["check"].clone();
    let known = |gateway: &Gateway| {
        until("the check ends", || {
            let check = check(gateway);
            (check["state"] != "checking").then_some(check)
        })
    };
    assert_eq!(known(&gateway)["state"], "sound");
    gateway.logs("the database has been checked and is sound");
    for n in 0..200 {
        let body = format!(r#"{{"event":"alert.triggered","alert_id":"{n}","text":"x"}}"#);
        gateway.post_signed("adrian", SECRET, body.as_bytes()).accepted();
    }
    gateway.settle();
    assert!(gateway.stop().success());
    // Among the attempts, which are not read at a start.
    let path = gateway.folder.path().join("gatepost.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let page =
        bytes.chunks(8_192).position(|page| page.windows(9).filter(|part| part == b"delivered").count() > 20).unwrap();
    bytes[page * 8_192..page * 8_192 + 64].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    gateway.serve_again();
    let check = known(&gateway);
    assert_eq!(check["state"], "damaged", "{check}");
    assert!(!check["reason"].as_str().unwrap().is_empty());
    gateway.logs("the database is damaged");
    let damaged = "gatepost_store_check{state=\"damaged\"} 1";
    until("the metric", || scrape(&gateway).lines().any(|line| line == damaged).then_some(()));
}

/// The alerts with their expressions.
fn rules() -> BTreeMap<String, String> {
    let expression = |rule: &str| rule.lines().find_map(|line| line.trim().strip_prefix("expr: ")).unwrap().to_owned();
    let rules: BTreeMap<String, String> =
        blocks().into_iter().map(|(alert, rule)| (alert, expression(&rule))).collect();
    assert!(rules.len() > 15, "{rules:?}");
    rules
}

/// The alerts with the text of their rules.
fn blocks() -> Vec<(String, String)> {
    let text = read(RULES);
    let blocks = text.split("- alert: ").skip(1);
    blocks.map(|block| (block.lines().next().unwrap().trim().to_owned(), block.to_owned())).collect()
}

/// The metrics of gatepost that an expression selects, with the labels that it selects by.
fn selectors(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("gatepost_") {
        let name: String = expression[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let rest = &expression[at + name.len()..];
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let label = |matcher: &str| matcher.split(['=', '!']).next().unwrap().trim().to_owned();
        found.push((name, matchers.split(',').filter(|m| !m.is_empty()).map(label).collect()));
    }
    found
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn samples(gateway: &Gateway) -> Vec<Sample> {
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\""));
        let labels = labels.map(|(label, text)| (label.to_owned(), text.trim_end_matches('"').to_owned())).collect();
        Sample { name: name.to_owned(), labels, value: value.parse().unwrap() }
    };
    scrape(gateway).lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn scrape(gateway: &Gateway) -> String {
    Post::get("/metrics").send(gateway.admin).text().to_owned()
}

/// Runs Prometheus' own tool, or says that it could not.
fn promtool(arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = match Command::new("promtool").args(arguments).current_dir(root).output() {
        Ok(ran) => ran,
        Err(error) => {
            let why = format!("no promtool, which Debian's package prometheus has ({error})");
            return skip("promtool", &why);
        }
    };
    let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(ran.status.success(), "promtool {arguments:?}:\n{said}");
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
