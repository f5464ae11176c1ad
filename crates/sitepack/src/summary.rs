//! What a packed site says of itself, read from a file in which it lies without the rest of it:
//! a site may be longer than the memory.

use std::io::{self, Read, Seek, SeekFrom};

use crate::digest::Digest;
use crate::format::{HEADER_BYTES, Header};
use crate::reader::Site;

/// The longest provenance that is read, in bytes: some hundred for each mount.
const PROVENANCE_BYTES_MAX: u64 = 1 << 20;

/// What a packed site says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The name of the data set, as [`Site::digest`] has it.
    pub digest: Digest,
    /// Where it came from, as [`Site::provenance`] has it.
    pub provenance: Option<String>,
}

impl Summary {
    /// Reads that of the packed site that lies in a file from `offset` on and has so many bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is no whole packed site of this version.
    pub fn read<F: Read + Seek>(file: &mut F, offset: u64, bytes: u64) -> io::Result<Summary> {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(HEADER_BYTES as u64).read_to_end(&mut head)?;
        let header = Header::decode(&head, bytes).map_err(io::Error::other)?;
        let span = header.provenance;
        let mut text = String::new();
        if span.bytes > PROVENANCE_BYTES_MAX {
            return Err(io::Error::other("what it says of its sources is too long"));
        }
        file.seek(SeekFrom::Start(offset.saturating_add(span.offset)))?;
        file.take(span.bytes).read_to_string(&mut text)?;
        Ok(Summary {
            digest: header.digest,
            provenance: Some(text).filter(|text| !text.is_empty()),
        })
    }
}

impl Summary {
    /// Whether the packed site there is as it was packed: all of it is read and digested.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_intact<F: Read + Seek>(
        &self,
        file: &mut F,
        offset: u64,
        bytes: u64,
    ) -> io::Result<bool> {
        let header = HEADER_BYTES as u64;
        file.seek(SeekFrom::Start(offset.saturating_add(header)))?;
        let (digest, _) = Digest::of_reader(&mut file.take(bytes.saturating_sub(header)))?;
        Ok(digest == self.digest)
    }
}

impl From<&Site<'_>> for Summary {
    fn from(site: &Site<'_>) -> Summary {
        Summary {
            digest: site.digest(),
            provenance: site.provenance().map(str::to_owned),
        }
    }
}

#[cfg(all(test, feature = "compiler"))]
mod tests {
    use std::io::Cursor;

    use super::Summary;
    use crate::Site;
    use crate::compiler::Compiler;

    #[test]
    fn a_file_tells_what_the_site_in_it_tells() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.txt"), "a").unwrap();
        let site = Compiler::new().files("/", directory.path()).compile();
        let site = site.unwrap().bytes;
        let told = Summary::from(&Site::open(&site).unwrap());
        assert!(told.provenance.is_some());
        let bytes = site.len() as u64;
        let mut file = Cursor::new([&b"front"[..], &site].concat());
        assert!(told.is_intact(&mut file, 5, bytes).unwrap());
        *file.get_mut().last_mut().unwrap() ^= 1;
        assert!(!told.is_intact(&mut file, 5, bytes).unwrap());
        let mut file = vec![7; 100];
        file.extend_from_slice(&site);
        file.push(7);
        let read =
            |file: &[u8], offset, bytes| Summary::read(&mut Cursor::new(file), offset, bytes);
        let bytes = site.len() as u64;
        assert_eq!(read(&file, 100, bytes).unwrap(), told);
        for (offset, bytes) in [(99, bytes), (100, bytes - 1), (u64::MAX, bytes), (100, 0)] {
            assert!(read(&file, offset, bytes).is_err(), "{offset} {bytes}");
        }
        assert!(read(&file[..150], 100, bytes).is_err(), "cut in the header");
        file[110] ^= 1;
        assert!(read(&file, 100, bytes).is_err(), "damaged");
    }
}
