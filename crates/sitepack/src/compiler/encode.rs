//! Encode: each page in each content coding that pays, on all cores, and in order into the packed
//! site.
//!
//! Contents are read when a processor is free for them and forgotten when they are written, so
//! that a site of any size needs no more memory than a window of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use super::cache::{Cache, Coded};
use super::codec::{self, Effort};
use super::error::Error;
use super::freshness;
use super::page::{Page, with_charset};
use super::reload;
use super::survey::{Survey, Surveyed};
use super::write::Contents;
use super::{Progress, Store};
use crate::coding::ContentCoding;
use crate::digest::{Digest, Running};
use crate::format::{Making, Span};

/// A coding that saves fewer bytes is dropped: the fields that it adds to the answer cost as much.
const SAVING_BYTES_MIN: usize = 64;
/// A coding that saves less than one part in this many is dropped: 5 %.
const SAVING_SHARE_MIN: usize = 20;
/// How many bytes of content may be under way at once. Only a single larger file is taken
/// beyond it.
const WINDOW_BYTES_MAX: u64 = 128 << 20;
/// From this length on a content is stored plain besides its codings, whatever the site is stored
/// as: a range near its end would cost a second of decoding.
const PLAIN_BYTES_MIN: usize = 64 << 20;

/// How contents are coded and stored.
pub(crate) struct Settings<'a> {
    pub(crate) survey: Survey<'a>,
    /// Nothing is coded and nothing written.
    pub(crate) only_surveys: bool,
    /// Pages load the script that reloads them.
    pub(crate) reloads: bool,
    pub(crate) store: Store,
    pub(crate) codings: &'a [ContentCoding],
    pub(crate) effort: Effort,
    pub(crate) cache: Option<&'a Cache>,
    #[cfg(feature = "zstd")]
    pub(crate) frames: Option<codec::Frames>,
    /// What the frames were made with, behind its digest.
    pub(crate) dictionary: &'a [u8],
}

/// A representation of a page, and where what is stored of it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded {
    pub(crate) coding: ContentCoding,
    pub(crate) making: Making,
    pub(crate) stored: Span,
    /// Of the content, in bytes.
    pub(crate) length: u64,
    /// Of the content.
    pub(crate) digest: Digest,
}

/// What is sent for a path. The representations: the shortest first; of equals the plainer one.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// What it was made of, for messages.
    pub(crate) origin: String,
    pub(crate) media_type: String,
    pub(crate) immutable: bool,
    pub(crate) representations: Vec<Encoded>,
    /// Its policy for browsers, and the field that it is stated in.
    pub(crate) policy: Option<(&'static str, String)>,
}

/// What was found out about a page while it was coded and written.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) media_type: String,
    pub(crate) immutable: bool,
    /// Of the plain content.
    pub(crate) digest: Digest,
    pub(crate) representations: Vec<Encoded>,
    pub(crate) surveyed: Surveyed,
}

impl Placed {
    /// Adds a page, its path and its content, to a digest of many.
    pub(crate) fn add_to(&self, digest: &mut Running, page: &Page) {
        digest.update(page.path.as_str().as_bytes());
        digest.update(&[0]);
        digest.update(&self.digest.0);
    }
}

