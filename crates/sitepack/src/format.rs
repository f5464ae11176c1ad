//! The layout of a packed site, version 3. All numbers are little-endian, all offsets in bytes
//! from the start of the packed site.
//!
//! ```text
//! header           256 bytes, see `Header`; ends with the SHA-256 of what stands before it
//! contents         packed; large ones that are sent as they are from a page boundary on
//! index, from a page boundary on:
//!   slots            8 bytes each, a third more than resources: a hash table, linear probing
//!   resources        36 bytes each, sorted by path: a resource or a redirect
//!   representations  68 bytes each, a resource's together, the shortest first
//!   rules            16 bytes each, in their order: redirects with placeholders
//!   field sets       12 bytes each: field lines that many representations share
//!   strings          paths, media types, locations, prepared field lines; each stored once
//! ```
//!
//! Contents stand before the index so that a site of any size is written in one pass: what the
//! index says about a content is known only when the content is coded.
//!
//! The slot of a path is found by its [`hash`]. Nobody but the author of a site chooses the
//! paths in it, so there is nothing to flood; the longest probe is recorded and bounds each
//! look-up.

use crate::coding::ContentCoding;
use crate::digest::Digest;
use crate::error::{Corrupt, OpenError};

/// The first bytes of every packed site.
pub const MAGIC: [u8; 8] = *b"chapbook";
/// The version of the layout.
pub const VERSION: u32 = 3;
/// The length of the header in bytes.
pub const HEADER_BYTES: usize = 256;
/// Where in the header its own digest stands.
const HEADER_DIGEST_AT: usize = HEADER_BYTES - Digest::BYTES;
/// The length of a slot in bytes.
pub const SLOT_BYTES: usize = 8;
/// The length of a resource's record in bytes.
pub const RESOURCE_BYTES: usize = 36;
/// The length of a representation's record in bytes.
pub const REPRESENTATION_BYTES: usize = 68;
/// The length of a rule in bytes.
pub const RULE_BYTES: usize = 16;
/// The length of a field set in bytes.
pub const FIELD_SET_BYTES: usize = 12;
/// The resource index that marks a free slot, and the absence of a 404 page.
pub const NONE: u32 = u32::MAX;
/// Contents begin on this boundary, and so do large ones: a page, so that one can be mapped or
/// sent by itself.
pub const PAGE_BYTES: u64 = 4096;
/// From this length in bytes on a content is large. Below, padding would cost more than it gives.
/// What contents are only made of is never mapped or sent by itself.
pub const LARGE_CONTENT_BYTES: u64 = 4 * PAGE_BYTES;

/// A run of bytes: where it begins, how long it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

impl Span {
    /// The end of the run, if there can be one.
    #[inline]
    pub(crate) fn end(self) -> Option<u64> {
        self.offset.checked_add(self.bytes)
    }

    #[inline]
    pub(crate) fn of(self, all: &[u8]) -> Option<&[u8]> {
        let start = usize::try_from(self.offset).ok()?;
        let end = usize::try_from(self.end()?).ok()?;
        all.get(start..end)
    }
}

/// The header's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) total_bytes: u64,
    /// The digest of everything behind the header.
    pub(crate) digest: Digest,
    /// The time of the data set in seconds since 1970, if it has one.
    pub(crate) modified: Option<u64>,
    pub(crate) slots: u32,
    pub(crate) resources: u32,
    pub(crate) representations: u32,
    pub(crate) longest_probe: u32,
    /// The index of the 404 page, or [`NONE`].
    pub(crate) not_found: u32,
    pub(crate) rules: u32,
    pub(crate) field_sets: u32,
    pub(crate) strings_bytes: u64,
    /// Where the index begins.
    pub(crate) index_offset: u64,
    /// The dictionary that zstd frames were made with, behind its digest; empty if there are none.
    pub(crate) dictionary: Span,
    /// Where the site came from, as JSON; empty if it does not say.
    pub(crate) provenance: Span,
    /// Which encoder makes the contents that are made when they are asked for: see
    /// [`GZIP_MAKER`](crate::made::GZIP_MAKER).
    pub(crate) gzip_maker: u32,
    /// Contents are made of zstd frames: 1, else 0.
    pub(crate) has_frames: u32,
}

