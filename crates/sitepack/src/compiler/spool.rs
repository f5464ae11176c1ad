//! The spool: what archives unpack to lies in one unnamed temporary file, not in memory.
//!
//! The file is unlinked as soon as it is made, so that nothing is left behind, however the
//! program ends. What was added cannot be changed by anyone else, and is read again as often
//! as wanted, by any number of threads: a [`Slice`] is a place in the file and keeps it open.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(not(unix))]
use std::sync::{Mutex, PoisonError};

use super::archive::limits::COPY_BYTES;

/// A temporary file that is being filled.
#[derive(Debug)]
pub(crate) struct Spool {
    spooled: Arc<Spooled>,
    directory: PathBuf,
    buffer: Vec<u8>,
    end: u64,
    bytes_max: u64,
}

/// A part of a spool: the content of one file.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    spool: Arc<Spooled>,
    offset: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Spooled {
    file: File,
    /// Without `pread` one reader at a time moves the file's position.
    #[cfg(not(unix))]
    turn: Mutex<()>,
}

impl Spool {
    /// A spool of at most `bytes_max` bytes in the directory for temporary files; where there is
    /// none, as in an empty root, in `other`.
    pub(crate) fn new(bytes_max: u64, other: Option<&Path>) -> io::Result<Spool> {
        let usual = std::env::temp_dir();
        Spool::new_in(&usual, bytes_max).or_else(|error| match other {
            Some(other) => Spool::new_in(other, bytes_max),
            None => Err(error),
        })
    }

    /// A spool of at most `bytes_max` bytes in `directory`.
    pub(crate) fn new_in(directory: &Path, bytes_max: u64) -> io::Result<Spool> {
        let file = tempfile::tempfile_in(directory).map_err(|e| in_directory(directory, &e))?;
        let spooled = Spooled {
            file,
            #[cfg(not(unix))]
            turn: Mutex::new(()),
        };
        Ok(Spool {
            spooled: Arc::new(spooled),
            directory: directory.to_owned(),
            buffer: vec![0; COPY_BYTES],
            end: 0,
            bytes_max,
        })
    }

    /// Adds all that `content` gives. After an error the spool holds a part of it, which no
    /// slice names.
    pub(crate) fn add(&mut self, content: &mut dyn Read) -> io::Result<Slice> {
        let offset = self.end;
        loop {
            let read = match content.read(&mut self.buffer) {
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let Some(part) = self.buffer.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            if self.bytes_max - self.end < read as u64 {
                let cause = format!("it unpacks to more than {} bytes", self.bytes_max);
                return Err(io::Error::other(cause));
            }
            let mut file = &self.spooled.file;
            file.write_all(part)
                .map_err(|e| in_directory(&self.directory, &e))?;
            self.end += read as u64;
        }
        Ok(Slice {
            spool: Arc::clone(&self.spooled),
            offset,
            bytes: self.end - offset,
        })
    }
}

impl Slice {
    /// The length of the content.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the content.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(self.bytes).map_err(io::Error::other)?;
        let mut content = vec![0; bytes];
        self.spool.read_exact_at(&mut content, self.offset)?;
        Ok(content)
    }
}

impl Spooled {
    #[cfg(unix)]
    fn read_exact_at(&self, content: &mut [u8], offset: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        self.file.read_exact_at(content, offset)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, content: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek as _, SeekFrom};
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = &self.file;
        let end = file.stream_position()?;
        file.seek(SeekFrom::Start(offset))?;
        let read = file.read_exact(content);
        file.seek(SeekFrom::Start(end))?;
        read
    }
}

/// A full disk is no fault of the archive: the message says where there was no room.
fn in_directory(directory: &Path, cause: &io::Error) -> io::Error {
    let place = directory.display();
    io::Error::new(
        cause.kind(),
        format!(
            "there is no writing a temporary file in `{place}`: {cause}; set TMPDIR to another"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;

    use super::Spool;

    #[test]
    fn slices_are_what_was_added_on_every_thread() {
        let mut spool = Spool::new(1 << 30, None).unwrap();
        let contents: Vec<Vec<u8>> = (0..40)
            .map(|n| vec![b'a' + n; usize::from(n) * 9000])
            .collect();
        let slices: Vec<_> = contents
            .iter()
            .map(|content| spool.add(&mut &**content).unwrap())
            .collect();
        drop(spool);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (slice, content) in slices.iter().zip(&contents) {
                        assert_eq!(slice.bytes(), content.len() as u64);
                        assert_eq!(slice.read().unwrap(), *content);
                    }
                });
            }
        });
    }

    #[test]
    fn it_is_read_while_it_is_filled() {
        let mut spool = Spool::new(10, None).unwrap();
        let one = spool.add(&mut &b"one"[..]).unwrap();
        assert_eq!(one.read().unwrap(), b"one");
        let two = spool.add(&mut &b"two"[..]).unwrap();
        assert_eq!((one.read().unwrap(), two.read().unwrap()).1, b"two");
    }

    #[test]
    fn it_is_bounded_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new_in(directory.path(), 5).unwrap();
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        spool.add(&mut &b"12345"[..]).unwrap();
        let refused = spool.add(&mut &b"6"[..]).unwrap_err().to_string();
        assert_eq!(refused, "it unpacks to more than 5 bytes");
    }

    #[test]
    fn a_directory_without_room_is_named() {
        let refused = Spool::new_in(Path::new("/no/such/room"), 5).unwrap_err();
        let message = refused.to_string();
        assert!(
            message.starts_with("there is no writing a temporary file in `/no/such/room`"),
            "{message}"
        );
    }
}
