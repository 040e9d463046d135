//! Why no connection came about, in words that name the likely cause.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

use super::certificate::of_tls;

/// What is most likely wrong, if the failure tells.
pub fn likely_cause(error: &(dyn Error + 'static), is_https: bool) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = of_tls(error).and_then(of_handshake) {
            return Some(cause);
        }
        if is_https && is_broken_off(error) {
            return Some(BROKEN_OFF);
        }
        if !is_https && error.to_string().starts_with("invalid HTTP version") {
            return Some(NO_HTTP);
        }
        next = error.source();
    }
    None
}

fn of_handshake(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidMessage(_) => Some(NO_TLS),
        rustls::Error::PeerIncompatible(_) => Some(NO_COMMON_TLS),
        rustls::Error::AlertReceived(alert) => Some(of_alert(*alert)),
        _ => None,
    }
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => NO_COMMON_TLS,
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            "it wants a client certificate, and gatepost sends none: let a proxy that has one stand in between"
        }
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

const NO_TLS: &str =
    "what answers there does not speak TLS: if it is a plain http port, write http:// or correct the port";
const NO_HTTP: &str =
    "what answers there does not speak plain HTTP: if it is a TLS port, write https:// or correct the port";
const NO_COMMON_TLS: &str = "it accepts no version or cipher of TLS that gatepost offers (TLS 1.2 and 1.3)";
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
            (rustls::Error::AlertReceived(AlertDescription::CertificateRequired), "client certificate"),
            (rustls::Error::AlertReceived(AlertDescription::UnrecognisedName), "correct the URL"),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), "refused the TLS handshake"),
        ] {
            let cause = likely_cause(&wrapped(error), true).unwrap();
            assert!(cause.contains(said), "{cause}");
        }
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(likely_cause(&eof, true), Some(BROKEN_OFF));
        assert_eq!(likely_cause(&io::Error::from(io::ErrorKind::ConnectionRefused), true), None);
    }
}
