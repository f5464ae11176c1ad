//! Addresses: where something is asked for, and what of that may be shown.
//!
//! 1. An address is `https`, or `http` to a loopback host: digests guard what comes, but not the
//!    tokens that go.
//! 2. No credentials: they would stand in the site's configuration and in its provenance.
//! 3. A query may hold a signature, so that no message shows one.

use std::fmt;
use std::net::Ipv6Addr;

use crate::hosts::{self, Near};
use crate::limits::ADDRESS_BYTES_MAX;
use crate::redact::shorten;

/// An absolute `https` or `http` address. Its `Display` is fit for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// https, or http for loopback.
    pub scheme: Scheme,
    /// In lower case; an IPv6 address without its brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// Begins with `/`.
    path: String,
    query: Option<String>,
}

/// The two schemes that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Address {
    /// Parses what stands in a configuration, a redirect or a challenge.
    ///
    /// # Errors
    /// What is refused, in words.
    pub fn parse(text: &str) -> Result<Address, String> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or("it is no whole address")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err("its scheme is neither https nor http".to_owned()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or(scheme.default_port());
        if scheme == Scheme::Http && hosts::near(&host) != Some(Near::Loopback) {
            return Err(
                "plain http is only for loopback hosts, because anybody on the way could read \
                 and change it"
                    .to_owned(),
            );
        }
        let (path, query) = split_query(target);
        let path = if path.is_empty() { "/" } else { path };
        Ok(Address {
            scheme,
            host,
            port,
            path: path.to_owned(),
            query: query.map(str::to_owned),
        })
    }

    /// The address that a `Location` means which came from here (RFC 3986 §5.2).
    ///
    /// # Errors
    /// What is refused, in words.
    pub fn join(&self, location: &str) -> Result<Address, String> {
        check_characters(location)?;
        let location = location.split('#').next().unwrap_or_default();
        let is_absolute = location
            .split_once(':')
            .is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
        if is_absolute {
            return Address::parse(location);
        }
        if location.starts_with("//") {
            return Address::parse(&format!("{}:{location}", self.scheme));
        }
        let (path, query) = split_query(location);
        let path = if path.is_empty() {
            self.path.clone()
        } else if path.starts_with('/') {
            without_dots(path)
        } else {
            let directory = self.path.rsplit_once('/').map_or("", |(start, _)| start);
            without_dots(&format!("{directory}/{path}"))
        };
        Ok(Address {
            path,
            query: query.map(str::to_owned),
            ..self.clone()
        })
    }

    /// The same with `fields` added to its query.
    #[must_use]
    pub fn with_query(&self, fields: &[(&str, &str)]) -> Address {
        let mut query = self.query.clone().unwrap_or_default();
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&form(fields));
        Address {
            query: Some(query),
            ..self.clone()
        }
    }

    /// Whether a credential for one may go to the other.
    #[must_use]
    pub fn has_origin_of(&self, other: &Address) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// All of it, for the request.
    #[must_use]
    pub fn whole(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.without_query()),
            None => self.without_query(),
        }
    }

    fn without_query(&self) -> String {
        let (scheme, path) = (self.scheme, &self.path);
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            format!("{scheme}://{host}{path}")
        } else {
            format!("{scheme}://{host}:{}{path}", self.port)
        }
    }
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.without_query();
        formatter.write_str(&shorten(&shown))?;
        formatter.write_str(if self.query.is_some() { "?…" } else { "" })
    }
}

/// A host, in lower case and without brackets, and a port, of `HOST[:PORT]`.
///
/// # Errors
/// What is malformed, in words.
pub fn host_and_port(authority: &str) -> Result<(String, Option<u16>), String> {
    if authority.contains('@') {
        return Err("it holds credentials, which have no place in an address".to_owned());
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("its host is malformed")?;
        let host: Ipv6Addr = host.parse().map_err(|_| "its host is malformed")?;
        (
            host.to_string(),
            port.strip_prefix(':').or(none_if_empty(port)?),
        )
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err("its host is malformed".to_owned());
        }
        (host.to_ascii_lowercase(), port)
    };
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let parse = |port: &str| port.parse().ok().filter(|port| *port != 0);
    match port {
        None => Ok((host, None)),
        Some(port) if is_number(port) => match parse(port) {
            Some(port) => Ok((host, Some(port))),
            None => Err("its port is not one from 1 to 65535".to_owned()),
        },
        Some(_) => Err("its port is not a number".to_owned()),
    }
}

/// What follows an IPv6 address is a colon and a port, or nothing.
fn none_if_empty(rest: &str) -> Result<Option<&'static str>, String> {
    match rest {
        "" => Ok(None),
        _ if rest.starts_with(':') => Ok(None),
        _ => Err("its host is malformed".to_owned()),
    }
}

