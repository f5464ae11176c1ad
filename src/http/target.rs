//! Request targets: RFC 9112 §3.2. What follows the method becomes a canonical path and a query.

use sitepack::{PathError, SitePath};

use super::host::is_authority;
use super::method::Method;
use crate::reason::Reason;

/// A request target, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// asterisk-form: the server itself; only for OPTIONS (§3.2.4).
    Asterisk,
    /// origin-form or absolute-form: a resource.
    Resource {
        /// The canonical path.
        path: SitePath<'a>,
        /// What stands behind the first `?`, if there is one.
        query: Option<&'a [u8]>,
        /// Whether the path had to be made canonical, so that it should be redirected.
        moved: bool,
    },
    /// origin-form or absolute-form, but for characters that a URI has percent-encoded.
    Unencoded {
        /// The same as it should be: a path of this site and perhaps a query.
        location: Vec<u8>,
    },
    /// authority-form, for CONNECT (§3.2.3), which nothing here allows.
    Authority,
}

impl<'a> Target<'a> {
    /// Reads a target.
    ///
    /// # Errors
    /// `TargetMalformed`: § 3.2 has a server answer 400.
    pub fn parse(method: Method, token: &[u8], raw: &'a [u8]) -> Result<Target<'a>, Reason> {
        if token == b"CONNECT" {
            // § 3.2.3: host and port.
            let is_valid = is_authority(raw) && raw.last().is_some_and(u8::is_ascii_digit);
            return if is_valid {
                Ok(Target::Authority)
            } else {
                Err(Reason::TargetMalformed)
            };
        }
        if raw == b"*" {
            let is_options = method == Method::Options;
            return if is_options {
                Ok(Target::Asterisk)
            } else {
                Err(Reason::TargetMalformed)
            };
        }
        let local = match raw.first() {
            Some(b'/') => raw,
            _ => after_authority(raw)?,
        };
        let question = local.iter().position(|byte| *byte == b'?');
        let (path, query) = match question {
            Some(at) => {
                let (path, query) = local.split_at(at);
                (path, query.get(1..))
            }
            None => (local, None),
        };
        match (resource(method, path, query), method) {
            (Err(Reason::TargetMalformed), Method::Get | Method::Head) => unencoded(path, query),
            (read, _) => read,
        }
    }
}

/// The resource that path and query name, as they came.
fn resource<'a>(
    method: Method,
    path: &'a [u8],
    query: Option<&'a [u8]>,
) -> Result<Target<'a>, Reason> {
    if !query.is_none_or(is_query) {
        return Err(Reason::TargetMalformed);
    }
    // § 3.2.2: an absolute URI without a path means `/`; § 3.2.4: for OPTIONS it means `*`.
    if path.is_empty() {
        return Ok(match method {
            Method::Options if query.is_none() => Target::Asterisk,
            Method::Options | Method::Get | Method::Head | Method::NotAllowed => Target::Resource {
                path: SitePath::ROOT,
                query,
                moved: false,
            },
        });
    }
    let (path, moved) = SitePath::from_target(path).map_err(|error| match error {
        // Well-formed, but no resource here can have such a name.
        PathError::Separator => Reason::NotFound,
        PathError::NotAbsolute
        | PathError::Percent
        | PathError::NotUtf8
        | PathError::Control
        | PathError::Character
        | PathError::AboveRoot
        | PathError::DotSegment => Reason::TargetMalformed,
    })?;
    Ok(Target::Resource { path, query, moved })
}

/// § 3.2: a target that is invalid only for want of percent-encoding may be redirected to what it
/// should be, and to nothing else: what is wrong besides stays wrong.
fn unencoded<'a>(path: &[u8], query: Option<&[u8]>) -> Result<Target<'a>, Reason> {
    // `//host` would name another host.
    let leading = path.iter().take_while(|byte| **byte == b'/').count();
    let mut location = vec![b'/'];
    push_encoded(&mut location, path.get(leading..).unwrap_or_default());
    let canonical = match SitePath::from_target(&location) {
        Ok((path, _)) => Some(path.encoded().into_bytes()),
        Err(PathError::Separator) => None,
        Err(_) => return Err(Reason::TargetMalformed),
    };
    let mut location = canonical.unwrap_or(location);
    if let Some(query) = query {
        let mut encoded = Vec::with_capacity(query.len());
        for (at, &byte) in query.iter().enumerate() {
            if byte == b'%' && !begins_with_digits(query.get(at + 1..)) {
                encoded.extend(b"%25");
            } else {
                push_encoded(&mut encoded, &[byte]);
            }
        }
        if !is_query(&encoded) {
            return Err(Reason::TargetMalformed);
        }
        location.push(b'?');
        location.extend(encoded);
    }
    Ok(Target::Unencoded { location })
}

/// Appends `raw`, encoding what is visible, and may not stand in a path or a query. `#` begins a
/// fragment, which no target has.
fn push_encoded(location: &mut Vec<u8>, raw: &[u8]) {
    for &byte in raw {
        if b"\"<>[\\]^`{|}".contains(&byte) {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            location.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            location.push(byte);
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Path and query of an absolute-form target (§3.2.2). Its host is not compared with Host: this
/// origin has one site, whatever it is called.
fn after_authority(raw: &[u8]) -> Result<&[u8], Reason> {
    let scheme = |name: &str| {
        let (head, rest) = raw.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name.as_bytes()).then_some(rest)
    };
    // § 7.4 of RFC 9110: https MUST be refused on a connection that is not secured.
    if scheme("https://").is_some() {
        return Err(Reason::Misdirected);
    }
    let rest = scheme("http://").ok_or(Reason::TargetMalformed)?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, local) = rest.split_at(end);
    if is_authority(authority) {
        Ok(local)
    } else {
        Err(Reason::TargetMalformed)
    }
}

/// RFC 3986 §3.4.
fn is_query(query: &[u8]) -> bool {
    query.iter().enumerate().all(|(at, &byte)| match byte {
        b'%' => begins_with_digits(query.get(at + 1..)),
        _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte),
    })
}

