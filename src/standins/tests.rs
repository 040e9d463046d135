//! The handle and the faults, over real HTTP; and where the other tests find the contracts.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A file of the contracts that stand beside the project; `None` where they do not.
pub(super) fn contract(name: &str) -> Option<Value> {
    let path = crate::needs::shared(&format!("contracts/{name}"))?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// The documents of a file of examples; none where the contracts are not there.
pub(super) fn examples(name: &str) -> Vec<Value> {
    let file = contract(&format!("examples/{name}"));
    let documents: Vec<Value> = file.map(|file| file.as_array().unwrap().clone()).unwrap_or_default();
    assert!(!documents.is_empty() || contract(&format!("examples/{name}")).is_none(), "{name} is empty");
    documents
}

/// A client that follows no redirects and keeps no connections: it must not carry one from a test's runtime into the next.
pub(super) fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        // It uses plain HTTP here but needs a TLS provider all the same; another test may have installed one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        builder.pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

fn trigger(dedup_key: &str) -> Value {
    json!({"routing_key": pagerduty::ROUTING_KEY, "event_action": "trigger", "dedup_key": dedup_key,
           "payload": {"summary": format!("about {dedup_key}"), "severity": "error", "source": "x"}})
}

async fn page(pager: &StandIn<pagerduty::PagerDuty>, key: &str) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/v2/enqueue", pager.base_url());
    let body = trigger(key).to_string();
    client().post(url).header("content-type", "application/json").body(body).send().await
}

#[tokio::test]
async fn scripted_faults_come_in_order_and_then_it_is_itself_again() {
    let pager = pagerduty::start().await.unwrap();
    pager.script([
        Fault::Status(503),
        Fault::Status429 { retry_after: Some(Duration::from_secs(7)) },
        Fault::Status429 { retry_after: None },
        Fault::Garbage200,
        Fault::Redirect("https://elsewhere.example/".to_owned()),
        Fault::Unauthorized,
    ]);
    let mut seen = Vec::new();
    for number in 0..7 {
        let answer = page(&pager, &format!("k{number}")).await.unwrap();
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        seen.push((answer.status().as_u16(), header("retry-after").or_else(|| header("location"))));
    }
    let said = |status, header: &str| (status, Some(header.to_owned()));
    let expected = [
        (503, None),
        said(429, "7"),
        (429, None),
        (200, None),
        said(307, "https://elsewhere.example/"),
        (400, None),
        (202, None),
    ];
    assert_eq!(seen, expected);
    assert_eq!(pager.effects(), 1, "none of the faults let an event through");
    assert_eq!(pager.mentions("about k6"), 1);
    assert_eq!(pager.requests().len(), 7);
    assert_eq!(pager.requests()[0].json(), Some(trigger("k0")));
}

#[tokio::test]
async fn always_lasts_until_it_is_taken_back() {
    let pager = pagerduty::start().await.unwrap();
    pager.always(Some(Fault::Status(500)));
    pager.script([Fault::NoFault]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(page(&pager, "k").await.unwrap().status().as_u16());
    }
    pager.always(None);
    seen.push(page(&pager, "k").await.unwrap().status().as_u16());
    assert_eq!(seen, [202, 500, 500, 202]);
}

#[tokio::test]
async fn a_reset_is_a_lost_answer_and_only_one_kind_has_an_effect() {
    let pager = pagerduty::start().await.unwrap();
    for (fault, effects) in [(Fault::Reset, 0), (Fault::TakenThenReset, 1)] {
        pager.script([fault.clone()]);
        let error = page(&pager, "k").await.unwrap_err();
        assert!(!error.is_timeout() && !error.is_connect(), "{fault:?}: {error:?}");
        assert_eq!(pager.effects(), effects, "{fault:?}");
    }
}

