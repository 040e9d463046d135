//! Slack with token rotation, from the vendor's request to the channel: over renewals, ends of the process, and a refresh token that
//! is refused.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::time::Duration;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::slack::{self, CHANNEL, CLIENT_ID, CLIENT_SECRET};
use gatepost::standins::{Fault, Rate, StandIn};
use harness::{Gateway, Post, until};
use serde_json::Value;

const AKTO: &str = "akto-shows-this-token-of-32-byte";
const FIRST: &str = "xoxe-1-first";
const SECOND: &str = "xoxe-1-generated";

fn start_slack() -> StandIn<slack::Slack> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let slack = runtime.block_on(slack::start()).unwrap();
    slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    slack.rotate(FIRST);
    slack
}

/// The refresh token stands in the file `refresh`.
fn config(slack: &StandIn<slack::Slack>) -> String {
    format!(
        r#"
[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]
group_by = ["event"]

[incidents]
wait = "0s"
storm = "never"

[destinations.soc]
type = "slack"
api_url = "{}"
refresh_token = {{ file = "refresh" }}
client_id = "{CLIENT_ID}"
client_secret = {{ value = "{CLIENT_SECRET}" }}
channel = "{CHANNEL}"

[[routes]]
name = "all"
to = ["soc"]
"#,
        slack.api_url()
    )
}

/// A process that serves, whose refresh token is the first. It was not ready to be served before the file was there.
fn start(slack: &StandIn<slack::Slack>) -> Gateway {
    let mut gateway = Gateway::start("");
    assert!(gateway.stop().success());
    set_refresh_token(&gateway, FIRST);
    gateway.configure(&config(slack));
    gateway.serve_again();
    gateway
}

fn set_refresh_token(gateway: &Gateway, token: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = gateway.folder.write("refresh", token);
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn post(gateway: &Gateway, mark: &str) {
    let now = SystemClock.now().as_millis();
    let record = format!(
        r#"[{{"id":"{mark}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiEndpoint":"/v1/{mark}",
        "latestApiMethod":"POST","detectedAt":{now},"refId":"{mark}","severity":"HIGH"}}]"#
    );
    gateway.post_bearer("akto", AKTO, record.as_bytes()).accepted();
    gateway.dispatched();
}

fn posted(slack: &StandIn<slack::Slack>, marks: &[&str]) {
    for mark in marks {
        until(&format!("{mark} is posted"), || (slack.mentions(&format!("/v1/{mark}")) > 0).then_some(()));
        assert_eq!(slack.mentions(&format!("/v1/{mark}")), 1, "{mark}");
    }
}

fn soc(gateway: &Gateway) -> Value {
    Post::get("/readyz").send(gateway.admin).json()["destinations"]["soc"].clone()
}

/// Waits until the destination is stopped, and checks that the reason says what to do.
fn stopped(gateway: &Gateway) {
    let health = until("it is stopped", || {
        let health = soc(gateway);
        (health["state"] == "stopped").then_some(health)
    });
    let reason = health["reason"].as_str().unwrap();
    assert!(reason.contains("invalid_refresh_token") && reason.contains("generate a new one"), "{reason}");
    assert!(reason.contains("set it as `refresh_token`"), "{reason}");
}

fn renewals_asked(slack: &StandIn<slack::Slack>) -> usize {
    slack.requests().iter().filter(|request| request.path.ends_with("oauth.v2.access")).count()
}

/// As by the power: nothing is finished.
fn kill(gateway: &mut Gateway) {
    gateway.signal("KILL");
    until("it has ended", || (!gateway.is_alive()).then_some(()));
}

