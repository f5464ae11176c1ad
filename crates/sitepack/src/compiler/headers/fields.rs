//! Which fields an author may set, and how two values of one name go together.
//!
//! The server owns what it works out for each answer: how the message is framed, which coding
//! was chosen, what the validators are, which range was sent. A fixed value there would be untrue
//! of some answer, and some untruths are attacks (two lengths, a coding that is none).

/// What happens to a field that several lines name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// The values are one list.
    Join,
    /// Within a rule they are one list; a later rule replaces it. A list of two policies that
    /// contradict each other is no policy.
    JoinInRule,
    /// The field has one value; a later rule replaces it.
    Replace,
}

/// How values of this field go together.
pub(super) fn merge(name: &str) -> Merge {
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    if JOINED_IN_RULE.iter().any(is) {
        Merge::JoinInRule
    } else if SINGLE.iter().any(is) {
        Merge::Replace
    } else {
        Merge::Join
    }
}

const JOINED_IN_RULE: [&str; 2] = ["Cache-Control", "CDN-Cache-Control"];

/// Fields whose definition allows no list, or where a list means something else than either
/// value: browsers take `DENY, SAMEORIGIN` for neither.
const SINGLE: [&str; 18] = [
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Origin",
    "Access-Control-Max-Age",
    "Content-Disposition",
    "Content-Location",
    "Content-Type",
    "Cross-Origin-Embedder-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Expires",
    "Origin-Agent-Cluster",
    "Referrer-Policy",
    "Refresh",
    "SourceMap",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
];

/// Checks a field that is set.
pub(super) fn check(name: &str, value: &str) -> Result<(), String> {
    check_owner(name)?;
    if value.is_empty() {
        return Err(format!("{name} has no value"));
    }
    // § 5.5 of RFC 9110: what else it allows, nobody agrees on how to read.
    let fits = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    if !value.bytes().all(fits) {
        return Err(format!(
            "the value of {name} holds something else than visible ASCII"
        ));
    }
    if name.eq_ignore_ascii_case("Content-Type") && !is_media_type(value) {
        return Err(format!(
            "`{value}` is not a media type such as `text/html; charset=utf-8`"
        ));
    }
    Ok(())
}

/// Checks a field that is removed.
pub(super) fn check_removable(name: &str) -> Result<(), String> {
    check_owner(name)?;
    if name.eq_ignore_ascii_case("Content-Type") {
        return Err("Content-Type can be replaced, not removed: browsers would guess".to_owned());
    }
    Ok(())
}

fn check_owner(name: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("`{name}` is not the name of a field"));
    }
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    let starts = |prefix: &str| {
        let begin = name.get(..prefix.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
    };
    let why = if FRAMING.iter().any(is) || starts("Proxy-") {
        "it is about the connection, which the server looks after"
    } else if OF_ONE_ANSWER.iter().any(is) {
        "the server works it out for each answer"
    } else if is(&"Location") {
        "the server sets it; redirects stand in `_redirects`"
    } else if is(&"Vary") {
        "the server sets it wherever it chooses a coding, and nothing else varies here"
    } else if is(&"Set-Cookie") {
        "the server would hand one cookie to everybody, and caches would keep it"
    } else if is(&"Basic-Auth") {
        "it belongs to one hosting service only, Netlify; the server would show the password"
    } else {
        return Ok(());
    };
    Err(format!("{name} cannot be set or removed: {why}"))
}

/// RFC 9110 §7.6.1 and RFC 9112: what concerns one connection, or where a message ends.
const FRAMING: [&str; 9] = [
    "Connection",
    "Content-Length",
    "HTTP2-Settings",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
];

/// What is true of one representation, one range or one moment.
const OF_ONE_ANSWER: [&str; 14] = [
    "Accept-Ranges",
    "Age",
    "Allow",
    "Content-Digest",
    "Content-Encoding",
    "Content-MD5",
    "Content-Range",
    "Date",
    "Digest",
    "ETag",
    "Last-Modified",
    "Repr-Digest",
    "Retry-After",
    "WWW-Authenticate",
];

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// RFC 9110 §8.3.1, as far as the type goes; the server writes it into parts as well.
fn is_media_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim_end();
    let parts = essence.split_once('/');
    parts.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::{Merge, check, check_removable, merge};

    #[test]
    fn authors_set_what_is_theirs() {
        for (name, value) in [
            ("Cache-Control", "public, max-age=31536000, immutable"),
            ("Content-Type", "text/html; charset=utf-8"),
            (
                "Content-Security-Policy",
                "default-src 'self'; script-src 'sha256-AA=='",
            ),
            ("Access-Control-Allow-Origin", "*"),
            ("Link", "</a.css>; rel=preload; as=style"),
            ("Referrer-Policy", "no-referrer"),
            (
                "Strict-Transport-Security",
                "max-age=63072000; includeSubDomains",
            ),
            ("X-Robots-Tag", "noindex"),
            ("x-custom", "a\tb"),
            ("Server", "mine"),
            ("NEL", "{\"report_to\":\"a\"}"),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}");
            assert_eq!(
                check_removable(name).is_ok(),
                name != "Content-Type",
                "{name}"
            );
        }
    }

    #[test]
    fn the_server_keeps_what_is_its_own() {
        for name in [
            "Connection",
            "Keep-Alive",
            "Transfer-Encoding",
            "TE",
            "Trailer",
            "Upgrade",
            "Via",
            "Content-Length",
            "content-length",
            "Content-Encoding",
            "Content-Range",
            "Accept-Ranges",
            "Date",
            "ETag",
            "Last-Modified",
            "Vary",
            "Age",
            "Allow",
            "Location",
            "Proxy-Authenticate",
            "proxy-connection",
            "Set-Cookie",
            "Basic-Auth",
            "Repr-Digest",
        ] {
            for refused in [check(name, "1"), check_removable(name)] {
                let cause = refused.unwrap_err();
                assert!(
                    cause.contains("cannot be set") && cause.contains("server"),
                    "{cause}"
                );
            }
        }
        assert!(check("Proxy", "1").is_ok());
        assert!(check("é", "1").is_err());
    }

    #[test]
    fn media_types_have_two_parts() {
        for value in [
            "html",
            "text/",
            "/html",
            "text html",
            "text/html/x",
            "a/b c; d",
        ] {
            assert!(check("Content-Type", value).is_err(), "{value}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(merge("cache-CONTROL"), Merge::JoinInRule);
        assert_eq!(merge("content-type"), Merge::Replace);
        assert_eq!(merge("x-anything"), Merge::Join);
    }
}
