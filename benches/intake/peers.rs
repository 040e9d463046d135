//! Programs of others for the same task, on their defaults. They take part where they are found on the PATH.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::load::Expected;
use super::process::{Folder, Process};
use super::requests::{SECRET, Shape};

/// A peer and where its program is.
#[derive(Clone)]
pub struct Peer {
    kind: &'static Kind,
    program: PathBuf,
}

struct Kind {
    name: &'static str,
    program: &'static str,
    from: &'static str,
    shape: Shape,
    expected: Expected,
    /// Its configuration's file and text, and its arguments, for a port.
    prepare: fn(u16) -> (&'static str, String, Vec<String>),
}

const KINDS: &[Kind] = &[
    Kind {
        name: "qhook",
        program: "qhook",
        from: "crates.io",
        shape: Shape::Qhook,
        expected: Expected { body: "\"jobs_created\":1", once: true },
        prepare: qhook,
    },
    Kind {
        name: "webhook",
        program: "webhook",
        from: "Debian",
        shape: Shape::Alert,
        expected: Expected { body: "taken", once: false },
        prepare: webhook,
    },
    Kind {
        name: "alertmanager",
        program: "prometheus-alertmanager",
        from: "Debian",
        shape: Shape::Alertmanager,
        expected: Expected { body: "", once: true },
        prepare: alertmanager,
    },
];

/// Those that are installed, and a sentence about those that are not.
pub fn installed() -> (Vec<Peer>, String) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find =
        |program: &str| std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    let mut peers = Vec::new();
    let mut absent = Vec::new();
    for kind in KINDS {
        match find(kind.program) {
            Some(program) => peers.push(Peer { kind, program }),
            None => absent.push(format!("{} ({})", kind.program, kind.from)),
        }
    }
    let absent = match absent.is_empty() {
        true => "all peers are installed".to_owned(),
        false => format!("skipped, because not on the PATH: {}", absent.join(", ")),
    };
    (peers, absent)
}

impl Peer {
    pub fn name(&self) -> &'static str {
        self.kind.name
    }

    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    pub fn shape(&self) -> Shape {
        self.kind.shape
    }

    pub fn expected(&self) -> Expected {
        self.kind.expected
    }

    /// Starts it on a free port and waits until it listens.
    pub fn start(&self, folder: Folder) -> io::Result<(Process, SocketAddr)> {
        // Free now; the system gives it to no other process in between.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (file, text, arguments) = (self.kind.prepare)(address.port());
        std::fs::write(folder.path().join(file), text)?;
        let process = Process::start_program(&self.program, &arguments, folder)?;
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > START_MAX {
                return Err(io::Error::other(format!("{} does not listen", self.kind.name)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((process, address))
    }
}

/// Signed with HMAC, deduplicated by id, into SQLite. A queue without a consumer spares it deliveries; without a queue it would
/// answer 200 and keep nothing.
fn qhook(port: u16) -> (&'static str, String, Vec<String>) {
    let text = format!(
        "database:\n  driver: sqlite\nserver:\n  port: {port}\n\
         sources:\n  bench:\n    type: webhook\n    verify: hmac\n    secret: {SECRET}\n\
         handlers: {{}}\nqueues:\n  sink:\n    source: bench\n    idempotency_key: $.id\n"
    );
    ("qhook.yaml", text, vec!["start".to_owned()])
}

/// Checks the signature and runs `true`; it keeps nothing and does not wait for what it runs.
fn webhook(port: u16) -> (&'static str, String, Vec<String>) {
    let hooks = serde_json::json!([{
        "id": "bench",
        "execute-command": "true",
        "response-message": "taken",
        "trigger-rule": { "match": {
            "type": "payload-hmac-sha256",
            "secret": SECRET,
            "parameter": { "source": "header", "name": "X-Secureagentics-Signature" },
        } },
    }]);
    let port = port.to_string();
    let arguments = ["-hooks", "hooks.json", "-ip", "127.0.0.1", "-port", &port, "-urlprefix", "webhooks"];
    ("hooks.json", hooks.to_string(), arguments.map(str::to_owned).to_vec())
}

/// Keeps alerts in memory only.
fn alertmanager(port: u16) -> (&'static str, String, Vec<String>) {
    let text = "route:\n  receiver: none\nreceivers:\n  - name: none\n".to_owned();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let arguments = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=", &listen];
    ("alertmanager.yml", text, arguments.map(str::to_owned).to_vec())
}

const START_MAX: Duration = Duration::from_secs(10);