impl Header {
    #[inline]
    pub(crate) fn slots_span(&self) -> Span {
        Span {
            offset: self.index_offset,
            bytes: u64::from(self.slots) * SLOT_BYTES as u64,
        }
    }

    #[inline]
    pub(crate) fn resources_span(&self) -> Span {
        records(self.slots_span(), self.resources, RESOURCE_BYTES)
    }

    #[inline]
    pub(crate) fn representations_span(&self) -> Span {
        let before = self.resources_span();
        records(before, self.representations, REPRESENTATION_BYTES)
    }

    #[inline]
    pub(crate) fn rules_span(&self) -> Span {
        records(self.representations_span(), self.rules, RULE_BYTES)
    }

    #[inline]
    pub(crate) fn field_sets_span(&self) -> Span {
        records(self.rules_span(), self.field_sets, FIELD_SET_BYTES)
    }

    #[inline]
    pub(crate) fn strings_span(&self) -> Span {
        let before = self.field_sets_span();
        Span {
            offset: before.offset.saturating_add(before.bytes),
            bytes: self.strings_bytes,
        }
    }

    #[cfg(feature = "compiler")]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&self.total_bytes.to_le_bytes());
        out.extend_from_slice(&self.digest.0);
        out.extend_from_slice(&self.modified.unwrap_or(u64::MAX).to_le_bytes());
        for number in [
            self.slots,
            self.resources,
            self.representations,
            self.longest_probe,
            self.not_found,
            self.rules,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [
            self.strings_bytes,
            self.index_offset,
            self.dictionary.offset,
            self.dictionary.bytes,
            self.provenance.offset,
            self.provenance.bytes,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.gzip_maker.to_le_bytes());
        out.extend_from_slice(&self.field_sets.to_le_bytes());
        out.extend_from_slice(&self.has_frames.to_le_bytes());
        out.resize(HEADER_DIGEST_AT, 0);
        let digest = Digest::of(&out);
        out.extend_from_slice(&digest.0);
        out
    }

    /// Reads and checks the header at the start of `all`, of which there are `found` bytes.
    pub(crate) fn decode(all: &[u8], found: u64) -> Result<Header, OpenError> {
        let decoded = Header::decode_any(all)?;
        if decoded.total_bytes != found {
            return Err(OpenError::Length {
                stated: decoded.total_bytes,
                found,
            });
        }
        let contents = HEADER_BYTES as u64..=decoded.total_bytes;
        let strings = decoded.strings_span().end();
        if !contents.contains(&decoded.index_offset) || strings != Some(decoded.total_bytes) {
            return Err(OpenError::Section { name: "index" });
        }
        if decoded.slots <= decoded.resources {
            return Err(OpenError::Section { name: "slots" });
        }
        for (name, span) in [
            ("dictionary", decoded.dictionary),
            ("provenance", decoded.provenance),
        ] {
            if span.end().is_none_or(|end| end > decoded.index_offset) {
                return Err(OpenError::Section { name });
            }
        }
        Ok(decoded)
    }

    /// Reads the header at the start of `all`, whatever follows it.
    pub(crate) fn decode_any(all: &[u8]) -> Result<Header, OpenError> {
        let short = OpenError::Short { bytes: all.len() };
        let header = all.get(..HEADER_BYTES).ok_or(short.clone())?;
        if !header.starts_with(&MAGIC) {
            return Err(OpenError::NoMagic);
        }
        let (stated, digest) = header.split_at(HEADER_DIGEST_AT);
        let mut fields = Reader(stated.get(MAGIC.len()..).unwrap_or_default());
        let version = fields.u32().ok_or(short.clone())?;
        if version != VERSION {
            return Err(OpenError::Version { found: version });
        }
        if Digest::of(stated).0 != *digest {
            return Err(OpenError::HeaderDigest);
        }
        Header::decode_fields(&mut fields).ok_or(short)
    }

