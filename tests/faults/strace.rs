//! `strace` around the process under test: what it asked of the system, in order and with every byte; and, on order, a
//! call that fails or a signal at a call.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::gateway::Gateway;
use super::needs;
use super::world::World;

/// One process under `strace`, and the log of its calls.
pub struct Strace {
    options: Vec<String>,
    log: PathBuf,
}

/// One call to the system.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    arguments: String,
    /// The lines of the log where it was entered and where it returned: a process that is killed returns from nothing.
    pub begun: usize,
    pub ended: Option<usize>,
    result: String,
}

impl Strace {
    /// `None` where nothing can be traced. `calls` as `strace -e trace=` takes them.
    pub fn new(log: PathBuf, calls: &str) -> Option<Self> {
        // The tracer is the grandchild, so that the process under test is the child that is waited for and killed.
        let options = ["-D", "-f", "-yy", "--seccomp-bpf", "-s", "70000", "-e"];
        let mut options: Vec<String> = options.map(str::to_owned).into();
        options.push(format!("trace={calls}"));
        let tried = Command::new("strace").args(&options).args(["-o", "/dev/null", "true"]).output();
        if tried.is_ok_and(|output| output.status.success()) {
            return Some(Self { options, log });
        }
        needs::skip("strace", "no strace, or no right to trace");
        None
    }

    /// With a fault, as `strace -e inject=` takes it.
    pub fn inject(mut self, fault: &str) -> Self {
        if fault.contains("signal=") {
            // A signal is not delivered where the filter in the kernel stops a call.
            self.options.retain(|option| option != "--seccomp-bpf");
        }
        self.options.extend(["-e".to_owned(), format!("inject={fault}")]);
        self
    }

    /// The command whose arguments are still to come: the program and its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new("strace");
        command.args(&self.options).arg("-o").arg(&self.log);
        command
    }

    /// Whether the fault has come about.
    pub fn has_injected(&self) -> bool {
        std::fs::read(&self.log).is_ok_and(|log| log.windows(10).any(|window| window == b"(INJECTED)"))
    }

    /// Every call of a process that has ended.
    pub fn calls(&self, process: u32) -> Vec<Call> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            // The first thread is told last.
            if text.lines().rev().take(50).any(|line| is_end_of(line, process)) {
                return parse(&text);
            }
            assert!(Instant::now() < deadline, "{} does not end", self.log.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Gateway {
    /// Starts the process under `strace` and waits for nothing.
    pub fn start_under(world: &World, strace: &Strace) -> Self {
        Self::spawn(world, Some(strace.command()))
    }
}

impl Call {
    /// The path of the file that its first argument stands for, if that is a file with a name.
    pub fn file(&self) -> Option<&Path> {
        let (_, rest) = self.arguments.split_once('<')?;
        let (path, after) = rest.split_once('>')?;
        (self.arguments.starts_with(|c: char| c.is_ascii_digit()) && !after.starts_with("(deleted)"))
            .then(|| Path::new(path))
    }

    /// The first string among its arguments.
    pub fn bytes(&self) -> Vec<u8> {
        self.literal().map(|(bytes, _)| bytes).unwrap_or_default()
    }

    /// The first string as a path.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(String::from_utf8_lossy(&self.bytes()).into_owned())
    }

    /// The argument after so many others, when there is no string among them; else after the string.
    pub fn number(&self, place: usize) -> u64 {
        let rest = self.literal().map_or(self.arguments.as_str(), |(_, rest)| rest);
        let field = rest.split(',').nth(place).unwrap_or_default();
        field.trim().parse().unwrap_or_else(|_| panic!("no number in {} {rest:.200}", self.name))
    }

    /// Whether the text is among its arguments.
    pub fn says(&self, text: &str) -> bool {
        self.arguments.contains(text)
    }

    /// The descriptor that its first argument is.
    pub fn descriptor(&self) -> Option<u32> {
        let end = self.arguments.find(|c: char| !c.is_ascii_digit())?;
        self.arguments[..end].parse().ok()
    }

    /// What it answered; `None` if it failed or never returned.
    pub fn answer(&self) -> Option<u64> {
        let end = self.result.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.result.len());
        self.result[..end].parse().ok()
    }

    /// Whether it returned an error.
    pub fn failed(&self) -> bool {
        self.result.starts_with('-')
    }

    /// The first string, and what follows it.
    fn literal(&self) -> Option<(Vec<u8>, &str)> {
        let begin = self.arguments.find('"')? + 1;
        let text = self.arguments.as_bytes();
        let (mut bytes, mut at) = (Vec::new(), begin);
        loop {
            let byte = *text.get(at)?;
            at += 1;
            match byte {
                b'"' => break,
                b'\\' => bytes.push(unescape(text, &mut at)?),
                _ => bytes.push(byte),
            }
        }
        let rest = &self.arguments[at..];
        assert!(!rest.starts_with("..."), "the log has cut a string of {} off", self.name);
        Some((bytes, rest))
    }
}

/// The byte behind a backslash.
fn unescape(text: &[u8], at: &mut usize) -> Option<u8> {
    let first = *text.get(*at)?;
    *at += 1;
    let value = match first {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'0'..=b'7' => {
            let mut value = u32::from(first - b'0');
            for _ in 0..2 {
                match text.get(*at) {
                    Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                    _ => break,
                }
                *at += 1;
            }
            u8::try_from(value).ok()?
        }
        other => other,
    };
    Some(value)
}

fn is_end_of(line: &str, process: u32) -> bool {
    line.split_once(' ').is_some_and(|(pid, rest)| pid.parse() == Ok(process) && rest.trim_start().starts_with("+++"))
}

fn parse(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some((_, rest)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let Some(call) = unfinished.remove(process).and_then(|place| calls.get_mut(place)) else { continue };
            let (arguments, result) = divide(rest);
            call.arguments.push_str(arguments);
            call.result = result.to_owned();
            call.ended = (result != "?").then_some(number);
            continue;
        }
        let Some((name, rest)) = rest.split_once('(') else { continue };
        let mut call =
            Call { name: name.to_owned(), arguments: String::new(), begun: number, ended: None, result: String::new() };
        match rest.rfind("<unfinished ...>") {
            Some(end) => {
                call.arguments = rest[..end].trim_end().to_owned();
                unfinished.insert(process, calls.len());
            }
            None => {
                let (arguments, result) = divide(rest);
                call.arguments = arguments.to_owned();
                call.result = result.to_owned();
                call.ended = (result != "?").then_some(number);
            }
        }
        calls.push(call);
    }
    calls
}

/// Arguments and result.
fn divide(rest: &str) -> (&str, &str) {
    let (before, result) = rest.rsplit_once(" = ").unwrap_or((rest, "?"));
    let before = before.trim_end();
    (before.strip_suffix(')').unwrap_or(before), result.trim())
}
