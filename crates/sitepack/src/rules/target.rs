//! A target is percent-encoded text with `:name` and `:splat` in it.
//!
//! What is put in comes from a client. So [`location`] encodes it for the place where it lands,
//! and never yields a line end, a `//` at the start that would make the rest a host, a dot
//! segment, or more than [`LOCATION_BYTES_MAX`] bytes. Scheme and host are what the author wrote:
//! the first `/`, `?` or `#` behind them comes before any placeholder, or there is no answer.

use std::fmt;

use super::pattern::{Captures, name_bytes};
use crate::path::SitePath;

/// How long a `Location` may become, in bytes: what the index allows a path.
pub const LOCATION_BYTES_MAX: usize = 4096;
/// Why a target gives no location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// It names a placeholder that the pattern does not have.
    Unknown,
    /// It is neither an absolute path nor a URL whose host stands before all placeholders.
    Form,
    /// It, or what was put in, has a `.` or `..` segment.
    DotSegment,
    /// It would be longer than [`LOCATION_BYTES_MAX`] bytes.
    TooLong,
}

/// Where a redirect leads: `target` with what was captured put in, percent-encoded.
///
/// # Errors
/// See [`TargetError`]; for a target that was checked when it was packed, only what a client
/// sent can be at fault.
pub fn location(target: &str, captures: &Captures<'_, '_>) -> Result<String, TargetError> {
    let (origin, local) = split_origin(target).ok_or(TargetError::Form)?;
    let mut location = Location {
        text: origin.to_owned(),
        place: Place::Path,
        here: origin.is_empty(),
    };
    let mut rest = local;
    while let Some(first) = rest.chars().next() {
        let mut read = first.len_utf8();
        if let Some(name) = placeholder(rest) {
            read += name.len();
            let value = captures.get(name).ok_or(TargetError::Unknown)?;
            for character in value.chars() {
                location.value(character)?;
            }
        } else {
            location.literal(first)?;
        }
        rest = rest.get(read..).unwrap_or_default();
    }
    let path = location.text.get(origin.len()..).unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.split('/').any(is_dot_segment) {
        return Err(TargetError::DotSegment);
    }
    Ok(location.text)
}

/// The path of this site that a rewrite shows: [`location`], decoded.
///
/// # Errors
/// See [`TargetError`]; `Form` also when the target is not a path of this site.
pub fn rewritten(
    target: &str,
    captures: &Captures<'_, '_>,
) -> Result<SitePath<'static>, TargetError> {
    let location = location(target, captures)?;
    match SitePath::from_target(location.as_bytes()) {
        Ok((path, false)) => Ok(path.into_owned()),
        Ok((_, true)) | Err(_) => Err(TargetError::Form),
    }
}

/// Splits a target into scheme and host, empty for a path of this site, and what follows, which
/// begins with `/`, `?` or `#` or is empty. `None` for all that is neither path nor URL.
#[must_use]
pub fn split_origin(target: &str) -> Option<(&str, &str)> {
    if target.starts_with('/') {
        // `//host` names a host, and browsers read `\` as `/`.
        return (!target.starts_with("//") && !target.contains('\\')).then_some(("", target));
    }
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| target.starts_with(scheme))?;
    let authority = target.get(scheme.len()..)?;
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let is_host = authority.get(..end).is_some_and(is_host_and_port);
    is_host.then(|| target.split_at(scheme.len() + end))
}

/// The name of the placeholder that `text` begins with.
#[must_use]
pub fn placeholder(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(':')?;
    rest.starts_with(|first: char| first.is_ascii_alphabetic())
        .then(|| rest.split_at(name_bytes(rest)).0)
}

/// `.` or `..`, also where their dots are encoded: URL parsers read both alike.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    matches!(&*plain, "." | "..")
}

/// A name or an address, and perhaps a port; no user, whose name could pass for a host's.
fn is_host_and_port(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        Some(_) | None => (authority, "0"),
    };
    let is_name = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    let is_address = |text: &str| {
        let inside = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        inside.is_some_and(|t| {
            t.bytes()
                .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
        })
    };
    (is_name(host) || is_address(host)) && port.parse::<u16>().is_ok()
}

/// A location while it is written.
struct Location {
    text: String,
    place: Place,
    /// Whether it is a path of this site.
    here: bool,
}

/// Where in a URI the next character lands: what has to be encoded differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Fragment,
}

