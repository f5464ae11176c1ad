//! Contents that are not stored, but made of something shorter when they are asked for.
//!
//! A site packed small holds one zstd frame a file, made with a dictionary of the whole site; one
//! packed without plain contents holds their gzip coding. A [`Recipe`] says of what a content is
//! made and how, a [`Maker`] makes it, in pieces of whatever size and in bounded memory.
//!
//! Length, digest and entity-tag of such a content are known all the same: the packer has made it
//! once. So a maker promises the very bytes that the packer saw. Decoding leaves no choice; for
//! coding the packer records [`GZIP_MAKER`], and a reader that codes otherwise does not offer it.

mod gzip;

use std::borrow::Cow;
use std::io::{self, Read};

use self::gzip::{Gunzip, Gzip};
use crate::format::Making;

/// Names the bytes that this program's gzip encoder gives. A test holds them; when it fails, an
/// update of the encoder has changed them, and this number has to change too.
pub const GZIP_MAKER: u32 = 1;
/// How many decoders of each kind the process keeps for the next contents: as many as are at work
/// at once where contents are short. A decoder of frames holds a window and its tables, some
/// 900 KB, an encoder 400.
const KEPT_MAX: usize = 4;

/// How many dictionaries the process keeps ready for all decoders: those of as many sites, of up to
/// 2 MiB each.
#[cfg(feature = "zstd")]
const READY_MAX: usize = 4;

/// How to make a content.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    pub(crate) stored: &'a [u8],
    pub(crate) making: Making,
    /// The digest of the dictionary, and the dictionary; or nothing.
    pub(crate) dictionary: &'a [u8],
    pub(crate) length: u64,
}

impl<'a> Recipe<'a> {
    /// How it is made.
    #[must_use]
    pub fn making(&self) -> Making {
        self.making
    }

    /// The length of the content in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Something that makes the content from its start.
    ///
    /// # Errors
    /// When this program was built without the decoder.
    pub fn maker(&self) -> io::Result<Maker<'a>> {
        let steps = match self.making {
            Making::Stored => Steps::Stored(self.stored),
            Making::Gunzip => Steps::Gunzip(Gunzip::new(self.stored)?),
            Making::Unzstd => Steps::Unzstd(Unzstd::new(self.stored, self.dictionary)?),
            Making::UnzstdGzip => {
                Steps::UnzstdGzip(Gzip::new(Unzstd::new(self.stored, self.dictionary)?))
            }
        };
        Ok(Maker {
            steps,
            left: self.length,
        })
    }

    /// The digest and the length of what is made, whatever its length should be: how the packer
    /// finds out.
    #[cfg(feature = "compiler")]
    pub(crate) fn made(&self) -> io::Result<(crate::digest::Digest, u64)> {
        let mut steps = self.maker()?.steps;
        crate::digest::Digest::of_reader(&mut steps)
    }

    /// The whole content.
    ///
    /// # Errors
    /// When what is stored does not decode to a content of its length.
    pub fn content(&self) -> io::Result<Cow<'a, [u8]>> {
        if self.making == Making::Stored {
            return Ok(Cow::Borrowed(self.stored));
        }
        let mut content = Vec::new();
        self.maker()?.read_to_end(&mut content)?;
        if content.len() as u64 != self.length {
            return Err(damaged("it is shorter than it should be"));
        }
        Ok(Cow::Owned(content))
    }
}

/// Makes a content, piece by piece. Never gives more bytes than its length; fewer only when what
/// is stored is damaged, which is an error. The last bytes are given when the checksum is right.
pub struct Maker<'a> {
    steps: Steps<'a>,
    left: u64,
}

impl std::fmt::Debug for Maker<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Maker({} bytes left)", self.left)
    }
}

