//! Which addresses a request may go to.
//!
//! Where the operator points a destination, requests go: loopback and private networks included. Refused are addresses
//! that no destination has: link-local addresses and the others where clouds answer with the machine's own credentials, and
//! invalid addresses. Names are checked after they are resolved, at the moment of connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses of a host that messages may go to: at least one.
///
/// # Errors
/// Where the name cannot be resolved, or has no such address.
pub async fn resolve(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    allowed_of(tokio::net::lookup_host((host, port)).await?)
}

/// Those of the addresses of a name that requests may go to: at least one.
fn allowed_of(found: impl Iterator<Item = SocketAddr>) -> std::io::Result<Vec<SocketAddr>> {
    let allowed: Vec<SocketAddr> = found.filter(|address| is_allowed(address.ip())).collect();
    if allowed.is_empty() {
        return Err(std::io::Error::other("the name has no address that requests may go to"));
    }
    Ok(allowed)
}

/// Resolves names by the system's resolver and drops the addresses that are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Addrs = Box::new(resolve(name.as_str(), 0).await?.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether a request may go to `ip`. An IPv6 address that stands for an IPv4 address is checked as that one: a
/// translator or a tunnel on the way would take the request there.
pub fn is_allowed(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_allowed_v4(ip),
        IpAddr::V6(ip) => {
            let refused = ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast() || is_metadata_v6(ip);
            !refused && embedded_v4(ip).into_iter().all(is_allowed_v4)
        }
    }
}

fn is_allowed_v4(ip: Ipv4Addr) -> bool {
    let is_special = ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast();
    !(is_special || METADATA_V4.contains(&ip))
}

/// Where clouds answer with a machine's own credentials, beyond the link-local addresses that most of them use.
fn is_metadata_v6(ip: Ipv6Addr) -> bool {
    // All of what Amazon keeps for its own services within a network.
    matches!(ip.segments(), [0xfd00, 0xec2, ..]) || METADATA_V6.contains(&ip)
}

/// The IPv4 addresses that an IPv6 address may stand for; none for most.
fn embedded_v4(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let octets = ip.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| octets[place]));
    let (last, inverted) = (at([12, 13, 14, 15]), Ipv4Addr::from_bits(!at([12, 13, 14, 15]).to_bits()));
    match ip.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, ..] if ip.to_bits() > 1 => vec![last],
        // RFC 2765, RFC 6052.
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // RFC 8215: a network may use any prefix of 48 bits and more in it, and RFC 6052 has a layout for each length.
        [0x64, 0xff9b, 1, ..] => {
            let layouts = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]];
            let candidates: Vec<Ipv4Addr> = layouts.map(at).into_iter().filter(|ip| !ip.is_unspecified()).collect();
            if candidates.is_empty() { vec![Ipv4Addr::UNSPECIFIED] } else { candidates }
        }
        // 6to4, RFC 3056.
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        // Teredo, RFC 4380: the server, and the client with every bit inverted.
        [0x2001, 0, ..] => vec![at([4, 5, 6, 7]), inverted],
        _ => Vec::new(),
    }
}

/// Alibaba Cloud, Azure, the classic one of Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// Google, Oracle.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infrastructure_is_out_of_reach_and_private_networks_are_not() {
        for allowed in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "93.184.216.34", "::1", "fd12::1", "2001:db8::1"]
            .into_iter()
            .chain(["100.100.100.201", "100.64.0.1", "168.63.129.17", "fd00:ec3::1", "fd20:ce::255", "fd20:ce:1::254"])
        {
            assert!(is_allowed(allowed.parse().unwrap()), "{allowed}");
        }
        for refused in [
            "169.254.169.254",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "::",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::ffff:169.254.169.254",
            "::ffff:100.100.100.200",
            "64:ff9b::100.100.100.200",
        ] {
            assert!(!is_allowed(refused.parse().unwrap()), "{refused}");
        }
    }

    /// Mail and syslog hand hosts to the system's resolver as they are written, and that reads every form.
    #[tokio::test]
    async fn no_written_form_of_a_forbidden_address_is_connected_to() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "0",
            "255.255.255.255",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
        ] {
            let found = resolve(host, 25).await;
            assert!(found.is_err_and(|error| error.to_string().contains("requests may go to")), "{host}");
        }
        for host in ["127.0.0.1", "0x7f000001", "2130706433", "::1"] {
            assert!(resolve(host, 25).await.is_ok(), "{host}");
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_only_those_that_are_allowed_are_connected_to() {
        let all =
            |texts: &[&str]| allowed_of(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>().into_iter());
        let kept = all(&["169.254.169.254:25", "10.0.0.7:25", "[fe80::1]:25"]).unwrap();
        assert_eq!(kept, ["10.0.0.7:25".parse().unwrap()]);
        assert!(all(&["169.254.169.254:25", "[64:ff9b::a9fe:a9fe]:25"]).is_err());
        assert!(all(&[]).is_err());
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_counts_as_itself() {
        // 169.254.169.254 is a9fe:a9fe, and 192.168.0.9 is c0a8:0009.
        for refused in [
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::0.0.0.0",
            "64:ff9b::ffff:ffff",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00::",
            "2002:a9fe:a9fe::1",
            "2002:e000:0001::1",
            "2001:0:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:5601:5601",
        ] {
            assert!(!is_allowed(refused.parse().unwrap()), "{refused}");
        }
        for allowed in [
            "::192.168.0.9",
            "64:ff9b::192.168.0.9",
            "64:ff9b:1::192.168.0.9",
            "64:ff9b:1:c0a8:0:900::",
            "2002:c0a8:9::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::169.254.169.254",
        ] {
            assert!(is_allowed(allowed.parse().unwrap()), "{allowed}");
        }
    }
}
