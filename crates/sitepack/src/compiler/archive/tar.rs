//! Tar: ustar, GNU and pax (POSIX.1-2001, "pax Interchange Format"), as streams of 512-byte blocks.
//!
//! A later member replaces an earlier one of the same name, as with every tar, which is a format
//! for tapes that were added to. Files stored as sparse are refused: none of the four ways to
//! store them is worth its code for a web site. The end has to be there (one block of zeros), so
//! that an archive that was cut short is told from a whole one, and nothing but zeros after it.

use std::fs::File;
use std::io::{self, Read};

use super::fault::Fault;
use super::limits::{COPY_BYTES, EXTENSION_BYTES_MAX, FILE_BYTES_MAX};
use super::name::{Name, Rooting};
use super::stream::{self, Stream};
use super::{Change, Kind, Tally, What, name};
use crate::tar::{BLOCK_BYTES, Extended, Header, SPARSE, Type, global_time};

/// What an archive holds, in its order.
pub(super) struct Members {
    pub(super) changes: Vec<Change>,
    pub(super) modified: Option<u64>,
}

/// Reads all members; contents go to the spool.
pub(super) fn read(
    file: File,
    kind: Kind,
    rooting: Rooting,
    tally: &mut Tally,
) -> Result<Members, Fault> {
    let mut stream = stream::open(file, kind, tally)?;
    let mut reader = Reader {
        stream: &mut stream,
        rooting,
        tally,
        times: Times::default(),
        global_time: None,
        is_tar: false,
    };
    let mut changes = Vec::new();
    let mut extended = Extended::default();
    while let Some(header) = reader.header()? {
        match header.kind {
            Ok(kind @ (Type::LongName | Type::LongLink | Type::Extended | Type::Global)) => {
                reader
                    .extension(kind, &header, &mut extended)
                    .map_err(|fault| fault.named(&header.name))?;
            }
            Ok(Type::File | Type::HardLink | Type::Link | Type::Directory) | Err(_) => {
                let extended = std::mem::take(&mut extended);
                let name = extended.path.clone().unwrap_or(header.name.clone());
                let change = reader.member(&name, header, extended);
                changes.extend(change.map_err(|fault| fault.named(&name))?);
            }
        }
    }
    if !extended.is_empty() {
        return Err(Fault::whole(
            "it ends where a member was announced: the archive is cut short",
        ));
    }
    let modified = reader.times.agreed();
    let used = stream.used();
    tally.unpacked_bytes_left = tally.unpacked_bytes_left.saturating_sub(used);
    Ok(Members { changes, modified })
}

struct Reader<'a> {
    stream: &'a mut Stream,
    rooting: Rooting,
    tally: &'a mut Tally,
    times: Times,
    global_time: Option<u64>,
    /// Whether there was a header.
    is_tar: bool,
}

