//! Write: contents as they come, then the index, then the header; and all of it read back.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use super::encode::Encoded;
use super::error::Error;
use super::fields::{Fields, fields, own_fields};
use super::index::{Index, Target};
use crate::digest::{Digest, Running};
use crate::format::{
    FieldSet, HEADER_BYTES, Header, LARGE_CONTENT_BYTES, Making, NONE, PAGE_BYTES, RecordKind,
    RepresentationRecord, ResourceRecord, RuleRecord, Slot, Span, Text, hash, slot_and_tag,
};
use crate::made::GZIP_MAKER;
use crate::reader::Site;

/// How much is written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// A packed site whose contents are being written. Each content is stored once.
pub(crate) struct Contents<'w, W: Read + Write + Seek> {
    out: BufWriter<&'w mut W>,
    /// Where in the file the packed site begins.
    base: u64,
    /// How much of the packed site is written.
    at: u64,
    digest: Running,
    known: HashMap<Digest, Span>,
    dictionary: Span,
    provenance: Span,
}

impl<'w, W: Read + Write + Seek> Contents<'w, W> {
    /// Begins a packed site at the present position of `out`.
    pub(crate) fn begin(out: &'w mut W) -> io::Result<Contents<'w, W>> {
        let base = out.stream_position()?;
        let mut contents = Contents {
            out: BufWriter::with_capacity(BUFFER_BYTES, out),
            base,
            at: HEADER_BYTES as u64,
            digest: Running::default(),
            known: HashMap::new(),
            dictionary: Span::default(),
            provenance: Span::default(),
        };
        contents.out.write_all(&[0; HEADER_BYTES])?;
        Ok(contents)
    }

    /// Adds a content, unless it is there.
    pub(crate) fn add(&mut self, content: &[u8], digest: Digest) -> io::Result<Span> {
        if let Some(known) = self.known.get(&digest) {
            return Ok(*known);
        }
        let bytes = content.len() as u64;
        if bytes >= LARGE_CONTENT_BYTES {
            self.pad()?;
        }
        let span = Span {
            offset: self.at,
            bytes,
        };
        self.put(content)?;
        self.known.insert(digest, span);
        Ok(span)
    }

    /// Adds what zstd frames are made with.
    pub(crate) fn add_dictionary(&mut self, dictionary: &[u8]) -> io::Result<()> {
        self.dictionary = self.add(dictionary, Digest::of(dictionary))?;
        Ok(())
    }

    /// Adds where the site came from.
    pub(crate) fn add_provenance(&mut self, provenance: &str) -> io::Result<()> {
        let bytes = provenance.as_bytes();
        self.provenance = self.add(bytes, Digest::of(bytes))?;
        Ok(())
    }

    /// Writes the index and the header, and reads the whole back: how many bytes it has.
    pub(crate) fn finish(mut self, index: &Index) -> Result<Finished, Error> {
        let failed = |e: io::Error| Error::new("write", "the packed site", e);
        self.pad().map_err(failed)?;
        let sections = Sections::of(index)?;
        let mut header = Header {
            total_bytes: 0,
            digest: Digest([0; Digest::BYTES]),
            modified: index.modified,
            slots: u32_of(sections.slots.len())?,
            resources: u32_of(sections.resources.len())?,
            representations: u32_of(sections.representations.len())?,
            longest_probe: sections.longest_probe,
            not_found: index.not_found.map_or(Ok(NONE), u32_of)?,
            rules: u32_of(index.rules.len())?,
            field_sets: u32_of(sections.field_sets.len())?,
            strings_bytes: sections.strings.bytes.len() as u64,
            index_offset: self.at,
            dictionary: self.dictionary,
            provenance: self.provenance,
            gzip_maker: GZIP_MAKER,
            has_frames: u32::from(has_frames(index)),
        };
        let bytes = sections.seal(&header)?;
        header.total_bytes = header.index_offset + bytes.len() as u64;
        self.put(&bytes).map_err(failed)?;
        header.digest = self.digest.finish();
        let base = self.base;
        let out = self.out.into_inner().map_err(|e| failed(e.into_error()))?;
        let end = SeekFrom::Start(base + header.total_bytes);
        out.seek(SeekFrom::Start(base))
            .and_then(|_| out.write_all(&header.encode()))
            .map_err(failed)?;
        read_back(out, base, index)?;
        out.seek(end).map_err(failed)?;
        Ok(Finished {
            bytes: header.total_bytes,
            digest: header.digest,
        })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.digest.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Goes on to the next page boundary.
    fn pad(&mut self) -> io::Result<()> {
        const ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];
        let padding = self.at.next_multiple_of(PAGE_BYTES) - self.at;
        let padding = usize::try_from(padding).unwrap_or(0);
        self.put(ZEROS.get(..padding).unwrap_or_default())
    }
}

/// What was written.
pub(crate) struct Finished {
    pub(crate) bytes: u64,
    pub(crate) digest: Digest,
}

/// The sections of the index.
#[derive(Default)]
struct Sections {
    slots: Vec<Slot>,
    longest_probe: u32,
    resources: Vec<ResourceRecord>,
    representations: Vec<RepresentationRecord>,
    rules: Vec<RuleRecord>,
    field_sets: Vec<FieldSet>,
    known_sets: BTreeMap<FieldSet, u32>,
    strings: Strings,
}

impl Sections {
    fn of(index: &Index) -> Result<Sections, Error> {
        let mut sections = Sections::default();
        for (path, target) in &index.targets {
            sections.push(path.as_str(), target, index.modified)?;
        }
        for rule in &index.rules {
            let record = RuleRecord {
                pattern: sections.strings.add(&rule.from)?,
                target: sections.strings.add(&rule.to)?,
                status: rule.status,
            };
            sections.rules.push(record);
        }
        (sections.slots, sections.longest_probe) = slots(index);
        Ok(sections)
    }

