//! Why no connection came about, in words that name the likely cause: the same for HTTP, mail and syslog.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

use super::causes::{chain, of_tls};
use super::certificate;
use crate::destinations::{Fault, Reply, TlsSettings};

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, after `https://`.
    Http,
    /// Mail, after `smtps://` or `STARTTLS`.
    Smtp,
    /// Syslog, after `tls://`.
    Syslog,
}

/// What a handshake that failed means; nothing was sent. `peer` is host and port.
pub fn failed(peer: &str, protocol: Protocol, settings: &TlsSettings, error: &io::Error) -> Reply {
    if let Some(why) = certificate::refused(error, settings) {
        return Reply::NotSent(format!("{peer}: {why}"));
    }
    let cause = likely_cause(error, protocol).map_or_else(|| error.to_string(), str::to_owned);
    Reply::Failed(Fault { may_have_arrived: false, detail: format!("{peer}: {cause}") })
}

/// What is most likely wrong with TLS, if the failure tells.
pub fn likely_cause(error: &(dyn Error + 'static), protocol: Protocol) -> Option<&'static str> {
    let of_one = |error: &'_ (dyn Error + 'static)| {
        let cause = of_tls(error).and_then(|error| of_handshake(error, protocol));
        cause.or_else(|| is_broken_off(error).then_some(BROKEN_OFF))
    };
    chain(error).find_map(of_one)
}

/// What is most likely wrong where plain HTTP is spoken, if the failure tells.
pub fn likely_cause_without_tls(error: &(dyn Error + 'static)) -> Option<&'static str> {
    chain(error).find(|error| error.to_string().starts_with("invalid HTTP version")).map(|_| NO_HTTP)
}

fn of_handshake(error: &rustls::Error, protocol: Protocol) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidMessage(_) => Some(match protocol {
            Protocol::Http => NO_TLS_BUT_HTTP,
            Protocol::Smtp => NO_TLS_BUT_SMTP,
            Protocol::Syslog => NO_TLS_BUT_SYSLOG,
        }),
        rustls::Error::PeerIncompatible(_) => Some(NO_COMMON_TLS),
        rustls::Error::AlertReceived(alert) => Some(of_alert(*alert)),
        _ => None,
    }
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        // What servers of TLS 1.2 answer that want a certificate and got none.
        AlertDescription::HandshakeFailure => NO_COMMON_TLS_OR_CERTIFICATE,
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => NO_COMMON_TLS,
        AlertDescription::UnrecognisedName => "it does not know the host of the URL: correct the URL",
        _ => "it refused the TLS handshake: look at its log",
    }
}

fn is_broken_off(error: &(dyn Error + 'static)) -> bool {
    let broken = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::UnexpectedEof) && error.to_string().contains("handshake")
    };
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

const NO_TLS_BUT_HTTP: &str =
    "what answers there does not speak TLS: if it is a plain http port, write http:// or correct the port";
const NO_TLS_BUT_SMTP: &str = "what answers there does not speak TLS: write smtp:// for STARTTLS, or correct the port";
const NO_TLS_BUT_SYSLOG: &str =
    "what answers there does not speak TLS: if it is a plain syslog port, write tcp:// or correct the port";
const NO_HTTP: &str =
    "what answers there does not speak plain HTTP: if it is a TLS port, write https:// or correct the port";
const NO_COMMON_TLS: &str = "it accepts no version or cipher of TLS that gatepost offers (TLS 1.2 and 1.3)";
const NO_COMMON_TLS_OR_CERTIFICATE: &str = "it accepts no version or cipher of TLS that gatepost offers (TLS 1.2 and 1.3), \
     or it wants a client certificate (`client_cert`)";
const BROKEN_OFF: &str = "it closed the connection during the TLS handshake: is this a TLS port?";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_tls_name_their_likely_cause() {
        let wrapped = |error: rustls::Error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        for (error, said) in [
            (rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "write http://"),
            (rustls::Error::AlertReceived(AlertDescription::ProtocolVersion), "TLS 1.2 and 1.3"),
            (rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), "or it wants a client certificate"),
            (rustls::Error::AlertReceived(AlertDescription::UnrecognisedName), "correct the URL"),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), "refused the TLS handshake"),
        ] {
            let cause = likely_cause(&wrapped(error), Protocol::Http).unwrap();
            assert!(cause.contains(said), "{cause}");
        }
        let no_tls = || wrapped(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType));
        assert!(likely_cause(&no_tls(), Protocol::Smtp).unwrap().contains("smtp:// for STARTTLS"));
        assert!(likely_cause(&no_tls(), Protocol::Syslog).unwrap().contains("write tcp://"));
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(likely_cause(&eof, Protocol::Http), Some(BROKEN_OFF));
        assert_eq!(likely_cause(&io::Error::from(io::ErrorKind::ConnectionRefused), Protocol::Http), None);
        assert_eq!(likely_cause_without_tls(&io::Error::other("invalid HTTP version parsed")), Some(NO_HTTP));
        assert_eq!(likely_cause_without_tls(&no_tls()), None);
    }
}
