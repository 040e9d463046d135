//! Connections to a strict collector: what arrives, and what is known when nothing does.

use std::sync::Arc;

use bytes::Bytes;

use super::super::testing;
use super::*;
use crate::destinations::{Collector, TlsSettings, Transport};
use crate::standins::syslog::{self as standin, Conduct};

mod rsyslog;

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/fixtures/tls/good.pem");
const KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/receiver.key");
const AUTHORITY: &[u8] = include_bytes!("../../../tests/fixtures/tls/authority.pem");

fn trusting(pem: &[u8]) -> TlsSettings {
    use rustls::pki_types::pem::PemObject;
    TlsSettings {
        authorities: Some(vec![rustls::pki_types::CertificateDer::from_pem_slice(pem).unwrap()]),
        identity: None,
    }
}

fn collectors() -> Collectors {
    Collectors::new(Tls::new().unwrap())
}

/// A collector by its address, and the authority that is trusted.
fn collector(address: &str, authority: &[u8]) -> Arc<Collector> {
    let url = url::Url::parse(address).unwrap();
    let transport = Transport::ALL.into_iter().find(|(scheme, _)| *scheme == url.scheme()).unwrap().1;
    let (host, port) = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    let tls = if transport == Transport::Tls { trusting(authority) } else { TlsSettings::default() };
    Arc::new(Collector { destination: "siem".to_owned(), transport, host, port, tls })
}

fn batch(collector: &Arc<Collector>, numbers: std::ops::Range<usize>) -> SyslogMessages {
    let message =
        |number| Bytes::from(format!("<110>1 2026-11-21T10:00:00.000Z h gatepost 1 t [g@1 n=\"{number}\"] é{number}"));
    SyslogMessages { collector: Arc::clone(collector), messages: numbers.map(message).collect() }
}

fn texts(standin: &standin::Collector) -> Vec<String> {
    standin.messages().into_iter().map(|message| message.text.unwrap()).collect()
}

