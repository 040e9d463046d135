//! Requests over connections of TLS: whom they trust, what they show, and what is said where that is not enough.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::testing::{CLIENTS, mutual, one_sided, settings};
use super::*;
use crate::destinations::{HttpReply, TlsSettings};

/// A receiver that answers 200 to everything, and how many requests it has read.
struct Receiver {
    address: SocketAddr,
    read: Arc<AtomicUsize>,
}

async fn receiver(config: Arc<rustls::ServerConfig>) -> Receiver {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, read) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (acceptor, counted) = (TlsAcceptor::from(config), Arc::clone(&read));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            if request[..length].starts_with(b"POST ") {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await);
                drop(stream.shutdown().await);
            }
        }
    });
    Receiver { address, read }
}

fn post(url: &str) -> HttpRequest {
    HttpRequest::post_json(url.parse().unwrap(), &serde_json::json!({ "a": 1 }))
}

fn client() -> Client {
    Client::new(Tls::new().unwrap()).unwrap()
}

fn over(tls: TlsSettings) -> Arc<Connection> {
    Arc::new(Connection { tls })
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
        let receiver = receiver(one_sided(certificate)).await;
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
        assert_eq!(receiver.read.load(Ordering::SeqCst), usize::from(said.is_none()), "{certificate}");
    }
}

#[tokio::test]
async fn a_receiver_that_wants_a_certificate_gets_the_one_that_is_set() {
    let client = client();
    for version in [&TLS12, &TLS13] {
        for (shown, said) in CLIENTS {
            let receiver = receiver(mutual(version)).await;
            let reply = client.send_over(&over(settings(shown)), post(&format!("https://{}/", receiver.address))).await;
            match (said, &reply) {
                (None, _) => assert_eq!(answered(&reply), Some(200), "{version:?}: {reply:?}"),
                (Some(said), Reply::NotSent(why)) => assert!(why.contains(said), "{version:?} {shown:?}: {why}"),
                _ => panic!("{version:?} {shown:?}: {reply:?}"),
            }
            assert_eq!(receiver.read.load(Ordering::SeqCst), usize::from(said.is_none()), "{version:?} {shown:?}");
        }
    }
}

#[tokio::test]
async fn settings_of_an_earlier_configuration_are_let_go() {
    let client = client();
    let receiver = receiver(one_sided("good.pem")).await;
    let url = format!("https://{}/", receiver.address);
    for _ in 0..3 {
        let connection = over(settings(None));
        for _ in 0..2 {
            assert_eq!(answered(&client.send_over(&connection, post(&url)).await), Some(200));
        }
        assert_eq!(client.own.lock().unwrap().len(), 1);
    }
}
