//! One canonical path, for the compiler and for the request.
//!
//! An attack on a file server is a path that two pieces of code read differently: `..` that one
//! removes and the other obeys, `%2e` decoded after the check, `%252e` decoded twice, a `\` that
//! is a letter here and a separator there, a NUL that ends the name for the operating system.
//! So there is one type, and one function that makes it from a request target: split at `/`
//! first, decode each segment once, then judge the decoded segment. A segment that decodes to
//! something with a `/` in it stays one segment, and no resource has such a name.
//!
//! RFC 3986 §3.3 (path), §5.2.4 (dot segments), §6.2.2 (normal form).

use std::borrow::Cow;
use std::fmt;

/// A canonical path: `/`, or segments each led by `/`, decoded, and perhaps a final `/`.
///
/// No segment is empty, `.` or `..`; none holds a control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SitePath<'a>(Cow<'a, str>);

/// Why something is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// A `%` without two hexadecimal digits.
    Percent,
    /// What it decodes to is not UTF-8 (overlong forms included).
    NotUtf8,
    /// A control character, among them NUL.
    Control,
    /// A character that may not stand in a path unencoded.
    Character,
    /// `..` leads above the root.
    AboveRoot,
    /// A name with a `/` or a `\` in it, which no file here can have.
    Separator,
    /// An empty, `.` or `..` segment where a name is expected.
    DotSegment,
}

impl SitePath<'static> {
    /// The path `/`.
    pub const ROOT: SitePath<'static> = SitePath(Cow::Borrowed("/"));
}

impl<'a> SitePath<'a> {
    /// Reads the path of a request target: the part before `?`, as it came.
    ///
    /// The second value tells whether the path had empty or dot segments, that is: whether the
    /// target should be redirected to the canonical one. Mere percent-encoding of what needs none
    /// is an equal form of the same URI (§6.2.2.2) and does not count.
    ///
    /// # Errors
    /// See [`PathError`]; it never guesses.
    #[inline]
    pub fn from_target(raw: &'a [u8]) -> Result<(SitePath<'a>, bool), PathError> {
        let Some(b'/') = raw.first() else {
            return Err(PathError::NotAbsolute);
        };
        if is_plain(raw) {
            let text = std::str::from_utf8(raw).map_err(|_| PathError::NotUtf8)?;
            return Ok((SitePath(Cow::Borrowed(text)), false));
        }
        SitePath::decoded(raw)
    }

    /// The same for one that is not plain.
    fn decoded(raw: &[u8]) -> Result<(SitePath<'a>, bool), PathError> {
        let mut path = String::with_capacity(raw.len());
        let mut moved = false;
        let mut segments = raw.split(|byte| *byte == b'/').skip(1).peekable();
        while let Some(raw_segment) = segments.next() {
            let last = segments.peek().is_none();
            let segment = decode_segment(raw_segment)?;
            match &*segment {
                "" if last => path.push('/'),
                "" => moved = true,
                "." | ".." => {
                    if *segment == *".." {
                        let parent = path.rfind('/').ok_or(PathError::AboveRoot)?;
                        path.truncate(parent);
                    }
                    moved = true;
                    if last {
                        path.push('/');
                    }
                }
                name => {
                    path.push('/');
                    path.push_str(name);
                }
            }
        }
        Ok((SitePath(Cow::Owned(path)), moved))
    }

    /// Makes a path from the decoded text of one, for the compiler.
    ///
    /// # Errors
    /// When it is not canonical, or holds a `\`.
    pub fn from_decoded(text: impl Into<Cow<'a, str>>) -> Result<SitePath<'a>, PathError> {
        let text = text.into();
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PathError::NotAbsolute);
        };
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            match segment {
                "" if segments.peek().is_none() => {}
                "" | "." | ".." => return Err(PathError::DotSegment),
                name if name.contains('\\') => return Err(PathError::Separator),
                name if name.chars().any(char::is_control) => return Err(PathError::Control),
                _ => {}
            }
        }
        Ok(SitePath(text))
    }

    /// The decoded path.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as it stands in a URI: percent-encoded.
    #[must_use]
    pub fn encoded(&self) -> String {
        percent_encode(&self.0)
    }

    /// The path without what it borrowed.
    #[must_use]
    pub fn into_owned(self) -> SitePath<'static> {
        SitePath(Cow::Owned(self.0.into_owned()))
    }
}

/// Whether a raw path is canonical as it stands: no `%`, no empty or dot segment, and nothing
/// but the characters that every URI may hold. The usual case, and then nothing is copied.
#[inline]
fn is_plain(raw: &[u8]) -> bool {
    let mut previous = b'x';
    for &byte in raw {
        let dot_or_empty = previous == b'/' && (byte == b'/' || byte == b'.');
        if byte == b'%' || !is_path_byte(byte) || dot_or_empty {
            return false;
        }
        previous = byte;
    }
    true
}

/// RFC 3986 §3.3 `pchar` and `/`.
#[inline]
fn is_path_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!'
        | b'$' | b'&'..=b',' | b';' | b'=' | b':' | b'@' | b'/' | b'%')
}

