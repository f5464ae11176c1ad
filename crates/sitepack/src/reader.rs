//! Reads a packed site where it lies: nothing is parsed ahead, copied or allocated.

use std::borrow::Cow;
use std::io;

use crate::coding::ContentCoding;
use crate::digest::{Digest, EntityTag};
use crate::error::{Corrupt, OpenError};
use crate::format::{
    FIELD_SET_BYTES, FieldSet, Header, Making, NONE, REPRESENTATION_BYTES, RESOURCE_BYTES,
    RULE_BYTES, RecordKind, RepresentationRecord, ResourceRecord, RuleRecord, SLOT_BYTES, Slot,
    Span, Text, hash, slot_and_tag,
};
use crate::made::{GZIP_MAKER, Recipe};
use crate::path::SitePath;

/// An opened packed site.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: Header,
}

/// A packed site together with its bytes, which go when it goes.
pub struct OwnedSite {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    header: Header,
}

impl std::fmt::Debug for OwnedSite {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OwnedSite({})", self.header.digest)
    }
}

impl OwnedSite {
    /// Opens a packed site in memory, as [`Site::open`] does.
    ///
    /// # Errors
    /// When `bytes` are not a whole packed site of this version.
    pub fn open(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<OwnedSite, OpenError> {
        let header = Site::open(bytes.as_ref())?.header;
        let bytes = Box::new(bytes);
        Ok(OwnedSite { bytes, header })
    }

    /// The site. Nothing is checked again.
    #[must_use]
    pub fn site(&self) -> Site<'_> {
        Site {
            bytes: (*self.bytes).as_ref(),
            header: self.header.clone(),
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// Something to send.
    Resource(Resource<'a>),
    /// Another place.
    Redirect(Redirect<'a>),
}

/// A resource: a path, a media type, and one representation or several.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// The canonical path.
    pub path: &'a str,
    /// The media type, as in `Content-Type`.
    pub media_type: &'a str,
    /// The status code of a whole answer: 200, or 404 for one that is shown instead of others.
    pub status: u16,
    site: Parts<'a>,
    records: &'a [u8],
}

/// What representations are read from.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    all: &'a [u8],
    strings: &'a [u8],
    field_sets: &'a [u8],
    dictionary: &'a [u8],
    /// Whether contents can be coded when they are asked for.
    codes: bool,
}

/// A redirect.
#[derive(Clone, Copy, Debug)]
pub struct Redirect<'a> {
    /// The path that is redirected.
    pub path: &'a str,
    /// Where to: a percent-encoded path, without a query.
    pub location: &'a str,
    /// The status code.
    pub status: u16,
}

/// A redirect or rewrite for every path of a pattern, for paths that lead nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// Which paths, as [`rules::Pattern`](crate::rules::Pattern) reads it.
    pub pattern: &'a str,
    /// Where to, with the pattern's placeholders.
    pub target: &'a str,
    /// The status code: a redirect's, or 200 or 404 for a resource that is shown in its place.
    pub status: u16,
}

/// A content, and everything that is true of just this content.
#[derive(Clone, Copy, Debug)]
pub struct Representation<'a> {
    /// How the content is coded.
    pub coding: ContentCoding,
    /// The length of the content in bytes.
    pub length: u64,
    /// The bytes that are stored: the content, or what it is made of.
    stored: &'a [u8],
    making: Making,
    dictionary: &'a [u8],
    /// Where the stored bytes begin, in bytes from the start of the packed site.
    pub offset: u64,
    /// SHA-256 of the content.
    pub digest: Digest,
    /// The prepared field lines.
    pub fields: FieldParts<'a>,
}

/// The prepared field lines of a representation, each ended by CRLF, in the groups in which
/// answers need them. A 200 sends them all; a 304 only `etag` and `cache`.
#[derive(Clone, Copy, Debug)]
pub struct FieldParts<'a> {
    /// `Content-Length`; empty for a content that is made.
    pub length: &'a [u8],
    /// `ETag`; empty for a content that is made.
    pub etag: &'a [u8],
    /// `Content-Type`, and `Content-Encoding` where it is coded.
    pub content: &'a [u8],
    /// `Accept-Ranges`, and `Last-Modified` where the site has a time.
    pub about: &'a [u8],
    /// `Vary` where it was negotiated, and `Cache-Control`.
    pub cache: &'a [u8],
    /// What tells the browser how careful to be.
    pub security: &'a [u8],
    /// The end of the last of these lines, if pages differ in it.
    pub policy: &'a [u8],
}