async fn all_three() -> Vec<standin::Collector> {
    vec![
        standin::start_tcp().await.unwrap(),
        standin::start_tls(CERTIFICATE, KEY).await.unwrap(),
        standin::start_udp().await.unwrap(),
    ]
}

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn batches_arrive_in_order_over_one_connection_that_ends_with_a_word() {
    for standin in all_three().await {
        let collectors = collectors();
        let collector = collector(&standin.address(), AUTHORITY);
        for numbers in [0..1, 1..20, 20..21] {
            let reply = collectors.send(batch(&collector, numbers)).await;
            assert!(matches!(reply, Reply::Written), "{}: {reply:?}", standin.address());
        }
        standin.wait_for(21, SOON).await.unwrap();
        assert_eq!(texts(&standin), (0..21).map(|number| format!("é{number}")).collect::<Vec<_>>());
        collectors.close().await;
        if !standin.address().starts_with("udp") {
            assert_eq!(standin.connections(), 1);
            crate::standins::syslog::tests::until(|| standin.goodbyes() == 1).await;
        }
        assert_eq!(standin.faults(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_connection_that_the_collector_has_closed_is_opened_again_and_nothing_is_written_to_the_old_one() {
    let standin = standin::start_tcp().await.unwrap();
    let (collectors, collector) = (collectors(), collector(&standin.address(), AUTHORITY));
    for number in 0..4 {
        assert!(matches!(collectors.send(batch(&collector, number..number + 1)).await, Reply::Written));
        standin.wait_for(number + 1, SOON).await.unwrap();
        // Ends the connections that stand, as a restart of the collector does.
        standin.set(Conduct::Take);
        crate::standins::syslog::tests::pause().await;
    }
    assert_eq!((texts(&standin).len(), standin.connections(), standin.faults().len()), (4, 4, 0));
}

#[tokio::test]
async fn a_collector_that_closes_new_connections_is_not_reached() {
    let standin = standin::start_tcp().await.unwrap();
    let (collectors, collector) = (collectors(), collector(&standin.address(), AUTHORITY));
    for (conduct, arrived, said) in [
        (Conduct::Close, false, "it closed the connection"),
        (Conduct::CloseAfterOne, true, "closed the connection"),
        (Conduct::Answer(b"HTTP/1.1 400 Bad Request\r\n"), true, "is a web server: correct the port"),
        (Conduct::Answer(b"\x15\x03\x01\x00\x02\x02\x46"), true, "speaks TLS: write tls://"),
    ] {
        standin.set(conduct);
        let reply = collectors.send(batch(&collector, 0..1)).await;
        let Reply::Failed(fault) = reply else { panic!("{conduct:?}: {reply:?}") };
        assert_eq!(fault.may_have_arrived, arrived, "{conduct:?}: {fault:?}");
        assert!(fault.detail.contains(said) && fault.detail.contains("127.0.0.1:"), "{conduct:?}: {fault:?}");
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_or_no_collector_is_told_in_words_that_help() {
    let plain = standin::start_tcp().await.unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let tls_to_plain = plain.address().replace("tcp", "tls");
    plain.set(Conduct::Answer(b"220 ready\r\n"));
    for (address, said) in [
        (format!("tcp://{closed}"), "refused"),
        (format!("tls://{closed}"), "refused"),
        (format!("udp://{closed}"), "refused"),
        (tls_to_plain, "write tcp://"),
        ("tcp://169.254.169.254:601".to_owned(), "no address that requests may go to"),
    ] {
        let reply = collectors().send(batch(&collector(&address, AUTHORITY), 0..1)).await;
        let Reply::Failed(fault) = reply else { panic!("{address}: {reply:?}") };
        // Where nothing listens is known after the datagram.
        assert_eq!(fault.may_have_arrived, address.starts_with("udp"), "{fault:?}");
        assert!(fault.detail.contains(said), "{address}: {fault:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_believed_stops_before_anything_is_sent() {
    for (certificate, said) in [
        (&include_bytes!("../../../tests/fixtures/tls/expired.pem")[..], "expired"),
        (&include_bytes!("../../../tests/fixtures/tls/elsewhere.pem")[..], "is not for 127.0.0.1"),
        (&include_bytes!("../../../tests/fixtures/tls/stranger.pem")[..], "no authority that `ca_file` holds"),
    ] {
        let standin = standin::start_tls(certificate, KEY).await.unwrap();
        let reply = collectors().send(batch(&collector(&standin.address(), AUTHORITY), 0..1)).await;
        let Reply::NotSent(why) = reply else { panic!("{reply:?}") };
        assert!(why.contains(said), "{why}");
        assert!(standin.messages().is_empty());
    }
    let standin = standin::start_tls(CERTIFICATE, KEY).await.unwrap();
    let by_system = Collector { tls: TlsSettings::default(), ..take(collector(&standin.address(), AUTHORITY)) };
    let reply = collectors().send(batch(&Arc::new(by_system), 0..1)).await;
    assert!(
        matches!(&reply, Reply::NotSent(why) if why.contains("no authority that this machine trusts")),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_collector_that_wants_a_certificate_gets_the_one_that_is_set() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (shown, said) in testing::CLIENTS {
            let standin = standin::start_tls_with(testing::mutual(version)).await.unwrap();
            let collector =
                Collector { tls: testing::settings(shown), ..take(collector(&standin.address(), AUTHORITY)) };
            let reply = collectors().send(batch(&Arc::new(collector), 0..1)).await;
            match (said, &reply) {
                (None, Reply::Written) => standin.wait_for(1, SOON).await.unwrap(),
                (Some(said), Reply::NotSent(why)) => assert!(why.contains(said), "{version:?} {shown:?}: {why}"),
                _ => panic!("{version:?} {shown:?}: {reply:?}"),
            }
            assert_eq!(standin.messages().len(), usize::from(said.is_none()));
        }
    }
}

fn take(collector: Arc<Collector>) -> Collector {
    Arc::into_inner(collector).unwrap()
}

#[tokio::test]
async fn a_try_that_is_given_up_half_way_leaves_no_connection_behind() {
    let standin = standin::start_tcp().await.unwrap();
    let (collectors, collector) = (collectors(), collector(&standin.address(), AUTHORITY));
    assert!(matches!(collectors.send(batch(&collector, 0..1)).await, Reply::Written));
    standin.set(Conduct::Deaf);
    // Until the connection that stands has ended.
    crate::standins::syslog::tests::pause().await;
    let long =
        SyslogMessages { collector: Arc::clone(&collector), messages: vec![Bytes::from(vec![b'x'; 8 << 20]); 4] };
    let given_up = timeout(Duration::from_secs(2), collectors.send(long)).await;
    assert!(given_up.is_err(), "{given_up:?}");
    standin.set(Conduct::Take);
    assert!(matches!(collectors.send(batch(&collector, 1..2)).await, Reply::Written));
    standin.wait_for(2, SOON).await.unwrap();
    assert_eq!(texts(&standin), ["é0", "é1"]);
}

#[tokio::test]
async fn a_destination_that_leads_elsewhere_now_has_a_new_connection() {
    let (one, other) = (standin::start_tcp().await.unwrap(), standin::start_tcp().await.unwrap());
    let collectors = collectors();
    for standin in [&one, &other] {
        let reply = collectors.send(batch(&collector(&standin.address(), AUTHORITY), 0..1)).await;
        assert!(matches!(reply, Reply::Written));
        standin.wait_for(1, SOON).await.unwrap();
    }
    crate::standins::syslog::tests::until(|| one.goodbyes() == 1).await;
}

/// Takes two connections: the first is read of to no more than `read` bytes, and dropped with what is left, which resets it; all
/// that comes over the second is handed out.
async fn dies_once(listener: tokio::net::TcpListener, read: usize, die: tokio::sync::oneshot::Receiver<()>) -> String {
    use tokio::io::AsyncReadExt;
    let (mut first, _) = listener.accept().await.unwrap();
    let mut bytes = vec![0; read];
    first.read_exact(&mut bytes).await.unwrap();
    die.await.unwrap();
    drop(first);
    let (mut second, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    // Until nothing more comes.
    while let Ok(Ok(length)) = timeout(Duration::from_secs(1), second.read_buf(&mut all)).await
        && length > 0
    {}
    String::from_utf8(all).unwrap()
}

async fn after_the_death_of_a_collector(read: usize) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (collectors, collector) =
        (collectors(), collector(&format!("tcp://{}", listener.local_addr().unwrap()), AUTHORITY));
    let (kill, die) = tokio::sync::oneshot::channel();
    let peer = tokio::spawn(dies_once(listener, read, die));
    for numbers in [0..2, 2..4] {
        assert!(matches!(collectors.send(batch(&collector, numbers)).await, Reply::Written));
    }
    kill.send(()).unwrap();
    crate::standins::syslog::tests::pause().await;
    assert!(matches!(collectors.send(batch(&collector, 4..5)).await, Reply::Written));
    peer.await.unwrap()
}

#[tokio::test]
async fn what_a_collector_that_died_had_not_read_is_written_again_to_the_next() {
    let found = after_the_death_of_a_collector(10).await;
    let numbers: Vec<bool> = (0..5).map(|number| found.contains(&format!("n=\"{number}\""))).collect();
    assert_eq!(numbers, [true; 5], "{found}");
    assert!(found.find("n=\"0\"") < found.find("n=\"4\""), "in their order: {found}");
    // Whole frames, each with its length.
    let mut rest = found.as_bytes();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        rest = &rest[space + 1 + length..];
    }
}

#[tokio::test]
async fn what_a_collector_had_read_is_not_written_again() {
    let one = batch(&collector("tcp://127.0.0.1:1", AUTHORITY), 0..1).messages[0].len();
    let found = after_the_death_of_a_collector(4 * (one + format!("{one} ").len())).await;
    assert!(found.contains("n=\"4\"") && !found.contains("n=\"3\""), "{found}");
}
