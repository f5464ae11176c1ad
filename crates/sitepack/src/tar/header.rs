//! A tar header: 512 bytes that describe what follows.

/// What a tar archive is made of.
pub const BLOCK_BYTES: usize = 512;

/// Why a sparse file is refused.
pub const SPARSE: &str = "it is stored as a sparse file: archive it without --sparse";

/// What a header says, before extensions.
#[derive(Debug)]
pub struct Header {
    /// As it is written there; pax and GNU may name it otherwise.
    pub name: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// Of what follows.
    pub bytes: u64,
    /// In seconds since 1970, or 0.
    pub time: u64,
    /// What it is, or why that is refused.
    pub kind: Result<Type, String>,
}

/// The members that a site can be made of, and what describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A file.
    File,
    /// Another name of a member.
    HardLink,
    /// A symbolic link.
    Link,
    /// A directory.
    Directory,
    /// GNU: the next member's name.
    LongName,
    /// GNU: the next member's target.
    LongLink,
    /// Pax: records for the next member.
    Extended,
    /// Pax: records for all that follow.
    Global,
}

impl Header {
    /// Parses a header.
    ///
    /// # Errors
    /// A block that is no header, or a damaged one.
    pub fn parse(block: &[u8; BLOCK_BYTES]) -> Result<Header, &'static str> {
        let field = |offset: usize, bytes: usize| {
            let field = block.get(offset..offset + bytes);
            field.unwrap_or_default()
        };
        // The checksum counts its own field as spaces.
        let sum_of = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let sum = sum_of(block) - sum_of(field(148, 8)) + 8 * u64::from(b' ');
        if number(field(148, 8)) != Some(sum) {
            return Err("the checksum of a header is wrong: the archive is damaged");
        }
        let bytes =
            number(field(124, 12)).ok_or("a header without a length: the archive is damaged")?;
        let mut name = text(field(0, 100)).to_vec();
        // GNU's own format, "ustar  ", has other things where POSIX has the prefix; star's has
        // times after the 131 bytes of its own.
        if field(257, 6) == b"ustar\0" {
            let is_star = field(508, 4) == b"tar\0";
            let prefix = text(field(345, if is_star { 131 } else { 155 }));
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        Ok(Header {
            name,
            link: text(field(157, 100)).to_vec(),
            bytes,
            time: number(field(136, 12)).unwrap_or_default(),
            kind: type_of(field(156, 1).first().copied().unwrap_or_default()),
        })
    }
}

fn type_of(flag: u8) -> Result<Type, String> {
    let refused = match flag {
        b'0' | b'\0' | b'7' => return Ok(Type::File),
        b'1' => return Ok(Type::HardLink),
        b'2' => return Ok(Type::Link),
        b'5' => return Ok(Type::Directory),
        b'L' => return Ok(Type::LongName),
        b'K' => return Ok(Type::LongLink),
        b'x' => return Ok(Type::Extended),
        b'g' => return Ok(Type::Global),
        b'3' => "it is a character device",
        b'4' => "it is a block device",
        b'6' => "it is a pipe",
        b'S' => SPARSE,
        other => {
            let shown = other.escape_ascii();
            return Err(format!("it has the type `{shown}`, which is not supported"));
        }
    };
    Err(refused.to_owned())
}

/// A field up to its NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number: octal digits, or with the highest bit set, in base 256 (GNU). None for anything
/// else, negative numbers among it. An empty field is 0.
fn number(field: &[u8]) -> Option<u64> {
    if let [first @ 0x80..=0xbf, rest @ ..] = field {
        return rest.iter().try_fold(u64::from(first & 0x3f), |sum, byte| {
            Some(sum.checked_mul(256)? | u64::from(*byte))
        });
    }
    let text = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    digits.then(|| u64::from_str_radix(text, 8).ok())?
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_octal_or_of_base_256() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"\x80\0\0\0\0\0\0\0\0\x01\x02\x03", Some(0x01_02_03)),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Some(i64::MAX as u64),
            ),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"-1\0", None),
            (b"+1\0", None),
            (b"12 34\0", None),
            (b"8\0", None),
            (b"0x10\0", None),
        ] {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
        }
    }
}