fn decode_segment(raw: &[u8]) -> Result<Cow<'_, str>, PathError> {
    if let Some(byte) = raw.iter().find(|byte| !is_path_byte(**byte)) {
        let control = byte.is_ascii_control();
        return Err(if control {
            PathError::Control
        } else {
            PathError::Character
        });
    }
    let decoded = percent_decode(raw)?;
    let text = match decoded {
        Cow::Borrowed(bytes) => {
            Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?)
        }
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| PathError::NotUtf8)?),
    };
    if text.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    if text.contains(['/', '\\']) {
        return Err(PathError::Separator);
    }
    Ok(text)
}

fn percent_decode(raw: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    if !raw.contains(&b'%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let byte = bytes.next().ok_or(PathError::Percent)?;
            char::from(byte).to_digit(16).ok_or(PathError::Percent)
        };
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).map_err(|_| PathError::Percent)?);
    }
    Ok(Cow::Owned(decoded))
}

/// Percent-encodes a decoded path for use in a URI, `/` left as it is.
#[must_use]
pub fn percent_encode(path: &str) -> String {
    use fmt::Write as _;
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl fmt::Display for SitePath<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            PathError::NotAbsolute => "it does not begin with `/`",
            PathError::Percent => "a `%` is not followed by two hexadecimal digits",
            PathError::NotUtf8 => "it is not UTF-8",
            PathError::Control => "it holds a control character",
            PathError::Character => "it holds a character that must be percent-encoded",
            PathError::AboveRoot => "`..` leads above the root",
            PathError::Separator => "a name holds a `/` or a `\\`",
            PathError::DotSegment => "it holds an empty, `.` or `..` segment",
        })
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use super::{PathError, SitePath};

    fn read(raw: &str) -> Result<(String, bool), PathError> {
        SitePath::from_target(raw.as_bytes()).map(|(path, moved)| (path.to_string(), moved))
    }

    #[test]
    fn canonical_paths_are_taken_as_they_are() {
        for raw in [
            "/",
            "/a",
            "/a/",
            "/a/b.txt",
            "/a.b/..c",
            "/a../b",
            "/~x/!$&'()*+,;=:@",
        ] {
            assert_eq!(read(raw), Ok((raw.to_owned(), false)), "{raw}");
        }
    }

    #[test]
    fn encoded_forms_are_decoded_once() {
        for (raw, decoded) in [
            ("/%61", "/a"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a b"),
            ("/%252e%252e", "/%2e%2e"),
            ("/a%3Fb", "/a?b"),
            ("/%F0%9F%93%96/", "/📖/"),
        ] {
            assert_eq!(read(raw), Ok((decoded.to_owned(), false)), "{raw}");
        }
    }

    #[test]
    fn dot_and_empty_segments_are_removed_and_told() {
        for (raw, canonical) in [
            ("//", "/"),
            ("//a", "/a"),
            ("/a//b", "/a/b"),
            ("/a//", "/a/"),
            ("/.", "/"),
            ("/./a", "/a"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/../b", "/b"),
            ("/a/b/../../c/", "/c/"),
            ("/%2e/a", "/a"),
            ("/a/%2E%2e/b", "/b"),
            ("/a/.%2e", "/"),
            ("//evil.example/", "/evil.example/"),
        ] {
            assert_eq!(read(raw), Ok((canonical.to_owned(), true)), "{raw}");
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for (raw, error) in [
            ("", PathError::NotAbsolute),
            ("a", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("/..", PathError::AboveRoot),
            ("/a/../../b", PathError::AboveRoot),
            ("/%2e%2e/etc/passwd", PathError::AboveRoot),
            ("/%", PathError::Percent),
            ("/%4", PathError::Percent),
            ("/%zz", PathError::Percent),
            ("/%+1", PathError::Percent),
            ("/%00", PathError::Control),
            ("/a%0D%0Ab", PathError::Control),
            ("/%7F", PathError::Control),
            ("/%C2%85", PathError::Control),
            ("/%FF", PathError::NotUtf8),
            ("/%C0%AF", PathError::NotUtf8),
            ("/%E0%80%AF", PathError::NotUtf8),
            ("/%ED%A0%80", PathError::NotUtf8),
            ("/a%2Fb", PathError::Separator),
            ("/%5c..%5c", PathError::Separator),
            ("/a\\b", PathError::Character),
            ("/a b", PathError::Character),
            ("/a#b", PathError::Character),
            ("/\"", PathError::Character),
            ("/[", PathError::Character),
            ("/|^", PathError::Character),
            ("/\u{1}", PathError::Control),
            ("/é", PathError::Character),
        ] {
            assert_eq!(read(raw), Err(error), "{raw:?}");
        }
    }

    #[test]
    fn the_encoded_form_reads_back() {
        for decoded in ["/", "/a b/ü/100%/[x]", "/?#\"<>", "/📖"] {
            let path = SitePath::from_decoded(decoded).unwrap();
            let encoded = path.encoded();
            assert_eq!(read(&encoded), Ok((decoded.to_owned(), false)), "{encoded}");
        }
    }

    #[test]
    fn the_compiler_cannot_make_a_path_that_no_target_reaches() {
        for (text, error) in [
            ("a", PathError::NotAbsolute),
            ("//", PathError::DotSegment),
            ("/a/../b", PathError::DotSegment),
            ("/a\\b", PathError::Separator),
            ("/a\u{0}", PathError::Control),
        ] {
            assert_eq!(SitePath::from_decoded(text), Err(error), "{text:?}");
        }
    }
}
