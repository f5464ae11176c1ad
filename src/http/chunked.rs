//! The chunked transfer coding: RFC 9112 §7.1. Read only to find its end: nothing here has a use
//! for the content of a request.

use super::chunk_extension::Extensions;
use crate::limits::{EXTENSIONS_BYTES_MAX, SIZE_LINE_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::reason::Reason;

/// A reader of chunks, fed piece by piece.
#[derive(Clone, Debug)]
pub struct Chunks {
    state: State,
    /// Content that may still come, in bytes.
    allowed: u64,
    /// Bytes of the line or section that is being read.
    line_bytes: u32,
    /// Bytes of extensions so far.
    extensions_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of a size; how many there were, and their value.
    Size { digits: u32, size: u64 },
    /// In the extensions of a size.
    Extensions { size: u64, extensions: Extensions },
    /// After the CR of a size line.
    SizeFeed { size: u64 },
    /// In the data.
    Data { left: u64 },
    /// After the data.
    DataReturn,
    /// After the CR behind the data.
    DataFeed,
    /// At the start of a line of the trailer section.
    TrailerStart,
    /// In a line of the trailer section; whether its colon was seen.
    Trailer { colon: bool },
    /// After the CR of a line of the trailer section.
    TrailerFeed,
    /// After the CR of the last, empty line.
    LastFeed,
    /// Past the end.
    End,
}

impl Chunks {
    /// A reader that takes at most so many bytes of content.
    #[must_use]
    pub fn new(allowed: u64) -> Chunks {
        Chunks {
            state: State::Size { digits: 0, size: 0 },
            allowed,
            line_bytes: 0,
            extensions_bytes: 0,
        }
    }

    /// Reads from `input`: how many bytes of it belong to the content, and whether that ends
    /// there.
    ///
    /// # Errors
    /// `FramingConflict` for what is not chunked, `ContentTooLarge` for more than is allowed.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, bool), Reason> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::End {
                break;
            }
            if let State::Data { left } = self.state {
                let here = (input.len() - at) as u64;
                let taken = left.min(here);
                at += usize::try_from(taken).unwrap_or(input.len());
                self.state = match left - taken {
                    0 => State::DataReturn,
                    left => State::Data { left },
                };
                continue;
            }
            self.state = self.step(byte)?;
            at += 1;
        }
        Ok((at, self.state == State::End))
    }

    fn step(&mut self, byte: u8) -> Result<State, Reason> {
        if self.count_line_byte()? {
            return self.trailer_step(byte);
        }
        match (self.state, byte) {
            (State::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                let digit = u64::from(char::from(byte).to_digit(16).unwrap_or(0));
                let size = size
                    .checked_mul(16)
                    .and_then(|size| size.checked_add(digit));
                let size = size.ok_or(Reason::ContentTooLarge)?;
                Ok(State::Size {
                    digits: digits + 1,
                    size,
                })
            }
            (State::Size { digits: 1.., size }, b'\r') => Ok(State::SizeFeed { size }),
            (State::Size { digits: 1.., size }, _) => {
                self.extensions_step(size, Extensions::default(), byte)
            }
            (State::Extensions { size, extensions }, b'\r') if extensions.may_end() => {
                Ok(State::SizeFeed { size })
            }
            (State::Extensions { size, extensions }, _) => {
                self.extensions_step(size, extensions, byte)
            }
            (State::SizeFeed { size }, b'\n') => {
                self.line_bytes = 0;
                self.allowed = self
                    .allowed
                    .checked_sub(size)
                    .ok_or(Reason::ContentTooLarge)?;
                Ok(if size == 0 {
                    State::TrailerStart
                } else {
                    State::Data { left: size }
                })
            }
            (State::DataReturn, b'\r') => Ok(State::DataFeed),
            (State::DataFeed, b'\n') => {
                self.line_bytes = 0;
                Ok(State::Size { digits: 0, size: 0 })
            }
            _ => Err(Reason::FramingConflict),
        }
    }

    /// A byte of the extensions behind a size, § 7.1.1, which asks for a bound on all of them.
    fn extensions_step(
        &mut self,
        size: u64,
        extensions: Extensions,
        byte: u8,
    ) -> Result<State, Reason> {
        let extensions = extensions.step(byte).ok_or(Reason::FramingConflict)?;
        self.extensions_bytes += 1;
        if self.extensions_bytes > EXTENSIONS_BYTES_MAX {
            return Err(Reason::ContentTooLarge);
        }
        Ok(State::Extensions { size, extensions })
    }

    /// Counts a byte of a size line or of the trailer section; whether it is of the latter.
    fn count_line_byte(&mut self) -> Result<bool, Reason> {
        let in_trailer = matches!(
            self.state,
            State::TrailerStart | State::Trailer { .. } | State::TrailerFeed | State::LastFeed
        );
        let most = if in_trailer {
            TRAILER_BYTES_MAX
        } else {
            SIZE_LINE_BYTES_MAX
        };
        self.line_bytes += 1;
        if self.line_bytes > most {
            return Err(Reason::ContentTooLarge);
        }
        Ok(in_trailer)
    }

    /// A byte of the trailer section, § 7.1.2: field lines, and the empty line that ends it.
    fn trailer_step(&self, byte: u8) -> Result<State, Reason> {
        let is_token = super::is_token_byte(byte);
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::LastFeed),
            (State::TrailerStart, _) if is_token => Ok(State::Trailer { colon: false }),
            (State::Trailer { colon: true }, b'\r') => Ok(State::TrailerFeed),
            (State::Trailer { colon: true }, _) if byte == b'\t' || !byte.is_ascii_control() => {
                Ok(self.state)
            }
            (State::Trailer { colon: false }, b':') => Ok(State::Trailer { colon: true }),
            (State::Trailer { colon: false }, _) if is_token => Ok(self.state),
            (State::TrailerFeed, b'\n') => Ok(State::TrailerStart),
            (State::LastFeed, b'\n') => Ok(State::End),
            _ => Err(Reason::FramingConflict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Chunks;
    use crate::reason::Reason;

    fn read(raw: &[u8]) -> Result<(usize, bool), Reason> {
        Chunks::new(1000).read(raw)
    }

    #[test]
    fn content_ends_where_it_ends() {
        for raw in [
            &b"0\r\n\r\n"[..],
            b"5\r\nhello\r\n0\r\n\r\n",
            b"0005\r\nhello\r\n000\r\n\r\n",
            b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            b"5;name=value\r\nhello\r\n0\r\n\r\n",
            b"5;a=\"q;\\\" \"\r\nhello\r\n0;last\r\n\r\n",
            b"5 ; x\r\nhello\r\n0\r\nTrailer: v\r\nOther:\r\n\r\n",
        ] {
            assert_eq!(
                read(raw),
                Ok((raw.len(), true)),
                "{:?}",
                String::from_utf8_lossy(raw)
            );
            let more = [raw, b"GET /"].concat();
            assert_eq!(read(&more), Ok((raw.len(), true)));
            let mut bytewise = Chunks::new(1000);
            for (at, byte) in raw.iter().enumerate() {
                let last = at + 1 == raw.len();
                assert_eq!(bytewise.read(&[*byte]), Ok((1, last)));
            }
        }
    }

    #[test]
    fn a_trailer_section_has_a_bound_of_its_own() {
        let read = |value: usize| {
            let raw = format!("0\r\nA: {}\r\n\r\n", "x".repeat(value));
            Chunks::new(1000)
                .read(raw.as_bytes())
                .map(|(taken, whole)| (taken == raw.len(), whole))
        };
        // Seven bytes besides the value: the name and two line ends.
        for value in [0, 240, 256, 1024, 4096 - 7] {
            assert_eq!(read(value), Ok((true, true)), "{value}");
        }
        assert_eq!(read(4096 - 6), Err(Reason::ContentTooLarge));
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for raw in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"+5\r\nhello",
            b"0x5\r\nhello",
            b"5\nhello",
            b" 5\r\nhello",
            b"5\rhello",
            b"5\r\nhello0\r\n",
            b"5\r\nhello\n0\r\n",
            b"5\r\nhell\r\n0\r\n",
            b"5;\0\r\nhello",
            b"5 \r\nhello",
            b"5;\r\nhello",
            b"5;a=\"b\r\nhello",
            b"5;a=\"b\nc\"\r\nhello",
            b"5_\r\nhello",
            b"0\r\n bad\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\n: empty\r\n\r\n",
            b"0\r\nGET / HTTP/1.1\r\n\r\n",
            b"0\r\nA: \x00\r\n\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\n\n",
        ] {
            let text = String::from_utf8_lossy(raw).into_owned();
            assert_eq!(read(raw), Err(Reason::FramingConflict), "{text:?}");
        }
    }

    #[test]
    fn too_much_of_anything_is_refused() {
        let too_large = Err(Reason::ContentTooLarge);
        assert_eq!(read(b"3e9\r\n"), too_large);
        assert_eq!(read(b"fffffffffffffffff\r\n"), too_large);
        assert_eq!(read(b"ffffffffffffffff\r\n"), too_large);
        assert_eq!(read(format!("5;{}", "x".repeat(300)).as_bytes()), too_large);
        assert_eq!(read("0".repeat(300).as_bytes()), too_large);
        let trailer = format!("0\r\n{}", "A: b\r\n".repeat(1000));
        assert_eq!(read(trailer.as_bytes()), too_large);
        let mut many = Chunks::new(1000);
        assert_eq!(many.read("1\r\nx\r\n".repeat(1001).as_bytes()), too_large);
        let mut extended = Chunks::new(1000);
        let chunk = format!("1;{}\r\nx\r\n", "x".repeat(200));
        assert!(extended.read(chunk.repeat(20).as_bytes()).is_ok());
        assert_eq!(extended.read(chunk.as_bytes()), too_large);
    }
}
