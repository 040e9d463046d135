//! Every route of the public listener, with every vendor's source: nothing that is not signed gets in.

use std::collections::BTreeSet;

use gatepost::config::Config;
use gatepost::domain::Timestamp;
use gatepost::settings::{Environment, PathFacts};
use gatepost::store::{Access, Page, Queries, ReceiptFilter, SqliteStore};
use gatepost::vendors::{Source, VENDORS};

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::schedule;
use super::wire::{self, Wire};
use super::world::World;

type Lines = Vec<(String, String)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_unsigned_gets_in_by_any_route() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("unsigned");
    let world = World::new().await;
    let text = world.config_text() + &sources();
    world.write_config(&text);
    let config = Config::parse(&text, &nothing()).unwrap();
    let closed: Vec<&Source> = config.sources.values().filter(|source| !source.verifier.is_unsigned()).collect();
    let vendors: BTreeSet<&str> = closed.iter().map(|source| source.vendor.name).collect();
    assert_eq!(vendors, VENDORS.iter().map(|vendor| vendor.name).collect(), "a vendor without a source");
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    let before = receipts(&world);
    let mut sweep = Sweep { world: &world, wire: None, tried: 0 };
    for source in &closed {
        for (what, lines) in forgeries(source, &closed) {
            for path in paths(source.name.as_str()) {
                let is_plain = path == format!("/webhooks/{}", source.name);
                let expected: &[u16] = if is_plain { &[401] } else { &[400, 401, 404] };
                sweep.refused(&wire::post(&path, &lines, BODY), expected, &format!("{what} at {path}")).await;
            }
            for (how, request) in other_requests(source.name.as_str(), &lines) {
                // That would be signed.
                if (how, what.as_str()) == ("without a body", OF_NOTHING) {
                    continue;
                }
                let what = format!("{how}, {what} at {}", source.name);
                sweep.refused(&request, &[400, 401, 405, 501], &what).await;
            }
        }
    }
    for path in ["/", "/webhooks", "/webhooks/", "/healthz", "/readyz", "/metrics", "/admin", "/webhooks/absent", "*"] {
        for source in &closed {
            // Not even with credentials that are right somewhere else.
            let request = wire::post(path, &signed(source, BODY), BODY);
            sweep.refused(&request, &[400, 404], &format!("{} at {path}", source.name)).await;
        }
    }
    let tried = sweep.tried;
    assert_eq!(receipts(&world), before, "something unsigned was stored");
    controls(&world, &closed).await;
    assert_eq!(receipts(&world), before + closed.len() + 1, "the controls are not stored");
    gateway.stop().await;
    println!("unsigned: {tried} requests to {} sources: none accepted; all controls accepted", closed.len());
    assert!(tried > 1_000);
}

/// Sends requests that must be refused, on one connection for as long as it is kept.
struct Sweep<'w> {
    world: &'w World,
    wire: Option<Wire>,
    tried: usize,
}

impl Sweep<'_> {
    async fn refused(&mut self, request: &[u8], expected: &[u16], what: &str) {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::open(self.world.public).await.unwrap(),
        };
        let answer = wire.ask(request).await.unwrap_or_else(|broken| panic!("{what}: {broken:?}"));
        self.tried += 1;
        assert!(expected.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        let closes = answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        self.wire = (!closes).then_some(wire);
    }
}

