//! One connection to the stand-in of a mail server.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConnection, StreamOwned};

use super::message::Message;
use super::{Fault, PASSWORD, Received, Shared, USER};

/// Serves a connection to its end.
pub fn serve(shared: &Shared, stream: TcpStream) {
    // What a client does to its connection is its own affair.
    drop(stream.set_read_timeout(Some(IDLE_MAX)).and_then(|()| converse(shared, stream)));
}

fn converse(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    let plain = stream.try_clone()?;
    let stream: Box<dyn ReadWrite> = match (&shared.options.tls, shared.options.is_implicit) {
        (Some(config), true) => Box::new(secure(config, stream)?),
        _ => Box::new(stream),
    };
    let is_secure = shared.options.is_implicit;
    let mut session = Session::new(shared, stream, is_secure);
    session.respond("connect", "220 standin.example ESMTP")?;
    while !session.is_closed {
        let Some(line) = session.line()? else { break };
        if session.is_start_tls(&line) {
            session.respond("STARTTLS", "220 2.0.0 go ahead")?;
            if session.is_closed {
                break;
            }
            let Some(config) = &shared.options.tls else { break };
            // What was sent before TLS is void (RFC 3207, section 4.2).
            session = Session::new(shared, Box::new(secure(config, plain.try_clone()?)?), true);
            continue;
        }
        session.command(&line)?;
    }
    plain.shutdown(std::net::Shutdown::Both)
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

fn secure(
    config: &Arc<rustls::ServerConfig>,
    stream: TcpStream,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

struct Session<'s> {
    shared: &'s Shared,
    stream: BufReader<Box<dyn ReadWrite>>,
    is_secure: bool,
    is_greeted: bool,
    is_logged_in: bool,
    sender: Option<String>,
    recipients: Vec<String>,
    /// The code of the last answer; 0 where there was none.
    last_code: u16,
    is_closed: bool,
}

impl<'s> Session<'s> {
    fn new(shared: &'s Shared, stream: Box<dyn ReadWrite>, is_secure: bool) -> Self {
        Self {
            shared,
            stream: BufReader::new(stream),
            is_secure,
            is_greeted: false,
            is_logged_in: false,
            sender: None,
            recipients: Vec::new(),
            last_code: 0,
            is_closed: false,
        }
    }

    /// A line of a command, which ends with CRLF and is no longer than RFC 5321 allows.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = line.strip_suffix(b"\r\n").filter(|text| text.len() <= COMMAND_BYTES_MAX);
        match text.and_then(|text| std::str::from_utf8(text).ok()) {
            Some(text) if !text.contains(['\r', '\0']) => Ok(Some(text.to_owned())),
            _ => {
                self.say("500 5.5.2 a line is ended by CRLF, and is no longer than 512 octets")?;
                Ok(None)
            }
        }
    }

    fn is_start_tls(&self, line: &str) -> bool {
        let can = self.shared.options.tls.is_some() && !self.is_secure && self.is_greeted;
        can && line.eq_ignore_ascii_case("STARTTLS")
    }

    fn command(&mut self, line: &str) -> io::Result<()> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !rest.is_empty() => self.hello(),
            "AUTH" => self.log_in(rest),
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" if rest.is_empty() => self.data(),
            "RSET" => {
                self.forget();
                self.respond("RSET", "250 2.0.0 forgotten")
            }
            "QUIT" => {
                self.is_closed = true;
                self.respond("QUIT", "221 2.0.0 bye")
            }
            _ => self.say("500 5.5.1 not a command"),
        }
    }

    fn hello(&mut self) -> io::Result<()> {
        self.is_greeted = true;
        self.forget();
        let options = &self.shared.options;
        let mut lines = vec!["standin.example".to_owned(), "8BITMIME".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
        lines.extend(options.size_max.map(|size| format!("SIZE {size}")));
        lines.extend(options.login.filter(|_| self.may_log_in()).map(|ways| format!("AUTH {ways}")));
        if options.tls.is_some() && !self.is_secure {
            lines.push("STARTTLS".to_owned());
        }
        let last = lines.len() - 1;
        let joined: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("250{}{line}", if index == last { ' ' } else { '-' }))
            .collect();
        self.respond("EHLO", &joined.join("\r\n"))
    }

    /// Passwords are for TLS, where there is any.
    fn may_log_in(&self) -> bool {
        self.is_secure || self.shared.options.tls.is_none()
    }

    fn log_in(&mut self, rest: &str) -> io::Result<()> {
        let ways = self.shared.options.login.filter(|_| self.may_log_in()).unwrap_or_default();
        let (way, first) = rest.split_once(' ').unwrap_or((rest, ""));
        if !ways.split(' ').any(|offered| offered == way) {
            return self.respond("AUTH", "504 5.5.4 not a way to log in");
        }
        let (user, password) = match way {
            "PLAIN" => {
                let text = decoded(first);
                let mut parts = text.split('\0').map(str::to_owned);
                let (_, user, password) = (parts.next(), parts.next(), parts.next());
                (user.unwrap_or_default(), password.unwrap_or_default())
            }
            _ => {
                self.say("334 VXNlcm5hbWU6")?;
                let user = decoded(&self.line()?.unwrap_or_default());
                self.say("334 UGFzc3dvcmQ6")?;
                (user, decoded(&self.line()?.unwrap_or_default()))
            }
        };
        self.is_logged_in = user == USER && password == PASSWORD;
        let answer = if self.is_logged_in { "235 2.7.0 welcome" } else { "535 5.7.8 user or password is wrong" };
        self.respond("AUTH", answer)
    }

    fn mail(&mut self, rest: &str) -> io::Result<()> {
        if !self.is_greeted || self.sender.is_some() {
            return self.respond("MAIL", "503 5.5.1 not now");
        }
        if self.shared.options.login.is_some() && !self.is_logged_in {
            return self.respond("MAIL", "530 5.7.0 log in first");
        }
        let Some((address, parameters)) = path(rest, "FROM:") else {
            return self.respond("MAIL", "501 5.5.4 MAIL FROM:<address>");
        };
        let size = parameters.strip_prefix("SIZE=").and_then(|size| size.parse::<usize>().ok());
        let is_known = parameters.is_empty() || size.is_some() && self.shared.options.size_max.is_some();
        if !is_known {
            return self.respond("MAIL", "555 5.5.4 a parameter that was not offered");
        }
        if size.zip(self.shared.options.size_max).is_some_and(|(size, max)| size > max) {
            return self.respond("MAIL", "552 5.3.4 the message is too large");
        }
        let answered = self.respond("MAIL", "250 2.1.0 sender ok");
        self.sender = self.is_last_taken().then_some(address);
        answered
    }

    fn recipient(&mut self, rest: &str) -> io::Result<()> {
        let Some((address, _)) = path(rest, "TO:").filter(|(_, parameters)| parameters.is_empty()) else {
            return self.respond("RCPT", "501 5.5.4 RCPT TO:<address>");
        };
        if self.sender.is_none() {
            return self.respond("RCPT", "503 5.5.1 MAIL first");
        }
        let refusal = {
            let mut state = self.shared.state();
            let is_new = state.greylist.as_mut().is_some_and(|known| known.insert(address.clone()));
            let scripted = state.recipients.get(&address).copied();
            scripted.or(is_new.then_some("451 4.7.1 greylisted, come back in five minutes"))
        };
        let answered = self.respond("RCPT", refusal.unwrap_or("250 2.1.5 recipient ok"));
        if refusal.is_none() && self.is_last_taken() {
            self.recipients.push(address);
        }
        answered
    }

    fn data(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            return self.respond("DATA", "503 5.5.1 RCPT first");
        }
        self.respond("DATA", "354 go ahead")?;
        if self.is_closed || !self.is_last_taken() {
            return Ok(());
        }
        let raw = self.content()?;
        let is_too_large = self.shared.options.size_max.is_some_and(|max| raw.len() > max);
        let parsed = Message::read(&raw);
        let answer = match &parsed {
            _ if is_too_large => "552 5.3.4 the message is too large".to_owned(),
            Err(why) => format!("554 5.6.0 {why}"),
            Ok(_) => "250 2.0.0 taken".to_owned(),
        };
        let fault = self.shared.fault(".");
        let is_kept =
            matches!(fault, None | Some(Fault::ThenUnasked(_) | Fault::TakenThenClose | Fault::TakenThenSilence(_)));
        if let Ok(message) = parsed
            && is_kept
            && !is_too_large
        {
            self.keep(&raw, &message);
        }
        self.forget();
        self.meet(fault, &answer)
    }

    /// Up to the line that is a dot, with doubled dots made single.
    fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut raw = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok(raw);
            }
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    fn keep(&self, raw: &[u8], message: &Message) {
        let sender = self.sender.clone().unwrap_or_default();
        for recipient in &self.recipients {
            self.shared.state().mails.push(Received {
                recipient: recipient.clone(),
                sender: sender.clone(),
                is_secure: self.is_secure,
                raw: raw.to_vec(),
                message: message.clone(),
            });
        }
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    /// Answers a command, unless something else is scripted for it.
    fn respond(&mut self, command: &str, usual: &str) -> io::Result<()> {
        let fault = self.shared.fault(command);
        self.meet(fault, usual)
    }

    fn meet(&mut self, fault: Option<Fault>, usual: &str) -> io::Result<()> {
        self.last_code = 0;
        match fault {
            None => self.say(usual),
            Some(Fault::Answer(answer)) => {
                self.is_closed = answer.starts_with("421");
                self.say(answer)
            }
            Some(Fault::ThenUnasked(more)) => self.say(&format!("{usual}\r\n{more}")),
            Some(Fault::Close | Fault::TakenThenClose) => {
                self.is_closed = true;
                Ok(())
            }
            Some(Fault::Silence(silence) | Fault::TakenThenSilence(silence)) => {
                self.is_closed = true;
                std::thread::sleep(silence);
                Ok(())
            }
        }
    }

    fn is_last_taken(&self) -> bool {
        (200..400).contains(&self.last_code)
    }

    fn say(&mut self, answer: &str) -> io::Result<()> {
        self.last_code = answer.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
        let stream = self.stream.get_mut();
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
        stream.flush()
    }
}

/// The address between the brackets, and what follows it.
fn path(rest: &str, keyword: &str) -> Option<(String, String)> {
    let (start, rest) = (rest.get(..keyword.len())?, rest.get(keyword.len()..)?);
    let (address, parameters) = rest.strip_prefix('<')?.split_once('>')?;
    let is_address = address.contains('@') && address.bytes().all(|byte| byte.is_ascii_graphic());
    (start.eq_ignore_ascii_case(keyword) && is_address).then(|| (address.to_owned(), parameters.trim().to_owned()))
}

fn decoded(text: &str) -> String {
    STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// RFC 5321, section 4.5.3.1.4, with room for the parameters of extensions.
const COMMAND_BYTES_MAX: usize = 512;
/// A client that says nothing for so long is gone.
const IDLE_MAX: Duration = Duration::from_secs(60);
