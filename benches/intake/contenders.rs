//! Who is measured: the bare web server, the naive receiver, and gatepost as it is shipped.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use rusqlite::Connection;
use tempfile::TempDir;

use super::machine;
use super::requests::SECRET;

/// The first argument of a process that is a contender.
pub const SERVE: &str = "serve-contender";

/// Says to such a process that it keeps a gatepost instead of serving by itself.
const GATEPOST: &str = "gatepost";

/// Who is measured.
#[derive(Clone)]
pub enum Contender {
    /// actix-web alone: reads the body, answers 200. Nothing that does more can be faster.
    Bare,
    /// One SQLite transaction a request, as one would write it first. It verifies nothing.
    Naive,
    /// `gatepost serve` as it is shipped: signature, deduplication, metrics, log, dispatcher and a lane to a file.
    Gatepost,
    /// Another build of gatepost.
    Other(PathBuf),
}

/// What an answer must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// 200.
    Ok,
    /// 200, stored as a new receipt.
    Accepted,
    /// 200, known as a repetition.
    Duplicate,
}

impl Contender {
    /// Everybody, in the order of the table.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Bare, Self::Naive, Self::Gatepost];
        all.extend(std::env::var_os("GATEPOST_BENCH_OTHER").map(|path| Self::Other(path.into())));
        all
    }

    /// Whether it is a build of gatepost.
    pub fn is_gatepost(&self) -> bool {
        matches!(self, Self::Gatepost | Self::Other(_))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "L0",
            Self::Naive => "naive",
            Self::Gatepost => "gatepost",
            Self::Other(_) => "gatepost (other)",
        })
    }
}

impl Expected {
    /// Checks a whole answer.
    pub fn check(self, answer: &[u8]) -> io::Result<()> {
        let body_holds = |word: &[u8]| answer.windows(word.len()).any(|part| part == word);
        let right = answer.starts_with(b"HTTP/1.1 200 ")
            && match self {
                Self::Ok => true,
                Self::Accepted => body_holds(b"\"status\":\"accepted\""),
                Self::Duplicate => body_holds(b"\"status\":\"duplicate\""),
            };
        if right { Ok(()) } else { Err(io::Error::other(format!("wrong answer: {}", String::from_utf8_lossy(answer)))) }
    }
}

/// A contender's process on an empty folder. It ends with the value, and also when we are killed: its keeper, a process
/// of this binary, reads the pipe that we hold and ends when that does.
pub struct Running {
    keeper: Child,
    process: u32,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    taken: Cell<usize>,
    _folder: TempDir,
}

