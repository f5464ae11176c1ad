//! Whether a connection persists after an answer: RFC 9112 §9.3.

use super::list_members;
use crate::request::Request;

/// What the client asked for. The server may still decide to close.
///
/// § 9.3: `close` anywhere ends it; HTTP/1.1 persists; HTTP/1.0 persists only with `keep-alive`.
#[must_use]
pub fn persists(request: &Request<'_>) -> bool {
    let named = |token: &[u8]| {
        list_members(request.fields.lines("connection"))
            .any(|member| member.eq_ignore_ascii_case(token))
    };
    !named(b"close") && (request.version.is_1_1() || named(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::persists;
    use crate::request::made::with_request;

    #[test]
    fn the_table_of_section_9_3() {
        for (minor, lines, expected) in [
            (1, &[][..], true),
            (1, &["close"][..], false),
            (1, &["Close"], false),
            (1, &["foo, close"], false),
            (1, &["foo", "bar ,close,"], false),
            (1, &["keep-alive"], true),
            (1, &["disclose"], true),
            (0, &[], false),
            (0, &["keep-alive"], true),
            (0, &["Keep-Alive"], true),
            (0, &["keep-alive, close"], false),
            (0, &["keep-alive-not"], false),
            (2, &[], true),
        ] {
            let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("Connection", *line)).collect();
            assert_eq!(
                with_request(minor, &lines, persists),
                expected,
                "HTTP/1.{minor} {lines:?}"
            );
        }
    }
}
