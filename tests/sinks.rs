//! Sinks over HTTP, from the vendor's request to the receiver: every event is there once, whatever the receiver answers in
//! between.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::{Fault, Service, StandIn, elasticsearch, splunk, syslog, webhook};
use harness::{Gateway, Post, until};
use serde_json::Value;

const AKTO: &str = "akto-shows-this-token-of-32-byte";

fn started<S: Service>(standin: impl Future<Output = std::io::Result<StandIn<S>>>) -> StandIn<S> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(standin).unwrap()
}

fn config(destination: &str) -> String {
    format!(
        r#"
[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]

[destinations.sink]
{destination}

[[routes]]
name = "all"
to = ["sink"]
"#
    )
}

/// Posts two events, which carry `mark` and a number.
fn post(gateway: &Gateway, mark: &str) {
    let now = SystemClock.now().as_millis();
    let record = |number: u32| {
        format!(
            r#"{{"id":"{mark}-{number}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiMethod":"POST",
            "latestApiEndpoint":"/v1/{mark}/{number}","detectedAt":{now},"refId":"{mark}-{number}","severity":"HIGH"}}"#
        )
    };
    gateway.post_bearer("akto", AKTO, format!("[{},{}]", record(1), record(2)).as_bytes()).accepted();
}

fn events_of(gateway: &Gateway) -> BTreeSet<String> {
    gateway.list("events", &[]).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn sink_of(gateway: &Gateway) -> Value {
    Post::get("/readyz").send(gateway.admin).json()["destinations"]["sink"].clone()
}

fn dead(gateway: &Gateway) -> usize {
    gateway.list("deliveries", &["--state", "dead"]).len()
}

/// What a receiver may do to a request, and the request is not to blame for it. Few, because pauses double.
fn bad_weather() -> [Fault; 4] {
    let retry_after = Some(Duration::from_secs(1));
    [Fault::Status429 { retry_after }, Fault::NoFault, Fault::TakenThenReset, Fault::Status(500)]
}

#[test]
fn batches_are_as_large_and_as_far_apart_as_the_operator_wants() {
    let receiver = started(webhook::start());
    let (url, secret) = (receiver.url(), webhook::SECRET);
    let flow = "batch = 100\nbatch_events = 3\nbatch_interval = \"2s\"\nconcurrency = 1";
    let destination = format!("type = \"webhook\"\nurl = \"{url}\"\nsecret = {{ value = \"{secret}\" }}\n{flow}");
    let gateway = Gateway::start(&config(&destination));
    post(&gateway, "first");
    until("the first batch is there", || (receiver.effects() == 2).then_some(()));
    for number in 0..4 {
        post(&gateway, &format!("mark{number}"));
    }
    until("every event is there", || (receiver.effects() == 2 + 8).then_some(()));
    // Two at once, then, after a gap in which eight came: three, three, two.
    let sizes: Vec<usize> = receiver.taken().iter().map(|taken| taken.events().len()).collect();
    assert_eq!(sizes, [2, 3, 3, 2]);
}

#[test]
fn a_webhook_has_every_event_once_and_a_repetition_under_its_id() {
    let receiver = started(webhook::start());
    let (url, secret) = (receiver.url(), webhook::SECRET);
    let destination = format!("type = \"webhook\"\nurl = \"{url}\"\nsecret = {{ value = \"{secret}\" }}\nbatch = 10");
    let gateway = Gateway::start(&config(&destination));
    gateway.run(&["probe", "sink"]).done().prints("sink has taken the test event");
    assert_eq!(receiver.mentions("TEST · "), 1);
    receiver.script(bad_weather());
    for number in 0..6 {
        post(&gateway, &format!("mark{number}"));
        gateway.dispatched();
    }
    until("every event is there", || (receiver.effects() == 1 + 12).then_some(()));
    gateway.settle();
    let taken = receiver.taken();
    let ids: BTreeSet<String> = taken[1..]
        .iter()
        .flat_map(|taken| taken.events())
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, events_of(&gateway));
    assert_eq!(taken.iter().map(|taken| taken.repetitions).sum::<usize>(), 1, "the answer that was lost: {taken:#?}");
    assert_eq!((receiver.effects(), dead(&gateway)), (13, 0));
}

