//! What happens to tests that cannot run here: they are counted, or fail where they must run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "harness/needs.rs"]
mod needs;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn the_last_line_of_a_test_binary_counts_what_was_skipped_and_why() {
    let skips = r"printf 'a\tno strace\nb\tno mount\nc\tno strace\na\tno strace\n' >>$GATEPOST_SKIPPED";
    for (script, line, code) in [
        (
            format!("{skips}; echo done; exit 101"),
            ["skipped: 3 (1: no mount; 2: no strace)", "skipped: 3 (2: no strace; 1: no mount)"],
            101,
        ),
        ("echo done".to_owned(), ["skipped: 0"; 2], 0),
    ] {
        let output = through_the_runner(&script, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(line.contains(&said.trim_end()), "{said}");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), b"done\n".as_slice()));
    }
    // Test runners read the list of tests.
    for arguments in [["--list", "--format=terse"], ["--bench", "intake"]] {
        assert!(through_the_runner("exit 0", &arguments).stderr.is_empty());
    }
}

#[test]
fn cargo_starts_test_binaries_through_the_runner() {
    let list = std::env::var_os("GATEPOST_SKIPPED");
    assert!(list.is_some_and(|list| Path::new(&list).exists()), "no runner; are you running the binary itself?");
}

#[test]
fn what_is_required_cannot_be_skipped() {
    assert!(needs::is_required("strace,faketime", "faketime") && needs::is_required("shared, strace", "strace"));
    assert!(!needs::is_required("", "strace") && !needs::is_required("strace,faketime", "mount"));
}

/// A smoke run of which nothing was run must not pass.
#[test]
fn fuzzing_that_cannot_run_fails() {
    let tools = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    // All that the script uses before it looks for a C++ compiler.
    for tool in ["bash", "dirname"] {
        let found = std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, tools.path().join(tool)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/run");
    let bash = tools.path().join("bash");
    let output = Command::new(bash).arg(script).arg("--smoke").env("PATH", tools.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.trim_end()), (Some(3), "fuzz: 5 targets were not run: no C++ compiler"));
}

fn through_the_runner(script: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let deps = folder.path().join("deps");
    std::fs::create_dir(&deps).unwrap();
    let binary = deps.join("some-0123456789abcdef");
    std::fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runner");
    Command::new(runner).arg(&binary).args(arguments).output().unwrap()
}
