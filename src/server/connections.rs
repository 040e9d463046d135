//! The open connections: how many, from where, and since when without a request.
//!
//! actix-http times the head of a connection's first request only: on a connection that is kept open half a head would
//! hold it for ever. So connections that are not at a request are watched here, and closed when their time is over. That
//! costs a request two stores and no clock. A connection beyond the limit gets 503, if it sends a request.

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;

use super::forwarded;
use super::network::Network;

/// How many may be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// Beyond the limits, answered with 503; more are closed without an answer.
    pub surplus: usize,
    /// From one address; in IPv6 from one network of 64 bits.
    pub per_address: usize,
    /// From where only the limit on all of them counts, because many senders come from one address there.
    pub proxies: Vec<Network>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        let proxies = PROXIES.iter().filter_map(|text| text.parse().ok()).collect();
        Self { total: 8_192, surplus: 2_048, per_address: 64, proxies, trusted_proxies: Vec::new() }
    }
}

impl ConnectionLimits {
    /// The limits, lowered to what a process may open that may open this many files.
    pub fn within_files(self, files: usize) -> Self {
        let room = files.saturating_sub(FILES_RESERVED) / FILES_EACH;
        if room >= self.total + self.surplus {
            return self;
        }
        let surplus = self.surplus.min(room / 5);
        Self { total: self.total.min(room - surplus).max(1), surplus, ..self }
    }
}

impl ConnectionLimits {
    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().chain(&self.trusted_proxies).any(|network| network.contains(address))
    }
}

/// All connections of the public listener.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    /// Counts the checks of all connections: a clock that costs nothing to read.
    look: AtomicU32,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    by_address: HashMap<IpAddr, usize>,
    admitted: usize,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    /// Another handle on the connection, to close it with.
    stream: TcpStream,
    seat: Arc<Seat>,
}

#[derive(Debug)]
struct Seat {
    /// The check at which it became idle; [`BUSY`] while a request is being answered.
    idle_since: AtomicU32,
    /// The address that it counts for; `None` for one too many.
    admitted_as: Option<IpAddr>,
}

/// A connection, for as long as it is open.
#[derive(Debug)]
pub struct Connection {
    home: Arc<Connections>,
    peer: IpAddr,
    seat: Arc<Seat>,
    number: u64,
}

/// A request is being answered; until this is dropped.
#[derive(Debug)]
pub struct Busy<'c>(&'c Connection);

impl Connections {
    /// None yet. Must run on a tokio runtime.
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        let connections = Arc::new(Self { limits, look: AtomicU32::new(0), table: Mutex::default() });
        tokio::spawn(keep_looking(Arc::downgrade(&connections)));
        connections
    }

    /// What actix-web calls for each connection.
    pub fn on_connect(self: &Arc<Self>, stream: &dyn Any, extensions: &mut Extensions) {
        let Some(stream) = stream.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
        let peer = stream.peer_addr().map(|peer| peer.ip().to_canonical());
        // Where there is no second handle there are too many of them.
        let (Ok(peer), Ok(handle)) = (peer, stream.as_fd().try_clone_to_owned()) else { return };
        if let Some(connection) = self.seat(peer, TcpStream::from(handle)) {
            extensions.insert(connection);
        }
    }

    fn seat(self: &Arc<Self>, peer: IpAddr, stream: TcpStream) -> Option<Connection> {
        let mut table = self.table();
        let admitted_as = self.admit(&mut table, peer);
        let surplus = table.entries.len() - table.admitted;
        if admitted_as.is_none() && surplus >= self.limits.surplus {
            drop(table);
            close(&stream);
            return None;
        }
        let idle_since = AtomicU32::new(self.look.load(Ordering::Relaxed));
        let seat = Arc::new(Seat { idle_since, admitted_as });
        let number = table.next;
        table.next += 1;
        table.admitted += usize::from(admitted_as.is_some());
        table.entries.insert(number, Entry { stream, seat: Arc::clone(&seat) });
        Some(Connection { home: Arc::clone(self), peer, seat, number })
    }

    fn admit(&self, table: &mut Table, peer: IpAddr) -> Option<IpAddr> {
        if table.admitted >= self.limits.total {
            return None;
        }
        let counted_as = counted_as(peer);
        let count = table.by_address.entry(counted_as).or_default();
        if *count >= self.limits.per_address && !self.limits.is_proxy(peer) {
            return None;
        }
        *count += 1;
        Some(counted_as)
    }

    /// Closes those whose time is over.
    fn look(&self) {
        let now = self.look.fetch_add(1, Ordering::Relaxed) + 1;
        for entry in self.table().entries.values() {
            let since = entry.seat.idle_since.load(Ordering::Relaxed);
            let limit = if entry.seat.admitted_as.is_some() { IDLE_LOOKS } else { SURPLUS_LOOKS };
            if since != BUSY && now.wrapping_sub(since) > limit {
                close(&entry.stream);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// The connection of the request.
    pub fn of(http: &HttpRequest) -> Option<&Self> {
        http.conn_data()
    }

    /// The address that the request comes from, by the proxies that are trusted.
    pub fn client(&self, http: &HttpRequest) -> IpAddr {
        let lines = http.headers().get_all("x-forwarded-for").map(|line| line.as_bytes());
        forwarded::client(self.peer, &self.home.limits.trusted_proxies, lines)
    }

    /// What requests of the client count together by; `None` where all senders behind a proxy have its address.
    pub fn counted_as(&self, client: IpAddr) -> Option<IpAddr> {
        (!self.home.limits.is_proxy(client)).then(|| counted_as(client))
    }

    /// Whether it is one too many.
    pub fn is_surplus(&self) -> bool {
        self.seat.admitted_as.is_none()
    }

    /// From now on a request is being answered, and the connection is not watched.
    pub fn busy(&self) -> Busy<'_> {
        self.seat.idle_since.store(BUSY, Ordering::Relaxed);
        Busy(self)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let now = self.0.home.look.load(Ordering::Relaxed);
        self.0.seat.idle_since.store(now, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self.home.table();
        // The handle is dropped with it: the peer sees the end of the connection when the last handle is closed.
        table.entries.remove(&self.number);
        let Some(address) = self.seat.admitted_as else { return };
        table.admitted -= 1;
        let left = table.by_address.get_mut(&address).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            table.by_address.remove(&address);
        }
    }
}

async fn keep_looking(connections: Weak<Connections>) {
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match connections.upgrade() {
            Some(connections) => connections.look(),
            None => return,
        }
    }
}