#[tokio::test]
async fn a_dropped_connection_carries_not_one_byte() {
    let pager = pagerduty::start().await.unwrap();
    for fault in
        [Fault::Reset, Fault::TakenThenReset, Fault::Hang(Duration::ZERO), Fault::TakenThenHang(Duration::ZERO)]
    {
        pager.script([fault.clone()]);
        let address = pager.base_url().trim_start_matches("http://").to_owned();
        let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
        let body = trigger("k").to_string();
        let head = format!("POST /v2/enqueue HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", body.len());
        connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), connection.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "{fault:?}: still open");
        assert_eq!(answer, b"", "{fault:?}");
    }
}

#[tokio::test]
async fn a_hanging_request_delays_no_other() {
    let pager = pagerduty::start().await.unwrap();
    pager.script([Fault::TakenThenHang(Duration::from_secs(30)), Fault::Hang(Duration::from_secs(30))]);
    let impatient = |key: &'static str| tokio::time::timeout(Duration::from_millis(300), page(&pager, key));
    assert!(impatient("taken").await.is_err());
    assert!(impatient("not-taken").await.is_err());
    assert_eq!(page(&pager, "next").await.unwrap().status(), 202);
    assert_eq!((pager.mentions("taken"), pager.mentions("not-taken"), pager.mentions("next")), (1, 0, 1));
    let began = Instant::now();
    drop(pager);
    assert!(began.elapsed() < Duration::from_secs(5), "a hanging request does not hold up the end either");
}

#[tokio::test]
async fn a_slow_answer_is_whole_in_the_end() {
    let pager = pagerduty::start().await.unwrap();
    pager.script([Fault::SlowAnswer { bytes_per_second: 200 }]);
    let began = Instant::now();
    let answer = page(&pager, "k").await.unwrap();
    assert_eq!(answer.status(), 202);
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["dedup_key"], "k");
    assert!(began.elapsed() >= Duration::from_millis(300), "it took {:?}", began.elapsed());
    assert_eq!(pager.effects(), 1);
}

#[tokio::test]
async fn waiting_ends_with_the_effect_or_with_the_count() {
    let pager = pagerduty::start().await.unwrap();
    let (waited, sent) = tokio::join!(pager.wait_for(1, Duration::from_secs(10)), page(&pager, "k"));
    assert_eq!((waited, sent.unwrap().status().as_u16()), (Ok(()), 202));
    let shortfall = pager.wait_for(2, Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(shortfall, Shortfall { name: "PagerDuty", wanted: 2, got: 1 });
    assert_eq!(shortfall.to_string(), "the stand-in of PagerDuty has 1 where 2 were waited for");
    assert_eq!(pager.wait_for_requests(1, Duration::ZERO).await, Ok(()));
    assert!(pager.wait_for_requests(2, Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn a_stand_in_listens_on_loopback_and_frees_its_port() {
    let first = pagerduty::start().await.unwrap();
    let port: u16 = first.base_url().strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
    assert!(slack::start_on(port).await.is_err(), "the port is taken");
    drop(first);
    let second = jira::start_on(port).await.unwrap();
    assert_eq!(second.base_url(), format!("http://127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_body_beyond_all_limits_is_not_read_to_its_end() {
    let slack = slack::start().await.unwrap();
    let body = vec![b' '; 3 * 1024 * 1024];
    let answer = client().post(slack.webhook_url()).header("content-type", "application/json").body(body).send().await;
    // The server may answer 413 or hang up while the client still writes; both are refusals.
    assert!(answer.map_or(true, |answer| answer.status() == 413));
    assert_eq!(slack.effects(), 0);
}

#[tokio::test]
async fn credentials_are_refused_in_the_words_of_each_service() {
    let (slack, jira) = (slack::start().await.unwrap(), jira::start().await.unwrap());
    slack.always(Some(Fault::Unauthorized));
    jira.always(Some(Fault::Unauthorized));
    let post = |url: String| async move {
        let answer = client().post(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(post(slack.webhook_url()).await, (403, "invalid_token".to_owned()));
    assert_eq!(post(format!("{}/chat.postMessage", slack.api_url())).await.0, 200);
    assert_eq!(post(format!("{}/rest/api/3/issue", jira.base_url())).await.0, 401);
}
