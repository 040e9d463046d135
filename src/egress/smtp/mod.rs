//! Mail out, by SMTP: one connection, and on it one transaction for each recipient.
//!
//! The addresses of the server are checked after its name is resolved, as for HTTP. Certificates are always checked. The whole
//! takes no longer than a try may; what was not sent until then is [`MailResult::NotTried`]. Only what breaks after the end of
//! a message was sent may have arrived.
//!
//! Messages are written by the crate lettre; its SMTP connection is not used, because it reads answers without a limit, keeps
//! what a server has said before TLS for an answer within it, and does not say at which command it failed.

mod session;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::address;
use super::certificate;
use super::handshake::{self, Protocol};
use super::tls::Tls;
use crate::destinations::{
    Fault, Mail, MailAnswer, MailLogin, MailResult, MailSecurity, MailServer, MailStage, Mailing, Reply,
};
use session::{Session, Stream};

/// What sends mail. Cloning shares what it trusts.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Tls,
}

/// Why no mail was sent at all.
enum Unopened {
    /// The server is not reached, or has not shown that it is the right one.
    Unreached(Reply),
    /// It has answered that it takes none.
    Answered(MailAnswer),
}

impl Client {
    /// With what its connections of TLS are made of.
    pub fn new(tls: Tls) -> Self {
        Self { tls }
    }

    /// Sends mails, one after the other.
    pub async fn send(&self, mailing: Mailing) -> Reply {
        let deadline = Instant::now() + TOTAL_TIMEOUT;
        let mut session = match self.open(&mailing.server, deadline).await {
            Ok(session) => session,
            Err(Unopened::Unreached(reply)) => return reply,
            Err(Unopened::Answered(answer)) => {
                return Reply::Mailed(vec![MailResult::Answered(answer); mailing.mails.len()]);
            }
        };
        let mut results = Vec::new();
        for mail in &mailing.mails {
            let (result, can_go_on) = transact(&mut session, &mailing.sender, mail).await;
            results.push(result);
            if !can_go_on || !session.has_time() {
                break;
            }
        }
        if results.len() == mailing.mails.len() {
            // A courtesy: the mails are taken, whatever comes of it.
            drop(timeout(QUIT_TIMEOUT, session.command(MailStage::Hello, "QUIT")).await);
        }
        results.resize(mailing.mails.len(), MailResult::NotTried);
        Reply::Mailed(results)
    }

    /// Up to the point where mails are taken: TLS and login are done.
    async fn open(&self, server: &MailServer, deadline: Instant) -> Result<Session, Unopened> {
        let stream = connect(server).await.map_err(|detail| failed(server, &detail))?;
        let broken = |error: io::Error| cut_off(server, &error);
        let stream: Box<dyn Stream> = match server.security {
            MailSecurity::Tls => self.secure(server, Box::new(stream), deadline).await?,
            MailSecurity::StartTls | MailSecurity::PlainOnLoopback => Box::new(stream),
        };
        let mut session = Session::new(stream, deadline);
        accepted(session.answer(MailStage::Greeting).await.map_err(broken)?)?;
        accepted(session.hello(&server.hello).await.map_err(broken)?)?;
        if server.security == MailSecurity::StartTls {
            session = self.start_tls(server, session, deadline).await?;
        }
        if let Some(login) = &server.login {
            log_in(server, &mut session, login).await?;
        }
        Ok(session)
    }

    async fn start_tls(
        &self,
        server: &MailServer,
        mut session: Session,
        deadline: Instant,
    ) -> Result<Session, Unopened> {
        if session.offer("STARTTLS").is_none() {
            return Err(untrusted(
                server,
                "it offers no STARTTLS, and without TLS nothing is sent: write smtps:// and its port for TLS, or let it \
                 offer STARTTLS",
            ));
        }
        let broken = |error: io::Error| cut_off(server, &error);
        accepted(session.command(MailStage::StartTls, "STARTTLS").await.map_err(broken)?)?;
        let Some(stream) = session.into_stream() else {
            return Err(untrusted(
                server,
                "it went on without TLS after it had agreed to it: something stands in between",
            ));
        };
        let mut session = Session::new(self.secure(server, stream, deadline).await?, deadline);
        accepted(session.hello(&server.hello).await.map_err(broken)?)?;
        Ok(session)
    }

