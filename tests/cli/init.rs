//! `gatepost init`: what it writes passes `check`, and what it prints can be followed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness;
use crate::harness::Folder;

/// The names of every kind of destination, as lists show them.
fn kinds() -> String {
    gatepost::destinations::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_it_writes_is_sound_private_and_not_overwritten() {
    let folder = Folder::new();
    let ran = folder.run(&["init"]).done().prints("gatepost.toml is written").prints("gatepost check");
    for vendor in ["secureagentics", "akto"] {
        let secret = folder.read(&format!("secrets/{vendor}"));
        assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{vendor}");
        assert_eq!(mode(&folder.path().join("secrets").join(vendor)), 0o600);
        assert!(ran.stdout.contains(&secret), "what to paste at {vendor} is not said");
        assert!(ran.stdout.contains(&format!("https://YOUR-HOST/webhooks/{vendor}")));
        assert!(!folder.read("gatepost.toml").contains(&secret));
    }
    folder.run(&["check"]).done().prints("2 sources, 1 route, 1 destination");

    let before = folder.read("gatepost.toml") + &folder.read("secrets/akto");
    folder.run(&["init", "--vendor", "akto"]).ended(1).complains("exists already; --force overwrites it");
    assert_eq!(folder.read("gatepost.toml") + &folder.read("secrets/akto"), before);
    let secret = folder.read("secrets/akto");
    folder.run(&["init", "--vendor", "akto", "--force"]).done().prints(&secret);
    assert_eq!(folder.read("secrets/akto"), secret, "a secret that a vendor may know is kept");
    folder.run(&["check"]).done().prints("1 source, 1 route, 1 destination");
}

#[test]
fn every_vendor_and_destination_can_be_asked_for() {
    let folder = Folder::new();
    let destinations = ["slack", "jira", "pagerduty", "file"];
    let mut arguments = vec!["init", "--vendor", "akto", "--vendor", "akto"];
    destinations.iter().for_each(|destination| arguments.extend(["--destination", destination]));
    folder.run(&arguments).done();
    folder.run(&["check"]).ended(1).complains("3 faults").complains("SLACK_WEBHOOK_URL is not set");
    let mut check = folder.command(&["check"]);
    check.env("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x").env("JIRA_API_TOKEN", "token");
    check.env("PAGERDUTY_ROUTING_KEY", "0".repeat(32));
    harness::run(check).done().prints("1 source, 2 routes, 4 destinations");
}

#[test]
fn what_it_does_not_know_is_wrong_usage() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "--vendor", "okta"]).ended(2);
    ran.complains("'okta' is not a vendor; vendors: akto, generic, secureagentics");
    let ran = folder.run(&["init", "--destination", "fax"]).ended(2);
    ran.complains(&format!("'fax' is not a destination; destinations: {}", kinds()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was written all the same");
}

#[test]
fn it_writes_where_the_configuration_is_said_to_be() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    let mut init = folder.command(&["init"]);
    init.env("GATEPOST_CONFIG", "etc/gate.toml");
    harness::run(init).done();
    assert!(folder.path().join("etc/secrets/akto").is_file());
    let elsewhere = Folder::new();
    let path = folder.path().join("etc/gate.toml");
    elsewhere.run(&["check", "-c", path.to_str().unwrap()]).done();
}

#[test]
fn a_generic_source_is_sound_as_written_and_with_each_choice() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "--vendor", "generic"]).done();
    assert!(!ran.stdout.contains("export"), "{ran}");
    folder.run(&["check"]).done().prints("1 source, 1 route, 1 destination");
    let text = folder.read("gatepost.toml");
    let is_choice = |line: &&str| line.trim_start_matches("# ").starts_with("verify = ");
    let active = text.lines().find(|line| line.starts_with("verify = ")).unwrap();
    let choices: Vec<&str> = text.lines().filter(is_choice).collect();
    assert_eq!(choices.len(), 3, "{text}");
    for choice in choices {
        let chosen = text.replace(active, "").replace(choice, choice.trim_start_matches("# "));
        folder.write("gatepost.toml", if choice == active { text.clone() } else { chosen });
        let ran = folder.run(&["check"]).done();
        assert_eq!(ran.stderr, "", "{choice}");
    }
}

