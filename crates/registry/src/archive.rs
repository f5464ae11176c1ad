//! The tar that an image comes in: where its members lie, so that blobs are sent from it.
//!
//! Nothing is unpacked, and no name of a member reaches the file system. A name that stands there
//! twice is refused, since readers differ in which of the two they take; so is what a tar of an
//! image has no use for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use sitepack::Digest;
use sitepack::tar::{BLOCK_BYTES, Extended, Header, Type, global_time};

use crate::limits::{EXTENSION_BYTES_MAX, MANIFEST_BYTES_MAX, MEMBERS_MAX};

/// An image file.
pub(crate) struct Archive {
    file: File,
    members: BTreeMap<String, Member>,
}

/// Some bytes of an image file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) file: &'a File,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
enum Member {
    File {
        offset: u64,
        bytes: u64,
    },
    /// The name of what stands there, too: Docker writes a layer that occurs twice once.
    Link(String),
}

impl Archive {
    /// Reads where its members are.
    pub(crate) fn open(path: &Path) -> Result<Archive, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            return Err("it is no file".to_owned());
        }
        let mut scan = Scan {
            reader: BufReader::new(&file),
            at: 0,
            members: BTreeMap::new(),
        };
        scan.run()?;
        let members = scan.members;
        Ok(Archive { file, members })
    }

    /// A member, through a link if it is one.
    pub(crate) fn section(&self, name: &str) -> Option<Section<'_>> {
        let found = match self.members.get(name)? {
            Member::Link(target) => self.members.get(target)?,
            found @ Member::File { .. } => found,
        };
        match *found {
            Member::File { offset, bytes } => Some(Section {
                file: &self.file,
                offset,
                bytes,
            }),
            Member::Link(_) => None,
        }
    }

    /// The bytes of a member that describes others; None if there is none.
    pub(crate) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(section) = self.section(name) else {
            return Ok(None);
        };
        let named = |cause: String| format!("`{name}`: {cause}");
        section.read().map(Some).map_err(named)
    }
}

impl Section<'_> {
    /// All of it, if it is no longer than a manifest may be.
    pub(crate) fn read(self) -> Result<Vec<u8>, String> {
        if self.bytes > MANIFEST_BYTES_MAX {
            return Err(format!("it is longer than {MANIFEST_BYTES_MAX} bytes"));
        }
        let mut content = Vec::new();
        let read = self.reader().and_then(|mut r| r.read_to_end(&mut content));
        read.map_err(|error| error.to_string())?;
        Ok(content)
    }

    /// Its digest.
    pub(crate) fn digest(self) -> Result<Digest, String> {
        let read = self.reader().and_then(|mut r| Digest::of_reader(&mut r));
        let (digest, bytes) = read.map_err(|error| error.to_string())?;
        match bytes == self.bytes {
            true => Ok(digest),
            false => Err("the file has become shorter".to_owned()),
        }
    }

    /// Its first bytes, by which compressions are told.
    pub(crate) fn start(self) -> Result<[u8; 4], String> {
        let mut start = [0; 4];
        let length = self.bytes.min(4) as usize;
        let place = start.get_mut(..length).unwrap_or_default();
        let read = self.reader().and_then(|mut r| r.read_exact(place));
        read.map_err(|error| error.to_string())?;
        Ok(start)
    }

    fn reader(self) -> std::io::Result<impl Read> {
        let mut file = self.file;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.bytes))
    }
}

