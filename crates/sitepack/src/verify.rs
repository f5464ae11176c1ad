//! Recomputes every digest of a packed site and names what does not match.

use std::fmt;

use crate::digest::Digest;
use crate::format::{HEADER_BYTES, REPRESENTATION_BYTES, RecordKind, ResourceRecord};
use crate::path::SitePath;
use crate::reader::{Entry, Representation, Site};

/// Something in a packed site is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The content of a resource differs from its digest.
    Content {
        /// The resource's path.
        path: String,
        /// The coding of the representation.
        coding: crate::ContentCoding,
    },
    /// What the index says about a path was changed.
    Index {
        /// The path, as far as it can still be read.
        path: String,
    },
    /// A path is in the index, but a look-up does not find it.
    Lost {
        /// The path.
        path: String,
    },
    /// No part differs, but the whole does: bytes between the parts were changed.
    Whole,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Content { path, coding } => {
                write!(
                    formatter,
                    "`{path}` ({coding}): the content differs from its digest"
                )
            }
            Fault::Index { path } => {
                write!(
                    formatter,
                    "`{path}`: what the index says about it was changed"
                )
            }
            Fault::Lost { path } => {
                write!(
                    formatter,
                    "`{path}`: it is in the index, but a look-up does not find it"
                )
            }
            Fault::Whole => formatter
                .write_str("bytes that belong to no resource differ from the site's digest"),
        }
    }
}

impl Site<'_> {
    /// Every fault of the site; none if it is as it was written. Reads all of it.
    #[must_use]
    pub fn verify(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for index in 0..self.header.resources {
            self.verify_entry(index, &mut faults);
        }
        let rest = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        if faults.is_empty() && Digest::of(rest) != self.header.digest {
            faults.push(Fault::Whole);
        }
        faults
    }

    fn verify_entry(&self, index: u32, faults: &mut Vec<Fault>) {
        let entry = match self.entry(index) {
            Ok(entry) if self.is_sealed(index) => entry,
            Ok(entry) => {
                return faults.push(Fault::Index {
                    path: entry.path().to_owned(),
                });
            }
            Err(_) => {
                return faults.push(Fault::Index {
                    path: format!("entry {index}"),
                });
            }
        };
        let path = || entry.path().to_owned();
        let found = SitePath::from_decoded(entry.path()).map(|path| self.find(&path));
        let is_found = matches!(&found, Ok(Ok(Some(found))) if found.path() == entry.path());
        if !is_found {
            faults.push(Fault::Lost { path: path() });
        }
        let Entry::Resource(resource) = entry else {
            return;
        };
        for representation in resource.representations() {
            match representation {
                Ok(found) if is_as_packed(&found) => {}
                Ok(found) => faults.push(Fault::Content {
                    path: path(),
                    coding: found.coding,
                }),
                Err(_) => faults.push(Fault::Index { path: path() }),
            }
        }
    }

    /// Whether entry `index` is as it was written.
    pub(crate) fn is_sealed(&self, index: u32) -> bool {
        let check = self.check_of(index);
        check.is_some() && check == self.stated_check(index)
    }

    fn stated_check(&self, index: u32) -> Option<[u8; 16]> {
        let record = ResourceRecord::decode(self.resource_record(index).ok()?).ok()?;
        Some(record.check)
    }

    /// The digest of everything that the index says about entry `index`.
    pub(crate) fn check_of(&self, index: u32) -> Option<[u8; 16]> {
        let raw = self.resource_record(index).ok()?;
        let record = ResourceRecord::decode(raw).ok()?;
        let (stated, _check) = raw.split_last_chunk::<16>()?;
        let mut said: Vec<&[u8]> = vec![stated];
        match self.entry(index).ok()? {
            Entry::Redirect(redirect) => {
                said.extend([redirect.path.as_bytes(), redirect.location.as_bytes()]);
            }
            Entry::Resource(resource) => {
                said.extend([resource.path.as_bytes(), resource.media_type.as_bytes()]);
                said.push(self.representation_records(record.kind)?);
                for fields in resource.field_parts() {
                    let fields = fields.ok()?;
                    said.extend([fields.length, fields.etag, fields.content]);
                    said.extend([fields.about, fields.cache, fields.security, fields.policy]);
                }
            }
        }
        Digest::of_all(&said).0.first_chunk().copied()
    }

    fn representation_records(&self, kind: RecordKind) -> Option<&[u8]> {
        let RecordKind::Resource {
            first_representation,
            representations,
            ..
        } = kind
        else {
            return None;
        };
        let all = self.header.representations_span().of(self.bytes)?;
        let start = usize::try_from(first_representation).ok()? * REPRESENTATION_BYTES;
        all.get(start..)?
            .get(..usize::from(representations) * REPRESENTATION_BYTES)
    }
}

/// Whether a content has its digest; one that is made is made for it.
fn is_as_packed(found: &Representation<'_>) -> bool {
    if let Some(stored) = found.stored() {
        return Digest::of(stored) == found.digest;
    }
    found
        .recipe()
        .maker()
        .and_then(|mut maker| Digest::of_reader(&mut maker))
        .is_ok_and(|(digest, bytes)| digest == found.digest && bytes == found.length)
}