#[test]
fn what_must_be_exported_is_listed_and_then_check_passes() {
    let folder = Folder::new();
    let mut arguments = vec!["init"];
    ["slack", "jira", "pagerduty", "file"].iter().for_each(|kind| arguments.extend(["--destination", kind]));
    let ran = folder.run(&arguments).done();
    let exported: Vec<&str> = ran.stdout.lines().filter_map(|line| line.trim().strip_prefix("export ")).collect();
    let settings =
        ["destinations.jira.api_token", "destinations.pagerduty.routing_key", "destinations.slack.webhook_url"];
    for setting in settings {
        assert!(exported.iter().any(|line| line.ends_with(&format!("# {setting}"))), "{setting}: {exported:?}");
    }
    let mut check = folder.command(&["check"]);
    for line in &exported[..] {
        let Some((name, _)) = line.split_once('=') else { continue };
        let value = match name {
            "SLACK_WEBHOOK_URL" => "https://hooks.slack.com/services/T/B/x",
            _ => "0123456789abcdef0123456789abcdef",
        };
        check.env(name, value);
    }
    harness::run(check).done();
}

#[test]
fn help_lists_what_there_is_to_choose_from_with_examples() {
    let folder = Folder::new();
    let help = |arguments: &[&str]| folder.run(&[arguments, &["--help"]].concat()).done().prints("Examples:");
    let ran = help(&[]).prints("akto             documented, ").prints("secureagentics   alert.triggered, ");
    // The list is longer than a line.
    let on_one_line = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(on_one_line.contains(&kinds()), "{on_one_line}");
    ran.prints("gatepost init --vendor akto --destination slack");
    let ran = help(&["init"]).prints("akto             Akto").prints("pagerduty        PagerDuty");
    ran.prints("gatepost init --vendor generic");
    let ran = help(&["send"]).prints("akto             documented, ").prints("export");
    ran.prints("alert.triggered, policy.violated").prints("gatepost send adrian");
    for command in [&["receipts", "list"][..], &["events", "list"], &["deliveries", "list"], &["explain"], &["tail"]] {
        help(command);
    }
}

#[test]
fn what_must_be_edited_is_listed_and_check_warns_until_it_is() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "-c", "sub/x.toml", "--destination", "jira"]).done();
    let ran = ran.prints("next: gatepost check -c sub/x.toml, then gatepost serve -c sub/x.toml, then ");
    let ran = ran.prints("edit what stands in sub/x.toml as an example:");
    let settings = [
        "destinations.jira.url = \"https://example.atlassian.net\"",
        "destinations.jira.email = \"soc-bot@example.com\"",
        "destinations.jira.project = \"SEC\"",
    ];
    let edited: Vec<&str> = ran.stdout.lines().map(str::trim).filter(|line| settings.contains(line)).collect();
    assert_eq!(edited, settings);
    let check = || {
        let mut check = folder.command(&["check", "-c", "sub/x.toml"]);
        check.env("JIRA_API_TOKEN", "token");
        harness::run(check).done().prints("is sound")
    };
    let ran = check().complains("warning: line ").complains("destinations.jira.url: still has the host of the example");
    ran.complains("destinations.jira.email: still has the address of the example");
    let text =
        folder.read("sub/x.toml").replace("example.atlassian", "acme.atlassian").replace("example.com", "acme.io");
    folder.write("sub/x.toml", text);
    assert_eq!(check().stderr, "");
    let file = Folder::new().run(&["init"]).done();
    assert!(!file.stdout.contains("as an example"), "{file}");
}

#[test]
fn people_are_told_of_what_is_urgent_and_sinks_get_everything() {
    let folder = Folder::new();
    folder.run(&["init", "--destination", "slack", "--destination", "webhook", "--destination", "file"]).done();
    let text = folder.read("gatepost.toml");
    let (_, routes) = text.split_once("[[routes]]").unwrap();
    let lists: Vec<&str> = routes.lines().filter(|line| line.starts_with("to = ")).collect();
    assert_eq!(lists, ["to = [\"slack\"]", "to = [\"webhook\", \"file\"]"]);
}