impl<'a> Representation<'a> {
    /// The content, if it is stored.
    #[must_use]
    #[inline]
    pub fn stored(&self) -> Option<&'a [u8]> {
        (self.making == Making::Stored).then_some(self.stored)
    }

    /// How many bytes are stored, from [`offset`](Self::offset) on: of the content, or of what it
    /// is made of.
    #[must_use]
    #[inline]
    pub fn stored_bytes(&self) -> usize {
        self.stored.len()
    }

    /// How the content is made. A stored one is made by copying.
    #[must_use]
    #[inline]
    pub fn recipe(&self) -> Recipe<'a> {
        Recipe {
            stored: self.stored,
            making: self.making,
            dictionary: self.dictionary,
            length: self.length,
        }
    }

    /// The strong entity-tag, in its quotes.
    #[must_use]
    #[inline]
    pub fn entity_tag(&self) -> EntityTag {
        self.digest.entity_tag()
    }

    /// The whole content.
    ///
    /// # Errors
    /// When it is made of bytes that are damaged.
    pub fn content(&self) -> io::Result<Cow<'a, [u8]>> {
        self.recipe().content()
    }
}

impl Site<'static> {
    /// Lets contents be made with the dictionary where it is, without a copy. Of several such
    /// sites the first one has this.
    pub fn lend_dictionary(&self) {
        #[cfg(feature = "zstd")]
        if let Some(dictionary) = self.header.dictionary.of(self.bytes) {
            crate::made::lend(dictionary);
        }
    }
}

impl<'a> Site<'a> {
    /// Opens a packed site: checks magic, version, length and the header's digest. O(1).
    ///
    /// # Errors
    /// When `bytes` are not a whole packed site of this version.
    pub fn open(bytes: &'a [u8]) -> Result<Site<'a>, OpenError> {
        Ok(Site {
            bytes,
            header: Header::decode(bytes, bytes.len() as u64)?,
        })
    }

    /// What stands at `path`.
    ///
    /// # Errors
    /// When the part of the index that was needed is damaged.
    #[inline]
    pub fn find(&self, path: &SitePath<'_>) -> Result<Option<Entry<'a>>, Corrupt> {
        let slots = self.header.slots_span().of(self.bytes).ok_or(Corrupt)?;
        let (mut at, tag) = slot_and_tag(hash(path.as_str()), self.header.slots);
        for _ in 0..=self.header.longest_probe {
            let slot = Slot::decode(nth(slots, at, SLOT_BYTES)?)?;
            if slot.resource == NONE {
                return Ok(None);
            }
            if slot.tag == tag {
                let entry = self.entry(slot.resource)?;
                if entry.path() == path.as_str() {
                    return Ok(Some(entry));
                }
            }
            at = (at + 1) % self.header.slots.max(1);
        }
        Ok(None)
    }

    /// The page that a 404 shows, if the site has one.
    ///
    /// # Errors
    /// When the index is damaged.
    #[inline]
    pub fn not_found(&self) -> Result<Option<Resource<'a>>, Corrupt> {
        match self.header.not_found {
            NONE => Ok(None),
            index => match self.entry(index)? {
                Entry::Resource(resource) => Ok(Some(resource)),
                Entry::Redirect(_) => Err(Corrupt),
            },
        }
    }

    /// Everything in the site, sorted by path.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, Corrupt>> + '_ {
        (0..self.header.resources).map(|index| self.entry(index))
    }

