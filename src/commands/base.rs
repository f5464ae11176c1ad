//! An executable of chapbook to make something of: this one, or the one that `--base` names. It is
//! read, never run.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use memchr::memmem;
use sitepack::Appended;

use crate::cli::Failure;
use crate::embedded;

/// The executable.
pub(super) struct Base {
    pub(super) file: File,
    /// What it is called in messages.
    pub(super) name: String,
    /// Its length with a site that was packed into it.
    #[cfg(feature = "image")]
    pub(super) all_bytes: u64,
    /// Its length without that.
    pub(super) bytes: u64,
    /// Where that site is.
    #[cfg(feature = "image")]
    pub(super) appended: Option<Appended>,
}

/// What the mark in it says.
pub(super) struct Mark {
    /// Where the bytes are that `pack` changes.
    #[cfg(feature = "pack")]
    pub(super) offset: u64,
    /// Whether it was built with the feature `zstd`.
    #[cfg(feature = "pack")]
    pub(super) reads_frames: bool,
    /// The digest of the site that was packed into it, in hexadecimal digits, if one was.
    #[cfg(feature = "image")]
    pub(super) site: Option<String>,
}

/// Opens a file. Something else might keep whoever opens it waiting, or have no end.
fn open(path: &Path) -> io::Result<File> {
    if path.metadata()?.is_file() {
        return File::open(path);
    }
    Err(io::Error::other("it is no file"))
}

impl Base {
    pub(super) fn open(path: Option<&Path>) -> Result<Base, Failure> {
        let name = path.map_or("this executable".to_owned(), |path| {
            format!("`{}`", path.display())
        });
        let unusable = |cause| Failure::unusable(format!("failed to read {name}: {cause}"));
        let file = path.map_or_else(embedded::executable, open);
        let mut file = file.map_err(unusable)?;
        let appended = Appended::find(&mut file).map_err(unusable)?;
        let length = file.metadata().map_err(unusable)?.len();
        Ok(Base {
            file,
            name,
            #[cfg(feature = "image")]
            all_bytes: length,
            bytes: appended.map_or(length, |appended| appended.executable_bytes),
            #[cfg(feature = "image")]
            appended,
        })
    }

    /// Its mark.
    pub(super) fn mark(&mut self) -> io::Result<Mark> {
        let offset = self.find_mark()?;
        let mut rest = [0; embedded::MARK_REST_BYTES];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut rest)?;
        Ok(Mark {
            #[cfg(feature = "pack")]
            offset,
            #[cfg(feature = "pack")]
            reads_frames: embedded::reads_frames(&rest),
            #[cfg(feature = "image")]
            site: embedded::packed_site(&rest),
        })
    }

    /// Where the bytes of the mark are that change. There is one mark, or it is no executable of
    /// chapbook that can carry a site.
    fn find_mark(&mut self) -> io::Result<u64> {
        const PIECE_BYTES: usize = 1 << 20;
        let prefix = embedded::mark_prefix();
        let finder = memmem::Finder::new(&prefix);
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&mut self.file).take(self.bytes);
        let (mut piece, mut before) = (Vec::new(), 0);
        let mut mark = None;
        loop {
            let read = reader
                .by_ref()
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut piece)?;
            for found in finder.find_iter(&piece) {
                let place = before + (found + prefix.len()) as u64;
                if mark.replace(place).is_some_and(|other| other != place) {
                    let cause = format!("{} holds two executables of chapbook", self.name);
                    return Err(io::Error::other(cause));
                }
            }
            if read == 0 {
                break;
            }
            // A mark may lie across two pieces.
            let kept = piece.len().min(prefix.len() - 1);
            before += (piece.len() - kept) as u64;
            piece.drain(..piece.len() - kept);
        }
        mark.ok_or_else(|| {
            io::Error::other(format!(
                "{} is no executable of chapbook that reads packed sites of format {}",
                self.name,
                sitepack::format::VERSION
            ))
        })
    }
}
