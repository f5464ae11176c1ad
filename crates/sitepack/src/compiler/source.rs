//! What a source holds: files that are read when their turn comes, not before, so that a site of
//! any size compiles in bounded memory.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::Error;
use super::spool::Slice;

/// The files of a source, sorted by their paths.
#[derive(Debug, Default)]
pub(crate) struct SourceTree {
    pub(crate) files: Vec<SourceFile>,
    /// Every directory and file that was read, for build scripts to watch.
    pub(crate) inputs: Vec<PathBuf>,
    /// Hidden files and directories, which were not read.
    pub(crate) left_out: Vec<PathBuf>,
    /// The time of the data set, if the source says one.
    pub(crate) modified: Option<u64>,
}

/// A file of a source.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the source, with `/` between the names.
    pub(crate) path: String,
    /// Where it was read, for messages.
    pub(crate) origin: PathBuf,
    pub(crate) content: Content,
}

impl SourceFile {
    /// Reads the content.
    pub(crate) fn read(&self) -> Result<Cow<'_, [u8]>, Error> {
        let failed = |e| Error::new("read", self.origin.display(), e);
        self.content.read().map_err(failed)
    }
}

/// Whether files of this name are left out of sites: configuration, not content, save what
/// RFC 8615 puts there to be found.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != ".well-known"
}

/// The content of a file, which may still have to be read.
#[derive(Debug)]
pub(crate) enum Content {
    Memory(Vec<u8>),
    File { path: PathBuf, stamp: Stamp },
    Slice(Slice),
}

/// What tells whether a file is the one that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Stamp {
        Stamp {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl Content {
    /// A file on disk, as it was when the directory was read.
    pub(crate) fn file(path: &Path, metadata: &std::fs::Metadata) -> Content {
        Content::File {
            path: path.to_owned(),
            stamp: Stamp::of(metadata),
        }
    }

    /// The length in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File { stamp, .. } => stamp.bytes,
            Content::Slice(slice) => slice.bytes(),
        }
    }

    /// Reads all of it. A file that is not as it was seen, or changes meanwhile, is an error: the
    /// site would hold half of one version and half of another.
    pub(crate) fn read(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Content::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::Slice(slice) => slice.read().map(Cow::Owned),
            Content::File { path, stamp } => {
                let mut file = File::open(path)?;
                let mut bytes = Vec::with_capacity(usize::try_from(stamp.bytes).unwrap_or(0));
                // One byte more tells that it has grown.
                let bound = stamp.bytes.saturating_add(1);
                file.by_ref().take(bound).read_to_end(&mut bytes)?;
                let same = Stamp::of(&file.metadata()?) == *stamp;
                if same && bytes.len() as u64 == stamp.bytes {
                    Ok(Cow::Owned(bytes))
                } else {
                    Err(io::Error::other("it changed while the site was packed"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Content;

    #[test]
    fn a_file_that_changes_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("page.html");
        fs::write(&file, "one").unwrap();
        let content = Content::file(&file, &fs::metadata(&file).unwrap());
        assert_eq!(
            (content.bytes(), &*content.read().unwrap()),
            (3, &b"one"[..])
        );
        for other in ["four", "to"] {
            fs::write(&file, other).unwrap();
            let message = content.read().unwrap_err().to_string();
            assert!(message.contains("changed"), "{other}: {message}");
        }
        fs::remove_file(&file).unwrap();
        assert!(content.read().is_err());
    }
}
