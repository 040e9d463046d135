//! The commands as operators and scripts meet them: exit codes, what is printed where, and what it does.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepost::standins::{Fault, Rate, Service, StandIn, pagerduty, slack};
use harness::{Folder, Gateway, Ran, hmac_hex, until};
use serde_json::Value;

const ADRIAN: &str = "adrian-signs-with-these-32-bytes";
const AKTO: &str = "akto-shows-this-token-of-32-byte";

const SOURCES: &str = r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ value = "adrian-signs-with-these-32-bytes" }]

[sources.akto]
vendor = "akto"
secrets = [{ value = "akto-shows-this-token-of-32-byte" }]
"#;

const ARCHIVE: &str = r#"
[destinations.archive]
type = "file"
path = "events.ndjson"

[[routes]]
name = "everything"
to = ["archive"]
"#;

fn config() -> String {
    format!("{SOURCES}{ARCHIVE}")
}

/// A folder with a configuration and nothing that serves.
fn configured(config: &str) -> Folder {
    let folder = Folder::new();
    folder.write("gatepost.toml", config);
    folder
}

/// The value of a field in each row.
fn column<'r>(rows: &'r [Value], field: &str) -> Vec<&'r str> {
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What a terminal would obey: control characters beyond newlines, and what turns the direction of writing.
fn commands_in(text: &str) -> Vec<char> {
    let obeyed = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
    text.chars().filter(obeyed).collect()
}

mod init {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_it_writes_is_sound_private_and_not_overwritten() {
        let folder = Folder::new();
        let ran = folder.run(&["init"]).done().prints("gatepost.toml is written").prints("gatepost check");
        for vendor in ["secureagentics", "akto"] {
            let secret = folder.read(&format!("secrets/{vendor}"));
            assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{vendor}");
            assert_eq!(mode(&folder.path().join("secrets").join(vendor)), 0o600);
            assert!(ran.stdout.contains(&secret), "what to paste at {vendor} is not said");
            assert!(ran.stdout.contains(&format!("https://YOUR-HOST/webhooks/{vendor}")));
            assert!(!folder.read("gatepost.toml").contains(&secret));
        }
        folder.run(&["check"]).done().prints("2 sources, 1 route, 1 destination");

        let before = folder.read("gatepost.toml") + &folder.read("secrets/akto");
        folder.run(&["init", "--vendor", "akto"]).ended(1).complains("exists already; --force overwrites it");
        assert_eq!(folder.read("gatepost.toml") + &folder.read("secrets/akto"), before);
        let secret = folder.read("secrets/akto");
        folder.run(&["init", "--vendor", "akto", "--force"]).done().prints(&secret);
        assert_eq!(folder.read("secrets/akto"), secret, "a secret that a vendor may know is kept");
        folder.run(&["check"]).done().prints("1 source, 1 route, 1 destination");
    }

    #[test]
    fn every_vendor_and_destination_can_be_asked_for() {
        let folder = Folder::new();
        let destinations = ["slack", "jira", "pagerduty", "file"];
        let mut arguments = vec!["init", "--vendor", "akto", "--vendor", "akto"];
        destinations.iter().for_each(|destination| arguments.extend(["--destination", destination]));
        folder.run(&arguments).done();
        folder.run(&["check"]).ended(1).complains("3 faults").complains("SLACK_WEBHOOK_URL is not set");
        let mut check = folder.command(&["check"]);
        check.env("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/x").env("JIRA_API_TOKEN", "token");
        check.env("PAGERDUTY_ROUTING_KEY", "0".repeat(32));
        harness::run(check).done().prints("1 source, 2 routes, 4 destinations");

        let other = Folder::new();
        other.run(&["init", "--vendor", "generic", "--destination", "file"]).done();
        let ran = other.run(&["check"]).ended(1).complains("1 fault\n");
        ran.complains("sources.generic.verify: is missing: this vendor has no scheme of its own");
    }

    #[test]
    fn what_it_does_not_know_is_wrong_usage() {
        let folder = Folder::new();
        let ran = folder.run(&["init", "--vendor", "okta"]).ended(2);
        ran.complains("'okta' is not a vendor; vendors: akto, generic, secureagentics");
        let ran = folder.run(&["init", "--destination", "fax"]).ended(2);
        ran.complains("'fax' is not a destination; destinations: file, jira, pagerduty, slack");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was written all the same");
    }

    #[test]
    fn it_writes_where_the_configuration_is_said_to_be() {
        let folder = Folder::new();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let mut init = folder.command(&["init"]);
        init.env("GATEPOST_CONFIG", "etc/gate.toml");
        harness::run(init).done();
        assert!(folder.path().join("etc/secrets/akto").is_file());
        let elsewhere = Folder::new();
        let path = folder.path().join("etc/gate.toml");
        elsewhere.run(&["check", "-c", path.to_str().unwrap()]).done();
    }
}

