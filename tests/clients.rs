//! The vendors' own clients against the stand-ins, and other parsers on what gatepost sends. What passes here is no private
//! language of gatepost and its stand-ins.
//!
//! Each test installs what it needs from PyPI or npm, into a folder below `target` that the next run uses again. They are left
//! out of every build:
//!
//! ```sh
//! cargo test --test clients -- --ignored --nocapture
//! ```

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gatepost::standins::{Rate, Service, StandIn, elasticsearch, jira, opsgenie, pagerduty, slack, splunk, webhook};
use harness::{Gateway, Post, free_port, shared, until};
use serde_json::{Value, json};

fn started<S: Service>(standin: impl Future<Output = std::io::Result<StandIn<S>>>) -> StandIn<S> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(standin).unwrap()
}

/// Runs a command to its end, which must be a good one.
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{said}");
    said
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A Python with this package of PyPI.
fn python_with(package: &str) -> PathBuf {
    let folder = folder(&format!("python-{package}"));
    let python = folder.join("bin/python");
    let mark = folder.join("complete");
    if !mark.exists() {
        done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]));
        std::fs::write(mark, "").unwrap();
    }
    python
}

/// Runs one of the functions of `tests/real/clients.py`, with the package that it needs.
fn is_content(package: &str, client: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/clients.py");
    let said = done(Command::new(python_with(package)).arg(script).arg(client).args(arguments));
    assert!(said.contains(&format!("{client} is content")), "{said}");
    println!("{package}: {}", said.trim());
}

#[test]
#[ignore = "installs slack_sdk from PyPI"]
fn slack_sdk_is_content() {
    let chat = started(slack::start());
    chat.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    is_content("slack_sdk", "slack_sdk", &[&chat.api_url(), slack::BOT_TOKEN, slack::CHANNEL]);
    let messages = chat.messages();
    assert_eq!((messages.len(), messages[0].updates), (2, 1));
}

#[test]
#[ignore = "installs jira from PyPI"]
fn jira_is_content() {
    let tracker = started(jira::start());
    is_content("jira", "jira", &[tracker.base_url(), jira::EMAIL, jira::API_TOKEN, jira::PROJECT]);
    let issues = tracker.issues();
    assert_eq!((issues.len(), issues[0].comments.len()), (1, 1));
}

#[test]
#[ignore = "installs elasticsearch from PyPI"]
fn elasticsearch_is_content() {
    let cluster = started(elasticsearch::start());
    is_content(
        "elasticsearch",
        "elasticsearch",
        &[cluster.base_url(), elasticsearch::API_KEY, elasticsearch::DATA_STREAM],
    );
    assert_eq!(cluster.effects(), 3);
}

#[test]
#[ignore = "installs opsgenie-sdk from PyPI"]
fn opsgenie_sdk_is_content() {
    let pager = started(opsgenie::start());
    is_content("opsgenie-sdk", "opsgenie_sdk", &[pager.base_url(), opsgenie::API_KEY]);
    assert_eq!(pager.alerts()[0].status, opsgenie::Status::Closed);
}

#[test]
#[ignore = "installs pagerduty and pdpyras from PyPI"]
fn pagerduty_is_content() {
    let pager = started(pagerduty::start());
    is_content("pagerduty", "pagerduty", &[pager.base_url(), pagerduty::ROUTING_KEY]);
    is_content("pdpyras", "pdpyras", &[pager.base_url(), pagerduty::ROUTING_KEY]);
    let statuses: Vec<_> = pager.incidents().iter().map(|page| page.status).collect();
    assert_eq!(statuses, [pagerduty::Status::Resolved; 2]);
}

#[test]
#[ignore = "installs splunk_handler from PyPI"]
fn a_client_of_the_collector_is_content() {
    let collector = started(splunk::start());
    is_content("splunk_handler", "splunk_hec", &[collector.base_url(), splunk::TOKEN]);
    assert_eq!(collector.mentions("by the client"), 1);
}

const AKTO: &str = "akto-shows-this-token-of-32-byte";

