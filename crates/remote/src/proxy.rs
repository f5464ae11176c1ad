//! Which proxy an address is reached through, by the environment's habits.
//!
//! 1. `HTTPS_PROXY`, `https_proxy`, then `HTTP_PROXY`, `http_proxy`: as Cargo does, through whose
//!    proxy the crates of the same build came. An empty value counts as none.
//! 2. `NO_PROXY`, `no_proxy`: names with everything below them, addresses, networks in CIDR form,
//!    each with a port if wanted; `*` is all. `ureq` has its own reading, without spaces, networks
//!    and subdomains; and one proxy for all addresses.
//! 3. Loopback hosts are never reached through a proxy, whose loopback would be another machine.
//!    Plain HTTP has no other hosts, so that a proxy only ever gets `CONNECT`.

use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

use crate::Lookup;
use crate::address::Address;
use crate::hosts::{self, Near};

const PROXY: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy for `address`, if it needs one.
///
/// # Errors
/// A proxy that cannot be used; its value is not shown.
pub fn proxy_for(address: &Address, env: Lookup<'_>) -> Result<Option<Proxy>, String> {
    if hosts::near(&address.host) == Some(Near::Loopback) {
        return Ok(None);
    }
    let first = |names: &[&'static str]| {
        let mut set = names.iter().filter_map(|name| Some((*name, env(name)?)));
        set.find(|(_, value)| !value.trim().is_empty())
    };
    let Some((name, value)) = first(&PROXY) else {
        return Ok(None);
    };
    if first(&NO_PROXY).is_some_and(|(_, list)| is_exempt(address, &list)) {
        return Ok(None);
    }
    // The value may hold a password: no message shows it.
    let proxy = Proxy::new(value.trim()).map_err(|_| format!("`{name}` names no usable proxy"))?;
    if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(format!(
            "`{name}` names a proxy that is neither http:// nor https://"
        ));
    }
    Ok(Some(proxy))
}

fn is_exempt(address: &Address, list: &str) -> bool {
    list.split(|mark: char| mark == ',' || mark.is_whitespace())
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(address, entry))
}

fn matches(address: &Address, entry: &str) -> bool {
    let (host, port) = match entry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None if entry.matches(':').count() == 1 => entry
            .split_once(':')
            .map_or((entry, None), |(host, port)| (host, Some(port))),
        None => (entry, None),
    };
    if port.is_some_and(|port| port.parse() != Ok(address.port)) {
        return false;
    }
    if let (Some((network, bits)), Ok(ip)) = (host.split_once('/'), address.host.parse()) {
        return contains(network, bits, ip);
    }
    if let (Ok(one), Ok(other)) = (host.parse::<IpAddr>(), address.host.parse::<IpAddr>()) {
        return one == other;
    }
    let host = host.to_ascii_lowercase();
    let name = host.trim_start_matches('*').trim_start_matches('.');
    let below = |rest: &str| rest.is_empty() || rest.ends_with('.');
    host == "*" || (!name.is_empty() && address.host.strip_suffix(name).is_some_and(below))
}

fn contains(network: &str, bits: &str, ip: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let (one, other, width) = match (network, ip) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(one.to_bits()), u128::from(other.to_bits()), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let Some(shift) = u32::checked_sub(width, bits) else {
        return false;
    };
    // A shift by the whole width, of /0, is the network of everything.
    one.checked_shr(shift) == other.checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use super::proxy_for;
    use crate::address::Address;

    /// The proxy's host and port, or nothing.
    fn found(address: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = proxy_for(&Address::parse(address).unwrap(), &env)?;
        Ok(proxy.map_or_else(String::new, |p| format!("{}:{}", p.host(), p.port())))
    }

    #[test]
    fn the_environment_names_the_proxy() {
        let to = "https://example.com/";
        for (variables, expected) in [
            (&[][..], ""),
            (&[("HTTPS_PROXY", "http://p:1")], "p:1"),
            (&[("https_proxy", "http://u:w@p:1/")], "p:1"),
            (&[("HTTPS_PROXY", " "), ("https_proxy", "p:2")], "p:2"),
            (&[("HTTP_PROXY", "p:3"), ("https_proxy", "p:2")], "p:2"),
            (&[("http_proxy", "https://p:3")], "p:3"),
        ] {
            assert_eq!(found(to, variables).unwrap(), expected, "{variables:?}");
        }
        for value in ["socks5://u:secret@p:1", "gopher://secret", "http://", "a b"] {
            let cause = found(to, &[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(cause.starts_with("`HTTPS_PROXY` names "), "{cause}");
            assert!(!cause.contains("secret"), "{cause}");
        }
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let to = format!("http://{host}:5000/");
            assert_eq!(found(&to, &[("HTTP_PROXY", "http://p:1")]).unwrap(), "");
        }
    }

    #[test]
    fn no_proxy_names_the_exceptions() {
        for (to, list, is_exempt) in [
            ("https://example.com/", "example.com", true),
            ("https://a.example.com/", "example.com", true),
            ("https://a.example.com/", ".example.com", true),
            ("https://a.example.com/", "*.Example.COM", true),
            ("https://myexample.com/", "example.com", false),
            ("https://example.com.evil/", "example.com", false),
            ("https://example.com/", "other, example.com ,third", true),
            ("https://example.com/", "other example.com", true),
            ("https://example.com/", "*", true),
            ("https://example.com/", "", false),
            ("https://example.com/", ".", false),
            ("https://example.com/", "example.com:443", true),
            ("https://example.com/", "example.com:8443", false),
            ("https://10.1.2.3/", "10.1.2.3", true),
            ("https://10.1.2.3/", "10.0.0.0/8", true),
            ("https://11.1.2.3/", "10.0.0.0/8", false),
            ("https://11.1.2.3/", "0.0.0.0/0", true),
            ("https://11.1.2.3/", "10.0.0.0/33", false),
            ("https://11.1.2.3/", "::/0", false),
            ("https://[fd00::1]/", "fd00::/8", true),
            ("https://[fd00::1]:5000/", "[fd00::1]:5000", true),
            ("https://[fd00::1]/", "fd00:0::1", true),
            ("https://[2001:db8::1]/", "::/0", true),
        ] {
            let variables = [("HTTPS_PROXY", "p:1"), ("no_proxy", list)];
            let expected = if is_exempt { "" } else { "p:1" };
            assert_eq!(found(to, &variables).unwrap(), expected, "{to} {list}");
        }
    }
}