    fn push(&mut self, path: &str, target: &Target, modified: Option<u64>) -> Result<(), Error> {
        let path = self.strings.add(path)?;
        let kind = match target {
            Target::Redirect { location, status } => RecordKind::Redirect {
                location: self.strings.add(location)?,
                status: *status,
            },
            Target::Resource {
                resource,
                status,
                changes,
            } => {
                let first_representation = u32_of(self.representations.len())?;
                for encoded in &resource.representations {
                    let own = own_fields(encoded);
                    let fields = fields(resource, changes, encoded.coding, modified);
                    let record = self.representation(encoded, &own, &fields)?;
                    self.representations.push(record);
                }
                RecordKind::Resource {
                    media_type: self.strings.add(&resource.media_type)?,
                    first_representation,
                    representations: u8::try_from(resource.representations.len())
                        .map_err(|e| Error::new("write", &resource.origin, e))?,
                    status: *status,
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

    fn representation(
        &mut self,
        encoded: &Encoded,
        own: &[String; 2],
        fields: &Fields,
    ) -> Result<RepresentationRecord, Error> {
        Ok(RepresentationRecord {
            stored: encoded.stored,
            making: encoded.making,
            length: encoded.length,
            digest: encoded.digest,
            own_offset: self.strings.add(&own.concat())?.offset,
            own: lengths(own)?,
            field_set: self.field_set(&fields.shared)?,
            policy: self.strings.add(&fields.policy)?,
            coding: encoded.coding,
        })
    }

    fn field_set(&mut self, shared: &[String; 4]) -> Result<u32, Error> {
        let set = FieldSet {
            offset: self.strings.add(&shared.concat())?.offset,
            lengths: lengths(shared)?,
        };
        if let Some(number) = self.known_sets.get(&set) {
            return Ok(*number);
        }
        let number = u32_of(self.field_sets.len())?;
        self.field_sets.push(set);
        self.known_sets.insert(set, number);
        Ok(number)
    }

    /// The bytes of the sections, each record with its check.
    fn seal(mut self, header: &Header) -> Result<Vec<u8>, Error> {
        let unreadable = || Error::new("write", "the packed site", "its index does not read back");
        let bytes = self.encode();
        let header = alone(header, bytes.len() as u64);
        let site = Site {
            bytes: &bytes,
            header: header.clone(),
        };
        for (index, resource) in (0..header.resources).zip(&mut self.resources) {
            resource.check = site.check_of(index).ok_or_else(unreadable)?;
        }
        Ok(self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for slot in &self.slots {
            slot.encode(&mut bytes);
        }
        for resource in &self.resources {
            resource.encode(&mut bytes);
        }
        for representation in &self.representations {
            representation.encode(&mut bytes);
        }
        for rule in &self.rules {
            rule.encode(&mut bytes);
        }
        for set in &self.field_sets {
            set.encode(&mut bytes);
        }
        bytes.extend_from_slice(&self.strings.bytes);
        bytes
    }
}

/// The header for an index that stands alone, at the start of its bytes.
fn alone(header: &Header, bytes: u64) -> Header {
    Header {
        total_bytes: bytes,
        index_offset: 0,
        dictionary: Span::default(),
        provenance: Span::default(),
        ..header.clone()
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

/// What was written is what was meant: header and digest match, the index is whole, every target
/// is found under its path and no other is, and every stored content has its digest. One pass,
/// with no more than the index in memory.
fn read_back<R: Read + Seek>(file: &mut R, base: u64, index: &Index) -> Result<(), Error> {
    let failed = |cause: String| Error::new("read back", "the packed site", cause);
    let io = |e: io::Error| failed(e.to_string());
    let mut start = [0; HEADER_BYTES];
    file.seek(SeekFrom::Start(base)).map_err(io)?;
    file.read_exact(&mut start).map_err(io)?;
    let header = Header::decode_any(&start).map_err(|e| failed(e.to_string()))?;
    Header::decode(&start, header.total_bytes).map_err(|e| failed(e.to_string()))?;

    let mut digest = Running::default();
    let mut at = HEADER_BYTES as u64;
    let mut buffer = Vec::new();
    for (span, content) in stored(index) {
        let bytes = span
            .offset
            .checked_sub(at)
            .ok_or_else(|| failed("contents overlap".to_owned()))?;
        read_exactly(file, bytes, &mut buffer).map_err(io)?;
        digest.update(&buffer);
        read_exactly(file, span.bytes, &mut buffer).map_err(io)?;
        digest.update(&buffer);
        if content.is_some_and(|content| Digest::of(&buffer) != content) {
            return Err(failed(format!("the content at {} differs", span.offset)));
        }
        at = span.offset + span.bytes;
    }
    read_exactly(file, header.index_offset.saturating_sub(at), &mut buffer).map_err(io)?;
    digest.update(&buffer);
    let bytes = header.total_bytes - header.index_offset;
    read_exactly(file, bytes, &mut buffer).map_err(io)?;
    digest.update(&buffer);
    if digest.finish() != header.digest {
        return Err(failed("its digest differs".to_owned()));
    }
    let site = Site {
        bytes: &buffer,
        header: alone(&header, bytes),
    };
    holds(&site, index).map_err(failed)
}

/// Whether contents are made of zstd frames.
fn has_frames(index: &Index) -> bool {
    let needs = |encoded: &Encoded| match encoded.making {
        Making::Unzstd | Making::UnzstdGzip => true,
        Making::Stored | Making::Gunzip => false,
    };
    index.targets.values().any(|target| match target {
        Target::Resource { resource, .. } => resource.representations.iter().any(needs),
        Target::Redirect { .. } => false,
    })
}

/// Everything that is stored, in the order of the file, with the digest if it is a content.
fn stored(index: &Index) -> Vec<(Span, Option<Digest>)> {
    let mut spans = Vec::new();
    for target in index.targets.values() {
        if let Target::Resource { resource, .. } = target {
            for encoded in &resource.representations {
                let is_content = encoded.making == Making::Stored;
                spans.push((encoded.stored, is_content.then_some(encoded.digest)));
            }
        }
    }
    // Of the same span first the one that says its digest.
    spans.sort_by_key(|(span, digest)| (span.offset, span.bytes, digest.is_none()));
    spans.dedup_by_key(|(span, _)| *span);
    spans.retain(|(span, _)| span.bytes > 0);
    spans
}

fn read_exactly<R: Read>(file: &mut R, bytes: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    if file.take(bytes).read_to_end(buffer)? as u64 == bytes {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The index holds every target under its path, and no other.
fn holds(site: &Site<'_>, index: &Index) -> Result<(), String> {
    if site.len() as usize != index.targets.len() {
        return Err("it has another number of paths".to_owned());
    }
    for (number, (path, target)) in (0..).zip(&index.targets) {
        let found = site.find(path).map_err(|e| e.to_string())?;
        let same = match (target, found) {
            (
                Target::Resource {
                    resource, status, ..
                },
                Some(crate::Entry::Resource(found)),
            ) => {
                found.path == path.as_str()
                    && found.media_type == resource.media_type
                    && found.status == *status
            }
            (Target::Redirect { location, .. }, Some(crate::Entry::Redirect(found))) => {
                found.location == location
            }
            _ => false,
        };
        if !same || !site.is_sealed(number) {
            return Err(format!("`{path}` is not what was written"));
        }
    }
    Ok(())
}

fn lengths<N, const COUNT: usize>(parts: &[String; COUNT]) -> Result<[N; COUNT], Error>
where
    N: Copy + Default + TryFrom<usize>,
    N::Error: std::fmt::Display,
{
    let mut lengths = [N::default(); COUNT];
    for (length, part) in lengths.iter_mut().zip(parts) {
        *length = N::try_from(part.len()).map_err(|e| Error::new("write", part, e))?;
    }
    Ok(lengths)
}

fn u32_of(number: usize) -> Result<u32, Error> {
    u32::try_from(number).map_err(|e| Error::new("write", "the packed site", e))
}