impl Running {
    /// Starts it and waits until it listens.
    pub fn start(contender: &Contender) -> io::Result<Self> {
        // Beside the build, not in the system's folder for temporary files: that may be memory, where a sync is free.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        match contender {
            Contender::Bare => Self::start_self("bare", folder),
            Contender::Naive => Self::start_self("naive", folder),
            Contender::Gatepost => Self::start_gatepost(Path::new(env!("CARGO_BIN_EXE_gatepost")), folder),
            Contender::Other(path) => Self::start_gatepost(path, folder),
        }
    }

    fn start_self(what: &str, folder: TempDir) -> io::Result<Self> {
        let mut keeper = keeper(what, &folder.path().join("naive.db"), folder.path()).spawn()?;
        let address = first_line(&mut keeper)?.parse().map_err(io::Error::other)?;
        let process = keeper.id();
        Ok(Self { keeper, process, address, admin: None, taken: Cell::new(0), _folder: folder })
    }

    fn start_gatepost(binary: &Path, folder: TempDir) -> io::Result<Self> {
        std::fs::write(folder.path().join("gatepost.toml"), CONFIGURATION.replace("SECRET", SECRET))?;
        let mut keeper = keeper(GATEPOST, binary, folder.path()).stderr(Stdio::piped()).spawn()?;
        let process = first_line(&mut keeper)?.parse().map_err(io::Error::other)?;
        let stderr = keeper.stderr.take().ok_or_else(|| io::Error::other("no standard error"))?;
        let (address, admin) = read_addresses(stderr)?;
        Ok(Self { keeper, process, address, admin: Some(admin), taken: Cell::new(0), _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers to what it has not seen.
    pub fn fresh(&self) -> Expected {
        if self.admin.is_some() { Expected::Accepted } else { Expected::Ok }
    }

    /// What it answers to what it has seen, where it knows that.
    pub fn repeated(&self) -> Option<Expected> {
        self.admin.map(|_| Expected::Duplicate)
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> io::Result<Duration> {
        machine::cpu_of(&self.process.to_string())
    }

    /// How many events gatepost has read from its receipts meanwhile: work that goes on behind intake.
    pub fn events_read(&self) -> io::Result<Option<u64>> {
        let Some(admin) = self.admin else { return Ok(None) };
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let line = text.lines().find(|line| line.starts_with("gatepost_events_read_total{"));
        Ok(Some(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)))
    }

    /// How many requests it has taken in slices before.
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Adds a slice.
    pub fn add_taken(&self, count: usize) {
        self.taken.set(self.taken.get() + count);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of the pipe is the order; it may have ended by itself, and there is nobody left to tell.
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

fn keeper(what: &str, path: &Path, folder: &Path) -> Command {
    // The path of this binary may be relative to the folder that we are in.
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "intake".into()));
    command.args([SERVE, what]).arg(path).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn first_line(keeper: &mut Child) -> io::Result<String> {
    let stdout = keeper.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Keeps gatepost until our standard input ends.
fn keep_gatepost(binary: &str) -> io::Result<()> {
    let mut command = Command::new(binary);
    command.arg("serve").env_remove("GATEPOST_LOG").env_remove("GATEPOST_CONFIG");
    let mut gatepost = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    println!("{}", gatepost.id());
    let ended = io::stdin().read_to_end(&mut Vec::new());
    gatepost.kill()?;
    gatepost.wait()?;
    ended.map(drop)
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

/// The life of a contender's process.
pub fn serve(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let what = arguments.next().unwrap_or_default();
    let path = arguments.next().unwrap_or_default();
    if what == GATEPOST {
        return Ok(keep_gatepost(&path)?);
    }
    std::thread::spawn(|| {
        // Ends with whoever started us. What is read does not matter, nor does an error: both mean the end.
        drop(io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if what == "naive" { runtime.block_on(serve_naive(&path)) } else { runtime.block_on(serve_bare()) }
}

async fn serve_bare() -> Result<(), Box<dyn std::error::Error>> {
    let answer = |body: web::Bytes| async move {
        std::hint::black_box(body.len());
        HttpResponse::Ok().finish()
    };
    let server = HttpServer::new(move || App::new().route("/webhooks/{source}", web::post().to(answer)));
    let server = server.bind("127.0.0.1:0")?;
    println!("{}", server.addrs()[0]);
    Ok(server.run().await?)
}

async fn serve_naive(database: &str) -> Result<(), Box<dyn std::error::Error>> {
    let connection = Connection::open(database)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE requests (id INTEGER PRIMARY KEY, body BLOB)",
    )?;
    let shared = web::Data::new(Arc::new(Mutex::new(connection)));
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::clone(&shared)).route("/webhooks/{source}", web::post().to(store_at_once))
    });
    let server = server.bind("127.0.0.1:0")?;
    println!("{}", server.addrs()[0]);
    Ok(server.run().await?)
}

async fn store_at_once(body: web::Bytes, shared: web::Data<Arc<Mutex<Connection>>>) -> HttpResponse {
    let connection = Arc::clone(&shared);
    let stored = web::block(move || {
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut insert = connection.prepare_cached("INSERT INTO requests (body) VALUES (?1)")?;
        insert.execute([body.as_ref()])
    });
    match stored.await {
        Ok(Ok(_)) => HttpResponse::Ok().finish(),
        _ => HttpResponse::InternalServerError().finish(),
    }
}

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[store]
url = "sqlite:gatepost.db"

[sources.bench]
vendor = "secureagentics"
secrets = [{ value = "SECRET" }]

[destinations.archive]
type = "file"
path = "events.ndjson"

[[routes]]
name = "everything"
to = ["archive"]
"#;
