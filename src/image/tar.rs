//! Headers of a tar archive (POSIX.1-1988 ustar), which is all that an image needs of one.
//!
//! Owner 0, no names of users, no devices: nothing of the machine. Every header is one block, so
//! that one whose content is not known yet can be written over.

use std::io;

/// Archives consist of blocks of so many bytes.
pub(super) const BLOCK_BYTES: u64 = 512;
/// Two empty blocks end an archive.
pub(super) const END: [u8; 1024] = [0; 1024];
/// The longest name without a prefix, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// What eleven octal digits can say.
pub(super) const NUMBER_MAX: u64 = (1 << 33) - 1;

/// What a header is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with so many bytes.
    File(u64),
    /// A directory; its name ends with a slash.
    Directory,
}

/// The header of an entry.
///
/// # Errors
/// When a name is too long, or a number too large, for a header of one block.
pub(super) fn header(name: &str, kind: Kind, mode: u32, time: u64) -> io::Result<Vec<u8>> {
    let (bytes, flag) = match kind {
        Kind::File(bytes) => (bytes, b'0'),
        Kind::Directory => (0, b'5'),
    };
    if name.len() > NAME_BYTES_MAX || bytes.max(time) > NUMBER_MAX {
        let cause = format!("`{name}` does not fit into a header of tar");
        return Err(io::Error::other(cause));
    }
    let mut before = name.as_bytes().to_vec();
    before.resize(NAME_BYTES_MAX, 0);
    for text in [
        format!("{mode:07o}\0"),
        "0000000\0".repeat(2),
        format!("{bytes:011o}\0{time:011o}\0"),
    ] {
        before.extend_from_slice(text.as_bytes());
    }
    let mut behind = vec![flag];
    // No link, then magic and version, then no names of user and group.
    behind.resize(1 + 100, 0);
    behind.extend_from_slice(b"ustar\x0000");
    behind.resize(1 + 100 + 8 + 64, 0);
    behind.extend_from_slice("0000000\0".repeat(2).as_bytes());
    // The sum counts its own eight bytes as spaces.
    let all = before.iter().chain(&behind).copied();
    let sum = all.map(u32::from).sum::<u32>() + 8 * u32::from(b' ');
    before.extend_from_slice(format!("{sum:06o}\0 ").as_bytes());
    before.append(&mut behind);
    before.resize(BLOCK_BYTES as usize, 0);
    Ok(before)
}

/// The zeros between the end of a content and the next block.
pub(super) fn padding(bytes: u64) -> Vec<u8> {
    let missing = bytes.next_multiple_of(BLOCK_BYTES) - bytes;
    vec![0; usize::try_from(missing).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::{Kind, NUMBER_MAX, header, padding};

    #[test]
    fn a_header_is_as_the_standard_has_it() {
        let block = header("chapbook", Kind::File(5), 0o555, 1).unwrap();
        assert_eq!(block.len(), 512);
        for (at, expected) in [
            (0, "chapbook\0"),
            (100, "0000555\0"),
            (108, "0000000\x000000000\x0000000000005\0"),
            (136, "00000000001\0"),
            (154, "\0 0\0"),
            (257, "ustar\x0000\0"),
            (329, "0000000\x000000000\0\0"),
        ] {
            assert!(block[at..].starts_with(expected.as_bytes()), "{at}");
        }
        let stated = std::str::from_utf8(&block[148..154]).unwrap();
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        let own: u32 = block[148..156].iter().copied().map(u32::from).sum();
        let stated = u32::from_str_radix(stated, 8).unwrap();
        assert_eq!(stated, sum - own + 8 * 32);
        let directory = header("a/", Kind::Directory, 0o755, 0).unwrap();
        assert_eq!(directory[156], b'5');
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let longest = "a".repeat(100);
        assert!(header(&longest, Kind::File(NUMBER_MAX), 0, NUMBER_MAX).is_ok());
        assert!(header(&"a".repeat(101), Kind::File(0), 0, 0).is_err());
        assert!(header("a", Kind::File(NUMBER_MAX + 1), 0, 0).is_err());
        assert!(header("a", Kind::File(0), 0, NUMBER_MAX + 1).is_err());
    }

    #[test]
    fn contents_end_at_blocks() {
        for (bytes, zeros) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(bytes).len(), zeros, "{bytes}");
        }
    }
}
