//! A packed site behind a finished executable.
//!
//! ```text
//! executable   as the linker made it
//! padding      to a page boundary
//! packed site
//! trailer      64 bytes: magic, three lengths, and the start of the SHA-256 of them
//! ```
//!
//! Systems load what an executable's own headers name and leave the rest of the file alone.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::digest::Digest;
use crate::format::PAGE_BYTES;

/// The length of the trailer in bytes.
const TRAILER_BYTES: usize = 64;
/// The length of what stands before its check.
const STATED_BYTES: usize = 48;
/// The first bytes of a trailer.
const MAGIC: [u8; 24] = *b"chapbook-packed-site-v1\n";

/// Where in a file its appended site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The length of the executable before it, in bytes.
    pub executable_bytes: u64,
    /// Where the packed site begins.
    pub site_offset: u64,
    /// The length of the packed site in bytes.
    pub site_bytes: u64,
}

impl Appended {
    /// Where a site behind an executable of so many bytes begins.
    #[must_use]
    pub fn offset_behind(executable_bytes: u64) -> u64 {
        executable_bytes.next_multiple_of(PAGE_BYTES)
    }

    /// Looks at the end of a file; none if there is no trailer.
    ///
    /// # Errors
    /// When the file cannot be read, or its trailer names places that it has not.
    pub fn find<F: Read + Seek>(file: &mut F) -> io::Result<Option<Appended>> {
        let end = file.seek(SeekFrom::End(0))?;
        let Some(trailer_offset) = end.checked_sub(TRAILER_BYTES as u64) else {
            return Ok(None);
        };
        let mut trailer = [0; TRAILER_BYTES];
        file.seek(SeekFrom::Start(trailer_offset))?;
        file.read_exact(&mut trailer)?;
        let Some(found) = Appended::decode(&trailer) else {
            return Ok(None);
        };
        let behind = found.site_offset.checked_add(found.site_bytes);
        if behind == Some(trailer_offset) && found.executable_bytes <= found.site_offset {
            Ok(Some(found))
        } else {
            let cause = "the site behind the executable is cut short or added to";
            Err(io::Error::new(io::ErrorKind::InvalidData, cause))
        }
    }

    /// Writes the trailer.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_trailer(&self, out: &mut impl Write) -> io::Result<()> {
        let mut trailer = MAGIC.to_vec();
        for number in [self.executable_bytes, self.site_offset, self.site_bytes] {
            trailer.extend_from_slice(&number.to_le_bytes());
        }
        let check = Digest::of(&trailer);
        trailer.extend_from_slice(
            check
                .0
                .get(..TRAILER_BYTES - STATED_BYTES)
                .unwrap_or_default(),
        );
        out.write_all(&trailer)
    }

    fn decode(trailer: &[u8; TRAILER_BYTES]) -> Option<Appended> {
        let (stated, check) = trailer.split_at_checked(STATED_BYTES)?;
        let numbers = stated.strip_prefix(&MAGIC)?;
        if !Digest::of(stated).0.starts_with(check) {
            return None;
        }
        let mut numbers = numbers
            .as_chunks::<8>()
            .0
            .iter()
            .copied()
            .map(u64::from_le_bytes);
        Some(Appended {
            executable_bytes: numbers.next()?,
            site_offset: numbers.next()?,
            site_bytes: numbers.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::Appended;

    #[test]
    fn a_trailer_is_found_and_a_damaged_one_is_none() {
        let appended = Appended {
            executable_bytes: 5,
            site_offset: Appended::offset_behind(5),
            site_bytes: 100,
        };
        let mut file = vec![7; 4196];
        assert_eq!(Appended::find(&mut Cursor::new(&file)).unwrap(), None);
        appended.write_trailer(&mut file).unwrap();
        let find = |file: &[u8]| Appended::find(&mut Cursor::new(file));
        assert_eq!(find(&file).unwrap(), Some(appended));
        assert_eq!(find(&file[..30]).unwrap(), None);
        assert!(find(&file[1..]).is_err(), "a byte is missing before it");
        for at in 4196..file.len() {
            file[at] ^= 1;
            assert_eq!(find(&file).unwrap(), None, "byte {at}");
            file[at] ^= 1;
        }
    }
}
