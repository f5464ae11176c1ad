//! An address that is asked or told something, from the environment or the command line.
//!
//! What a cloud hands out may hold its own credential: as a password, as a UUID in the path, or in
//! the query. So [`Url`]'s `Display` and `Debug` are fit for a log, and no error repeats the text.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::limits::CLOUD_URL_BYTES_MAX;

/// Parts of a name in a query whose value nobody should see.
const SECRET: [&str; 6] = ["token", "password", "passwd", "secret", "auth", "key"];

/// An absolute http or https address, without fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    is_https: bool,
    /// What stands before the `@`.
    user: Option<String>,
    /// Without brackets.
    host: String,
    port: u16,
    /// Begins with `/`.
    path: String,
    query: Option<String>,
}

impl Url {
    /// Whether it is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Its host, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether anything stands behind its authority.
    #[must_use]
    pub fn has_path(&self) -> bool {
        self.path != "/" || self.query.is_some()
    }

    /// Whether it names a user.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> String {
        let Url { host, port, .. } = self;
        match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    }

    /// All of it, for whoever asks.
    #[must_use]
    pub fn whole(&self) -> String {
        let user = self.user.as_deref().map(|user| format!("{user}@"));
        let query = self.query.as_deref().map(|query| format!("?{query}"));
        format!(
            "{}://{}{}{}{}",
            self.scheme(),
            user.unwrap_or_default(),
            self.authority(),
            self.path,
            query.unwrap_or_default()
        )
    }

    /// The same place with this path below its own.
    #[must_use]
    pub fn below(&self, path: &str) -> Url {
        Url {
            path: format!("{}{path}", self.path.trim_end_matches('/')),
            ..self.clone()
        }
    }

    fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://", self.scheme())?;
        match self.user.as_deref().map(|user| user.split_once(':')) {
            None => {}
            // A name alone may be a token.
            Some(None) => formatter.write_str("redacted@")?,
            Some(Some((name, _))) => write!(formatter, "{name}:redacted@")?,
        }
        formatter.write_str(&self.authority())?;
        for segment in self.path.split('/').skip(1) {
            let hidden = is_uuid(segment);
            let shown = if hidden { "redacted-uuid" } else { segment };
            write!(formatter, "/{shown}")?;
        }
        for (index, pair) in self
            .query
            .iter()
            .flat_map(|query| query.split('&'))
            .enumerate()
        {
            formatter.write_char(if index == 0 { '?' } else { '&' })?;
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let lower = name.to_ascii_lowercase();
            // An encoded name may be any.
            let hidden = name.contains('%') || SECRET.iter().any(|part| lower.contains(part));
            match (pair.contains('='), hidden || is_uuid(value)) {
                // A value without a name may be a token, too.
                (false, _) => formatter.write_str("redacted")?,
                (true, true) => write!(formatter, "{name}=redacted")?,
                (true, false) => formatter.write_str(pair)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// RFC 9562 §4, in either case.
fn is_uuid(text: &str) -> bool {
    let mut lengths = text.split('-').map(|group| {
        let is_hex = group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { group.len() } else { 0 }
    });
    lengths.by_ref().eq([8, 4, 4, 4, 12])
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Url, &'static str> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if text.len() > CLOUD_URL_BYTES_MAX {
            return Err("it is too long");
        }
        if !text.bytes().all(fits) {
            return Err("it holds characters that an address cannot have");
        }
        let (scheme, rest) = text.split_once("://").ok_or("it is no whole address")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err("its scheme is neither http nor https");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        if user.as_deref().is_some_and(|user| user.contains('@')) {
            return Err("there is more than one `@` before its host");
        }
        let (host, port) = host_and_port(host)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Ok(Url {
            is_https,
            user,
            host,
            port: port.unwrap_or(if is_https { 443 } else { 80 }),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query,
        })
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    const HOST: &str = "its host is malformed";
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(HOST)?;
            let host: Ipv6Addr = host.parse().map_err(|_| HOST)?;
            (host.to_string(), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || host.len() > 253 || !host.bytes().all(fits) {
                return Err(HOST);
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').ok_or(HOST)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| *port != 0 && is_number);
    port.map(|port| (host, Some(port)))
        .ok_or("its port is not one from 1 to 65535")
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn addresses_are_read_and_shown_without_secrets() {
        let uuid = "6ba7b810-9dad-11d1-80b4-00C04FD430C8";
        for (text, whole, shown) in [
            ("http://a", "http://a:80/", "http://a:80/"),
            ("HTTPS://A/b#c", "https://a:443/b", "https://a:443/b"),
            (
                "http://[::1]:8/a?",
                "http://[::1]:8/a?",
                "http://[::1]:8/a?redacted",
            ),
            (
                "https://u:p@a/",
                "https://u:p@a:443/",
                "https://u:redacted@a:443/",
            ),
            (
                "https://tok@a",
                "https://tok@a:443/",
                "https://redacted@a:443/",
            ),
            (
                &format!("https://a/b/{uuid}/c/{uuid}"),
                &format!("https://a:443/b/{uuid}/c/{uuid}"),
                "https://a:443/b/redacted-uuid/c/redacted-uuid",
            ),
            (
                &format!("http://a/?x=1&My_Token=z&AUTH=y&api%6bey=w&word&i={uuid}"),
                &format!("http://a:80/?x=1&My_Token=z&AUTH=y&api%6bey=w&word&i={uuid}"),
                "http://a:80/?x=1&My_Token=redacted&AUTH=redacted&api%6bey=redacted&redacted\
                 &i=redacted",
            ),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.whole(), whole);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn malformed_addresses_are_refused_without_repeating_them() {
        let long = format!("http://a/{}", "b".repeat(9000));
        for text in [
            "",
            "a",
            "//a/",
            "ftp://secret/",
            "unix:///secret",
            "http://",
            "http:///secret",
            "http://secret:0/",
            "http://secret:65536/",
            "http://secret:+1/",
            "http://secret:/",
            "http://sec ret/",
            "http://sec%20ret/",
            "http://u:secret@v@a/",
            "http://[::1/",
            "http://[::1]a/",
            "http://[secret]/",
            "http://secret/\r\n",
            "http://secr\u{e9}t/",
            &long,
        ] {
            let cause = text.parse::<Url>().unwrap_err();
            assert!(!cause.contains("secret"), "{text}: {cause}");
        }
    }
}
