//! A server as a process of its own, which ends when we do, however we end.
//!
//! Between us and the server stands a keeper, a process of this binary: it starts the server, reads the pipe that we
//! hold, and kills the server when that pipe ends. A contender that is written here is its own keeper.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::machine;

/// The first argument of a process of this binary that is no benchmark.
pub const SERVE: &str = "serve-contender";
/// The word after it for a keeper of another program.
pub const KEEP: &str = "keep";
/// The word after it for gatepost's listener over no store, whose log is not shown.
pub const STORELESS: &str = "storeless";

/// A folder for a server's files, removed with its last handle.
pub type Folder = Rc<TempDir>;

/// Beside the build, not in the system's folder for temporary files: that may be memory, where a sync is free.
pub fn new_folder() -> io::Result<Folder> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map(Rc::new)
}

/// A running server and its keeper. Both end with the value.
pub struct Process {
    keeper: Child,
    id: u32,
    started: SystemTime,
    _folder: Folder,
}

impl Process {
    /// Starts a server that is written here; it says where it listens.
    pub fn start_own(what: &str, argument: &Path, folder: Folder) -> io::Result<(Self, SocketAddr)> {
        let mut command = keeper(what, argument, &folder);
        if what == STORELESS {
            // It logs as gatepost does, which is no news here.
            command.stderr(Stdio::null());
        }
        let mut keeper = command.spawn()?;
        let address = first_line(&mut keeper)?.parse().map_err(io::Error::other)?;
        let id = keeper.id();
        Ok((Self { keeper, id, started: SystemTime::now(), _folder: folder }, address))
    }

    /// Starts gatepost, or a process of ours that runs it; its log says where it listens and who administers it.
    pub fn start_gatepost(mut command: Command, folder: Folder) -> io::Result<(Self, SocketAddr, SocketAddr)> {
        let mut keeper = command.stderr(Stdio::piped()).spawn()?;
        let (id, started) = read_start(&mut keeper)?;
        let stderr = keeper.stderr.take().ok_or_else(|| io::Error::other("no standard error"))?;
        let process = Self { keeper, id, started, _folder: folder };
        let (address, admin) = read_addresses(stderr)?;
        Ok((process, address, admin))
    }

    /// Starts a program that listens where it is told to.
    pub fn start_program(program: &Path, arguments: &[String], folder: Folder) -> io::Result<Self> {
        let mut keeper = keeper(KEEP, program, &folder).args(arguments).stderr(Stdio::null()).spawn()?;
        let (id, started) = read_start(&mut keeper)?;
        Ok(Self { keeper, id, started, _folder: folder })
    }

    /// The processor time that the server has used.
    pub fn cpu(&self) -> io::Result<Duration> {
        machine::cpu_of(&self.id.to_string())
    }

    /// The number of the server's process.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// When it was started.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// What the server has in memory now, and the most that it ever had.
    pub fn memory(&self) -> io::Result<machine::Memory> {
        machine::memory_of(self.id)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of the pipe is the order; the process may have ended by itself, so that a failure says nothing.
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// A process of this binary in the folder.
pub fn keeper(what: &str, argument: &Path, folder: &Folder) -> Command {
    // The path of this binary may be relative to the folder that we are in.
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "intake".into()));
    command.args([SERVE, what]).arg(argument).current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env_remove("GATEPOST_LOG").env_remove("GATEPOST_CONFIG");
    command
}

/// Runs a program until our standard input ends. Says first which process it is and when it was started.
pub fn keep(program: &str, arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let mut command = Command::new(program);
    let started = since_epoch(SystemTime::now());
    let mut child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    println!("{} {}", child.id(), started.as_micros());
    let ended = io::stdin().read_to_end(&mut Vec::new());
    child.kill()?;
    child.wait()?;
    ended.map(drop)
}

/// Ends this process when the one that started it ends.
pub fn end_with_our_keeper() {
    std::thread::spawn(|| {
        // What is read does not matter, nor does an error: both mean the end.
        drop(io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
}

/// Says what [`keep`] says, of this process.
pub fn announce_ourselves() {
    println!("{} {}", std::process::id(), since_epoch(SystemTime::now()).as_micros());
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn first_line(keeper: &mut Child) -> io::Result<String> {
    let stdout = keeper.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn read_start(keeper: &mut Child) -> io::Result<(u32, SystemTime)> {
    let line = first_line(keeper)?;
    let parsed = line.split_once(' ').and_then(|(id, micros)| Some((id.parse().ok()?, micros.parse().ok()?)));
    let (id, micros) = parsed.ok_or_else(|| io::Error::other(format!("it did not start ('{line}')")))?;
    Ok((id, UNIX_EPOCH + Duration::from_micros(micros)))
}

/// Reads gatepost's log up to the line that says where it listens, and goes on reading so that the pipe never fills.
fn read_addresses(stderr: ChildStderr) -> io::Result<(SocketAddr, SocketAddr)> {
    let mut lines = BufReader::new(stderr).lines();
    let mut seen = String::new();
    let found = loop {
        let Some(line) = lines.next().transpose()? else {
            return Err(io::Error::other(format!("gatepost did not start:\n{seen}")));
        };
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |name: &str| entry[name].as_str().and_then(|text| text.parse().ok());
        if let (Some(server), Some(admin)) = (address("server"), address("admin")) {
            break (server, admin);
        }
        seen.push_str(&line);
        seen.push('\n');
    };
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("gatepost: {line}")));
    Ok(found)
}