enum Steps<'a> {
    Stored(&'a [u8]),
    Gunzip(Gunzip<'a>),
    Unzstd(Unzstd<'a>),
    UnzstdGzip(Gzip<Unzstd<'a>>),
}

/// What a bounded piece of work has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many bytes of the content it gave.
    pub made: usize,
    /// How many bytes it decoded: those, unless they are coded again.
    pub decoded: usize,
}

impl Maker<'_> {
    /// Makes some of the content, if that does not need more than some 32 KiB decoded. What is
    /// coded again may give nothing for a long time: a megabyte of zeros is a kilobyte of gzip.
    /// Nothing was left to do if nothing was decoded either.
    ///
    /// # Errors
    /// When what is stored is damaged.
    pub fn step(&mut self, out: &mut [u8]) -> io::Result<Step> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(out.len());
        let Some(out) = out.get_mut(..most).filter(|out| !out.is_empty()) else {
            return Ok(Step {
                made: 0,
                decoded: 0,
            });
        };
        let step = self.steps.step(out)?;
        let step = step.ok_or_else(|| damaged("it ends too early"))?;
        self.left = self.left.saturating_sub(step.made as u64);
        // Behind the last byte stands a checksum, which is looked at before that byte is given.
        if self.left == 0 && self.steps.step(&mut [0])?.is_some() {
            return Err(damaged("it does not end where it should"));
        }
        Ok(step)
    }
}

impl Read for Maker<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.left > 0 && !out.is_empty() {
            let step = self.step(out)?;
            if step.made > 0 {
                return Ok(step.made);
            }
        }
        Ok(0)
    }
}

impl Steps<'_> {
    /// None at the end.
    fn step(&mut self, out: &mut [u8]) -> io::Result<Option<Step>> {
        let made = match self {
            Steps::Stored(rest) => rest.read(out),
            Steps::Gunzip(steps) => steps.read(out),
            Steps::Unzstd(steps) => steps.read(out),
            Steps::UnzstdGzip(steps) => return steps.step(out),
        }?;
        let decoded = made;
        Ok((made > 0).then_some(Step { made, decoded }))
    }
}

/// Without an end that is known.
impl Read for Steps<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.step(out)? {
                None => return Ok(0),
                Some(Step { made: 0, .. }) => {}
                Some(step) => return Ok(step.made),
            }
        }
    }
}