    fn decode_fields(fields: &mut Reader<'_>) -> Option<Header> {
        let _header_bytes = fields.u32()?;
        let mut header = Header {
            total_bytes: fields.u64()?,
            digest: fields.digest()?,
            modified: Some(fields.u64()?).filter(|seconds| *seconds != u64::MAX),
            slots: fields.u32()?,
            resources: fields.u32()?,
            representations: fields.u32()?,
            longest_probe: fields.u32()?,
            not_found: fields.u32()?,
            rules: fields.u32()?,
            strings_bytes: fields.u64()?,
            index_offset: fields.u64()?,
            dictionary: fields.span()?,
            provenance: fields.span()?,
            gzip_maker: fields.u32()?,
            field_sets: 0,
            has_frames: 0,
        };
        header.field_sets = fields.u32()?;
        header.has_frames = fields.u32()?;
        Some(header)
    }
}

/// So many records behind a section. A product of two lengths under 2^40 cannot overflow.
#[inline]
fn records(before: Span, count: u32, record_bytes: usize) -> Span {
    Span {
        offset: before.offset.saturating_add(before.bytes),
        bytes: u64::from(count) * record_bytes as u64,
    }
}

/// A string in the strings section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// From the start of the strings section.
    pub(crate) offset: u32,
    pub(crate) bytes: u16,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Resource {
        media_type: Text,
        first_representation: u32,
        representations: u8,
        /// 200, or 404 where a rule shows this resource instead of another.
        status: u16,
    },
    Redirect {
        location: Text,
        status: u16,
    },
}

/// The record of a resource or a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResourceRecord {
    pub(crate) path: Text,
    pub(crate) kind: RecordKind,
    /// The start of the digest of everything that the index says about this path: what lets
    /// `verify` name the resource whose index was changed.
    pub(crate) check: [u8; 16],
}

const KIND_RESOURCE: u8 = 0;
const KIND_REDIRECT: u8 = 1;

impl ResourceRecord {
    #[cfg(feature = "compiler")]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, count, text, status, first) = match self.kind {
            RecordKind::Resource {
                media_type,
                first_representation,
                representations,
                status,
            } => (
                KIND_RESOURCE,
                representations,
                media_type,
                status,
                first_representation,
            ),
            RecordKind::Redirect { location, status } => (KIND_REDIRECT, 0, location, status, 0),
        };
        let start = out.len();
        out.extend_from_slice(&self.path.offset.to_le_bytes());
        out.extend_from_slice(&self.path.bytes.to_le_bytes());
        out.extend_from_slice(&[kind, count]);
        out.extend_from_slice(&text.offset.to_le_bytes());
        out.extend_from_slice(&text.bytes.to_le_bytes());
        out.extend_from_slice(&status.to_le_bytes());
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&self.check);
        assert_eq!(
            out.len() - start,
            RESOURCE_BYTES,
            "a record has a fixed length"
        );
    }

    #[inline]
    pub(crate) fn decode(record: &[u8]) -> Result<ResourceRecord, Corrupt> {
        Self::decode_fields(&mut Reader(record)).ok_or(Corrupt)
    }

    #[inline]
    fn decode_fields(fields: &mut Reader<'_>) -> Option<ResourceRecord> {
        let path = fields.text()?;
        let [kind, count] = fields.array()?;
        let text = fields.text()?;
        let status = fields.u16()?;
        let first_representation = fields.u32()?;
        let check = fields.array()?;
        let kind = match kind {
            KIND_RESOURCE => RecordKind::Resource {
                media_type: text,
                first_representation,
                representations: count,
                status,
            },
            KIND_REDIRECT => RecordKind::Redirect {
                location: text,
                status,
            },
            _ => return None,
        };
        Some(ResourceRecord { path, kind, check })
    }
}

/// The record of a representation.
///
/// Its field lines stand in three strings. `own` is its alone: `Content-Length`, then `ETag`; a
/// content that is made has none, since its answer takes longer than to write them. `policy` is
/// the end of the page's policy, the part that differs from page to page. The rest is shared by
/// many, in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RepresentationRecord {
    /// The bytes that are stored.
    pub(crate) stored: Span,
    /// How the content is made of them.
    pub(crate) making: Making,
    /// The length of the content in bytes.
    pub(crate) length: u64,
    /// The digest of the content.
    pub(crate) digest: Digest,
    pub(crate) own_offset: u32,
    /// Lengths of the two parts of `own`.
    pub(crate) own: [u8; 2],
    /// The number of its field set.
    pub(crate) field_set: u32,
    pub(crate) policy: Text,
    pub(crate) coding: ContentCoding,
}