#[test]
fn a_webhook_that_is_not_wanted_any_more_stops_and_keeps_its_events() {
    let receiver = started(webhook::start());
    let destination =
        format!("type = \"webhook\"\nurl = \"{}\"\nsecret = {{ value = \"{}\" }}", receiver.url(), webhook::SECRET);
    let gateway = Gateway::start(&config(&destination));
    receiver.always(Some(Fault::Status(410)));
    post(&gateway, "kept");
    until("it is stopped", || (sink_of(&gateway)["state"] == "stopped").then_some(()));
    let reason = sink_of(&gateway)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("wants no more webhooks"), "{reason}");
    receiver.always(Some(Fault::Redirect(format!("{}/elsewhere", receiver.base_url()))));
    gateway.signal("HUP");
    until("the redirect is told", || sink_of(&gateway)["reason"].as_str()?.contains("redirect").then_some(()));
    assert!(receiver.requests().iter().all(|request| request.path != "/elsewhere"), "a redirect was followed");
    receiver.always(None);
    gateway.signal("HUP");
    until("every event is there", || (receiver.effects() == 2).then_some(()));
    gateway.settle();
    assert_eq!((receiver.effects(), dead(&gateway)), (2, 0));
}

fn cluster() -> (StandIn<elasticsearch::Elasticsearch>, String) {
    let cluster = started(elasticsearch::start());
    let (url, stream, key) = (cluster.base_url(), elasticsearch::DATA_STREAM, elasticsearch::API_KEY);
    let destination = format!(
        "type = \"elasticsearch\"\nurl = \"{url}\"\ndata_stream = \"{stream}\"\napi_key = {{ value = \"{key}\" }}"
    );
    (cluster, destination)
}

fn ids_of(cluster: &StandIn<elasticsearch::Elasticsearch>) -> BTreeSet<String> {
    cluster.documents().into_iter().map(|document| document.id).collect()
}

#[test]
fn elasticsearch_has_every_event_once_under_its_id() {
    let (cluster, destination) = cluster();
    let gateway = Gateway::start(&config(&destination));
    gateway.run(&["probe", "sink"]).done().prints("sink has taken the test event");
    assert_eq!(cluster.mentions("TEST · "), 1);
    cluster.script(bad_weather());
    cluster.reject_documents(1);
    for number in 0..6 {
        post(&gateway, &format!("mark{number}"));
        gateway.dispatched();
    }
    until("every event is there", || (cluster.effects() == 1 + 12).then_some(()));
    gateway.settle();
    let events = events_of(&gateway);
    assert!(events.is_subset(&ids_of(&cluster)));
    assert_eq!((events.len(), cluster.effects(), dead(&gateway)), (12, 13, 0));
}

#[test]
fn a_document_that_does_not_fit_is_a_dead_letter_and_the_others_of_its_batch_arrive() {
    let (cluster, destination) = cluster();
    let gateway = Gateway::start(&config(&destination));
    cluster.refuse_documents_with("poison-1");
    post(&gateway, "poison");
    until("one is dead", || (dead(&gateway) == 1).then_some(()));
    gateway.settle();
    assert_eq!((cluster.mentions("poison-2"), cluster.mentions("poison-1")), (1, 0));
    let row = &gateway.list("deliveries", &["--state", "dead"])[0];
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.contains("does not fit the mapping"), "{row}");
    assert!(!ids_of(&cluster).contains(row["event"].as_str().unwrap()));
}

#[test]
fn a_batch_that_is_too_large_is_halved() {
    let (cluster, destination) = cluster();
    cluster.always(Some(Fault::Status(503)));
    let gateway = Gateway::start(&config(&destination));
    for number in 0..4 {
        post(&gateway, &format!("mark{number}"));
    }
    gateway.dispatched();
    // No room for two.
    cluster.limit_body(2000);
    cluster.always(None);
    until("every event is there", || (cluster.effects() == 8).then_some(()));
    gateway.settle();
    assert_eq!((ids_of(&cluster), dead(&gateway)), (events_of(&gateway), 0));
}

fn collector(more: &str) -> (StandIn<splunk::Splunk>, String) {
    let collector = started(splunk::start());
    let (url, token) = (collector.base_url(), splunk::TOKEN);
    let destination = format!("type = \"splunk\"\nurl = \"{url}\"\ntoken = {{ value = \"{token}\" }}\n{more}");
    (collector, destination)
}