fn close(stream: &TcpStream) {
    // The other side may have closed it already.
    drop(stream.shutdown(Shutdown::Both));
}

/// A network of 64 bits is what one subscriber has in IPv6.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Where proxies usually stand: on the same machine and in private networks.
pub const PROXIES: &[&str] = &["127.0.0.1", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
/// What each connection opens.
const FILES_EACH: usize = 2;
/// What is left for the store, destinations and the admin listener.
const FILES_RESERVED: usize = 200;
const BUSY: u32 = u32::MAX;
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// From the end of an answer until the next head is whole: ten seconds of silence and five for the head.
const IDLE_LOOKS: u32 = 30;
/// For connections beyond the limit, to send a head and be answered 503.
const SURPLUS_LOOKS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::super::network::NetworkError;
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_what_begins_alike() {
        for (text, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("::1", "::1", "::2"),
            ("fc00::/7", "fdff::1", "fe80::1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "proxy.example.com", "10.0.0.0/-1"] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
        assert_eq!(ConnectionLimits::default().proxies.len(), PROXIES.len());
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn is_closed(client: &mut TcpStream) -> bool {
        client.set_nonblocking(true).unwrap();
        matches!(std::io::Read::read(client, &mut [0]), Ok(0))
    }

    fn limited(total: usize, per_address: usize) -> Arc<Connections> {
        let limits = ConnectionLimits {
            total,
            surplus: 4,
            per_address,
            proxies: vec![network("192.0.2.0/24")],
            trusted_proxies: Vec::new(),
        };
        Arc::new(Connections { limits, look: AtomicU32::new(0), table: Mutex::default() })
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_all_there_is() {
        let connections = limited(5, 2);
        let take = |peer: &str| connections.seat(peer.parse().unwrap(), pair().1).unwrap();
        let (first, _second, third) = (take("198.51.100.1"), take("198.51.100.1"), take("198.51.100.1"));
        assert!(!first.is_surplus() && third.is_surplus());
        drop(first);
        let fourth = take("198.51.100.1");
        assert!(!fourth.is_surplus() && !take("198.51.100.2").is_surplus(), "others are not concerned");
        let proxied: Vec<Connection> = (0..3).map(|_| take("192.0.2.7")).collect();
        assert!(proxied.iter().all(|connection| !connection.is_surplus()));
        assert!(take("192.0.2.7").is_surplus() && take("198.51.100.3").is_surplus(), "the total counts for all");
        drop((proxied, fourth, third, _second));
        let table = connections.table();
        assert_eq!((table.admitted, table.entries.len(), table.by_address.len()), (0, 0, 0));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let connections = limited(5, 1);
        let take = |peer: &str| connections.seat(peer.parse().unwrap(), pair().1).unwrap();
        let _first = take("2001:db8::1");
        assert!(take("2001:db8::2").is_surplus() && !take("2001:db8:0:1::1").is_surplus());
    }

    #[test]
    fn idle_connections_are_closed_and_busy_ones_are_not() {
        let connections = limited(5, 1);
        let (mut idle, stream) = pair();
        let held = connections.seat("198.51.100.1".parse().unwrap(), stream).unwrap();
        let (mut busy, stream) = pair();
        let other = connections.seat("198.51.100.2".parse().unwrap(), stream).unwrap();
        let (mut surplus, stream) = pair();
        let _third = connections.seat("198.51.100.2".parse().unwrap(), stream).unwrap();
        let guard = other.busy();
        for look in 1..=IDLE_LOOKS {
            connections.look();
            assert_eq!(is_closed(&mut surplus), look > SURPLUS_LOOKS, "{look}");
            assert!(!is_closed(&mut idle));
        }
        connections.look();
        assert!(is_closed(&mut idle) && !is_closed(&mut busy));
        drop(guard);
        for _ in 0..IDLE_LOOKS {
            connections.look();
        }
        assert!(!is_closed(&mut busy), "the time begins with the answer");
        connections.look();
        assert!(is_closed(&mut busy));
        drop(held);
    }

    #[test]
    fn there_are_no_more_connections_than_files_for_them() {
        let limits = |files| {
            let limits = ConnectionLimits::default().within_files(files);
            (limits.total, limits.surplus)
        };
        assert_eq!((limits(65_536), limits(20_000)), ((8_192, 2_048), (7_920, 1_980)));
        assert_eq!((limits(1_024), limits(0)), ((330, 82), (1, 0)));
    }

    #[test]
    fn too_many_of_the_surplus_are_closed_at_once() {
        let connections = limited(0, 1);
        let peer: IpAddr = "198.51.100.1".parse().unwrap();
        let _held = [(); 4].map(|()| connections.seat(peer, pair().1).unwrap());
        let (mut client, stream) = pair();
        assert!(connections.seat(peer, stream).is_none() && is_closed(&mut client));
    }
}
