//! The requests that were sent, and their answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gatepost::domain::{Clock, SystemClock, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::dice::Dice;
use super::wire::{self, Answer, Broken, Wire};
use super::world::{ADRIAN_SECRET, AKTO_SECRET};

/// One body for one source.
#[derive(Clone, Debug)]
pub struct Posting {
    pub source: &'static str,
    pub body: Vec<u8>,
    /// How many events it holds.
    pub events: usize,
}

/// What tells one threat from another; what is the same in `filter` and `host` is one incident.
#[derive(Clone, Copy, Debug)]
pub struct Threat {
    pub filter: &'static str,
    pub host: &'static str,
    pub severity: &'static str,
    pub succeeded: bool,
}

/// A 200.
#[derive(Clone, Debug)]
pub struct Acknowledgement {
    /// The number of the posting.
    pub posting: usize,
    /// `accepted`, not `duplicate`.
    pub is_first: bool,
    pub receipt: String,
}

/// What came of all posts.
#[derive(Debug, Default)]
pub struct Entries {
    pub postings: Vec<Posting>,
    pub acknowledged: Vec<Acknowledgement>,
    /// Answers by status.
    pub answers: BTreeMap<u16, usize>,
    /// Refusals with 503 that lack `Retry-After`.
    pub unhelpful: usize,
    /// When the requests were sent that were never answered.
    pub unanswered: Vec<Instant>,
    /// Answers that broke off.
    pub torn: usize,
    /// Requests on which nothing happened for 20 s.
    pub silent: usize,
    /// Requests that could not be sent.
    pub unsent: usize,
}

/// The expectations. It numbers what it writes, so that no id repeats within one instance.
#[derive(Debug)]
pub struct Expectations {
    run: u64,
    /// When everything in it happened: what is signed and old goes to quarantine, and what is a day old into a digest.
    time: Timestamp,
    number: AtomicU64,
    entries: Mutex<Entries>,
}

impl Expectations {
    pub fn new(dice: &mut Dice) -> Self {
        let time = SystemClock.now();
        Self { run: dice.next() >> 32, time, number: AtomicU64::new(0), entries: Mutex::default() }
    }

    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a posting; its number.
    pub fn write(&self, posting: Posting) -> usize {
        let mut entries = self.entries();
        entries.postings.push(posting);
        entries.postings.len() - 1
    }

    /// A signed alert of Secureagentics. The odd blanks, escapes and letters must all come back as they are.
    pub fn adrian(&self, severity: &str, padding: usize) -> Posting {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (run, time) = (self.run, self.time);
        let padding = "ü\\/ <!channel> ".repeat(padding / 16);
        let body = format!(
            "{{ \"id\":\"evt_{run:08x}_{number}\",\t\"type\": \"alert.triggered\", \"timestamp\":\"{time}\",\r\n \
             \"data\":{{\"alert_id\":\"alrt_{number}\",\"agent_id\":\"agt_{run:08x}\",\"severity\":\"{severity}\",\
             \"details\":\"mark-{run:08x}-{number}. {padding}\"}} }}\n"
        );
        Posting { source: "adrian", body: body.into_bytes(), events: 1 }
    }

    /// An export of Akto with this many records, the first of this severity, the others low.
    pub fn akto(&self, severity: &str, records: usize) -> Posting {
        let (run, time_ms) = (self.run, self.time.as_millis());
        let record = |place: usize| {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let severity = if place == 0 { severity } else { "LOW" };
            format!(
                "{{\"id\":\"{run:08x}-{number}\",\"filterId\":\"SQLInjection\",\"actor\":\"198.51.100.{}\",\
                 \"latestApiEndpoint\":\"/v1\\/orders/{number}\",\"latestApiMethod\":\"POST\",\"detectedAt\":{time_ms},\
                 \"refId\":\"mark-{run:08x}-{number}\",\"severity\":\"{severity}\",\"host\":\"shop.example.net\"}}",
                number % 250
            )
        };
        let records_text: Vec<String> = (0..records).map(record).collect();
        Posting { source: "akto", body: format!("[{}]", records_text.join(",\n ")).into_bytes(), events: records }
    }

