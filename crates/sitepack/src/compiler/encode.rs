//! Encode: each page in each content coding that pays, on all cores.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::error::Error;
use super::render::Page;
use crate::coding::ContentCoding;
use crate::digest::Digest;

/// A coding that saves fewer bytes is dropped: the fields that it adds to the answer cost as much.
const SAVING_BYTES_MIN: usize = 64;
/// A coding that saves less than one part in this many is dropped: 5 %.
const SAVING_SHARE_MIN: usize = 20;

/// A page's content under one coding.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) coding: ContentCoding,
    pub(crate) content: Vec<u8>,
    pub(crate) digest: Digest,
}

/// A page with its representations, the shortest first. Equal lengths: the plainer coding first.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) page: Page,
    pub(crate) immutable: bool,
    pub(crate) representations: Vec<Encoded>,
}

/// Codes every page. The order of pages is kept, whichever thread does them.
pub(crate) fn encode(pages: Vec<Page>, codings: &[ContentCoding]) -> Result<Vec<Resource>, Error> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(pages.len().max(1));
    let next = AtomicUsize::new(0);
    let coded: Mutex<Vec<(usize, Vec<Encoded>)>> = Mutex::new(Vec::with_capacity(pages.len()));
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, page)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    pages.get(index).map(|page| (index, page))
                } {
                    match encode_page(page, codings) {
                        Ok(done) => lock(&coded).push((index, done)),
                        Err(error) => *lock(&failure) = Some(error),
                    }
                }
            });
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let mut coded = std::mem::take(&mut *lock(&coded));
    coded.sort_by_key(|(index, _)| *index);
    let resources = pages
        .into_iter()
        .zip(coded)
        .map(|(mut page, (_, mut others))| {
            let immutable = page.is_immutable();
            let content = std::mem::take(&mut page.content);
            let digest = Digest::of(&content);
            others.push(Encoded {
                coding: ContentCoding::Identity,
                content,
                digest,
            });
            others.sort_by_key(|encoded| (encoded.content.len(), encoded.coding));
            Resource {
                page,
                immutable,
                representations: others,
            }
        });
    Ok(resources.collect())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn encode_page(page: &Page, codings: &[ContentCoding]) -> Result<Vec<Encoded>, Error> {
    let mut encoded = Vec::new();
    if is_compressed(&page.media_type) {
        return Ok(encoded);
    }
    for &coding in codings {
        let content = match coding {
            ContentCoding::Identity => continue,
            ContentCoding::Gzip => gzip(&page.content),
            ContentCoding::Brotli => brotli(&page.content),
            ContentCoding::Zstd => zstd(&page.content),
        };
        let content = content.map_err(|e| Error::new("encode", &page.origin, e))?;
        if pays(page.content.len(), content.len()) {
            let digest = Digest::of(&content);
            encoded.push(Encoded {
                coding,
                content,
                digest,
            });
        }
    }
    Ok(encoded)
}

fn pays(plain: usize, coded: usize) -> bool {
    let saved = plain.saturating_sub(coded);
    saved >= SAVING_BYTES_MIN && saved.saturating_mul(SAVING_SHARE_MIN) >= plain
}

/// Formats that are compressed already: trying would cost minutes and give nothing.
fn is_compressed(media_type: &str) -> bool {
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

/// Without a time or a name in its header, so that equal content gives equal bytes.
fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

fn brotli(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut coded = Vec::new();
    brotli::BrotliCompress(&mut &*content, &mut coded, &parameters)?;
    Ok(coded)
}

#[cfg(feature = "zstd")]
fn zstd(content: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(content, 19)
}

#[cfg(not(feature = "zstd"))]
fn zstd(_content: &[u8]) -> std::io::Result<Vec<u8>> {
    Err(std::io::Error::other(
        "this compiler was built without the feature `zstd`",
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{brotli, gzip, pays};

    #[test]
    fn a_coding_pays_from_64_bytes_and_5_percent_on() {
        assert!(pays(1000, 936));
        assert!(!pays(1000, 937), "63 bytes");
        assert!(pays(10_000, 9_500));
        assert!(!pays(10_000, 9_501), "under 5 %");
        assert!(!pays(10, 20));
        assert!(!pays(0, 0));
    }

    #[test]
    fn codings_decode_to_the_content() {
        let content = "a line of verse, and ".repeat(500).into_bytes();
        let (mut plain, coded) = (Vec::new(), gzip(&content).unwrap());
        assert_eq!(coded[4..8], [0; 4], "no time in the gzip header");
        flate2::read::GzDecoder::new(&*coded)
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(plain, content);
        let mut plain = Vec::new();
        brotli::BrotliDecompress(&mut &*brotli(&content).unwrap(), &mut plain).unwrap();
        assert_eq!(plain, content);
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