impl RepresentationRecord {
    #[cfg(feature = "compiler")]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for number in [self.stored.offset, self.stored.bytes, self.length] {
            let [low @ .., 0, 0] = number.to_le_bytes() else {
                unreachable!("no system has contents of 281 TB");
            };
            out.extend_from_slice(&low);
        }
        out.extend_from_slice(&self.digest.0);
        out.extend_from_slice(&self.own_offset.to_le_bytes());
        out.extend_from_slice(&self.own);
        out.extend_from_slice(&self.field_set.to_le_bytes());
        out.extend_from_slice(&self.policy.offset.to_le_bytes());
        out.extend_from_slice(&self.policy.bytes.to_le_bytes());
        out.extend_from_slice(&[self.coding.number(), self.making.number()]);
        assert_eq!(
            out.len() - start,
            REPRESENTATION_BYTES,
            "a record has a fixed length"
        );
    }

    #[inline]
    pub(crate) fn decode(record: &[u8]) -> Result<RepresentationRecord, Corrupt> {
        Self::decode_fields(&mut Reader(record)).ok_or(Corrupt)
    }

    #[inline]
    fn decode_fields(fields: &mut Reader<'_>) -> Option<RepresentationRecord> {
        let offset = fields.u48()?;
        let bytes = fields.u48()?;
        let length = fields.u48()?;
        let digest = fields.digest()?;
        let own_offset = fields.u32()?;
        let own = fields.array()?;
        let field_set = fields.u32()?;
        let policy = fields.text()?;
        let [coding, making] = fields.array()?;
        Some(RepresentationRecord {
            stored: Span { offset, bytes },
            making: Making::from_number(making)?,
            length,
            digest,
            own_offset,
            own,
            field_set,
            policy,
            coding: ContentCoding::from_number(coding)?,
        })
    }
}

/// Field lines that many representations share, in four groups: those that describe the content,
/// those about the resource that only a whole answer needs, those for caches, those for the
/// browser's security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldSet {
    pub(crate) offset: u32,
    /// Lengths of the four groups.
    pub(crate) lengths: [u16; 4],
}

impl FieldSet {
    #[cfg(feature = "compiler")]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        for length in self.lengths {
            out.extend_from_slice(&length.to_le_bytes());
        }
    }

    #[inline]
    pub(crate) fn decode(record: &[u8]) -> Result<FieldSet, Corrupt> {
        let mut fields = Reader(record);
        let mut decode = || {
            Some(FieldSet {
                offset: fields.u32()?,
                lengths: [fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?],
            })
        };
        decode().ok_or(Corrupt)
    }
}

/// How a content is made of the bytes that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// They are the content.
    Stored,
    /// They are its gzip coding.
    Gunzip,
    /// They are a zstd frame, made with the site's dictionary.
    Unzstd,
    /// The same, and the content is the gzip coding of what is in the frame.
    UnzstdGzip,
}

impl Making {
    const ALL: [Making; 4] = [
        Making::Stored,
        Making::Gunzip,
        Making::Unzstd,
        Making::UnzstdGzip,
    ];

    #[inline]
    const fn number(self) -> u8 {
        match self {
            Making::Stored => 0,
            Making::Gunzip => 1,
            Making::Unzstd => 2,
            Making::UnzstdGzip => 3,
        }
    }

    #[inline]
    fn from_number(number: u8) -> Option<Making> {
        Self::ALL
            .into_iter()
            .find(|making| making.number() == number)
    }
}

/// A redirect or rewrite for every path of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleRecord {
    pub(crate) pattern: Text,
    pub(crate) target: Text,
    pub(crate) status: u16,
}

