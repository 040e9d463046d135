//! `gatepost completions`.

use crate::harness::Folder;

#[test]
fn completions_are_written_for_shells() {
    let folder = Folder::new();
    let bash = folder.run(&["completions", "bash"]).done().prints("_gatepost()").prints("complete ");
    for command in ["receipts", "completions", "--config", "--dry-run"] {
        assert!(bash.stdout.contains(command), "{command}");
    }
    for shell in ["zsh", "fish"] {
        folder.run(&["completions", shell]).done().prints("gatepost");
    }
}
