//! Zip (PKWARE's APPNOTE.TXT): stored and deflated members, as its directory at the end lists them.
//!
//! A zip file says most things twice, in the directory and before each content, and readers
//! differ in which of the two they believe. § Here both have to agree; members may not overlap
//! and no name may come twice. What is encrypted, split over several disks or coded otherwise
//! is refused. Times are not used: they have no zone.

mod central;
mod end;
mod fields;

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;

use self::central::{Member, Method, Type};
use self::fields::Fields;
use super::fault::Fault;
use super::limits::{COPY_BYTES, FILE_BYTES_MAX, NAME_BYTES_MAX};
use super::name::{self, Name, Rooting};
use super::stream::Allowed;
use super::{Change, Tally, What};
use crate::compiler::spool::{Slice, Spool};

const LOCAL_BYTES: usize = 30;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
/// Bit 3 of the flags: lengths and checksum follow the content.
const SIZES_FOLLOW: u16 = 1 << 3;
const ENCRYPTED: u16 = 1;

/// Reads all members; contents go to the spool.
pub(super) fn read(file: &File, tally: &mut Tally) -> Result<Vec<Change>, Fault> {
    let directory = end::find(file)?;
    let mut members = central::members(file, &directory, tally)?;
    let allowed = Allowed::of(file, tally.unpacked_bytes_left)?;
    let stated = members
        .iter()
        .fold(0, |sum: u64, member| sum.saturating_add(member.bytes));
    if stated > allowed.bytes {
        return Err(Fault::whole(allowed.refusal()));
    }
    tally.unpacked_bytes_left = tally.unpacked_bytes_left.saturating_sub(stated);
    members.sort_by_key(|member| member.offset);
    let mut changes = Vec::with_capacity(members.len());
    let mut previous_end = 0;
    for member in &members {
        let failed = |fault: Fault| fault.named(&member.name);
        if member.offset < previous_end {
            let cause = "it overlaps the member before it";
            return Err(failed(Fault::whole(cause)));
        }
        previous_end = content(file, member, directory.offset).map_err(failed)?;
        changes.extend(change(file, member, tally).map_err(failed)?);
    }
    names_differ(&changes)?;
    Ok(changes)
}

/// Goes to where a member's content begins, and tells where it ends.
fn content(mut file: &File, member: &Member, directory: u64) -> Result<u64, Fault> {
    file.seek(SeekFrom::Start(member.offset))?;
    let mut header = [0; LOCAL_BYTES];
    file.read_exact(&mut header)?;
    let differs = || Fault::whole("its header differs from the directory at the archive's end");
    let mut fields = Fields(&header);
    let (signature, _version) = (fields.u32(), fields.u16());
    let (flags, method) = (fields.u16(), fields.u16());
    let (_time, crc) = (fields.u32(), fields.u32());
    let (coded_bytes, bytes) = (fields.u32(), fields.u32());
    let (name_bytes, extra_bytes) = (fields.u16(), fields.u16());
    let said_later = flags & SIZES_FOLLOW != 0;
    let agrees = |local: u32, central: u64| {
        let in_extra_field = local == u32::MAX;
        said_later || in_extra_field || u64::from(local) == central
    };
    if signature != LOCAL_SIGNATURE
        || method != member.method.number()
        || flags & ENCRYPTED != 0
        || usize::from(name_bytes) != member.name.len()
        || !said_later && crc != member.crc
        || !agrees(coded_bytes, member.coded_bytes)
        || !agrees(bytes, member.bytes)
    {
        return Err(differs());
    }
    let mut name = vec![0; usize::from(name_bytes)];
    file.read_exact(&mut name)?;
    if name != member.name {
        return Err(differs());
    }
    file.seek_relative(i64::from(extra_bytes))?;
    let end = file.stream_position()?.checked_add(member.coded_bytes);
    end.filter(|end| *end <= directory)
        .ok_or_else(|| Fault::whole("it overlaps the directory at the archive's end"))
}

fn change(file: &File, member: &Member, tally: &mut Tally) -> Result<Option<Change>, Fault> {
    let name = Name::parse(&member.name, Rooting::Archive).map_err(Fault::whole)?;
    let what = match member.kind {
        Type::Directory if member.bytes != 0 => {
            return Err(Fault::whole("a directory with content"));
        }
        Type::Directory if name.is_root() => return Ok(None),
        Type::File | Type::Link if name.is_root() => {
            return Err(Fault::whole("it has the name of the top directory"));
        }
        Type::Directory => What::Directory,
        Type::File => What::File(decode(file, member, &mut tally.spool)?),
        Type::Link => {
            let target = decode(file, member, &mut tally.spool)?.read()?;
            What::Link(name::target(&target).map_err(Fault::whole)?)
        }
    };
    Ok(Some(Change { name, what }))
}

/// Decodes the content of a member, which the file stands at.
fn decode(file: &File, member: &Member, spool: &mut Spool) -> Result<Slice, Fault> {
    let bytes_max = match member.kind {
        Type::Link => NAME_BYTES_MAX as u64,
        Type::File | Type::Directory => FILE_BYTES_MAX,
    };
    if member.bytes > bytes_max {
        return Err(Fault::whole(format!("it is longer than {bytes_max} bytes")));
    }
    let buffer_bytes = usize::try_from(member.coded_bytes).unwrap_or(COPY_BYTES);
    let buffer_bytes = buffer_bytes.clamp(1, COPY_BYTES);
    let coded = BufReader::with_capacity(buffer_bytes, file.take(member.coded_bytes));
    match member.method {
        Method::Stored => checked(coded, member, spool),
        Method::Deflated => {
            let mut decoder = DeflateDecoder::new(coded);
            let content = checked(&mut decoder, member, spool)?;
            if decoder.total_in() == member.coded_bytes {
                Ok(content)
            } else {
                Err(Fault::whole("there is something after its content's end"))
            }
        }
    }
}

/// The content has to have exactly the length and checksum that the directory states.
fn checked(content: impl Read, member: &Member, spool: &mut Spool) -> Result<Slice, Fault> {
    // One byte more than there may be, to see whether there is more.
    let mut content = CrcReader::new(content.take(member.bytes + 1));
    let slice = spool.add(&mut content)?;
    if slice.bytes() != member.bytes {
        return Err(Fault::whole("its length is not the stated one"));
    }
    if content.crc().sum() != member.crc {
        return Err(Fault::whole("its checksum differs: the archive is damaged"));
    }
    Ok(slice)
}

fn names_differ(changes: &[Change]) -> Result<(), Fault> {
    let mut names: Vec<&Name> = changes.iter().map(|change| &change.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one.as_str()),
        _ => None,
    });
    twice.map_or(Ok(()), |name| {
        Err(Fault::at(name, "there are two members of this name"))
    })
}

#[cfg(test)]
mod tests;
