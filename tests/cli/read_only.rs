//! What all commands that read the store have in common: no secret, no lock, no write; ids and names.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use crate::harness::{self, Folder, Gateway};
use crate::pty::Terminal;
use crate::{ADRIAN, AKTO, ARCHIVE, SOURCES, config};

/// Two events of one receipt, one of another.
fn filled() -> (Gateway, [String; 2]) {
    let gateway = Gateway::start(&config());
    let one = gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
    // Ids that are made within a millisecond differ only at their end.
    gateway.settle();
    let two = br#"[{"id":"1","filterId":"XSS","url":"/a"},{"id":"2","filterId":"XSS","url":"/b","severity":"LOW"}]"#;
    let two = gateway.post_bearer("akto", AKTO, two).accepted();
    gateway.settle();
    (gateway, [one, two])
}

#[test]
fn no_secret_and_no_sound_setting_is_needed_to_read() {
    let (gateway, [receipt, _]) = filled();
    let text = r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ env = "GATEPOST_TEST_UNSET" }, { file = "absent" }]

[destinations.archive]
type = "slack"
webhook_url = { env = "SLACK_WEBHOOK_URL" }
chanel = "unknown keys are not checked here"

[[routes]]
name = "everything"
to = ["archive"]
"#;
    gateway.configure(text);
    gateway.run(&["check"]).ended(1).complains("GATEPOST_TEST_UNSET is not set");
    let id = |what: &str| gateway.list(what, &[])[0]["id"].as_str().unwrap().to_owned();
    let (event, delivery) = (id("events"), id("deliveries"));
    for arguments in [
        &["receipts", "list"][..],
        &["events", "list", "--source", "akto"],
        &["deliveries", "list"],
        &["receipts", "show", &receipt],
        &["events", "show", &event],
        &["deliveries", "show", &delivery],
        &["explain", &event],
        &["replay", "--dead", "--dry-run"],
        &["backup", "copy.db"],
    ] {
        let ran = gateway.run(arguments).done();
        assert_eq!(ran.stderr, "", "{ran}");
    }
}

#[test]
fn reading_waits_for_no_writer_and_changes_nothing() {
    let (mut gateway, [receipt, _]) = filled();
    let path = gateway.folder.path().join("gatepost.db");
    let commands: [&[&str]; 4] =
        [&["receipts", "list"], &["events", "list"], &["deliveries", "list"], &["receipts", "show", &receipt]];
    let writer = rusqlite::Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE pulse SET at = at").unwrap();
    let start = Instant::now();
    for arguments in commands {
        gateway.run(arguments).done();
    }
    assert!(start.elapsed().as_millis() < 1_900, "a command waited for the writer: {:?}", start.elapsed());
    writer.execute_batch("ROLLBACK").unwrap();
    drop(writer);

    gateway.stop();
    // An older schema, as far as the file says.
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 0").unwrap();
    let before = std::fs::read(&path).unwrap();
    for arguments in commands {
        gateway.run(arguments).ended(1).complains("was written by an older gatepost");
    }
    assert!(before == std::fs::read(&path).unwrap(), "reading has migrated the store");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    gateway.run(&["events", "list"]).ended(1).complains("was written by a newer gatepost");
    std::fs::remove_file(&path).unwrap();
    gateway.run(&["events", "list"]).ended(1).complains("there is no store at gatepost.db yet");
    assert!(!path.exists(), "reading has created a store");
}

#[test]
fn ids_are_understood_by_their_beginning_and_of_any_kind() {
    let (gateway, [one, two]) = filled();
    let deliveries = gateway.list("deliveries", &[]);
    // Newest first: the batch of the second receipt, which yielded two events, and the only event of the first.
    assert_eq!((deliveries.len(), &deliveries[0]["events"]), (2, &2.into()));
    let delivery = deliveries[0]["id"].as_str().unwrap();
    let (first_delivery, first_event) =
        (deliveries[1]["id"].as_str().unwrap(), deliveries[1]["event"].as_str().unwrap());
    let of_batch = gateway.list("events", &["--delivery", delivery]);
    let event = of_batch[0]["id"].as_str().unwrap();
    assert_eq!(of_batch.len(), 2);
    gateway.run(&["deliveries", "show", delivery]).done().prints("a batch of 2 events").prints(" and 1 more");
    let shows = |arguments: &[&str], text: &str| gateway.run(arguments).done().prints(text);

    let upper = first_event.to_uppercase();
    let bare = first_event.replace('-', "");
    for id in [first_event, &first_event[..35], &upper, &bare] {
        shows(&["events", "show", id], first_event);
    }
    for id in [one.as_str(), first_event, first_delivery] {
        shows(&["receipts", "show", id], &format!("receipt {one}"));
        shows(&["events", "show", id], first_event);
        shows(&["deliveries", "show", id], &format!("delivery {first_delivery}"));
        shows(&["explain", id], first_event);
        shows(&["replay", "--receipt", id, "--dry-run"], &one);
        shows(&["replay", "--delivery", id, "--dry-run"], first_delivery);
        assert_eq!(gateway.list("events", &["--receipt", id]).len(), 1);
        assert_eq!(gateway.list("deliveries", &["--event", id]).len(), 1);
    }
    shows(&["receipts", "show", delivery], &format!("receipt {two}")).complains(&format!("leads to receipt {two}"));
    // A receipt with two events, and the beginning that all ids of this year have.
    let several = gateway.run(&["events", "show", &two]).ended(1).complains("may mean one of several");
    several.complains(event).complains("medium").complains("low");
    shows(&["deliveries", "show", &two], &format!("delivery {delivery}"));
    gateway.run(&["events", "show", delivery]).ended(1).complains("may mean one of several").complains(event);
    let several = gateway.run(&["receipts", "show", &one[..4]]).ended(1).complains("may mean one of several");
    several.complains(&one).complains(&two);
    let absent = "0190b6a0-0000";
    gateway.run(&["events", "show", absent]).ended(1).complains("no event whose id begins with 0190b6a0-0000 in the");
    gateway.run(&["events", "show", "019"]).ended(2).complains("its first 4 or more will do");
    gateway.run(&["events", "show", "evt_1234"]).ended(2);
}

