//! Stores that earlier versions wrote, as files that never change: what a migration begins with, and that it loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost::domain::{Clock, DeliveryState, EventId, SystemClock};
use gatepost::standins::{Rate, StandIn, jira, pagerduty, slack};
use gatepost::store::{
    Access, DeliveryFilter, DeliveryRow, EventFilter, IncidentFilter, IncidentQueries, Page, Queries, ReceiptFilter,
    SqliteStore,
};
use harness::{Gateway, Post};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const VERSION_1: &[u8] = include_bytes!("fixtures/stores/v1.db");
const COUNTS: &str = include_str!("fixtures/stores/README.md");
const ALL: Page = Page { limit: 1000, before: None };

#[test]
fn the_store_of_version_1_is_as_its_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy(folder.path());
    let connection = Connection::open(&path).unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
    let described = described();
    assert!(described.len() > 30, "{described:?}");
    assert_eq!(found(&connection), described);
}

#[test]
fn a_store_of_version_1_is_served_with_all_that_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&copy(folder.path()), Access::Serve).unwrap();
    let described = described();
    let deliveries = store.deliveries(&ALL, &DeliveryFilter::default()).unwrap();
    for (destination, (waiting, done, dead)) in by_destination(&described) {
        let count = |states: &[DeliveryState]| {
            let rows = deliveries.iter().map(|row| &row.delivery);
            rows.filter(|row| row.destination.as_str() == destination && states.contains(&row.state)).count() as u64
        };
        let found = (
            count(&[DeliveryState::Waiting, DeliveryState::Leased]),
            count(&[DeliveryState::Delivered]),
            count(&[DeliveryState::Dead]),
        );
        assert_eq!(found, (waiting, done, dead), "{destination}");
    }
    assert_eq!(store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len() as u64, described["receipts"]);
    assert_eq!(store.events(&ALL, &EventFilter::default()).unwrap().len() as u64, described["events"]);
    let quarantined = EventFilter { quarantined: true, ..EventFilter::default() };
    assert_eq!(store.events(&ALL, &quarantined).unwrap().len() as u64, described["events in quarantine"]);
    store.close();
}

/// End to end: a process that serves, and stand-ins that take what is told. What had arrived without an answer is found
/// by the name under which it was sent; what had not is told; nothing else changes.
#[test]
fn what_version_1_left_undone_is_done_and_what_it_had_done_is_not_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy(folder.path());
    let before = before(&path);
    let places = Places::start();
    let found = before.doubtful("soc").last().map(|was| (*was).clone()).unwrap();
    places.has_message(&found);
    let filed = before.doubtful("tickets").last().map(|was| (*was).clone()).unwrap();
    places.has_ticket(&filed.event_key);
    let mut gateway = Gateway::start(&places.config(&path));
    drained(&path);
    assert!(gateway.stop().success());

    let store = SqliteStore::open(&path, Access::Operate).unwrap();
    let after: BTreeMap<String, DeliveryRow> = store
        .deliveries(&ALL, &DeliveryFilter::default())
        .unwrap()
        .into_iter()
        .map(|row| (row.delivery.id.to_string(), row))
        .collect();
    for was in &before.deliveries {
        let is = &after[&was.id].delivery;
        let reason = is.reason.as_deref().unwrap_or_default();
        let ended = match (was.state, was.is_doubtful, was.destination.as_str()) {
            (_, _, "former") => is.state == DeliveryState::Waiting,
            (DELIVERED, ..) => is.state == DeliveryState::Delivered,
            // A receipt that is replayed revives the dead letters of its events.
            (DEAD, ..) if before.replayed.contains(&was.event) => true,
            (DEAD, ..) => is.state == DeliveryState::Dead,
            (_, _, "archive" | "siem") => is.state == DeliveryState::Delivered,
            // Another one of the same incident is told, and this one cannot be found out about by itself.
            (_, true, _) if is.state == DeliveryState::Dead => reason.contains("may have arrived"),
            (_, true, _) => is.state == DeliveryState::Delivered,
            _ => is.state == DeliveryState::Superseded && reason.contains("told as part of #"),
        };
        assert!(ended, "{was:?} is {is:?}");
    }
    let quarantined = EventFilter { quarantined: true, ..EventFilter::default() };
    let held = store.events(&ALL, &quarantined).unwrap().len();
    assert_eq!(held, before.quarantined.difference(&before.replayed).count(), "what is in quarantine stays there");
    assert_eq!(store.undispatched().unwrap(), 0, "what was never read is read");
    every_incident_was_told(&store);
    places.were_asked_first(&before);
    // What had arrived is what the incident refers to, and was not made again.
    assert_eq!(reference_of(&store, found.event, "soc"), places.slack.messages()[0].ts, "sent again to Slack");
    assert_eq!(reference_of(&store, filed.event, "tickets"), places.jira.issues()[0].key, "created again in Jira");
    store.close();
}