/// A gateway with these destinations, all of which get everything: four events, of three incidents where they are notifiers.
fn gateway(destinations: &str, names: &[&str]) -> Gateway {
    let gateway = Gateway::start(&format!(
        "[sources.akto]\nvendor = \"akto\"\nsecrets = [{{ value = \"{AKTO}\" }}]\n\n[incidents]\nwait = \"0s\"\n\n\
         {destinations}\n\n[[routes]]\nname = \"all\"\nto = {names:?}\n"
    ));
    let now = gatepost::domain::Clock::now(&gatepost::domain::SystemClock).as_millis();
    for (host, severity) in [("shop", "CRITICAL"), ("api", "HIGH"), ("pay", "MEDIUM"), ("api", "CRITICAL")] {
        let body = json!({
            "id": format!("{host}-{severity}-{}", gateway.list("receipts", &[]).len()), "filterId": "SQLInjection",
            "actor": "198.51.100.7", "latestApiMethod": "POST", "latestApiEndpoint": "/v1/orders", "detectedAt": now,
            "severity": severity, "host": format!("{host}.example"), "refId": "\u{fc}<!channel>\"\\",
        });
        gateway.post_bearer("akto", AKTO, body.to_string().as_bytes()).accepted();
        gateway.settle();
    }
    gateway
}

#[test]
#[ignore = "installs standardwebhooks from PyPI"]
fn standardwebhooks_verifies_what_is_sent() {
    let receiver = started(webhook::start());
    let destination = |name: &str, more: &str| {
        let (url, secret) = (receiver.url(), webhook::SECRET);
        format!(
            "[destinations.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\nsecret = {{ value = \"{secret}\" }}\n{more}\n"
        )
    };
    let destinations =
        format!("{}{}", destination("single", ""), destination("several", "batch = 10\nformat = \"ocsf\""));
    let _gateway = gateway(&destinations, &["single", "several"]);
    until("every event is there twice", || (receiver.effects() == 8).then_some(()));
    let requests = receiver.requests();
    let request = |arrived: &gatepost::standins::Arrived| {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), json!(arrived.headers.only(name)))).collect();
        json!({ "headers": headers, "body": String::from_utf8(arrived.body.to_vec()).unwrap() })
    };
    let sent: Vec<_> = requests.iter().map(request).collect();
    let file = folder("webhooks.json");
    std::fs::write(&file, json!(sent).to_string()).unwrap();
    is_content("standardwebhooks", "standardwebhooks", &[file.to_str().unwrap(), webhook::SECRET]);
    println!("{} requests were verified", sent.len());
}

/// Prism, which lets through what is as a document says, in both directions, and answers everything else with an error.
struct Prism {
    port: u16,
    child: Child,
    log: PathBuf,
}

