//! The dialogue of SMTP (RFC 5321) on a connection: commands, answers, the message.
//!
//! Every answer has a time limit and a size limit: a server that never comes to an end must not hold up a worker or fill
//! the memory.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, timeout_at};

use crate::destinations::{MailAnswer, MailStage};

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A session of SMTP.
pub struct Session {
    stream: BufReader<Box<dyn Stream>>,
    /// No wait goes beyond it.
    deadline: Instant,
    /// What the server offers: the keyword in capitals, and the words after it.
    offers: Vec<(String, String)>,
}

impl Session {
    /// On a connection on which nothing was said yet.
    pub fn new(stream: Box<dyn Stream>, deadline: Instant) -> Self {
        Self { stream: BufReader::new(stream), deadline, offers: Vec::new() }
    }

    /// The words after a keyword of `EHLO`; `None` where the server does not offer it.
    pub fn offer(&self, keyword: &str) -> Option<&str> {
        self.offers.iter().find(|(offered, _)| offered == keyword).map(|(_, words)| words.as_str())
    }

    /// Whether there is time for one more message: one that is begun too late would be in doubt for no reason.
    pub fn has_time(&self) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) >= MESSAGE_TIME_MIN
    }

    /// `EHLO`, which says anew what the server offers.
    pub async fn hello(&mut self, name: &str) -> io::Result<MailAnswer> {
        self.write(format!("EHLO {name}\r\n").as_bytes()).await?;
        let (code, lines) = self.read().await?;
        self.offers = lines.iter().skip(1).map(|line| offer_of(line)).collect();
        Ok(answer(MailStage::Hello, code, &lines))
    }

    /// A command and its answer. Text of an alert is never part of a command.
    pub async fn command(&mut self, stage: MailStage, command: &str) -> io::Result<MailAnswer> {
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.answer(stage).await
    }

    /// The next answer.
    pub async fn answer(&mut self, stage: MailStage) -> io::Result<MailAnswer> {
        let (code, lines) = self.read().await?;
        Ok(answer(stage, code, &lines))
    }

    /// The message but for its end: a connection that breaks until then has delivered nothing.
    pub async fn content(&mut self, content: &[u8]) -> io::Result<()> {
        self.write(&with_dots_doubled(content)).await
    }

    /// The end of the message, and the answer to it.
    pub async fn end_of_content(&mut self) -> io::Result<MailAnswer> {
        self.command(MailStage::Content, ".").await
    }

    /// The connection, for TLS. `None` where the server has said something that it was not asked: it would be taken for an
    /// answer within TLS, and could come from anyone in between.
    pub fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            self.stream.get_mut().write_all(bytes).await?;
            self.stream.get_mut().flush().await
        };
        timeout_at(limit(self.deadline), written).await.unwrap_or_else(|_| Err(too_slow("took nothing")))
    }

    async fn read(&mut self) -> io::Result<(u16, Vec<String>)> {
        let until = limit(self.deadline);
        timeout_at(until, read_answer(&mut self.stream)).await.unwrap_or_else(|_| Err(too_slow("gave no answer")))
    }
}

/// The end of the present wait.
fn limit(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + ANSWER_TIMEOUT)
}

fn too_slow(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("it {what} in time"))
}

fn answer(stage: MailStage, code: u16, lines: &[String]) -> MailAnswer {
    MailAnswer { stage, code, text: lines.join(" ") }
}

/// `AUTH PLAIN LOGIN`, and `AUTH=PLAIN` as old servers write it.
fn offer_of(line: &str) -> (String, String) {
    let (keyword, words) = line.split_once([' ', '=']).unwrap_or((line, ""));
    (keyword.to_ascii_uppercase(), words.to_ascii_uppercase())
}

/// The code and the lines of an answer (RFC 5321, section 4.2.1).
async fn read_answer(stream: &mut BufReader<Box<dyn Stream>>) -> io::Result<(u16, Vec<String>)> {
    let mut lines = Vec::new();
    let mut code = None;
    while lines.len() < ANSWER_LINES_MAX {
        let line = read_line(stream).await?;
        let (found, is_last, text) = parse_line(&line).ok_or_else(|| not_smtp("answers with something else"))?;
        if *code.get_or_insert(found) != found {
            return Err(not_smtp("answers with two codes at once"));
        }
        lines.push(text.to_owned());
        if is_last {
            return Ok((found, lines));
        }
    }
    Err(not_smtp("answers without an end"))
}

async fn read_line(stream: &mut BufReader<Box<dyn Stream>>) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        let is_long = u64::try_from(line.len()).is_ok_and(|length| length + 1 >= LINE_BYTES_MAX);
        return Err(if is_long {
            not_smtp("answers with a line without an end")
        } else {
            io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")
        });
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
}

/// Code, whether it is the last line, text.
fn parse_line(line: &str) -> Option<(u16, bool, &str)> {
    let code: u16 = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let (is_last, text) = match line.as_bytes().get(3) {
        None => (true, ""),
        Some(b' ') => (true, line.get(4..)?),
        Some(b'-') => (false, line.get(4..)?),
        Some(_) => return None,
    };
    (200..600).contains(&code).then_some((code, is_last, text))
}

fn not_smtp(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it does not speak SMTP: it {what}"))
}