/// Goes from header to header.
struct Scan<'a> {
    reader: BufReader<&'a File>,
    at: u64,
    members: BTreeMap<String, Member>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut extended = Extended::default();
        while let Some(header) = self.header()? {
            match header.kind {
                Ok(kind @ (Type::LongName | Type::LongLink | Type::Extended | Type::Global)) => {
                    self.extension(kind, &header, &mut extended)?;
                }
                Ok(kind @ (Type::File | Type::HardLink | Type::Link | Type::Directory)) => {
                    self.member(kind, header, std::mem::take(&mut extended))?;
                }
                Err(cause) => return Err(format!("a member: {cause}")),
            }
        }
        Ok(())
    }

    fn header(&mut self) -> Result<Option<Header>, String> {
        let mut block = [0; BLOCK_BYTES];
        let read = self.reader.read_exact(&mut block);
        read.map_err(|_| "it is no tar archive, or is cut short".to_owned())?;
        if block == [0; BLOCK_BYTES] {
            return Ok(None);
        }
        if self.at == 0 && block.starts_with(&[0x1f, 0x8b]) {
            return Err("it is compressed: gunzip it first".to_owned());
        }
        self.at += BLOCK_BYTES as u64;
        match Header::parse(&block) {
            Ok(header) => Ok(Some(header)),
            Err(_) if self.members.is_empty() => Err("it is no tar archive".to_owned()),
            Err(cause) => Err(cause.to_owned()),
        }
    }

    fn extension(
        &mut self,
        kind: Type,
        header: &Header,
        extended: &mut Extended,
    ) -> Result<(), String> {
        if header.bytes > EXTENSION_BYTES_MAX {
            let cause = format!("an extension of more than {EXTENSION_BYTES_MAX} bytes");
            return Err(cause);
        }
        let mut said = Vec::new();
        let mut reader = (&mut self.reader).take(header.bytes);
        let read = reader.read_to_end(&mut said);
        read.map_err(|error| error.to_string())?;
        self.pass(header.bytes, said.len() as u64)?;
        match kind {
            Type::LongName => extended.long_name(&said),
            Type::LongLink => extended.long_link(&said),
            Type::Extended => extended.records(&said),
            Type::Global => global_time(&said).map(drop),
            Type::File | Type::HardLink | Type::Link | Type::Directory => Ok(()),
        }
    }

    fn member(&mut self, kind: Type, header: Header, extended: Extended) -> Result<(), String> {
        if extended.sparse {
            return Err(sitepack::tar::SPARSE.to_owned());
        }
        let name = String::from_utf8(extended.path.unwrap_or(header.name));
        let name = name.map_err(|_| "a name that is not UTF-8")?;
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let bytes = extended.bytes.unwrap_or(header.bytes);
        let link = String::from_utf8_lossy(&extended.link.unwrap_or(header.link)).into_owned();
        let found = match kind {
            Type::File => {
                let offset = self.at;
                Some(Member::File { offset, bytes })
            }
            Type::HardLink => Some(Member::Link(link)),
            Type::Link => resolve(&name, &link).map(Member::Link),
            Type::Directory | Type::LongName | Type::LongLink | Type::Extended | Type::Global => {
                None
            }
        };
        self.pass(bytes, 0)?;
        let Some(found) = found else { return Ok(()) };
        if self.members.len() == MEMBERS_MAX {
            return Err(format!("it has more than {MEMBERS_MAX} members"));
        }
        match self.members.insert(name, found) {
            None => Ok(()),
            Some(_) => Err("a name stands in it twice".to_owned()),
        }
    }

    /// To the next header, when `read` bytes of a member's `bytes` are read.
    fn pass(&mut self, bytes: u64, read: u64) -> Result<(), String> {
        let cut = || "it is cut short".to_owned();
        let padded = bytes.checked_next_multiple_of(BLOCK_BYTES as u64);
        let padded = padded.ok_or_else(cut)?;
        let left = padded.checked_sub(read).ok_or_else(cut)?;
        let left = i64::try_from(left).map_err(|_| cut())?;
        self.reader
            .seek_relative(left)
            .map_err(|error| error.to_string())?;
        self.at = self.at.checked_add(padded).ok_or_else(cut)?;
        Ok(())
    }
}

/// What a link at `name` means, if that is inside: `a/layer.tar`, `../b/layer.tar`.
fn resolve(name: &str, link: &str) -> Option<String> {
    let mut path: Vec<&str> = name.split('/').collect();
    path.pop();
    for part in link.split('/') {
        match part {
            "" => return None,
            "." => {}
            ".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn links_lead_to_members() {
        for (name, link, expected) in [
            ("b/layer.tar", "../a/layer.tar", Some("a/layer.tar")),
            ("b/layer.tar", "layer2.tar", Some("b/layer2.tar")),
            ("b", "./a", Some("a")),
            ("b/layer.tar", "../../a", None),
            ("b", "/etc/passwd", None),
        ] {
            assert_eq!(resolve(name, link).as_deref(), expected, "{name} {link}");
        }
    }
}
