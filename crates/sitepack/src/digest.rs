//! SHA-256, as the packed site uses it.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; Digest::BYTES]);

impl Digest {
    /// The length of a digest in bytes.
    pub const BYTES: usize = 32;
    /// How many bytes of the digest an entity-tag shows: 128 bits are beyond accident, and
    /// `sha256sum FILE | cut -c1-32` is a check that anybody can make.
    pub const ENTITY_TAG_BYTES: usize = 16;

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The digest of several slices, one after the other.
    #[must_use]
    pub fn of_all(slices: &[&[u8]]) -> Digest {
        let mut sha256 = Sha256::new();
        for slice in slices {
            sha256.update(slice);
        }
        Digest(sha256.finalize().into())
    }

    /// The digest of everything that `reader` gives, and how many bytes that was.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn of_reader(reader: &mut impl std::io::Read) -> std::io::Result<(Digest, u64)> {
        let (mut running, mut bytes) = (Running::default(), 0);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok((running.finish(), bytes)),
                Ok(read) => {
                    running.update(buffer.get(..read).unwrap_or_default());
                    bytes += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest that 64 hexadecimal digits write.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Digest> {
        let mut digest = [0; Digest::BYTES];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != Digest::BYTES || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            let nibble = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok()?;
        }
        Some(Digest(digest))
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The strong entity-tag of bytes with this digest, in its quotes (RFC 9110 §8.8.3).
    #[must_use]
    #[inline]
    pub fn entity_tag(&self) -> EntityTag {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        let mut tag = [b'"'; EntityTag::BYTES];
        let [_, places @ .., _] = &mut tag;
        for (pair, byte) in places.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        EntityTag(tag)
    }
}

/// A digest of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Running(Sha256);

impl Running {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that came.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Running")
    }
}

/// An entity-tag in its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag([u8; EntityTag::BYTES]);

impl EntityTag {
    const BYTES: usize = 2 * Digest::ENTITY_TAG_BYTES + 2;

    /// The bytes, quotes included.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Made of ASCII alone.
        formatter.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16));
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(digits);
    text
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").hex(), empty);
        assert_eq!(Digest::of_all(&[b"", b""]).hex(), empty);
        assert_eq!(
            Digest::of(b"").entity_tag().to_string(),
            "\"e3b0c44298fc1c149afbf4c8996fb924\""
        );
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"chapbook");
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        assert_eq!(Digest::from_hex(&digest.hex().to_uppercase()), Some(digest));
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
        let read = Digest::of_reader(&mut &b"chapbook"[..]).unwrap();
        assert_eq!(read, (digest, 8));
    }

    #[test]
    fn slices_are_digested_as_one_text() {
        assert_eq!(
            Digest::of_all(&[b"chap", b"", b"book"]),
            Digest::of(b"chapbook")
        );
    }
}
