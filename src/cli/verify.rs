//! `gatepost verify`

use std::path::{Path, PathBuf};

use super::failure::{Failure, Outcome, io};
use super::opening::load;
use super::output::out;
use super::{names, terminal};
use crate::domain::{Clock, Headers, Request, SystemClock, Timestamp};
use crate::verify::Finding;

#[derive(clap::Args)]
pub struct Verify {
    /// The source that the request was for
    source: String,
    /// The body, byte for byte as it was sent
    #[arg(long, value_name = "BODY")]
    file: PathBuf,
    /// A header line of the request; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The moment of the check, for a request that was recorded
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl Verify {
    pub fn run(&self, path: &Path) -> Outcome {
        let config = load(path)?;
        let found = config.sources.values().find(|source| source.name.as_str() == self.source);
        let names = config.sources.keys().map(|name| name.as_str());
        let source = found.ok_or_else(|| names::unknown("source", &self.source, names))?;
        let now = self.moment()?;
        let body = std::fs::read(&self.file).map_err(io(format!("{} cannot be read", self.file.display())))?;
        let request = Request { headers: self.headers()?, body: body.into(), received_at: now };
        let checks = source.verifier.explain(&request, now);
        for check in &checks {
            let mark = match check.finding {
                Finding::Passed => "✔",
                Finding::Failed => "✘",
                Finding::Hint => "·",
            };
            out!("{mark} {}: {}", check.name, terminal::clean(&check.detail))?;
        }
        if checks.iter().any(|check| check.finding == Finding::Failed) {
            return Err(Failure::Found("the request is not authentic".to_owned()));
        }
        out!("the request is authentic")
    }

    fn moment(&self) -> Result<Timestamp, Failure> {
        match &self.at {
            None => Ok(SystemClock.now()),
            Some(text) => Timestamp::parse(text)
                .ok_or_else(|| Failure::Usage(format!("'{text}' is not a time; write it like 2026-11-21T10:00:00Z"))),
        }
    }

    fn headers(&self) -> Result<Headers, Failure> {
        let mut headers = Headers::default();
        for line in &self.header {
            let Some((name, value)) = line.split_once(':') else {
                return Err(Failure::Usage(format!("'{line}' is not a header line; write 'Name: value'")));
            };
            headers.push(name.trim(), value.trim());
        }
        Ok(headers)
    }
}
