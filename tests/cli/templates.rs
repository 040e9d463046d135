//! `gatepost templates`, and templates in operation: tried by `check`, told, and left to the built-in words where they fail.

use gatepost::standins::{Rate, StandIn, pagerduty};
use serde_json::Value;

use crate::harness::{Folder, Gateway, Post, until};
use crate::{SOURCES, block_on, configured};

#[test]
fn the_default_templates_are_listed_printed_and_copied_and_are_sound_as_they_are() {
    let folder = Folder::new();
    let listed = folder.run(&["templates", "list"]).done().prints("slack       title, text, fields");
    let listed = listed.prints("pagerduty   title, fields").prints("email       subject, title, text, fields");
    assert!(!listed.stdout.contains("syslog"), "{listed}");
    folder.run(&["templates", "show", "slack", "title"]).done().prints("{{ headline }}");
    let shown = folder.run(&["templates", "show", "slack", "title", "--json"]).done().stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["type"], &shown["template"]), (&"slack".into(), &"title".into()));
    assert!(shown["text"].as_str().unwrap().contains("{{ headline }}"), "{shown}");
    let listed = folder.run(&["templates", "list", "--json"]).done();
    listed.prints(r#"{"templates":["title","text","fields"],"type":"slack"}"#);
    folder.run(&["templates", "show", "pagerduty", "fields"]).done().prints("\"what is new\" = \"{{ news }}\"");
    folder.run(&["templates", "show", "pagerduty", "text"]).ended(1).complains("there are: title, fields");
    folder.run(&["templates", "show", "slak", "title"]).ended(1).complains("did you mean 'slack'?");
    folder.run(&["templates", "copy", "file", "x"]).ended(1).complains("there is no type of notifier 'file'");

    let mut config = SOURCES.to_owned();
    let notifiers = [
        ("slack", "webhook_url = { value = \"https://hooks.slack.com/services/T000/B000/x\" }"),
        ("pagerduty", "routing_key = { value = \"0123456789abcdef0123456789abcdef\" }"),
        ("email", "smtp = \"smtps://mail.example.org\"\nfrom = \"a@example.org\"\nto = \"b@example.org\""),
    ];
    for (kind, settings) in notifiers {
        let copied = folder.run(&["templates", "copy", kind, &format!("templates/{kind}")]).done().stdout;
        let own = copied.replace("destinations.NAME", &format!("destinations.{kind}"));
        config += &format!("[destinations.{kind}]\ntype = \"{kind}\"\n{settings}\n{own}");
    }
    config += "[[routes]]\nname = \"all\"\nto = [\"slack\", \"pagerduty\", \"email\"]\n";
    folder.write("gatepost.toml", &config);
    folder.run(&["check"]).done().prints("is sound: 2 sources, 1 route, 3 destinations");
    let again = folder.run(&["templates", "copy", "slack", "templates/slack"]).ended(1);
    again.complains("templates/slack/title.txt is there already");

    folder.write("templates/slack/text.txt", "{{ title }}\n{{ titel }}\n");
    let faulty =
        folder.run(&["check"]).ended(1).complains("destinations.slack.templates.text: templates/slack/text.txt line 2");
    faulty.complains("names 'titel', which does not exist; did you mean 'title'?");
}

fn on_call(pager: &StandIn<pagerduty::PagerDuty>, templates: &str) -> String {
    let (url, key) = (pager.base_url(), pagerduty::ROUTING_KEY);
    format!(
        "{SCANNER}[destinations.oncall]\ntype = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = {{ value = \"{key}\" }}\n{templates}\n\
         [[routes]]\nname = \"page\"\nto = [\"oncall\"]\n"
    )
}

const TOKEN: &str = "scanner-shows-this-token-of-32-b";

const SCANNER: &str = r#"
[sources.scanner]
vendor = "generic"
secrets = [{ value = "scanner-shows-this-token-of-32-b" }]
verify = { scheme = "token" }
"#;

/// The first field asks for a link that only some events have.
const TEMPLATES: &str = r#"
[destinations.oncall.templates]
title = "{% if 'boom' in title %}{{ links[9].url }}{% endif %}[prod] {{ title }} {{ number }}"
fields = { "team" = "web", "seen" = "{{ when }}" }
"#;

#[test]
fn templates_make_the_words_and_one_that_fails_leaves_them_to_gatepost() {
    let pager = block_on(pagerduty::start()).unwrap();
    pager.limit_rate(Rate::UNLIMITED);
    let gateway = Gateway::start(&on_call(&pager, TEMPLATES));
    let pages = || pager.requests().iter().filter_map(|request| request.json()).collect::<Vec<Value>>();
    for (number, title) in [(1, "probing"), (2, "boom one"), (3, "boom two")] {
        let body = format!(r#"{{"id":"{number}","title":"{title}","rule":"r{number}","severity":"high"}}"#);
        gateway.post_bearer("scanner", TOKEN, body.as_bytes()).accepted();
        gateway.dispatched();
        until("it is paged", || (pages().len() == number).then_some(()));
    }
    let pages = pages();
    let summaries: Vec<&str> = pages.iter().map(|page| page["payload"]["summary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["[prod] probing #1", "HIGH · boom one · #2", "HIGH · boom two · #3"]);
    let details = pages[1]["payload"]["custom_details"].as_object().unwrap();
    let names: Vec<&str> = details.keys().map(String::as_str).collect();
    assert_eq!(names, ["event_id", "in gatepost", "seen", "team"], "what did not fail is as the operator wants it");
    let metrics = Post::get("/metrics").send(gateway.admin).text().to_owned();
    assert!(metrics.contains("gatepost_template_failures_total{destination=\"oncall\"} 2"), "{metrics}");
    let log = gateway.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("a template failed")).collect();
    assert!(lines.len() == 1 && lines[0].contains("\"template\":\"title\""), "once, and not each time: {lines:?}");

    gateway.configure(&on_call(&pager, "templates = { title = \"[new] {{ title }}\" }"));
    gateway.signal("HUP");
    until("it is reloaded", || gateway.log().contains("has been reloaded").then_some(()));
    gateway.post_bearer("scanner", TOKEN, br#"{"id":"4","title":"boom","rule":"r4","severity":"high"}"#).accepted();
    let is_new = |page: &Value| page["payload"]["summary"] == "[new] boom";
    until("it is paged in the new words", || {
        pager.requests().iter().filter_map(|request| request.json()).any(|page| is_new(&page)).then_some(())
    });
}

#[test]
fn a_probe_uses_the_templates_and_says_which_failed() {
    let pager = block_on(pagerduty::start()).unwrap();
    let templates =
        "templates = { title = \"{% if is_test %}{{ links[9].url }}{% endif %}x\", fields = { \"team\" = \"web\" } }";
    let folder = configured(&on_call(&pager, templates));
    let ran = folder.run(&["probe", "oncall"]).done();
    ran.prints("template title: line 1: asks for what is not there").prints("oncall has taken the test event");
    let page = pager.requests()[0].json().unwrap();
    assert!(page["payload"]["summary"].as_str().unwrap().starts_with("TEST · "), "{page}");
    let details = &page["payload"]["custom_details"];
    assert_eq!((&details["team"], &details["test"]), (&"web".into(), &"true".into()));
}
