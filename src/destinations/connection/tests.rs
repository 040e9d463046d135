//! The settings of a connection, and that every request of a destination has them.

use super::*;
use crate::destinations::testing;
use crate::destinations::{HttpRequest, KINDS, Kind, Message, Next, ProbeTelling, Receiver, webhook};
use crate::domain::Purpose;

const URL: &str = "url = \"https://soar.acme.example/hooks\"\nsecret = { env = \"WEBHOOK_SECRET\" }";
const IDENTITY: &str = "client_cert = \"client.pem\"\nclient_key = { env = \"CLIENT_KEY\" }";

fn with(more: &str) -> String {
    format!("{URL}\n{more}")
}

fn kinds(carrier: Carrier) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().filter(move |kind| kind.carrier == carrier)
}

#[test]
fn settings_of_tls_are_read_and_faults_named() {
    for good in [
        "ca_file = \"authority.pem\"",
        IDENTITY,
        "client_cert = \"client.pem\"\nclient_key = \"client.key\"",
        "client_cert = \"client.pem\"\nclient_key = { file = \"client.key\" }\nca_file = \"authority.pem\"",
    ] {
        assert_eq!(testing::said(&webhook::KIND, &with(good)), "", "{good}");
    }
    for (bad, said) in [
        ("ca_file = \"absent.pem\"", "ca_file: /etc/gatepost/absent.pem cannot be read"),
        ("ca_file = \"empty.pem\"", "ca_file: holds no certificates"),
        ("ca_file = \"client.key\"", "ca_file: holds no certificates"),
        ("client_cert = \"client.pem\"", "client_cert: stands without 'client_key'"),
        ("client_key = { env = \"CLIENT_KEY\" }", "client_key: stands without 'client_cert'"),
        ("client_cert = \"client.key\"\nclient_key = \"client.key\"", "client_cert: holds no certificates"),
        ("client_cert = \"client.pem\"\nclient_key = \"client.pem\"", "client_key: holds no private key"),
        ("client_cert = \"client.pem\"\nclient_key = { env = \"SHORT\" }", "client_key: holds no private key"),
        ("client_cert = \"client.pem\"\nclient_key = { env = \"UNSET\" }", "UNSET is not set"),
        (
            "client_cert = \"client.pem\"\nclient_key = \"receiver.key\"",
            "client_key: does not belong to the certificate",
        ),
        ("client_cert = \"client.pem\"\nclient_key = \"client-encrypted.key\"", "client_key: is encrypted"),
    ] {
        let faults = testing::build(&webhook::KIND, &with(bad)).unwrap_err();
        assert!(faults.contains(said) && faults.starts_with("line "), "{bad}: {faults}");
        assert!(!faults.contains("PRIVATE KEY-----"), "{faults}");
    }
    for (odd, said) in [
        ("client_cert = \"client-expired.pem\"\nclient_key = \"client.key\"", "expired at 01 Feb 2020 00:00:00 UTC"),
        ("client_cert = \"early.pem\"\nclient_key = \"receiver.key\"", "begins at 01 Jan 2047 00:00:00 UTC"),
    ] {
        let warnings = testing::said(&webhook::KIND, &with(odd));
        assert!(warnings.contains(said) && testing::build(&webhook::KIND, &with(odd)).is_ok(), "{odd}: {warnings}");
    }
    let plain = format!("{}\nca_file = \"authority.pem\"", URL.replace("https", "http"));
    assert!(testing::said(&webhook::KIND, &plain).contains("ca_file: has no effect over plain http"));
}

#[test]
fn every_destination_that_speaks_tls_takes_them() {
    for kind in kinds(Carrier::Http) {
        let settings = format!("{}\nca_file = \"authority.pem\"\n{IDENTITY}", kind.template);
        assert!(testing::build(kind, &settings).is_ok(), "{}: {:?}", kind.name, testing::build(kind, &settings).err());
    }
    let own: Vec<&str> = kinds(Carrier::Own).map(|kind| kind.name).collect();
    for kind in ["email", "syslog"] {
        assert!(own.contains(&kind));
        let kind = crate::destinations::find(kind).unwrap();
        let settings = format!("{}\nca_file = \"authority.pem\"\n{IDENTITY}", kind.template);
        assert!(testing::build(kind, &settings).is_ok(), "{}: {:?}", kind.name, testing::build(kind, &settings).err());
    }
}

/// The first message to a destination.
fn first(receiver: &Receiver) -> Next {
    let event = testing::event("full");
    match receiver {
        Receiver::Sink(sink) => sink.first(&testing::batch_of(std::slice::from_ref(&event), Purpose::Alert).as_batch()),
        Receiver::Notifier(notifier) => {
            let job = testing::job(&event);
            let probe = ProbeTelling::of(&event, notifier.class(), job.now);
            notifier.first(&job, &probe.telling())
        }
    }
}

fn carried(next: Next) -> Option<(Arc<Connection>, HttpRequest)> {
    match next {
        Next::Send(_, Message::HttpOver(connection, request)) => Some((connection, request)),
        _ => None,
    }
}

#[test]
fn every_request_travels_as_it_is_set() {
    for kind in kinds(Carrier::Http) {
        let bare = testing::build(kind, kind.template).unwrap();
        assert!(matches!(first(&bare), Next::Send(_, Message::Http(_))), "{}", kind.name);
        let set = testing::build(kind, &format!("{}\nca_file = \"authority.pem\"\n{IDENTITY}", kind.template)).unwrap();
        let (connection, request) = carried(first(&set)).unwrap_or_else(|| panic!("{}", kind.name));
        assert_eq!(connection.tls.authorities.as_ref().map(Vec::len), Some(1));
        assert!(connection.tls.identity.is_some());
        let Next::Send(_, Message::Http(same)) = first(&bare) else { panic!("{}", kind.name) };
        assert_eq!(request.url, same.url);
        assert_eq!(bare.pace(), set.pace());
        if let (Receiver::Notifier(bare), Receiver::Notifier(set)) = (&bare, &set) {
            assert_eq!((bare.fingerprint(), bare.class()), (set.fingerprint(), set.class()), "{}", kind.name);
        }
        assert!(!format!("{connection:?} {set:?}").contains("PRIVATE"));
    }
}
