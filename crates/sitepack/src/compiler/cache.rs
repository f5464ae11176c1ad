//! What was coded before, by content: packing a nearly unchanged site again costs little.
//!
//! An entry is one file, named by the digest of the content and of everything that decides how it
//! is coded. It appears whole or not at all, and carries its own digest: a damaged one is as good
//! as none. Nothing but time depends on the cache, so that whatever goes wrong with it is passed
//! over.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::part::Part;
use crate::coding::ContentCoding;
use crate::digest::Digest;

/// How long an entry that nobody asks for is kept.
const KEPT_DAYS: u64 = 30;
/// How much a cache may hold; more than that, the oldest entries go. Four times what the largest
/// site that was tried needs.
const BYTES_MAX: u64 = 2 << 30;

/// A directory of coded contents.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    written: AtomicU64,
}

/// A coded content, as the cache keeps it.
pub(crate) type Coded = (ContentCoding, Vec<u8>);

impl Cache {
    /// The cache in a directory, which is made; none if it cannot be.
    pub(crate) fn open(directory: &Path) -> Option<Cache> {
        fs::create_dir_all(directory).ok()?;
        Some(Cache {
            directory: directory.to_owned(),
            written: AtomicU64::new(0),
        })
    }

    /// What was put there under `key`.
    pub(crate) fn get(&self, key: &Digest) -> Option<Vec<Coded>> {
        let bytes = fs::read(self.file(key)).ok()?;
        let (digest, rest) = bytes.split_first_chunk::<{ Digest::BYTES }>()?;
        if Digest::of(rest).0 != *digest {
            return None;
        }
        decode(rest)
    }

    pub(crate) fn put(&self, key: &Digest, coded: &[Coded]) {
        let file = self.file(key);
        let written = self.written.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{written}.part", std::process::id());
        let path = self.directory.join(name);
        let rest = encode(coded);
        let part = Part::begin(&path);
        let write = || {
            fs::create_dir_all(file.parent().unwrap_or(&self.directory))?;
            let mut out = fs::File::create(&path)?;
            out.write_all(&Digest::of(&rest).0)?;
            out.write_all(&rest)?;
            drop(out);
            part.finish(&file)
        };
        // Without it the next time takes longer.
        let _: io::Result<()> = write();
    }

    /// Removes what is too old or too much. Only worth its time when something was added.
    pub(crate) fn tidy(&self) {
        if self.written.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut entries = Vec::new();
        let directories = fs::read_dir(&self.directory).into_iter().flatten();
        for directory in directories.filter_map(Result::ok) {
            let files = fs::read_dir(directory.path()).into_iter().flatten();
            for file in files.filter_map(Result::ok) {
                let Ok(metadata) = file.metadata() else {
                    continue;
                };
                let used = metadata.accessed().or_else(|_| metadata.modified());
                let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push((used, metadata.len(), file.path()));
            }
        }
        entries.sort_by_key(|(used, _, _)| std::cmp::Reverse(*used));
        let oldest = SystemTime::now() - Duration::from_secs(KEPT_DAYS * 86_400);
        let mut total = 0;
        for (used, bytes, path) in entries {
            total += bytes;
            if used < oldest || total > BYTES_MAX {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn file(&self, key: &Digest) -> PathBuf {
        let hex = key.hex();
        let (group, name) = hex.split_at(2);
        self.directory.join(group).join(name)
    }
}

/// Per content: the coding's number, the length, the bytes.
fn encode(coded: &[Coded]) -> Vec<u8> {
    let mut out = Vec::new();
    for (coding, bytes) in coded {
        out.push(coding.number());
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

fn decode(mut rest: &[u8]) -> Option<Vec<Coded>> {
    let mut coded = Vec::new();
    while let Some((coding, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (bytes, after) = after.split_at_checked(length)?;
        coded.push((ContentCoding::from_number(*coding)?, bytes.to_vec()));
        rest = after;
    }
    Some(coded)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Cache;
    use crate::coding::ContentCoding;
    use crate::digest::Digest;

    #[test]
    fn what_was_put_is_got_and_what_was_damaged_is_not() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(&root.path().join("cache")).unwrap();
        let key = Digest::of(b"key");
        assert!(cache.get(&key).is_none());
        let coded = vec![
            (ContentCoding::Gzip, b"one".to_vec()),
            (ContentCoding::Brotli, Vec::new()),
        ];
        cache.put(&key, &coded);
        assert_eq!(cache.get(&key), Some(coded));
        cache.put(&Digest::of(b"empty"), &[]);
        assert_eq!(cache.get(&Digest::of(b"empty")), Some(Vec::new()));
        cache.tidy();
        assert!(cache.get(&key).is_some(), "it is young and small");
        let file = cache.file(&key);
        for at in 0..fs::read(&file).unwrap().len() {
            let mut bytes = fs::read(&file).unwrap();
            bytes[at] ^= 1;
            fs::write(&file, &bytes).unwrap();
            assert_eq!(cache.get(&key), None, "byte {at}");
            bytes[at] ^= 1;
            fs::write(&file, &bytes[..at]).unwrap();
            assert_eq!(cache.get(&key), None, "cut at {at}");
            fs::write(&file, &bytes).unwrap();
        }
    }

    #[test]
    fn a_cache_that_cannot_be_is_none() {
        assert!(Cache::open(std::path::Path::new("/dev/null/cache")).is_none());
    }
}
