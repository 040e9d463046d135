//! Tokens against a strict endpoint: how often they are fetched, and what its answers mean.

use std::sync::{Arc, Mutex};

use super::*;
use crate::destinations::{Connection, Fault, Grant, Proxy};
use crate::egress::http::Client;
use crate::egress::testing::{Receiver, ok, one_sided, receiver, settings};
use crate::egress::tls::Tls;
use crate::egress::token_keeper::NoTokens;
use crate::standins::oauth::{self as standin, CLIENT_ID, CLIENT_SECRET, SCOPE};
use crate::standins::{Fault as Misdeed, StandIn};

type Endpoint = StandIn<standin::TokenEndpoint>;

/// A destination that accepts these tokens, and answers 401 to others, repeating what it was shown.
async fn destination(good: &Arc<Mutex<Vec<String>>>) -> Receiver {
    let good = Arc::clone(good);
    let answer = move |request: &str| {
        let line = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or("none");
        if good.lock().unwrap().iter().any(|token| token == line) {
            return ok("taken");
        }
        let body = format!("the token {line} is not good");
        format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    receiver(None, answer).await
}

fn connection(endpoint: &Endpoint, secret: &str) -> Arc<Connection> {
    let oauth = OAuth {
        token_url: endpoint.url().parse().unwrap(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Secret::new(secret),
        scope: Some(SCOPE.to_owned()),
    };
    Arc::new(Connection { grant: Some(Grant::ClientCredentials(oauth)), ..Connection::default() })
}

fn client() -> Client {
    Client::new(Tls::new().unwrap(), Arc::new(NoTokens)).unwrap()
}

fn request(receiver: &Receiver) -> HttpRequest {
    let url = format!("http://{}/api", receiver.address).parse().unwrap();
    HttpRequest::post_json(url, &serde_json::json!({}))
}

fn status(reply: &Reply) -> u16 {
    match reply {
        Reply::Http(answer) => answer.status,
        other => panic!("{other:?}"),
    }
}

/// Tokens that are good from the beginning: those that the endpoint makes up.
fn first_tokens() -> Arc<Mutex<Vec<String>>> {
    Arc::new(Mutex::new((1..=20).map(|number| format!("standin-token-{number}")).collect()))
}

#[tokio::test]
async fn a_token_is_fetched_once_however_many_requests_need_it() {
    let (endpoint, good) = (standin::start().await.unwrap(), first_tokens());
    let (destination, client) = (destination(&good).await, client());
    let connection = connection(&endpoint, CLIENT_SECRET);
    let at_once = (0..8).map(|_| client.send_over(&connection, request(&destination)));
    for reply in futures_util::future::join_all(at_once).await {
        assert_eq!(status(&reply), 200, "{reply:?}");
    }
    assert_eq!(status(&client.send_over(&connection, request(&destination)).await), 200);
    assert_eq!((endpoint.given(), endpoint.requests().len()), (vec!["standin-token-1".to_owned()], 1));
    assert_eq!(destination.requests().len(), 9);
    assert!(destination.requests().iter().all(|request| request.matches("authorization").count() == 1));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    for (lifetime, fetched) in [(Some(0), 3), (Some(3600), 1), (None, 1)] {
        let (endpoint, good) = (standin::start().await.unwrap(), first_tokens());
        endpoint.set_lifetime(lifetime);
        let (destination, client) = (destination(&good).await, client());
        let connection = connection(&endpoint, CLIENT_SECRET);
        for _ in 0..3 {
            assert_eq!(status(&client.send_over(&connection, request(&destination)).await), 200);
        }
        assert_eq!(endpoint.given().len(), fetched, "{lifetime:?}");
    }
    let second = Duration::from_secs(1);
    for (expires_in, seconds) in [
        (serde_json::json!(1799), 1799),
        (serde_json::json!("1799"), 1799),
        (serde_json::json!(1e9), 600),
        (serde_json::json!(u64::MAX), 86400),
    ] {
        assert_eq!(lifetime(&expires_in), second * seconds, "{expires_in}");
    }
    assert_eq!((margin(second * 3600), margin(second * 30)), (second * 60, second * 15));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once() {
    let (endpoint, good) = (standin::start().await.unwrap(), Arc::new(Mutex::new(vec!["a-first".to_owned()])));
    let (destination, client) = (destination(&good).await, client());
    let connection = connection(&endpoint, CLIENT_SECRET);
    for token in ["a-first", "a-second", "a-third", "a-fourth"] {
        endpoint.issue(token);
    }
    assert_eq!(status(&client.send_over(&connection, request(&destination)).await), 200);
    // It was revoked; eight requests find that out at once, and one fetch serves all.
    *good.lock().unwrap() = vec!["a-second".to_owned()];
    let at_once = (0..8).map(|_| client.send_over(&connection, request(&destination)));
    for reply in futures_util::future::join_all(at_once).await {
        assert_eq!(status(&reply), 200, "{reply:?}");
    }
    assert_eq!(endpoint.given(), ["a-first", "a-second"]);
    // No token is accepted any more: the destination's own answer comes back, without the token.
    good.lock().unwrap().clear();
    let before = destination.requests().len();
    let reply = client.send_over(&connection, request(&destination)).await;
    let Reply::Http(answer) = &reply else { panic!("{reply:?}") };
    assert_eq!((answer.status, &*answer.body), (401, &b"the token [secret] is not good"[..]));
    assert_eq!((endpoint.given().len(), destination.requests().len() - before), (3, 2));
}

#[tokio::test]
async fn what_the_endpoint_answers_instead_of_a_token_is_told_apart() {
    let good = first_tokens();
    let (destination, client) = (destination(&good).await, client());
    let elsewhere = format!("http://{}/moved", destination.address);
    for (misdeed, is_refused, said) in [
        (Misdeed::Status(500), false, "answered 500"),
        (Misdeed::Status(503), false, "answered 503"),
        (Misdeed::Status429 { retry_after: None }, false, "answered 429"),
        (Misdeed::Reset, false, "no access token: 127.0.0.1:"),
        (Misdeed::Unauthorized, true, "gives no token (401 invalid_client no such client): correct `client_id`"),
        (Misdeed::Status(404), true, "gives no token (404): correct `token_url`"),
        (Misdeed::Status(400), true, "gives no token (400): correct `client_id` and `client_secret`"),
        (Misdeed::Garbage200, true, "answered 200 without an access token: correct `token_url`"),
        (Misdeed::Redirect(elsewhere), true, "a redirect, and redirects are not followed"),
    ] {
        let endpoint = standin::start().await.unwrap();
        endpoint.script([misdeed.clone()]);
        let connection = connection(&endpoint, CLIENT_SECRET);
        let reply = client.send_over(&connection, request(&destination)).await;
        let why = match (&reply, is_refused) {
            (Reply::NotSent(why), true) => why,
            (Reply::Failed(Fault { may_have_arrived: false, detail }), false) => detail,
            _ => panic!("{misdeed:?}: {reply:?}"),
        };
        assert!(why.contains(said) && why.contains("127.0.0.1:"), "{misdeed:?}: {why}");
        // The next request asks anew.
        assert_eq!(destination.requests().len(), 0);
        assert_eq!(status(&client.send_over(&connection, request(&destination)).await), 200, "{misdeed:?}");
        destination.forget();
    }
}

#[tokio::test]
async fn an_answer_of_200_that_holds_no_bearer_token_is_none() {
    let (destination, client) = (destination(&first_tokens()).await, client());
    for body in [
        "{}",
        "[]",
        r#"{"access_token":""}"#,
        r#"{"access_token":7}"#,
        r#"{"access_token":"a b","token_type":"Bearer"}"#,
        r#"{"access_token":"a\r\nHost: x","token_type":"Bearer"}"#,
        r#"{"access_token":"abc","token_type":"mac"}"#,
    ] {
        let endpoint = standin::start().await.unwrap();
        endpoint.answer_with(Some((200, body)));
        let reply = client.send_over(&connection(&endpoint, CLIENT_SECRET), request(&destination)).await;
        assert!(matches!(&reply, Reply::NotSent(why) if why.contains("without an access token")), "{body}: {reply:?}");
    }
    // As ServiceNow refuses a client.
    let endpoint = standin::start().await.unwrap();
    endpoint.answer_with(Some((401, r#"{"error_description":"access_denied","error":"server_error"}"#)));
    let reply = client.send_over(&connection(&endpoint, CLIENT_SECRET), request(&destination)).await;
    assert!(matches!(&reply, Reply::NotSent(why) if why.contains("(401 server_error access_denied)")), "{reply:?}");
    assert_eq!(destination.requests().len(), 0);
}

#[tokio::test]
async fn a_wrong_secret_is_the_operators_affair_and_is_repeated_nowhere() {
    let (endpoint, client) = (standin::start().await.unwrap(), client());
    let destination = destination(&first_tokens()).await;
    let reply = client.send_over(&connection(&endpoint, "s3cret-but-wrong"), request(&destination)).await;
    let Reply::NotSent(why) = reply else { panic!("{reply:?}") };
    assert!(why.contains("invalid_client no client has the secret [secret]): correct `client_id`"), "{why}");
    assert!(!why.contains("s3cret"), "{why}");
}

#[tokio::test]
async fn those_that_wait_for_a_fetch_that_fails_share_its_failure() {
    let (endpoint, client) = (standin::start().await.unwrap(), client());
    let destination = destination(&first_tokens()).await;
    endpoint.always(Some(Misdeed::Status(503)));
    let connection = connection(&endpoint, CLIENT_SECRET);
    let at_once = (0..8).map(|_| client.send_over(&connection, request(&destination)));
    let replies = futures_util::future::join_all(at_once).await;
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Failed(fault) if !fault.may_have_arrived)));
    assert_eq!((endpoint.requests().len(), destination.requests().len()), (1, 0));
}

#[tokio::test]
async fn tokens_are_fetched_over_the_connection_of_the_destination() {
    let proxy = crate::standins::proxy::start().unwrap();
    let answer = |_: &str| ok(r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":60}"#);
    let endpoint = receiver(Some(one_sided("good.pem")), answer).await;
    let destination = receiver(Some(one_sided("good.pem")), |_| ok("taken")).await;
    let oauth = OAuth {
        token_url: format!("https://{}/token", endpoint.address).parse().unwrap(),
        client_id: "a&b".to_owned(),
        client_secret: Secret::new("c=d e"),
        scope: None,
    };
    let grant = Some(Grant::ClientCredentials(oauth));
    let on_the_way = Proxy { host: "127.0.0.1".to_owned(), port: proxy.address().port(), authorization: None };
    let connection = Arc::new(Connection { tls: settings(None), proxy: Some(on_the_way), grant });
    let url = format!("https://{}/api", destination.address).parse().unwrap();
    let reply = client().send_over(&connection, HttpRequest::post_json(url, &serde_json::json!({}))).await;
    assert_eq!(status(&reply), 200, "{reply:?}");
    assert_eq!(proxy.seen(), [format!("CONNECT {}", endpoint.address), format!("CONNECT {}", destination.address)]);
    let asked = &endpoint.requests()[0];
    assert!(asked.ends_with("grant_type=client_credentials&client_id=a%26b&client_secret=c%3Dd+e"), "{asked}");
    assert!(destination.requests()[0].contains("authorization: Bearer t0ken\r\n"));
}
