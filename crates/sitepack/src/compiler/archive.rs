//! Archives and image layers as sources: a tar or zip file becomes files, whole or not at all.
//!
//! What it promises:
//!
//! 1. Nothing is written but an unnamed temporary file (see [`spool`](super::spool)): no name in
//!    an archive is ever given to the operating system.
//! 2. Nothing is skipped silently. A device, a name with `..` in it, a link that leads out, a
//!    coding that is not known, bytes after the end: each is an [`Error`] that names the member.
//! 3. An archive means the same here as to other readers. Where tar or zip readers are known to
//!    differ (a length stated twice, a name stated twice, content after a link), it is refused.
//! 4. Every count, length and ratio is bounded by [`limits`].
//! 5. The same archive gives the same files, whatever the machine.
//!
//! In its order: [`stream`] decompresses, [`tar`] and [`zip`] read members into [`Change`]s,
//! [`tree`] applies them, [`layers`] over one another, [`resolve`] follows links.
//!
//! Members are read here and not by the crates `tar` and `zip`: those read a long name of any
//! length into memory, take a missing end for an end, and keep one of two members with the same
//! name without a word; `zip` also brings a dozen crates. What remains of both formats for a
//! reader is small.

mod fault;
#[cfg(test)]
mod hostile;
mod layers;
pub(crate) mod limits;
mod name;
mod resolve;
mod stream;
mod tar;
#[cfg(test)]
mod testing;
mod tree;
mod zip;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::fault::Fault;
use self::limits::{LAYERS_MAX, MEMBERS_MAX, NAMES_BYTES_MAX, UNPACKED_BYTES_MAX};
use self::name::{Name, Rooting};
use self::tree::Tree;
use super::error::Error;
use super::spool::{Slice, Spool};

/// What an archive is, which its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tar,
    TarGzip,
    TarZstd,
    Zip,
}

/// The files of an archive.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// By their paths relative to the archive's root, with `/` between the names.
    pub(crate) files: BTreeMap<String, Slice>,
    /// The one time that all files of a tar state, in seconds since 1970: `git archive` and
    /// builds with `SOURCE_DATE_EPOCH` set it on purpose. Times that differ were left by
    /// whoever touched the files last, and zip states times without their zone: those are none.
    pub(crate) modified: Option<u64>,
}

/// The kind of archive that a path or URL ends with, in any case.
pub(crate) fn kind(path_or_url: &str) -> Option<Kind> {
    let path = match path_or_url.split_once("://") {
        Some((_scheme, rest)) => rest.split(['?', '#']).next().unwrap_or(rest),
        None => path_or_url,
    };
    let path = path.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
    if ends(&[".tar"]) {
        Some(Kind::Tar)
    } else if ends(&[".tar.gz", ".tgz"]) {
        Some(Kind::TarGzip)
    } else if ends(&[".tar.zst", ".tzst"]) {
        Some(Kind::TarZstd)
    } else if ends(&[".zip"]) {
        Some(Kind::Zip)
    } else {
        None
    }
}

/// Unpacks an archive. A single directory at its top is kept. `scratch`: where temporary files go
/// if there is no usual place.
pub(crate) fn unpack(file: &Path, kind: Kind, scratch: Option<&Path>) -> Result<Unpacked, Error> {
    let mut tally = Tally::new(scratch).map_err(|fault| fault.of(file))?;
    unpack_with(file, kind, &mut tally).map_err(|fault| fault.of(file))
}

/// Unpacks the layers of an image, applied over one another in their order.
pub(crate) fn unpack_layers(
    layers: &[(PathBuf, Kind)],
    scratch: Option<&Path>,
) -> Result<Unpacked, Error> {
    let last = layers.last().map(|(file, _)| file.as_path());
    let last = last.unwrap_or(Path::new("an image without layers"));
    if layers.len() > LAYERS_MAX {
        let cause = format!("the image has more than {LAYERS_MAX} layers");
        return Err(Fault::whole(cause).of(last));
    }
    let mut tally = Tally::new(scratch).map_err(|fault| fault.of(last))?;
    let mut tree = Tree::new();
    for (file, kind) in layers {
        layers::apply(file, *kind, &mut tally, &mut tree).map_err(|fault| fault.of(file))?;
    }
    // A link may lead from one layer to another: the message has to name one of them.
    let files = resolve::files(&tree, Rooting::Image).map_err(|fault| fault.of(last))?;
    Ok(Unpacked {
        files,
        modified: None,
    })
}

