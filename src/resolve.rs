//! Which addresses a host has.
//!
//! 1. An IP address has itself, and `localhost` the two of loopback (RFC 6761 §6.3).
//! 2. Other names are the system's resolver's matter. In a static executable that is glibc's, too:
//!    from 2.34 on it asks `/etc/hosts` and the DNS without its shared libraries, which an image
//!    from scratch has not (`docs/decisions/0021-static-executable.md`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

/// The addresses of `authority`, `host [ ":" port ]`, in the order in which they are to be tried.
///
/// # Errors
/// When the host has none.
pub(crate) fn addresses(authority: &str, default_port: u16) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = split(authority);
    let port = match port {
        None | Some("") => default_port,
        Some(digits) => digits.parse().map_err(io::Error::other)?,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = match bare.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) if host.eq_ignore_ascii_case("localhost") => LOOPBACK.to_vec(),
        Err(_) => resolved(host)?,
    };
    if found.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    let with_port = |address| SocketAddr::new(address, port);
    Ok(found.into_iter().map(with_port).collect())
}

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// A colon within brackets is the address's own.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn resolved(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = (host, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn literals_and_localhost_need_no_resolver() {
        for (authority, expected) in [
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("127.0.0.1:", "127.0.0.1:80"),
            ("[::1]", "[::1]:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:1", "127.0.0.1:1 [::1]:1"),
            ("LocalHost", "127.0.0.1:80 [::1]:80"),
        ] {
            let found = addresses(authority, 80).unwrap();
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{authority}");
        }
        for authority in ["127.0.0.1:65536", "a.invalid", "a.invalid:80"] {
            assert!(addresses(authority, 80).is_err(), "{authority}");
        }
    }
}