fn damaged(cause: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

#[cfg(feature = "zstd")]
use with_zstd::Unzstd;
#[cfg(feature = "zstd")]
pub(crate) use with_zstd::lend;

#[cfg(feature = "zstd")]
mod with_zstd {
    use std::io::{self, Read};
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

    use zstd::dict::DecoderDictionary;
    use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

    use super::{KEPT_MAX, READY_MAX, damaged};
    use crate::digest::Digest;

    /// Decoders that are ready for the dictionary of this identity, the last one used last: its
    /// memory is in the processor's caches.
    static KEPT: Mutex<Vec<(Identity, Decoder<'static>)>> = Mutex::new(Vec::new());

    /// Dictionaries that are ready for use, for as long as the process runs: one, unless it
    /// serves one site after another. Those beyond [`READY_MAX`] go with their decoders, each of
    /// which has its own copy.
    static READY: Mutex<Vec<(Identity, &'static DecoderDictionary<'static>)>> =
        Mutex::new(Vec::new());

    /// A dictionary that is there for as long as the process is, and need not be copied: of
    /// 2 MiB a frame touches little, and a copy touches all.
    static LENT: OnceLock<(Identity, &'static [u8])> = OnceLock::new();

    /// The digest of a dictionary, which stands before it in the site.
    type Identity = [u8; Digest::BYTES];

    /// Takes a dictionary, with its digest, to refer to. The first one stays.
    pub(crate) fn lend(dictionary: &'static [u8]) {
        if let Some((identity, dictionary)) = dictionary.split_first_chunk() {
            LENT.get_or_init(|| (*identity, dictionary));
        }
    }

    /// Makes ready what was lent, else a copy of what was not.
    fn prepared(identity: Identity, dictionary: &[u8]) -> io::Result<DecoderDictionary<'static>> {
        match LENT.get() {
            Some((known, lent)) if *known == identity => DecoderDictionary::try_new(lent),
            _ => DecoderDictionary::try_copy(dictionary),
        }
    }

    fn lock<T>(kept: &'static Mutex<T>) -> MutexGuard<'static, T> {
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decoder(identity: Identity, dictionary: &[u8]) -> io::Result<Decoder<'static>> {
        if dictionary.is_empty() {
            return Decoder::new();
        }
        let mut all = lock(&READY);
        let known = all.iter().find(|(known, _)| *known == identity);
        let ready: &'static DecoderDictionary<'static> = match known {
            Some((_, ready)) => ready,
            None if all.len() >= READY_MAX => return Decoder::with_dictionary(dictionary),
            None => {
                let ready = prepared(identity, dictionary);
                let ready = ready.map_err(|_| damaged("its dictionary is damaged"))?;
                let ready = Box::leak(Box::new(ready));
                all.push((identity, ready));
                ready
            }
        };
        drop(all);
        Decoder::with_prepared_dictionary(ready)
    }

    /// Decodes a frame.
    pub(super) struct Unzstd<'a> {
        rest: &'a [u8],
        identity: Identity,
        decoder: Option<Decoder<'static>>,
        /// The frame is at its end, and its checksum was right.
        is_over: bool,
    }

    impl<'a> Unzstd<'a> {
        pub(super) fn new(frame: &'a [u8], dictionary: &[u8]) -> io::Result<Unzstd<'a>> {
            let (identity, dictionary) = dictionary
                .split_first_chunk()
                .map_or(([0; Digest::BYTES], dictionary), |(id, rest)| (*id, rest));
            let mut all = lock(&KEPT);
            let at = all.iter().rposition(|(known, _)| *known == identity);
            let found = at.map(|at| all.remove(at).1);
            drop(all);
            let decoder = match found {
                Some(decoder) => decoder,
                None => decoder(identity, dictionary)?,
            };
            Ok(Unzstd {
                rest: frame,
                identity,
                decoder: Some(decoder),
                is_over: false,
            })
        }
    }

    impl Read for Unzstd<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(decoder) = self.decoder.as_mut().filter(|_| !self.is_over) else {
                return Ok(0);
            };
            let mut made = OutBuffer::around(out);
            loop {
                let mut input = InBuffer::around(self.rest);
                self.is_over = decoder.run(&mut input, &mut made)? == 0;
                let taken = input.pos();
                self.rest = self.rest.get(taken..).unwrap_or_default();
                if made.pos() > 0 || self.is_over {
                    return Ok(made.pos());
                }
                if taken == 0 && self.rest.is_empty() {
                    return Err(damaged("the frame is cut short"));
                }
            }
        }
    }

    impl Drop for Unzstd<'_> {
        fn drop(&mut self) {
            let Some(mut decoder) = self.decoder.take() else {
                return;
            };
            // What is left of an unfinished frame goes; the dictionary stays.
            if decoder.reinit().is_err() {
                return;
            }
            let mut all = lock(&KEPT);
            // A site that is not served any more gives way.
            let oldest = (all.len() >= KEPT_MAX).then(|| all.remove(0));
            all.push((self.identity, decoder));
            drop(all);
            drop(oldest);
        }
    }
}

/// Stands in for the decoder where it is not built in.
#[cfg(not(feature = "zstd"))]
struct Unzstd<'a>(std::marker::PhantomData<&'a [u8]>);

#[cfg(not(feature = "zstd"))]
impl<'a> Unzstd<'a> {
    fn new(_frame: &'a [u8], _dictionary: &[u8]) -> io::Result<Unzstd<'a>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program was built without the feature `zstd`",
        ))
    }
}