impl Prism {
    /// Before `upstream`, for what this document of the contracts describes under paths that begin with `prefix`. `None`
    /// where the contracts are not there.
    fn before(upstream: &str, document: &str, prefix: &str) -> Option<Self> {
        let text = std::fs::read_to_string(shared(&format!("contracts/{document}"))?).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        // Credentials are the stand-in's part: the document of Data Center knows passwords only, and no token of a person.
        let without_security = |mut item: Value| {
            item.as_object_mut().unwrap().values_mut().for_each(|operation| {
                operation.as_object_mut().map(|operation| operation.remove("security"));
            });
            item
        };
        let paths = document["paths"].as_object().unwrap().clone().into_iter();
        document["paths"] = paths.map(|(path, item)| (format!("{prefix}{path}"), without_security(item))).collect();
        document.as_object_mut().unwrap().remove("security");
        let port = free_port();
        let (file, log) = (folder(&format!("prism-{port}.json")), folder(&format!("prism-{port}.log")));
        std::fs::write(&file, document.to_string()).unwrap();
        let mut command = Command::new(prism());
        command.args(["proxy", "--errors", "--host", "127.0.0.1", "--port", &port.to_string()]);
        let out = File::create(&log).unwrap();
        let err = out.try_clone().unwrap();
        let child = command.arg(file).arg(upstream).stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let prism = Self { port, child, log };
        until("prism listens", || prism.said().contains("is listening").then_some(()));
        Some(prism)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// It has seen these requests, and nothing to object to; it does object to what is wrong.
    fn objects_to_nothing(&self, requests: usize, wrong: &str) {
        let said = self.said();
        let seen = said.lines().filter(|line| line.contains("Request received")).count();
        assert!(seen >= requests, "{seen} of {requests} requests:\n{said}");
        assert!(!said.to_lowercase().contains("violation"), "{said}");
        let answer = Post::to(wrong.to_owned())
            .line("content-type", "application/json")
            .body(b"[]")
            .send(([127, 0, 0, 1], self.port).into());
        assert!((400..500).contains(&answer.status), "what is wrong was let through: {}", answer.status);
        println!("prism: {seen} requests");
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Prism, of npm.
fn prism() -> PathBuf {
    let folder = folder("prism");
    let program = folder.join("node_modules/.bin/prism");
    if !program.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let arguments = ["install", "--silent", "--no-fund", "--no-audit", "--prefix"];
        done(Command::new("npm").args(arguments).arg(&folder).arg("@stoplight/prism-cli"));
    }
    program
}

/// The first is acknowledged and resolved, the second resolved.
fn people_act(gateway: &Gateway) {
    for (order, number) in [("ack", "1"), ("resolve", "1"), ("resolve", "2")] {
        gateway.run(&["incidents", order, number, "--by", "dana", "--note", "looked at"]).done();
        gateway.settle();
    }
    let deliveries = gateway.list("deliveries", &[]);
    let is_well =
        |row: &Value| row["state"] == "delivered" || row["state"] == "superseded" || row["state"] == "waiting";
    assert!(!deliveries.is_empty() && deliveries.iter().all(is_well), "{deliveries:#?}");
}

#[test]
#[ignore = "installs prism from npm"]
fn prism_objects_to_nothing_that_pagerduty_is_sent() {
    let pager = started(pagerduty::start());
    let Some(prism) = Prism::before(pager.base_url(), "pagerduty-events-v2.openapi.json", "/v2") else { return };
    let key = pagerduty::ROUTING_KEY;
    let destination = format!(
        "[destinations.people]\ntype = \"pagerduty\"\nurl = \"{}\"\nrouting_key = {{ value = \"{key}\" }}",
        prism.url()
    );
    people_act(&gateway(&destination, &["people"]));
    prism.objects_to_nothing(6, "/v2/enqueue");
}

#[test]
#[ignore = "installs prism from npm"]
fn prism_objects_to_nothing_that_slack_is_sent() {
    let chat = started(slack::start());
    chat.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    let Some(prism) = Prism::before(&chat.api_url(), "slack-api.openapi.json", "") else { return };
    let (token, channel) = (slack::BOT_TOKEN, slack::CHANNEL);
    let destination = format!(
        "[destinations.people]\ntype = \"slack\"\nurl = \"{}\"\ntoken = {{ value = \"{token}\" }}\nchannel = \"{channel}\"",
        prism.url()
    );
    people_act(&gateway(&destination, &["people"]));
    prism.objects_to_nothing(7, "/chat.postMessage");
}

#[test]
#[ignore = "installs prism from npm"]
fn prism_objects_to_nothing_that_jira_cloud_is_sent() {
    let tracker = started(jira::start());
    let Some(prism) = Prism::before(tracker.base_url(), "jira-cloud-v3.openapi.json", "") else { return };
    let login = format!("email = \"{}\"\napi_token = {{ value = \"{}\" }}", jira::EMAIL, jira::API_TOKEN);
    is_a_tracker(&prism, &login);
    prism.objects_to_nothing(7, "/rest/api/3/issue");
}

#[test]
#[ignore = "installs prism from npm"]
fn prism_objects_to_nothing_that_jira_data_center_is_sent() {
    let tracker = started(jira::start());
    let Some(prism) = Prism::before(tracker.base_url(), "jira-datacenter-v2.openapi.json", "/rest") else { return };
    is_a_tracker(&prism, &format!("deployment = \"datacenter\"\ntoken = {{ value = \"{}\" }}", jira::API_TOKEN));
    prism.objects_to_nothing(7, "/rest/api/2/issue");
}

fn is_a_tracker(prism: &Prism, login: &str) {
    let (url, project) = (prism.url(), jira::PROJECT);
    let destination = format!(
        "[destinations.people]\ntype = \"jira\"\nurl = \"{url}\"\n{login}\nproject = \"{project}\"\nresolve_transition = \"Done\"\npriority = true"
    );
    people_act(&gateway(&destination, &["people"]));
}
