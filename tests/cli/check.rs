//! `gatepost check`: every fault at once, each with its line.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::harness::{self, Gateway, hmac_hex};
use crate::{ADRIAN, AKTO, config, configured};

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
        "gatepost.toml: error: line 10: destinations.archive.format: 'xml' is not known; one of: event, ocsf, cloudevents, ecs",
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

#[test]
fn a_secret_file_that_every_user_can_read_is_a_warning_from_check_and_serve() {
    let text = config().replace("{ value = \"akto-shows-this-token-of-32-byte\" }", "{ file = \"akto\" }");
    let mut gateway = Gateway::start(&config());
    let file = gateway.folder.write("akto", format!("{AKTO}\n"));
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set_mode(gateway.folder.path(), 0o755);
    gateway.configure(&text);
    let said = "can read or change the secret file akto; chmod o-rwx akto";
    for (mode, warned) in [(0o644, true), (0o606, true), (0o640, false), (0o600, false)] {
        set_mode(&file, mode);
        assert_eq!(gateway.run(&["check"]).done().stderr.contains(said), warned, "{mode:o}");
    }
    set_mode(&file, 0o644);
    gateway.stop();
    assert!(!gateway.log().contains(said));
    gateway.serve_again();
    gateway.logs(said);
}

#[test]
fn a_line_break_at_the_end_of_a_secret_is_no_part_of_it_wherever_it_comes_from() {
    let from = |place: &str| {
        let folder = configured(&config().replace("{ value = \"adrian-signs-with-these-32-bytes\" }", place));
        folder.write("body.json", "{}");
        folder
    };
    let header = format!("X-Secureagentics-Signature: {}", hmac_hex(ADRIAN, b"{}"));
    let arguments = ["verify", "adrian", "--file", "body.json", "--header", &header];
    for end in ["\n", "\r\n"] {
        let folder = from("{ file = \"adrian\" }");
        folder.write("adrian", format!("{ADRIAN}{end}"));
        folder.run(&arguments).done();
        let folder = from("{ env = \"ADRIAN\" }");
        let with_line_break = |arguments: &[&str]| {
            let mut command = folder.command(arguments);
            command.env("ADRIAN", format!("{ADRIAN}{end}"));
            harness::run(command).done()
        };
        with_line_break(&arguments);
        let ran = with_line_break(&["check"]);
        ran.complains("the environment variable ADRIAN ends with a line break, which is left out; set it without one");
    }
    let folder = from("{ env = \"ADRIAN\" }");
    let mut command = folder.command(&["check"]);
    command.env("ADRIAN", format!(" {ADRIAN}"));
    harness::run(command).done().complains("the environment variable ADRIAN begins or ends with blanks");
}

#[test]
fn a_file_that_belongs_to_the_store_is_no_archive() {
    let folder = configured("");
    let path = |name: &str| folder.path().join(name);
    symlink("gatepost.db", path("link.ndjson")).unwrap();
    symlink(".", path("here")).unwrap();
    let whole = path("gatepost.db-wal").display().to_string();
    std::fs::create_dir(path("sub")).unwrap();
    // Before the store exists, and then.
    for _ in 0..2 {
        for (name, kept) in [
            ("gatepost.db", "gatepost.db"),
            ("./gatepost.db", "gatepost.db"),
            ("sub/../gatepost.db", "gatepost.db"),
            ("link.ndjson", "gatepost.db"),
            ("here/link.ndjson", "gatepost.db"),
            (whole.as_str(), "gatepost.db-wal"),
            ("gatepost.db-shm", "gatepost.db-shm"),
            ("gatepost.db.lock", "gatepost.db.lock"),
            ("gatepost.db.reserve", "gatepost.db.reserve"),
        ] {
            folder.write("gatepost.toml", config().replace("path = \"events.ndjson\"", &format!("path = \"{name}\"")));
            let ran = folder.run(&["check"]).ended(1).complains("destinations.archive.path: leads to ");
            ran.complains(&format!("{kept}, which belongs to the store; write to another file"));
        }
        folder.write("gatepost.toml", config().replace("path = \"events", "path = \"gatepost.db.events"));
        folder.run(&["check"]).done();
        folder.write("gatepost.db", "");
    }
}

#[test]
fn a_folder_that_does_not_exist_is_a_warning() {
    let absent = config().replace("events.ndjson", "absent/events.ndjson");
    let folder = configured(&format!("[store]\nurl = \"sqlite:data/gatepost.db\"\n{absent}"));
    let ran = folder.run(&["check"]).done();
    let ran = ran.complains("warning: line 2: store.url: lies in data, which does not exist; mkdir -p data");
    ran.complains("destinations.archive.path: lies in absent, which does not exist; mkdir -p absent");
    for name in ["data", "absent"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let ran = folder.run(&["check"]).done();
    assert!(!ran.stderr.contains("does not exist"), "{ran}");
    folder.write("gatepost.toml", config().replace("events.ndjson", "-"));
    let ran = folder.run(&["check"]).done();
    assert!(!ran.stderr.contains("does not exist"), "{ran}");
}
