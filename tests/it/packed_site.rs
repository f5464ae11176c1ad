//! The packed site under damage: whatever byte is flipped, nothing panics, and `verify` says so.

use chapbook::origin::Origin;
use chapbook::request::{Field, Fields, Request, Version};
use sitepack::compiler::Compiler;
use sitepack::{OpenError, Site};

use crate::exchange::NOW;

/// A small site: every one of its bytes can be tried.
fn small() -> Vec<u8> {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("sub")).unwrap();
    std::fs::write(root.path().join("index.html"), "<p>root</p>\n".repeat(30)).unwrap();
    std::fs::write(root.path().join("404.html"), "<p>missing</p>\n").unwrap();
    std::fs::write(root.path().join("sub/index.html"), "<p>sub</p>\n").unwrap();
    Compiler::new()
        .files("/", root.path())
        .compile()
        .unwrap()
        .bytes
}

fn respond_to_everything(site: &Site<'_>) {
    let origin = Origin::new(site.clone());
    let fields = [
        Field {
            name: b"Host",
            value: b"a",
        },
        Field {
            name: b"Accept-Encoding",
            value: b"gzip, br",
        },
        Field {
            name: b"Range",
            value: b"bytes=0-3,9-",
        },
    ];
    for target in [
        &b"/"[..],
        b"/sub",
        b"/sub/",
        b"/index.html",
        b"/404.html",
        b"/nowhere",
    ] {
        let version = Version { major: 1, minor: 1 };
        let request = Request {
            method: b"GET",
            target,
            version,
            fields: Fields(&fields),
        };
        let response = origin.respond(&request, NOW);
        assert!(response.content.slices().map(<[u8]>::len).sum::<usize>() <= 1 << 16);
    }
}

#[test]
fn every_flipped_byte_is_found_and_none_makes_it_panic() {
    let whole = small();
    assert!(Site::open(&whole).unwrap().verify().is_empty());
    let mut named = 0;
    let mut damaged = whole.clone();
    for at in 0..whole.len() {
        damaged[at] ^= 0x55;
        match Site::open(&damaged) {
            Err(_) => assert!(at < sitepack::format::HEADER_BYTES, "byte {at}"),
            Ok(site) => {
                let faults = site.verify();
                assert!(!faults.is_empty(), "byte {at} is not missed");
                named += usize::from(faults[0].to_string().contains("`/"));
                respond_to_everything(&site);
            }
        }
        damaged[at] = whole[at];
    }
    // Contents and index; the rest is padding, and slots that nothing points to.
    assert!(
        named > 1500,
        "{named} of {} bytes lead to a name",
        whole.len()
    );
}

#[test]
fn what_is_cut_short_or_added_to_does_not_open() {
    let whole = small();
    for length in (0..whole.len())
        .step_by(97)
        .chain([0, 1, 255, 256, whole.len() - 1])
    {
        assert!(Site::open(&whole[..length]).is_err(), "{length} bytes");
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(Site::open(&longer), Err(OpenError::Length { .. })));
    assert!(matches!(
        Site::open(b"short"),
        Err(OpenError::Short { bytes: 5 })
    ));
    assert!(matches!(Site::open(&[0; 300]), Err(OpenError::NoMagic)));
    let mut newer = whole.clone();
    newer[8] = 4;
    assert!(matches!(
        Site::open(&newer),
        Err(OpenError::Version { found: 4 })
    ));
}

#[test]
fn large_contents_begin_on_a_page() {
    let site = crate::sites::files();
    let mut large = 0;
    for entry in site.entries() {
        let sitepack::Entry::Resource(resource) = entry.unwrap() else {
            continue;
        };
        for found in resource.representations().map(Result::unwrap) {
            if found.length >= sitepack::format::LARGE_CONTENT_BYTES {
                assert_eq!(
                    found.offset % sitepack::format::PAGE_BYTES,
                    0,
                    "{}",
                    resource.path
                );
                large += 1;
            }
        }
    }
    assert!(large > 0);
    let start = chapbook::embedded::bytes().unwrap().as_ptr() as usize;
    assert_eq!(start % 4096, 0, "the embedded site itself begins on a page");
}

#[test]
#[cfg(feature = "zstd")]
fn what_is_not_sent_as_it_is_stands_close() {
    // Of small sites some contents are made of more than a page.
    let small = crate::stored::long(sitepack::compiler::Store::Small);
    let path = sitepack::SitePath::from_decoded("/large.txt").unwrap();
    let Ok(Some(sitepack::Entry::Resource(found))) = small.find(&path) else {
        panic!("it is not there");
    };
    let made = found.identity().unwrap();
    assert!(made.stored().is_none() && made.stored_bytes() as u64 > sitepack::format::PAGE_BYTES);
    assert_ne!(
        made.offset % sitepack::format::PAGE_BYTES,
        0,
        "it is padded"
    );
}

#[test]
fn a_look_up_finds_every_path_of_ten_thousand() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..10_000 {
        std::fs::write(root.path().join(format!("page-{n}.txt")), n.to_string()).unwrap();
    }
    let compiled = Compiler::new()
        .codings(&[])
        .files("/", root.path())
        .compile()
        .unwrap();
    let site = Site::open(&compiled.bytes).unwrap();
    for n in 0..10_000 {
        let path = sitepack::SitePath::from_decoded(format!("/page-{n}.txt")).unwrap();
        let Ok(Some(sitepack::Entry::Resource(found))) = site.find(&path) else {
            panic!("{path}")
        };
        assert_eq!(
            *found.identity().unwrap().content().unwrap(),
            *n.to_string().as_bytes()
        );
    }
    let missing = sitepack::SitePath::from_decoded("/page-10000.txt").unwrap();
    assert!(matches!(site.find(&missing), Ok(None)));
}
