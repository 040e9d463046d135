//! Fifty copies of everything at once.

use std::sync::Arc;
use std::time::Duration;

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::oracle::{self, Allowance};
use super::wire::Wire;
use super::world::World;
use super::{is_long, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_copies_at_once_are_one_receipt_and_one_effect() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("copies");
    let count = if is_long() { 1_000 } else { 200 };
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let before = expectations.entries().acknowledged.len();
    // A few go to all destinations; with more of them Slack's pace would take minutes.
    let posting = |place: usize| match place % 40 {
        0 => expectations.adrian("critical", 100),
        1 | 2 => expectations.akto("HIGH", 3),
        place if place % 2 == 1 => expectations.akto("LOW", 2),
        _ => expectations.low(300),
    };
    let postings: Vec<usize> = (0..count).map(|place| expectations.write(posting(place))).collect();
    // All copies of one event go out together: each connection waits at the same barrier.
    let barrier = Arc::new(tokio::sync::Barrier::new(COPIES));
    let copies = (0..COPIES).map(|_| {
        let (expectations, barrier, postings, address) =
            (Arc::clone(&expectations), Arc::clone(&barrier), postings.clone(), world.public);
        tokio::spawn(async move {
            let mut wire = Wire::open(address).await.unwrap();
            for posting in postings {
                barrier.wait().await;
                assert_eq!(expectations.post(posting, &mut wire).await.unwrap().status, 200);
            }
        })
    });
    for copy in copies.collect::<Vec<_>>() {
        copy.await.unwrap();
    }
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let entries = expectations.entries();
    let answered = &entries.acknowledged[before..];
    let firsts = answered.iter().filter(|answer| answer.is_first).count();
    println!("copies: {count} events, {COPIES} copies each; {figures}");
    assert_eq!((answered.len(), firsts), (count * COPIES, count));
    assert_eq!((figures.receipts, figures.slack_repeats), (count + before, 0));
}

const COPIES: usize = 50;