mod check {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once_each_with_its_line() {
        let text = r#"[server]
listen = "nowhere"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ env = "GATEPOST_TEST_UNSET" }]
body_limt = "1MiB"
[destinations.archive]
type = "file"
path = "events.ndjson"
format = "xml"
[[routes]]
name = "everything"
when = 'event.sevrity >= high'
to = ["archive"]
"#;
        let ran = configured(text).run(&["check"]).ended(1);
        assert_eq!(ran.stdout, "");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let expected = [
            "gatepost: gatepost.toml has 5 faults",
            "gatepost.toml: error: line 2: server.listen: 'nowhere' is not an address; write an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080",
            "gatepost.toml: error: line 5: sources.adrian.secrets: the environment variable GATEPOST_TEST_UNSET is not set; set GATEPOST_TEST_UNSET where gatepost is started",
            "gatepost.toml: error: line 6: sources.adrian.body_limt: is not a known key; did you mean 'body_limit'?",
            "gatepost.toml: error: line 10: destinations.archive.format: 'xml' is not known; one of: event, ocsf",
            "gatepost.toml: error: line 13: routes[0].when: names 'event.sevrity', which does not exist; did you mean 'severity'?",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn unknown_keys_name_the_nearest_wherever_they_stand() {
        let folder = configured(&config());
        for (place, typed, near) in [
            ("", "[sever]", "server"),
            ("[server]", "lisen = \"x\"", "listen"),
            ("[sources.adrian]", "ratelimit = \"1/s\"", "rate_limit"),
            ("[destinations.archive]", "fromat = \"ocsf\"", "format"),
            ("[[routes]]", "whem = \"true\"", "when"),
        ] {
            let text = format!("[server]\n{}", config());
            folder.write("gatepost.toml", text.replacen(place, &format!("{place}\n{typed}\n"), 1));
            let ran = folder.run(&["check"]).ended(1).complains("is not a known key");
            ran.complains(&format!("did you mean '{near}'?"));
        }
    }

    #[test]
    fn warnings_are_told_and_are_no_fault() {
        let ran = configured(&config()).run(&["check"]).done().prints("gatepost.toml is sound");
        let ran = ran.complains("warning: line 4: sources.adrian.secrets: a secret stands in the file");
        assert!(!(ran.stderr + &ran.stdout).contains(ADRIAN));
    }

    #[test]
    fn text_that_is_no_toml_is_a_fault_with_a_line() {
        let ran = configured("[server\nlisten = \"x\"\n").run(&["check"]).ended(1);
        ran.complains("gatepost.toml: error: line 1: not valid TOML");
    }
}

#[test]
fn exit_codes_tell_wrong_usage_from_failure() {
    let folder = Folder::new();
    folder.run(&["--help"]).ended(0).prints("Usage:");
    folder.run(&["--version"]).ended(0).prints(&format!("gatepost {}", env!("CARGO_PKG_VERSION")));
    for wrong in [
        &[][..],
        &["frobnicate"],
        &["check", "--frobnicate"],
        &["receipts"],
        &["receipts", "show"],
        &["receipts", "show", "no-uuid"],
        &["events", "list", "--limit", "0"],
        &["events", "list", "--limit", "many"],
        &["events", "list", "--severity", "purple"],
        &["events", "list", "--since", "yesterday"],
        &["deliveries", "list", "--state", "lost"],
        &["explain"],
        &["explain", "--file", "x"],
        &["replay"],
        &["replay", "--dry-run"],
        &["replay", "--dead", "--delivery", "0190b6a0-0000-7000-a000-000000000001"],
        &["replay", "--receipt", "0190b6a0-0000-7000-a000-000000000001", "--destination", "x"],
        &["send"],
        &["send", "adrian", "--count", "0"],
        &["send", "adrian", "--sample", "x", "--file", "y"],
        &["send", "adrian", "--url", "no url"],
        &["verify", "adrian"],
        &["schema", "universe"],
        &["completions", "cmd"],
        &["--log-format", "xml", "check"],
    ] {
        let ran = folder.run(wrong).ended(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran}");
    }
    // Without a configuration nothing works that needs one, and all say the same.
    for command in [&["serve"][..], &["check"], &["receipts", "list"], &["send", "x"], &["backup", "x.db"]] {
        let ran = folder.run(command).ended(1).complains("there is no configuration at gatepost.toml");
        let ran = ran.complains("`gatepost init` writes one").complains("`gatepost demo` shows what it is for");
        assert_eq!(ran.stdout, "");
    }
    folder.write("gatepost.toml", config());
    folder.run(&["events", "list"]).ended(1).complains("there is no store at gatepost.db yet");
    let mut filtered = folder.command(&["check"]);
    filtered.env("GATEPOST_LOG", "no=such=filter");
    harness::run(filtered).ended(1).complains("GATEPOST_LOG is not a log filter");
}

#[test]
fn what_serve_says_is_one_json_object_a_line() {
    let mut gateway = Gateway::start(&config());
    gateway.post_signed("adrian", AKTO, b"{}").refused(401, "signature-mismatch");
    gateway.post_signed("adrian", ADRIAN, b"no JSON").accepted();
    gateway.configure("[sever]");
    gateway.signal("HUP");
    gateway.logs("did you mean 'server'?");
    assert!(gateway.stop().success());
    for line in gateway.log().lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|key| entry[key].is_string()), "{line}");
    }
    assert!(gateway.log().contains("a secret stands in the file") && !gateway.log().contains(ADRIAN));
}

#[test]
fn a_second_gateway_on_one_store_does_not_start() {
    let gateway = Gateway::start(&config());
    let other = gateway.folder.read("gatepost.toml").replace(&gateway.server.to_string(), "127.0.0.1:0");
    gateway.folder.write("other.toml", other.replace(&gateway.admin.to_string(), "127.0.0.1:0"));
    let ran = gateway.run(&["serve", "-c", "other.toml"]).ended(1);
    ran.complains("another gatepost already serves gatepost.db");
}

mod send {
    use super::*;