    /// A threat by itself, which has happened just now.
    pub fn threat(&self, threat: &Threat) -> Posting {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (run, now) = (self.run, SystemClock.now().as_millis());
        let Threat { filter, host, severity, succeeded } = threat;
        let body = format!(
            "{{\"id\":\"{run:08x}-{number}\",\"filterId\":\"{filter}\",\"actor\":\"198.51.100.{}\",\
             \"latestApiEndpoint\":\"/v1/orders/{number}\",\"latestApiMethod\":\"POST\",\"detectedAt\":{now},\
             \"severity\":\"{severity}\",\"host\":\"{host}\",\"successfulExploit\":{succeeded}}}",
            number % 250
        );
        Posting { source: "akto", body: body.into_bytes(), events: 1 }
    }

    /// An alert of an agent, which has happened just now. What is the same in `alert` and `agent` is one incident.
    pub fn alert(&self, alert: &str, agent: &str, severity: &str, outcome: &str) -> Posting {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (run, now) = (self.run, SystemClock.now());
        let body = format!(
            "{{\"id\":\"evt_{run:08x}_{number}\",\"type\":\"alert.triggered\",\"timestamp\":\"{now}\",\
             \"data\":{{\"alert_id\":\"{alert}\",\"agent_id\":\"{agent}\",\"severity\":\"{severity}\",\
             \"outcome\":\"{outcome}\",\"details\":\"mark-{run:08x}-{number}. {alert} of {agent}\"}}}}"
        );
        Posting { source: "adrian", body: body.into_bytes(), events: 1 }
    }

    /// One that goes to the archive only.
    pub fn low(&self, padding: usize) -> Posting {
        self.adrian("low", padding)
    }

    /// Posts once on a connection of its own; the status, if there was an answer.
    pub async fn post_once(&self, posting: usize, address: SocketAddr) -> Option<u16> {
        let mut wire = Wire::open(address).await.ok()?;
        self.post(posting, &mut wire).await.ok().map(|answer| answer.status)
    }

    /// Posts and writes down what came of it.
    pub async fn post(&self, posting: usize, wire: &mut Wire) -> Result<Answer, Broken> {
        let request = request_of(&self.entries().postings[posting]);
        let result = wire.ask(&request).await;
        self.note(posting, &result);
        result
    }

    fn note(&self, posting: usize, result: &Result<Answer, Broken>) {
        let mut entries = self.entries();
        match result {
            Ok(answer) => {
                *entries.answers.entry(answer.status).or_default() += 1;
                match answer.status {
                    200 => entries.acknowledged.push(acknowledgement(posting, answer)),
                    503 if answer.header("retry-after").is_none() => entries.unhelpful += 1,
                    _ => {}
                }
            }
            Err(Broken::Unanswered(sent_at)) => entries.unanswered.push(*sent_at),
            Err(Broken::Torn) => entries.torn += 1,
            Err(Broken::Silent) => entries.silent += 1,
            Err(Broken::Unsent | Broken::Unreachable) => entries.unsent += 1,
        }
    }
}

/// The request as the vendor sends it.
pub fn request_of(posting: &Posting) -> Vec<u8> {
    let path = format!("/webhooks/{}", posting.source);
    wire::post(&path, &[credentials(posting)], &posting.body)
}

/// The header that makes it authentic.
pub fn credentials(posting: &Posting) -> (String, String) {
    if !matches!(posting.source, "adrian" | "twin") {
        return ("Authorization".to_owned(), format!("Bearer {AKTO_SECRET}"));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(ADRIAN_SECRET.as_bytes()).unwrap();
    mac.update(&posting.body);
    ("X-Secureagentics-Signature".to_owned(), hex::encode(mac.finalize().into_bytes()))
}

fn acknowledgement(posting: usize, answer: &Answer) -> Acknowledgement {
    let said = answer.json();
    let word = said["status"].as_str().unwrap_or_default();
    assert!(matches!(word, "accepted" | "duplicate"), "a 200 that says {}", answer.text());
    Acknowledgement {
        posting,
        is_first: word == "accepted",
        receipt: said["receipt"].as_str().unwrap_or_default().to_owned(),
    }
}
