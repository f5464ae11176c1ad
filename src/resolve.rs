//! Which addresses a host has.
//!
//! 1. An IP address has itself, and `localhost` the two of loopback (RFC 6761 §6.3).
//! 2. Other names are the system's resolver's matter, if the executable is linked to one.
//! 3. A static executable is not: glibc's resolver would want its shared libraries when it runs,
//!    which an image from scratch has not, and takes 125 KB of the executable
//!    (`docs/decisions/0021-static-executable.md`). It looks into `/etc/hosts`, where container
//!    engines put the names that they give.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

#[cfg(not(all(target_os = "linux", target_feature = "crt-static")))]
fn resolved(host: &str) -> io::Result<Vec<IpAddr>> {
    use std::net::ToSocketAddrs as _;

    let found = (host, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(all(target_os = "linux", target_feature = "crt-static"))]
fn resolved(host: &str) -> io::Result<Vec<IpAddr>> {
    use std::io::Read as _;

    let mut text = String::new();
    let file = std::fs::File::open("/etc/hosts")?;
    let mut file = file.take(crate::limits::HOSTS_BYTES_MAX);
    file.read_to_string(&mut text)?;
    Ok(listed(&text, host))
}

/// The addresses that a hosts file, hosts(5), gives to a name.
#[cfg(any(test, all(target_os = "linux", target_feature = "crt-static")))]
fn listed(hosts: &str, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        let names = words.any(|known| known.eq_ignore_ascii_case(name));
        names.then_some(address)
    };
    hosts.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{addresses, listed};

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

    #[test]
    fn hosts_are_read_as_files_of_hosts_are() {
        let hosts = "127.0.0.1\tlocalhost\n::1 localhost ip6\n# 10.0.0.1 web\n\n\
                     10.0.0.2 web.example web # mine\nx web\n10.0.0.3 \tWEB\n10.0.0.4";
        for (name, expected) in [
            ("web", "10.0.0.2 10.0.0.3"),
            ("web.example", "10.0.0.2"),
            ("ip6", "::1"),
            ("mine", ""),
            ("10.0.0.4", ""),
        ] {
            let found = listed(hosts, name);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{name}");
        }
    }
}
