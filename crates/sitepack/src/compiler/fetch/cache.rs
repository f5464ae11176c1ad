//! What was downloaded, by digest: `CACHE/sha256/HEX`.
//!
//! 1. A file there has the digest that is its name: it is read and digested before each use, and a
//!    damaged one is fetched again.
//! 2. It appears whole or not at all: bytes go to `HEX.part`, and are renamed once they are
//!    right. A build that was killed leaves a part that the next one writes over.
//! 3. Two builds at once fetch once: whoever holds the lock on `HEX.lock` fetches, the other
//!    waits, and finds it. The system drops the lock of a process that dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::client::{Answer, Client};
use super::limits::BUFFER_BYTES;
use crate::compiler::part::Part;
use crate::digest::Digest;

/// The directory of downloads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cache<'a>(pub(super) &'a Path);

/// What is to be had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) digest: Digest,
    /// Its length, where it is known.
    pub(super) bytes: Option<u64>,
    pub(super) bytes_max: u64,
}

impl Cache<'_> {
    /// The file with this digest: found, or made of the answer that `get` has.
    pub(super) fn obtain(
        self,
        wanted: Wanted,
        client: &Client<'_>,
        get: impl FnOnce() -> Result<Answer, String>,
    ) -> Result<PathBuf, String> {
        let directory = self.0.join("sha256");
        let path = directory.join(wanted.digest.hex());
        if holds(&path, wanted) {
            return Ok(path);
        }
        let failed = |path: &Path, e: &io::Error| format!("cannot write `{}`: {e}", path.display());
        fs::create_dir_all(&directory).map_err(|e| failed(&directory, &e))?;
        let lock = path.with_extension("lock");
        let locked = open(&lock, false).and_then(|file| file.lock().map(|()| file));
        let _locked = locked.map_err(|e| failed(&lock, &e))?;
        if holds(&path, wanted) {
            return Ok(path);
        }
        let answer = get()?;
        // What is left of it when this fails goes.
        let part_path = path.with_extension("part");
        let part = Part::begin(&part_path);
        write(&part_path, wanted, client, answer)?;
        part.finish(&path).map_err(|e| failed(&path, &e))?;
        Ok(path)
    }
}

/// Whether a whole file is there already. Whatever cannot be read is not.
fn holds(path: &Path, wanted: Wanted) -> bool {
    let is_candidate = fs::metadata(path).is_ok_and(|found| {
        let bytes = found.len();
        found.is_file()
            && bytes <= wanted.bytes_max
            && wanted.bytes.is_none_or(|wanted| wanted == bytes)
    });
    is_candidate
        && File::open(path)
            .and_then(|file| digest(file, |_| Ok(())))
            .is_ok_and(|(found, _)| found == wanted.digest)
}

fn write(
    part: &Path,
    wanted: Wanted,
    client: &Client<'_>,
    mut answer: Answer,
) -> Result<(), String> {
    let address = answer.address.clone();
    let named = |cause: String| format!("`{address}`: {cause}");
    let hint = if answer.is_page() {
        "; what came is a web page"
    } else {
        ""
    };
    let most = wanted
        .bytes
        .unwrap_or(wanted.bytes_max)
        .min(wanted.bytes_max);
    if let Some(length) = answer.length().filter(|length| *length > most) {
        return Err(named(format!("it has {length} bytes, over {most}{hint}")));
    }
    let failed = |e: io::Error| format!("cannot write `{}`: {e}", part.display());
    let mut file = open(part, true).map_err(failed)?;
    let mut is_ours = false;
    let reader = answer.reader().take(most.saturating_add(1));
    let copied = digest(reader, |bytes| {
        file.write_all(bytes).inspect_err(|_| is_ours = true)
    });
    let (found, bytes) = match copied {
        Ok(copied) => copied,
        Err(error) if is_ours => return Err(failed(error)),
        Err(error) => return Err(named(client.cause(&error.into()))),
    };
    if bytes > most {
        return Err(named(format!("it has over {most} bytes{hint}")));
    }
    if wanted.bytes.is_some_and(|wanted| wanted != bytes) {
        return Err(named(format!("it has {bytes} bytes, not {most}{hint}")));
    }
    if found != wanted.digest {
        let expected = wanted.digest;
        return Err(named(format!(
            "its SHA-256 is {found}, not {expected}{hint}"
        )));
    }
    Ok(())
}

/// The digest and the length of what is read, which `each` sees as it comes.
fn digest(
    mut from: impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Digest, u64)> {
    let mut sha256 = Sha256::new();
    let mut length = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok((Digest(sha256.finalize().into()), length)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        sha256.update(bytes);
        each(bytes)?;
        length += bytes.len() as u64;
    }
}

fn open(path: &Path, truncates: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(truncates)
        .open(path)
}