impl Reader<'_> {
    /// The next header; none at the archive's end.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        let mut block = [0; BLOCK_BYTES];
        self.stream.read_exact(&mut block)?;
        if block == [0; BLOCK_BYTES] {
            self.nothing_follows()?;
            return Ok(None);
        }
        match Header::parse(&block) {
            Ok(header) => {
                self.is_tar = true;
                Ok(Some(header))
            }
            Err(cause) if self.is_tar => Err(Fault::whole(cause)),
            Err(_) => Err(Fault::whole("it is no tar archive")),
        }
    }

    /// § Whatever stands after the end, such as another archive, other readers pass over.
    fn nothing_follows(&mut self) -> Result<(), Fault> {
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let read = self.stream.read(&mut buffer)?;
            let rest = buffer.get(..read).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            if rest.iter().any(|byte| *byte != 0) {
                return Err(Fault::whole("there is something after the archive's end"));
            }
        }
    }

    /// Takes in what describes the next member.
    fn extension(
        &mut self,
        kind: Type,
        header: &Header,
        extended: &mut Extended,
    ) -> Result<(), Fault> {
        if header.bytes > EXTENSION_BYTES_MAX {
            let cause = format!("an extension of more than {EXTENSION_BYTES_MAX} bytes");
            return Err(Fault::whole(cause));
        }
        let mut said = Vec::new();
        self.stream.take(header.bytes).read_to_end(&mut said)?;
        if said.len() as u64 != header.bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.padding(header.bytes)?;
        match kind {
            Type::LongName => extended.long_name(&said),
            Type::LongLink => extended.long_link(&said),
            Type::Extended => extended.records(&said),
            Type::Global => global_time(&said).map(|time| {
                self.global_time = time.or(self.global_time);
            }),
            Type::File | Type::HardLink | Type::Link | Type::Directory => Ok(()),
        }
        .map_err(Fault::whole)
    }

    fn member(
        &mut self,
        raw_name: &[u8],
        header: Header,
        extended: Extended,
    ) -> Result<Option<Change>, Fault> {
        let kind = header.kind.map_err(Fault::whole)?;
        if extended.sparse {
            return Err(Fault::whole(SPARSE));
        }
        let name = Name::parse(raw_name, self.rooting).map_err(Fault::whole)?;
        let link = extended.link.unwrap_or(header.link);
        let bytes = extended.bytes.unwrap_or(header.bytes);
        let time = extended.time.or(self.global_time).unwrap_or(header.time);
        self.tally.member(name.as_str().len() + link.len())?;
        // § Readers differ in whether such content is there; only a file may have any.
        if kind != Type::File && bytes != 0 {
            return Err(Fault::whole("a directory or a link with content"));
        }
        let what = match kind {
            // The oldest tars had no other sign for a directory.
            Type::File if raw_name.ends_with(b"/") && bytes == 0 => What::Directory,
            Type::File if raw_name.ends_with(b"/") => {
                return Err(Fault::whole("the name of a file ends with `/`"));
            }
            Type::File => {
                self.times.add(time);
                self.file(bytes)?
            }
            Type::Link => What::Link(name::target(&link).map_err(Fault::whole)?),
            Type::HardLink => {
                let target = Name::parse(&link, self.rooting);
                What::HardLink(target.map_err(|e| Fault::whole(format!("its target: {e}")))?)
            }
            Type::Directory | Type::LongName | Type::LongLink | Type::Extended | Type::Global => {
                What::Directory
            }
        };
        match (name.is_root(), matches!(what, What::Directory)) {
            (true, true) => Ok(None),
            (true, false) => Err(Fault::whole("it has the name of the top directory")),
            (false, _) => Ok(Some(Change { name, what })),
        }
    }

    fn file(&mut self, bytes: u64) -> Result<What, Fault> {
        if bytes > FILE_BYTES_MAX {
            let cause = format!("it is longer than {FILE_BYTES_MAX} bytes");
            return Err(Fault::whole(cause));
        }
        let content = self.tally.spool.add(&mut self.stream.take(bytes))?;
        if content.bytes() != bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.padding(bytes)?;
        Ok(What::File(content))
    }

    /// Contents are filled up to whole blocks.
    fn padding(&mut self, bytes: u64) -> io::Result<()> {
        let fill = bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes;
        let mut block = [0; BLOCK_BYTES];
        let fill = usize::try_from(fill).unwrap_or_default();
        let fill = block.get_mut(..fill).unwrap_or_default();
        self.stream.read_exact(fill)
    }
}

/// The times that files state.
#[derive(Default)]
struct Times {
    first: Option<u64>,
    differ: bool,
}

impl Times {
    fn add(&mut self, time: u64) {
        let first = *self.first.get_or_insert(time);
        self.differ |= first != time;
    }

    fn agreed(&self) -> Option<u64> {
        self.first
            .filter(|time| !self.differ && crate::date::is_meant(*time))
    }
}

#[cfg(test)]
mod tests;
