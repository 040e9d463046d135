//! Stores that earlier versions wrote, as files that never change: what a migration begins with, and that it loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use gatepost::domain::DeliveryState;
use gatepost::store::{Access, DeliveryFilter, EventFilter, Page, Queries, ReceiptFilter, SqliteStore};
use rusqlite::Connection;

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

/// A copy of the file, which is never opened itself: SQLite would put its log beside it.
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
