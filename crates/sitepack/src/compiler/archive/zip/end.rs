//! The end of a zip file, which says where its directory is (APPNOTE.TXT 4.3.14 to 4.3.16).
//!
//! The end is found by searching backwards, past a comment that may hold anything, another end
//! too: § two places that could be the end are refused. The directory has to reach to it, or
//! there would be room for a second one.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use super::fields::Fields;
use crate::compiler::archive::fault::Fault;
use crate::compiler::archive::limits::MEMBERS_MAX;

const END_BYTES: usize = 22;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const COMMENT_BYTES_MAX: usize = 65_535;
const LOCATOR_BYTES: u64 = 20;
const LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
const END64_BYTES: usize = 56;
const END64_SIGNATURE: u32 = 0x0606_4b50;
/// What the length field of the 64-bit end leaves out: its signature and itself.
const END64_BYTES_BEFORE: u64 = 12;

/// Where the directory is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) members: u64,
}

/// Finds the directory.
pub(super) fn find(mut file: &File) -> Result<Directory, Fault> {
    let file_bytes = file.metadata()?.len();
    let tail_bytes = file_bytes.min((END_BYTES + COMMENT_BYTES_MAX) as u64);
    file.seek(SeekFrom::Start(file_bytes - tail_bytes))?;
    let mut tail = Vec::new();
    file.take(tail_bytes).read_to_end(&mut tail)?;
    let mut ends = (0..tail.len()).filter(|start| {
        let rest = tail.get(*start..).unwrap_or_default();
        let comment = rest.get(END_BYTES - 2..END_BYTES).unwrap_or_default();
        let comment_bytes = usize::from(Fields(comment).u16());
        rest.starts_with(&END_SIGNATURE) && rest.len() == END_BYTES + comment_bytes
    });
    let Some(start) = ends.next() else {
        let cause = "it has not the end of a zip archive: it is cut short, or is none";
        return Err(Fault::whole(cause));
    };
    if ends.next().is_some() {
        return Err(Fault::whole(
            "it has two ends, one in the comment of the other",
        ));
    }
    let end_offset = file_bytes - tail_bytes + start as u64;
    let mut fields = Fields(tail.get(start + 4..).unwrap_or_default());
    let disks = [fields.u16(), fields.u16()];
    let (here, members) = (fields.u16(), fields.u16());
    let short = Directory {
        members: u64::from(members),
        bytes: u64::from(fields.u32()),
        offset: u64::from(fields.u32()),
    };
    let long = long_directory(file, end_offset, &short)?;
    let is_marked = disks == [u16::MAX; 2] && long.is_some();
    if (disks != [0, 0] && !is_marked) || here != members {
        return Err(Fault::whole("it is split over several disks"));
    }
    let (directory, directory_end) = long.unwrap_or((short, end_offset));
    if directory.members > MEMBERS_MAX as u64 {
        let cause = format!("there are more than {MEMBERS_MAX} members in it");
        return Err(Fault::whole(cause));
    }
    if directory.offset.checked_add(directory.bytes) != Some(directory_end) {
        let cause = "its directory is not where its end says: bytes were added or cut out";
        return Err(Fault::whole(cause));
    }
    Ok(directory)
}

/// The 64-bit end and where it starts, if there is one before the end: for what is too large
/// for the 16 and 32 bits of `short`.
fn long_directory(
    mut file: &File,
    end_offset: u64,
    short: &Directory,
) -> Result<Option<(Directory, u64)>, Fault> {
    let Some(locator_offset) = end_offset.checked_sub(LOCATOR_BYTES) else {
        return Ok(None);
    };
    let mut locator = [0; LOCATOR_BYTES as usize];
    file.seek(SeekFrom::Start(locator_offset))?;
    file.read_exact(&mut locator)?;
    let mut fields = Fields(&locator);
    if fields.u32() != LOCATOR_SIGNATURE {
        return Ok(None);
    }
    let (disk, offset, disks) = (fields.u32(), fields.u64(), fields.u32());
    let damaged = || Fault::whole("its 64-bit end is damaged");
    let mut end = [0; END64_BYTES];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut end).map_err(|_| damaged())?;
    let mut fields = Fields(&end);
    let (signature, bytes) = (fields.u32(), fields.u64());
    let _versions = fields.u32();
    let (this_disk, directory_disk) = (fields.u32(), fields.u32());
    let (here, members) = (fields.u64(), fields.u64());
    let long = Directory {
        members,
        bytes: fields.u64(),
        offset: fields.u64(),
    };
    let end_is_here = offset.checked_add(END64_BYTES_BEFORE);
    let end_is_here = end_is_here.and_then(|start| start.checked_add(bytes));
    let agrees = |short: u64, long: u64, marker: u64| short == marker || short == long;
    if signature != END64_SIGNATURE
        || end_is_here != Some(locator_offset)
        || !agrees(short.members, members, u64::from(u16::MAX))
        || !agrees(short.bytes, long.bytes, u64::from(u32::MAX))
        || !agrees(short.offset, long.offset, u64::from(u32::MAX))
    {
        return Err(damaged());
    }
    if [disk, this_disk, directory_disk] != [0; 3] || disks > 1 || here != members {
        return Err(Fault::whole("it is split over several disks"));
    }
    Ok(Some((long, offset)))
}
