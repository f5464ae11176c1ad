//! What is in the site, as JSON: `ls --json`, and `/-/manifest.json`.
//!
//! A site may have 50,000 resources and a manifest of 30 MB. So it is written an entry a line, a
//! batch at a time, while it is sent: nobody waits for it, and nothing of it is kept. Its length is
//! not known before, so that HTTP/1.1 gets it in chunks (RFC 9112 §7.1), and 1.0 up to the end of
//! the connection.

use std::io::Write as _;

use sitepack::{Corrupt, Entry, Representation, Resource, Site};

/// About how much is written before it is given away.
const BATCH_BYTES: usize = 8 << 10;

/// A manifest under way.
#[derive(Clone, Debug)]
pub struct Listing<'s> {
    site: Site<'s>,
    /// The next entry.
    next: u32,
    /// Whether it is in chunks.
    is_chunked: bool,
    /// What is written, and how much of that was given away.
    batch: Vec<u8>,
    given: usize,
    stage: Stage,
    is_damaged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Entries,
    Over,
}

impl<'s> Listing<'s> {
    /// The manifest of a site, as it stands.
    #[must_use]
    pub fn of(site: &Site<'s>) -> Listing<'s> {
        Listing {
            site: site.clone(),
            next: 0,
            is_chunked: false,
            batch: Vec::new(),
            given: 0,
            stage: Stage::Begin,
            is_damaged: false,
        }
    }

    /// The same in chunks, or not.
    #[must_use]
    pub(crate) fn chunked(self, is_chunked: bool) -> Listing<'s> {
        Listing { is_chunked, ..self }
    }

    /// Whether its end can be told from what comes.
    #[must_use]
    pub(crate) fn is_chunked(&self) -> bool {
        self.is_chunked
    }

    /// Whether an entry could not be read; it then says so of itself.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Writes what comes next into `room`: how much, and whether that was the end.
    pub fn step(&mut self, room: &mut [u8]) -> (usize, bool) {
        let mut made = 0;
        loop {
            let waiting = self.batch.get(self.given..).unwrap_or_default();
            let left = room.get_mut(made..).unwrap_or_default();
            let some = waiting.len().min(left.len());
            if let (Some(to), Some(from)) = (left.get_mut(..some), waiting.get(..some)) {
                to.copy_from_slice(from);
            }
            made += some;
            self.given += some;
            let is_full = made == room.len();
            let is_given = self.given == self.batch.len();
            if is_given && self.stage == Stage::Over {
                return (made, true);
            }
            if is_full {
                return (made, false);
            }
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        self.given = 0;
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        if self.stage == Stage::Begin {
            self.stage = Stage::Entries;
            batch.extend_from_slice(b"{\"sha256\":\"");
            batch.extend_from_slice(self.site.digest().hex().as_bytes());
            batch.extend_from_slice(b"\",\"entries\":[");
        }
        while batch.len() < BATCH_BYTES && self.stage == Stage::Entries {
            if self.next == self.site.len() {
                batch.extend_from_slice(b"\n]}\n");
                self.stage = Stage::Over;
                break;
            }
            batch.extend_from_slice(if self.next == 0 { b"\n" } else { b",\n" });
            let start = batch.len();
            let entry = self.site.entry(self.next);
            if let Err(Corrupt) = entry.and_then(|entry| append(&mut batch, &entry)) {
                self.is_damaged = true;
                batch.truncate(start);
                batch.extend_from_slice(b"{\"damaged\":true}");
            }
            self.next += 1;
        }
        if self.is_chunked {
            // § 7.1: the size in hexadecimal, and a chunk of size 0 at the end.
            let size = format!("{:x}\r\n", batch.len());
            batch.splice(..0, size.into_bytes());
            batch.extend_from_slice(match self.stage {
                Stage::Begin | Stage::Entries => b"\r\n",
                Stage::Over => b"\r\n0\r\n\r\n",
            });
        }
        self.batch = batch;
    }
}

/// Appends an entry; what is written of a damaged one is to be taken back. Writing to a Vec cannot
/// fail.
fn append(out: &mut Vec<u8>, entry: &Entry<'_>) -> Result<(), Corrupt> {
    append_text(out, "{\"path\":", entry.path());
    match entry {
        Entry::Resource(resource) => append_resource(out, resource)?,
        Entry::Redirect(to) => {
            append_text(out, ",\"location\":", to.location);
            let _ = write!(out, ",\"status\":{}", to.status);
        }
    }
    out.push(b'}');
    Ok(())
}

fn append_resource(out: &mut Vec<u8>, resource: &Resource<'_>) -> Result<(), Corrupt> {
    let identity = resource.identity()?;
    append_text(out, ",\"media_type\":", resource.media_type);
    append_sums(out, &identity);
    out.extend_from_slice(b",\"representations\":[");
    for (index, found) in resource.representations().enumerate() {
        let found = found?;
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        append_text(out, "{\"coding\":", found.coding.token());
        append_sums(out, &found);
        append_text(out, ",\"etag\":", &found.entity_tag().to_string());
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}

fn append_sums(out: &mut Vec<u8>, found: &Representation<'_>) {
    let (length, digest) = (found.length, found.digest.hex());
    let _ = write!(out, ",\"size\":{length},\"sha256\":\"{digest}\"");
}

/// Appends a text as JSON has it, behind its name.
fn append_text(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(name.as_bytes());
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::Listing;

    /// All of it, so much at a time.
    fn whole(mut listing: Listing<'_>, room: usize) -> Vec<u8> {
        let (mut all, mut room) = (Vec::new(), vec![0; room]);
        loop {
            let (made, over) = listing.step(&mut room);
            all.extend_from_slice(&room[..made]);
            if over {
                return all;
            }
            assert_eq!(made, room.len(), "it gave less than it could");
        }
    }

    #[test]
    fn it_is_the_same_in_any_room_and_in_chunks() {
        let site = crate::embedded::site().unwrap();
        let plain = whole(Listing::of(&site), 1 << 20);
        let read: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(
            read["entries"].as_array().unwrap().len(),
            site.len() as usize
        );
        let chunked = whole(Listing::of(&site).chunked(true), 1 << 20);
        for room in [1, 7, 100, 8 << 10] {
            assert!(whole(Listing::of(&site), room) == plain, "{room}");
            assert!(whole(Listing::of(&site).chunked(true), room) == chunked);
        }
        let (mut rest, mut joined) = (&*chunked, Vec::new());
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            joined.extend_from_slice(&rest[end + 2..][..size]);
            assert_eq!(&rest[end + 2 + size..][..2], b"\r\n");
            rest = &rest[end + 4 + size..];
            if size == 0 {
                break;
            }
        }
        assert!(rest.is_empty() && joined == plain);
    }
}
