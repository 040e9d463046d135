//! The only way out: HTTP requests, mail, lines for files and messages for collectors of logs.
//!
//! `pipeline::worker` and `gatepost probe` hand a [`Message`] to [`Egress::send`] and get a [`Reply`]; the destination
//! classifies the reply. All requests have the same limits: no redirects, no proxies from the environment, ten seconds,
//! 64 KiB of answer, and no address that only a machine's own infrastructure answers at. A mailing has twenty seconds.

mod address;
mod causes;
mod certificate;
mod file;
mod handshake;
mod http;
mod rotation;
mod smtp;
mod syslog;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod token_keeper;

pub use http::ClientError;
pub use token_keeper::{KeepError, TokenKeeper};

use std::sync::Arc;

use crate::destinations::{Message, Reply};
use token_keeper::NoTokens;

/// What carries messages. Cloning shares connections and open files.
#[derive(Clone, Debug)]
pub struct Egress {
    http: http::Client,
    files: file::Files,
    smtp: smtp::Client,
    collectors: syslog::Collectors,
}

impl Egress {
    /// Prepares TLS and the connection pool, for senders that need no tokens that are kept.
    pub fn new() -> Result<Self, ClientError> {
        Self::keeping_tokens(Arc::new(NoTokens))
    }

    /// The same, where tokens that are good once are kept by `keeper`.
    pub fn keeping_tokens(keeper: Arc<dyn TokenKeeper>) -> Result<Self, ClientError> {
        let tls = tls::Tls::new()?;
        Ok(Self {
            http: http::Client::new(tls.clone(), keeper)?,
            files: file::Files::default(),
            smtp: smtp::Client::new(tls.clone()),
            collectors: syslog::Collectors::new(tls),
        })
    }

    /// Sends a message and waits for what comes back, never longer than the limits allow. Must run on a tokio runtime.
    pub async fn send(&self, message: Message) -> Reply {
        match message {
            Message::Http(request) => self.http.send(request).await,
            Message::HttpOver(connection, request) => self.http.send_over(&connection, request).await,
            Message::Append(append) => self.files.append(append).await,
            Message::Mail(mailing) => self.smtp.send(mailing).await,
            Message::Syslog(messages) => self.collectors.send(messages).await,
        }
    }

    /// Closes the connections that are kept beyond a message and are not in use. They are opened again when they are needed. Tokens
    /// that are being renewed are written first.
    pub async fn close(&self) {
        self.http.settle().await;
        self.collectors.close().await;
    }
}
