//! A stand-in of a mail server: SMTP as RFC 5321 has it, with mailboxes that keep what was sent to them.
//!
//! It is stricter than real servers: a message whose lines are too long, whose ends of line are not CRLF, that holds more than
//! ASCII, that lacks a field of the header or has one twice, or whose parts are not what they say, is refused with 554. It
//! knows no TLS unless it is given a certificate.

mod message;
mod session;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::terminal::{Card, Line, Style, Tone};
pub use message::Message;

/// The user that the stand-in knows.
pub const USER: &str = "alerts";

/// The password of that user.
pub const PASSWORD: &str = "stand-in-password";

/// Starts a stand-in on a free port of 127.0.0.1, which takes mail without a login.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub fn start() -> io::Result<MailServer> {
    start_with(Options::default())
}

/// Starts one that is set up otherwise.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub fn start_with(options: Options) -> io::Result<MailServer> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let (shared, is_stopped) =
        (Arc::new(Shared { options, state: Mutex::default() }), Arc::new(AtomicBool::new(false)));
    let (taken, stopped) = (Arc::clone(&shared), Arc::clone(&is_stopped));
    let thread = std::thread::Builder::new().name("stand-in Email".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            let shared = Arc::clone(&taken);
            let Ok(stream) = stream else { continue };
            // A connection that cannot be served is closed, as a busy server does.
            drop(std::thread::Builder::new().spawn(move || session::serve(&shared, stream)));
        }
    })?;
    Ok(MailServer { address, shared, is_stopped, thread: Some(thread) })
}

/// How a stand-in is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The ways to log in after `AUTH`, such as `PLAIN LOGIN`. Mail is then taken after a login only.
    pub login: Option<&'static str>,
    /// The certificate and key of TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether TLS begins with the connection, and not by `STARTTLS`.
    pub is_implicit: bool,
    /// The largest message, told by `SIZE`.
    pub size_max: Option<usize>,
}

/// What happens at one command instead of the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered so.
    Answer(&'static str),
    /// The connection is closed without an answer.
    Close,
    /// No answer comes for that long, then the connection is closed.
    Silence(Duration),
    /// The message is taken, and the connection closed without an answer.
    TakenThenClose,
    /// The message is taken; no answer comes for that long, then the connection is closed.
    TakenThenSilence(Duration),
    /// It is answered as usual, with this sent right after it.
    ThenUnasked(&'static str),
}

/// A running stand-in. It stops when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MailServer {
    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `smtp://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The next time that `command` comes (`connect`, `EHLO`, `STARTTLS`, `AUTH`, `MAIL`, `RCPT`, `DATA`, or `.` for the end of
    /// a message), this happens; after what is scripted for it already.
    pub fn script(&self, command: &'static str, fault: Fault) {
        self.shared.state().faults.push_back((command, fault));
    }

    /// How many scripted faults have met no command yet.
    pub fn unmet(&self) -> usize {
        self.shared.state().faults.len()
    }

    /// Forgets the faults that are scripted and have met no command.
    pub fn forget_script(&self) {
        self.shared.state().faults.clear();
    }

    /// Answers `RCPT TO` of this address so, until it is answered with `None`.
    pub fn answer_recipient(&self, address: &str, answer: Option<&'static str>) {
        let mut state = self.shared.state();
        match answer {
            Some(answer) => state.recipients.insert(address.to_owned(), answer),
            None => state.recipients.remove(address),
        };
    }

    /// Turns away the first try for each recipient from now on.
    pub fn greylist(&self) {
        self.shared.state().greylist = Some(HashSet::new());
    }

    /// What lies in all mailboxes, oldest first.
    pub fn mails(&self) -> Vec<Received> {
        self.shared.state().mails.clone()
    }

    /// What lies in one mailbox, oldest first.
    pub fn mailbox(&self, recipient: &str) -> Vec<Received> {
        self.mails().into_iter().filter(|mail| mail.recipient == recipient).collect()
    }

    /// Every command that came, in capitals and without what follows it.
    pub fn commands(&self) -> Vec<String> {
        self.shared.state().commands.clone()
    }

    /// What people see, one card a mail, oldest first.
    pub fn render_terminal(&self, style: Style) -> String {
        self.cards().iter().map(|card| card.render(style)).collect::<Vec<_>>().join("\n")
    }

    /// The cards that [`MailServer::render_terminal`] prints.
    pub fn cards(&self) -> Vec<Card> {
        self.mails().iter().map(Received::card).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is to end.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A mail in a mailbox.
#[derive(Clone, Debug)]
pub struct Received {
    /// The mailbox.
    pub recipient: String,
    /// The address after `MAIL FROM`.
    pub sender: String,
    /// Whether it came by TLS.
    pub is_secure: bool,
    /// The message as it came, dots no longer doubled.
    pub raw: Vec<u8>,
    /// What it says.
    pub message: Message,
}

impl Received {
    fn card(&self) -> Card {
        let subject = Line::new(Tone::Strong, self.message.subject());
        let lines = [subject].into_iter().chain([Line::normal(self.message.plain.clone())]).collect();
        Card { heading: format!("Email to {}", self.recipient), lines }
    }
}

/// What the handle and the connections share.
#[derive(Debug)]
struct Shared {
    options: Options,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<Received>,
    commands: Vec<String>,
    faults: VecDeque<(&'static str, Fault)>,
    recipients: HashMap<String, &'static str>,
    /// The recipients that were turned away once, where that is done.
    greylist: Option<HashSet<String>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first fault that is scripted for a command.
    fn fault(&self, command: &str) -> Option<Fault> {
        let mut state = self.state();
        state.commands.push(command.to_owned());
        let at = state.faults.iter().position(|(scripted, _)| *scripted == command)?;
        state.faults.remove(at).map(|(_, fault)| fault)
    }
}

#[cfg(test)]
mod tests;
