//! From which address a request comes, where it comes through proxies.
//!
//! Every client can write `X-Forwarded-For`. It is read only where the peer is a proxy that the operator trusts, from its
//! end, and no further than to the first address that is not such a proxy: that one was written by a proxy that is.

use std::net::{IpAddr, SocketAddr};

use super::network::Network;

/// The address that a request comes from: `peer`, or what the trusted proxies before it say. `lines` are the values of
/// all `X-Forwarded-For` lines, in order.
pub fn client<'l>(peer: IpAddr, trusted: &[Network], lines: impl DoubleEndedIterator<Item = &'l [u8]>) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let hops = lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    for hop in hops.take(HOPS_MAX) {
        // What cannot be read ends the chain: whatever stands before it was not written by a proxy that is trusted.
        let Some(address) = read(hop) else { break };
        nearest = address;
        if !is_trusted(nearest) {
            break;
        }
    }
    nearest
}

/// An address as proxies write it: with or without a port, IPv6 in brackets or not.
fn read(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// No request comes through more proxies.
const HOPS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<Network> = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).into();
        client(peer.parse().unwrap(), &trusted, lines.iter().map(|line| line.as_bytes())).to_string()
    }

    #[test]
    fn only_the_word_of_a_trusted_proxy_counts() {
        for (peer, lines, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1, 10.2.3.4"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1", "10.2.3.4 , 10.9.9.9"], "198.51.100.1"),
            ("127.0.0.1", &["10.2.3.4"], "10.2.3.4"),
            ("10.1.1.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::7", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("fd00::7", &["[2001:db8::1]"], "2001:db8::1"),
            ("fd00::7", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1, unknown, 10.2.3.4"], "10.2.3.4"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1,"], "127.0.0.1"),
        ] {
            assert_eq!(of(peer, lines), expected, "{peer} {lines:?}");
        }
        let long = vec!["10.0.0.1"; 1_000].join(",");
        assert_eq!(of("127.0.0.1", &[&format!("198.51.100.1,{long}")]), "10.0.0.1");
        let none: [Network; 0] = [];
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(client(peer, &none, [&b"198.51.100.1"[..]].into_iter()), peer);
    }
}
