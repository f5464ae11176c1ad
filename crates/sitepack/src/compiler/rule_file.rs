//! What `_redirects` and `_headers` have in common: lines with numbers, and patterns.

use std::borrow::Cow;
use std::path::Path;

use super::error::Error;
use crate::path::SitePath;
use crate::rules::{Pattern, placeholder};

/// How large such a file may be, in bytes: 2,100 rules of 1,000 characters fit.
const FILE_BYTES_MAX: usize = 4 << 20;
/// Pages that the server makes itself stand under this prefix.
const MANAGEMENT_PREFIX: &str = "/-/";

/// The lines of a file with their numbers, without line ends and without white space behind
/// them. Empty lines and comments are left out.
pub(crate) fn lines<'a>(
    file: &Path,
    content: &'a [u8],
    line_characters_max: usize,
) -> Result<Vec<(usize, &'a str)>, Error> {
    if content.len() > FILE_BYTES_MAX {
        let cause = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(Error::new("read", file.display(), cause));
    }
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut found = Vec::new();
    for (number, bytes) in (1..).zip(content.split(|byte| *byte == b'\n')) {
        let line = std::str::from_utf8(bytes)
            .map_err(|_| Error::at_line(file, number, "the line is not UTF-8"))?
            .trim_end();
        if line.is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if line.chars().count() > line_characters_max {
            let cause = format!("the line is longer than {line_characters_max} characters");
            return Err(Error::at_line(file, number, cause));
        }
        if line.contains(|character: char| character.is_control() && character != '\t') {
            return Err(Error::at_line(
                file,
                number,
                "the line holds a control character",
            ));
        }
        found.push((number, line));
    }
    Ok(found)
}

/// A pattern as a file has it, percent-encoded or not, decoded; and whether it is merely a path.
pub(crate) fn pattern(raw: &str) -> Result<(String, bool), Cow<'static, str>> {
    if raw.contains("://") || raw.starts_with("//") {
        return Err(
            "a pattern with a host belongs to one hosting service only: here every host \
                    has the same site; write the path alone"
                .into(),
        );
    }
    if raw.contains(['?', '#']) {
        return Err(format!("`{raw}` is matched against paths: it has no `?` and no `#`").into());
    }
    let whole_segment = |at: usize| raw.get(..at).is_some_and(|before| before.ends_with('/'));
    for (at, _) in raw.match_indices(':') {
        let named = raw.get(at..).and_then(placeholder).is_some();
        if named != whole_segment(at) {
            let cause = "a placeholder is a whole segment (`/:name/`); where a `:` is meant, \
                         write `%3A`";
            return Err(cause.into());
        }
    }
    let is_static = !raw.contains('*') && !raw.contains("/:");
    let hidden = |raw: &str| {
        let raw = raw.to_ascii_lowercase();
        raw.contains("%2a") || raw.contains("/%3a")
    };
    if !is_static && hidden(raw) {
        return Err(
            "beside placeholders and `*`, neither `%2A` nor `/%3A` can be told apart".into(),
        );
    }
    let encoded = encode_strays(raw);
    let said = |cause: String| format!("`{raw}` is not a path: {cause}");
    let (path, moved) =
        SitePath::from_target(encoded.as_bytes()).map_err(|e| said(e.to_string()))?;
    if moved {
        return Err(said("it holds an empty, `.` or `..` segment".to_owned()).into());
    }
    if path.as_str().starts_with(MANAGEMENT_PREFIX) {
        return Err(format!("`{MANAGEMENT_PREFIX}` belongs to the server's own pages").into());
    }
    let text = path.as_str().to_owned();
    if !is_static {
        Pattern::new(&text).map_err(|e| format!("`{raw}` is not a pattern: {e}"))?;
    }
    Ok((text, is_static))
}

/// Percent-encodes what an author may write plainly and a URI may not hold.
pub(crate) fn encode_strays(raw: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>[\\]^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FILE_BYTES_MAX, lines, pattern};

    #[test]
    fn lines_have_their_numbers() {
        let text = "\u{feff}/a b\r\n\n# c\n  \t# d\n\t e \n/f #g";
        let found = lines(Path::new("f"), text.as_bytes(), 10).unwrap();
        assert_eq!(found, [(1, "/a b"), (5, "\t e"), (6, "/f #g")]);
    }

    #[test]
    fn lines_that_cannot_be_read_are_named() {
        for (text, message) in [
            (&b"/a\n/b\xff"[..], "f:2: the line is not UTF-8"),
            (b"\n/a\0", "f:2: the line holds a control character"),
            (b"/a\rb", "f:1: the line holds a control character"),
            (b"/1234567890", "f:1: the line is longer than 10 characters"),
        ] {
            let refused = lines(Path::new("f"), text, 10).unwrap_err();
            assert_eq!(refused.to_string(), message);
        }
        assert!(lines(Path::new("f"), &vec![b'\n'; FILE_BYTES_MAX + 1], 10).is_err());
    }

    #[test]
    fn patterns_are_decoded() {
        for (raw, text, is_static) in [
            ("/", "/", true),
            ("/a%20b/ü", "/a b/ü", true),
            ("/%3Aa/b%2Ac", "/:a/b*c", true),
            ("/[x]", "/[x]", true),
            ("/:a/b%3Ac/*", "/:a/b:c/*", false),
            ("/*.js", "/*.js", false),
        ] {
            assert_eq!(pattern(raw), Ok((text.to_owned(), is_static)), "{raw}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for (raw, part) in [
            ("a", "does not begin with `/`"),
            ("https://a.example/*", "one hosting service only"),
            ("//a.example/*", "one hosting service only"),
            ("/a?b", "no `?`"),
            ("/a#b", "no `?` and no `#`"),
            ("/a:b", "write `%3A`"),
            ("/:", "write `%3A`"),
            ("/:8080", "write `%3A`"),
            ("/:a.html", "whole segment"),
            ("/*/:a", "behind the `*`"),
            ("/:a/%2A", "told apart"),
            ("/a/../b", "`..` segment"),
            ("/a//b", "empty"),
            ("/%2e%2e/a", "above the root"),
            ("/%zz", "hexadecimal"),
            ("/%00", "control"),
            ("/a%2Fb", "a name holds"),
            ("/-/health", "own pages"),
            ("/-/*", "own pages"),
        ] {
            let cause = pattern(raw).unwrap_err();
            assert!(cause.contains(part), "{raw}: {cause}");
        }
    }
}
