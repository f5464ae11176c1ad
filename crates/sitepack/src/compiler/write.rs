//! Write: the index becomes the bytes of a packed site, which are read again and verified.

use std::collections::HashMap;

use super::error::Error;
use super::index::{Index, Target, own_fields, shared_fields};
use crate::coding::ContentCoding;
use crate::digest::Digest;
use crate::format::{
    HEADER_BYTES, Header, LARGE_CONTENT_BYTES, NONE, PAGE_BYTES, REPRESENTATION_BYTES,
    RESOURCE_BYTES, RecordKind, RepresentationRecord, ResourceRecord, SLOT_BYTES, Slot, Span, Text,
    hash, slot_and_tag,
};
use crate::reader::Site;

/// Writes the packed site.
pub(crate) fn write(index: &Index) -> Result<Vec<u8>, Error> {
    let mut records = Records::default();
    for (path, target) in &index.targets {
        records.push(path.as_str(), target, index.modified)?;
    }
    let (slots, longest_probe) = slots(index);
    let header = Header {
        total_bytes: 0,
        digest: Digest([0; Digest::BYTES]),
        modified: index.modified,
        slots: u32_of(slots.len())?,
        resources: u32_of(records.resources.len())?,
        representations: u32_of(records.representations.len())?,
        longest_probe,
        not_found: index.not_found.map_or(Ok(NONE), u32_of)?,
        strings_bytes: records.strings.bytes.len() as u64,
    };
    let bytes = assemble(header, &slots, records)?;
    verify(&bytes, index)?;
    Ok(bytes)
}

/// Everything but the slots, as records and their bytes.
#[derive(Default)]
struct Records<'a> {
    resources: Vec<ResourceRecord>,
    representations: Vec<RepresentationRecord>,
    strings: Strings,
    contents: Contents<'a>,
}

impl<'a> Records<'a> {
    fn push(&mut self, path: &str, target: &'a Target, modified: Option<u64>) -> Result<(), Error> {
        let path = self.strings.add(path)?;
        let kind = match target {
            Target::Redirect { location, status } => RecordKind::Redirect {
                location: self.strings.add(location)?,
                status: *status,
            },
            Target::Resource(resource) => {
                let first_representation = u32_of(self.representations.len())?;
                for encoded in &resource.representations {
                    let own = own_fields(encoded);
                    let shared = shared_fields(resource, encoded.coding, modified);
                    let record = RepresentationRecord {
                        content: self.contents.add(&encoded.content, encoded.digest),
                        digest: encoded.digest,
                        own_offset: self.strings.add(&own.concat())?.offset,
                        own: lengths(&own)?,
                        shared_offset: self.strings.add(&shared.concat())?.offset,
                        shared: lengths(&shared)?,
                        coding: encoded.coding,
                    };
                    self.representations.push(record);
                }
                RecordKind::Resource {
                    media_type: self.strings.add(&resource.page.media_type)?,
                    first_representation,
                    representations: u8::try_from(resource.representations.len())
                        .map_err(|e| Error::new("write", &resource.page.origin, e))?,
                }
            }
        };
        self.resources.push(ResourceRecord {
            path,
            kind,
            check: [0; 16],
        });
        Ok(())
    }
}

/// Each string once.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
    known: HashMap<String, Text>,
}

impl Strings {
    fn add(&mut self, string: &str) -> Result<Text, Error> {
        if let Some(text) = self.known.get(string) {
            return Ok(*text);
        }
        let bytes = u16::try_from(string.len()).map_err(|e| Error::new("write", string, e))?;
        let text = Text {
            offset: u32_of(self.bytes.len())?,
            bytes,
        };
        self.bytes.extend_from_slice(string.as_bytes());
        self.known.insert(string.to_owned(), text);
        Ok(text)
    }
}

/// Each content once. Offsets are from the start of the contents, which is a page boundary.
#[derive(Default)]
struct Contents<'a> {
    placed: Vec<(u64, &'a [u8])>,
    known: HashMap<Digest, Span>,
    end: u64,
}

impl<'a> Contents<'a> {
    fn add(&mut self, content: &'a [u8], digest: Digest) -> Span {
        let bytes = content.len() as u64;
        *self.known.entry(digest).or_insert_with(|| {
            let large = bytes >= LARGE_CONTENT_BYTES;
            let offset = if large {
                self.end.next_multiple_of(PAGE_BYTES)
            } else {
                self.end
            };
            self.end = offset + bytes;
            self.placed.push((offset, content));
            Span { offset, bytes }
        })
    }
}