/// What is signed is accepted everywhere, and what is not where the operator said so: the sweep can fail.
async fn controls(world: &World, closed: &[&Source]) {
    let mut wire = Wire::open(world.public).await.unwrap();
    for source in closed {
        let request = wire::post(&format!("/webhooks/{}", source.name), &signed(source, BODY), BODY);
        let answer = wire.ask(&request).await.unwrap();
        assert_eq!(answer.status, 200, "{}: {}", source.name, answer.text());
    }
    let answer = wire.ask(&wire::post("/webhooks/open", &Vec::new(), BODY)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Invalid credentials: none, another source's, the right ones for something else.
fn forgeries(source: &Source, all: &[&Source]) -> Vec<(String, Lines)> {
    let own = signed(source, BODY);
    let changed = |change: &dyn Fn(&str) -> String| -> Lines {
        own.iter().map(|(name, value)| (name.clone(), change(value))).collect()
    };
    let renamed = |change: &dyn Fn(&str) -> String| -> Lines {
        own.iter().map(|(name, value)| (change(name), value.clone())).collect()
    };
    let cookie: Vec<String> = own.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut forgeries = vec![
        ("nothing".to_owned(), Vec::new()),
        ("empty values".to_owned(), changed(&|_| String::new())),
        ("words for nothing".to_owned(), changed(&|_| "null".to_owned())),
        ("a zeroed tag".to_owned(), changed(&|value| value.replace(|c: char| c.is_ascii_hexdigit(), "0"))),
        ("half a value".to_owned(), changed(&|value| value[..value.len() / 2].to_owned())),
        ("a longer value".to_owned(), changed(&|value| format!("{value}0"))),
        ("every line twice".to_owned(), own.iter().chain(&own).cloned().collect()),
        ("other names".to_owned(), renamed(&|name| format!("x-forwarded-{name}"))),
        ("underscores".to_owned(), renamed(&|name| format!("{}_", name.replace('-', "_")))),
        ("a cookie".to_owned(), vec![("Cookie".to_owned(), cookie.join("; "))]),
        ("basic".to_owned(), vec![("Authorization".to_owned(), "Basic YWRtaW46YWRtaW4=".to_owned())]),
        ("a bearer of nothing".to_owned(), vec![("Authorization".to_owned(), "Bearer ".to_owned())]),
        ("a proxy's word".to_owned(), vec![("X-Forwarded-User".to_owned(), "admin".to_owned())]),
    ];
    if !source.verifier.is_token() {
        forgeries.push(("the tag of another body".to_owned(), signed(source, b"{}")));
        forgeries.push((OF_NOTHING.to_owned(), signed(source, b"")));
    }
    for other in all.iter().filter(|other| other.name != source.name) {
        forgeries.push((format!("what opens {}", other.name), signed(other, BODY)));
    }
    forgeries
}

/// Ways to write the path of a source, and ways around it.
fn paths(name: &str) -> Vec<String> {
    let first = name.as_bytes()[0];
    vec![
        format!("/webhooks/{name}"),
        format!("/webhooks/{name}/"),
        format!("/webhooks//{name}"),
        format!("//webhooks/{name}"),
        format!("/webhooks/{name}?signature=none&token=none"),
        format!("/webhooks/{name};unsigned"),
        format!("/webhooks/{}", name.to_uppercase()),
        format!("/webhooks/%{first:02x}{}", &name[1..]),
        format!("/webhooks/open/../{name}"),
        format!("/webhooks/open%2f..%2f{name}"),
        format!("/webhooks/{name}%00open"),
        format!("/webhooks/{name}/open"),
        format!("http://gatepost/webhooks/{name}"),
    ]
}

/// Other methods, and other ways to send a body.
fn other_requests(name: &str, lines: &Lines) -> Vec<(&'static str, Vec<u8>)> {
    let path = format!("/webhooks/{name}");
    let post = wire::post(&path, lines, BODY);
    let with_method = |method: &str| [method.as_bytes(), &post[4..]].concat();
    let head = String::from_utf8(wire::head(&path, lines)).unwrap();
    let mut requests: Vec<(&'static str, Vec<u8>)> =
        ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"].map(|method| (method, with_method(method))).into();
    let chunk = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", BODY.len()).into_bytes();
    requests.push(("chunked", [&chunk, BODY, b"\r\n0\r\n\r\n"].concat()));
    requests.push(("without a body", format!("{head}Content-Length: 0\r\n\r\n").into_bytes()));
    let gzip = format!("{head}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", BODY.len()).into_bytes();
    requests.push(("gzip that is none", [&gzip, BODY].concat()));
    let overridden = head.replacen("POST", "PUT", 1) + "X-HTTP-Method-Override: POST\r\n";
    let overridden = format!("{overridden}Content-Length: {}\r\n\r\n", BODY.len()).into_bytes();
    requests.push(("another method overridden", [&overridden, BODY].concat()));
    requests
}

fn signed(source: &Source, body: &[u8]) -> Lines {
    let lines = source.verifier.sign(body, now(), "msg_1");
    lines.into_iter().map(|(name, value)| (name, value.expose_str().unwrap().to_owned())).collect()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis() as i64)
}

fn receipts(world: &World) -> usize {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    store.receipts(&Page { limit: 10_000, before: None }, &ReceiptFilter::default()).unwrap().len()
}

fn nothing() -> Environment {
    Environment {
        variable: Box::new(|_| None),
        read_file: Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        paths: PathFacts::default(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
        base: std::path::PathBuf::new(),
    }
}

/// Beside the two of the world: every scheme that an operator can write, and one without authentication.
fn sources() -> String {
    let generic = |name: &str, secret: &str, verify: &str| {
        format!(
            "[sources.{name}]\nvendor = \"generic\"\nsecrets = [{{ value = \"{secret}\" }}]\nverify = {{ {verify} }}\n"
        )
    };
    let names = ["plain", "timed", "listed", "standard", "wide", "header"];
    let verify = [
        r#"scheme = "hmac", header = "x-hub-signature-256", prefix = "sha256=""#,
        r#"scheme = "hmac", header = "x-slack-signature", prefix = "v0=", signed = "v0:{timestamp}:{body}", timestamp = { header = "x-slack-request-timestamp" }"#,
        r#"scheme = "hmac", header = "stripe-signature", prefix = "v1=", separator = ",", signed = "{timestamp}.{body}", timestamp = { header = "stripe-signature", prefix = "t=", separator = "," }"#,
        r#"scheme = "hmac", header = "webhook-signature", encoding = "base64", prefix = "v1,", separator = " ", key = "whsec", signed = "{id}.{timestamp}.{body}", id_header = "webhook-id", timestamp = { header = "webhook-timestamp" }"#,
        r#"scheme = "hmac", algorithm = "sha512", header = "x-wide", encoding = "base64", signed = "{body}{timestamp}", timestamp = { header = "x-wide-time", format = "rfc3339" }"#,
        r#"scheme = "token", header = "x-api-key""#,
    ];
    let mut text = String::new();
    for (place, (name, verify)) in names.iter().zip(verify).enumerate() {
        // Base64, as one of the schemes wants it.
        let secret = format!("c2VjcmV0IG9mIHNvbWUgbGVuZ3RoIG51bWJlciAw{place}AAA");
        text.push_str(&generic(name, &secret, verify));
    }
    text + "[sources.open]\nvendor = \"generic\"\ndanger_unsigned = true\n"
}

const OF_NOTHING: &str = "the tag of nothing";

const BODY: &[u8] = br#"{"id":"unsigned","type":"alert.triggered","data":{"details":"this is not signed"}}"#;