/// The indexed ids, each as often as its event came.
fn indexed(collector: &StandIn<splunk::Splunk>) -> Vec<String> {
    let id = |event: &Value| event["fields"]["event_id"].as_str().unwrap().to_owned();
    collector.events().iter().map(id).collect()
}

#[test]
fn splunk_has_every_event_and_after_a_lost_answer_perhaps_twice_under_one_id() {
    let (collector, destination) = collector("index = \"security\"");
    let gateway = Gateway::start(&config(&destination));
    collector.script(bad_weather());
    for number in 0..6 {
        post(&gateway, &format!("mark{number}"));
        gateway.dispatched();
    }
    gateway.settle();
    let (indexed, events) = (indexed(&collector), events_of(&gateway));
    assert_eq!((events.len(), dead(&gateway)), (12, 0));
    assert_eq!(indexed.iter().cloned().collect::<BTreeSet<_>>(), events, "nothing is lost");
    assert!((12..=24).contains(&indexed.len()), "only what was in the batch without an answer came again");
    gateway.run(&["probe", "sink"]).done().prints("sink has taken the test event");
    assert_eq!(collector.mentions("TEST · "), 1);
}

#[test]
fn splunk_acknowledges_before_a_batch_counts_as_delivered_and_it_is_sent_once() {
    let (collector, destination) = collector("ack = true");
    collector.acknowledge_after(1);
    let gateway = Gateway::start(&config(&destination));
    post(&gateway, "mark");
    gateway.settle();
    let mut ids = indexed(&collector);
    ids.sort();
    assert_eq!((ids, dead(&gateway)), (events_of(&gateway).into_iter().collect(), 0));
    let questions = collector.requests().iter().filter(|request| request.path.ends_with("/ack")).count();
    assert_eq!(questions, 2);
}

fn collected(collector: &syslog::Collector) -> Vec<String> {
    collector.messages().iter().map(|message| message.parameter("event_id").unwrap().to_owned()).collect()
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_collector_of_logs_has_every_event_over_one_connection_and_is_told_goodbye() {
    let certificate = include_bytes!("fixtures/tls/good.pem");
    let collector = on_a_runtime(syslog::start_tls(certificate, include_bytes!("fixtures/tls/receiver.key"))).unwrap();
    let destination = format!("type = \"syslog\"\naddress = \"{}\"\nca_file = \"ca.pem\"", collector.address());
    let mut gateway = Gateway::start(&config("type = \"file\"\npath = \"events.ndjson\""));
    gateway.folder.write("ca.pem", include_bytes!("fixtures/tls/authority.pem"));
    gateway.stop();
    gateway.configure(&config(&destination));
    gateway.serve_again();
    for number in 0..4 {
        post(&gateway, &format!("mark{number}"));
        gateway.settle();
    }
    let found = collected(&collector);
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (8, events_of(&gateway)));
    assert_eq!((collector.connections(), dead(&gateway)), (1, 0));
    gateway.run(&["probe", "sink"]).done().prints("no acknowledgement exists").prints("sink has taken the test event");
    until("the probe has gone", || (collector.goodbyes() == 1).then_some(()));
    gateway.stop();
    until("the gateway has gone", || (collector.goodbyes() == 2).then_some(()));
    assert_eq!(collector.faults(), Vec::<String>::new());
}

#[test]
fn events_wait_for_a_collector_that_is_away_and_are_not_lost_when_it_closes_connections() {
    let collector = on_a_runtime(syslog::start_tcp()).unwrap();
    let gateway = Gateway::start(&config(&format!("type = \"syslog\"\naddress = \"{}\"", collector.address())));
    collector.set(syslog::Conduct::Close);
    post(&gateway, "kept");
    until("it fails", || (sink_of(&gateway)["state"] == "failing").then_some(()));
    let reason = sink_of(&gateway)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("it closed the connection"), "{reason}");
    collector.set(syslog::Conduct::Take);
    gateway.settle();
    let found = collected(&collector);
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (2, events_of(&gateway)));
    assert_eq!((collector.faults().len(), dead(&gateway)), (0, 0));
}

