//! The Host field and authorities: RFC 9110 §7.2, RFC 9112 §3.2, RFC 3986 §3.2.

use super::trim_ows;
use crate::reason::Reason;
use crate::request::Request;

/// Checks the Host field of a request.
///
/// § 3.2: a server MUST answer 400 to an HTTP/1.1 request without one, with more than one, or
/// with an invalid value. Which host it names does not matter: this origin has one site.
///
/// # Errors
/// `HostMissing`, `HostRepeated`, `HostMalformed`.
pub fn check(request: &Request<'_>) -> Result<(), Reason> {
    let mut lines = request.fields.lines("host");
    match (lines.next(), lines.next()) {
        (None, _) if request.version.is_1_1() => Err(Reason::HostMissing),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(Reason::HostRepeated),
        (Some(host), None) => {
            let host = trim_ows(host);
            // § 3.2: empty is valid where the target has no authority.
            if host.is_empty() || is_authority(host) {
                Ok(())
            } else {
                Err(Reason::HostMalformed)
            }
        }
    }
}

/// Whether `text` is `host [ ":" port ]` with a host that is not empty, and without userinfo.
#[must_use]
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text.iter().position(|byte| *byte == b']') {
        Some(end) if text.starts_with(b"[") => {
            let (literal, rest) = text.split_at(end + 1);
            let port = rest.strip_prefix(b":");
            if !rest.is_empty() && port.is_none() {
                return false;
            }
            (literal, port)
        }
        _ => match text.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (host, port) = text.split_at(colon);
                (host, port.strip_prefix(b":"))
            }
            None => (text, None),
        },
    };
    let port_is_valid = port.is_none_or(|port| {
        port.iter().all(u8::is_ascii_digit)
            && std::str::from_utf8(port)
                .is_ok_and(|port| port.is_empty() || port.parse::<u16>().is_ok())
    });
    port_is_valid && (is_ip_literal(host) || is_reg_name(host))
}

fn is_ip_literal(host: &[u8]) -> bool {
    let inner = host
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    inner.is_some_and(|inner| {
        std::str::from_utf8(inner)
            .is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok() || is_future_ip(text))
    })
}

/// RFC 3986 `IPvFuture`: `v1.anything`.
fn is_future_ip(text: &str) -> bool {
    let Some((version, address)) = text
        .strip_prefix(['v', 'V'])
        .and_then(|t| t.split_once('.'))
    else {
        return false;
    };
    let is_address = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte);
    !version.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !address.is_empty()
        && address.bytes().all(is_address)
}

/// RFC 3986 `reg-name`, not empty; names and IPv4 addresses are both of this form.
fn is_reg_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(&byte) = bytes.next() {
        let is_valid = match byte {
            b'%' => {
                let mut digit = || bytes.next().is_some_and(u8::is_ascii_hexdigit);
                digit() && digit()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !is_valid {
            return false;
        }
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{check, is_authority};
    use crate::reason::Reason;
    use crate::request::made::with_request;

    #[test]
    fn authorities() {
        for text in [
            "a",
            "foo-bar_baz.com",
            "foo.com:80",
            "foo.com:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[v1.x]",
            "a%20b",
            "[::ffff:1.2.3.4]:65535",
        ] {
            assert!(is_authority(text.as_bytes()), "{text}");
        }
        for text in [
            "", ":80", "a b", "user@a", "a:80x", "a:80:80", "a::80", "a:65536", "a/b", "a?b",
            "a#b", "[::1", "::1", "[::1]x", "[]", "[::g]", "{", "}", "a%2", "a%zz", "\u{6}", "é",
            "a,b:x", "[v.x]", "a\\b", "a:-1", "a:+1",
        ] {
            assert!(!is_authority(text.as_bytes()), "{text}");
        }
        assert!(!is_authority(b"\xff"));
    }

    #[test]
    fn exactly_one_valid_host_in_1_1_and_at_most_one_in_1_0() {
        for (minor, lines, expected) in [
            (1, &["a"][..], Ok(())),
            (1, &[""], Ok(())),
            (1, &[], Err(Reason::HostMissing)),
            (1, &["a", "a"], Err(Reason::HostRepeated)),
            (1, &["a b"], Err(Reason::HostMalformed)),
            (1, &["a, b"], Err(Reason::HostMalformed)),
            (0, &[], Ok(())),
            (0, &["a"], Ok(())),
            (0, &["a", "b"], Err(Reason::HostRepeated)),
            (0, &["}"], Err(Reason::HostMalformed)),
        ] {
            let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("Host", *line)).collect();
            assert_eq!(
                with_request(minor, &lines, check),
                expected,
                "HTTP/1.{minor} {lines:?}"
            );
        }
    }
}