fn unpack_with(path: &Path, kind: Kind, tally: &mut Tally) -> Result<Unpacked, Fault> {
    let file = open(path)?;
    let (changes, modified) = match kind {
        Kind::Zip => (zip::read(&file, tally)?, None),
        Kind::Tar | Kind::TarGzip | Kind::TarZstd => {
            let members = tar::read(file, kind, Rooting::Archive, tally)?;
            (members.changes, members.modified)
        }
    };
    let mut tree = Tree::new();
    for change in changes {
        tree.apply(change)?;
    }
    let files = resolve::files(&tree, Rooting::Archive)?;
    Ok(Unpacked { files, modified })
}

/// Opens a file, and nothing that could keep the reader waiting.
fn open(path: &Path) -> Result<File, Fault> {
    if std::fs::metadata(path)?.is_file() {
        Ok(File::open(path)?)
    } else {
        Err(Fault::whole("it is not a file"))
    }
}

/// A member of an archive: what becomes of a name.
#[derive(Debug)]
struct Change {
    name: Name,
    what: What,
}

#[derive(Debug)]
enum What {
    File(Slice),
    Directory,
    /// A symbolic link and its target, as it stands in the archive.
    Link(Arc<str>),
    /// Another name for what an earlier member put under this one.
    HardLink(Name),
}

/// What the archives of a source have used up of the bounds, and where their contents go.
struct Tally {
    spool: Spool,
    members: usize,
    names_bytes: usize,
    /// Left of what decompression may give, headers of tar included.
    unpacked_bytes_left: u64,
}

impl Tally {
    fn new(scratch: Option<&Path>) -> Result<Tally, Fault> {
        Ok(Tally {
            spool: Spool::new(UNPACKED_BYTES_MAX, scratch)?,
            members: 0,
            names_bytes: 0,
            unpacked_bytes_left: UNPACKED_BYTES_MAX,
        })
    }

    /// Counts a member whose name and target have together so many bytes.
    fn member(&mut self, name_bytes: usize) -> Result<(), Fault> {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            let cause = format!("there are more than {MEMBERS_MAX} members in it");
            return Err(Fault::whole(cause));
        }
        self.names_bytes = self.names_bytes.saturating_add(name_bytes);
        if self.names_bytes > NAMES_BYTES_MAX {
            let cause = format!("its names are together longer than {NAMES_BYTES_MAX} bytes");
            return Err(Fault::whole(cause));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Kind, kind, unpack};

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for (path, cause) in [
            (directory.path(), "it is not a file"),
            (&directory.path().join("gone.zip"), "No such file"),
            (Path::new("/dev/null"), "it is not a file"),
        ] {
            let refused = unpack(path, Kind::Zip, None).unwrap_err().to_string();
            assert!(refused.contains(cause), "{refused}");
        }
    }

    #[test]
    fn the_end_of_a_name_tells_the_kind() {
        for (name, expected) in [
            ("site.tar", Some(Kind::Tar)),
            ("site.tar.gz", Some(Kind::TarGzip)),
            ("a.b/Site-1.0.TGZ", Some(Kind::TarGzip)),
            ("site.tar.zst", Some(Kind::TarZstd)),
            ("site.tzst", Some(Kind::TarZstd)),
            ("SITE.ZIP", Some(Kind::Zip)),
            ("https://a.example/s.zip?raw=1#x", Some(Kind::Zip)),
            ("https://a.example/s?name=a.zip", None),
            ("what?.tar", Some(Kind::Tar)),
            ("site.gz", None),
            ("sitetar", None),
            ("zip", None),
            ("site.zip/", None),
            ("site.tar.xz", None),
            ("", None),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
