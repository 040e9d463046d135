//! `gatepost demo`: all places are shown, and nothing is left behind.

use crate::commands_in;
use crate::harness;
use crate::harness::Folder;

#[test]
fn the_demo_shows_all_places_and_leaves_nothing() {
    let folder = Folder::new();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut demo = folder.command(&["demo", "--once"]);
    demo.env("TMPDIR", &temporary);
    let ran = harness::run(demo).done();
    for place in ["PagerDuty", "Slack", "Jira", "The archive"] {
        assert!(ran.stdout.contains(&format!("── {place}")), "{place} is not shown\n{ran}");
    }
    let ran = ran.prints("Rate limit exceeded: 150 prompts/min").prints("\"status\":\"accepted\"");
    let ran = ran.prints("\"status\":\"duplicate\"").prints("signature-mismatch");
    assert_eq!((commands_in(&ran.stdout), ran.stderr.as_str()), (vec![], ""), "{ran}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "the demo leaves its folder behind");
}

#[test]
fn destinations_that_are_asked_for_are_shown_as_well() {
    let folder = Folder::new();
    let ran = harness::run(folder.command(&["demo", "--once", "--with", "teams,discord,teams"])).done();
    for place in ["PagerDuty", "Slack", "Jira", "Discord", "Teams", "The archive"] {
        assert!(ran.stdout.contains(&format!("── {place}")), "{place} is not shown\n{ran}");
    }
    assert!(!ran.stdout.contains("── Mattermost"), "{ran}");
    let ran = folder.run(&["demo", "--once", "--with", "fax"]).ended(2);
    ran.complains("possible values: discord, elasticsearch, email, mattermost, opsgenie, servicenow, splunk, syslog");
}

#[test]
fn every_destination_that_can_be_asked_for_has_something_to_show() {
    let folder = Folder::new();
    let all = "elasticsearch,email,mattermost,opsgenie,servicenow,splunk,syslog,webhook";
    let ran = harness::run(folder.command(&["demo", "--once", "--with", all])).done();
    for (place, shown) in [
        ("Elasticsearch, a document an event", "Rate limit exceeded: 150 prompts/min"),
        ("Email, in a mailbox", "Rate limit exceeded: 150 prompts/min"),
        ("Mattermost, in a channel", "Rate limit exceeded: 150 prompts/min"),
        ("Opsgenie, on the phone of who is on call", "Rate limit exceeded: 150 prompts/min"),
        ("ServiceNow, as a ticket", "Rate limit exceeded: 150 prompts/min"),
        ("Splunk, every event", "Rate limit exceeded: 150 prompts/min"),
        ("Syslog, a message an event", "CEF:0|secureagentics|"),
        ("A receiver of webhooks, every event", "Rate limit exceeded: 150 prompts/min"),
    ] {
        let cards: Vec<&str> = ran.stdout.split(&format!("── {place} ──")).skip(1).collect();
        // Long lines are broken, also within words.
        let unbroken = |text: &str| text.split("\n\n").next().unwrap_or_default().replace(['│', '\n', ' '], "");
        assert!(cards.iter().any(|card| unbroken(card).contains(&unbroken(shown))), "{place}: {cards:#?}");
    }
    assert_eq!(ran.stdout.matches("── Splunk, every event").count(), 2, "its first events show its form\n{ran}");
}

#[test]
fn the_readme_shows_what_the_demo_prints() {
    let folder = Folder::new();
    let ran = harness::run(folder.command(&["demo", "--once"])).done();
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let excerpt = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut printed = ran.stdout.lines().map(without_times_and_ids);
    for line in excerpt.lines() {
        let (shown, is_cut) = line.split_once('…').map_or((line, false), |(shown, _)| (shown.trim_end(), true));
        let shown = without_times_and_ids(shown);
        let found = printed.any(|printed| if is_cut { printed.starts_with(&shown) } else { printed == shown });
        assert!(found, "README.md shows '{line}', which the demo does not print, or not there\n{ran}");
    }
}

/// A line without what differs from one run to the next: `21 Nov 2026 01:23:26 UTC`, and the id of a receipt.
fn without_times_and_ids(line: &str) -> String {
    let line = line.split_once("\"receipt\":").map_or(line, |(before, _)| before);
    let Some((before, after)) = line.split_once(" UTC") else { return line.to_owned() };
    let words: Vec<&str> = before.split(' ').collect();
    let is_whole_date = words.len() > 4 && words[words.len() - 2].parse::<u16>().is_ok();
    if !is_whole_date {
        return line.to_owned();
    }
    format!("{}{after}", words[..words.len().saturating_sub(4)].join(" "))
}
