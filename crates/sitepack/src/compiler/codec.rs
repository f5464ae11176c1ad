//! The content codings, as the packer makes them: the same bytes from the same content on every
//! machine.

use std::io::{self, Write as _};

/// Up to how many bytes of content a site gets brotli's best effort, about 1 MB a second. Above,
/// an effort with a thirtieth of the time that makes it 8 % longer.
pub(crate) const BEST_EFFORT_BYTES_MAX: u64 = 8 << 20;
/// Names what these codings are: a cache holds what another edition made, too.
pub(crate) const EDITION: u32 = 2;
/// zstd's effort: 3 MB a second; decoding does not take longer for it.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 19;
/// The effort for contents from so many bytes on: two fifths of the time for 3 % of their length.
/// Half of rustdoc is in such.
#[cfg(feature = "zstd")]
const ZSTD_LONG_LEVEL: i32 = 17;
#[cfg(feature = "zstd")]
const ZSTD_LONG_BYTES_MIN: usize = 128 << 10;
/// The largest window of a frame, as a power of two: what each answer that is made of it holds in
/// memory. Behind so many bytes a page does not see the dictionary either. The pages of rustdoc
/// that are longer than half of this are 2 % shorter than with half of it.
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_LOG: u32 = 19;

/// How much time brotli may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Best,
    Fast,
}

impl Effort {
    /// The effort for a site of so many bytes.
    pub(crate) fn for_site(bytes: u64) -> Effort {
        if bytes <= BEST_EFFORT_BYTES_MAX {
            Effort::Best
        } else {
            Effort::Fast
        }
    }

    const fn brotli_quality(self) -> i32 {
        match self {
            Effort::Best => 11,
            Effort::Fast => 6,
        }
    }
}

/// Without a time or a name in its header, so that equal content gives equal bytes.
pub(crate) fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

pub(crate) fn brotli(content: &[u8], effort: Effort) -> io::Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: effort.brotli_quality(),
        lgwin: 22,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut coded = Vec::new();
    brotli::BrotliCompress(&mut &*content, &mut coded, &parameters)?;
    Ok(coded)
}

#[cfg(feature = "zstd")]
pub(crate) fn zstd(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(content, ZSTD_LEVEL)
}

#[cfg(not(feature = "zstd"))]
pub(crate) fn zstd(_content: &[u8]) -> io::Result<Vec<u8>> {
    Err(io::Error::other(
        "this compiler was built without the feature `zstd`",
    ))
}

#[cfg(feature = "zstd")]
pub(crate) use dictionary::{Frames, train};

/// Frames that share a dictionary.
#[cfg(feature = "zstd")]
mod dictionary {
    use std::io;

    use zstd::dict::EncoderDictionary;
    use zstd::zstd_safe::{CParameter, DictAttachPref};

    use super::{ZSTD_LEVEL, ZSTD_LONG_BYTES_MIN, ZSTD_LONG_LEVEL, ZSTD_WINDOW_LOG};

    /// Makes a dictionary of samples. Too few or too short ones give none.
    pub(crate) fn train(samples: &[Vec<u8>], bytes_max: usize) -> Vec<u8> {
        zstd::dict::from_samples(samples, bytes_max).unwrap_or_default()
    }

    /// Makes frames with one dictionary.
    pub(crate) struct Frames {
        dictionary: EncoderDictionary<'static>,
        for_long: EncoderDictionary<'static>,
    }

    impl Frames {
        pub(crate) fn new(dictionary: &[u8]) -> Frames {
            Frames {
                dictionary: EncoderDictionary::copy(dictionary, ZSTD_LEVEL),
                for_long: EncoderDictionary::copy(dictionary, ZSTD_LONG_LEVEL),
            }
        }

        pub(crate) fn frame(&self, content: &[u8]) -> io::Result<Vec<u8>> {
            let dictionary = if content.len() < ZSTD_LONG_BYTES_MIN {
                &self.dictionary
            } else {
                &self.for_long
            };
            let mut compressor = zstd::bulk::Compressor::with_prepared_dictionary(dictionary)?;
            compressor.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
            // Pages of 8 KiB or more would copy the dictionary's tables, 7 ms each.
            let attached = CParameter::ForceAttachDict(DictAttachPref::ForceAttach);
            compressor.set_parameter(attached)?;
            // Four bytes, so that a server sees what is damaged before it has sent all of it.
            compressor.set_parameter(CParameter::ChecksumFlag(true))?;
            compressor.compress(content)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{Effort, brotli, gzip};

    #[test]
    fn codings_decode_to_the_content() {
        let content = "a line of verse, and ".repeat(500).into_bytes();
        let (mut plain, coded) = (Vec::new(), gzip(&content).unwrap());
        assert_eq!(coded[4..8], [0; 4], "no time in the gzip header");
        flate2::read::GzDecoder::new(&*coded)
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(plain, content);
        for effort in [Effort::Best, Effort::Fast] {
            let (mut plain, coded) = (Vec::new(), brotli(&content, effort).unwrap());
            brotli::BrotliDecompress(&mut &*coded, &mut plain).unwrap();
            assert_eq!(plain, content);
        }
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_decodes_to_the_content() {
        let content = "a line of verse, and ".repeat(500).into_bytes();
        let coded = super::zstd(&content).unwrap();
        assert_eq!(
            zstd::bulk::decompress(&coded, content.len()).unwrap(),
            content
        );
    }
}