impl RuleRecord {
    #[cfg(feature = "compiler")]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for text in [self.pattern, self.target] {
            out.extend_from_slice(&text.offset.to_le_bytes());
            out.extend_from_slice(&text.bytes.to_le_bytes());
        }
        out.extend_from_slice(&self.status.to_le_bytes());
        out.resize(start + RULE_BYTES, 0);
    }

    pub(crate) fn decode(record: &[u8]) -> Result<RuleRecord, Corrupt> {
        Self::decode_fields(&mut Reader(record)).ok_or(Corrupt)
    }

    fn decode_fields(fields: &mut Reader<'_>) -> Option<RuleRecord> {
        let pattern = fields.text()?;
        let target = fields.text()?;
        let status = fields.u16()?;
        Some(RuleRecord {
            pattern,
            target,
            status,
        })
    }
}

/// A slot of the hash table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The upper half of the path's hash.
    pub(crate) tag: u32,
    /// The index of its resource, or [`NONE`].
    pub(crate) resource: u32,
}

impl Slot {
    #[cfg(feature = "compiler")]
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tag.to_le_bytes());
        out.extend_from_slice(&self.resource.to_le_bytes());
    }

    #[inline]
    pub(crate) fn decode(slot: &[u8]) -> Result<Slot, Corrupt> {
        let mut fields = Reader(slot);
        match (fields.u32(), fields.u32()) {
            (Some(tag), Some(resource)) => Ok(Slot { tag, resource }),
            _ => Err(Corrupt),
        }
    }
}

/// The hash of a path: eight bytes at a time multiplied into the state, then mixed.
#[must_use]
#[inline]
pub fn hash(path: &str) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 divided by the golden ratio
    let mut state = path.len() as u64 ^ MULTIPLIER;
    let mut eights = path.as_bytes().chunks_exact(8);
    for eight in &mut eights {
        let word = eight.try_into().map_or(0, u64::from_le_bytes);
        state = (state ^ word).wrapping_mul(MULTIPLIER);
        state ^= state >> 32;
    }
    for byte in eights.remainder() {
        state = (state ^ u64::from(*byte)).wrapping_mul(MULTIPLIER);
    }
    state ^= state >> 29;
    state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state ^ (state >> 32)
}

/// How many slots there are for so many paths: three of four are taken. A look-up then reads two
/// or three that stand together, mostly in one cache line; half as many would need half as much
/// again of the index of a large site.
#[cfg(feature = "compiler")]
pub(crate) fn slots_for(paths: usize) -> usize {
    paths + paths / 3 + 1
}

/// Splits a hash into the first slot to look at and the tag to look for.
#[must_use]
#[inline]
pub(crate) fn slot_and_tag(hash: u64, slots: u32) -> (u32, u32) {
    let [low, high] = [hash & u64::from(u32::MAX), hash >> 32];
    // As a fraction of all hashes the lower half says which part of the slots. Both numbers fit.
    let first = u32::try_from((low * u64::from(slots)) >> 32).unwrap_or(0);
    let tag = u32::try_from(high).unwrap_or(0);
    (first, tag)
}

/// Takes numbers off the front of a slice.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    #[inline]
    fn array<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let (array, rest) = self.0.split_first_chunk::<BYTES>()?;
        self.0 = rest;
        Some(*array)
    }

    #[inline]
    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Places and lengths of contents have six bytes.
    #[inline]
    fn u48(&mut self) -> Option<u64> {
        let [a, b, c, d, e, f] = self.array()?;
        Some(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest)
    }

    fn span(&mut self) -> Option<Span> {
        Some(Span {
            offset: self.u64()?,
            bytes: self.u64()?,
        })
    }

    #[inline]
    fn text(&mut self) -> Option<Text> {
        Some(Text {
            offset: self.u32()?,
            bytes: self.u16()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::hash;

    #[test]
    fn hashes_of_similar_paths_spread() {
        let hashes: HashSet<u32> = (0..10_000)
            .map(|n| (hash(&format!("/book/page-{n}.html")) & 0xffff) as u32)
            .collect();
        // 10,000 balls into 65,536 bins hit 9,276 of them on average.
        assert!(
            hashes.len() > 9_100,
            "{} of 10,000 are different",
            hashes.len()
        );
    }
}