/// The hash table: at most half full, so that most look-ups read one slot.
fn slots(index: &Index) -> (Vec<Slot>, u32) {
    let count = (index.targets.len() * 2).next_power_of_two().max(2);
    let mut slots = vec![
        Slot {
            tag: 0,
            resource: NONE
        };
        count
    ];
    let mut longest_probe = 0;
    for (resource, path) in (0..).zip(index.targets.keys()) {
        let (first, tag) = slot_and_tag(hash(path.as_str()), u32::try_from(count).unwrap_or(0));
        let places = (first as usize..count).chain(0..first as usize);
        for (probe, place) in (0..).zip(places) {
            if let Some(slot) = slots.get_mut(place).filter(|slot| slot.resource == NONE) {
                *slot = Slot { tag, resource };
                longest_probe = longest_probe.max(probe);
                break;
            }
        }
    }
    (slots, longest_probe)
}

fn assemble(mut header: Header, slots: &[Slot], records: Records<'_>) -> Result<Vec<u8>, Error> {
    let no_room = || Error::new("write", "the packed site", "it is too large");
    let contents_offset = header.contents_offset().ok_or_else(no_room)?;
    header.total_bytes = contents_offset + records.contents.end;
    let total = usize::try_from(header.total_bytes).map_err(|_| no_room())?;

    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&header.encode());
    for slot in slots {
        slot.encode(&mut bytes);
    }
    for resource in &records.resources {
        resource.encode(&mut bytes);
    }
    for mut representation in records.representations {
        representation.content.offset += contents_offset;
        representation.encode(&mut bytes);
    }
    bytes.extend_from_slice(&records.strings.bytes);
    let end = HEADER_BYTES
        + slots.len() * SLOT_BYTES
        + header.resources as usize * RESOURCE_BYTES
        + header.representations as usize * REPRESENTATION_BYTES
        + records.strings.bytes.len();
    assert_eq!(bytes.len(), end, "the sections are where the header says");
    for (offset, content) in records.contents.placed {
        let start = usize::try_from(contents_offset + offset).map_err(|_| no_room())?;
        bytes.resize(start, 0);
        bytes.extend_from_slice(content);
    }
    bytes.resize(total, 0);
    seal(&mut header, &mut bytes)?;
    Ok(bytes)
}

/// Fills in what can be computed only from the finished bytes: the check of each record, the
/// digest of the whole, and with it the header.
fn seal(header: &mut Header, bytes: &mut [u8]) -> Result<(), Error> {
    let unreadable = || Error::new("write", "the packed site", "its index does not read back");
    let checks: Vec<Option<[u8; 16]>> = {
        let site = Site {
            bytes,
            header: header.clone(),
        };
        (0..header.resources)
            .map(|index| site.check_of(index))
            .collect()
    };
    let records = usize::try_from(header.resources_span().offset).map_err(|_| unreadable())?;
    for (index, check) in checks.into_iter().enumerate() {
        let end = records + (index + 1) * RESOURCE_BYTES;
        let place = bytes.get_mut(end - 16..end).ok_or_else(unreadable)?;
        place.copy_from_slice(&check.ok_or_else(unreadable)?);
    }
    let (head, rest) = bytes.split_at_mut(HEADER_BYTES);
    header.digest = Digest::of(rest);
    head.copy_from_slice(&header.encode());
    Ok(())
}

/// What was written is what was meant: it opens, verifies, and holds every target and no other.
fn verify(bytes: &[u8], index: &Index) -> Result<(), Error> {
    let failed = |cause: String| Error::new("read back", "the packed site", cause);
    let site = Site::open(bytes).map_err(|e| failed(e.to_string()))?;
    if let Some(fault) = site.verify().first() {
        return Err(failed(fault.to_string()));
    }
    if site.len() as usize != index.targets.len() {
        return Err(failed("it has another number of paths".to_owned()));
    }
    for (path, target) in &index.targets {
        let found = site.find(path).map_err(|e| failed(e.to_string()))?;
        let same = match (target, found) {
            (Target::Resource(resource), Some(crate::Entry::Resource(found))) => {
                let read = found.identity().map_err(|e| failed(e.to_string()))?;
                resource.representations.iter().any(|meant| {
                    meant.coding == ContentCoding::Identity && meant.content == read.content
                })
            }
            (Target::Redirect { location, .. }, Some(crate::Entry::Redirect(found))) => {
                found.location == location
            }
            _ => false,
        };
        if !same {
            return Err(failed(format!("`{path}` is not what was written")));
        }
    }
    Ok(())
}

fn lengths<const COUNT: usize>(parts: &[String; COUNT]) -> Result<[u16; COUNT], Error> {
    let mut lengths = [0; COUNT];
    for (length, part) in lengths.iter_mut().zip(parts) {
        *length = u16::try_from(part.len()).map_err(|e| Error::new("write", part, e))?;
    }
    Ok(lengths)
}

fn u32_of(number: usize) -> Result<u32, Error> {
    u32::try_from(number).map_err(|e| Error::new("write", "the packed site", e))
}
