//! Requests through a strict proxy: what it sees, what the destination sees, and what is known when neither answers well.

use std::sync::Arc;

use super::super::Client;
use super::super::way::Way;
use super::*;
use crate::destinations::{Connection, HttpRequest, Method};
use crate::domain::Secret;
use crate::egress::testing::{Receiver, mutual, ok, one_sided, receiver, settings};
use crate::egress::token_keeper::NoTokens;
use crate::standins::proxy::{self as standin, Conduct, PASSWORD, USER};

mod tinyproxy;

const TOKEN: &str = "t0ken-for-the-destination";

fn post(url: &str) -> HttpRequest {
    let request = HttpRequest::post_json(url.parse().unwrap(), &serde_json::json!({ "message": "hello" }));
    request.header("Authorization", Secret::new(TOKEN))
}

fn proxy_at(address: std::net::SocketAddr, credentials: Option<&str>) -> Proxy {
    let encode = |pair: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
    let authorization = credentials.map(|pair| Secret::new(format!("Basic {}", encode(pair))));
    Proxy { host: address.ip().to_string(), port: address.port(), authorization }
}

fn over(proxy: Proxy) -> Arc<Connection> {
    Arc::new(Connection { tls: settings(None), proxy: Some(proxy), grant: None })
}

fn client() -> Client {
    Client::new(Tls::new().unwrap(), Arc::new(NoTokens)).unwrap()
}

async fn receiver_of(scheme: &str) -> Receiver {
    receiver((scheme == "https").then(|| one_sided("good.pem")), |_| ok("taken")).await
}

fn is_taken(reply: &Reply) -> bool {
    matches!(reply, Reply::Http(answer) if answer.status == 200 && &*answer.body == b"taken" && !answer.truncated)
}

