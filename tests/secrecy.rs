//! Credentials of destinations, those in URLs among them, are repeated nowhere: not in the log, not by a command, not by the
//! admin listener, whatever a receiver, a proxy or a token endpoint answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use harness::{Gateway, Post, until};

const SECRET: &str = "adrian-signs-with-these-32-bytes";

/// What every credential of this test holds.
const MARK: &str = "s3cret";
/// The beginning of the login at the proxy, and of the secret of the webhook, in base64.
const MARK_IN_BASIC: &str = "dXNlcjpzM2NyZX";
const MARK_IN_WHSEC: &str = "czNjcmV0";

/// A receiver that repeats what it was sent, with this status.
fn parrot(status: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || repeat(stream, status));
        }
    });
    address
}

fn repeat(mut stream: TcpStream, status: u16) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    drop(reader.read_exact(&mut body));
    // The head first: of what is quoted only the beginning is shown.
    let said = format!("you sent {head} {}", String::from_utf8_lossy(&body));
    let head = format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", said.len());
    drop(stream.write_all((head + &said).as_bytes()));
}

/// An address where nothing listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One destination of each kind of credential, at a receiver of each kind of failure.
fn destinations() -> (String, Vec<String>) {
    let places: Vec<(String, SocketAddr)> = [400, 401, 404, 500]
        .into_iter()
        .map(|status| (format!("at{status}"), parrot(status)))
        .chain([("closed".to_owned(), closed())])
        .collect();
    let (mut text, mut names) = (String::new(), Vec::new());
    for (place, address) in &places {
        let hook = |path: &str| format!("webhook_url = {{ value = \"http://{address}/{path}\" }}");
        let all = [
            ("slack", hook("services/T00000000/B00000000/s3cretslackwebhook")),
            ("discord", hook("api/webhooks/100000000000000001/s3cretdiscordtoken")),
            ("teams", hook("workflows/s3cretworkflow/triggers/manual?api-version=1&sig=s3cretsignature")),
            ("mattermost", hook("hooks/s3cretmattermosthook")),
            (
                "webhook",
                format!(
                    "url = \"http://{address}/s3cretpath?key=s3cretkey\"\nsecret = {{ value = \"whsec_czNjcmV0LXMzY3JldC1zM2NyZXQtczNjcmV0\" }}\nheaders = {{ x-token = {{ value = \"s3cretheader\" }} }}"
                ),
            ),
            (
                "pagerduty",
                format!("url = \"http://{address}\"\nrouting_key = {{ value = \"s3cret0routing0key00000000000000\" }}"),
            ),
            ("splunk", format!("url = \"http://{address}\"\ntoken = {{ value = \"s3cret-splunk-token\" }}")),
            (
                "servicenow",
                format!(
                    "url = \"http://{address}\"\noauth = {{ client_id = \"id\", client_secret = {{ value = \"s3cretclientsecret\" }} }}"
                ),
            ),
            (
                "slack-app",
                format!(
                    "url = \"http://{address}\"\nrefresh_token = {{ value = \"xoxe-1-s3cretrefreshtoken\" }}\nclient_id = \"1.2\"\nclient_secret = {{ value = \"s3cretappsecret\" }}\nchannel = \"C00000000\""
                ),
            ),
            (
                "opsgenie",
                format!(
                    "url = \"http://receiver.invalid\"\napi_key = {{ value = \"s3cret00-aaaa-4bbb-8ccc-000000000000\" }}\nproxy = \"http://user@{address}\"\nproxy_password = {{ value = \"s3cretproxypassword\" }}"
                ),
            ),
        ];
        for (kind, settings) in all {
            let name = format!("{kind}-{place}");
            let kind = kind.trim_end_matches("-app");
            text += &format!("[destinations.{name}]\ntype = \"{kind}\"\n{settings}\n");
            names.push(name);
        }
    }
    (text, names)
}

#[test]
fn no_credential_of_a_destination_is_repeated_anywhere() {
    let (destinations, names) = destinations();
    let sources = format!("[sources.adrian]\nvendor = \"secureagentics\"\nsecrets = [{{ value = \"{SECRET}\" }}]\n");
    let to: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let route = format!("[[routes]]\nname = \"everything\"\nto = [{}]\n", to.join(", "));
    let gateway = Gateway::start(&format!("{sources}{destinations}{route}"));
    let body = br#"{"event":"alert.triggered","alert_id":"a-1","severity":"critical"}"#;
    let receipt = gateway.post_signed("adrian", SECRET, body).accepted();
    until("each destination has been tried", || {
        let tried = gateway.list("deliveries", &[]);
        let has_reason = |name: &String| {
            tried.iter().any(|row| row["destination"] == name.as_str() && row["reason"].as_str().is_some())
        };
        names.iter().all(has_reason).then_some(())
    });
    let mut said = vec![("log".to_owned(), gateway.log())];
    for path in ["/readyz", "/metrics"] {
        said.push((path.to_owned(), Post::get(path).send(gateway.admin).text().to_owned()));
    }
    let ids: Vec<String> =
        gateway.list("deliveries", &[]).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let shown = ids
        .iter()
        .flat_map(|id| [vec!["deliveries", "show", id.as_str()], vec!["deliveries", "show", id.as_str(), "--json"]]);
    let commands = [
        vec!["check"],
        vec!["status"],
        vec!["status", "--json"],
        vec!["deliveries", "list"],
        vec!["deliveries", "list", "--json"],
        vec!["incidents", "list"],
        vec!["events", "list", "--json"],
        vec!["receipts", "show", receipt.as_str()],
        vec!["replay", "--dead", "--dry-run"],
        vec!["probe", "slack-at400"],
        vec!["probe", "webhook-closed"],
        vec!["probe", "opsgenie-at401"],
        vec!["probe", "servicenow-at401"],
        vec!["probe", "slack-app-at400"],
    ];
    for command in commands.into_iter().chain(shown) {
        let ran = gateway.run(&command);
        said.push((command.join(" "), ran.stdout + &ran.stderr));
    }
    assert!(said.iter().any(|(_, text)| text.contains("you sent")), "no answer is quoted, so nothing is proved");
    for (place, text) in &said {
        assert!(!text.is_empty() || place.contains("list") || place.contains("replay"), "{place} says nothing");
        for line in text.lines() {
            assert!(!line.to_lowercase().contains(MARK), "{place}: {line}");
            assert!(!line.contains(MARK_IN_BASIC) && !line.contains(MARK_IN_WHSEC), "{place}: {line}");
        }
    }
}