impl Location {
    /// A character of the target as its author wrote it.
    fn literal(&mut self, character: char) -> Result<(), TargetError> {
        match (character, self.place) {
            ('#', Place::Path | Place::Query) => self.place = Place::Fragment,
            ('?', Place::Path) => self.place = Place::Query,
            ('/', Place::Path) if self.here => return self.slash(),
            ('#', Place::Fragment) => return self.encode(character),
            (_, Place::Path | Place::Query | Place::Fragment) => {}
        }
        if is_uri_character(character) {
            self.push(character)
        } else {
            self.encode(character)
        }
    }

    /// A character that a client sent.
    fn value(&mut self, character: char) -> Result<(), TargetError> {
        match self.place {
            Place::Path if character == '/' => self.slash(),
            Place::Path if is_unreserved(character) || "!$&'()*+,;=:@".contains(character) => {
                self.push(character)
            }
            // In a query, `&`, `=` and `+` have meanings of their own.
            Place::Query | Place::Fragment if is_unreserved(character) || character == '/' => {
                self.push(character)
            }
            Place::Path | Place::Query | Place::Fragment => self.encode(character),
        }
    }

    /// Two `/` in a row would begin a host, or be an empty segment. In a URL the host is already
    /// there, and its author may have meant what they wrote.
    fn slash(&mut self) -> Result<(), TargetError> {
        if self.text.ends_with('/') {
            Ok(())
        } else {
            self.push('/')
        }
    }

    fn encode(&mut self, character: char) -> Result<(), TargetError> {
        use fmt::Write as _;
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "%{byte:02X}");
        }
        self.bound()
    }

    fn push(&mut self, character: char) -> Result<(), TargetError> {
        self.text.push(character);
        self.bound()
    }

    fn bound(&self) -> Result<(), TargetError> {
        if self.text.len() > LOCATION_BYTES_MAX {
            Err(TargetError::TooLong)
        } else {
            Ok(())
        }
    }
}

/// RFC 3986 §2.3.
fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~".contains(character)
}

/// What may stand in a URI behind its host, `%` of an encoded byte included.
fn is_uri_character(character: char) -> bool {
    is_unreserved(character) || "!$&'()*+,;=:@/?#%".contains(character)
}