#[test]
fn a_file_that_is_rotated_has_every_event_once_although_the_process_is_killed() {
    let destination =
        "type = \"file\"\npath = \"events.ndjson\"\nrotate = { size = \"1MiB\", every = \"1d\", keep = 50 }";
    let mut gateway = Gateway::start(&config(destination));
    let now = SystemClock.now().as_millis();
    let padding = "x".repeat(800);
    for round in 0..4 {
        let record = |number: u32| {
            format!(
                r#"{{"id":"{round}-{number}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiMethod":"POST",
                "latestApiEndpoint":"/v1/{round}/{number}/{padding}","detectedAt":{now},"refId":"{round}-{number}","severity":"HIGH"}}"#
            )
        };
        let body = format!("[{}]", (0..400).map(record).collect::<Vec<_>>().join(","));
        gateway.post_bearer("akto", AKTO, body.as_bytes()).accepted();
        gateway.signal("KILL");
        until("it is dead", || (!gateway.is_alive()).then_some(()));
        gateway.serve_again();
    }
    gateway.settle();
    let files: Vec<_> = std::fs::read_dir(gateway.folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    let of_sink = |path: &&std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("events.ndjson");
    let texts: Vec<String> = files.iter().filter(of_sink).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(texts.len() >= 2 && texts.iter().all(|text| text.len() <= 1 << 20), "{files:?}");
    let whole = texts.iter().flat_map(|text| text.lines()).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found: Vec<String> = whole.map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (1600, events_of(&gateway)));
}

/// Texts that break what is written without care, as attackers write them.
const HOSTILE: [&str; 12] = [
    "plain",
    "\"},{\"id\":\"1",
    "line\nbreak\r\nand \u{2028}another",
    "\u{1b}[2J\u{7}\u{0}\u{7f}\u{9b}",
    "\u{202e}desrever\u{200b}\u{feff}",
    "<script>alert(1)</script>&amp;",
    "{{ 7 * 7 }} ${jndi:ldap://x} %s%n",
    "' OR '1'='1' --",
    "=cmd|' /C calc'!A0",
    "\u{fffd}\u{ffff}\u{10ffff}e\u{301}\u{1f469}\u{200d}\u{1f4bb}",
    "\\ \\n \\u0000 ] | ^",
    "<13>1 2026-01-01T00:00:00Z - - - - - 100 CEF:0|a|b",
];

/// Posts five hundred events in one request, one of which carries `poison`.
fn post_with_poison(gateway: &Gateway) {
    let now = SystemClock.now().as_millis();
    let record = |number: usize| {
        let mark = if number == 317 { "poison" } else { "sound" };
        serde_json::json!({
            "id": format!("{mark}-{number}"), "filterId": HOSTILE[number % HOSTILE.len()], "actor": "198.51.100.7",
            "latestApiMethod": "POST", "latestApiEndpoint": format!("/v1/{mark}/{number}/{}", HOSTILE[(number / 12) % HOSTILE.len()]),
            "detectedAt": now, "refId": format!("{mark}-{number}"), "severity": "HIGH",
        })
    };
    let body = serde_json::to_vec(&(0..500).map(record).collect::<Vec<_>>()).unwrap();
    gateway.post_bearer("akto", AKTO, &body).accepted();
}

/// Waits until one event is dead and nothing waits; the ids of all others.
fn only_the_poison_is_dead(gateway: &Gateway) -> BTreeSet<String> {
    until("one is dead", || (dead(gateway) == 1).then_some(()));
    gateway.settle();
    let letters = gateway.list("deliveries", &["--state", "dead"]);
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let poison = letters[0]["event"].as_str().unwrap().to_owned();
    let mut events = events_of(gateway);
    assert_eq!(events.len(), 500);
    assert!(events.remove(&poison), "{letters:#?}");
    events
}

