//! The dictionary of a site that is stored small: what its pages have in common, once.
//!
//! Below some length it is trained: it then has only what is frequent in short pages. A longer one
//! is made of pieces of pages as they are. What a piece is worth is known by its phrases: each
//! counts as often as there are pages with it, until some piece that was taken has it. Pages are
//! gone through in their order, and out of each stretch the piece that is worth most is taken, so
//! that all parts of a site have their share; the best stand last, where they are nearest.

use super::codec;
use super::encode::is_compressed;
use super::error::Error;
use super::page::Page;

/// How large a dictionary is, as a part of the site, and at most. The process holds it once.
const DICTIONARY_SHARE: u64 = 256;
const DICTIONARY_BYTES_MAX: u64 = 2 << 20;
/// Up to this length it is trained. On rustdoc 256 KiB that are trained make a page 6.8 % of its
/// length, 326 KiB of pages as they are 6.1 %.
const TRAINED_BYTES_MAX: u64 = 256 << 10;
/// How much of a page is a sample, and how much of all samples training takes.
const TRAINED_PAGE_BYTES_MAX: u64 = 32 << 10;
const TRAINED_SAMPLES_BYTES_MAX: u64 = 16 << 20;
/// The same for pieces. Looking at 256 MiB twice takes some three seconds.
const PAGE_BYTES_MAX: u64 = 256 << 10;
const SAMPLES_BYTES_MAX: u64 = 256 << 20;
/// The length of a piece. Shorter ones tear apart what stands together, longer ones have more
/// that is only in one page.
const PIECE_BYTES: usize = 2 << 10;
/// The length of a phrase: what is shorter is found in pages without a dictionary too.
const PHRASE_BYTES: usize = 12;
/// One phrase in so many is looked at, the same ones wherever they stand.
const PHRASES_SHARE: u64 = 8;
/// How many phrases can be told apart, as a power of two. Two that cannot make each other seem
/// more common; what is common all over a site is far above that.
const PHRASES_LOG: u32 = 22;
/// In more pages than these a phrase is worth no more. Otherwise what is in every page, and is
/// soon in the dictionary, would make its neighbours precious.
const WORTH_MAX: u32 = 200;

/// Makes the dictionary of pages.
pub(crate) fn dictionary(pages: &[Page]) -> Result<Vec<u8>, Error> {
    let fits = |page: &&Page| !is_compressed(&page.media_type) && page.content.bytes() > 0;
    let pages: Vec<&Page> = pages.iter().filter(fits).collect();
    let bytes: u64 = pages.iter().map(|page| page.content.bytes()).sum();
    let wanted = (bytes / DICTIONARY_SHARE).min(DICTIONARY_BYTES_MAX);
    if wanted > TRAINED_BYTES_MAX {
        let samples = Samples::of(&pages, PAGE_BYTES_MAX, SAMPLES_BYTES_MAX);
        return selected(&samples, usize::try_from(wanted).unwrap_or(0));
    }
    let mut all = Vec::new();
    let samples = Samples::of(&pages, TRAINED_PAGE_BYTES_MAX, TRAINED_SAMPLES_BYTES_MAX);
    samples.each(|sample| all.push(sample.to_vec()))?;
    Ok(codec::train(&all, usize::try_from(wanted).unwrap_or(0)))
}

/// The beginnings of some pages.
struct Samples<'p> {
    pages: Vec<&'p Page>,
    page_bytes_max: u64,
    /// Of all of them.
    bytes: u64,
}

