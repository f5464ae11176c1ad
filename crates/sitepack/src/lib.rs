//! The packed site: one file that holds a static web site, ready to be served.
//!
//! A packed site is made once, by a [`compiler`], and read for ever after by [`Site`]. The file
//! is deterministic: the same input gives the same bytes on every machine. It keeps no
//! modification times of files, no names of machines, no order of directories.
//!
//! What it promises to its reader:
//!
//! 1. Opening costs the same for two files and for fifty thousand: the fixed header is checked,
//!    nothing else is read, copied or hashed.
//! 2. A look-up reads a slot, a record and a name.
//! 3. Every [`Representation`] binds its bytes, their length, their coding, their digest and the
//!    fields that describe them. One cannot be sent with the fields of another.
//! 4. No content of the file, however damaged, makes the reader panic: what cannot be read is
//!    [`Corrupt`], and [`Site::verify`] names it.
//!
//! The layout is told in [`format`](self::format).

mod appended;
mod coding;
pub mod date;
mod digest;
mod error;
pub mod format;
pub mod made;
mod path;
mod reader;
pub mod rules;
mod summary;
pub mod tar;
#[cfg(test)]
mod testing;
mod verify;

#[cfg(feature = "compiler")]
pub mod compiler;

pub use appended::Appended;
pub use coding::ContentCoding;
pub use digest::{Digest, EntityTag, Running};
pub use error::{Corrupt, OpenError};
pub use format::Making;
pub use made::{Maker, Recipe};
pub use path::{PathError, SitePath, percent_encode};
pub use reader::{Entry, FieldParts, OwnedSite, Redirect, Representation, Resource, Rule, Site};
pub use summary::Summary;
pub use verify::Fault;
