//! HTTP/1.1 written byte by byte, so that headers can stand twice and bodies can be chunked, broken off or slow.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// A connection to a listener.
pub struct Connection {
    stream: TcpStream,
    /// What was read and not yet used.
    ahead: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A request that is being built.
#[derive(Clone, Debug)]
pub struct Post {
    method: &'static str,
    path: String,
    lines: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Post {
    /// `POST` to a path.
    pub fn to(path: impl Into<String>) -> Self {
        Self { method: "POST", path: path.into(), lines: Vec::new(), body: Vec::new() }
    }

    /// `GET` of a path.
    pub fn get(path: impl Into<String>) -> Self {
        Self::to(path).method("GET")
    }

    /// With another method.
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// With one more header line.
    pub fn line(mut self, name: &str, value: impl Into<String>) -> Self {
        self.lines.push((name.to_owned(), value.into()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own, with `Content-Length`.
    pub fn send(&self, address: SocketAddr) -> Answer {
        let mut connection = Connection::open(address);
        let mut bytes = self.head(&format!("content-length: {}", self.body.len()));
        bytes.extend_from_slice(&self.body);
        connection.send(&bytes);
        match self.method {
            "HEAD" => connection.answer_to_head(),
            _ => connection.answer(),
        }
    }

    /// Sends it in chunks of this size.
    pub fn send_chunked(&self, address: SocketAddr, size: usize) -> Answer {
        let mut connection = Connection::open(address);
        let mut bytes = self.head("transfer-encoding: chunked");
        for piece in self.body.chunks(size) {
            bytes.extend_from_slice(&chunk(piece));
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        connection.send(&bytes);
        connection.answer()
    }

    /// The head of the request, with this line to say where the body ends.
    pub fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.lines {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("{framing}\r\n\r\n"));
        head.into_bytes()
    }
}

/// A chunk of a chunked body.
pub fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, ahead: Vec::new() }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes; `false` once the other side does not want them any more.
    pub fn offer(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "the other side neither takes nor refuses: {error}"
                );
                false
            }
        }
    }

    /// Says that nothing more comes, if the other side is still there.
    pub fn finish(&mut self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        }
    }

    /// The answer.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|| panic!("the connection was closed without an answer"))
    }

    /// The answer to a request whose answer has no body.
    pub fn answer_to_head(&mut self) -> Answer {
        let (status, headers) = self.read_head().unwrap();
        Answer { status, headers, body: Vec::new() }
    }

    /// The answer; `None` where the connection is closed without a whole head.
    pub fn try_answer(&mut self) -> Option<Answer> {
        let (status, headers) = self.read_head()?;
        let line = |name: &str| headers.iter().find(|(line, _)| line == name).map(|(_, value)| value.clone());
        assert_eq!(line("transfer-encoding"), None, "the listeners know the length of what they say");
        let length: usize = line("content-length").map_or(0, |length| length.parse().unwrap());
        while self.ahead.len() < length {
            assert!(self.read_more(), "the answer breaks off");
        }
        let body = self.ahead.drain(..length).collect();
        Some(Answer { status, headers, body })
    }

    /// Whether the other side has closed the connection, or does so within the deadline of tests.
    pub fn is_closed(&mut self) -> bool {
        !self.read_more()
    }

    fn read_head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.read_more() {
                return None;
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Some((status, headers.collect()))
    }

    /// Reads something; `false` at the end of the connection.
    fn read_more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(count) => {
                self.ahead.extend_from_slice(&piece[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

impl Answer {
    /// The value of a header line.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(line, _)| line == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The receipt's id of an answer that says `accepted`.
    pub fn accepted(&self) -> String {
        self.stored("accepted")
    }

    /// The receipt's id of an answer that says `duplicate`.
    pub fn duplicate(&self) -> String {
        self.stored("duplicate")
    }

    /// The answer is exactly what vendors are promised, with this word.
    pub fn stored(&self, status: &str) -> String {
        assert_eq!(self.status, 200, "{self:?}: {}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/json"));
        let receipt = self.json()["receipt"].as_str().unwrap_or_default().to_owned();
        assert_eq!(self.text(), format!("{{\"status\":\"{status}\",\"receipt\":\"{receipt}\"}}"));
        let id = uuid::Uuid::parse_str(&receipt).unwrap();
        assert_eq!((id.get_version_num(), id.hyphenated().to_string()), (7, receipt.clone()));
        receipt
    }

    /// The answer is a problem document (RFC 9457) with this status and this code, and reveals no internals.
    pub fn refused(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{text}");
        let problem = self.json();
        let mut keys: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "detail", "status", "title", "type"]);
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{text}");
        assert_eq!(problem["type"], format!("urn:gatepost:problem:{code}"));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.ends_with('.') && detail.matches('.').count() == 1 && detail.len() < 80, "{detail}");
        for inside in ["sqlite", "hmac", "sha256", "secret", "panic", "src/", ".rs"] {
            assert!(!text.to_lowercase().contains(inside), "{text}");
        }
    }
}