    /// How many paths the site answers for, redirects included.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.header.resources
    }

    /// Whether there is nothing in the site.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.header.resources == 0
    }

    /// The length of the packed site in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.header.total_bytes
    }

    /// The packed site itself.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The digest of everything behind the header: the name of this data set.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.header.digest
    }

    /// The time of the data set in seconds since 1970, if it states one.
    #[must_use]
    #[inline]
    pub fn modified(&self) -> Option<u64> {
        self.header.modified
    }

    /// Whether this program can make all that the site does not store: one without the feature
    /// `zstd` makes nothing of zstd frames.
    #[must_use]
    pub fn can_be_made(&self) -> bool {
        cfg!(feature = "zstd") || self.header.has_frames == 0
    }

    /// Where the site came from, as JSON, if it says.
    #[must_use]
    pub fn provenance(&self) -> Option<&'a str> {
        let bytes = self.header.provenance.of(self.bytes)?;
        std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// The rules for paths that lead nowhere else, the first one that fits first.
    #[inline]
    pub fn rules(&self) -> impl Iterator<Item = Result<Rule<'a>, Corrupt>> + '_ {
        (0..self.header.rules).map(|index| self.rule(index))
    }

    fn rule(&self, index: u32) -> Result<Rule<'a>, Corrupt> {
        let records = self.header.rules_span().of(self.bytes).ok_or(Corrupt)?;
        let record = RuleRecord::decode(nth(records, index, RULE_BYTES)?)?;
        let strings = self.strings()?;
        Ok(Rule {
            pattern: text(strings, record.pattern)?,
            target: text(strings, record.target)?,
            status: record.status,
        })
    }

    #[inline]
    pub(crate) fn resource_record(&self, index: u32) -> Result<&'a [u8], Corrupt> {
        let records = self.header.resources_span().of(self.bytes).ok_or(Corrupt)?;
        nth(records, index, RESOURCE_BYTES)
    }

    #[inline]
    pub(crate) fn strings(&self) -> Result<&'a [u8], Corrupt> {
        self.header.strings_span().of(self.bytes).ok_or(Corrupt)
    }

    /// The entry with this number, of those sorted by path.
    ///
    /// # Errors
    /// When the site is damaged there, or has no such entry.
    #[inline]
    pub fn entry(&self, index: u32) -> Result<Entry<'a>, Corrupt> {
        let record = ResourceRecord::decode(self.resource_record(index)?)?;
        let strings = self.strings()?;
        let path = text(strings, record.path)?;
        match record.kind {
            RecordKind::Resource {
                media_type,
                first_representation,
                representations,
                status,
            } => {
                let all = self
                    .header
                    .representations_span()
                    .of(self.bytes)
                    .ok_or(Corrupt)?;
                let offset = u64::from(first_representation) * REPRESENTATION_BYTES as u64;
                let bytes = u64::from(representations) * REPRESENTATION_BYTES as u64;
                let records = Span { offset, bytes }.of(all).ok_or(Corrupt)?;
                let media_type = text(strings, media_type)?;
                let site = Parts {
                    all: self.bytes,
                    strings,
                    field_sets: self
                        .header
                        .field_sets_span()
                        .of(self.bytes)
                        .ok_or(Corrupt)?,
                    dictionary: self.header.dictionary.of(self.bytes).ok_or(Corrupt)?,
                    codes: self.header.gzip_maker == GZIP_MAKER,
                };
                Ok(Entry::Resource(Resource {
                    path,
                    media_type,
                    status,
                    site,
                    records,
                }))
            }
            RecordKind::Redirect { location, status } => {
                let location = text(strings, location)?;
                Ok(Entry::Redirect(Redirect {
                    path,
                    location,
                    status,
                }))
            }
        }
    }
}

impl<'a> Entry<'a> {
    /// The path that leads here.
    #[must_use]
    #[inline]
    pub fn path(&self) -> &'a str {
        match self {
            Entry::Resource(resource) => resource.path,
            Entry::Redirect(redirect) => redirect.path,
        }
    }
}

impl<'a> Resource<'a> {
    /// The representations that this program can send, the shortest content first; one of them is
    /// the identity.
    pub fn representations(
        &self,
    ) -> impl Iterator<Item = Result<Representation<'a>, Corrupt>> + use<'a> {
        let site = self.site;
        self.sendable()
            .map(move |record| representation(site, record?))
    }

