//! A file that is being written beside the one that it will be, so that this one is as it was, or
//! whole.
//!
//! 1. `.NAME.part` in the same directory is locked, so that two that write the same file do not
//!    write over each other. A lock ends with its process, however that ends: what a killed one
//!    has left is removed.
//! 2. It is removed when the work fails, or when a signal ends the program.
//! 3. Who has the lock may be the next but one: between the opening and the lock the file may
//!    have been renamed to what it was to be. It counts only if it still has its name.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    /// What it will be.
    target: PathBuf,
    fault: Option<String>,
    is_renamed: bool,
}

impl Part {
    /// Makes it, with the permissions of `mode` that the user's mask leaves.
    pub(super) fn beside(target: &Path, mode: u32) -> io::Result<Part> {
        // A link stays one, and the file that it names is written: `/dev/stdout` is a link.
        let target = match target.is_symlink() {
            true => fs::canonicalize(target)?,
            false => target.to_owned(),
        };
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::other("it is not the name of a file"))?;
        // A device that was renamed over would be gone.
        match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::other("it is there, and is not a file"));
            }
            Ok(_) | Err(_) => {}
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".part");
        let path = target.with_file_name(hidden);
        // What lay there may be another's, and has its own permissions.
        let left = owned(opened(&path, mode)?, &path)?;
        fs::remove_file(&path)?;
        let file = owned(opened(&path, mode)?, &path)?;
        drop(left);
        #[cfg(unix)]
        remove_on_signal(path.clone())?;
        file.set_len(0)?;
        Ok(Part {
            file,
            path,
            target,
            fault: None,
            is_renamed: false,
        })
    }

    /// Why it could not be written or read, if that has happened.
    #[cfg_attr(
        not(feature = "pack"),
        expect(dead_code, reason = "it has one thing to write, and is told its fault")
    )]
    pub(super) fn fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Gives it its name, when all of it is on the disk.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.is_renamed = true;
        Ok(())
    }

    fn noted<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.fault = Some(error.to_string());
        }
        done
    }
}

fn opened(path: &Path, mode: u32) -> io::Result<File> {
    #[cfg(not(unix))]
    let _ = mode;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
    );
    options.open(path)
}

/// Makes the file this process's own.
fn owned(file: File, path: &Path) -> io::Result<File> {
    let taken = || {
        let cause = format!("`{}` is being written by another process", path.display());
        io::Error::other(cause)
    };
    if file.try_lock().is_err() {
        return Err(taken());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (one, other) = (file.metadata()?, fs::symlink_metadata(path));
        let same = |other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        if !other.is_ok_and(same) {
            return Err(taken());
        }
    }
    Ok(file)
}

/// Removes the file, and what the cache has begun, when a signal ends the program, which it then
/// does as usual.
#[cfg(unix)]
fn remove_on_signal(path: PathBuf) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _ = fs::remove_file(&path);
            super::abandon();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let done = self.file.read(out);
        self.noted(done)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.file.write(bytes);
        self.noted(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::{Part, opened, owned};

    #[test]
    #[cfg(unix)]
    fn a_link_stays_one_and_what_it_names_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "old").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        let mut part = Part::beside(&path("link"), 0o666).unwrap();
        part.write_all(b"new").unwrap();
        part.finish().unwrap();
        assert!(path("link").is_symlink());
        assert_eq!(std::fs::read(path("file")).unwrap(), b"new");
        std::os::unix::fs::symlink("nowhere", path("loose")).unwrap();
        assert!(Part::beside(&path("loose"), 0o666).is_err());
    }

    #[test]
    fn a_part_is_had_by_one() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("site");
        fs::write(&target, "before").unwrap();
        let mut first = Part::beside(&target, 0o777).unwrap();
        let refused = Part::beside(&target, 0o777).err().unwrap().to_string();
        assert!(refused.contains("by another process"), "{refused}");
        first.finish().unwrap();
        drop(first);
        assert_eq!(fs::read(&target).unwrap(), b"");
        let failed = Part::beside(&target, 0o777).unwrap();
        assert_eq!(root.path().read_dir().unwrap().count(), 2);
        drop(failed);
        assert_eq!(root.path().read_dir().unwrap().count(), 1);
    }

    /// What is renamed between the opening and the lock is somebody's site.
    #[test]
    fn a_part_that_was_renamed_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let part = root.path().join(".site.part");
        let file = opened(&part, 0o777).unwrap();
        fs::rename(&part, root.path().join("site")).unwrap();
        assert!(owned(file, &part).is_err());
        let file = opened(&part, 0o777).unwrap();
        assert!(owned(file, &part).is_ok());
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&part, &link).unwrap();
        assert!(opened(&link, 0o777).is_err(), "links are not followed");
    }
}