impl fmt::Display for TargetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            TargetError::Unknown => "it names a placeholder that the pattern does not have",
            TargetError::Form => "it is neither a path nor an http or https URL with a plain host",
            TargetError::DotSegment => "it has a `.` or `..` segment",
            TargetError::TooLong => "it is longer than 4096 bytes",
        })
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::{LOCATION_BYTES_MAX, TargetError, location, rewritten};
    use crate::rules::{Captures, Pattern};

    fn lead(from: &str, path: &str, to: &str) -> Result<String, TargetError> {
        let pattern = Pattern::new(from).unwrap();
        location(to, &pattern.matches(path).expect(path))
    }

    #[test]
    fn placeholders_are_filled_in() {
        for (from, path, to, expected) in [
            ("/a", "/a", "/b", "/b"),
            ("/a", "/a", "/b?c=1#d", "/b?c=1#d"),
            ("/*", "/x/y", "/:splat", "/x/y"),
            ("/*", "/", "/:splat", "/"),
            ("/old/*", "/old", "/new/:splat", "/new/"),
            ("/old/*", "/old/", "/new/:splat", "/new/"),
            ("/old/*", "/old/a/", "/new/:splat", "/new/a/"),
            ("/old/*", "/old", "/:splat/new", "/new"),
            ("/:y/:m", "/2026/11", "/:m-:y.html", "/11-2026.html"),
            ("/:y/:m", "/2026/11", "/b?m=:m&y=:y#:m", "/b?m=11&y=2026#11"),
            ("/:a", "/ü b?c", "/x/:a", "/x/%C3%BC%20b%3Fc"),
            ("/:a", "/b&c=d+e", "/x?q=:a", "/x?q=b%26c%3Dd%2Be"),
            ("/:a", "/100%", "/x/:a", "/x/100%25"),
            ("/:a", "/:a", "/x/:a", "/x/:a"),
            (
                "/a/*",
                "/a/b/c",
                "https://x.example/:splat",
                "https://x.example/b/c",
            ),
            (
                "/a/*",
                "/a/b/c",
                "http://x.example:80?p=:splat",
                "http://x.example:80?p=b/c",
            ),
            ("/a", "/a", "https://[::1]:8080/", "https://[::1]:8080/"),
            (
                "/a",
                "/a",
                "https://x/w/https://y/",
                "https://x/w/https://y/",
            ),
            ("/a", "/a", "/b?at=12:30", "/b?at=12:30"),
            ("/a", "/a", "/é|", "/%C3%A9%7C"),
        ] {
            assert_eq!(
                lead(from, path, to).as_deref(),
                Ok(expected),
                "{from} {path} {to}"
            );
        }
    }

    /// Whatever is put in, the host stays the author's.
    #[test]
    fn no_client_can_lead_elsewhere() {
        for (path, to, expected) in [
            ("//evil.example", "/:splat", "/evil.example"),
            ("//evil.example/%2f..", "/:splat", "/evil.example/%252f.."),
            ("///evil.example", "/a/:splat", "/a/evil.example"),
            ("/\\evil.example", "/:splat", "/%5Cevil.example"),
            ("/a\r\nSet-Cookie: b", "/:splat", "/a%0D%0ASet-Cookie:%20b"),
            ("/\u{0}\t", "/:splat", "/%00%09"),
            (
                "/@evil.example",
                "https://x.example/:splat",
                "https://x.example/@evil.example",
            ),
            (
                "/evil",
                "https://x.example/?:splat",
                "https://x.example/?evil",
            ),
        ] {
            assert_eq!(
                lead("/*", path, to).as_deref(),
                Ok(expected),
                "{path:?} {to}"
            );
        }
        for (path, to, error) in [
            ("/../x", "/:splat", TargetError::DotSegment),
            ("/a/..", "/:splat", TargetError::DotSegment),
            ("/.", "/.:splat", TargetError::DotSegment),
            ("/e", "/%2:splat%2E/", TargetError::DotSegment),
            (
                "/.evil.example",
                "https://x.example:splat",
                TargetError::Form,
            ),
            ("/x", "https://:splat/", TargetError::Form),
            ("/x", "https://me@x.example/:splat", TargetError::Form),
            ("/x", "https:///:splat", TargetError::Form),
            ("/x", "https://x:port/", TargetError::Form),
            ("/x", "//:splat", TargetError::Form),
            ("/x", "/\\:splat", TargetError::Form),
            ("/x", "javascript:alert(1)", TargetError::Form),
            ("/x", ":splat", TargetError::Form),
            ("/x", "", TargetError::Form),
            ("/x", "/:other", TargetError::Unknown),
        ] {
            assert_eq!(lead("/*", path, to), Err(error), "{path:?} {to}");
        }
    }

    #[test]
    fn a_location_has_a_bound() {
        let long = format!("/{}", "é".repeat(LOCATION_BYTES_MAX / 6));
        assert!(lead("/*", &long, "/:splat").is_ok());
        assert_eq!(
            lead("/*", &long, "/:splat/:splat"),
            Err(TargetError::TooLong)
        );
        assert_eq!(
            location(&long.repeat(9), &Captures::default()),
            Err(TargetError::TooLong)
        );
    }

    #[test]
    fn a_rewrite_is_a_decoded_path() {
        for (from, path, to, expected) in [
            ("/*", "/ü b", "/x/:splat", "/x/ü b"),
            ("/*", "/a/", "/x%20y/:splat", "/x y/a/"),
            ("/:a", "/[1]|^", "/:a.html", "/[1]|^.html"),
        ] {
            let captures = Pattern::new(from).unwrap().matches(path).unwrap();
            assert_eq!(rewritten(to, &captures).unwrap().as_str(), expected);
        }
        let none = Captures::default();
        assert_eq!(
            rewritten("https://a.example/", &none),
            Err(TargetError::Form)
        );
        assert_eq!(rewritten("/a?b", &none), Err(TargetError::Form));
        assert_eq!(rewritten("/a%2Fb", &none), Err(TargetError::Form));
    }

    /// What any target gives of any path is a URI of one line whose host is not the client's.
    #[test]
    fn hostile_values_never_break_a_location() {
        let pieces = [
            "/", ":a", ":splat", ".", "..", "%", "%2e", "?", "#", "\\", "\r\n", "é", "x",
        ];
        let mut random = crate::testing::Random(1);
        for _ in 0..20_000 {
            let mut text = || -> String {
                let count = random.below(9);
                let picked = (0..count).map(|_| pieces[random.below(pieces.len())]);
                picked.collect()
            };
            let (to, path) = (format!("/{}", text()), format!("/{}", text()));
            let Some(captures) = Pattern::new("/:a/*").unwrap().matches(&path) else {
                continue;
            };
            let Ok(location) = location(&to, &captures) else {
                continue;
            };
            assert!(
                location.starts_with('/') && !location.starts_with("//"),
                "{location}"
            );
            assert!(
                location
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            );
            let local = location.split(['?', '#']).next().unwrap();
            assert!(
                !local.split('/').any(|s| s == ".." || s == "."),
                "{location}"
            );
        }
    }
}