#[cfg(not(feature = "zstd"))]
impl Read for Unzstd<'_> {
    fn read(&mut self, _out: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

#[cfg(test)]
#[cfg(all(feature = "compiler", feature = "zstd"))]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::{GZIP_MAKER, Recipe};
    use crate::compiler::{Compiler, Store};
    use crate::digest::Digest;
    use crate::format::{HEADER_BYTES, Header, Making};
    use crate::{ContentCoding, Entry, Site, SitePath};

    /// Words in no order that repeats: the same on every machine.
    fn text(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut text = Vec::with_capacity(bytes + 10);
        while text.len() < bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let word =
                ["verse ", "rhyme ", "a ", "booklet, ", "pedlar.\n"][(state >> 40) as usize % 5];
            text.extend_from_slice(word.as_bytes());
        }
        text.truncate(bytes);
        text
    }

    /// The same of what hardly compresses, so that codings are long.
    fn digits(bytes: usize) -> Vec<u8> {
        let mut text = text(bytes);
        let mut state = 7_u64;
        for byte in &mut text {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = if state >> 62 == 0 {
                b' '
            } else {
                b'0' + (state >> 40) as u8 % 10
            };
        }
        text
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn frame(content: &[u8]) -> Vec<u8> {
        let mut frame = zstd::bulk::Compressor::new(3).unwrap();
        frame.include_checksum(true).unwrap();
        frame.compress(content).unwrap()
    }

    /// What a content can be made of, and the content.
    fn recipes(content: &[u8]) -> Vec<(Making, Vec<u8>, Vec<u8>)> {
        let coded = gzip(content);
        let frame = frame(content);
        let making = Making::UnzstdGzip;
        let unbounded = Recipe {
            length: u64::MAX,
            ..recipe(making, &frame, b"")
        };
        let mut made = Vec::new();
        // Nothing else tells how long it is.
        let _ = unbounded.maker().unwrap().steps.read_to_end(&mut made);
        vec![
            (Making::Stored, content.to_vec(), content.to_vec()),
            (Making::Gunzip, coded, content.to_vec()),
            (Making::Unzstd, frame.clone(), content.to_vec()),
            (making, frame, made),
        ]
    }

    fn recipe<'a>(making: Making, stored: &'a [u8], content: &[u8]) -> Recipe<'a> {
        Recipe {
            stored,
            making,
            dictionary: b"",
            length: content.len() as u64,
        }
    }

    #[test]
    fn contents_come_out_whatever_the_size_of_the_reads() {
        let contents = [1, 100, 65_536, 300_000].map(text);
        for plain in contents.into_iter().chain([digits(400_000)]) {
            let bytes = plain.len();
            for (making, stored, content) in recipes(&plain) {
                for most in [1, 7, 64 << 10] {
                    let mut maker = recipe(making, &stored, &content).maker().unwrap();
                    let (mut made, mut piece) = (Vec::new(), vec![0; most]);
                    loop {
                        match maker.read(&mut piece).unwrap() {
                            0 => break,
                            some => made.extend_from_slice(&piece[..some]),
                        }
                    }
                    assert!(made == content, "{making:?} {bytes} {most}");
                }
                if making == Making::UnzstdGzip {
                    let mut again = Vec::new();
                    let mut decoder = flate2::read::GzDecoder::new(&*content);
                    decoder.read_to_end(&mut again).unwrap();
                    assert!(again == plain);
                }
            }
        }
    }

    #[test]
    fn a_step_is_short_however_little_comes_of_it() {
        let plain = vec![0; 20 << 20];
        for (making, stored, content) in recipes(&plain) {
            let mut maker = recipe(making, &stored, &content).maker().unwrap();
            let (mut made, mut decoded, mut steps) = (0, 0, 0);
            let mut piece = vec![0; 64 << 10];
            while made < content.len() {
                let step = maker.step(&mut piece).unwrap();
                assert!(step.decoded <= piece.len(), "{making:?} {step:?}");
                made += step.made;
                decoded += step.decoded;
                steps += 1;
            }
            assert_eq!(decoded, plain.len(), "{making:?}");
            assert!(steps >= plain.len() / piece.len(), "{making:?} {steps}");
            let none = maker.step(&mut piece).unwrap();
            assert_eq!((none.made, none.decoded), (0, 0), "{making:?}");
        }
    }

    /// If this fails, an update has changed the bytes of made gzip codings: raise [`GZIP_MAKER`].
    #[test]
    fn the_bytes_of_the_encoder_are_those_of_its_number() {
        let plain = [text(500_000), digits(500_000)].concat();
        let (_, _, made) = recipes(&plain).pop().unwrap();
        assert_eq!(GZIP_MAKER, 1);
        assert_eq!(
            Digest::of(&made).hex(),
            "5312ca8a8c14c1a90f628bfa08ce3130601f1dd6ead63cf7ede65a46e0ce55fc"
        );
    }

    #[test]
    fn what_is_damaged_is_an_error_and_never_longer() {
        let plain = text(3_000);
        for (making, stored, content) in recipes(&plain) {
            if making == Making::Stored {
                continue;
            }
            let check = |stored: &[u8], what: &str| {
                let mut made = Vec::new();
                let maker = recipe(making, stored, &content).maker();
                let read = maker.and_then(|mut maker| maker.read_to_end(&mut made));
                assert!(made.len() <= content.len(), "{making:?} {what}");
                // Some bits of a header mean nothing.
                assert!(read.is_err() || made == content, "{making:?} {what}");
                read.is_err()
            };
            for bytes in 0..stored.len() {
                assert!(check(&stored[..bytes], "cut"), "{making:?} {bytes}");
            }
            let mut seen = 0;
            for at in 0..stored.len() {
                for bit in 0..8 {
                    let mut stored = stored.clone();
                    stored[at] ^= 1 << bit;
                    seen += usize::from(check(&stored, &format!("{at} {bit}")));
                }
            }
            assert!(seen > stored.len() * 8 - 100, "{making:?} {seen}");
            // A length that is not that of the content.
            let mut wrong = recipe(making, &stored, &content);
            wrong.length -= 1;
            assert!(wrong.content().is_err());
            wrong.length += 2;
            assert!(wrong.content().is_err());
        }
    }

    #[test]
    fn a_damaged_dictionary_is_an_error() {
        let mut dictionary = vec![7; 32];
        // RFC 8878 §6: a dictionary's magic number, and then tables that are none.
        dictionary.extend_from_slice(&[0x37, 0xA4, 0x30, 0xEC, 1, 0, 0, 0]);
        dictionary.resize(4096, 0xFF);
        for making in [Making::Unzstd, Making::UnzstdGzip] {
            let recipe = Recipe {
                stored: b"",
                making,
                dictionary: &dictionary,
                length: 100,
            };
            assert!(recipe.content().is_err());
        }
    }

    /// Makes the packed site say that another encoder made its codings.
    fn with_gzip_maker(bytes: &[u8], number: u32) -> Vec<u8> {
        let mut header = Header::decode_any(bytes).unwrap();
        header.gzip_maker = number;
        [&*header.encode(), &bytes[HEADER_BYTES..]].concat()
    }

    #[test]
    fn what_another_encoder_made_is_not_offered() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), text(5_000)).unwrap();
        let compiler = Compiler::new().files("/", root.path()).store(Store::Small);
        let bytes = compiler.compile().unwrap().bytes;
        let codings = |bytes: &[u8]| -> Vec<ContentCoding> {
            let path = SitePath::from_decoded("/a.txt").unwrap();
            let site = Site::open(bytes).unwrap();
            let Some(Entry::Resource(found)) = site.find(&path).unwrap() else {
                panic!("it is gone");
            };
            assert!(found.identity().unwrap().content().unwrap() == text(5_000));
            let all = found.representations();
            all.map(|found| found.unwrap().coding).collect()
        };
        let (gzip, identity) = (ContentCoding::Gzip, ContentCoding::Identity);
        assert_eq!(codings(&bytes), [gzip, identity]);
        let other = with_gzip_maker(&bytes, GZIP_MAKER + 1);
        assert_eq!(codings(&other), [identity]);
        assert_eq!(with_gzip_maker(&other, GZIP_MAKER), bytes);
    }
}
