//! Why an archive is refused: a cause, and the member that it was found at.

use std::fmt::Display;
use std::io;
use std::path::Path;

use crate::compiler::error::Error;

/// How much of a hostile name a message shows.
const SHOWN_CHARS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Fault {
    member: Option<String>,
    cause: String,
}

impl Fault {
    /// Of the archive as a whole.
    pub(super) fn whole(cause: impl Display) -> Fault {
        Fault {
            member: None,
            cause: cause.to_string(),
        }
    }

    /// Of the member with this name, which may be anything.
    pub(super) fn at(name: impl AsRef<[u8]>, cause: impl Display) -> Fault {
        Fault::whole(cause).named(name)
    }

    /// The same, at the member that was being read.
    pub(super) fn named(mut self, name: impl AsRef<[u8]>) -> Fault {
        self.member.get_or_insert_with(|| shown(name.as_ref()));
        self
    }

    /// As the error of this archive.
    pub(super) fn of(self, archive: &Path) -> Error {
        let cause = match self.member {
            Some(member) => format!("`{member}`: {}", self.cause),
            None => self.cause,
        };
        Error::new("unpack", archive.display(), cause)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        // Every reader here knows how much there has to be.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Fault::whole("the archive is cut short")
        } else {
            Fault::whole(error)
        }
    }
}

/// A name as one line of printable characters: it may hold what a terminal obeys.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut escaped: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(|character| {
            let is_quote = matches!(character, '\'' | '"');
            let plain = is_quote.then_some(character);
            let escaped = (!is_quote).then(|| character.escape_debug());
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().count() > SHOWN_CHARS_MAX {
        escaped.push('…');
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn names_are_shown_as_one_printable_line() {
        for (name, expected) in [
            (&b"a/it's.html"[..], "a/it's.html"),
            ("ä\n\u{1b}[2J".as_bytes(), "ä\\n\\u{1b}[2J"),
            (b"a\\b\0", "a\\\\b\\0"),
            (b"\xff", "\u{fffd}"),
        ] {
            assert_eq!(shown(name), expected);
        }
        assert_eq!(shown(&[b'a'; 5000]).chars().count(), 201);
    }
}
