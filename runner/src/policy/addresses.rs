//! Addresses that are no public ones: those of this machine and its network, link-local ones, and the clouds' metadata
//! servers, which give the machine's credentials to every caller.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Metadata servers outside of the link-local range: Alibaba Cloud, Azure (its WireServer), Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    // Scaleway and Tencent Cloud, outside of the usual 169.254.169.0/24.
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The first 32 bits of metadata servers: AWS (`fd00:ec2::254`, for pods `fd00:ec2::23`), Scaleway (`fd00:42::42`), Oracle
/// Cloud (`fd00:c1::a9fe:a9fe`), Akamai (`fd00:a9fe:a9fe::1`), Google Cloud (`fd20:ce::254`). Private networks choose theirs at random.
const METADATA_V6: [[u16; 2]; 5] = [
    [0xfd00, 0xec2],
    [0xfd00, 0x42],
    [0xfd00, 0xc1],
    [0xfd00, 0xa9fe],
    [0xfd20, 0xce],
];
/// Their names: where a proxy resolves names, their addresses are never seen here.
const METADATA_NAMES: [&str; 8] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "api.metadata.cloud.ibm.com",
];

/// What an address is that is no public one. The later, the more harm a request to it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// Loopback, private, or reserved.
    Private,
    LinkLocal,
    Metadata,
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Private => {
                "it is a loopback, private or reserved address, where the machine and its network have their own services"
            }
            Self::LinkLocal => "it is a link-local address, where metadata servers are",
            Self::Metadata => {
                "it is a cloud's metadata server, which holds the machine's credentials"
            }
        })
    }
}

/// Resolves names, and refuses those that stand for an address in a closed zone. The address that was checked is the one
/// that is connected to.
#[derive(Clone, Debug)]
pub struct Guard {
    /// This zone is closed, and those that are worse.
    closed: Zone,
    /// Addresses that the operator listed.
    listed: Vec<IpAddr>,
    /// Names that the operator listed.
    names: Vec<String>,
    /// Names of the proxies that requests go through.
    proxies: Vec<String>,
}

/// A name stands for an address that may not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{address} may not be asked: {zone}")]
pub struct RefusedAddress {
    pub address: IpAddr,
    pub zone: Zone,
}

impl Guard {
    #[must_use]
    pub fn new(closed: Zone) -> Self {
        Self {
            closed,
            listed: Vec::new(),
            names: Vec::new(),
            proxies: Vec::new(),
        }
    }

    /// Lets requests reach these proxies by their names. A company's own proxy has a private address as a rule, and its
    /// operator chose it.
    #[must_use]
    pub fn through(mut self, proxies: Vec<String>) -> Self {
        self.proxies = proxies;
        self
    }

    /// Lets the host through that is written in this URL, as it is written.
    #[must_use]
    pub fn except(mut self, url: &Url) -> Self {
        match url.host() {
            Some(Host::Ipv4(address)) => self.listed.push(address.into()),
            Some(Host::Ipv6(address)) => self.listed.push(address.into()),
            Some(Host::Domain(name)) => self.names.push(plain_name(name).to_owned()),
            None => {}
        }
        self
    }

    /// # Errors
    /// The closed zone that the address is in.
    pub fn check(&self, address: IpAddr) -> Result<(), Zone> {
        match zone(address) {
            Some(zone) if zone >= self.closed && !self.listed.contains(&address) => Err(zone),
            _ => Ok(()),
        }
    }

    /// Checks the host as it is written in the URL. What its name stands for is checked when it is resolved.
    ///
    /// # Errors
    /// The closed zone that it is in.
    pub fn check_host(&self, url: &Url) -> Result<(), Zone> {
        let name = match url.host() {
            Some(Host::Ipv4(address)) => return self.check(address.into()),
            Some(Host::Ipv6(address)) => return self.check(address.into()),
            Some(Host::Domain(name)) => plain_name(name),
            None => return Ok(()),
        };
        let zone = if METADATA_NAMES.contains(&name) {
            Zone::Metadata
        } else if name == "localhost" || name.ends_with(".localhost") {
            Zone::Private
        } else {
            return Ok(());
        };
        if zone >= self.closed && !self.names.iter().any(|listed| listed == name) {
            return Err(zone);
        }
        Ok(())
    }
}

/// Without the dot that may end a name.
fn plain_name(name: &str) -> &str {
    name.trim_end_matches('.')
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if guard.proxies.iter().any(|proxy| proxy == name.as_str()) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            // One such address among good ones is no accident.
            for address in found.iter().map(SocketAddr::ip) {
                guard
                    .check(address)
                    .map_err(|zone| RefusedAddress { address, zone })?;
            }
            if found.is_empty() {
                return Err(io::Error::other("the name has no address").into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// None for a public address. An IPv6 address that leads to an IPv4 one is as near as the nearer of the two.
fn zone(address: IpAddr) -> Option<Zone> {
    match (address, embedded(address)) {
        (IpAddr::V4(address), _) => zone_v4(address),
        (IpAddr::V6(address), Some(inner)) if is_written_for(address) => zone_v4(inner),
        (IpAddr::V6(address), inner) => zone_v6(address).max(inner.and_then(zone_v4)),
    }
}

/// Whether an IPv6 address is nothing but another way to write an IPv4 one: mapped, translated, compatible, and the
/// well-known prefix of NAT64 (RFC 6052). No network of its own lies behind it.
fn is_written_for(address: Ipv6Addr) -> bool {
    matches!(
        address.segments(),
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
            | [0, 0, 0, 0, 0xffff, 0, ..]
            | [0x64, 0xff9b, 0, 0, 0, 0, ..]
    )
}

fn zone_v4(address: Ipv4Addr) -> Option<Zone> {
    if METADATA_V4.contains(&address) {
        return Some(Zone::Metadata);
    }
    match address.octets() {
        // 169.254.169.254 of most clouds, 169.254.170.2 and .23 of containers on AWS, and their neighbours.
        [169, 254, 169 | 170, _] => Some(Zone::Metadata),
        [169, 254, ..] => Some(Zone::LinkLocal),
        [0 | 10 | 127 | 224..=255, ..]
        | [100, 64..=127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Some(Zone::Private),
        _ => None,
    }
}

fn zone_v6(address: Ipv6Addr) -> Option<Zone> {
    let parts = address.segments();
    if METADATA_V6.iter().any(|net| parts.starts_with(net)) {
        return Some(Zone::Metadata);
    }
    match parts {
        // OpenStack.
        [0xfe80, .., 0xa9fe, 0xa9fe] => Some(Zone::Metadata),
        [0xfe80..=0xfebf, ..] => Some(Zone::LinkLocal),
        // Teredo and others with a meaning of their own; examples.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, ..] => Some(Zone::Private),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Zone::Private),
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped, translated, compatible, NAT64, 6to4, ISATAP.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let (high, low) = match address.segments() {
        // `::` and `::1` are addresses of IPv6 itself.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => (high, low),
        [0x64, 0xff9b, 0 | 1, .., high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        [.., 0 | 0x200, 0x5efe, high, low] => (high, low),
        _ => return None,
    };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}
