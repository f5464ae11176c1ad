//! The directory of a zip file: one record a member (APPNOTE.TXT 4.3.12).

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};

use super::ENCRYPTED;
use super::end::Directory;
use super::fields::Fields;
use crate::compiler::archive::Tally;
use crate::compiler::archive::fault::Fault;
use crate::compiler::archive::limits::COPY_BYTES;

const RECORD_BYTES: usize = 46;
const RECORD_SIGNATURE: u32 = 0x0201_4b50;
/// Bit 0: the content is encrypted; bit 6: strongly; bit 13: the directory is, too.
const ANY_ENCRYPTION: u16 = ENCRYPTED | 1 << 6 | 1 << 13;
/// Bit 5: the content is a patch to another.
const PATCH: u16 = 1 << 5;
/// Bit 11: the name is UTF-8.
const UTF8: u16 = 1 << 11;
/// The extra field with lengths and the offset in 64 bits (APPNOTE.TXT 4.5.3).
const EXTRA_64: u16 = 1;
/// Whoever made the record, from the upper byte of its version.
const MADE_ON_UNIX: u16 = 3;
const MADE_ON_MACOS: u16 = 19;

/// What the directory says of a member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) kind: Type,
    pub(super) method: Method,
    pub(super) crc: u32,
    pub(super) coded_bytes: u64,
    pub(super) bytes: u64,
    /// Of its header.
    pub(super) offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    File,
    Directory,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

impl Method {
    pub(super) fn number(self) -> u16 {
        match self {
            Method::Stored => 0,
            Method::Deflated => 8,
        }
    }
}

/// Reads the directory.
pub(super) fn members(
    mut file: &File,
    directory: &Directory,
    tally: &mut Tally,
) -> Result<Vec<Member>, Fault> {
    file.seek(SeekFrom::Start(directory.offset))?;
    let mut records = BufReader::with_capacity(COPY_BYTES, file.take(directory.bytes));
    let mut members = Vec::new();
    for _ in 0..directory.members {
        let mut record = [0; RECORD_BYTES];
        records.read_exact(&mut record)?;
        let lengths = record.get(28..34).unwrap_or_default();
        let mut lengths = Fields(lengths);
        let mut part = || {
            let mut part = vec![0; usize::from(lengths.u16())];
            records.read_exact(&mut part).map(|()| part)
        };
        let (name, extra, _comment) = (part()?, part()?, part()?);
        tally.member(name.len())?;
        let member = member(&record, &extra, name.clone());
        members.push(member.map_err(|cause| Fault::at(&name, cause))?);
    }
    if records.read(&mut [0])? != 0 {
        return Err(Fault::whole("its directory is longer than its end says"));
    }
    Ok(members)
}

fn member(record: &[u8], extra: &[u8], name: Vec<u8>) -> Result<Member, String> {
    let mut fields = Fields(record);
    let (signature, made) = (fields.u32(), fields.u16() >> 8);
    if signature != RECORD_SIGNATURE {
        return Err("its record in the directory is damaged".to_owned());
    }
    let (_version, flags, method) = (fields.u16(), fields.u16(), fields.u16());
    if flags & ANY_ENCRYPTION != 0 {
        return Err("it is encrypted".to_owned());
    }
    if flags & PATCH != 0 {
        return Err("it is a patch".to_owned());
    }
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => {
            return Err(format!(
                "it has the compression method {other}, not deflate"
            ));
        }
    };
    let on_unix = matches!(made, MADE_ON_UNIX | MADE_ON_MACOS);
    // § Without the flag a name is of code page 437. Info-ZIP on Unix, the most usual of all,
    // sets no flag and writes the file's name as it is, so there UTF-8 is taken for UTF-8.
    let is_utf8 = flags & UTF8 != 0 || on_unix;
    if !name.is_ascii() && !is_utf8 {
        return Err("its name is not ASCII, and not marked as UTF-8".to_owned());
    }
    let (_time, crc) = (fields.u32(), fields.u32());
    let (coded_bytes, bytes) = (fields.u32(), fields.u32());
    let _lengths = (fields.u32(), fields.u16());
    let (disk, _internal) = (fields.u16(), fields.u16());
    let (attributes, offset) = (fields.u32(), fields.u32());
    let mut long = Fields(extra_64(extra).ok_or("its extra field is damaged")?);
    let mut wide = |short: u32| match short {
        u32::MAX if long.0.len() >= 8 => Ok(long.u64()),
        u32::MAX => Err("its length in 64 bits is missing"),
        _ => Ok(u64::from(short)),
    };
    let (bytes, coded_bytes, offset) = (wide(bytes)?, wide(coded_bytes)?, wide(offset)?);
    if disk != 0 {
        return Err("it is on another disk".to_owned());
    }
    let mode = if on_unix { attributes >> 16 } else { 0 };
    Ok(Member {
        kind: type_of(mode, name.ends_with(b"/"))?,
        name,
        method,
        crc,
        coded_bytes,
        bytes,
        offset,
    })
}

/// From the file type in a Unix mode, if there is one, and the `/` that ends a directory's name.
fn type_of(mode: u32, ends_with_slash: bool) -> Result<Type, &'static str> {
    let kind = match mode & 0o170_000 {
        0 if ends_with_slash => Type::Directory,
        0 | 0o100_000 => Type::File,
        0o040_000 => Type::Directory,
        0o120_000 => Type::Link,
        0o020_000 | 0o060_000 => return Err("it is a device"),
        0o010_000 => return Err("it is a pipe"),
        0o140_000 => return Err("it is a socket"),
        _ => return Err("its file type is not known"),
    };
    if ends_with_slash && kind != Type::Directory {
        return Err("the name of a file ends with `/`");
    }
    Ok(kind)
}

/// The content of the 64-bit extra field; empty if there is none.
fn extra_64(extra: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(extra);
    // What is too short for a field is padding.
    while fields.0.len() >= 4 {
        let (id, bytes) = (fields.u16(), fields.u16());
        let field = fields.bytes(usize::from(bytes))?;
        if id == EXTRA_64 {
            return Some(field);
        }
    }
    Some(&[])
}
