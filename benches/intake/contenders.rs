//! Who is measured: the bare web server, the naive receiver, gatepost as it is shipped, and peers where they are installed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use gatepost::app::Intake;
use gatepost::config::Config;
use gatepost::domain::{ReceiptId, SourceName};
use gatepost::store::{Acceptance, Backlog, Inbox, ReplyBatch, Ticket};
use gatepost::telemetry::{LogFormat, start_logging};
use gatepost::vendors::Authenticated;
use rusqlite::Connection;

use super::gateway::{Gateway, NEW, REPEATED, Setup};
use super::load::Expected;
use super::peers::Peer;
use super::people::People;
use super::process::{self, Folder, Process, STORELESS};

/// Who is measured.
#[derive(Clone)]
pub enum Contender {
    /// actix-web alone: reads the body, answers 200. Nothing that does more can be faster.
    Bare,
    /// One SQLite transaction a request, as one would write it first. It verifies nothing.
    Naive,
    /// `gatepost serve` as it is shipped: signature, deduplication, metrics, log, dispatcher and a worker to a file.
    Gatepost,
    /// The same with three notifiers beside the file, as most run it: PagerDuty, Slack and Jira, as strict stand-ins.
    Notifying,
    /// gatepost's listener over a store that answers at once and keeps nothing: what the server itself allows.
    Storeless,
    /// Another build of gatepost.
    Other(PathBuf),
    /// Another program for the same task.
    Peer(Peer),
}

impl Contender {
    /// Those that take part in every run, in the order of the table.
    pub fn own() -> Vec<Self> {
        let mut all = vec![Self::Bare, Self::Naive, Self::Storeless, Self::Gatepost, Self::Notifying];
        all.extend(std::env::var_os("GATEPOST_BENCH_OTHER").map(|path| Self::Other(path.into())));
        all
    }

    /// What it answers to what it has not seen.
    pub fn fresh(&self) -> Expected {
        match self {
            Self::Gatepost | Self::Notifying | Self::Storeless | Self::Other(_) => NEW,
            Self::Peer(peer) => peer.expected(),
            Self::Bare | Self::Naive => Expected::OK,
        }
    }

    /// What it answers to what it has seen, where it knows that.
    pub fn repeated(&self) -> Option<Expected> {
        matches!(self, Self::Gatepost | Self::Other(_)).then_some(REPEATED)
    }

    /// Starts it on an empty folder and waits until it listens.
    pub fn start(&self) -> io::Result<Running> {
        self.start_in(&process::new_folder()?)
    }

    /// The same in a folder whose files are looked at.
    pub fn start_in(&self, folder: &Folder) -> io::Result<Running> {
        let naive = folder.path().join("naive.db");
        let build = |binary| {
            Ok(Running::Gatepost { gateway: Gateway::start_build(binary, &Setup::to_file(), folder)?, _people: None })
        };
        let own = |(process, address)| Running::Other { process, address };
        match self {
            Self::Bare => Process::start_own(BARE, &naive, Folder::clone(folder)).map(own),
            Self::Naive => Process::start_own(NAIVE, &naive, Folder::clone(folder)).map(own),
            Self::Storeless => {
                let config = Setup::to_file().write(folder)?;
                Process::start_own(STORELESS, &config, Folder::clone(folder)).map(own)
            }
            Self::Gatepost => build(env!("CARGO_BIN_EXE_gatepost").as_ref()),
            Self::Notifying => {
                let people = People::start().map_err(|error| io::Error::other(error.to_string()))?;
                let gateway = Gateway::start_in(&people.setup(), folder)?;
                Ok(Running::Gatepost { gateway, _people: Some(Box::new(people)) })
            }
            Self::Other(path) => build(path),
            Self::Peer(peer) => peer.start(Folder::clone(folder)).map(own),
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "L0",
            Self::Naive => "naive",
            Self::Gatepost => GATEPOST,
            Self::Notifying => NOTIFYING,
            Self::Storeless => "gatepost, no store",
            Self::Other(_) => "gatepost (other)",
            Self::Peer(peer) => peer.name(),
        })
    }
}

/// A contender's process. It ends with the value.
pub enum Running {
    /// gatepost, and the stand-ins of its notifiers, which run as long as it does.
    Gatepost {
        gateway: Gateway,
        _people: Option<Box<People>>,
    },
    Other {
        process: Process,
        address: SocketAddr,
    },
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Gatepost { gateway, .. } => gateway.address,
            Self::Other { address, .. } => *address,
        }
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> io::Result<Duration> {
        match self {
            Self::Gatepost { gateway, .. } => gateway.cpu(),
            Self::Other { process, .. } => process.cpu(),
        }
    }

    /// How many events gatepost has read from its receipts meanwhile: work that goes on behind intake.
    pub fn events_read(&self) -> io::Result<Option<u64>> {
        match self {
            Self::Gatepost { gateway, .. } => Ok(Some(gateway.metrics()?.read_events() as u64)),
            Self::Other { .. } => Ok(None),
        }
    }
}

/// The main function of a contender that is written here.
pub fn serve(what: &str, argument: &str) -> Result<(), Box<dyn std::error::Error>> {
    process::end_with_our_keeper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match what {
        NAIVE => runtime.block_on(serve_naive(argument)),
        STORELESS => runtime.block_on(serve_storeless(argument)),
        _ => runtime.block_on(serve_bare()),
    }
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

async fn serve_storeless(config: &str) -> Result<(), Box<dyn std::error::Error>> {
    start_logging(LogFormat::Json, "info")?;
    let intake = Intake::start(&Config::load(Path::new(config))?, Arc::new(AnswersAtOnce))?;
    println!("{}", intake.address());
    Ok(intake.ended().await?)
}

/// An inbox that keeps nothing.
struct AnswersAtOnce;

impl Inbox for AnswersAtOnce {
    fn accept(&self, _: Authenticated, _: Option<&ReplyBatch>) -> Ticket<Acceptance> {
        Ticket::answered(Acceptance::New(ReceiptId::generate()))
    }

    fn backlog(&self, _: &SourceName) -> Backlog {
        Backlog::default()
    }

    fn check_writable(&self) -> Ticket<()> {
        Ticket::answered(())
    }
}

/// The name of gatepost with a file in the table.
pub const GATEPOST: &str = "gatepost";
/// The name of gatepost with three notifiers beside the file.
pub const NOTIFYING: &str = "gatepost, 3 notifiers";
const BARE: &str = "bare";
const NAIVE: &str = "naive";
