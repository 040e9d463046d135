//! What a reload takes, and what it refuses because only a restart can do it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use gatepost::app::{App, ReloadError};
use gatepost::config::Config;

const BASE: &str = "
    [server]
    listen = \"127.0.0.1:0\"
    [admin]
    listen = \"127.0.0.1:0\"
    [sources.s]
    vendor = \"akto\"
    secrets = [{ value = \"0123456789abcdef0123456789abcdef\" }]
    [destinations.d]
    type = \"file\"
    path = \"out.ndjson\"
    [[routes]]
    name = \"r\"
    to = [\"d\"]
";

/// A running gatepost and the file that it is reloaded from.
struct Running {
    app: App,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gatepost.toml");
        std::fs::write(&file, BASE).unwrap();
        let app = App::start(Config::load(&file).unwrap()).await.unwrap();
        Self { app, file, _folder: folder }
    }

    /// Reloads the base with one text in it exchanged.
    async fn reload(&self, from: &str, to: &str) -> Result<(), ReloadError> {
        assert!(BASE.contains(from));
        std::fs::write(&self.file, BASE.replacen(from, to, 1)).unwrap();
        self.app.reload(&self.file).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_the_rest_and_refuses_what_only_a_restart_can_do() {
    let running = Running::start().await;
    for (from, to, needs_restart) in [
        ("[[routes]]", "[retention]\nevents = \"7d\"\n[[routes]]", None),
        ("vendor = \"akto\"", "vendor = \"akto\"\nrate_limit = \"5/s\"", None),
        ("[server]", "[server]\nbody_timeout = \"20s\"", Some("server")),
        ("[server]", "[server]\nbody_idle_timeout = \"1s\"", Some("server")),
        ("[server]\n    listen = \"127.0.0.1:0\"", "[server]\nlisten = \"127.0.0.1:1\"", Some("server")),
        ("[admin]\n    listen = \"127.0.0.1:0\"", "[admin]\nlisten = \"127.0.0.1:1\"", Some("admin")),
        ("[[routes]]", "[store]\nurl = \"sqlite:other.db\"\n[[routes]]", Some("store")),
    ] {
        let refused = match running.reload(from, to).await {
            Ok(()) => None,
            Err(ReloadError::NeedsRestart { section }) => Some(section),
            Err(fault) => panic!("{to}: {fault}"),
        };
        assert_eq!(refused, needs_restart, "{to}");
    }
    let faulty = running.reload("vendor = \"akto\"", "vendor = \"atko\"").await;
    assert!(matches!(faulty, Err(ReloadError::Config(_))), "{faulty:?}");
    running.app.stop().await;
}
