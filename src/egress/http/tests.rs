//! Requests over TLS: trusted authorities, client certificates, and the errors of both.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};

use super::super::testing::{CLIENTS, mutual, ok, one_sided, receiver, settings};
use super::*;
use crate::destinations::{HttpReply, TlsSettings};
use crate::egress::token_keeper::NoTokens;

fn post(url: &str) -> HttpRequest {
    HttpRequest::post_json(url.parse().unwrap(), &serde_json::json!({ "a": 1 }))
}

fn client() -> Client {
    Client::new(Tls::new().unwrap(), Arc::new(NoTokens)).unwrap()
}

fn over(tls: TlsSettings) -> Arc<Connection> {
    Arc::new(Connection { tls, ..Connection::default() })
}

fn answered(reply: &Reply) -> Option<u16> {
    match reply {
        Reply::Http(HttpReply { status, .. }) => Some(*status),
        _ => None,
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_instead_of_the_systems() {
    let client = client();
    for (certificate, said) in [
        ("good.pem", None),
        ("expired.pem", Some("expired at")),
        ("elsewhere.pem", Some("is not for 127.0.0.1 but for elsewhere.example")),
        ("stranger.pem", Some("no authority that `ca_file` holds")),
    ] {
        let receiver = receiver(Some(one_sided(certificate)), |_| ok("ok")).await;
        let url = format!("https://{}/s3cret-path", receiver.address);
        let reply = client.send_over(&over(settings(None)), post(&url)).await;
        match (said, &reply) {
            (None, _) => assert_eq!(answered(&reply), Some(200), "{reply:?}"),
            (Some(said), Reply::NotSent(why)) => {
                assert!(why.contains(said) && !why.contains("s3cret"), "{certificate}: {why}");
            }
            _ => panic!("{certificate}: {reply:?}"),
        }
        // The authority of the tests is none of the system's.
        let reply = client.send(post(&url)).await;
        assert!(matches!(reply, Reply::NotSent(_)), "{certificate}: {reply:?}");
        assert_eq!(receiver.requests().len(), usize::from(said.is_none()), "{certificate}");
    }
}

#[tokio::test]
async fn a_receiver_that_wants_a_certificate_gets_the_one_that_is_set() {
    let client = client();
    for version in [&TLS12, &TLS13] {
        for (shown, said) in CLIENTS {
            let receiver = receiver(Some(mutual(version)), |_| ok("ok")).await;
            let reply = client.send_over(&over(settings(shown)), post(&format!("https://{}/", receiver.address))).await;
            match (said, &reply) {
                (None, _) => assert_eq!(answered(&reply), Some(200), "{version:?}: {reply:?}"),
                (Some(said), Reply::NotSent(why)) => assert!(why.contains(said), "{version:?} {shown:?}: {why}"),
                _ => panic!("{version:?} {shown:?}: {reply:?}"),
            }
            assert_eq!(receiver.requests().len(), usize::from(said.is_none()), "{version:?} {shown:?}");
        }
    }
}

#[tokio::test]
async fn settings_of_an_earlier_configuration_are_let_go() {
    let client = client();
    let receiver = receiver(Some(one_sided("good.pem")), |_| ok("ok")).await;
    let url = format!("https://{}/", receiver.address);
    for _ in 0..3 {
        let connection = over(settings(None));
        for _ in 0..2 {
            assert_eq!(answered(&client.send_over(&connection, post(&url)).await), Some(200));
        }
        assert_eq!(client.own.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_answers_are_read_to_their_limit() {
    let client = client();
    let elsewhere = receiver(None, |_| ok("elsewhere")).await;
    let location = format!("http://{}/", elsewhere.address);
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let moved = receiver(None, move |_| head.clone()).await;
        let reply = client.send(post(&format!("http://{}/", moved.address))).await;
        assert_eq!(answered(&reply), Some(status), "{reply:?}");
        assert_eq!((moved.requests().len(), elsewhere.requests().len()), (1, 0));
    }
    let long = receiver(None, |_| ok(&"x".repeat(100_000))).await;
    let Reply::Http(answer) = client.send(post(&format!("http://{}/", long.address))).await else { panic!() };
    assert_eq!((answer.body.len(), answer.truncated), (64 << 10, true));
}
