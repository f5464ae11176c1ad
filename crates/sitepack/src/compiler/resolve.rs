//! Resolve: what a URL in a page leads to (RFC 3986 §5, as browsers do it: WHATWG URL).
//!
//! Only what decides whether this site answers is worked out: the path. Query and fragment are
//! dropped. The path is read by [`SitePath`], which reads the request's too, so that a link is
//! found dead exactly where the server would answer 404.

use crate::path::{PathError, SitePath};

/// A longer `<base href>` is ignored: no path of a site is longer, and each of a million
/// references would be appended to it.
const BASE_BYTES_MAX: usize = 4096;

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// To a path of this site.
    Inside(SitePath<'static>),
    /// To a path that no site has.
    Nowhere(PathError),
    /// To another host, over the network.
    Outside,
    /// To the page itself, or to what is no place: `mailto:`, `tel:`, `data:`.
    NoPlace,
}

/// What relative references are relative to.
#[derive(Clone, Debug)]
pub(crate) enum Base {
    /// A directory of this site, percent-encoded, with its final `/`.
    Inside(String),
    /// `<base href>` names another host.
    Outside,
}

impl Base {
    /// The base of a page under a canonical path, with what its `<base>` says.
    pub(crate) fn new(page: &str, base: Option<&str>) -> Base {
        let path = crate::path::percent_encode(page);
        let own = Base::Inside(directory(&path).to_owned());
        let base = base.filter(|base| base.len() <= BASE_BYTES_MAX);
        match base.map(|base| own.raw(base)) {
            None | Some(Raw::NoPlace | Raw::Same) => own,
            Some(Raw::Outside) => Base::Outside,
            Some(Raw::Path(path)) => Base::Inside(directory(&path).to_owned()),
        }
    }

    /// Resolves a reference.
    pub(crate) fn resolve(&self, target: &str) -> Resolved {
        match self.raw(target) {
            Raw::NoPlace | Raw::Same => Resolved::NoPlace,
            Raw::Outside => Resolved::Outside,
            Raw::Path(path) => match SitePath::from_target(path.as_bytes()) {
                Ok((path, _)) => Resolved::Inside(path.into_owned()),
                Err(error) => Resolved::Nowhere(error),
            },
        }
    }

    fn raw(&self, target: &str) -> Raw {
        let target = match scheme(target) {
            Some((scheme, rest)) if is_web(scheme) => {
                // `https:page` is relative to a page of the same scheme, which nobody means.
                return if rest.starts_with(['/', '\\']) {
                    Raw::Outside
                } else {
                    Raw::NoPlace
                };
            }
            Some(_) => return Raw::NoPlace,
            None => target,
        };
        let path = target.split(['?', '#']).next().unwrap_or_default();
        if path.is_empty() {
            return Raw::Same;
        }
        // Browsers take `\` for `/` here.
        let path = encode(path);
        if path.starts_with("//") {
            return Raw::Outside;
        }
        match self {
            Base::Inside(directory) => Raw::Path(without_dots(directory, &path)),
            Base::Outside => Raw::Outside,
        }
    }
}

/// A reference resolved, its path still encoded.
#[derive(Debug)]
enum Raw {
    Path(String),
    Outside,
    NoPlace,
    /// The base itself.
    Same,
}

fn directory(path: &str) -> &str {
    let end = path.rfind('/').map_or(0, |slash| slash + 1);
    path.get(..end).unwrap_or("/")
}

/// Splits a scheme off (§3.1).
fn scheme(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme.then_some((scheme, rest))
}

fn is_web(scheme: &str) -> bool {
    ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web))
}

/// Encodes what a browser encodes before it asks (WHATWG URL, path percent-encode set).
fn encode(path: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'\\' => encoded.push('/'),
            b' ' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^' | 0..0x20 | 0x7F.. => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            byte => encoded.push(char::from(byte)),
        }
    }
    encoded
}

