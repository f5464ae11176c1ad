//! A member's name: made from hostile bytes in one place.
//!
//! The attack is a name that means one thing to the check and another to what uses it: `..`,
//! a `\` that is a separator elsewhere, a NUL that ends it, bytes that two decoders read
//! differently. A name is refused for any of these; nothing is repaired but what cannot be
//! misread: `.` and empty segments, which POSIX passes over.

use std::sync::Arc;

use super::limits::{DEPTH_LEVELS_MAX, NAME_BYTES_MAX};

/// What a leading `/` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rooting {
    /// An archive is unpacked anywhere: a name or a link that begins with `/` leads out of it.
    Archive,
    /// A layer is unpacked at the image's root: `/` is just that. Some builders write it
    /// (kaniko does), and container engines accept it.
    Image,
}

/// Segments with `/` between them; none is empty, `.` or `..`. The root's name is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(String);

impl Name {
    /// Reads a name. Without a segment it is the root's.
    pub(super) fn parse(raw: &[u8], rooting: Rooting) -> Result<Name, String> {
        if raw.len() > NAME_BYTES_MAX {
            return Err(format!("the name is longer than {NAME_BYTES_MAX} bytes"));
        }
        let text = std::str::from_utf8(raw).map_err(|_| "the name is not UTF-8")?;
        if text.is_empty() {
            return Err("the name is empty".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("a control character in the name".to_owned());
        }
        if text.contains('\\') {
            return Err("a `\\` in the name".to_owned());
        }
        if text.starts_with('/') && rooting == Rooting::Archive {
            return Err("the name is absolute".to_owned());
        }
        let mut name = String::with_capacity(text.len());
        let mut levels = 0;
        for segment in text.split('/') {
            match segment {
                "" | "." => continue,
                ".." => return Err("a `..` in the name".to_owned()),
                _ => {}
            }
            if levels > 0 {
                name.push('/');
            }
            name.push_str(segment);
            levels += 1;
        }
        // The file itself is no directory.
        if levels > DEPTH_LEVELS_MAX + 1 {
            let cause = format!("directories are nested more than {DEPTH_LEVELS_MAX} deep");
            return Err(cause);
        }
        Ok(Name(name))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        segments(&self.0)
    }

    /// The directories above it, and its last segment.
    pub(super) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (parent, last) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (segments(parent), last)
    }

    /// The name with another last segment; with an empty one, that of the directory.
    pub(super) fn sibling(&self, last: &str) -> Name {
        let parent = self.0.rsplit_once('/').map_or("", |(parent, _)| parent);
        let separator = if parent.is_empty() || last.is_empty() {
            ""
        } else {
            "/"
        };
        Name(format!("{parent}{separator}{last}"))
    }
}

fn segments(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').filter(|segment| !segment.is_empty())
}

/// Reads the target of a symbolic link, which may hold `..`: where it leads is seen later.
pub(super) fn target(raw: &[u8]) -> Result<Arc<str>, String> {
    if raw.len() > NAME_BYTES_MAX {
        return Err(format!("its target is longer than {NAME_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(raw).map_err(|_| "its target is not UTF-8")?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("its target is empty or has a control character in it".to_owned());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::{Name, Rooting};

    #[test]
    fn names_are_made_of_plain_segments_or_refused() {
        let long = "a".repeat(4097);
        let deep = "a/".repeat(66);
        let deep_enough = "a/".repeat(65);
        for (raw, archive, image) in [
            (&b"a/b.html"[..], Ok("a/b.html"), Ok("a/b.html")),
            (b"./a//b/./c/", Ok("a/b/c"), Ok("a/b/c")),
            (b"./", Ok(""), Ok("")),
            (b"...", Ok("..."), Ok("...")),
            ("ä".as_bytes(), Ok("ä"), Ok("ä")),
            (b"/a", Err("the name is absolute"), Ok("a")),
            (b"/", Err("the name is absolute"), Ok("")),
            (b"//a", Err("the name is absolute"), Ok("a")),
            (b"..", Err("a `..` in the name"), Err("a `..` in the name")),
            (b"a/../b", Err("a `..` in"), Err("a `..` in")),
            (b"/../b", Err("absolute"), Err("a `..` in")),
            (b"..\\b", Err("a `\\` in"), Err("a `\\` in")),
            (b"c:\\b", Err("a `\\` in"), Err("a `\\` in")),
            (b"a\0.html", Err("a control"), Err("a control")),
            (b"a\n", Err("a control"), Err("a control")),
            ("\u{85}".as_bytes(), Err("a control"), Err("a control")),
            (b"\xff", Err("not UTF-8"), Err("not UTF-8")),
            (b"\xc0\xaf", Err("not UTF-8"), Err("not UTF-8")),
            (b"", Err("is empty"), Err("is empty")),
            (long.as_bytes(), Err("4096"), Err("longer than 4096")),
            (deep.as_bytes(), Err("64 deep"), Err("more than 64 deep")),
            (
                deep_enough.as_bytes(),
                Ok(deep_enough.trim_end_matches('/')),
                Ok(deep_enough.trim_end_matches('/')),
            ),
        ] {
            for (rooting, expected) in [(Rooting::Archive, archive), (Rooting::Image, image)] {
                match (Name::parse(raw, rooting), expected) {
                    (Ok(name), Ok(expected)) => assert_eq!(name.as_str(), expected),
                    (Err(cause), Err(expected)) => {
                        assert!(cause.contains(expected), "{cause}, not {expected}");
                    }
                    (found, _) => panic!("{}: {found:?}", raw.escape_ascii()),
                }
            }
        }
    }
}
