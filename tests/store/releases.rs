//! Receipts are leased and taken off the queue many at once, and each is still judged by its own claim.

use std::sync::Arc;

use gatepost::domain::Severity;
use gatepost::store::{Claim, Conclusion, Inbox, Outbox, ReceiptWork};

use super::fixture::{Fixture, at, planned};

fn concluded(claim: Claim<ReceiptWork>, key: &str) -> Conclusion {
    Conclusion { events: vec![planned(&claim, key, Severity::Low, &["archive"])], claim, note: None }
}

/// Accepts so many in one commit or several.
fn accept(fixture: &Fixture, count: usize) {
    let tickets: Vec<_> = (0..count)
        .map(|number| fixture.store.accept(fixture.arrival("s", &number.to_string(), &number.to_string()), None))
        .collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
}

#[test]
fn every_receipt_of_a_claim_is_leased_however_many_there_are() {
    for count in [1, 15, 16, 17, 31, 32, 33, 80] {
        let fixture = Fixture::new();
        accept(&fixture, count);
        let claims = fixture.claim_receipts(0);
        assert_eq!(claims.len(), count);
        let leased = "SELECT count(*) FROM receipt_queue WHERE lease_until > 0 AND generation = 1 AND tries = 1
            AND large = 0 AND seq BETWEEN 1 AND (SELECT max(seq) FROM receipts)";
        assert_eq!(fixture.count(leased), count as i64);
        assert!(fixture.claim_receipts(1).is_empty(), "{count}");
        let conclusions = claims.into_iter().enumerate().map(|(place, claim)| concluded(claim, &place.to_string()));
        let conclusions = Arc::new(conclusions.collect::<Vec<_>>());
        let done = fixture.store.conclude(conclusions, &Arc::default(), at(0)).wait().unwrap();
        assert_eq!((done.leases_lost, done.total().events_new), (0, count));
        assert_eq!(fixture.count("SELECT count(*) FROM receipt_queue"), 0);
    }
}

#[test]
fn of_consecutive_receipts_only_those_are_recorded_whose_claim_still_holds() {
    // Which of nine are taken up again by another claim before the first one is settled.
    for lost in [&[][..], &[0], &[4], &[8], &[0, 8], &[3, 4, 5], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        let fixture = Fixture::new();
        accept(&fixture, 9);
        let claims = fixture.claim_receipts(0);
        let late = claims.iter().enumerate().filter(|(place, _)| lost.contains(place));
        let rows: Vec<i64> = late.map(|(place, _)| place as i64 + 1).collect();
        for row in &rows {
            fixture.tamper(&format!("UPDATE receipt_queue SET generation = generation + 1 WHERE seq = {row}"));
        }
        let conclusions = claims.into_iter().enumerate().map(|(place, claim)| concluded(claim, &place.to_string()));
        let conclusions = Arc::new(conclusions.collect::<Vec<_>>());
        let done = fixture.store.conclude(conclusions, &Arc::default(), at(0)).wait().unwrap();
        assert_eq!((done.leases_lost, done.total().events_new), (lost.len(), 9 - lost.len()), "{lost:?}");
        let left = fixture.count("SELECT count(*) FROM receipt_queue");
        assert_eq!(left, lost.len() as i64, "{lost:?}");
        for row in rows {
            assert_eq!(fixture.count(&format!("SELECT count(*) FROM receipt_queue WHERE seq = {row}")), 1);
        }
    }
}

#[test]
fn a_claim_with_gaps_is_leased_and_released_whole() {
    let fixture = Fixture::new();
    accept(&fixture, 40);
    fixture.tamper("DELETE FROM receipts WHERE seq IN (2, 18, 19, 37)");
    let fixture = fixture.reopen();
    let claims = fixture.claim_receipts(0);
    assert_eq!((claims.len(), fixture.count("SELECT count(*) FROM receipt_queue")), (36, 36));
    let mut conclusions: Vec<Conclusion> =
        claims.into_iter().enumerate().map(|(place, claim)| concluded(claim, &place.to_string())).collect();
    // In whatever order they are handed in.
    conclusions.rotate_left(11);
    conclusions.swap(3, 4);
    let done = fixture.store.conclude(Arc::new(conclusions), &Arc::default(), at(0)).wait().unwrap();
    assert_eq!((done.leases_lost, done.total().events_new), (0, 36));
    assert_eq!(fixture.count("SELECT count(*) FROM receipt_queue"), 0);
}