/// Appends a path to a directory and removes its dot segments (§5.2.3, §5.2.4). `..` at the root
/// stays there; a browser does the same.
fn without_dots(directory: &str, path: &str) -> String {
    let mut whole = if path.starts_with('/') {
        String::with_capacity(path.len())
    } else {
        directory.trim_end_matches('/').to_owned()
    };
    let mut segments = path.trim_start_matches('/').split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last => whole.push('/'),
            "." => {}
            ".." => {
                let parent = whole.rfind('/').unwrap_or(0);
                whole.truncate(parent);
                if is_last {
                    whole.push('/');
                }
            }
            segment => {
                whole.push('/');
                whole.push_str(segment);
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::{Base, Resolved};
    use crate::path::PathError;

    fn resolved(page: &str, base: Option<&str>, target: &str) -> String {
        match Base::new(page, base).resolve(target) {
            Resolved::Inside(path) => path.to_string(),
            Resolved::Nowhere(error) => format!("! {error}"),
            Resolved::Outside => "outside".to_owned(),
            Resolved::NoPlace => "none".to_owned(),
        }
    }

    /// The examples of RFC 3986 §5.4, as far as they have a path of this site.
    #[test]
    fn references_are_resolved_as_the_rfc_shows() {
        for (target, path) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("//g", "outside"),
            ("g?y", "/b/c/g"),
            ("g#s", "/b/c/g"),
            (";x", "/b/c/;x"),
            ("g;x=1?y#s", "/b/c/g;x=1"),
            ("", "none"),
            ("?y", "none"),
            ("#s", "none"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g;x=1/../y", "/b/c/y"),
            ("g:h", "none"),
        ] {
            assert_eq!(resolved("/b/c/d;p", None, target), path, "{target}");
        }
    }

    #[test]
    fn browsers_ways_are_followed() {
        for (target, path) in [
            ("a b.html", "/x/a b.html"),
            ("é.html", "/x/é.html"),
            ("%C3%A9.html", "/x/é.html"),
            ("a\\b", "/x/a/b"),
            ("\\\\evil.example", "outside"),
            ("HTTPS://evil.example/", "outside"),
            ("mailto:a@b.example", "none"),
            ("tel:+1", "none"),
            ("javascript:void(0)", "none"),
            ("a//b", "/x/a/b"),
            ("a:b", "none"),
            ("./a:b", "/x/a:b"),
            ("%zz", "! a `%` is not followed by two hexadecimal digits"),
            ("a%2Fb", "! a name holds a `/` or a `\\`"),
            ("struct.X<T>.html", "/x/struct.X<T>.html"),
        ] {
            assert_eq!(resolved("/x/", None, target), path, "{target}");
        }
    }

    #[test]
    fn the_page_and_its_base_count() {
        for (page, base, target, path) in [
            ("/a/b c/", None, "d", "/a/b c/d"),
            ("/a/b", Some("/x/"), "c", "/x/c"),
            ("/a/b", Some("/x/y"), "c", "/x/c"),
            ("/a/b", Some("../x/"), "c", "/x/c"),
            ("/a/b", Some("https://cdn.example/"), "c", "outside"),
            ("/a/b", Some("https://cdn.example/"), "/c", "outside"),
            ("/a/b", Some("//cdn.example/"), "c", "outside"),
            ("/a/b", Some(""), "c", "/a/c"),
        ] {
            assert_eq!(
                resolved(page, base, target),
                path,
                "{page} {base:?} {target}"
            );
        }
    }

    #[test]
    fn a_base_without_end_is_ignored() {
        let base = "/x".repeat(4096);
        assert_eq!(resolved("/a/", Some(&base), "b"), "/a/b");
    }

    #[test]
    fn encoded_dots_do_not_lead_out() {
        let base = Base::new("/", None);
        assert_eq!(
            base.resolve("%2e%2e/a"),
            Resolved::Nowhere(PathError::AboveRoot)
        );
    }
}
