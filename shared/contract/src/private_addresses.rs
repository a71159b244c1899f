//! The private addresses that steps and alerts may reach, as an operator writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// The private addresses that may be reached; public ones always may. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// None.
    Deny,
    /// All.
    Allow,
    /// Those of these networks.
    Only(Arc<[Network]>),
}

/// An address with the number of its leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no [`PrivateAddresses`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{part}' is no network: write `deny`, `allow`, or networks with commas, such as 10.0.0.0/8,127.0.0.1/32")]
pub struct PrivateAddressesError {
    part: String,
}

impl PrivateAddresses {
    /// Returns true if a connection to the address may be made.
    #[must_use]
    pub fn permit(&self, address: IpAddr) -> bool {
        let embedded = embedded(address);
        if !is_private(embedded) {
            return true;
        }
        match self {
            Self::Deny => false,
            Self::Allow => true,
            Self::Only(networks) => networks.iter().any(|network| network.holds(embedded) || network.holds(address)),
        }
    }
}

impl fmt::Display for PrivateAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deny => f.write_str("deny"),
            Self::Allow => f.write_str("allow"),
            Self::Only(networks) => {
                for (index, Network { address, bits }) in networks.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "," };
                    write!(f, "{separator}{address}/{bits}")?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for PrivateAddresses {
    type Err = PrivateAddressesError;

    fn from_str(text: &str) -> Result<Self, PrivateAddressesError> {
        match text.trim() {
            "deny" => return Ok(Self::Deny),
            "allow" => return Ok(Self::Allow),
            _ => {}
        }
        let networks: Result<Vec<Network>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        networks.map(|networks| Self::Only(networks.into()))
    }
}

impl FromStr for Network {
    type Err = PrivateAddressesError;

    fn from_str(text: &str) -> Result<Self, PrivateAddressesError> {
        let error = || PrivateAddressesError { part: text.chars().take(80).collect() };
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let max_bits = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(max_bits), |bits| bits.parse().map_err(|_| error()))?;
        if bits <= max_bits { Ok(Self { address, bits }) } else { Err(error()) }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same_start(own.to_bits().into(), other.to_bits().into(), 32 - u32::from(self.bits)),
            (IpAddr::V6(own), IpAddr::V6(other)) => same_start(own.to_bits(), other.to_bits(), 128 - u32::from(self.bits)),
            _ => false,
        }
    }
}

/// Returns true if two numbers are the same but for their last bits.
fn same_start(left: u128, right: u128, last: u32) -> bool {
    (left ^ right).checked_shr(last).unwrap_or(0) == 0
}

/// The IPv4 address that an IPv6 address stands for, on this machine or behind a translator; else the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        // Mapped (RFC 4291) and translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // Compatible, deprecated; `::` and `::1` are not of these.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        // NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => v4(!high, !low),
        _ => address,
    }
}

/// Returns true if the public internet does not route the address, or routes it to more than one receiver: the registries of RFC 6890.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, third, _] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || first == 0
                || first >= 240
                || (first == 100 && (64..128).contains(&second))
                || (first == 198 && (18..20).contains(&second))
                || (first == 192 && second == 0 && third == 0)
        }
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let [first, second, third, ..] = v6.segments();
    let is_site_local = first & 0xffc0 == 0xfec0;
    // RFC 8215: NAT64 of an operator's own.
    let is_local_translation = first == 0x64 && second == 0xff9b && third == 1;
    v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || v6.is_multicast()
        || is_site_local
        || is_local_translation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_in_every_form_are_refused_and_public_ones_are_not() {
        let private = [
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "ff02::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2001:0:1:2:3:4:80ff:fffe",
        ];
        for address in private {
            assert!(!PrivateAddresses::Deny.permit(address.parse().unwrap()), "{address}");
            assert!(PrivateAddresses::Allow.permit(address.parse().unwrap()), "{address}");
        }
        let public =
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "9.255.255.255", "192.0.2.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"];
        for address in public {
            assert!(PrivateAddresses::Deny.permit(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_list_allows_its_networks_and_nothing_else() {
        let allowed: PrivateAddresses = "10.0.0.0/8, 127.0.0.1,fd00::/8".parse().unwrap();
        for (address, permitted) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12::1", true),
            ("fc12::1", false),
            ("11.0.0.1", true),
        ] {
            assert_eq!(allowed.permit(address.parse().unwrap()), permitted, "{address}");
        }
        assert!("0.0.0.0/0".parse::<PrivateAddresses>().unwrap().permit("169.254.169.254".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "internal", "10.0.0.0/8;::1", "10.0.0.0/"] {
            assert!(text.parse::<PrivateAddresses>().is_err(), "{text}");
        }
        assert_eq!(("deny".parse(), " allow ".parse()), (Ok(PrivateAddresses::Deny), Ok(PrivateAddresses::Allow)));
    }

    #[test]
    fn they_are_written_as_they_are_read() {
        for text in ["deny", "allow", "10.0.0.0/8,127.0.0.1/32,fd00::/8"] {
            assert_eq!(text.parse::<PrivateAddresses>().unwrap().to_string(), text);
        }
    }
}
