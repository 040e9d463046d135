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
