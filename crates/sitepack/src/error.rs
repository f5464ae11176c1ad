//! What can be wrong with a packed site.

use std::fmt;

/// Why bytes are not a packed site that this reader can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// There are fewer bytes than a header has.
    Short {
        /// How many there are.
        bytes: usize,
    },
    /// It does not begin with the magic bytes.
    NoMagic,
    /// It was written in another version of the format.
    Version {
        /// The version that it states.
        found: u32,
    },
    /// The header's own digest does not match it.
    HeaderDigest,
    /// The header states a length that is not the length of the bytes.
    Length {
        /// In bytes, what the header states.
        stated: u64,
        /// In bytes, what there is.
        found: u64,
    },
    /// A section lies outside of the file.
    Section {
        /// Its name.
        name: &'static str,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Short { bytes } => {
                write!(
                    formatter,
                    "the packed site has only {bytes} bytes, fewer than its header"
                )
            }
            OpenError::NoMagic => formatter.write_str("it does not begin as a packed site does"),
            OpenError::Version { found } => write!(
                formatter,
                "the packed site has format version {found}, this program reads {}",
                crate::format::VERSION
            ),
            OpenError::HeaderDigest => {
                formatter.write_str("the header of the packed site is damaged: its digest differs")
            }
            OpenError::Length { stated, found } => write!(
                formatter,
                "the packed site is {found} bytes long, its header says {stated}: cut short or \
                 added to"
            ),
            OpenError::Section { name } => {
                write!(formatter, "the packed site's {name} lie outside of it")
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// A part of an opened packed site cannot be read: bytes of its index were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the packed site's index is damaged")
    }
}

impl std::error::Error for Corrupt {}