#[test]
fn tokens_are_renewed_over_restarts_and_by_a_probe_and_shown_nowhere() {
    let slack = start_slack();
    let mut gateway = start(&slack);
    post(&gateway, "one");
    posted(&slack, &["one"]);
    kill(&mut gateway);
    gateway.serve_again();
    post(&gateway, "two");
    posted(&slack, &["two"]);
    assert_eq!(slack.renewals(), 1, "the token of the former process is still good");
    slack.expire_tokens();
    post(&gateway, "three");
    posted(&slack, &["three"]);
    assert_eq!(slack.renewals(), 2);
    // Beside the process that serves, and then alone.
    gateway.run(&["probe", "soc"]).done().prints("has taken the test event");
    assert_eq!(slack.renewals(), 2);
    slack.expire_tokens();
    gateway.run(&["probe", "soc"]).done();
    assert_eq!(slack.renewals(), 3);
    post(&gateway, "four");
    posted(&slack, &["four"]);
    assert_eq!((slack.renewals(), renewals_asked(&slack)), (3, 3));
    nothing_shows_a_token(&gateway);
    assert!(gateway.stop().success());
    slack.expire_tokens();
    gateway.run(&["probe", "soc"]).done();
    assert_eq!(slack.renewals(), 4);
    use std::os::unix::fs::PermissionsExt;
    for file in ["gatepost.db", "copy.db"] {
        let mode = std::fs::metadata(gateway.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

fn nothing_shows_a_token(gateway: &Gateway) {
    let mut said = vec![gateway.log()];
    for path in ["/readyz", "/metrics"] {
        said.push(Post::get(path).send(gateway.admin).text().to_owned());
    }
    for command in [
        vec!["check"],
        vec!["status", "--json"],
        vec!["deliveries", "list", "--json"],
        vec!["incidents", "list", "--json"],
        vec!["backup", "copy.db"],
        vec!["probe", "soc"],
    ] {
        let ran = gateway.run(&command).done();
        said.push(ran.stdout + &ran.stderr);
    }
    assert!(said[0].contains("an access token has been renewed"), "{}", said[0]);
    for text in said {
        for secret in ["xoxe", CLIENT_SECRET] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_refresh_token_that_is_refused_stops_the_destination_and_a_new_one_lets_everything_flow() {
    let slack = start_slack();
    let mut gateway = start(&slack);
    post(&gateway, "one");
    posted(&slack, &["one"]);
    slack.expire_tokens();
    slack.revoke_refresh_tokens();
    post(&gateway, "two");
    stopped(&gateway);
    post(&gateway, "three");
    gateway.run(&["probe", "soc"]).ended(1).complains("generate a new one in the app's settings");
    kill(&mut gateway);
    gateway.serve_again();
    stopped(&gateway);
    assert_eq!(gateway.list("deliveries", &["--state", "waiting"]).len(), 2, "nothing is given up");
    slack.generate_refresh_token(SECOND);
    set_refresh_token(&gateway, SECOND);
    gateway.signal("HUP");
    posted(&slack, &["two", "three"]);
    gateway.settle();
    assert_eq!((soc(&gateway)["state"].clone(), slack.renewals()), ("running".into(), 2));
    // The one in the file is used up, and is not asked for again.
    gateway.signal("HUP");
    kill(&mut gateway);
    gateway.serve_again();
    slack.expire_tokens();
    post(&gateway, "four");
    posted(&slack, &["four"]);
    assert_eq!(slack.renewals(), 3);
}

/// Ends the process while it waits for the answer to a renewal that Slack has done.
fn killed_between_answer_and_commit(slack: &StandIn<slack::Slack>) -> Gateway {
    let mut gateway = start(slack);
    slack.script([Fault::TakenThenHang(Duration::from_secs(30))]);
    post(&gateway, "one");
    until("the refresh token is used up", || (slack.renewals() == 1).then_some(()));
    kill(&mut gateway);
    gateway
}

#[test]
fn a_process_that_ends_before_it_has_kept_an_answer_asks_again_within_the_time_of_grace() {
    let slack = start_slack();
    slack.set_grace(Duration::from_secs(60));
    let mut gateway = killed_between_answer_and_commit(&slack);
    gateway.serve_again();
    posted(&slack, &["one"]);
    gateway.settle();
    assert_eq!((soc(&gateway)["state"].clone(), slack.renewals()), ("running".into(), 2));
}

#[test]
fn a_process_that_ends_before_it_has_kept_an_answer_says_what_to_do_after_the_time_of_grace() {
    let slack = start_slack();
    let mut gateway = killed_between_answer_and_commit(&slack);
    gateway.serve_again();
    stopped(&gateway);
    slack.generate_refresh_token(SECOND);
    set_refresh_token(&gateway, SECOND);
    gateway.signal("HUP");
    posted(&slack, &["one"]);
}

#[test]
fn a_probe_before_the_store_is_there_uses_nothing_up() {
    let slack = start_slack();
    let folder = harness::Folder::new();
    folder.write("refresh", FIRST);
    folder.write("gatepost.toml", config(&slack));
    folder.run(&["probe", "soc"]).ended(1).complains("start `gatepost serve` first");
    assert!(slack.is_fresh(FIRST) && slack.requests().is_empty());
}