fn failed(reply: &Reply) -> &Fault {
    match reply {
        Reply::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_the_proxy_cannot_read() {
    let (standin, receiver, client) = (standin::start().unwrap(), receiver_of("https").await, client());
    let connection = over(proxy_at(standin.address(), None));
    for _ in 0..2 {
        let url = format!("https://{}/s3cret-path?sig=s3cret", receiver.address);
        let reply = client.send_over(&connection, post(&url)).await;
        assert!(is_taken(&reply), "{reply:?}");
    }
    assert_eq!(standin.seen(), vec![format!("CONNECT {}", receiver.address); 2]);
    let read = standin.heads().concat();
    assert!(!read.contains("s3cret") && !read.contains(TOKEN) && !read.contains("hello"), "{read}");
    assert_eq!(standin.faults(), Vec::<String>::new());
    let request = &receiver.requests()[0];
    assert!(
        request.starts_with("POST /s3cret-path?sig=s3cret HTTP/1.1\r\n")
            && request.ends_with("{\"message\":\"hello\"}")
    );
    assert!(request.contains(&format!("host: {}\r\n", receiver.address)) && request.contains(TOKEN), "{request}");
}

#[tokio::test]
async fn http_goes_in_the_absolute_form_and_the_credentials_of_the_proxy_stay_there() {
    let (standin, receiver, client) = (standin::start().unwrap(), receiver_of("http").await, client());
    standin.set(Conduct::Guarded);
    let connection = over(proxy_at(standin.address(), Some(&format!("{USER}:{PASSWORD}"))));
    let url = format!("http://{}/path?q=1", receiver.address);
    let reply = client.send_over(&connection, post(&url)).await;
    assert!(is_taken(&reply), "{reply:?} {:?}", standin.faults());
    assert_eq!((standin.seen(), standin.faults()), (vec![format!("POST {url}")], Vec::new()));
    let request = &receiver.requests()[0];
    assert!(request.starts_with("POST /path?q=1 HTTP/1.1\r\n") && !request.contains("proxy-"), "{request}");
}

#[tokio::test]
async fn names_are_resolved_by_the_proxy() {
    let (standin, client) = (standin::start().unwrap(), client());
    let connection = over(proxy_at(standin.address(), None));
    let plain = receiver_of("http").await;
    standin.resolve("receiver.invalid", plain.address);
    let reply = client.send_over(&connection, post("http://receiver.invalid/a")).await;
    assert!(is_taken(&reply), "{reply:?}");
    let secure = receiver(Some(one_sided("elsewhere.pem")), |_| ok("taken")).await;
    standin.resolve("elsewhere.example", secure.address);
    let reply = client.send_over(&connection, post("https://elsewhere.example/a")).await;
    assert!(is_taken(&reply), "{reply:?}");
    assert_eq!(standin.seen(), ["POST http://receiver.invalid/a", "CONNECT elsewhere.example:443"]);
    // The certificate is the destination's and not the proxy's.
    standin.resolve("other.example", secure.address);
    let Reply::NotSent(why) = client.send_over(&connection, post("https://other.example/")).await else { panic!() };
    assert!(why.contains("is not for other.example but for elsewhere.example"), "{why}");
    assert_eq!((plain.requests().len(), secure.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_client_certificate_goes_to_the_destination_within_the_tunnel() {
    let (standin, client) = (standin::start().unwrap(), client());
    for (shown, is_let_in) in [(Some("client.pem"), true), (None, false)] {
        let receiver = receiver(Some(mutual(&rustls::version::TLS13)), |_| ok("taken")).await;
        let proxy = Some(proxy_at(standin.address(), None));
        let connection = Arc::new(Connection { tls: settings(shown), proxy, grant: None });
        let reply = client.send_over(&connection, post(&format!("https://{}/", receiver.address))).await;
        assert_eq!(is_taken(&reply), is_let_in, "{reply:?}");
        assert!(
            is_let_in || matches!(&reply, Reply::NotSent(why) if why.contains("wants a client certificate")),
            "{reply:?}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_is_the_operators_affair() {
    let client = client();
    for scheme in ["https", "http"] {
        let (standin, receiver) = (standin::start().unwrap(), receiver_of(scheme).await);
        standin.set(Conduct::Guarded);
        let url = format!("{scheme}://{}/", receiver.address);
        for (credentials, said) in [
            (None, "it wants credentials (407): write the user in `proxy`"),
            (Some("someone:s3cret"), "it does not accept the credentials (407)"),
        ] {
            let reply = client.send_over(&over(proxy_at(standin.address(), credentials)), post(&url)).await;
            let Reply::NotSent(why) = reply else { panic!("{reply:?}") };
            assert!(why.contains(said) && why.contains(&standin.address().to_string()), "{why}");
            assert!(!why.contains("s3cret"), "{why}");
        }
        standin.set(Conduct::Refuse(401));
        let reply = client.send_over(&over(proxy_at(standin.address(), None)), post(&url)).await;
        assert_eq!(matches!(reply, Reply::NotSent(_)), scheme == "https", "{reply:?}");
        standin.set(Conduct::Guarded);
        assert_eq!(receiver.requests(), Vec::<String>::new());
        let good = proxy_at(standin.address(), Some(&format!("{USER}:{PASSWORD}")));
        assert!(is_taken(&client.send_over(&over(good), post(&url)).await));
    }
}

#[tokio::test]
async fn what_the_proxy_says_before_the_tunnel_stands_means_that_nothing_was_sent() {
    let (standin, receiver, client) = (standin::start().unwrap(), receiver_of("https").await, client());
    let connection = over(proxy_at(standin.address(), None));
    for (conduct, said) in [
        (Conduct::Refuse(403), "does not allow connections to 127.0.0.1:"),
        (Conduct::Refuse(502), "cannot reach 127.0.0.1:"),
        (Conduct::Refuse(504), "(504)"),
        (Conduct::Refuse(405), "gives no connection to 127.0.0.1:"),
        (Conduct::Refuse(301), "(301)"),
        (Conduct::Garbage, "is no HTTP proxy: correct `proxy`"),
        (Conduct::Endless, "its answer has no end"),
        (Conduct::Close, "closed the connection without an answer"),
    ] {
        standin.set(conduct);
        let reply = client.send_over(&connection, post(&format!("https://{}/s3cret", receiver.address))).await;
        let fault = failed(&reply);
        assert!(!fault.may_have_arrived && fault.detail.contains(said), "{conduct:?}: {fault:?}");
        assert!(fault.detail.contains("the proxy 127.0.0.1:") && !fault.detail.contains("s3cret"), "{fault:?}");
    }
    // The proxy cannot reach what does not listen.
    standin.set(Conduct::Open);
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let reply = client.send_over(&connection, post(&format!("https://{closed}/"))).await;
    assert!(failed(&reply).detail.contains("(502)"), "{reply:?}");
    // No proxy listens, or not at an address where one may be.
    for (address, said) in
        [(closed, "refused"), ("169.254.169.254:3128".parse().unwrap(), "no address that requests may go to")]
    {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{}/", receiver.address);
            let reply = client.send_over(&over(proxy_at(address, None)), post(&url)).await;
            let fault = failed(&reply);
            assert!(!fault.may_have_arrived && fault.detail.contains(said), "{fault:?}");
        }
    }
    assert_eq!(receiver.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_answers_nothing_has_been_sent_nothing_for_the_destination() {
    let (standin, receiver) = (standin::start().unwrap(), receiver_of("https").await);
    standin.set(Conduct::Silent);
    let proxied = Proxied::new(proxy_at(standin.address(), None), Tls::new().unwrap(), settings(None));
    let url: Url = format!("https://{}/", receiver.address).parse().unwrap();
    let prepared =
        Prepared { method: reqwest::Method::POST, url: &url, headers: HeaderMap::new(), body: bytes::Bytes::new() };
    let limit = Duration::from_millis(200);
    let reply = proxied.exchange(prepared, limit, Instant::now() + limit * 50).await.unwrap_err();
    let fault = failed(&reply);
    assert!(!fault.may_have_arrived && fault.detail.contains("no connection within 5 s"), "{fault:?}");
}

#[tokio::test]
async fn what_breaks_after_the_request_may_have_arrived() {
    let (standin, client) = (standin::start().unwrap(), client());
    let connection = over(proxy_at(standin.address(), None));
    for scheme in ["http", "https"] {
        let receiver = receiver((scheme == "https").then(|| one_sided("good.pem")), |_| String::new()).await;
        let reply = client.send_over(&connection, post(&format!("{scheme}://{}/", receiver.address))).await;
        let fault = failed(&reply);
        assert!(fault.may_have_arrived && fault.detail.contains(", through the proxy 127.0.0.1:"), "{fault:?}");
        assert_eq!(receiver.requests().len(), 1);
    }
}

#[tokio::test]
async fn without_a_tunnel_an_answer_is_the_destinations_but_for_a_407() {
    let (standin, client) = (standin::start().unwrap(), client());
    let connection = over(proxy_at(standin.address(), None));
    for status in [403, 502, 504] {
        standin.set(Conduct::Refuse(status));
        let reply = client.send_over(&connection, post("http://receiver.invalid/")).await;
        assert!(matches!(&reply, Reply::Http(answer) if answer.status == status), "{reply:?}");
    }
}

#[tokio::test]
async fn answers_are_read_to_their_limit_and_redirects_are_not_followed() {
    let (standin, client) = (standin::start().unwrap(), client());
    let connection = over(proxy_at(standin.address(), None));
    for scheme in ["http", "https"] {
        let config = || (scheme == "https").then(|| one_sided("good.pem"));
        let long = receiver(config(), |_| ok(&"x".repeat(100_000))).await;
        let reply = client.send_over(&connection, post(&format!("{scheme}://{}/", long.address))).await;
        let Reply::Http(answer) = reply else { panic!("{reply:?}") };
        assert_eq!((answer.body.len(), answer.truncated), (64 << 10, true));
        let moved = receiver(config(), |_| {
            "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n".to_owned()
        });
        let moved = moved.await;
        let reply = client.send_over(&connection, post(&format!("{scheme}://{}/", moved.address))).await;
        assert!(matches!(&reply, Reply::Http(answer) if answer.status == 307), "{reply:?}");
        assert_eq!(moved.requests().len(), 1);
    }
    assert!(!standin.seen().iter().any(|seen| seen.contains(":9/")));
}

#[tokio::test]
async fn no_written_form_of_a_forbidden_address_reaches_the_proxy_or_the_network() {
    let standin = standin::start().unwrap();
    let connection = over(proxy_at(standin.address(), None));
    let straight = Arc::new(Connection::default());
    for host in crate::egress::testing::FORBIDDEN {
        for scheme in ["http", "https"] {
            for way in [&connection, &straight] {
                let way = Way::new(&Tls::new().unwrap(), way).unwrap();
                let request =
                    HttpRequest { method: Method::Get, ..post(&format!("{scheme}://{host}/latest/meta-data/")) };
                let reply = way.exchange(&request).await;
                let fault = failed(&reply);
                assert!(!fault.may_have_arrived, "{host}: {fault:?}");
                assert!(fault.detail.contains("link-local or reserved"), "{host}: {fault:?}");
            }
        }
    }
    assert_eq!(standin.seen(), Vec::<String>::new());
}
