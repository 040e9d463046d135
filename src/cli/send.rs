//! `gatepost send`

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::failure::{Failure, Outcome, io};
use super::number::parse_count;
use super::opening::load;
use super::output::{note, out};
use super::runtime::runtime;
use super::{help, names, terminal};
use crate::config::Config;
use crate::destinations::{HttpRequest, Message, Method, Reply};
use crate::domain::{Clock, ReceiptId, Secret, SystemClock, Timestamp};
use crate::egress::Egress;
use crate::vendors::{Sample, Source};

#[derive(clap::Args)]
#[command(after_help = help::samples())]
pub struct Send {
    /// The source to post to
    source: String,
    /// One of the vendor's samples, dated today; without it and without --file, the first
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    sample: Option<String>,
    /// A body of your own
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where to, instead of the [server] of the configuration
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,
    /// Post it so many times: repetitions are answered `duplicate`
    #[arg(long, default_value_t = 1, value_parser = parse_count::<1, 1_000_000>)]
    count: u32,
    /// Give each post a new `id`, so that each is a new event
    #[arg(long)]
    fresh: bool,
}

impl Send {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load(path)?;
        let found = config.sources.values().find(|source| source.name.as_str() == self.source);
        let names = config.sources.keys().map(|name| name.as_str());
        let source = found.ok_or_else(|| names::unknown("source", &self.source, names))?;
        let (body, content_type) = self.body(source)?;
        let url = match &self.url {
            Some(url) => url.clone(),
            None => format!("http://{}/webhooks/{}", reachable(config.listen), source.name)
                .parse()
                .map_err(|error| Failure::Found(format!("the address of [server] makes no URL: {error}")))?,
        };
        let runtime = runtime()?;
        let egress = Egress::new().map_err(crate::app::AppError::Client)?;
        let mut any_duplicate = false;
        for _ in 0..self.count {
            let body = if self.fresh { with_new_id(&body)? } else { body.clone() };
            let reply = runtime.block_on(post(&egress, source, &url, (body, content_type)));
            any_duplicate |= is_duplicate(&reply);
            report(&url, &reply, |status| next_step(status, source, &config))?;
        }
        if any_duplicate && with_new_id(&body).is_ok() {
            note!("a duplicate is not told again; with --fresh each post is a new event");
        }
        Ok(())
    }

    fn body(&self, source: &Source) -> Result<(Bytes, &'static str), Failure> {
        if let Some(file) = &self.file {
            let body = std::fs::read(file).map_err(io(format!("{} cannot be read", file.display())))?;
            return Ok((body.into(), "application/json"));
        }
        let samples = source.vendor.samples;
        let sample: Option<&Sample> = match &self.sample {
            Some(name) => samples.iter().find(|sample| sample.name == name),
            None => samples.first(),
        };
        let sample = sample.ok_or_else(|| {
            let names: Vec<&str> = samples.iter().map(|sample| sample.name).collect();
            Failure::Found(format!("{} has no such sample; samples: {}", source.vendor.title, names.join(", ")))
        })?;
        Ok((sample.body_at(today()), sample.content_type))
    }
}

/// Signs as the vendor would and posts. The demo uses it too.
pub async fn post(
    egress: &Egress,
    source: &Source,
    url: &url::Url,
    (body, content_type): (Bytes, &'static str),
) -> Reply {
    let id = format!("msg_{}", ReceiptId::generate().as_uuid().simple());
    let lines = source.verifier.sign(&body, SystemClock.now(), &id);
    let headers: Vec<(std::borrow::Cow<'static, str>, Secret)> =
        lines.into_iter().map(|(name, value)| (name.to_ascii_lowercase().into(), value)).collect();
    egress
        .send(Message::Http(HttpRequest { method: Method::Post, url: url.clone(), headers, content_type, body }))
        .await
}

/// The beginning of the day: what is sent twice on one day is the same to the byte, and a duplicate.
fn today() -> Timestamp {
    let now = SystemClock.now().as_millis();
    Timestamp::from_millis(now - now.rem_euclid(24 * 3600 * 1000))
}

fn is_duplicate(reply: &Reply) -> bool {
    let Reply::Http(answer) = reply else { return false };
    let document: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    answer.status == 200 && document.is_some_and(|document| document["status"] == "duplicate")
}

/// What to do about a refusal.
fn next_step(status: u16, source: &Source, config: &Config) -> Option<String> {
    let name = &source.name;
    match status {
        401 => Some(format!(
            "the process that serves may have other secrets than this configuration: reload it. `gatepost verify {name} \
             --file BODY --header 'NAME: VALUE'` explains step by step why a request is not authentic"
        )),
        404 => {
            let names: Vec<&str> = config.sources.keys().map(|name| name.as_str()).collect();
            Some(format!(
                "the process that serves has no source of that name: reload it if it was added. Configured sources: {}",
                names.join(", ")
            ))
        }
        413 => Some(format!("send less, or raise sources.{name}.body_limit and reload")),
        503 => {
            let admin = reachable(config.admin_listen);
            Some(format!("nothing was stored; http://{admin}/readyz says why, and `gatepost status`"))
        }
        _ => None,
    }
}

/// Prints status and body, as the vendor's page would show them.
fn report(url: &url::Url, reply: &Reply, next_step: impl Fn(u16) -> Option<String>) -> Outcome {
    match reply {
        Reply::Http(answer) => {
            out!("{} {}", answer.status, terminal::clean(&String::from_utf8_lossy(&answer.body)))?;
            if answer.status == 200 {
                Ok(())
            } else {
                let next = next_step(answer.status).map(|next| format!(": {next}"));
                Err(Failure::Found(format!("it was answered {}{}", answer.status, next.unwrap_or_default())))
            }
        }
        Reply::Failed(fault) => Err(Failure::Found(format!(
            "no answer from {}: {}; does `gatepost serve` run there?",
            url.origin().ascii_serialization(),
            fault.detail
        ))),
        Reply::NotSent(why) => {
            Err(Failure::Found(format!("nothing was sent to {}: {why}", url.origin().ascii_serialization())))
        }
        Reply::Appended | Reply::Mailed(_) | Reply::Written => Ok(()),
    }
}

/// The body with a new top-level `id`.
fn with_new_id(body: &[u8]) -> Result<Bytes, Failure> {
    let wrong = || Failure::Found("--fresh needs a body that is a JSON object with an id".to_owned());
    let mut document: serde_json::Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let id = document.as_object_mut().and_then(|fields| fields.get_mut("id")).ok_or_else(wrong)?;
    *id = format!("evt_{}", ReceiptId::generate().as_uuid().simple()).into();
    Ok(document.to_string().into())
}

/// An unspecified listen address is reached on loopback.
pub fn reachable(address: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() });
    }
    address
}
