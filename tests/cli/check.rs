//! `gatepost check`: every fault at once, each with its line.

use crate::{ADRIAN, config, configured};

#[test]
fn all_faults_are_told_at_once_each_with_its_line() {
    let text = r#"[server]
listen = "nowhere"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ env = "GATEPOST_TEST_UNSET" }]
body_limt = "1MiB"
[destinations.archive]
type = "file"
path = "events.ndjson"
format = "xml"
[[routes]]
name = "everything"
when = 'event.sevrity >= high'
to = ["archive"]
"#;
    let ran = configured(text).run(&["check"]).ended(1);
    assert_eq!(ran.stdout, "");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let expected = [
        "gatepost: gatepost.toml has 5 faults",
        "gatepost.toml: error: line 2: server.listen: 'nowhere' is not an address; write an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080",
        "gatepost.toml: error: line 5: sources.adrian.secrets: the environment variable GATEPOST_TEST_UNSET is not set; set GATEPOST_TEST_UNSET where gatepost is started",
        "gatepost.toml: error: line 6: sources.adrian.body_limt: is not a known key; did you mean 'body_limit'?",
        "gatepost.toml: error: line 10: destinations.archive.format: 'xml' is not known; one of: event, ocsf",
        "gatepost.toml: error: line 13: routes[0].when: names 'event.sevrity', which does not exist; did you mean 'severity'?",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn unknown_keys_name_the_nearest_wherever_they_stand() {
    let folder = configured(&config());
    for (place, typed, near) in [
        ("", "[sever]", "server"),
        ("[server]", "lisen = \"x\"", "listen"),
        ("[sources.adrian]", "ratelimit = \"1/s\"", "rate_limit"),
        ("[destinations.archive]", "fromat = \"ocsf\"", "format"),
        ("[[routes]]", "whem = \"true\"", "when"),
    ] {
        let text = format!("[server]\n{}", config());
        folder.write("gatepost.toml", text.replacen(place, &format!("{place}\n{typed}\n"), 1));
        let ran = folder.run(&["check"]).ended(1).complains("is not a known key");
        ran.complains(&format!("did you mean '{near}'?"));
    }
}

#[test]
fn warnings_are_told_and_are_no_fault() {
    let ran = configured(&config()).run(&["check"]).done().prints("gatepost.toml is sound");
    let ran = ran.complains("warning: line 4: sources.adrian.secrets: a secret stands in the file");
    assert!(!(ran.stderr + &ran.stdout).contains(ADRIAN));
}

#[test]
fn text_that_is_no_toml_is_a_fault_with_a_line() {
    let ran = configured("[server\nlisten = \"x\"\n").run(&["check"]).ended(1);
    ran.complains("gatepost.toml: error: line 1: not valid TOML");
}
