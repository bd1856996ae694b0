//! Addresses that mean something else on every machine: link-local ones, and the clouds' metadata servers, which
//! hand out the machine's credentials to whoever asks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Alibaba Cloud, Azure (its WireServer), Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// AWS, Google Cloud.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Resolves names, and refuses those that stand for such an address. The address that was checked is the one that is
/// connected to.
#[derive(Clone, Debug)]
pub(in crate::data) struct Guard {
    /// Addresses that the operator listed.
    listed: Vec<IpAddr>,
}

/// A name stands for an address that may not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{address} may not be asked: {why}")]
pub(in crate::data) struct RefusedAddress {
    pub address: IpAddr,
    pub why: &'static str,
}

impl Guard {
    pub fn new(listed: Vec<IpAddr>) -> Self {
        Self { listed }
    }

    /// # Errors
    /// Why the address may not be asked.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        match meaning(address) {
            Some(why) if !self.listed.contains(&address) => Err(why),
            _ => Ok(()),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One such address among good ones is no accident.
            for address in found.iter().map(SocketAddr::ip) {
                guard
                    .check(address)
                    .map_err(|why| RefusedAddress { address, why })?;
            }
            if found.is_empty() {
                return Err(io::Error::other("the name has no address").into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn meaning(address: IpAddr) -> Option<&'static str> {
    let metadata = "it is a cloud's metadata server, which holds the machine's credentials";
    let link_local = "it is a link-local address, where metadata servers are";
    match plain(address) {
        IpAddr::V4(address) if METADATA_V4.contains(&address) => Some(metadata),
        IpAddr::V6(address) if METADATA_V6.contains(&address) => Some(metadata),
        IpAddr::V4(address) if address.is_link_local() => Some(link_local),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(link_local),
        _ => None,
    }
}

/// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64 or 6to4.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let parts = v6.segments();
    let inner = match parts {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if high != 0 => Some((high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    match inner {
        Some((high, low)) => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        None => address,
    }
}