#[test]
fn a_name_that_neither_the_configuration_nor_the_store_knows_is_an_error() {
    let (gateway, _) = filled();
    for (arguments, near, all) in [
        (&["receipts", "list", "--source", "adrain"][..], "'adrian'", "sources: adrian, akto"),
        (&["events", "list", "--json", "--source", "Akto"], "'akto'", "sources: adrian, akto"),
        (&["deliveries", "list", "--destination", "archiv"], "'archive'", "destinations: archive"),
        (&["replay", "--dead", "--destination", "archives"], "'archive'", "destinations: archive"),
    ] {
        let ran = gateway.run(arguments).ended(1).complains(&format!("did you mean {near}?")).complains(all);
        assert_eq!(ran.stdout, "");
    }
    // What is no longer configured can still be looked for.
    gateway.configure(&(SOURCES.replace("akto]", "other]") + &ARCHIVE.replace("archive", "second")));
    assert_eq!(gateway.list("receipts", &["--source", "akto"]).len(), 1);
    assert_eq!(gateway.list("deliveries", &["--destination", "archive"]).len(), 2);
    assert!(gateway.list("deliveries", &["--destination", "second"]).is_empty());
}

#[test]
fn a_terminal_gets_colours_and_a_pipe_gets_none() {
    let (gateway, _) = filled();
    let plain = gateway.run(&["events", "list"]).done();
    assert!(!plain.stdout.contains('\u{1b}'), "{plain}");
    let on_terminal = |variable: Option<(&str, &str)>| {
        let terminal = Terminal::open();
        let mut command = gateway.folder.command(&["events", "list"]);
        command.env_remove("NO_COLOR").env("TERM", "xterm");
        variable.map(|(name, value)| command.env(name, value));
        let mut child = command.stdout(terminal.output()).spawn().unwrap();
        harness::until("the command ends", || child.try_wait().unwrap());
        terminal.shows("Agent error")
    };
    let coloured = on_terminal(None);
    assert!(coloured.contains("\u{1b}[1mSEVERITY\u{1b}[0m") && coloured.contains("\u{1b}[33mmedium"), "{coloured:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(Some((name, value)));
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        assert!(plain.lines().all(|line| line.chars().count() <= 80), "no line is broken: {plain}");
    }
}

#[test]
fn a_slip_in_the_file_blinds_no_command_that_reads() {
    let (gateway, [receipt, _]) = filled();
    let event = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    for slip in ["oops = = 1\n", "oops = \"\n", "[sources\n"] {
        for text in
            [format!("{}{slip}", config()), config().replacen("[destinations", &format!("{slip}[destinations"), 1)]
        {
            gateway.configure(&text);
            for arguments in [
                &["receipts", "list"][..],
                &["events", "list", "--source", "akto"],
                &["events", "show", &event],
                &["receipts", "show", &receipt],
                &["explain", &event],
                &["status"],
            ] {
                let ran = gateway.run(arguments).done();
                let ran = ran.complains("gatepost.toml: warning: line ").complains("not valid TOML");
                let ran = ran.complains("serve` that runs keeps the settings that it has read");
                assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
            }
            gateway.run(&["status"]).done().prints("ready, admin ");
            gateway.run(&["backup", "copy.db"]).done().complains("not valid TOML");
            std::fs::remove_file(gateway.folder.path().join("copy.db")).unwrap();
            gateway.run(&["replay", "--dead"]).ended(1).complains("not valid TOML");
            gateway.run(&["check"]).ended(1).complains("error: line ");
        }
    }
    // Routes that are not read whole are not explained.
    gateway.configure(&format!("oops = = 1\n{}", config()));
    gateway.run(&["explain", &event]).done().prints("  its routes are not explained before the fault is mended");
    gateway.run(&["explain", &event, "--json"]).ended(1).complains("not valid TOML");
}

#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let folder = Folder::new();
    folder.write("gatepost.toml", config());
    let store = folder.write("gatepost.db", "this is no database at all, however long it may be");
    for command in [&["status"][..], &["events", "list"], &["serve"], &["backup", "copy.db"]] {
        let ran = folder.run(command).ended(1).complains("gatepost.db cannot be opened; it is no database");
        ran.complains("give store.url another name");
    }
    std::fs::remove_file(&store).unwrap();
    let (mut gateway, _) = filled();
    gateway.stop();
    let store = gateway.folder.path().join("gatepost.db");
    std::fs::set_permissions(gateway.folder.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&store, Permissions::from_mode(0o000)).unwrap();
    let is_root = std::fs::File::open(&store).is_ok();
    let binary = gateway.folder.path().join("bin");
    // Not by this process: another thread may start a process meanwhile, which inherits the file that is written, and a
    // program that is open to be written cannot be run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_gatepost")).arg(&binary).status().unwrap();
    assert!(copied.success());
    let owner = std::fs::metadata(&store).unwrap().uid();
    for arguments in [&["status"][..], &["events", "list"], &["serve"], &["backup", "copy.db"]] {
        let mut command = Command::new(&binary);
        command.args(arguments).current_dir(gateway.folder.path());
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        let ran = harness::run(command).ended(1).complains("gatepost.db cannot be opened; permission is denied: ");
        let ran = ran.complains(&format!("belongs to user {owner}"));
        ran.complains("run the command as that user");
    }
}
