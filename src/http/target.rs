//! Request targets: RFC 9112 §3.2. What follows the method becomes a canonical path and a query.

use sitepack::SitePath;

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
        if !query
            .unwrap_or_default()
            .iter()
            .all(|byte| is_query_byte(*byte))
        {
            return Err(Reason::TargetMalformed);
        }
        // § 3.2.2: an absolute URI without a path means `/`; § 3.2.4: for OPTIONS it means `*`.
        if path.is_empty() {
            return Ok(match method {
                Method::Options if query.is_none() => Target::Asterisk,
                Method::Options | Method::Get | Method::Head | Method::NotAllowed => {
                    Target::Resource {
                        path: SitePath::ROOT,
                        query,
                        moved: false,
                    }
                }
            });
        }
        let (path, moved) = SitePath::from_target(path).map_err(|error| match error {
            // Well-formed, but no resource here can have such a name.
            sitepack::PathError::Separator => Reason::NotFound,
            sitepack::PathError::NotAbsolute
            | sitepack::PathError::Percent
            | sitepack::PathError::NotUtf8
            | sitepack::PathError::Control
            | sitepack::PathError::Character
            | sitepack::PathError::AboveRoot
            | sitepack::PathError::DotSegment => Reason::TargetMalformed,
        })?;
        Ok(Target::Resource { path, query, moved })
    }
}

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

/// RFC 3986 §3.4, and what browsers leave unencoded in queries.
fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>#".contains(&byte)
}

/// Appends a query to a `Location`, its bytes encoded where a URI needs that.
pub(crate) fn push_query(location: &mut impl Extend<u8>, query: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    location.extend([b'?']);
    for (at, &byte) in query.iter().enumerate() {
        let is_stray_percent = || {
            let digits = query.get(at + 1..at + 3);
            !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        let encode = b"[]\\^`{|}".contains(&byte) || (byte == b'%' && is_stray_percent());
        if encode {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            location.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            location.extend([byte]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, push_query};
    use crate::http::method::Method;
    use crate::reason::Reason;

    fn read(raw: &str) -> Result<(String, Option<String>, bool), Reason> {
        match Target::parse(Method::Get, b"GET", raw.as_bytes())? {
            Target::Resource { path, query, moved } => {
                let query = query.map(|query| String::from_utf8(query.to_vec()).unwrap());
                Ok((path.to_string(), query, moved))
            }
            Target::Asterisk | Target::Authority => panic!("not a resource: {raw}"),
        }
    }

    #[test]
    fn origin_and_absolute_form() {
        for (raw, path, query, moved) in [
            ("/", "/", None, false),
            ("/a?", "/a", Some(""), false),
            ("/a?b?c/../d", "/a", Some("b?c/../d"), false),
            ("/a/../b?c", "/b", Some("c"), true),
            ("/?a[]={b}|^`\\", "/", Some("a[]={b}|^`\\"), false),
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
            "/<>",
            "/\\..\\x",
            "/%",
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
            "//[",
            "mailto:x",
        ] {
            if raw == "//[" {
                assert_eq!(read(raw), Ok(("/[".to_owned(), None, true)));
                continue;
            }
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
    fn a_query_in_a_location_is_a_valid_uri() {
        let mut location = Vec::new();
        push_query(&mut location, b"a=[%41%zz%]{|}%");
        assert_eq!(location, b"?a=%5B%41%25zz%25%5D%7B%7C%7D%25");
    }
}