    /// The status words that were printed.
    fn words(ran: &Ran) -> Vec<String> {
        let word = |line: &str| {
            let (status, body) = line.split_once(' ').unwrap();
            assert_eq!(status, "200", "{ran}");
            serde_json::from_str::<Value>(body).unwrap()["status"].as_str().unwrap().to_owned()
        };
        ran.stdout.lines().map(word).collect()
    }

    #[test]
    fn it_signs_and_posts_as_the_vendor_would() {
        let scanner = r#"
[sources.scanner]
vendor = "generic"
secrets = [{ value = "scanner-signs-with-these-32-byte" }]
verify = { scheme = "hmac", header = "x-sig", signed = "{timestamp}.{body}", timestamp = { header = "x-time" } }
"#;
        let gateway = Gateway::start(&(config() + scanner));
        let send = |arguments: &[&str]| gateway.run(&[&["send"], arguments].concat());
        assert_eq!(words(&send(&["adrian"]).done()), ["accepted"]);
        assert_eq!(words(&send(&["adrian"]).done()), ["duplicate"]);
        let repeated = send(&["adrian", "--sample", "policy.violated", "--count", "3"]).done();
        assert_eq!(words(&repeated), ["accepted", "duplicate", "duplicate"]);
        let fresh = send(&["adrian", "--count", "3", "--fresh"]).done();
        assert_eq!(words(&fresh), ["accepted", "accepted", "accepted"]);
        assert_eq!(words(&send(&["akto", "--sample", "export"]).done()), ["accepted"]);
        assert_eq!(words(&send(&["scanner"]).done()), ["accepted"]);
        gateway.folder.write("body.json", r#"{"id":"evt_own","type":"agent.error"}"#);
        assert_eq!(words(&send(&["adrian", "--file", "body.json"]).done()), ["accepted"]);
        gateway.settle();
        let kinds = gateway.list("events", &["--source", "adrian"]);
        let kinds = column(&kinds, "type");
        let alert = "alert.triggered";
        assert_eq!(kinds, ["agent.error", alert, alert, alert, "policy.violated", alert]);
    }

    #[test]
    fn what_goes_wrong_is_said_and_is_a_failure() {
        let gateway = Gateway::start(&config());
        let send = |arguments: &[&str]| gateway.run(&[&["send"], arguments].concat());
        send(&["nobody"]).ended(1).complains("there is no source 'nobody'; sources: adrian, akto");
        send(&["adrian", "--sample", "x"]).ended(1).complains("samples: alert.triggered, policy.violated");
        send(&["adrian", "--file", "absent.json"]).ended(1).complains("absent.json cannot be read");
        send(&["akto", "--fresh"]).ended(1).complains("--fresh needs a body that is a JSON object with an id");
        let elsewhere = format!("http://{}/webhooks/akto", gateway.server);
        let ran = send(&["adrian", "--url", &elsewhere]).ended(1).complains("it was answered 401");
        ran.prints("401 ").prints("\"code\":\"signature-missing\"");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ran = send(&["adrian", "--url", &format!("http://{free}/webhooks/adrian?token=visible")]).ended(1);
        let ran = ran.complains(&format!("no answer from http://{free}: "));
        let ran = ran.complains("does `gatepost serve` run there?");
        assert!(!ran.stderr.contains("visible"), "{ran}");
        assert!(gateway.list("receipts", &[]).is_empty());
    }
}

#[test]
fn verify_says_step_by_step_why() {
    let folder = configured(&config());
    let body = br#"{"id":"evt_1"}"#;
    folder.write("body.json", body);
    folder.write("changed.json", [&body[..], b"\n"].concat());
    let signature = hmac_hex(ADRIAN, body);
    let header = format!("X-Secureagentics-Signature: {signature}");
    let verify = |source: &str, file: &str, headers: &[&str]| {
        let mut arguments = vec!["verify", source, "--file", file];
        headers.iter().for_each(|header| arguments.extend(["--header", *header]));
        let ran = folder.run(&arguments);
        assert!(!ran.stdout.contains(ADRIAN) && !ran.stdout.contains(AKTO), "a secret is shown: {ran}");
        assert!(!ran.stdout.contains(&signature), "a right signature is shown: {ran}");
        ran
    };
    verify("adrian", "body.json", &[&header]).done().prints("✔ secret").prints("the request is authentic");
    let changed = verify("adrian", "changed.json", &[&header]).ended(1).complains("the request is not authentic");
    changed.prints("✘ secret").prints("it fits the body without its last newline");
    verify("adrian", "body.json", &[]).ended(1).prints("✘ signature header");
    verify("adrian", "body.json", &[&header, &header]).ended(1).prints("stands 2 times");
    let elsewhere = verify("adrian", "body.json", &["X-Hub-Signature-256: sha256=00"]).ended(1);
    elsewhere.prints("x-hub-signature-256");
    verify("akto", "body.json", &[&format!("Authorization: Bearer {AKTO}")]).done();
    verify("akto", "body.json", &[&format!("X-Api-Key: {AKTO}")]).ended(1).prints("stands in the header x-api-key");
    verify("adrian", "body.json", &["no header line"]).ended(2).complains("write 'Name: value'");
    verify("nobody", "body.json", &[&header]).ended(1).complains("there is no source 'nobody'");
    verify("adrian", "absent.json", &[&header]).ended(1).complains("absent.json cannot be read");
    let ran = folder.run(&["verify", "adrian", "--file", "body.json", "--at", "noon"]).ended(2);
    ran.complains("'noon' is not a time");
}

#[test]
fn explain_says_which_routes_take_an_event() {
    let routes = r#"
[[routes]]
name = "page"
when = 'event.severity >= critical'
to = ["archive"]

[[routes]]
name = "errors"
when = 'event.type == "agent.error"'
to = ["archive"]
stop = true

[[routes]]
name = "odd"
when = 'event.unmapped.n > 3'
to = ["archive"]
"#;
    let gateway = Gateway::start(&format!("{SOURCES}{}{routes}", ARCHIVE.split("[[routes]]").next().unwrap()));
    let body = br#"{"id":"evt_1","type":"agent.error","data":{"n":"text"}}"#;
    let receipt = gateway.post_signed("adrian", ADRIAN, body).accepted();
    gateway.dispatched();
    let event = gateway.show("receipts", &receipt)["events"][0]["id"].as_str().unwrap().to_owned();
    let stored = gateway.run(&["explain", &event]).done().prints("MEDIUM · ");
    let stored = stored.prints("✘ page: event.severity >= critical does not hold");
    let stored =
        stored.prints("✔ errors: event.type == \"agent.error\" holds -> archive; the routes below are not asked");
    stored.prints("- odd: not asked, because an earlier route stops the search");

    let explain = |body: &[u8]| {
        gateway.folder.write("body.json", body);
        gateway.run(&["explain", "--file", "body.json", "--source", "adrian"]).done()
    };
    explain(body).prints("✔ errors");
    explain(br#"{"id":"evt_2","type":"alert.triggered","data":{"n":2}}"#)
        .prints("✘ odd")
        .prints("no route takes it: it is kept, and marked unrouted");
    explain(br#"{"id":"evt_2","type":"alert.triggered","data":{"n":"x"}}"#)
        .prints("? odd")
        .prints("so it counts as met");
    explain(br#"{"type":"ping"}"#).prints("the body is ping").prints("nobody would be told");
    explain(br#"{"id":"1","type":"a"}"#).prints("HIGH · ");
    assert_eq!(gateway.list("events", &[]).len(), 1, "explaining stores nothing");
    gateway.run(&["explain", "0190b6a0-0000-7000-a000-000000000001"]).ended(1).complains("there is no event");
    gateway.run(&["explain", "--file", "body.json", "--source", "nobody"]).ended(1).complains("there is no source");
    gateway.run(&["explain", "--file", "absent", "--source", "adrian"]).ended(1).complains("absent cannot be read");
    gateway.run(&["explain", &event, "--file", "body.json", "--source", "adrian"]).ended(2);
}

mod listings {
    use super::*;

    /// Seven events of two sources, of which one route takes those that are high, and one ping.
    fn filled() -> Gateway {
        let some = ARCHIVE.replace("to = [", "when = 'event.severity >= high'\nto = [");
        let gateway = Gateway::start(&format!("{SOURCES}{some}"));
        for n in 0..4 {
            let body = format!(r#"{{"id":"evt_{n}","type":"alert.triggered","data":{{"details":"Alert {n}"}}}}"#);
            gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
        }
        gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_r","type":"agent.registered"}"#).accepted();
        gateway.post_signed("adrian", ADRIAN, br#"{"type":"ping"}"#).accepted();
        let two =
            br#"[{"id":"1","filterId":"XSS","url":"/a"},{"id":"2","filterId":"XSS","url":"/b","severity":"LOW"}]"#;
        gateway.post_bearer("akto", AKTO, two).accepted();
        gateway.settle();
        gateway
    }

    #[test]
    fn filters_take_what_they_say() {
        let gateway = filled();
        let count = |what: &str, filters: &[&str]| gateway.list(what, filters).len();
        assert_eq!(count("receipts", &[]), 7);
        assert_eq!(count("receipts", &["--source", "akto"]), 1);
        assert_eq!(count("receipts", &["--source", "nobody"]), 0);
        assert_eq!(count("receipts", &["--since", "1h"]), 7);
        assert_eq!(count("receipts", &["--since", "2100-01-01T00:00:00Z"]), 0);
        assert_eq!(count("events", &[]), 7);
        assert_eq!(count("events", &["--source", "adrian"]), 5);
        assert_eq!(count("events", &["--severity", "high"]), 4);
        assert_eq!(count("events", &["--severity", "medium", "--source", "akto"]), 1);
        assert_eq!(count("events", &["--severity", "fatal"]), 0);
        assert_eq!(count("events", &["--unrouted"]), 3);
        let receipt = gateway.list("receipts", &["--source", "akto"])[0]["id"].as_str().unwrap().to_owned();
        let of_receipt = gateway.list("events", &["--receipt", &receipt]);
        assert!(of_receipt.len() == 2 && of_receipt.iter().all(|row| row["receipt"] == receipt));
        assert_eq!(count("deliveries", &[]), 4);
        assert_eq!(count("deliveries", &["--state", "delivered"]), 4);
        assert_eq!(count("deliveries", &["--state", "dead"]), 0);
        assert_eq!(count("deliveries", &["--destination", "archive", "--since", "1h"]), 4);
        assert_eq!(count("deliveries", &["--destination", "nobody"]), 0);
        let event = gateway.list("deliveries", &[])[0]["event"].as_str().unwrap().to_owned();
        assert_eq!(count("deliveries", &["--event", &event]), 1);
    }

    #[test]
    fn pages_hold_every_row_once_newest_first() {
        let gateway = filled();
        for what in ["receipts", "events", "deliveries"] {
            let whole = gateway.list(what, &[]);
            let cursors: Vec<i64> = whole.iter().map(|row| row["cursor"].as_i64().unwrap()).collect();
            assert!(cursors.is_sorted_by(|a, b| a > b), "{what}: {cursors:?}");
            let mut paged: Vec<Value> = Vec::new();
            loop {
                let before = paged.last().map(|row| row["cursor"].to_string());
                let mut arguments = vec![what, "list", "--json", "--limit", "3"];
                arguments.extend(before.iter().flat_map(|before| ["--before", before]));
                let page = gateway.run(&arguments).done().json_lines();
                // What comes in meanwhile does not move the pages.
                let body = format!(r#"{{"id":"evt_{what}_{}","type":"agent.error"}}"#, paged.len());
                gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
                gateway.dispatched();
                if page.is_empty() {
                    break;
                }
                paged.extend(page);
                assert!(paged.len() <= whole.len(), "{what}: a row comes twice, or what is new moves the pages");
            }
            assert_eq!(paged, whole, "{what}");
            let told = gateway.run(&[what, "list", "--limit", "3"]).done();
            let third = gateway.list(what, &[])[2]["cursor"].to_string();
            assert_eq!((told.stdout.lines().count(), told.code), (3, Some(0)));
            told.complains(&format!("--before {third}"));
        }
    }

    #[test]
    fn json_is_one_object_a_line_with_stable_keys() {
        let gateway = filled();
        let keys = |row: &Value| {
            let mut keys: Vec<String> = row.as_object().unwrap().keys().cloned().collect();
            keys.sort_unstable();
            keys.join(" ")
        };
        let receipts = gateway.list("receipts", &["--source", "akto"]);
        assert_eq!(keys(&receipts[0]), "bytes cursor events events_duplicate id received_at source state");
        let ping = gateway.list("receipts", &[]).into_iter().find(|row| row["events"] == 0).unwrap();
        assert_eq!((&ping["note"], &ping["state"]), (&"ping".into(), &"dispatched".into()));
        let delivery = &gateway.list("deliveries", &[])[0];
        let delivery_keys = "created_at cursor destination event id not_before route state title tries";
        assert_eq!(keys(delivery), delivery_keys);

        let receipt = gateway.show("receipts", receipts[0]["id"].as_str().unwrap());
        assert_eq!(keys(&receipt), "body body_hex content_type encoding events receipt");
        let event = gateway.show("events", delivery["event"].as_str().unwrap());
        assert_eq!(keys(&event), "deliveries event");
        assert_eq!(event["deliveries"][0]["id"], delivery["id"]);
        let shown = gateway.show("deliveries", delivery["id"].as_str().unwrap());
        assert_eq!(keys(&shown), "attempts delivery");
        assert_eq!(shown["attempts"][0]["outcome"], "delivered");

        for what in ["receipts", "events", "deliveries"] {
            let none = gateway.run(&[what, "list", "--json", "--since", "2100-01-01T00:00:00Z"]).done();
            assert_eq!(none.stdout, "");
            let none = gateway.run(&[what, "list", "--since", "2100-01-01T00:00:00Z"]).done();
            assert_eq!(none.stdout, "");
            none.complains("there is nothing like that in the store");
            let nobody = [what, "show", "0190b6a0-0000-7000-a000-000000000001", "--json"];
            assert_eq!(gateway.run(&nobody).ended(1).complains("there is no ").stdout, "");
        }
    }

    #[test]
    fn people_are_shown_the_same_in_words() {
        let gateway = filled();
        gateway.run(&["receipts", "list"]).done().prints("akto").prints("2 events").prints("· ping");
        gateway.run(&["events", "list"]).done().prints("Alert 3").prints("informational").prints("· unrouted");
        gateway.run(&["deliveries", "list"]).done().prints("delivered").prints("archive");
        let delivery = &gateway.list("deliveries", &[])[0];
        let id = |field: &str| delivery[field].as_str().unwrap();
        let shown = gateway.run(&["deliveries", "show", id("id")]).done().prints("to archive: delivered");
        shown.prints("try 1 at ").prints("by route everything");
        let shown = gateway.run(&["events", "show", id("event")]).done().prints("-> archive delivered");
        shown.prints("HIGH · ").prints(" UTC");
        let receipt = gateway.list("receipts", &["--source", "adrian"])[5]["id"].as_str().unwrap().to_owned();
        gateway.run(&["receipts", "show", &receipt]).done().prints("Alert 0").prints(r#""id":"evt_0""#);
    }

    #[test]
    fn every_event_is_as_its_published_schema_says() {
        let gateway = filled();
        for (source, sample) in [
            ("adrian", "policy.violated"),
            ("adrian", "agent.error"),
            ("akto", "documented"),
            ("akto", "export"),
            ("akto", "default-body"),
            ("akto", "teams-card"),
            ("akto", "object-names"),
        ] {
            gateway.run(&["send", source, "--sample", sample]).done();
        }
        gateway.post_bearer("akto", AKTO, b"\x00\xffnobody understands this").accepted();
        gateway.settle();
        let schema = gateway.run(&["schema", "event"]).done();
        let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let mut events = gateway.list("events", &[]);
        assert!(events.len() > 15 && events.iter().any(|event| event["type"] == "unparsed"));
        for event in &mut events {
            let fields = event.as_object_mut().unwrap();
            assert!(fields.remove("cursor").unwrap().is_i64());
            assert!(["unrouted", "quarantined"].iter().all(|mark| fields.remove(*mark).unwrap().is_boolean()));
            let faults: Vec<String> = schema.iter_errors(event).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{faults:?}\n{event:#}");
            event["extra"] = true.into();
            assert!(!schema.is_valid(event), "the schema takes anything");
        }
        // The archive holds the same, without what belongs to the listing.
        for line in gateway.folder.lines("events.ndjson") {
            assert!(schema.is_valid(&serde_json::from_str(&line).unwrap()), "{line}");
        }
    }

    #[test]
    fn an_alert_does_not_command_the_terminal() {
        let gateway = Gateway::start(&config());
        let hostile = "\\u001b[2J\\u001b]0;owned\\u0007 \\u009b31m \\u202egnp.exe \u{9b}1m \u{202e}\u{7f}";
        let body = format!(
            r#"{{"id":"evt_1","type":"{hostile}","data":{{"details":"{hostile}","user":"{hostile}","x":"{hostile}"}}}}"#
        );
        let receipt = gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
        let raw = gateway.post_bearer("akto", AKTO, "\u{1b}[2J\u{9b}1m\u{202e}".as_bytes()).accepted();
        gateway.settle();
        let delivery = &gateway.list("deliveries", &[])[0];
        let (delivery, event) = (delivery["id"].as_str().unwrap(), delivery["event"].as_str().unwrap());
        gateway.folder.write("body.json", &body);
        for arguments in [
            &["receipts", "list"][..],
            &["events", "list"],
            &["deliveries", "list"],
            &["receipts", "show", &receipt],
            &["receipts", "show", &raw],
            &["events", "show", event],
            &["deliveries", "show", delivery],
            &["explain", event],
            &["explain", "--file", "body.json", "--source", "adrian"],
            &["events", "list", "--json"],
            &["events", "show", event, "--json"],
            &["deliveries", "list", "--json"],
            &["receipts", "show", &receipt, "--json"],
            &["receipts", "show", &raw, "--json"],
        ] {
            let ran = gateway.run(arguments).done();
            assert!(commands_in(&ran.stdout).is_empty(), "{arguments:?}: {:?}", ran.stdout);
            assert!(commands_in(&ran.stderr).is_empty(), "{arguments:?}: {:?}", ran.stderr);
        }
        // Escaped, not lost: scripts get what was sent.
        let shown = gateway.show("receipts", &raw);
        assert_eq!(shown["body"], "\u{1b}[2J\u{9b}1m\u{202e}");
    }
}

mod replay {
    use super::*;

    #[test]
    fn what_is_in_quarantine_is_marked_and_released_on_order() {
        let mut gateway = Gateway::start(&config());
        let alert = |id: &str, time: &str| {
            format!(r#"{{"id":"{id}","type":"alert.triggered","timestamp":"{time}","data":{{"details":"{id}"}}}}"#)
        };
        let first = alert("evt_first", "2024-01-15T10:30:00Z");
        gateway.post_signed("adrian", ADRIAN, first.as_bytes()).accepted();
        gateway.settle();
        assert_eq!(gateway.list("deliveries", &[]).len(), 1, "a new store has forgotten nothing");
        // As if keys had been deleted for their age.
        gateway.stop();
        let store = rusqlite::Connection::open(gateway.folder.path().join("gatepost.db")).unwrap();
        assert_eq!(store.execute("UPDATE pulse SET forgets = 1", []), Ok(1));
        drop(store);
        gateway.serve_again();
        let old = alert("evt_old", "2024-01-15T10:30:00Z");
        let receipt = gateway.post_signed("adrian", ADRIAN, old.as_bytes()).accepted();
        gateway.post_bearer("akto", AKTO, br#"[{"id":"a","filterId":"XSS","detectedAt":1705314600}]"#).accepted();
        // The zero of somebody's clock is no time.
        gateway.post_signed("adrian", ADRIAN, alert("evt_zero", "1970-01-01T00:00:00Z").as_bytes()).accepted();
        gateway.settle();
        assert_eq!(gateway.list("deliveries", &[]).len(), 3, "Akto's and the one without a time");
        let held = gateway.list("events", &["--quarantined"]);
        assert!(
            held.len() == 1 && held[0]["receipt"] == receipt.as_str() && held[0]["quarantined"] == true,
            "{held:?}"
        );
        assert!(gateway.list("events", &["--unrouted"]).is_empty());
        gateway.run(&["events", "list", "--quarantined"]).done().prints("evt_old · quarantined");
        gateway.run(&["receipts", "show", &receipt]).done().prints("evt_old · quarantined");
        let event = held[0]["id"].as_str().unwrap();
        gateway.run(&["explain", event]).done().prints("it is in quarantine").prints("✔ everything");
        gateway.folder.write("body.json", &old);
        let explained = gateway.run(&["explain", "--file", "body.json", "--source", "adrian"]).done();
        explained.prints("it goes to quarantine");
        let shown = gateway.run(&["events", "show", event]).done();
        shown.prints("it is in quarantine").prints(&format!("gatepost replay --receipt {receipt}"));
        gateway.run(&["replay", "--receipt", &receipt]).done();
        until("it is released", || gateway.list("events", &["--quarantined"]).is_empty().then_some(()));
        gateway.settle();
        assert_eq!(gateway.list("deliveries", &["--state", "delivered"]).len(), 4);
    }

    #[test]
    fn a_receipt_again_tells_only_those_who_were_not_told() {
        let mut gateway = Gateway::start(&config());
        let receipt = gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
        gateway.settle();
        let dry = gateway.run(&["replay", "--receipt", &receipt, "--dry-run"]).done();
        dry.prints(&format!("would process receipt {receipt} again"));
        gateway.stop();
        let second = config() + &ARCHIVE.replace("archive", "second").replace("events.", "second.");
        gateway.configure(&second.replace("\"everything\"\nto = [\"second\"]", "\"more\"\nto = [\"second\"]"));
        gateway.serve_again();
        assert!(gateway.folder.lines("second.ndjson").is_empty(), "a dry run does nothing");

        gateway.run(&["replay", "--receipt", &receipt]).done().prints("is processed again");
        until("the new destination is told", || (gateway.folder.lines("second.ndjson").len() == 1).then_some(()));
        gateway.settle();
        assert_eq!(gateway.folder.lines("events.ndjson").len(), 1, "what has arrived is not sent again");
        assert_eq!((gateway.list("events", &[]).len(), gateway.list("deliveries", &[]).len()), (1, 2));
        gateway.run(&["replay", "--receipt", &receipt]).done();
        gateway.settle();
        assert_eq!(gateway.list("deliveries", &["--state", "delivered"]).len(), 2);
        let nobody = "0190b6a0-0000-7000-a000-000000000001";
        gateway.run(&["replay", "--receipt", nobody]).ended(1).complains("there is no receipt");
        gateway.run(&["replay", "--delivery", nobody]).ended(1).complains("there is no delivery");
    }

    #[test]
    fn a_delivery_is_sent_again_on_order() {
        let gateway = Gateway::start(&config());
        gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
        gateway.settle();
        let id = gateway.list("deliveries", &[])[0]["id"].as_str().unwrap().to_owned();
        let dry = gateway.run(&["replay", "--delivery", &id, "--dry-run"]).done();
        dry.prints(&format!("would send delivery {id} to archive again (delivered)"));
        gateway.run(&["replay", "--delivery", &id]).done().prints(&format!("delivery {id} to archive is sent again"));
        let lines = until("a second line", || {
            let lines = gateway.folder.lines("events.ndjson");
            (lines.len() == 2).then_some(lines)
        });
        assert_eq!(lines[0], lines[1]);
        gateway.settle();
        assert_eq!(gateway.show("deliveries", &id)["attempts"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn dead_letters_are_revived_by_destination_and_age() {
        let (pager, other) = block_on(async { (pagerduty::start().await.unwrap(), pagerduty::start().await.unwrap()) });
        for place in [&pager, &other] {
            place.limit_rate(Rate::UNLIMITED);
            place.always(Some(Fault::Status(400)));
        }
        let gateway = Gateway::start(&format!("{SOURCES}{}{}", on_call("oncall", &pager), on_call("backup", &other)));
        for n in 0..3 {
            let body = format!(r#"{{"id":"evt_{n}","type":"agent.error"}}"#);
            gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
        }
        gateway.settle();
        let dead = gateway.list("deliveries", &["--state", "dead"]);
        assert_eq!(dead.len(), 6);
        assert!(dead.iter().all(|row| row["reason"].as_str().unwrap().contains("400")), "{dead:?}");
        pager.always(None);
        other.always(None);

        let dry = gateway.run(&["replay", "--dead", "--dry-run"]).done().prints("6 dead letters would be sent again");
        assert!(dead.iter().all(|row| dry.stdout.contains(row["id"].as_str().unwrap())), "{dry}");
        let none = gateway.run(&["replay", "--dead", "--since", "2100-01-01T00:00:00Z"]).done();
        none.prints("0 dead letters are sent again");
        let some = gateway.run(&["replay", "--dead", "--destination", "oncall", "--since", "1h"]).done();
        assert_eq!(some.stdout, "3 dead letters are sent again\n");
        gateway.settle();
        assert_eq!((pager.effects(), other.effects()), (3, 0));
        assert_eq!(gateway.list("deliveries", &["--state", "dead"]).len(), 3);
        gateway.run(&["replay", "--dead"]).done().prints("3 dead letters are sent again");
        gateway.settle();
        assert_eq!((pager.effects(), other.effects()), (3, 3));
        assert!(gateway.list("deliveries", &["--state", "dead"]).is_empty());
    }

    fn on_call(name: &str, place: &StandIn<pagerduty::PagerDuty>) -> String {
        let (url, key) = (place.base_url(), pagerduty::ROUTING_KEY);
        format!(
            r#"
[destinations.{name}]
type = "pagerduty"
url = "{url}"
routing_key = {{ value = "{key}" }}

[[routes]]
name = "{name}"
to = ["{name}"]
"#
        )
    }
}

mod probe {
    use super::*;

    #[test]
    fn a_real_test_event_goes_out_and_says_what_it_is() {
        let channel = block_on(slack::start()).unwrap();
        let folder = configured(&with_slack(&channel));
        folder.run(&["probe", "archive"]).done().prints("archive has taken the test event").prints("append: written");
        let lines = folder.lines("events.ndjson");
        let event: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((lines.len(), &event["labels"]["purpose"]), (1, &"probe".into()));
        assert!(event["title"].as_str().unwrap().starts_with("TEST · "), "{event}");

        folder.run(&["probe", "soc"]).done().prints("soc has taken the test event").prints("answered 200");
        assert_eq!((channel.effects(), channel.mentions("gatepost probe")), (1, 1));
        assert!(!folder.path().join("gatepost.db").exists(), "a probe is no event of the store");
    }

    #[test]
    fn a_destination_that_does_not_take_it_is_a_failure_with_a_reason() {
        let channel = block_on(slack::start()).unwrap();
        let folder = configured(&with_slack(&channel));
        folder.run(&["probe", "fax"]).ended(1).complains("there is no destination 'fax'; destinations: archive, soc");
        channel.script([Fault::Unauthorized]);
        let refused =
            folder.run(&["probe", "soc"]).ended(1).complains("soc has not taken the test event (misconfigured)");
        assert!(!(refused.stdout + &refused.stderr).contains("standin-webhook"), "the webhook's URL is a credential");
        channel.script([Fault::Reset]);
        folder.run(&["probe", "soc"]).ended(1).complains("(unknown)").prints("it may have arrived");
        assert_eq!(channel.effects(), 0);
        let url = channel.webhook_url();
        drop(channel);
        let gone = folder.run(&["probe", "soc"]).ended(1).complains("(retry)");
        assert!(!(gone.stdout + &gone.stderr).contains(&url));
        folder.write("gatepost.toml", config().replace("path = \"events", "path = \"absent/events"));
        folder.run(&["probe", "archive"]).ended(1).complains("absent/events.ndjson cannot be written");
    }

    fn with_slack<S: Service>(channel: &StandIn<S>) -> String {
        let url = format!("{}{}", channel.base_url(), slack::WEBHOOK_PATH);
        let soc = format!("[destinations.soc]\ntype = \"slack\"\nwebhook_url = {{ value = \"{url}\" }}\n");
        config().replace("to = [", "to = [\"soc\", ") + &soc
    }
}

#[test]
fn schemas_are_valid_and_describe_what_init_writes() {
    let folder = Folder::new();
    let schema = |of: &str| -> Value { serde_json::from_str(&folder.run(&["schema", of]).done().stdout).unwrap() };
    for of in ["event", "config"] {
        let schema = schema(of);
        assert!(jsonschema::meta::is_valid(&schema), "{of}");
        jsonschema::validator_for(&schema).unwrap();
    }
    let schema = jsonschema::validator_for(&schema("config")).unwrap();
    let judge = |text: &str| {
        let document: Value = toml::from_str(text).unwrap();
        schema.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect::<Vec<_>>()
    };
    let all = ["slack", "jira", "pagerduty", "file"];
    let mut everything = vec!["init", "--vendor", "secureagentics", "--vendor", "akto", "--vendor", "generic"];
    all.iter().for_each(|destination| everything.extend(["--destination", destination]));
    for arguments in [vec!["init"], everything] {
        folder.run(&[&arguments[..], &["--force"]].concat()).done();
        assert_eq!(judge(&folder.read("gatepost.toml")), [""; 0]);
    }
    for wrong in
        ["[sever]\n", "[sources.a]\nvendor = \"okta\"\n", "[[routes]]\nname = \"x\"\n", "[retention]\nkeys = 4\n"]
    {
        assert!(!judge(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn a_backup_is_whole_while_requests_come_in() {
    let gateway = Gateway::start(&config());
    let post = |n: usize| {
        let body = format!(r#"{{"id":"evt_{n}","type":"alert.triggered","data":{{}}}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted()
    };
    let before: Vec<String> = (0..50).map(post).collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let posting = scope.spawn(|| {
            let mut n = 50;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                post(n);
                n += 1;
            }
            n
        });
        let ran = gateway.run(&["backup", "copy.db"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(posting.join().unwrap() > 50, "nothing came in meanwhile");
        ran.done().prints("copy.db is a complete and sound copy");
    });
    let copy = std::fs::read(gateway.folder.path().join("copy.db")).unwrap();
    gateway.run(&["backup", "copy.db"]).ended(1).complains("copy.db exists already");
    assert!(copy == std::fs::read(gateway.folder.path().join("copy.db")).unwrap());
    gateway.run(&["backup", "absent/copy.db"]).ended(1);

    let restored = Folder::new();
    restored.write("gatepost.db", &copy);
    restored.write("gatepost.toml", config());
    let held = restored.run(&["receipts", "list", "--json", "--limit", "10000"]).done().json_lines();
    let held = column(&held, "id");
    assert!(before.iter().all(|receipt| held.contains(&receipt.as_str())), "an acknowledged receipt is not in it");
    restored.run(&["receipts", "show", &before[0], "--json"]).done();
}

#[test]
fn completions_are_written_for_shells() {
    let folder = Folder::new();
    let bash = folder.run(&["completions", "bash"]).done().prints("_gatepost()").prints("complete ");
    for command in ["receipts", "completions", "--config", "--dry-run"] {
        assert!(bash.stdout.contains(command), "{command}");
    }
    for shell in ["zsh", "fish"] {
        folder.run(&["completions", shell]).done().prints("gatepost");
    }
}

#[test]
fn the_demo_shows_all_places_and_leaves_nothing() {
    let folder = Folder::new();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut demo = folder.command(&["demo", "--once"]);
    demo.env("TMPDIR", &temporary);
    let ran = harness::run(demo).done();
    for place in ["PagerDuty", "Slack", "Jira", "The archive"] {
        assert!(ran.stdout.contains(&format!("── {place}")), "{place} is not shown\n{ran}");
    }
    let ran = ran.prints("Rate limit exceeded: 150 prompts/min").prints("\"status\":\"accepted\"");
    let ran = ran.prints("\"status\":\"duplicate\"").prints("signature-mismatch");
    assert_eq!((commands_in(&ran.stdout), ran.stderr.as_str()), (vec![], ""), "{ran}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "the demo leaves its folder behind");
}
