//! What all commands share: exit codes, and what a wrong call is answered with.

use crate::config;
use crate::harness;
use crate::harness::Folder;

#[test]
fn exit_codes_tell_wrong_usage_from_failure() {
    let folder = Folder::new();
    folder.run(&["--help"]).ended(0).prints("Usage:");
    folder.run(&["--version"]).ended(0).prints(&format!("gatepost {}", env!("CARGO_PKG_VERSION")));
    for wrong in [
        &[][..],
        &["frobnicate"],
        &["check", "--frobnicate"],
        &["receipts"],
        &["receipts", "show"],
        &["receipts", "show", "no-uuid"],
        &["events", "list", "--limit", "0"],
        &["events", "list", "--limit", "many"],
        &["events", "list", "--severity", "purple"],
        &["events", "list", "--since", "yesterday"],
        &["deliveries", "list", "--state", "lost"],
        &["explain"],
        &["explain", "--file", "x"],
        &["replay"],
        &["replay", "--dry-run"],
        &["replay", "--dead", "--delivery", "0190b6a0-0000-7000-a000-000000000001"],
        &["replay", "--receipt", "0190b6a0-0000-7000-a000-000000000001", "--destination", "x"],
        &["send"],
        &["send", "adrian", "--count", "0"],
        &["send", "adrian", "--sample", "x", "--file", "y"],
        &["send", "adrian", "--url", "no url"],
        &["verify", "adrian"],
        &["schema", "universe"],
        &["completions", "cmd"],
        &["--log-format", "xml", "check"],
    ] {
        let ran = folder.run(wrong).ended(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran}");
    }
    // Without a configuration nothing works that needs one, and all say the same.
    for command in [&["serve"][..], &["check"], &["receipts", "list"], &["send", "x"], &["backup", "x.db"]] {
        let ran = folder.run(command).ended(1).complains("there is no configuration at gatepost.toml");
        let ran = ran.complains("`gatepost init` writes one").complains("`gatepost demo` shows what it is for");
        assert_eq!(ran.stdout, "");
    }
    folder.write("gatepost.toml", config());
    folder.run(&["events", "list"]).ended(1).complains("there is no store at gatepost.db yet");
    let mut filtered = folder.command(&["check"]);
    filtered.env("GATEPOST_LOG", "no=such=filter");
    harness::run(filtered).ended(1).complains("GATEPOST_LOG is not a log filter");
}

#[test]
fn wrong_usage_is_answered_with_what_is_wanted() {
    let folder = Folder::new();
    let cursor = "write the number that the page before ended with";
    for (arguments, wanted) in [
        (&["events", "list", "--before", "01a1fbb3"][..], cursor),
        (&["receipts", "list", "--before", ""], cursor),
        (&["deliveries", "list", "--before", "12a"], cursor),
        (&["tail", "-n", "x"], "write a number from 0 to 10000"),
        (&["events", "list", "--limit", "99999999999"], "write a number from 1 to 10000"),
        (&["events", "list", "--limit", "0"], "write a number from 1 to 10000"),
        (&["send", "adrian", "--count", "1.5"], "write a number from 1 to 1000000"),
        (&["explain"], "gatepost explain [OPTIONS] --file <BODY> --source <SOURCE>"),
        (&["explain", "--file", "x"], "gatepost explain [OPTIONS] <EVENT>"),
        (&["explain", "01a1fbb3", "--source", "akto"], "leave --source out"),
    ] {
        let ran = folder.run(arguments).ended(2).complains(wanted);
        assert!(!ran.stderr.contains("invalid digit"), "{ran}");
    }
}

#[test]
fn a_message_that_cannot_be_written_is_lost_and_the_exit_code_is_not() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [(&["frobnicate"][..], 2), (&["check", "-c", "absent.toml"], 1)] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let ended = command.args(arguments).stderr(full()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}
