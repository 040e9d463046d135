//! A temporary folder in which the commands are run.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use super::PATIENCE;

/// A temporary folder in which `gatepost` is run.
pub struct Folder(tempfile::TempDir);

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    /// What was run, for messages.
    pub command: String,
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Folder {
    /// A new one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The text of a file in it.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The lines of a file in it; none where it is absent.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// `gatepost` in this folder, without the variables of the tester's environment that it reads.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env_remove("GATEPOST_CONFIG").env_remove("GATEPOST_LOG");
        command
    }

    /// Runs `gatepost` to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }
}

/// Runs a command to its end, or ends it.
pub fn run(mut command: Command) -> Ran {
    let shown = format!("{command:?}");
    let deadline = Instant::now() + PATIENCE;
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let (stdout, stderr) = (gather(running.0.stdout.take()), gather(running.0.stderr.take()));
    let wait = |output: Receiver<Vec<u8>>| output.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    let stdout = wait(stdout).unwrap_or_else(|_| panic!("{shown} does not end"));
    let stderr = wait(stderr).unwrap_or_else(|_| panic!("{shown} does not end"));
    let code = running.0.wait().unwrap().code();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|_| panic!("{shown} prints no UTF-8"));
    Ran { command: shown.clone(), code, stdout: text(stdout), stderr: text(stderr) }
}

/// A process that ends with its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test is failing.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn gather(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    let mut pipe = pipe.unwrap();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        // The receiver is gone if the wait has timed out.
        drop(sender.send(all));
    });
    receiver
}

impl Ran {
    /// It did what it was asked for.
    pub fn done(self) -> Self {
        self.ended(0)
    }

    /// It ended with this code.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// It said this on standard error.
    pub fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "not said: {text}\n{self}");
        self
    }

    /// It printed this on standard output.
    pub fn prints(self, text: &str) -> Self {
        assert!(self.says(text), "not printed: {text}\n{self}");
        self
    }

    /// Whether it printed this on standard output.
    pub fn says(&self, text: &str) -> bool {
        self.stdout.contains(text)
    }

    /// Standard output as JSON, one object a line and nothing else.
    pub fn json_lines(&self) -> Vec<Value> {
        let object = |line: &str| match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => value,
            _ => panic!("no JSON object: {line}\n{self}"),
        };
        assert!(self.stdout.is_empty() || self.stdout.ends_with('\n'), "{self}");
        self.stdout.lines().map(object).collect()
    }

    /// Standard output as one JSON object.
    pub fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{self}");
        lines.remove(0)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "{command} -> {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}
