//! A tar file's bytes, decompressed, and never more of them than was agreed.

use std::fs::File;
use std::io::{self, BufReader, Read};

use super::fault::Fault;
use super::limits::{COPY_BYTES, UNPACKED_BYTES_FREE, UNPACKED_TIMES_MAX};
use super::{Kind, Tally};

/// The decompressed bytes of `file`.
pub(super) fn open(file: File, kind: Kind, tally: &Tally) -> Result<Stream, Fault> {
    let allowed = Allowed::of(&file, tally.unpacked_bytes_left)?;
    let file = BufReader::with_capacity(COPY_BYTES, file);
    let inner: Box<dyn Read> = match kind {
        Kind::Tar => Box::new(file),
        // All members of the file (RFC 1952 §2.2): what `cat a.gz b.gz` made is one stream.
        Kind::TarGzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Kind::TarZstd => zstd(file)?,
        Kind::Zip => return Err(Fault::whole("a zip file is no image layer")),
    };
    let limited = Limited {
        inner,
        used: 0,
        allowed,
    };
    Ok(Stream(BufReader::with_capacity(COPY_BYTES, limited)))
}

/// How much an archive may unpack to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) bytes: u64,
    by_ratio: bool,
}

impl Allowed {
    pub(super) fn of(file: &File, left: u64) -> io::Result<Allowed> {
        let by_ratio = file.metadata()?.len().saturating_mul(UNPACKED_TIMES_MAX);
        let by_ratio = by_ratio.max(UNPACKED_BYTES_FREE);
        Ok(Allowed {
            bytes: by_ratio.min(left),
            by_ratio: by_ratio < left,
        })
    }

    pub(super) fn refusal(self) -> String {
        if self.by_ratio {
            let bytes = self.bytes;
            format!("it unpacks to more than {bytes} bytes, {UNPACKED_TIMES_MAX} times its size")
        } else {
            "it unpacks to more than 8 GiB".to_owned()
        }
    }
}

/// A bounded stream.
pub(super) struct Stream(BufReader<Limited>);

impl Stream {
    /// How much was decompressed.
    pub(super) fn used(&self) -> u64 {
        self.0.get_ref().used
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

struct Limited {
    inner: Box<dyn Read>,
    used: u64,
    allowed: Allowed,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.used = self.used.saturating_add(read as u64);
        if self.used > self.allowed.bytes {
            return Err(io::Error::other(self.allowed.refusal()));
        }
        Ok(read)
    }
}

/// Several frames are one stream (RFC 8878 §3). The decoder refuses windows of over 128 MiB,
/// which `zstd --long=28` would make, so that memory is bounded.
#[cfg(feature = "zstd")]
fn zstd(file: BufReader<File>) -> Result<Box<dyn Read>, Fault> {
    Ok(Box::new(zstd::stream::read::Decoder::with_buffer(file)?))
}

#[cfg(not(feature = "zstd"))]
fn zstd(_file: BufReader<File>) -> Result<Box<dyn Read>, Fault> {
    Err(Fault::whole(
        "this compiler was built without the feature `zstd`",
    ))
}
