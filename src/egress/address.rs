//! Which addresses a request may go to.
//!
//! Where the operator points a destination, requests go: loopback and private networks included. What is refused is what
//! no destination lives at: link-local addresses, where clouds answer with the machine's own credentials, and addresses
//! that are none. Names are checked after they are resolved, at the moment of connecting.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names by the system's resolver and drops the addresses that are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| is_allowed(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address that requests may go to".into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether a request may go to `ip`.
pub fn is_allowed(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !(ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast()),
        IpAddr::V6(ip) => {
            let metadata = ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];
            !(ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast() || metadata)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infrastructure_is_out_of_reach_and_private_networks_are_not() {
        for allowed in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "93.184.216.34", "::1", "fd12::1", "2001:db8::1"] {
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
            "::ffff:169.254.169.254",
        ] {
            assert!(!is_allowed(refused.parse().unwrap()), "{refused}");
        }
    }
}