    async fn secure(
        &self,
        server: &MailServer,
        stream: Box<dyn Stream>,
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, Unopened> {
        let until = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        match timeout_at(until, self.tls.connect(&server.tls, &server.host, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => {
                let peer = format!("{}:{}", server.host, server.port);
                Err(Unopened::Unreached(handshake::failed(&peer, Protocol::Smtp, &server.tls, &error)))
            }
            Err(_) => Err(failed(server, "no TLS within 5 s")),
        }
    }
}

/// A connection to the first address that takes one.
async fn connect(server: &MailServer) -> Result<TcpStream, String> {
    let connected = async {
        let found = address::resolve(&server.host, server.port).await.map_err(|error| error.to_string())?;
        let allowed = found.into_iter().filter(|address| may_connect(server, *address));
        let mut last = "it has no address on this machine, and without TLS mail goes nowhere else".to_owned();
        for address in allowed {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    };
    timeout(CONNECT_TIMEOUT, connected).await.unwrap_or_else(|_| Err("no connection within 5 s".to_owned()))
}

/// Without TLS only this machine is spoken to, whatever a name resolves to.
fn may_connect(server: &MailServer, address: SocketAddr) -> bool {
    match server.security {
        MailSecurity::PlainOnLoopback => address.ip().to_canonical().is_loopback(),
        MailSecurity::Tls | MailSecurity::StartTls => true,
    }
}

/// By PLAIN, or by LOGIN where the server has only that.
async fn log_in(server: &MailServer, session: &mut Session, login: &MailLogin) -> Result<(), Unopened> {
    let offered = session.offer("AUTH").unwrap_or_default().to_owned();
    let can = |mechanism: &str| offered.split([' ', '=']).any(|word| word == mechanism);
    let password = login.password.expose();
    let lines = if can("PLAIN") {
        let both = [b"\0", login.user.as_bytes(), b"\0", password].concat();
        vec![format!("AUTH PLAIN {}", STANDARD.encode(both))]
    } else if can("LOGIN") {
        vec!["AUTH LOGIN".to_owned(), STANDARD.encode(&login.user), STANDARD.encode(password)]
    } else {
        let why = "it offers no login by PLAIN or LOGIN: let it offer one of them, or leave out user and password where it \
                   wants none";
        return Err(untrusted(server, why));
    };
    let last = lines.len() - 1;
    for (index, line) in lines.iter().enumerate() {
        let answer = session.command(MailStage::Login, line).await;
        let answer = answer.map_err(|error| cut_off(server, &error))?;
        let is_expected = if index == last { (200..300).contains(&answer.code) } else { answer.code == 334 };
        if !is_expected {
            return Err(Unopened::Answered(answer));
        }
    }
    Ok(())
}

/// One mail for one recipient. What became of it, and whether another one may follow.
async fn transact(session: &mut Session, sender: &str, mail: &Mail) -> (MailResult, bool) {
    let size = match session.offer("SIZE") {
        Some(_) => format!(" SIZE={}", mail.content.len()),
        None => String::new(),
    };
    let commands = [
        (MailStage::Sender, format!("MAIL FROM:<{sender}>{size}")),
        (MailStage::Recipient, format!("RCPT TO:<{}>", mail.recipient)),
        (MailStage::Data, "DATA".to_owned()),
    ];
    for (stage, command) in commands {
        let answer = match session.command(stage, &command).await {
            Ok(answer) => answer,
            Err(error) => return (broken(&error, false), false),
        };
        let is_expected = if stage == MailStage::Data { answer.code == 354 } else { (200..300).contains(&answer.code) };
        if !is_expected {
            let can_go_on = answer.code != CLOSING && is_reset(session).await;
            return (MailResult::Answered(answer), can_go_on);
        }
    }
    if let Err(error) = session.content(&mail.content).await {
        return (broken(&error, false), false);
    }
    match session.end_of_content().await {
        Ok(answer) => {
            let can_go_on = answer.code != CLOSING;
            (MailResult::Answered(answer), can_go_on)
        }
        Err(error) => (broken(&error, true), false),
    }
}

/// Whether the server has forgotten the transaction that it has refused.
async fn is_reset(session: &mut Session) -> bool {
    session.command(MailStage::Sender, "RSET").await.is_ok_and(|answer| (200..300).contains(&answer.code))
}

fn accepted(answer: MailAnswer) -> Result<(), Unopened> {
    if (200..300).contains(&answer.code) { Ok(()) } else { Err(Unopened::Answered(answer)) }
}

fn broken(error: &io::Error, may_have_arrived: bool) -> MailResult {
    MailResult::Broken { may_have_arrived, detail: error.to_string() }
}

/// No mail was sent until here.
fn failed(server: &MailServer, detail: &str) -> Unopened {
    Unopened::Unreached(Reply::Failed(Fault {
        may_have_arrived: false,
        detail: format!("{}:{}: {detail}", server.host, server.port),
    }))
}

/// The connection ended before a mail was begun. A server refuses a certificate only after the handshake, as TLS 1.3 has it.
fn cut_off(server: &MailServer, error: &io::Error) -> Unopened {
    match certificate::refused(error, &server.tls) {
        Some(why) => untrusted(server, &why),
        None => failed(server, &error.to_string()),
    }
}

fn untrusted(server: &MailServer, why: &str) -> Unopened {
    Unopened::Unreached(Reply::NotSent(format!("{}:{}: {why}", server.host, server.port)))
}

/// Name, connection; TLS once more.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The whole, within the time of a try.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);
/// The server closes the connection after it.
const CLOSING: u16 = 421;