/// Every incident was told to each of its notifiers.
fn every_incident_was_told(store: &SqliteStore) {
    let incidents = store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    assert!(incidents.len() > 10, "{}", incidents.len());
    for incident in incidents {
        let details = store.incident(incident.number).unwrap().unwrap();
        for row in details.notifications {
            let is_told = row.told.said.is_some() || incident.fold.is_some();
            assert!(is_told, "{} was never told of {incident:#?}", row.destination);
        }
    }
}

/// Waits until nothing is due any more but for the destination that is gone.
fn drained(path: &Path) {
    let store = SqliteStore::open(path, Access::Operate).unwrap();
    let deadline = Instant::now() + DRAIN_LIMIT;
    loop {
        let depths = store.depths(SystemClock.now()).unwrap();
        let is_left = |destination: &str, state| destination != "former" && state != DeliveryState::Dead;
        let left: Vec<_> = depths.iter().filter(|depth| is_left(depth.destination.as_str(), depth.state)).collect();
        if left.is_empty() && store.undispatched().unwrap() == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "there is still {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A delivery as version 1 left it.
#[derive(Clone, Debug)]
struct Was {
    id: String,
    destination: String,
    state: i64,
    is_doubtful: bool,
    event: EventId,
    event_key: String,
}

/// What version 1 left.
struct Before {
    deliveries: Vec<Was>,
    /// Events whose receipts are to be replayed.
    replayed: BTreeSet<EventId>,
    quarantined: BTreeSet<EventId>,
}

impl Before {
    /// What may have arrived, or was under way when the process was ended.
    fn doubtful(&self, destination: &str) -> Vec<&Was> {
        let all = self.deliveries.iter().filter(|was| was.destination == destination);
        all.filter(|was| was.is_doubtful && was.state < DELIVERED).collect()
    }
}

fn before(path: &Path) -> Before {
    let connection = Connection::open(path).unwrap();
    let events = |statement: &str| -> BTreeSet<EventId> {
        let mut select = connection.prepare(statement).unwrap();
        let rows = select.query_map([], |row| row.get::<_, [u8; 16]>(0)).unwrap();
        rows.map(|id| EventId::from_bytes(id.unwrap())).collect()
    };
    let mut select = connection.prepare(DELIVERIES_BEFORE).unwrap();
    let rows = select.query_map([], |row| {
        let document: Value = serde_json::from_str(&row.get::<_, String>(5)?).unwrap();
        Ok(Was {
            id: gatepost::domain::DeliveryId::from_bytes(row.get(0)?).to_string(),
            destination: row.get(1)?,
            state: row.get(2)?,
            is_doubtful: row.get::<_, bool>(3)? || row.get::<_, i64>(2)? == LEASED,
            event: EventId::from_bytes(row.get(4)?),
            event_key: document["key"].as_str().unwrap().to_owned(),
        })
    });
    Before {
        deliveries: rows.unwrap().map(Result::unwrap).collect(),
        replayed: events(
            "SELECT e.id FROM events e JOIN receipts r ON r.id = e.receipt JOIN receipt_queue q ON q.seq = r.seq
             WHERE q.replay = 1",
        ),
        quarantined: events("SELECT id FROM events WHERE quarantined = 1"),
    }
}

/// The places to which everything goes.
struct Places {
    slack: StandIn<slack::Slack>,
    pager: StandIn<pagerduty::PagerDuty>,
    jira: StandIn<jira::Jira>,
}

impl Places {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let places = runtime.block_on(async {
            Self {
                slack: slack::start().await.unwrap(),
                pager: pagerduty::start().await.unwrap(),
                jira: jira::start().await.unwrap(),
            }
        });
        places.slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
        places.pager.limit_rate(Rate::UNLIMITED);
        places.jira.limit_rate(Rate::UNLIMITED);
        places
    }

    /// A message as version 1 sent it.
    fn has_message(&self, was: &Was) {
        let payload = json!({ "event": was.event.to_string(), "delivery": was.id });
        let metadata = json!({ "event_type": "gatepost_delivery", "event_payload": payload });
        let message = json!({ "channel": slack::CHANNEL, "text": "from version 1", "metadata": metadata });
        post(&format!("{}/chat.postMessage", self.slack.api_url()), slack::BOT_TOKEN, &message);
        assert_eq!(self.slack.messages().len(), 1);
    }

    /// A ticket as version 1 made it.
    fn has_ticket(&self, event_key: &str) {
        let fields = json!({
            "project": { "key": jira::PROJECT },
            "issuetype": { "name": "Task" },
            "summary": "from version 1",
            "labels": [label_of(event_key)],
        });
        let url = format!("{}/rest/api/2/issue", self.jira.base_url());
        post(&url, jira::API_TOKEN, &json!({ "fields": fields }));
        assert_eq!(self.jira.issues().len(), 1);
    }

    /// What may have arrived was asked for, or sent, under the name that it had.
    fn were_asked_first(&self, before: &Before) {
        let paged: BTreeSet<String> = self.pager.incidents().into_iter().map(|page| page.dedup_key).collect();
        let old = before.doubtful("oncall");
        let under_old = old.iter().filter(|was| paged.contains(&was.event_key)).count();
        assert!(under_old > 0, "{paged:?}");
        let sent = self.jira.requests();
        let bodies: Vec<String> =
            sent.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
        let asked = before.doubtful("tickets");
        let asked = asked.iter().filter(|was| {
            let label = label_of(&was.event_key);
            let place = |path: &str| {
                sent.iter()
                    .zip(&bodies)
                    .position(|(request, body)| request.path.ends_with(path) && body.contains(&label))
            };
            match (place("/search"), place("/issue")) {
                // The one that was made above was made by the test.
                (Some(_), None) => true,
                (Some(asked), Some(made)) => asked < made || made == 0,
                (None, made) => {
                    assert!(made.is_none(), "{label} was created unasked");
                    false
                }
            }
        });
        assert!(asked.count() > 0, "Jira was asked for nothing");
        let is_history = |request: &&gatepost::standins::Arrived| request.path.ends_with("/conversations.history");
        assert!(self.slack.requests().iter().filter(is_history).count() > 0, "Slack was asked for nothing");
    }

    fn config(&self, store: &Path) -> String {
        format!(
            r#"
[store]
url = "sqlite:{store}"

[retention]
keys = "3650d"
receipts = "3650d"
events = "3650d"

[incidents]
wait = "0s"
storm = "never"

[sources.adrian]
vendor = "secureagentics"
secrets = [{{ value = "{SECRET}" }}]

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{SECRET}" }}]

[sources.ids]
vendor = "generic"
secrets = [{{ value = "{SECRET}" }}]
verify = {{ scheme = "token" }}

[destinations.archive]
type = "file"
path = "archive.ndjson"

[destinations.siem]
type = "file"
path = "siem.ndjson"
format = "ocsf"

[destinations.oncall]
type = "pagerduty"
url = "{pager}"
routing_key = {{ value = "{routing_key}" }}

[destinations.soc]
type = "slack"
url = "{slack}"
token = {{ value = "{bot_token}" }}
channel = "{channel}"

[destinations.chat]
type = "slack"
webhook_url = {{ value = "{webhook}" }}
on_uncertain = "repeat"

[destinations.watch]
type = "slack"
webhook_url = {{ value = "{webhook}" }}
on_uncertain = "drop"

[destinations.tickets]
type = "jira"
deployment = "datacenter"
url = "{jira}"
token = {{ value = "{api_token}" }}
project = "{project}"

[[routes]]
name = "page"
when = 'event.severity >= high'
to = ["oncall", "soc"]

[[routes]]
name = "work"
to = ["tickets", "chat"]

[[routes]]
name = "everything"
to = ["archive", "siem"]
"#,
            store = store.display(),
            pager = self.pager.base_url(),
            routing_key = pagerduty::ROUTING_KEY,
            slack = self.slack.api_url(),
            bot_token = slack::BOT_TOKEN,
            channel = slack::CHANNEL,
            webhook = self.slack.webhook_url(),
            jira = self.jira.base_url(),
            api_token = jira::API_TOKEN,
            project = jira::PROJECT,
        )
    }
}

/// Sends as version 1 did.
fn post(url: &str, token: &str, document: &Value) {
    let url: url::Url = url.parse().unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    let post = Post::to(url.path()).line("authorization", format!("Bearer {token}"));
    let answer = post.line("content-type", "application/json; charset=utf-8").body(document.to_string()).send(address);
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// What a notifier calls what it has of the incident of an event.
fn reference_of(store: &SqliteStore, event: EventId, destination: &str) -> String {
    let number = store.incident_of(event).unwrap().unwrap().incident.unwrap();
    let notifications = store.incident(number).unwrap().unwrap().notifications;
    let row = notifications.into_iter().find(|row| row.destination.as_str() == destination).unwrap();
    let reference = row.told.reference.unwrap();
    reference.data["ts"].as_str().map_or(reference.name, str::to_owned)
}

/// The label that version 1 gave a ticket.
fn label_of(event_key: &str) -> String {
    format!("gatepost-{}", hex::encode(&Sha256::digest(event_key.as_bytes())[..8]))
}

/// A copy of the file, which is never opened itself: SQLite would put its WAL beside it.
fn copy(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("v1.db");
    std::fs::write(&path, VERSION_1).unwrap();
    path
}

/// The rows `| what | count |` of the page that describes the file.
fn described() -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (what, count) = (cells.next()?, cells.next()?.trim_end_matches(" |"));
        Some((what.to_owned(), count.parse().ok()?))
    };
    COUNTS.lines().filter_map(row).collect()
}

