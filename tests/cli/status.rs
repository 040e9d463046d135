//! `gatepost status`: how everything is doing, on one screen.

use gatepost::standins::{Fault, Rate, pagerduty};

use crate::harness::{Gateway, until};
use crate::pty::Terminal;
use crate::{ADRIAN, AKTO, ARCHIVE, block_on, config, sources_by_event};

/// What the command shows on a terminal of 80 columns and 24 lines, without colours.
fn screen(gateway: &Gateway) -> String {
    let terminal = Terminal::open();
    let mut command = gateway.folder.command(&["status"]);
    let mut child = command.env("NO_COLOR", "1").stdout(terminal.output()).spawn().unwrap();
    until("the command ends", || child.try_wait().unwrap());
    terminal.shows("DESTINATION");
    std::thread::sleep(std::time::Duration::from_millis(50));
    terminal.shown()
}

#[test]
fn sources_destinations_queue_dead_letters_and_disk_are_on_one_screen() {
    let pager = block_on(pagerduty::start()).unwrap();
    pager.limit_rate(Rate::UNLIMITED);
    pager.always(Some(Fault::Status(413)));
    let (url, key) = (pager.base_url(), pagerduty::ROUTING_KEY);
    let oncall = format!(
        "[destinations.oncall]\ntype = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = {{ value = \"{key}\" }}\n\
         [destinations.broken]\ntype = \"file\"\npath = \"absent/x.ndjson\"\n\
         [[routes]]\nname = \"page\"\nto = [\"oncall\", \"broken\"]\n"
    );
    let mut gateway = Gateway::start(&format!("{}{ARCHIVE}{oncall}", sources_by_event()));
    for n in 0..3 {
        let body = format!(r#"{{"id":"evt_{n}","type":"agent.error"}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
        // Events that come together are one batch.
        gateway.dispatched();
        until("it is written", || {
            let written = gateway.list("deliveries", &["--destination", "archive", "--state", "delivered"]);
            (written.len() > n).then_some(())
        });
    }
    until("all is told or dead, but what cannot be written", || {
        let count = |state: &str| gateway.list("deliveries", &["--state", state]).len();
        (count("dead") == 3 && count("delivered") == 3).then_some(())
    });
    let report = gateway.run(&["status", "--json"]).done().json();
    assert_eq!((&report["serve"]["status"], &report["receipts_unread"]), (&"ready".into(), &0.into()));
    assert!(report["store"]["bytes"].as_u64() > Some(0) && report["store"]["free_bytes"].as_u64() > Some(0));
    let source =
        |name: &str| report["sources"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!((&source("adrian")["requests_24h"], &source("akto")["requests_24h"]), (&3.into(), &0.into()));
    assert!(source("adrian")["last_request"].is_string() && source("akto")["last_request"].is_null());
    let destinations = report["destinations"].as_array().unwrap();
    let names: Vec<&str> = destinations.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[2]), (3, "archive"), "what is in trouble comes first: {names:?}");
    let one = |name: &str| destinations.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!((&one("oncall")["dead"], &one("archive")["dead"]), (&3.into(), &0.into()));
    assert!(one("oncall")["reason"].as_str().unwrap().contains("413"), "{report}");
    assert!(one("archive")["last_delivered"].is_string());
    let open = one("broken")["waiting"].as_u64().unwrap() + one("broken")["leased"].as_u64().unwrap();
    assert_eq!(open, 3);
    assert!(one("broken")["oldest_waiting"].is_string() || one("broken")["leased"] != 0, "{report}");

    let screen_now = screen(&gateway);
    assert!(screen_now.lines().count() <= 23, "{screen_now}");
    assert!(screen_now.lines().all(|line| line.chars().count() <= 80), "{screen_now}");
    for text in [
        "ready, admin ",
        "3 dead letters",
        " free",
        "adrian",
        "secureagentics",
        "oncall",
        "pagerduty",
        "none lately",
        "LAST TOLD",
    ] {
        assert!(screen_now.contains(text), "{text} is not shown\n{screen_now}");
    }
    gateway.stop();
    let report = gateway.run(&["status", "--json"]).done().json();
    assert_eq!(report["serve"]["status"], "unreachable");
    gateway.run(&["status"]).done().prints("no answer at ").prints("oncall");
}

#[test]
fn many_sources_and_destinations_still_fit_and_a_pipe_gets_all() {
    let mut text = config();
    for n in 0..30 {
        text.push_str(&format!("[sources.s{n}]\nvendor = \"akto\"\nsecrets = [{{ value = \"{AKTO}\" }}]\n"));
        text.push_str(&format!("[destinations.d{n}]\ntype = \"file\"\npath = \"d{n}.ndjson\"\n"));
    }
    let gateway = Gateway::start(&text);
    let screen = screen(&gateway);
    assert!(screen.lines().count() <= 23 && screen.contains("more sources: gatepost status --json"), "{screen}");
    assert!(screen.contains("more destinations"), "{screen}");
    let piped = gateway.run(&["status"]).done();
    assert!(
        (0..30).all(|n| piped.stdout.contains(&format!("\ns{n} ")) && piped.stdout.contains(&format!("\nd{n} "))),
        "{piped}"
    );
}