/// Names and values as a form has them, `a=b&c=d`, percent-encoded.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter();
    let pairs: Vec<String> = fields
        .map(|(name, value)| format!("{name}={}", in_query(value)))
        .collect();
    pairs.join("&")
}

/// Percent-encodes everything that might mean something in a query (RFC 3986 §2.3), or in a form.
fn in_query(value: &str) -> String {
    let mut shown = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:,".contains(&byte) {
            shown.push(char::from(byte));
        } else {
            shown.push_str(&format!("%{byte:02X}"));
        }
    }
    shown
}

fn check_characters(text: &str) -> Result<(), String> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(format!("it is longer than {ADDRESS_BYTES_MAX} bytes"));
    }
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if text.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err("it holds characters that an address cannot have".to_owned())
    }
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_with_slash = false;
    for segment in path.split('/').skip(1) {
        ends_with_slash = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let slash = if ends_with_slash && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_parsed_or_refused() {
        for (text, whole) in [
            ("https://Example.COM", "https://example.com/"),
            ("HTTPS://example.com:443/a?b#c", "https://example.com/a?b"),
            ("https://example.com?b", "https://example.com/?b"),
            ("http://localhost:80/", "http://localhost/"),
            (
                "http://127.9.9.9:8080/a/../b",
                "http://127.9.9.9:8080/a/../b",
            ),
            ("http://[::1]:5000/a", "http://[::1]:5000/a"),
            ("http://[0:0::1]/a", "http://[::1]/a"),
            ("https://10.0.0.1/@scope/a", "https://10.0.0.1/@scope/a"),
        ] {
            assert_eq!(Address::parse(text).unwrap().whole(), whole, "{text}");
        }
        for (text, cause) in [
            ("example.com/a", "no whole address"),
            ("ftp://example.com/", "neither https nor http"),
            ("http://example.com/", "only for loopback"),
            ("http://127.1/", "only for loopback"),
            ("http://2130706433/", "only for loopback"),
            ("http://localhost.example.com/", "only for loopback"),
            ("http://0.0.0.0/", "only for loopback"),
            ("https://user:secret@example.com/", "credentials"),
            ("https:///a", "host is malformed"),
            ("https://[::1/a", "host is malformed"),
            ("https://[::1]x/a", "host is malformed"),
            ("https://[fe80::1%25eth0]/a", "host is malformed"),
            ("https://exa%6dple.com/", "host is malformed"),
            ("https://example.com:0/", "1 to 65535"),
            ("https://example.com:65536/", "1 to 65535"),
            ("https://example.com:+80/", "not a number"),
            ("https://example.com:/", "1 to 65535"),
            ("https://example.com/a b", "characters"),
            ("https://example.com/\r\nX: y", "characters"),
            ("https://example.com\\@evil/", "characters"),
        ] {
            let found = Address::parse(text).unwrap_err();
            assert!(found.contains(cause), "{text}: {found}");
        }
        assert!(Address::parse(&format!("https://a/{}", "b".repeat(9000))).is_err());
    }

    #[test]
    fn locations_are_resolved_as_the_rfc_says() {
        let base = Address::parse("https://example.com/b/c/d?q").unwrap();
        for (location, whole) in [
            ("https://other.example/x", "https://other.example/x"),
            ("//other.example/x", "https://other.example/x"),
            ("/x?y", "https://example.com/x?y"),
            ("x", "https://example.com/b/c/x"),
            ("x:y/z", ""),
            ("./x:y/z", "https://example.com/b/c/x:y/z"),
            ("../x", "https://example.com/b/x"),
            ("../../../x", "https://example.com/x"),
            ("..", "https://example.com/b/"),
            (".", "https://example.com/b/c/"),
            ("?y", "https://example.com/b/c/d?y"),
            ("", "https://example.com/b/c/d"),
            ("http://other.example/x", ""),
        ] {
            let found = base.join(location).map(|address| address.whole());
            assert_eq!(found.unwrap_or_default(), whole, "{location}");
        }
    }

    #[test]
    fn queries_are_added_and_quoted_and_not_shown() {
        let address = Address::parse("https://example.com/a?sig=secret").unwrap();
        assert_eq!(address.to_string(), "https://example.com/a?…");
        let realm = Address::parse("https://auth.example/token?a=b").unwrap();
        let scope = ("scope", "repository:a/b:pull&x=#");
        assert!(!realm.with_query(&[scope]).whole().contains(['#', ' ']));
        assert_eq!(
            realm.with_query(&[("x", "y")]).whole(),
            "https://auth.example/token?a=b&x=y"
        );
    }
}
