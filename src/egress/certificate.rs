//! Why a certificate is not accepted, the receiver's or our own, in words that say what to do.

use std::error::Error;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::causes::{chain, of_tls};
use crate::destinations::TlsSettings;
use crate::domain::Timestamp;

/// What is wrong with the receiver's certificate or with ours, if that is why there is no connection. Either side looks at
/// the other's before it reads or sends anything else; in TLS 1.3 its refusal arrives only after we have begun to send.
pub fn refused(error: &(dyn Error + 'static), settings: &TlsSettings) -> Option<String> {
    chain(error).find_map(|error| match of_tls(error) {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(advice(fault, settings)),
        Some(rustls::Error::AlertReceived(alert)) => refused_by_peer(*alert, settings),
        _ => None,
    })
}

/// What the receiver says of our certificate, if the alert is about that.
fn refused_by_peer(alert: AlertDescription, settings: &TlsSettings) -> Option<String> {
    let why = match alert {
        AlertDescription::CertificateRequired => "it got none",
        AlertDescription::CertificateExpired => "it has expired",
        AlertDescription::CertificateRevoked => "it was revoked",
        AlertDescription::UnknownCA => "its authority is not known there",
        AlertDescription::UnsupportedCertificate => "it is of a kind that is not supported there",
        AlertDescription::AccessDenied => "it is not allowed in",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => "no reason is given",
        _ => return None,
    };
    Some(match settings.identity {
        Some(_) => format!(
            "it does not accept the client certificate of `client_cert` ({why}): have one made by the authority that it names"
        ),
        None => "it wants a client certificate: set `client_cert` and `client_key`".to_owned(),
    })
}

fn advice(fault: &CertificateError, settings: &TlsSettings) -> String {
    match fault {
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate expired at {}, and it is {} here: have it renewed, or set this machine's clock",
            at(*not_after),
            at(*time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "its certificate begins at {}, and it is {} here: set this machine's clock, or have it replaced",
            at(*not_before),
            at(*time)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "its certificate is not for {} but for {}: correct the URL, or have it made out for that name",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::UnknownIssuer if settings.authorities.is_some() => {
            "its certificate is signed by no authority that `ca_file` holds: add the authority's certificate to that file, or \
             have the receiver send the whole chain"
                .to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is signed by no authority that this machine trusts: name the authority's certificate in \
             `ca_file`, or have the receiver send the whole chain"
                .to_owned()
        }
        other => format!("its certificate is not accepted ({other}): have it replaced"),
    }
}

/// The first of the names that a certificate is for; there may be thousands.
fn names(presented: &[String]) -> String {
    // They come as `DnsName("jira.example.com")`.
    let bare = |name: &'_ String| name.split('"').nth(1).unwrap_or(name).to_owned();
    let shown: Vec<String> = presented.iter().take(NAMES_MAX).map(bare).collect();
    match presented.len().saturating_sub(shown.len()) {
        _ if shown.is_empty() => "no name at all".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn at(time: UnixTime) -> String {
    Timestamp::from_millis(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000)).to_human()
}

const NAMES_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use rustls::pki_types::ServerName;
    use std::time::Duration;

    #[test]
    fn every_fault_says_what_to_do() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_795_000_000));
        let other = UnixTime::since_unix_epoch(Duration::from_secs(1_580_515_200));
        let expected = ServerName::try_from("jira.example.com").unwrap();
        let many: Vec<String> = (0..2000).map(|place| format!("DnsName(\"{place}.example\")")).collect();
        for (fault, said) in [
            (
                CertificateError::ExpiredContext { time, not_after: other },
                "at 01 Feb 2020 00:00:00 UTC, and it is 18 Nov 2026",
            ),
            (CertificateError::NotValidYetContext { time, not_before: other }, "set this machine's clock"),
            (
                CertificateError::NotValidForNameContext { expected: expected.clone(), presented: many },
                "not for jira.example.com but for 0.example, 1.example, 2.example and 1997 more: correct the URL",
            ),
            (CertificateError::NotValidForNameContext { expected, presented: Vec::new() }, "but for no name at all"),
            (
                CertificateError::UnknownIssuer,
                "no authority that this machine trusts: name the authority's certificate in",
            ),
            (CertificateError::Revoked, "(Revoked): have it replaced"),
        ] {
            // Nested as deep as in the error that the client returns.
            let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, rustls::Error::from(fault)));
            let advice = refused(&error, &TlsSettings::default()).unwrap();
            assert!(advice.contains(said) && advice.len() < 300, "{advice}");
        }
    }

    #[test]
    fn a_receiver_that_wants_a_certificate_is_told_in_one_sentence() {
        for alert in
            [AlertDescription::CertificateRequired, AlertDescription::BadCertificate, AlertDescription::UnknownCA]
        {
            let error = io::Error::other(rustls::Error::AlertReceived(alert));
            let said = refused(&error, &TlsSettings::default()).unwrap();
            assert_eq!(said, "it wants a client certificate: set `client_cert` and `client_key`");
        }
        let other = io::Error::other(rustls::Error::AlertReceived(AlertDescription::InternalError));
        assert_eq!(refused(&other, &TlsSettings::default()), None);
    }

    #[test]
    fn other_failures_are_no_matter_of_trust() {
        let system = TlsSettings::default();
        assert_eq!(refused(&io::Error::from(io::ErrorKind::ConnectionRefused), &system), None);
        assert_eq!(refused(&io::Error::other(rustls::Error::HandshakeNotComplete), &system), None);
    }

    #[test]
    fn an_authority_that_is_missing_belongs_where_the_others_are() {
        let error = io::Error::other(rustls::Error::from(CertificateError::UnknownIssuer));
        let own = TlsSettings { authorities: Some(Vec::new()), ..TlsSettings::default() };
        assert!(refused(&error, &own).unwrap().contains("no authority that `ca_file` holds: add"));
    }
}
