//! Networks whose proxies are believed: `--trusted-proxy`.
//!
//! An address of IPv4 that comes as one of IPv6 (`::ffff:10.0.0.1`) is the one of IPv4, here and
//! wherever addresses are compared.

use std::net::IpAddr;
use std::str::FromStr;

/// Who is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    networks: Vec<Network>,
    /// Whoever may connect to a Unix socket, too.
    unix: bool,
}

impl Trusted {
    /// Adds what was typed: a network, an address, or `unix`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "unix" {
            self.unix = true;
        } else {
            self.networks.push(text.parse()?);
        }
        Ok(())
    }

    /// How many networks there are.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// Whether a peer is believed; none is that of a Unix socket.
    #[must_use]
    pub fn believes(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix, |address| self.holds(address))
    }

    /// Whether the address is in one of the networks.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.holds(address))
    }
}

/// A network: the bits that its addresses have in common. A mask has ones where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    V4 { bits: u32, mask: u32 },
    V6 { bits: u128, mask: u128 },
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        match (self, address) {
            (Network::V4 { bits, mask }, IpAddr::V4(address)) => u32::from(address) & mask == bits,
            (Network::V6 { bits, mask }, IpAddr::V6(address)) => u128::from(address) & mask == bits,
            (Network::V4 { .. }, IpAddr::V6(_)) | (Network::V6 { .. }, IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let nothing = "it is no network like 10.0.0.0/8 or fd00::/8, no address, and not `unix`";
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| nothing.to_owned())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => whole,
            Some(length) => number(length)
                .filter(|length| *length <= whole)
                .ok_or_else(|| format!("behind the slash stands no number from 0 to {whole}"))?,
        };
        let (address, length) = match (address.to_canonical(), address) {
            (IpAddr::V4(mapped), IpAddr::V6(_)) => {
                let length = length.checked_sub(96);
                let cause = "an address of IPv4 as one of IPv6 needs 96 bits at least";
                (IpAddr::V4(mapped), length.ok_or(cause)?)
            }
            _ => (address, length),
        };
        let (network, behind) = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                let bits = u32::from(address);
                (Network::V4 { bits, mask }, bits & !mask != 0)
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                let bits = u128::from(address);
                (Network::V6 { bits, mask }, bits & !mask != 0)
            }
        };
        match behind {
            false => Ok(network),
            true => Err(format!(
                "{address} has bits that are not among the first {length}"
            )),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| plain && !zeros)
}

#[cfg(test)]
mod tests {
    use super::Trusted;

    #[test]
    fn networks_hold_what_they_should() {
        for (network, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.1", false),
            ("fd00::/8", "fdff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1", "::1", true),
        ] {
            let mut trusted = Trusted::default();
            trusted.add(network).unwrap();
            let address = address.parse().unwrap();
            assert_eq!(trusted.holds(address), holds, "{address} in {network}");
            assert_eq!(trusted.believes(Some(address)), holds);
            assert!(!trusted.believes(None));
        }
        let mut trusted = Trusted::default();
        trusted.add("unix").unwrap();
        assert!(trusted.believes(None) && !trusted.holds("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_told() {
        for (text, cause) in [
            ("", "no network"),
            ("10.0.0.0.0/8", "no network"),
            ("10.0.0/8", "no network"),
            ("proxy.example", "no network"),
            ("10.0.0.0/", "no number from 0 to 32"),
            ("10.0.0.0/33", "no number from 0 to 32"),
            ("10.0.0.0/+8", "no number from 0 to 32"),
            ("10.0.0.0/08", "no number from 0 to 32"),
            ("10.0.0.0/8/8", "no number from 0 to 32"),
            ("fd00::/129", "no number from 0 to 128"),
            (
                "10.0.0.1/8",
                "10.0.0.1 has bits that are not among the first 8",
            ),
            ("::1/0", "has bits"),
            ("::ffff:10.0.0.0/8", "needs 96 bits"),
            (
                "::ffff:10.0.0.1/104",
                "has bits that are not among the first 8",
            ),
            ("unix:/run/x", "no network"),
        ] {
            let found = Trusted::default().add(text).unwrap_err();
            assert!(found.contains(cause), "{text}: {found}");
        }
    }
}
