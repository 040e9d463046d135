//! How much memory bodies may take while they are read.
//!
//! A body is held before it is known whether it is authentic, so its sender may be an attacker, also where it names a
//! configured source and carries something that looks like a signature. Each body has its own limit; a [`Budget`] is the
//! limit on all of them together, on those of one source and on those of one address. When a limit is reached the senders
//! that are slow lose their share first: the body whose bytes have waited longest on average is given up, so that a body
//! that has just arrived is taken in whatever others hold. To hold on to a share an attacker must keep sending at full
//! speed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::SourceName;

/// A number of bytes that is shared.
#[derive(Debug)]
pub struct Budget {
    limits: BudgetLimits,
    used: AtomicU64,
    /// From when ages are counted.
    begun: Instant,
    table: Mutex<Table>,
}

/// How many bytes bodies may take.
#[derive(Clone, Copy, Debug)]
pub struct BudgetLimits {
    /// All together.
    pub total: u64,
    /// Those that name one source.
    pub per_source: u64,
    /// Those from one address.
    pub per_address: u64,
}

/// Whose bodies count together.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'s> {
    /// The source that it names, if there is one.
    pub source: Option<&'s SourceName>,
    /// The address that it counts for; `None` where many senders have the same.
    pub address: Option<IpAddr>,
}

/// What one body has taken of a budget; it is given back when this is dropped.
#[derive(Debug)]
pub struct Share<'b> {
    budget: &'b Budget,
    sender: Sender<'b>,
    bytes: u64,
    /// While the rest of the body is waited for.
    place: Option<Place>,
}

/// A body that is waited for, as its reader sees it.
#[derive(Debug)]
struct Place {
    number: u64,
    revoked: Arc<Notify>,
}

/// The bodies that are waited for. Those that are here whole, as most are at once, are not in it: they cannot be slow.
#[derive(Debug, Default)]
struct Table {
    bodies: HashMap<u64, Held>,
    by_source: HashMap<Option<SourceName>, u64>,
    by_address: HashMap<IpAddr, u64>,
    next: u64,
}

/// A body that is waited for.
#[derive(Debug)]
struct Held {
    source: Option<SourceName>,
    address: Option<IpAddr>,
    bytes: u64,
    /// The sum, over its bytes, of when each came, in microseconds.
    arrivals: u128,
    revoked: Arc<Notify>,
}

impl Held {
    /// When its bytes came on average. What holds nothing can give nothing.
    fn came_at(&self) -> u128 {
        self.arrivals.checked_div(u128::from(self.bytes)).unwrap_or(u128::MAX)
    }
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: BudgetLimits) -> Self {
        Self { limits, used: AtomicU64::new(0), begun: Instant::now(), table: Mutex::default() }
    }

    /// An empty share.
    pub fn share<'b>(&'b self, sender: Sender<'b>) -> Share<'b> {
        Share { budget: self, sender, bytes: 0, place: None }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self, now: Instant) -> u128 {
        now.saturating_duration_since(self.begun).as_micros()
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Gives up the slowest of the bodies that `is_meant` means, until `excess` bytes and an eighth of `limit` are free, or
    /// only `keep` bodies are left.
    fn relieve(&self, table: &mut Table, (excess, limit): (u64, u64), keep: usize, is_meant: impl Fn(&Held) -> bool) {
        let mut meant: Vec<(u128, u64)> = table
            .bodies
            .iter()
            .filter(|(_, held)| held.bytes > 0 && is_meant(held))
            .map(|(number, held)| (held.came_at(), *number))
            .collect();
        meant.sort_unstable();
        // Not for each piece anew: an eighth is freed beyond what is needed.
        let mut wanted = excess.saturating_add(limit / 8);
        let most = meant.len().saturating_sub(keep);
        for (_, number) in meant.into_iter().take(most) {
            if wanted == 0 {
                break;
            }
            if let Some(held) = table.remove(number) {
                self.used.fetch_sub(held.bytes, Ordering::AcqRel);
                wanted = wanted.saturating_sub(held.bytes);
                held.revoked.notify_one();
            }
        }
    }
}

impl Table {
    fn insert(&mut self, held: Held) -> u64 {
        let number = self.next;
        self.next += 1;
        *self.by_source.entry(held.source.clone()).or_default() += held.bytes;
        if let Some(address) = held.address {
            *self.by_address.entry(address).or_default() += held.bytes;
        }
        self.bodies.insert(number, held);
        number
    }

    /// More has come of a body; what its source and its address have now. `None`: it was given up.
    fn add(&mut self, number: u64, bytes: u64, at: u128) -> Option<(u64, u64)> {
        let held = self.bodies.get_mut(&number)?;
        held.bytes += bytes;
        held.arrivals += u128::from(bytes) * at;
        let of_source = self.by_source.get_mut(&held.source).map_or(0, |sum| {
            *sum += bytes;
            *sum
        });
        let sum = held.address.and_then(|address| self.by_address.get_mut(&address));
        let of_address = sum.map_or(0, |sum| {
            *sum += bytes;
            *sum
        });
        Some((of_source, of_address))
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.bodies.remove(&number)?;
        take_from(&mut self.by_source, &held.source, held.bytes);
        if let Some(address) = &held.address {
            take_from(&mut self.by_address, address, held.bytes);
        }
        Some(held)
    }
}