/// Whether what follows a `%` makes it an encoded byte.
fn begins_with_digits(rest: Option<&[u8]>) -> bool {
    let digits = rest.and_then(|rest| rest.get(..2));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::Target;
    use crate::http::method::Method;
    use crate::reason::Reason;

    fn read(raw: &str) -> Result<(String, Option<String>, bool), Reason> {
        match Target::parse(Method::Get, b"GET", raw.as_bytes())? {
            Target::Resource { path, query, moved } => {
                let query = query.map(|query| String::from_utf8(query.to_vec()).unwrap());
                Ok((path.to_string(), query, moved))
            }
            Target::Asterisk | Target::Unencoded { .. } | Target::Authority => {
                panic!("not a resource: {raw}")
            }
        }
    }

    #[test]
    fn origin_and_absolute_form() {
        for (raw, path, query, moved) in [
            ("/", "/", None, false),
            ("/a?", "/a", Some(""), false),
            ("/a?b?c/../d", "/a", Some("b?c/../d"), false),
            ("/a/../b?c", "/b", Some("c"), true),
            (
                "/?a=b&c/?:@!$'()*+,;%5b",
                "/",
                Some("a=b&c/?:@!$'()*+,;%5b"),
                false,
            ),
            ("http://a", "/", None, false),
            ("http://a?q", "/", Some("q"), false),
            ("HTTP://a:80/b", "/b", None, false),
            ("http://[::1]:8080//b", "/b", None, true),
            ("http://a/http://b/c", "/http:/b/c", None, true),
        ] {
            let expected = (path.to_owned(), query.map(str::to_owned), moved);
            assert_eq!(read(raw), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_no_target_is_400() {
        for raw in [
            "",
            "a",
            "*",
            "?",
            "#",
            "/#frag",
            "/?#frag",
            "/ ",
            "/\t",
            "/a b",
            "/\u{1}",
            "/\u{7f}",
            "/é",
            "/?é",
            "/? ",
            "/?\u{0}",
            "/%",
            "/[%",
            "/[/../..",
            "/?[#",
            "/[?é",
            "/%0",
            "/%00",
            "/..",
            "http:/a",
            "http://",
            "http:///a",
            "http://a b/",
            "http://u@a/",
            "http://localhost:80x/",
            "http://a:80:80/",
            "http://a::80/",
            "ftp://a/",
            "a:80",
            "mailto:x",
        ] {
            assert_eq!(read(raw), Err(Reason::TargetMalformed), "{raw:?}");
        }
        assert_eq!(read("https://a/"), Err(Reason::Misdirected));
        assert_eq!(read("/a%2Fb"), Err(Reason::NotFound));
        assert_eq!(read("/a%5Cb"), Err(Reason::NotFound));
    }

    #[test]
    fn forms_that_belong_to_one_method() {
        let options = |raw| Target::parse(Method::Options, b"OPTIONS", raw);
        assert_eq!(options(b"*"), Ok(Target::Asterisk));
        assert_eq!(options(b"http://a"), Ok(Target::Asterisk));
        assert!(matches!(options(b"http://a/"), Ok(Target::Resource { .. })));
        let connect = |raw| Target::parse(Method::NotAllowed, b"CONNECT", raw);
        assert_eq!(connect(b"a:80"), Ok(Target::Authority));
        assert_eq!(connect(b"/"), Err(Reason::TargetMalformed));
        assert_eq!(connect(b"a"), Err(Reason::TargetMalformed));
    }

    #[test]
    fn what_is_not_encoded_is_told_how_it_should_be() {
        for (raw, encoded) in [
            ("/[x]|^", "/%5Bx%5D%7C%5E"),
            ("/\"<>\\{}`", "/%22%3C%3E%5C%7B%7D%60"),
            ("/a%5b[?b", "/a%5B%5B?b"),
            ("/?a=[%41%zz%]{|}%", "/?a=%5B%41%25zz%25%5D%7B%7C%7D%25"),
            ("/?\"<>\\^`", "/?%22%3C%3E%5C%5E%60"),
            ("/?%", "/?%25"),
            ("http://a?[", "/?%5B"),
            ("http://a/b[", "/b%5B"),
            ("//evil.example/[", "/evil.example/%5B"),
            ("///[", "/%5B"),
            ("/\\evil.example", "/%5Cevil.example"),
            ("/./a//../[", "/%5B"),
        ] {
            for (method, token) in [(Method::Get, b"GET".as_slice()), (Method::Head, b"HEAD")] {
                let location = encoded.as_bytes().to_vec();
                let read = Target::parse(method, token, raw.as_bytes());
                assert_eq!(read, Ok(Target::Unencoded { location }), "{raw}");
            }
            for (method, token) in [
                (Method::Options, b"OPTIONS".as_slice()),
                (Method::NotAllowed, b"POST"),
            ] {
                let read = Target::parse(method, token, raw.as_bytes());
                assert_eq!(read, Err(Reason::TargetMalformed), "{raw}");
            }
            let again = Target::parse(Method::Get, b"GET", encoded.as_bytes());
            assert!(
                matches!(again, Ok(Target::Resource { .. }) | Err(Reason::NotFound)),
                "{encoded}"
            );
        }
    }
}