/// Waiting, delivered and dead, by destination, as the page says it.
fn by_destination(described: &BTreeMap<String, u64>) -> BTreeMap<&str, (u64, u64, u64)> {
    let mut found: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (what, count) in described {
        let Some((destination, state)) = what.strip_prefix("deliveries for ").and_then(|rest| rest.split_once(": "))
        else {
            continue;
        };
        let (waiting, done, dead) = found.entry(destination).or_default();
        match state.split(',').next().unwrap() {
            "delivered" => *done += count,
            "dead" => *dead += count,
            _ => *waiting += count,
        }
    }
    assert!(found.len() > 7, "{found:?}");
    found
}

/// What is in the file, by table and state.
fn found(connection: &Connection) -> BTreeMap<String, u64> {
    let mut select = connection.prepare(FOUND).unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).unwrap();
    let counted = rows.map(|row| row.map(|(what, count)| (what, u64::try_from(count).unwrap())).unwrap());
    counted.filter(|(_, count)| *count > 0).collect()
}

const DELIVERIES_BEFORE: &str = "SELECT d.id, d.destination, d.state, d.uncertain, e.id, e.document
    FROM deliveries d JOIN events e ON e.seq = d.event";
const LEASED: i64 = 1;
const DELIVERED: i64 = 2;
const DEAD: i64 = 3;
const SECRET: &str = "a-secret-of-at-least-32-bytes-01";
/// Slack takes one message a second.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);
const FOUND: &str = "
    SELECT 'receipts', count(*) FROM receipts
    UNION ALL SELECT 'receipts never claimed', count(*) FROM receipts WHERE seq > (SELECT seq FROM dispatch_mark)
    UNION ALL SELECT 'receipts claimed, not dispatched', count(*) FROM receipt_queue WHERE replay = 0
    UNION ALL SELECT 'receipts to be replayed', count(*) FROM receipt_queue WHERE replay = 1
    UNION ALL SELECT 'receipts dispatched', count(*) FROM receipt_results
    UNION ALL SELECT 'receipts dispatched as ' || note, count(*) FROM receipt_results WHERE note IS NOT NULL GROUP BY note
    UNION ALL SELECT 'duplicates of events', sum(events_duplicate) FROM receipt_results
    UNION ALL SELECT 'dedupe keys', count(*) FROM dedupe_keys
    UNION ALL SELECT 'event keys', count(*) FROM event_keys
    UNION ALL SELECT 'events', count(*) FROM events
    UNION ALL SELECT 'events of ' || source, count(*) FROM events GROUP BY source
    UNION ALL SELECT 'events of type unparsed', count(*) FROM events WHERE json_extract(document, '$.type') = 'unparsed'
    UNION ALL SELECT 'events without a route', count(*) FROM events WHERE unrouted = 1 AND quarantined = 0
    UNION ALL SELECT 'events in quarantine', count(*) FROM events WHERE quarantined = 1
    UNION ALL SELECT 'deliveries', count(*) FROM deliveries
    UNION ALL SELECT 'deliveries for ' || destination || ': '
        || CASE state WHEN 0 THEN 'waiting' WHEN 1 THEN 'leased' WHEN 2 THEN 'delivered' ELSE 'dead' END
        || CASE WHEN state IN (0, 1) AND tries = 0 THEN ', never tried' ELSE '' END
        || CASE uncertain WHEN 1 THEN ', in doubt' ELSE '' END, count(*)
        FROM deliveries GROUP BY destination, state, uncertain, state IN (0, 1) AND tries = 0
    UNION ALL SELECT 'attempts: ' || outcome, count(*) FROM attempts GROUP BY outcome";