fn take_from<K: std::hash::Hash + Eq>(sums: &mut HashMap<K, u64>, key: &K, bytes: u64) {
    let Some(sum) = sums.get_mut(key) else { return };
    *sum = sum.saturating_sub(bytes);
    if *sum == 0 {
        sums.remove(key);
    }
}

impl<'b> Share<'b> {
    /// Whose body it is.
    pub fn sender(&self) -> Sender<'b> {
        self.sender
    }

    /// Takes more, if need be from slower bodies; `false` when this one is the slowest, or was given up before. A single
    /// body always fits, whatever its size.
    pub fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let Budget { limits, used, .. } = self.budget;
        let total = used.fetch_add(bytes, Ordering::AcqRel) + bytes;
        if self.place.is_none() && total <= limits.total {
            self.bytes += bytes;
            return true;
        }
        self.take_slowly(bytes, total, now)
    }

    fn take_slowly(&mut self, bytes: u64, total: u64, now: Instant) -> bool {
        let Budget { limits, used, .. } = self.budget;
        let mut table = self.budget.table();
        if let Some(place) = &self.place {
            let Some((of_source, of_address)) = table.add(place.number, bytes, self.budget.micros(now)) else {
                used.fetch_sub(bytes, Ordering::AcqRel);
                return false;
            };
            self.bytes += bytes;
            let Sender { source, address } = self.sender;
            if of_address > limits.per_address {
                let over = (of_address - limits.per_address, limits.per_address);
                self.budget.relieve(&mut table, over, 1, |held| held.address == address);
            }
            if of_source > limits.per_source {
                let over = (of_source - limits.per_source, limits.per_source);
                self.budget.relieve(&mut table, over, 1, |held| held.source.as_ref() == source);
            }
        }
        // What one source or one address has lost may be enough.
        let total = total.min(self.budget.used());
        if total > limits.total {
            let keep = usize::from(self.place.is_some());
            self.budget.relieve(&mut table, (total - limits.total, limits.total), keep, |_| true);
        }
        match &self.place {
            // What is not in the table, whole bodies on their way into the store, cannot be given up.
            Some(place) => match table.bodies.get(&place.number).map(|held| held.bytes) {
                Some(own) if self.budget.used() <= limits.total || self.budget.used() == own => true,
                Some(_) => {
                    let held = table.remove(place.number);
                    used.fetch_sub(held.map_or(0, |held| held.bytes), Ordering::AcqRel);
                    false
                }
                None => false,
            },
            None if self.budget.used() <= limits.total || self.budget.used() == self.bytes + bytes => {
                self.bytes += bytes;
                true
            }
            None => {
                used.fetch_sub(bytes, Ordering::AcqRel);
                false
            }
        }
    }

    /// Ready when the share was given up for others. From now on that can happen: the rest of the body is waited for.
    pub async fn revoked(&mut self) {
        let place = self.place.get_or_insert_with(|| {
            let Sender { source, address } = self.sender;
            let revoked = Arc::new(Notify::new());
            let arrivals = u128::from(self.bytes) * self.budget.micros(Instant::now());
            let (source, held_revoked) = (source.cloned(), Arc::clone(&revoked));
            let held = Held { source, address, bytes: self.bytes, arrivals, revoked: held_revoked };
            Place { number: self.budget.table().insert(held), revoked }
        });
        place.revoked.notified().await;
    }

    /// The body is here: its share can no longer be given up for others. `false` when it was before.
    pub fn complete(&mut self) -> bool {
        let Some(place) = self.place.take() else { return true };
        let is_held = self.budget.table().remove(place.number).is_some();
        if !is_held {
            self.bytes = 0;
        }
        is_held
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if self.complete() {
            self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    const LIMITS: BudgetLimits = BudgetLimits { total: 800, per_source: 600, per_address: 400 };

    fn name(text: &str) -> SourceName {
        text.parse().unwrap()
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([198, 51, 100, last]))
    }

    /// A body of which `bytes` came `age` seconds ago, and whose rest is waited for.
    fn waiting<'b>(budget: &'b Budget, sender: Sender<'b>, bytes: u64, age: u64) -> Share<'b> {
        let mut share = budget.share(sender);
        assert!(!is_revoked(&mut share));
        assert!(share.take(bytes, budget.begun + Duration::from_secs(1_000 - age)), "{sender:?}");
        share
    }

    fn is_revoked(share: &mut Share<'_>) -> bool {
        share.revoked().now_or_never().is_some()
    }

    fn now(budget: &Budget) -> Instant {
        budget.begun + Duration::from_secs(1_000)
    }

    #[tokio::test]
    async fn what_is_taken_is_given_back_and_no_more_is_taken_than_there_is() {
        let budget = Budget::new(LIMITS);
        let sender = Sender { source: None, address: None };
        let mut first = budget.share(sender);
        assert!(first.take(1_500, now(&budget)), "alone, anything fits");
        let mut second = budget.share(sender);
        assert!(!second.take(1, now(&budget)), "what is whole is not given up");
        drop(first);
        assert!(second.take(600, now(&budget)));
        let mut third = budget.share(sender);
        assert!(!third.take(201, now(&budget)) && third.take(200, now(&budget)));
        drop((second, third));
        assert_eq!(budget.used(), 0);
        let table = budget.table();
        assert!(table.bodies.is_empty() && table.by_source.is_empty() && table.by_address.is_empty());
    }

    #[tokio::test]
    async fn the_slowest_lose_their_share_first() {
        let (budget, source) = (Budget::new(LIMITS), name("a"));
        let of = |last| Sender { source: Some(&source), address: address(last) };
        let mut slow: Vec<Share<'_>> = (0..6).map(|n| waiting(&budget, of(n), 100, 60 - u64::from(n))).collect();
        // The same name, another address, and more than is left.
        let mut fast = waiting(&budget, of(9), 90, 0);
        assert_eq!(slow.iter_mut().map(is_revoked).collect::<Vec<_>>(), [true, true, false, false, false, false]);
        assert!(!is_revoked(&mut fast));
        assert!(!slow[0].take(1, now(&budget)), "what was given up takes no more");
        assert!(slow[5].take(1, now(&budget)), "there is room");
        drop((slow, fast));
        assert_eq!(budget.used(), 0);
        assert!(budget.table().by_source.is_empty() && budget.table().by_address.is_empty());
    }

    #[tokio::test]
    async fn a_byte_now_and_then_does_not_make_a_body_young() {
        let (budget, source) = (Budget::new(LIMITS), name("a"));
        let of = |last| Sender { source: Some(&source), address: address(last) };
        let mut drip = waiting(&budget, of(1), 300, 20);
        let mut steady = waiting(&budget, of(2), 200, 5);
        (0..5).for_each(|_| assert!(drip.take(1, now(&budget))));
        let mut fresh = waiting(&budget, of(3), 200, 0);
        assert_eq!([&mut drip, &mut steady, &mut fresh].map(is_revoked), [true, false, false]);
    }

    #[tokio::test]
    async fn one_source_leaves_capacity_for_the_others() {
        let (budget, a, b) = (Budget::new(LIMITS), name("a"), name("b"));
        let mut of_b = waiting(&budget, Sender { source: Some(&b), address: address(200) }, 190, 100);
        for round in 0..20 {
            let mut of_a: Vec<Share<'_>> = (0..5)
                .map(|n| waiting(&budget, Sender { source: Some(&a), address: address(n) }, 119, 10 + u64::from(n)))
                .collect();
            // Everything of `a` is younger than that of `b`.
            let mut more = waiting(&budget, Sender { source: Some(&a), address: address(9) }, 100, 0);
            assert!(of_a.iter_mut().any(is_revoked) && !is_revoked(&mut more), "{round}");
            assert!(!is_revoked(&mut of_b), "{round}");
        }
    }

    #[tokio::test]
    async fn one_address_leaves_capacity_for_the_others() {
        let (budget, source) = (Budget::new(LIMITS), name("a"));
        let of = |last| Sender { source: Some(&source), address: address(last) };
        let mut other = waiting(&budget, of(1), 100, 100);
        let mut greedy: Vec<Share<'_>> = (0..20).map(|_| waiting(&budget, of(2), 100, 0)).collect();
        assert!(greedy.iter_mut().filter_map(|share| (!is_revoked(share)).then_some(())).count() <= 4);
        assert!(!is_revoked(&mut other), "it is older, and from elsewhere");
        let unknown = Sender { source: Some(&source), address: None };
        let mut proxied: Vec<Share<'_>> = (0..4).map(|_| waiting(&budget, unknown, 100, 0)).collect();
        assert!(!proxied.iter_mut().any(is_revoked), "all senders behind a proxy have its address");
    }

    #[tokio::test]
    async fn a_body_that_is_here_is_not_given_up() {
        let (budget, source) = (Budget::new(LIMITS), name("a"));
        let of = |last| Sender { source: Some(&source), address: address(last) };
        let mut whole = waiting(&budget, of(1), 300, 100);
        assert!(whole.complete());
        let mut slow = waiting(&budget, of(2), 300, 50);
        let mut fresh = waiting(&budget, of(3), 300, 0);
        assert_eq!([&mut slow, &mut fresh].map(is_revoked), [true, false]);
        drop((whole, slow, fresh));
        assert_eq!(budget.used(), 0);
    }
}
