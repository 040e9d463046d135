//! `gatepost init`: what it writes passes `check`, and what it prints can be followed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness;
use crate::harness::Folder;

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

    let other = Folder::new();
    other.run(&["init", "--vendor", "generic", "--destination", "file"]).done();
    let ran = other.run(&["check"]).ended(1).complains("1 fault\n");
    ran.complains("sources.generic.verify: is missing: this vendor has no scheme of its own");
}

#[test]
fn what_it_does_not_know_is_wrong_usage() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "--vendor", "okta"]).ended(2);
    ran.complains("'okta' is not a vendor; vendors: akto, generic, secureagentics");
    let ran = folder.run(&["init", "--destination", "fax"]).ended(2);
    ran.complains("'fax' is not a destination; destinations: file, jira, pagerduty, slack");
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
