//! The gzip coding (RFC 1952) of contents that are made: both ways, with state that is kept.
//!
//! The encoder holds some 400 KB, and a server has many threads: if each allocated its own, a
//! system's allocator would keep a share of them for every thread. So the process keeps a few, and
//! hands them on.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::{KEPT_MAX, Step, damaged};

/// The level of gzip contents that are made when asked for: the usual balance of time and length.
const LEVEL: u32 = 6;
/// How much is decoded ahead for the encoder. It must not differ between packer and server.
const AHEAD_BYTES: usize = 32 << 10;
/// The room that the encoder is given each time. Where it runs out, the encoder forgets a match
/// that it had in mind, and what follows is coded otherwise: so this must not differ either,
/// whatever the size of the reads.
const CODED_BYTES: usize = 32 << 10;
/// Deflate, no flags, no time, no hint, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const TRAILER_BYTES: usize = 8;

/// States that wait for the next content.
struct Kept<T>(Mutex<Vec<T>>);

static ENCODERS: Kept<Encoder> = Kept(Mutex::new(Vec::new()));
static DECODERS: Kept<Decompress> = Kept(Mutex::new(Vec::new()));

impl<T> Kept<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, state: T) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT_MAX {
            all.push(state);
        }
    }
}

struct Encoder {
    compress: Compress,
    ahead: Vec<u8>,
    coded: Vec<u8>,
}

/// Codes what `plain` gives.
pub(super) struct Gzip<R> {
    plain: R,
    encoder: Option<Encoder>,
    /// What is decoded ahead and not coded.
    ahead: Range<usize>,
    /// What is coded and not read.
    coded: Range<usize>,
    crc: Crc,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There may be more to code.
    Coding,
    /// There is not; the encoder has still something to say.
    Ending,
    /// The trailer is missing.
    Ended,
    Over,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(plain: R) -> Gzip<R> {
        let mut encoder = ENCODERS.take().unwrap_or_else(|| Encoder {
            compress: Compress::new(Compression::new(LEVEL), false),
            ahead: vec![0; AHEAD_BYTES],
            coded: vec![0; CODED_BYTES],
        });
        let coded = place(&mut encoder.coded, &HEADER);
        Gzip {
            plain,
            encoder: Some(encoder),
            ahead: 0..0,
            coded,
            crc: Crc::new(),
            stage: Stage::Coding,
        }
    }

    /// Codes some more, if there is any: how much was decoded for it.
    fn code(&mut self) -> io::Result<usize> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(0);
        };
        if self.stage == Stage::Ended {
            let [sum, length] = [self.crc.sum(), self.crc.amount()].map(u32::to_le_bytes);
            self.coded = place(&mut encoder.coded, &[sum, length].concat());
            self.stage = Stage::Over;
            return Ok(0);
        }
        let mut decoded = 0;
        if self.stage == Stage::Coding && self.ahead.is_empty() {
            decoded = self.plain.read(&mut encoder.ahead)?;
            self.ahead = 0..decoded;
            if decoded == 0 {
                self.stage = Stage::Ending;
            }
            self.crc
                .update(encoder.ahead.get(..decoded).unwrap_or_default());
        }
        let flush = match self.stage {
            Stage::Coding => FlushCompress::None,
            Stage::Ending | Stage::Ended | Stage::Over => FlushCompress::Finish,
        };
        let input = encoder.ahead.get(self.ahead.clone()).unwrap_or_default();
        let compress = &mut encoder.compress;
        let before = (compress.total_in(), compress.total_out());
        let status = compress.compress(input, &mut encoder.coded, flush)?;
        self.ahead.start += count(compress.total_in() - before.0);
        self.coded = 0..count(compress.total_out() - before.1);
        if status == Status::StreamEnd {
            self.stage = Stage::Ended;
        } else if self.stage == Stage::Ending && self.coded.is_empty() {
            return Err(damaged("its coding does not end"));
        }
        Ok(decoded)
    }

    /// Gives what is coded; if nothing is, codes what comes of one buffer. None at the end.
    pub(super) fn step(&mut self, out: &mut [u8]) -> io::Result<Option<Step>> {
        let mut decoded = 0;
        if self.coded.is_empty() {
            if self.stage == Stage::Over {
                return Ok(None);
            }
            decoded = self.code()?;
        }
        let Some(encoder) = &self.encoder else {
            return Ok(None);
        };
        let mut coded = encoder.coded.get(self.coded.clone()).unwrap_or_default();
        let made = coded.read(out)?;
        self.coded.start += made;
        Ok(Some(Step { made, decoded }))
    }
}

impl<R> Drop for Gzip<R> {
    fn drop(&mut self) {
        if let Some(mut encoder) = self.encoder.take() {
            encoder.compress.reset();
            ENCODERS.put(encoder);
        }
    }
}

/// Decodes a content.
pub(super) struct Gunzip<'a> {
    rest: &'a [u8],
    decoder: Option<Decompress>,
    crc: Crc,
    is_over: bool,
}

impl<'a> Gunzip<'a> {
    pub(super) fn new(stored: &'a [u8]) -> io::Result<Gunzip<'a>> {
        // The packer writes no other.
        let is_ours = |(header, _): &(&[u8; 10], &[u8])| header.starts_with(&[0x1f, 0x8b, 8, 0]);
        let split = stored.split_first_chunk().filter(is_ours);
        let (_, rest) = split.ok_or_else(|| damaged("it has no header of gzip"))?;
        let decoder = DECODERS.take().unwrap_or_else(|| Decompress::new(false));
        Ok(Gunzip {
            rest,
            decoder: Some(decoder),
            crc: Crc::new(),
            is_over: false,
        })
    }

    fn is_checked(&self) -> bool {
        let [sum, length] = [self.crc.sum(), self.crc.amount()].map(u32::to_le_bytes);
        self.rest.len() == TRAILER_BYTES && *self.rest == *[sum, length].concat()
    }
}

impl Read for Gunzip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.is_over && !out.is_empty() {
            let Some(decoder) = &mut self.decoder else {
                break;
            };
            let before = (decoder.total_in(), decoder.total_out());
            let status = decoder.decompress(self.rest, out, FlushDecompress::None)?;
            let taken = count(decoder.total_in() - before.0);
            let made = count(decoder.total_out() - before.1);
            self.rest = self.rest.get(taken..).unwrap_or_default();
            self.crc.update(out.get(..made).unwrap_or_default());
            if status == Status::StreamEnd {
                self.is_over = true;
                if !self.is_checked() {
                    return Err(damaged("its checksum is another"));
                }
            }
            if made > 0 {
                return Ok(made);
            }
            if taken == 0 && !self.is_over {
                return Err(damaged("it is cut short"));
            }
        }
        Ok(0)
    }
}

impl Drop for Gunzip<'_> {
    fn drop(&mut self) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.reset(false);
            DECODERS.put(decoder);
        }
    }
}

/// Puts `bytes` at the beginning of a buffer that has room for them.
fn place(buffer: &mut [u8], bytes: &[u8]) -> Range<usize> {
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    0..bytes.len()
}

/// A number of bytes of a buffer.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