/// Each of these once.
fn assert_once(found: Vec<String>, wanted: &BTreeSet<String>) {
    assert_eq!(found.len(), wanted.len(), "some are there twice, or not at all");
    assert_eq!(&found.into_iter().collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn of_five_hundred_hostile_events_a_webhook_misses_the_one_that_is_refused_and_has_the_others_once() {
    for more in ["batch = 200", "batch = 200\nformat = \"cloudevents\"\ncompression = \"gzip\""] {
        let receiver = started(webhook::start());
        receiver.refuse_bodies_with("poison-317");
        let (url, secret) = (receiver.url(), webhook::SECRET);
        let destination = format!("type = \"webhook\"\nurl = \"{url}\"\nsecret = {{ value = \"{secret}\" }}\n{more}");
        let gateway = Gateway::start(&config(&destination));
        post_with_poison(&gateway);
        let wanted = only_the_poison_is_dead(&gateway);
        let taken = receiver.taken();
        let events = taken.iter().flat_map(|taken| taken.events());
        assert_once(events.map(|event| event["id"].as_str().unwrap().to_owned()).collect(), &wanted);
    }
}

#[test]
fn of_five_hundred_hostile_events_elasticsearch_misses_the_one_that_does_not_fit_and_has_the_others_once() {
    for (more, failures) in [("", 0), ("compression = \"gzip\"", 1)] {
        let (cluster, destination) = cluster();
        cluster.refuse_documents_with("poison-317");
        if failures > 0 {
            cluster.keep_failures();
        }
        let gateway = Gateway::start(&config(&format!("{destination}\n{more}")));
        post_with_poison(&gateway);
        let wanted = only_the_poison_is_dead(&gateway);
        assert_once(cluster.documents().into_iter().map(|document| document.id).collect(), &wanted);
        assert_eq!(cluster.failures().len(), failures, "the store of failures has it once");
    }
}

#[test]
fn of_five_hundred_hostile_events_splunk_misses_the_one_that_is_refused() {
    let (collector, destination) = collector("compression = \"gzip\"");
    collector.refuse_events_with("poison-317");
    let gateway = Gateway::start(&config(&destination));
    post_with_poison(&gateway);
    let wanted = only_the_poison_is_dead(&gateway);
    let found = indexed(&collector);
    // Only the one before the refused one may be there twice: search tells it apart by its id.
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), wanted);
    assert!(found.len() <= 500, "{}", found.len());
}

/// Damages the event with the poison while nothing serves, with a receiver that was away until then.
fn damage_the_poison(gateway: &mut Gateway) {
    post_with_poison(gateway);
    gateway.dispatched();
    gateway.stop();
    let store = rusqlite::Connection::open(gateway.folder.path().join("gatepost.db")).unwrap();
    let damage = "UPDATE events SET document = replace(document, '\"severity\":', '\"severity\":\"x') WHERE document LIKE '%poison-317%'";
    assert_eq!(store.execute(damage, []), Ok(1));
}

#[test]
fn of_five_hundred_hostile_events_a_file_misses_the_one_that_cannot_be_read_and_has_the_others_once() {
    let away = "type = \"file\"\npath = \"missing/events.ndjson\"\nformat = \"ecs\"";
    let mut gateway = Gateway::start(&config(away));
    damage_the_poison(&mut gateway);
    std::fs::create_dir(gateway.folder.path().join("missing")).unwrap();
    gateway.serve_again();
    until("one is dead", || (dead(&gateway) == 1).then_some(()));
    gateway.settle();
    let lines = gateway.folder.lines("missing/events.ndjson");
    let id = |line: &String| serde_json::from_str::<Value>(line).unwrap()["event"]["id"].as_str().unwrap().to_owned();
    let found: Vec<String> = lines.iter().map(id).collect();
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>().len()), (499, 499));
    assert!(!lines.iter().any(|line| line.contains("poison-317")));
}

#[test]
fn of_five_hundred_hostile_events_a_collector_of_logs_misses_the_one_that_cannot_be_read_and_has_the_others_once() {
    let collector = on_a_runtime(syslog::start_tcp()).unwrap();
    collector.set(syslog::Conduct::Close);
    let mut gateway = Gateway::start(&config(&format!("type = \"syslog\"\naddress = \"{}\"", collector.address())));
    damage_the_poison(&mut gateway);
    collector.set(syslog::Conduct::Take);
    gateway.serve_again();
    until("one is dead", || (dead(&gateway) == 1).then_some(()));
    gateway.settle();
    let found = collected(&collector);
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>().len()), (499, 499));
    assert_eq!(collector.faults(), Vec::<String>::new());
}
