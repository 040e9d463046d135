//! Strict local stand-ins of destinations: chats, trackers, pagers, a mail server, and receivers of events.
//!
//! Each is a server on loopback, of HTTP but for the one of mail, that takes what the real one takes and refuses what the real one refuses, with
//! the same answers: limits, required fields, credentials, rates. `gatepost demo` delivers to them and prints what a
//! person would have seen; the fault tests script how they misbehave and count what they have afterwards.
//!
//! What they do not promise: they know the calls that an alert gateway makes and no other, they keep everything in
//! memory until they are dropped, and in places of doubt they are stricter than the real thing (an argument that Slack
//! would silently ignore is refused), because a mistake should be seen here and not at three in the morning.
//!
//! ```no_run
//! # async fn run() -> std::io::Result<()> {
//! use gatepost::standins::{Fault, Style, pagerduty};
//! let pager = pagerduty::start().await?;
//! pager.script([Fault::Status(500), Fault::TakenThenReset]);
//! // … deliver to `pager.base_url()` …
//! print!("{}", pager.render_terminal(Style::Ansi));
//! # Ok(()) }
//! ```

pub mod discord;
pub mod elasticsearch;
pub mod email;
mod fault;
pub mod jira;
pub mod mattermost;
pub mod oauth;
pub mod opsgenie;
pub mod pagerduty;
pub mod proxy;
mod rate;
pub mod servicenow;
mod shape;
pub mod slack;
pub mod splunk;
pub mod syslog;
pub mod teams;
mod terminal;
pub mod webhook;
mod wire;

pub use fault::Fault;
pub use rate::Rate;
pub use terminal::{Card, Line, Style, Tone};
pub use wire::{Answer, Arrived};

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use wire::Shared;

/// What one stand-in does with requests, and what it has to show for them.
pub trait Service: Send + 'static {
    /// The name that people read.
    const NAME: &'static str;

    /// Takes a request, as the real service would.
    fn answer(&mut self, request: &Arrived) -> Answer;

    /// What the real service says to credentials that it does not know.
    fn refuse_credentials(&self, request: &Arrived) -> Answer;

    /// What the real service says to a caller that is too fast.
    fn throttle(&self, request: &Arrived, retry_after: Option<Duration>) -> Answer;

    /// How many effects there are: messages, issues, incidents.
    fn effects(&self) -> usize;

    /// How many effects hold `text` anywhere.
    fn mentions(&self, text: &str) -> usize;

    /// What a person sees, one card an effect, oldest first.
    fn cards(&self) -> Vec<Card>;
}

/// A running stand-in. It stops, and its port is free again, when it is dropped.
#[derive(Debug)]
pub struct StandIn<S: Service> {
    base_url: String,
    shared: Arc<Shared<S>>,
    server: ServerHandle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl<S: Service> StandIn<S> {
    /// Starts `service` on 127.0.0.1; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the port cannot be bound or no thread can be started.
    async fn start(service: S, port: u16) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(service));
        let (address, server, thread) = wire::serve(shared.clone(), port).await?;
        Ok(Self { base_url: format!("http://{address}"), shared, server, thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Meets the next requests with these faults, one each, in order, after those that are scripted already.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults().script(faults);
    }

    /// Forgets the faults that are scripted and have met no request.
    pub fn forget_script(&self) {
        self.shared.faults().forget_script();
    }

    /// How many scripted faults have met no request yet.
    pub fn unmet(&self) -> usize {
        self.shared.faults().unmet()
    }

    /// Meets every request with this fault once the script is at its end; `None` ends that.
    pub fn always(&self, fault: Option<Fault>) {
        self.shared.faults().always(fault);
    }

    /// The requests that came, oldest first, at most the last 20,000; also those that met a fault.
    pub fn requests(&self) -> Vec<Arrived> {
        self.shared.requests()
    }

    /// How many messages, issues or incidents there are.
    pub fn effects(&self) -> usize {
        self.shared.service().effects()
    }

    /// How many messages, issues or incidents hold `text` anywhere: the id of an event, for example.
    pub fn mentions(&self, text: &str) -> usize {
        self.shared.service().mentions(text)
    }

    /// Waits until there are at least `wanted` messages, issues or incidents.
    ///
    /// # Errors
    /// How many there were instead when `timeout` was over.
    pub async fn wait_for(&self, wanted: usize, timeout: Duration) -> Result<(), Shortfall> {
        self.wait_until(wanted, timeout, Self::effects).await
    }

    /// Waits until at least `wanted` requests have come, whatever they met.
    ///
    /// # Errors
    /// How many had come instead when `timeout` was over.
    pub async fn wait_for_requests(&self, wanted: usize, timeout: Duration) -> Result<(), Shortfall> {
        self.wait_until(wanted, timeout, |standin| standin.shared.arrived()).await
    }

    /// What a person would have seen, one card an effect, oldest first. Safe for a terminal whatever the alerts held.
    pub fn render_terminal(&self, style: Style) -> String {
        let cards = self.cards();
        cards.iter().map(|card| card.render(style)).collect::<Vec<_>>().join("\n")
    }

    /// The cards that [`StandIn::render_terminal`] prints, for who wants to print only the new ones.
    pub fn cards(&self) -> Vec<Card> {
        self.shared.service().cards()
    }

    async fn wait_until(
        &self,
        wanted: usize,
        timeout: Duration,
        count: impl Fn(&Self) -> usize,
    ) -> Result<(), Shortfall> {
        // Subscribed before the first look: a change between the look and the wait is not missed.
        let mut changes = self.shared.changes();
        let enough = async {
            while count(self) < wanted {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let waited = tokio::time::timeout(timeout, enough).await;
        waited.map_err(|_| Shortfall { name: S::NAME, wanted, got: count(self) })
    }
}

impl<S: Service> Drop for StandIn<S> {
    fn drop(&mut self) {
        // The order to stop goes out in this call; the future only waits for its echo, which the join does too.
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take() {
            // A failure while a stand-in stops is of no interest any more.
            drop(thread.join());
        }
    }
}

/// Fewer effects or requests than were waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stand-in of {name} has {got} where {wanted} were waited for")]
pub struct Shortfall {
    /// Which stand-in.
    pub name: &'static str,
    /// How many were waited for.
    pub wanted: usize,
    /// How many there were.
    pub got: usize,
}

#[cfg(test)]
mod notifiers;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod tests;