/// Codes every page and writes it. The order of pages is kept, whichever thread does them.
pub(crate) fn encode<W: Read + Write + Seek>(
    pages: &[Page],
    settings: &Settings<'_>,
    mut contents: Option<&mut Contents<'_, W>>,
    progress: &dyn Fn(Progress),
) -> Result<Vec<Placed>, Error> {
    let weights: Vec<u64> = pages.iter().map(|page| page.content.bytes()).collect();
    let bytes_all = weights.iter().sum();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let window = Window::new(&weights);
    let mut done = Vec::with_capacity(pages.len());
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..threads.min(pages.len().max(1)) {
            let (tell, window) = (tell.clone(), &window);
            scope.spawn(move || {
                while let Some((index, page)) =
                    window.take().and_then(|at| Some((at, pages.get(at)?)))
                {
                    if tell.send((index, encode_page(page, settings))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut early = BTreeMap::new();
        let mut bytes = 0;
        for (index, coded) in told {
            early.insert(index, coded);
            while let Some(coded) = early.remove(&done.len()) {
                let weight = weights.get(done.len()).copied().unwrap_or(0);
                let placed = coded.and_then(|coded: CodedPage| coded.place(&mut contents));
                done.push(placed.inspect_err(|_| window.close())?);
                window.release(weight);
                bytes += weight;
                progress(Progress {
                    files: done.len() as u64,
                    files_all: weights.len() as u64,
                    bytes,
                    bytes_all,
                });
            }
        }
        Ok(())
    })?;
    Ok(done)
}

/// Hands out pages in their order, not more at once than memory should hold.
struct Window<'a> {
    weights: &'a [u64],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    bytes: u64,
    closed: bool,
}

impl Window<'_> {
    fn new(weights: &[u64]) -> Window<'_> {
        Window {
            weights,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The next page. The first that is not written yet was always handed out before, so that
    /// whoever waits here waits for work that is being done.
    fn take(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            let index = state.next;
            let weight = *self.weights.get(index)?;
            if state.closed {
                return None;
            }
            if state.bytes == 0 || state.bytes.saturating_add(weight) <= WINDOW_BYTES_MAX {
                state.next += 1;
                state.bytes += weight;
                return Some(index);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn release(&self, weight: u64) {
        self.lock().bytes -= weight;
        self.changed.notify_all();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page that is coded and not yet written.
struct CodedPage {
    media_type: String,
    immutable: bool,
    digest: Digest,
    surveyed: Surveyed,
    /// What is to be stored.
    blobs: Vec<Blob>,
    /// The representations, with the number of the blob that each is made of.
    representations: Vec<(usize, Encoded)>,
}

/// Bytes to be stored.
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
    /// How contents are made of them: if any is just these, as that is.
    pub(crate) making: Making,
}

impl CodedPage {
    fn place<W: Read + Write + Seek>(
        self,
        contents: &mut Option<&mut Contents<'_, W>>,
    ) -> Result<Placed, Error> {
        let mut spans = Vec::new();
        if let Some(contents) = contents {
            for blob in &self.blobs {
                // What cannot be written is no fault of the page: a full disk, say.
                let span = contents.add(blob);
                spans.push(span.map_err(|e| Error::new("write", "the packed site", e))?);
            }
        }
        let mut representations: Vec<Encoded> = self
            .representations
            .into_iter()
            .filter_map(|(blob, encoded)| {
                let stored = *spans.get(blob)?;
                Some(Encoded { stored, ..encoded })
            })
            .collect();
        representations.sort_by_key(|encoded| (encoded.length, encoded.coding));
        Ok(Placed {
            media_type: self.media_type,
            immutable: self.immutable,
            digest: self.digest,
            representations,
            surveyed: self.surveyed,
        })
    }

    fn push(&mut self, coding: ContentCoding, digest: Digest, bytes: Vec<u8>) {
        let (length, making) = (bytes.len() as u64, Making::Stored);
        self.blobs.push(Blob {
            digest,
            bytes,
            making,
        });
        self.push_made(coding, making, length, digest);
    }

    /// Adds a representation that is made of the last blob.
    fn push_made(&mut self, coding: ContentCoding, making: Making, length: u64, digest: Digest) {
        let encoded = Encoded {
            coding,
            making,
            stored: Span::default(),
            length,
            digest,
        };
        let blob = self.blobs.len().saturating_sub(1);
        self.representations.push((blob, encoded));
    }
}

fn encode_page(page: &Page, settings: &Settings<'_>) -> Result<CodedPage, Error> {
    let content = page
        .content
        .read()
        .map_err(|e| Error::new("read", &page.origin, e))?;
    let surveyed = settings.survey.page(page, &content);
    // The policy is that of the page as it is: it allows what the site itself has.
    let content = if settings.reloads && page.media_type == "text/html" {
        Cow::Owned(reload::with_script(content))
    } else {
        content
    };
    let failed = |e: std::io::Error| Error::new("encode", &page.origin, e);
    let digest = Digest::of(&content);
    let mut coded = CodedPage {
        media_type: with_charset(&page.media_type, &content),
        immutable: freshness::is_immutable(page.path.as_str(), &digest),
        digest,
        surveyed,
        blobs: Vec::new(),
        representations: Vec::new(),
    };
    if settings.only_surveys {
        return Ok(coded);
    }
    let codings = if is_compressed(&page.media_type) {
        Vec::new()
    } else {
        settings.code(&content, &digest).map_err(failed)?
    };
    let length = content.len() as u64;
    let mut plain = codings.is_empty() || content.len() >= PLAIN_BYTES_MIN;
    for (coding, bytes) in codings {
        match (settings.store, coding) {
            (Store::Small, _) => {
                settings
                    .frame(&mut coded, bytes, length, digest, plain)
                    .map_err(failed)?;
            }
            (Store::Coded, ContentCoding::Gzip) => {
                coded.push(coding, Digest::of(&bytes), bytes);
                if !plain {
                    coded.push_made(ContentCoding::Identity, Making::Gunzip, length, digest);
                }
            }
            (Store::All | Store::Coded, _) => coded.push(coding, Digest::of(&bytes), bytes),
        }
    }
    plain |= !coded
        .representations
        .iter()
        .any(|(_, encoded)| encoded.coding == ContentCoding::Identity);
    if plain {
        coded.push(ContentCoding::Identity, digest, content.into_owned());
    }
    Ok(coded)
}

impl Settings<'_> {
    /// The codings of a content that pay: for [`Store::Small`], its frame.
    fn code(&self, content: &[u8], digest: &Digest) -> std::io::Result<Vec<Coded>> {
        let key = self.key(digest);
        if let Some(known) = self.cache.and_then(|cache| cache.get(&key)) {
            return Ok(known);
        }
        let mut coded = Vec::new();
        let wanted = match self.store {
            Store::Small => &[ContentCoding::Zstd],
            Store::All | Store::Coded => self.codings,
        };
        for &coding in wanted {
            let bytes = match coding {
                ContentCoding::Identity => continue,
                ContentCoding::Gzip => codec::gzip(content),
                ContentCoding::Brotli => codec::brotli(content, self.effort),
                ContentCoding::Zstd => self.zstd(content),
            }?;
            if pays(content.len(), bytes.len()) {
                coded.push((coding, bytes));
            }
        }
        if let Some(cache) = self.cache {
            cache.put(&key, &coded);
        }
        Ok(coded)
    }

    /// Everything that decides what [`Settings::code`] gives.
    fn key(&self, digest: &Digest) -> Digest {
        let codings: Vec<u8> = self.codings.iter().map(|coding| coding.number()).collect();
        let how = format!(
            "{} {} {:?} {:?} ",
            env!("CARGO_PKG_VERSION"),
            codec::EDITION,
            self.store,
            self.effort,
        );
        // The dictionary's digest stands before it.
        let dictionary = self.dictionary.get(..Digest::BYTES).unwrap_or_default();
        Digest::of_all(&[how.as_bytes(), dictionary, &codings, &digest.0])
    }

    #[cfg(feature = "zstd")]
    fn zstd(&self, content: &[u8]) -> std::io::Result<Vec<u8>> {
        match &self.frames {
            Some(frames) => frames.frame(content),
            None => codec::zstd(content),
        }
    }

    #[cfg(not(feature = "zstd"))]
    fn zstd(&self, content: &[u8]) -> std::io::Result<Vec<u8>> {
        codec::zstd(content)
    }

    /// Stores a frame, of which the plain content, unless that is stored beside it, and its gzip
    /// coding are made. The latter is made here, too, as a server will make it, for its length and
    /// digest.
    fn frame(
        &self,
        coded: &mut CodedPage,
        frame: Vec<u8>,
        length: u64,
        digest: Digest,
        is_beside: bool,
    ) -> std::io::Result<()> {
        let making = Making::UnzstdGzip;
        let recipe = crate::made::Recipe {
            stored: &frame,
            making,
            dictionary: self.dictionary,
            length: u64::MAX,
        };
        let wanted = self.codings.contains(&ContentCoding::Gzip);
        let gzip = wanted.then(|| recipe.made()).transpose()?;
        coded.blobs.push(Blob {
            digest: Digest::of(&frame),
            bytes: frame,
            making: Making::Unzstd,
        });
        if !is_beside {
            coded.push_made(ContentCoding::Identity, Making::Unzstd, length, digest);
        }
        if let Some((gzip_digest, gzip_length)) = gzip {
            let lengths = [length, gzip_length].map(|length| usize::try_from(length).unwrap_or(0));
            if pays(lengths[0], lengths[1]) {
                coded.push_made(ContentCoding::Gzip, making, gzip_length, gzip_digest);
            }
        }
        Ok(())
    }
}

fn pays(plain: usize, coded: usize) -> bool {
    let saved = plain.saturating_sub(coded);
    saved >= SAVING_BYTES_MIN && saved.saturating_mul(SAVING_SHARE_MIN) >= plain
}

/// Formats that are compressed already: trying would cost minutes and give nothing.
pub(crate) fn is_compressed(media_type: &str) -> bool {
    let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
    match kind {
        "audio" | "video" => true,
        "image" => !matches!(subtype, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        "font" => subtype.starts_with("woff"),
        "application" => matches!(
            subtype,
            "zip" | "gzip" | "x-gzip" | "x-bzip2" | "x-xz" | "zstd" | "x-7z-compressed"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

    use super::pays;
    use crate::compiler::Compiler;
    #[cfg(feature = "zstd")]
    use {
        super::PLAIN_BYTES_MIN,
        crate::compiler::Store,
        crate::{ContentCoding, Entry, Site, SitePath},
    };

    /// A disk with room for so many bytes.
    struct Disk(Cursor<Vec<u8>>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() as usize + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Read for Disk {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.0.read(bytes)
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_full_disk_is_no_fault_of_a_page() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            let content = vec![name.as_bytes()[0]; 1 << 20];
            std::fs::write(root.path().join(name), content).unwrap();
        }
        let compiler = Compiler::new().files("/", root.path());
        for room in [100, 1_500_000, 3 << 20] {
            let mut disk = Disk(Cursor::default(), room);
            let failed = compiler.compile_to(&mut disk, &|_| ()).unwrap_err();
            let (start, end) = ("failed to write `the packed site`: ", "no storage space");
            assert_eq!(failed.to_string(), format!("{start}{end}"), "{room}");
        }
        let mut disk = Disk(Cursor::default(), 4 << 20);
        compiler.compile_to(&mut disk, &|_| ()).unwrap();
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn what_is_stored_plain_is_not_made_too() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), vec![b'a'; PLAIN_BYTES_MIN]).unwrap();
        for store in [Store::Coded, Store::Small] {
            let compiler = Compiler::new().files("/", root.path()).store(store);
            let bytes = compiler.compile().unwrap().bytes;
            let site = Site::open(&bytes).unwrap();
            let path = SitePath::from_decoded("/a.txt").unwrap();
            let Some(Entry::Resource(found)) = site.find(&path).unwrap() else {
                panic!("it is gone");
            };
            let plain = found.representations().map(Result::unwrap);
            let plain = plain.filter(|found| found.coding == ContentCoding::Identity);
            let plain: Vec<bool> = plain.map(|found| found.stored().is_some()).collect();
            assert_eq!(plain, [true], "{store:?}");
        }
    }

    #[test]
    fn a_coding_pays_from_64_bytes_and_5_percent_on() {
        assert!(pays(1000, 936));
        assert!(!pays(1000, 937), "63 bytes");
        assert!(pays(10_000, 9_500));
        assert!(!pays(10_000, 9_501), "under 5 %");
        assert!(!pays(10, 20));
        assert!(!pays(0, 0));
    }
}