    /// The representation whose coding has the highest `preference`, of equals the shortest; none
    /// if no coding has any. Of the others only the coding is looked at.
    ///
    /// # Errors
    /// When the index is damaged.
    #[inline]
    pub fn preferred<Preference: Ord>(
        &self,
        preference: impl Fn(ContentCoding) -> Option<Preference>,
    ) -> Result<Option<Representation<'a>>, Corrupt> {
        let mut best = None;
        for record in self.sendable() {
            let record = record?;
            let Some(liked) = preference(record.coding) else {
                continue;
            };
            if best.as_ref().is_none_or(|(better, _)| liked > *better) {
                best = Some((liked, record));
            }
        }
        let made = |(_, record)| representation(self.site, record);
        best.map(made).transpose()
    }

    /// The records of what this program can send.
    #[inline]
    fn sendable(&self) -> impl Iterator<Item = Result<RepresentationRecord, Corrupt>> + use<'a> {
        let codes = self.site.codes;
        let record = |record| RepresentationRecord::decode(record);
        let records = self.records.chunks_exact(REPRESENTATION_BYTES).map(record);
        records.filter(move |record| {
            let coded = |record: &RepresentationRecord| record.making == Making::UnzstdGzip;
            codes || !record.as_ref().is_ok_and(coded)
        })
    }

    /// Whether there is a choice of representations, so that answers vary by request.
    #[must_use]
    #[inline]
    pub fn is_negotiated(&self) -> bool {
        self.records.len() > REPRESENTATION_BYTES
    }

    /// The representation under one coding.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn under(&self, coding: ContentCoding) -> Result<Option<Representation<'a>>, Corrupt> {
        self.representations()
            .find(|found| found.as_ref().map_or(true, |found| found.coding == coding))
            .transpose()
    }

    /// The content as the author wrote it.
    ///
    /// # Errors
    /// When the index is damaged.
    pub fn identity(&self) -> Result<Representation<'a>, Corrupt> {
        self.under(ContentCoding::Identity)?.ok_or(Corrupt)
    }

    /// The field lines of every representation, whether this program can send it or not.
    #[inline]
    pub(crate) fn field_parts(
        &self,
    ) -> impl Iterator<Item = Result<FieldParts<'a>, Corrupt>> + use<'a> {
        let site = self.site;
        self.records
            .chunks_exact(REPRESENTATION_BYTES)
            .map(move |record| field_parts(site, &RepresentationRecord::decode(record)?))
    }
}

#[inline]
fn representation<'a>(
    site: Parts<'a>,
    record: RepresentationRecord,
) -> Result<Representation<'a>, Corrupt> {
    let stored = record.stored.of(site.all).ok_or(Corrupt)?;
    if record.making == Making::Stored && record.length != record.stored.bytes {
        return Err(Corrupt);
    }
    Ok(Representation {
        coding: record.coding,
        length: record.length,
        stored,
        making: record.making,
        dictionary: site.dictionary,
        offset: record.stored.offset,
        digest: record.digest,
        fields: field_parts(site, &record)?,
    })
}

#[inline]
fn field_parts<'a>(
    site: Parts<'a>,
    record: &RepresentationRecord,
) -> Result<FieldParts<'a>, Corrupt> {
    let set = nth(site.field_sets, record.field_set, FIELD_SET_BYTES)?;
    let set = FieldSet::decode(set)?;
    let [length, etag] = parts(site.strings, record.own_offset, record.own.map(u16::from))?;
    let [content, about, cache, security] = parts(site.strings, set.offset, set.lengths)?;
    Ok(FieldParts {
        length,
        etag,
        content,
        about,
        cache,
        security,
        policy: bytes(site.strings, record.policy)?,
    })
}

/// Cuts a string into its parts.
#[inline]
fn parts<const COUNT: usize>(
    strings: &[u8],
    offset: u32,
    lengths: [u16; COUNT],
) -> Result<[&[u8]; COUNT], Corrupt> {
    let start = usize::try_from(offset).map_err(|_| Corrupt)?;
    let mut rest = strings.get(start..).ok_or(Corrupt)?;
    let mut parts = [&[][..]; COUNT];
    for (part, length) in parts.iter_mut().zip(lengths) {
        let (head, tail) = rest.split_at_checked(usize::from(length)).ok_or(Corrupt)?;
        *part = head;
        rest = tail;
    }
    Ok(parts)
}

#[inline]
fn text(strings: &[u8], text: Text) -> Result<&str, Corrupt> {
    std::str::from_utf8(bytes(strings, text)?).map_err(|_| Corrupt)
}

#[inline]
fn bytes(strings: &[u8], text: Text) -> Result<&[u8], Corrupt> {
    let span = Span {
        offset: u64::from(text.offset),
        bytes: u64::from(text.bytes),
    };
    span.of(strings).ok_or(Corrupt)
}

#[inline]
fn nth(records: &[u8], index: u32, bytes: usize) -> Result<&[u8], Corrupt> {
    let offset = u64::from(index) * bytes as u64;
    Span {
        offset,
        bytes: bytes as u64,
    }
    .of(records)
    .ok_or(Corrupt)
}
