//! Archives by the tools that people use, and what is left of them after damage.

use std::path::{Path, PathBuf};

use super::testing::{gzip, unpacked};
use super::{Kind, kind, unpack};

/// One site in the archives of GNU tar 1.34 (its own format, and pax), Python 3's tarfile and
/// zipfile (the latter to a pipe, so that lengths follow contents), Info-ZIP 3.0, git 2.
fn fixtures() -> Vec<(PathBuf, Kind)> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compiler/archive/fixtures");
    let mut fixtures: Vec<_> = room
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), kind(path.to_str().unwrap()).unwrap()))
        .collect();
    fixtures.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(fixtures.len(), 7);
    fixtures
}

/// Times in the fixtures: 2024-05-01T12:00:00Z.
const MODIFIED: u64 = 1_714_564_800;

#[test]
fn every_tool_s_archive_of_a_site_is_the_site() {
    let (verse, deep) = ("a line of verse, and ".repeat(200), "x".repeat(120));
    let expected = [
        (format!("site/deep/{deep}.html"), "deep\n"),
        ("site/hard.html".to_owned(), "home\n"),
        ("site/index.html".to_owned(), "home\n"),
        ("site/poems/grün.html".to_owned(), "grün\n"),
        ("site/poems/home.html".to_owned(), "home\n"),
        ("site/poems/long.txt".to_owned(), &verse),
        ("site/verse/grün.html".to_owned(), "grün\n"),
        ("site/verse/home.html".to_owned(), "home\n"),
        ("site/verse/long.txt".to_owned(), &verse),
    ];
    for (path, kind) in fixtures() {
        let found = unpack(&path, kind, None).unwrap();
        let files: Vec<_> = found
            .files
            .iter()
            .map(|(name, slice)| (name.clone(), slice.read().unwrap()))
            .collect();
        assert_eq!(files.len(), expected.len(), "{path:?}: {files:?}");
        for ((name, content), (expected_name, expected)) in files.iter().zip(&expected) {
            assert_eq!(name, expected_name, "{path:?}");
            assert_eq!(content, expected.as_bytes(), "{path:?}: {name}");
        }
        let expected = (kind != Kind::Zip).then_some(MODIFIED);
        assert_eq!(found.modified, expected, "{path:?}");
    }
}

/// Numbers that look like chance and are the same each time (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// The archives as they are and without their coding, which would hide most of the damage.
fn samples() -> Vec<(Vec<u8>, Kind)> {
    let mut samples = Vec::new();
    for (path, kind) in fixtures() {
        let bytes = std::fs::read(path).unwrap();
        if kind == Kind::TarGzip {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&*bytes);
            std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
            #[cfg(feature = "zstd")]
            samples.push((zstd::bulk::compress(&plain, 3).unwrap(), Kind::TarZstd));
            samples.push((plain, Kind::Tar));
        }
        samples.push((bytes, kind));
    }
    samples
}

#[test]
fn an_archive_that_was_cut_anywhere_is_refused() {
    let mut chance = Chance(4);
    for (bytes, kind) in samples() {
        // GNU tar and Python fill up to 10,240 bytes with zeros; one block of them is an end.
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let end = match kind {
            Kind::Tar => (bytes.len() - zeros).next_multiple_of(512) + 511,
            Kind::TarGzip | Kind::TarZstd | Kind::Zip => bytes.len() - 1,
        };
        for _ in 0..40 {
            let cut = chance.below(end + 1);
            unpacked(&bytes[..cut], kind).unwrap_err();
        }
    }
}

#[test]
fn damage_gives_an_error_or_a_site_and_never_a_panic() {
    let mut chance = Chance(5);
    let mut refused = 0;
    for (bytes, kind) in samples() {
        for _ in 0..80 {
            let mut damaged = bytes.clone();
            for _ in 0..=chance.below(4) {
                if damaged.is_empty() {
                    break;
                }
                let place = chance.below(damaged.len());
                match chance.below(4) {
                    0 => damaged[place] ^= 1 << chance.below(8),
                    1 => damaged[place] = [0, 0x7f, 0x80, 0xff, b'/', b'.', b'7'][chance.below(7)],
                    2 => drop(damaged.drain(place..(place + 512).min(damaged.len()))),
                    _ => {
                        let from = chance.below(damaged.len());
                        let part = damaged[from..(from + 512).min(damaged.len())].to_vec();
                        drop(damaged.splice(place..place, part));
                    }
                }
            }
            refused += usize::from(unpacked(&damaged, kind).is_err());
        }
    }
    assert!(refused > 500, "{refused}");
}

/// The checksum of a header keeps damage from its fields: here each field is any bytes, and the
/// checksum is right.
#[test]
fn any_header_gives_an_error_or_a_site_and_never_a_panic() {
    let mut chance = Chance(6);
    let whole = super::testing::tar(&[
        super::testing::pax(b'x', "path", b"p"),
        super::testing::file("a", "content"),
        super::testing::link("b", "p"),
        super::testing::hard_link("c", "p"),
    ]);
    for _ in 0..600 {
        let mut damaged = whole.clone();
        for block in (0..damaged.len() / 512).map(|n| n * 512) {
            if chance.below(3) == 0 && damaged[block + 257..].starts_with(b"ustar") {
                let place = block + [0, 124, 135, 136, 156, 157, 257, 345][chance.below(8)];
                damaged[place] = b"\x000257xgLKS./\x80\xff"[chance.below(14)];
                let summed = super::testing::summed(damaged[block..block + 512].to_vec());
                damaged[block..block + 512].copy_from_slice(&summed);
            }
        }
        let plain = unpacked(&damaged, Kind::Tar);
        assert_eq!(unpacked(&gzip(&damaged), Kind::TarGzip), plain);
    }
}