impl<'p> Samples<'p> {
    /// Evenly by bytes, whatever the sizes of pages.
    fn of(pages: &[&'p Page], page_bytes_max: u64, bytes_max: u64) -> Samples<'p> {
        let bytes = |page: &Page| page.content.bytes().min(page_bytes_max);
        let all: u64 = pages.iter().map(|page| bytes(page)).sum();
        let mut samples = Samples {
            pages: Vec::new(),
            page_bytes_max,
            bytes: 0,
        };
        let mut seen = 0_u64;
        for page in pages {
            seen += bytes(page);
            let [taken, due] = [(samples.bytes, all), (seen, bytes_max)]
                .map(|(part, whole)| u128::from(part) * u128::from(whole));
            if taken <= due {
                samples.pages.push(page);
                samples.bytes += bytes(page);
            }
        }
        samples
    }

    /// Reads one after the other.
    fn each(&self, mut look: impl FnMut(&[u8])) -> Result<(), Error> {
        for page in &self.pages {
            let content = page.content.read();
            let content = content.map_err(|e| Error::new("read", &page.origin, e))?;
            let most = usize::try_from(self.page_bytes_max).unwrap_or(usize::MAX);
            look(content.get(..most).unwrap_or(&content));
        }
        Ok(())
    }
}

/// The pieces that are worth most, the best last.
fn selected(samples: &Samples<'_>, wanted: usize) -> Result<Vec<u8>, Error> {
    let mut phrases = Phrases::new();
    samples.each(|page| phrases.count(page))?;
    phrases.settle();
    let mut taken: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut best = (0, Vec::new());
    let (mut taken_bytes, mut seen_bytes) = (0_u64, 0_u64);
    samples.each(|page| {
        let mut rest = page;
        while !rest.is_empty() {
            let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
            let worth = phrases.worth(piece);
            if worth > best.0 {
                best = (worth, piece.to_vec());
            }
            // The next piece overlaps with this one by half, so that little is torn apart.
            let step = match piece.len() {
                PIECE_BYTES => PIECE_BYTES / 2,
                last => last,
            };
            rest = rest.get(step..).unwrap_or_default();
            seen_bytes += step as u64;
            let after = taken_bytes + best.1.len() as u64;
            let is_due = u128::from(after) * u128::from(samples.bytes)
                <= u128::from(seen_bytes) * wanted as u128;
            if is_due && best.0 > 0 {
                phrases.take(&best.1);
                taken_bytes = after;
                taken.push(std::mem::take(&mut best));
            }
        }
    })?;
    taken.sort_by_key(|(worth, _)| *worth);
    let pieces: Vec<Vec<u8>> = taken.into_iter().map(|(_, piece)| piece).collect();
    Ok(pieces.concat())
}

/// What is known of each phrase, by a number that few share.
struct Phrases {
    /// In how many pages it is; later, what it is worth.
    worth: Vec<u32>,
    /// When it was last seen.
    seen: Vec<u32>,
    now: u32,
}

impl Phrases {
    fn new() -> Phrases {
        Phrases {
            worth: vec![0; 1 << PHRASES_LOG],
            seen: vec![0; 1 << PHRASES_LOG],
            now: 0,
        }
    }

    /// Goes through the phrases of a text that were not in it before.
    fn once(&mut self, text: &[u8], mut look: impl FnMut(&mut u32)) {
        self.now = self.now.wrapping_add(1);
        for number in numbers(text) {
            let (worth, seen) = (self.worth.get_mut(number), self.seen.get_mut(number));
            if let (Some(worth), Some(seen)) = (worth, seen)
                && *seen != self.now
            {
                *seen = self.now;
                look(worth);
            }
        }
    }

    fn count(&mut self, page: &[u8]) {
        self.once(page, |pages| *pages = pages.saturating_add(1));
    }

    /// All are counted. What is in one page alone is worth nothing.
    fn settle(&mut self) {
        for worth in &mut self.worth {
            *worth = if *worth < 2 {
                0
            } else {
                (*worth).min(WORTH_MAX)
            };
        }
    }

    fn worth(&mut self, piece: &[u8]) -> u64 {
        let mut sum = 0;
        self.once(piece, |worth| sum += u64::from(*worth));
        sum
    }

    /// The dictionary has the piece: what is in it is worth nothing any more.
    fn take(&mut self, piece: &[u8]) {
        self.once(piece, |worth| *worth = 0);
    }
}

/// The numbers of the phrases in a text that are looked at.
fn numbers(text: &[u8]) -> impl Iterator<Item = usize> {
    const ONE: u64 = 0x9e37_79b9_7f4a_7c15;
    const OTHER: u64 = 0xbf58_476d_1ce4_e5b9;
    text.windows(PHRASE_BYTES).filter_map(|phrase| {
        let word = |word: Option<&[u8; 8]>| word.copied().map_or(0, u64::from_le_bytes);
        let (start, end) = (word(phrase.first_chunk()), word(phrase.last_chunk()));
        let hash = (start.wrapping_mul(ONE) ^ end.rotate_left(23)).wrapping_mul(OTHER);
        let number = usize::try_from(hash >> (u64::BITS - PHRASES_LOG)).ok();
        number.filter(|_| hash.is_multiple_of(PHRASES_SHARE))
    })
}

#[cfg(test)]
mod tests {
    use super::{PIECE_BYTES, Page, Samples, selected};
    use crate::compiler::page::Policy;
    use crate::compiler::source::Content;
    use crate::path::SitePath;
    use crate::testing::Random;

    fn page(number: usize, content: Vec<u8>) -> Page {
        let origin = format!("/{number}.html");
        Page {
            path: SitePath::from_decoded(origin.clone()).unwrap(),
            media_type: "text/html".to_owned(),
            content: Content::Memory(content),
            policy: Policy::Computed,
            mount: 0,
            origin,
            listed: true,
        }
    }

    /// What no other text has.
    fn noise(random: &mut Random, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| random.below(256) as u8).collect()
    }

    #[test]
    fn it_has_what_pages_have_in_common_and_the_best_last() {
        let mut random = Random(11);
        let [all, few] = [5, 2].map(|pieces| noise(&mut random, pieces * PIECE_BYTES));
        let pages: Vec<Page> = (0..60)
            .map(|number| {
                let mut content = noise(&mut random, 3_000);
                content.extend_from_slice(&all);
                if number % 10 == 5 {
                    content.extend_from_slice(&few);
                }
                page(number, content)
            })
            .collect();
        let pages: Vec<&Page> = pages.iter().collect();
        let samples = Samples::of(&pages, 1 << 20, 1 << 20);
        let wanted = 16 * PIECE_BYTES;
        let dictionary = selected(&samples, wanted).unwrap();
        assert!(dictionary.len() <= wanted, "{}", dictionary.len());
        let found = |text: &[u8]| memchr::memmem::rfind(&dictionary, text);
        // Wherever a piece ends, some of each kilobyte of the common text is there.
        let mut places = all.chunks(512).map(|some| found(&some[100..150]));
        assert!(places.all(|place| place.is_some()));
        let place = |text: &[u8]| found(&text[PIECE_BYTES..][..50]).expect("several pages have it");
        assert!(place(&few) < place(&all), "the better is not behind");
    }

    #[test]
    fn samples_are_taken_evenly() {
        let pages: Vec<Page> = (0..100).map(|n| page(n, vec![b'x'; 100 + n])).collect();
        let pages: Vec<&Page> = pages.iter().collect();
        for (page_bytes, bytes_max, expected) in
            [(100, 2_000, 20), (50, 500, 10), (200, 1 << 30, 100)]
        {
            let samples = Samples::of(&pages, page_bytes, bytes_max);
            assert!(samples.bytes <= bytes_max + page_bytes);
            let places: Vec<&str> = samples.pages.iter().map(|page| &*page.origin).collect();
            assert!(places.len().abs_diff(expected) <= 1, "{places:?}");
            let mut halves = [0, 0];
            for page in &samples.pages {
                let number: usize = page.origin[1..page.origin.len() - 5].parse().unwrap();
                halves[number / 50] += 1_usize;
            }
            assert!(halves[0].abs_diff(halves[1]) <= 1, "{places:?}");
        }
    }
}