/// The message as it goes over the wire: a dot at the beginning of a line is doubled (RFC 5321, section 4.5.2), and the last
/// line has its end.
fn with_dots_doubled(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 64 + 2);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// For each command and its answer. RFC 5321 asks for minutes; a worker has seconds, and what may have arrived is sent again
/// under the same id.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Servers that look for spam take some seconds for a message.
const MESSAGE_TIME_MIN: Duration = Duration::from_secs(5);
/// Longer than any line that RFC 5321 allows.
const LINE_BYTES_MAX: u64 = 2048;
/// An `EHLO` of a large provider has some twenty.
const ANSWER_LINES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(said: &'static [u8]) -> io::Result<(u16, Vec<String>)> {
        let stream: Box<dyn Stream> = Box::new(tokio::io::join(said, tokio::io::sink()));
        read_answer(&mut BufReader::new(stream)).await
    }

    #[tokio::test]
    async fn an_answer_has_one_code_and_as_many_lines_as_it_says() {
        for (said, code, lines) in [
            (&b"250 OK\r\n"[..], 250, vec!["OK"]),
            (b"220-a\r\n220-\r\n220 b c\r\n", 220, vec!["a", "", "b c"]),
            (b"354\r\n", 354, vec![""]),
            (b"250 bare line feed\n", 250, vec!["bare line feed"]),
            (b"550 caf\xe9\r\n", 550, vec!["caf\u{fffd}"]),
        ] {
            assert_eq!(read(said).await.unwrap(), (code, lines.into_iter().map(str::to_owned).collect()));
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_none() {
        for (said, why) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "does not speak SMTP"),
            (b"250-a\r\n251 b\r\n", "two codes"),
            (b"25 OK\r\n", "does not speak SMTP"),
            (b"250_OK\r\n", "does not speak SMTP"),
            (b"199 early\r\n", "does not speak SMTP"),
            (b"600 late\r\n", "does not speak SMTP"),
            ("25é OK\r\n".as_bytes(), "does not speak SMTP"),
            (b"250-a\r\n", "closed the connection"),
            (b"", "closed the connection"),
            (b"250 OK", "closed the connection"),
        ] {
            let error = read(said).await.unwrap_err().to_string();
            assert!(error.contains(why), "{said:?}: {error}");
        }
        let long: &'static [u8] = Vec::leak([b"250 ".as_slice(), &[b'x'; 4096]].concat());
        assert!(read(long).await.unwrap_err().to_string().contains("without an end"));
        let endless: &'static [u8] = Vec::leak(b"250-x\r\n".repeat(101));
        assert!(read(endless).await.unwrap_err().to_string().contains("without an end"));
    }

    /// Pieces of answers in pseudo-random order: whatever comes is read to an end, and what is an answer has a code and no line
    /// break in its lines.
    #[tokio::test]
    async fn whatever_a_server_says_is_an_answer_or_none() {
        const PIECES: [&[u8]; 16] = [
            b"250",
            b"250-",
            b"354 ",
            b"5",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"-",
            b"\0",
            b"\xff\xfe",
            b"\xe9",
            b"x",
            b"2.1.0 ok",
            b"AUTH PLAIN",
            b"\xf0\x9f\x98\x80",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: usize| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
        };
        let (mut answers, mut others) = (0, 0);
        for _ in 0..20_000 {
            let said: Vec<u8> = (0..=next(12)).flat_map(|_| PIECES[next(PIECES.len())]).copied().collect();
            let stream: Box<dyn Stream> = Box::new(tokio::io::join(std::io::Cursor::new(said), tokio::io::sink()));
            match read_answer(&mut BufReader::new(stream)).await {
                Ok((code, lines)) => {
                    answers += 1;
                    assert!((200..600).contains(&code) && !lines.is_empty(), "{code} {lines:?}");
                    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
                }
                Err(error) => {
                    others += 1;
                    let is_told = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof].contains(&error.kind());
                    assert!(is_told, "{error:?}");
                }
            }
        }
        assert!(answers > 500 && others > 500, "{answers} answers, {others} others");
    }

    #[tokio::test]
    async fn no_wait_goes_beyond_the_deadline() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut session = Session::new(Box::new(ours), Instant::now() + Duration::from_millis(20));
        let error = session.answer(MailStage::Greeting).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("gave no answer") && !session.has_time());
        let error = session.content(&[b'x'; 4096]).await.unwrap_err();
        assert!(error.to_string().contains("took nothing"), "{error}");
    }

    #[test]
    fn dots_at_the_beginning_of_a_line_are_doubled_and_no_others() {
        assert_eq!(with_dots_doubled(b".a\r\n..\r\nb.\r\n.\r\n"), b"..a\r\n...\r\nb.\r\n..\r\n");
        assert_eq!(with_dots_doubled(b"a"), b"a\r\n");
        assert_eq!(with_dots_doubled(b""), b"\r\n");
    }

    #[test]
    fn offers_are_read_without_regard_to_case() {
        assert_eq!(offer_of("auth PLAIN login"), ("AUTH".to_owned(), "PLAIN LOGIN".to_owned()));
        assert_eq!(offer_of("AUTH=PLAIN"), ("AUTH".to_owned(), "PLAIN".to_owned()));
        assert_eq!(offer_of("STARTTLS"), ("STARTTLS".to_owned(), String::new()));
    }
}
