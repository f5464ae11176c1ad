//! A site answers alike however its contents are stored: plain, coded, or as frames that contents
//! are made of.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chapbook::log::AccessLog;
use chapbook::origin::Origin;
use chapbook::server::{Context, Engine, Makers};
use sitepack::compiler::Store;
use sitepack::{ContentCoding, Entry, Representation, Site, SitePath};

use crate::exchange::{Answer, Exchange};
use crate::server::{ENGINES, TestServer};
use crate::stored;

const STORES: [(Store, fn() -> Site<'static>); 3] = [
    (Store::All, || stored::stored(Store::All)),
    (Store::Coded, || stored::stored(Store::Coded)),
    (Store::Small, || stored::stored(Store::Small)),
];

/// The same with a text of 3 MB.
const LONG: [(Store, fn() -> Site<'static>); 3] = [
    (Store::All, || stored::long(Store::All)),
    (Store::Coded, || stored::long(Store::Coded)),
    (Store::Small, || stored::long(Store::Small)),
];

const ACCEPTED: [Option<&str>; 8] = [
    None,
    Some("identity"),
    Some("gzip"),
    Some("br"),
    Some("zstd"),
    Some("gzip, deflate, br, zstd"),
    Some("gzip, identity;q=0"),
    Some("identity;q=0, *;q=0"),
];

fn ask(site: fn() -> Site<'static>, path: &str, accepted: Option<&str>) -> Exchange {
    let exchange = Exchange::get(path).on(site);
    match accepted {
        Some(accepted) => exchange.field("Accept-Encoding", accepted),
        None => exchange,
    }
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    match answer.field("Content-Encoding") {
        None => plain.clone_from(&answer.content),
        Some("gzip") => {
            let mut decoder = flate2::read::GzDecoder::new(&*answer.content);
            decoder.read_to_end(&mut plain).unwrap();
        }
        Some("br") => brotli::BrotliDecompress(&mut &*answer.content, &mut plain).unwrap(),
        Some(other) => panic!("{other}"),
    }
    plain
}

/// What is found under a path of a site.
fn representation(
    site: &Site<'static>,
    path: &str,
    coding: ContentCoding,
) -> Representation<'static> {
    let path = SitePath::from_decoded(path.to_owned()).unwrap();
    let Ok(Some(Entry::Resource(found))) = site.find(&path) else {
        panic!("{path} is not there")
    };
    found.under(coding).unwrap().expect("it has that coding")
}

#[test]
fn every_store_gives_the_same_contents() {
    for (path, content) in stored::texts() {
        for accepted in ACCEPTED {
            let answers = STORES.map(|(_, site)| ask(site, &path, accepted).run());
            let [all, ..] = &answers;
            for answer in &answers {
                let what = format!("{path} {accepted:?}: {answer}");
                assert_eq!(answer.status, all.status, "{what}");
                if answer.status != 200 {
                    let forbids = accepted.is_some_and(|it| it.contains("identity;q=0"));
                    assert!(answer.status == 406 && forbids, "{what}");
                    continue;
                }
                assert!(decoded(answer) == content, "{what}");
                let same_coding = answer.field("Content-Encoding") == all.field("Content-Encoding");
                assert_eq!(answer.field("Vary"), all.field("Vary"), "{what}");
                if same_coding && answer.field("Content-Encoding") != Some("gzip") {
                    assert_eq!(answer.field("ETag"), all.field("ETag"), "{what}");
                }
            }
        }
    }
}

/// For one store, everything that can be asked about one representation.
fn ask_all_about(store: Store, site: fn() -> Site<'static>, path: &str, accepted: Option<&str>) {
    let what = format!("{path} {accepted:?} {}", store.name());
    let asked = || ask(site, path, accepted);
    let whole = asked().expect(200).run();
    let tag = whole.field("ETag").unwrap().to_owned();
    let length = whole.content.len();

    let mut head = Exchange::head(path).on(site);
    if let Some(accepted) = accepted {
        head = head.field("Accept-Encoding", accepted);
    }
    let head = head.expect(200).run();
    assert_eq!(head.lasting_fields(), whole.lasting_fields(), "{what}");
    let fresh = asked().field("If-None-Match", &tag).expect(304).run();
    assert_eq!(fresh.field("ETag"), Some(&*tag), "{what}");
    if length < 10 {
        return;
    }
    for (range, first, last) in [
        ("0-0".to_owned(), 0, 0),
        ("3-8".to_owned(), 3, 8),
        (format!("{}-", length / 2), length / 2, length - 1),
        ("-3".to_owned(), length - 3, length - 1),
        (format!("0-{}", length * 2), 0, length - 1),
    ] {
        let range = format!("bytes={range}");
        let part = asked().field("Range", &range).expect(206).run();
        assert!(
            part.content == whole.content[first..=last],
            "{what} {range}"
        );
        let stated = format!("bytes {first}-{last}/{length}");
        assert_eq!(part.field("Content-Range"), Some(&*stated), "{what}");
        let same = asked().field("Range", &range).field("If-Range", &tag);
        assert!(same.expect(206).run().content == part.content, "{what}");
        let other = asked().field("Range", &range).field("If-Range", "\"x\"");
        assert!(other.expect(200).run().content == whole.content, "{what}");
    }
    let past = format!("bytes={length}-");
    asked().field("Range", &past).expect(416).run();
    let several = asked().field("Range", "bytes=0-0,4-4").run();
    let is_made = match whole.field("Content-Encoding") {
        None => store != Store::All,
        Some("gzip") => store == Store::Small,
        Some(_) => false,
    };
    if is_made && path != "/plain.png" {
        assert_eq!(several.status, 200, "{what}");
        assert!(several.content == whole.content, "{what}");
    } else {
        assert_eq!(several.status, 206, "{what}");
    }
}

#[test]
fn conditions_and_ranges_are_the_same_in_every_store() {
    for (store, site) in STORES {
        for path in ["/", "/page.html", "/plain.png", "/empty.txt"] {
            for accepted in [None, Some("gzip"), Some("br")] {
                ask_all_about(store, site, path, accepted);
            }
        }
    }
    for (store, site) in LONG {
        ask_all_about(store, site, "/large.txt", None);
        ask_all_about(store, site, "/large.txt", Some("gzip"));
    }
}

#[test]
fn the_missing_page_is_made_too() {
    for (store, site) in STORES {
        for accepted in [None, Some("gzip")] {
            let answer = ask(site, "/nowhere", accepted).expect(404).run();
            let page = stored::missing_page();
            assert!(decoded(&answer) == page.as_bytes(), "{}", store.name());
            assert_eq!(answer.field("ETag"), None);
        }
    }
}

fn server(engine: Engine, site: Site<'static>, makers_bytes: Option<u64>) -> TestServer {
    let mut context = Context::new(Origin::new(site), AccessLog::off());
    if let Some(bytes) = makers_bytes {
        context.makers = Arc::new(Makers::new(bytes));
    }
    TestServer::with(engine, context)
}

fn request(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

/// Waits until nothing is being made.
fn nothing_is_held(server: &TestServer) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.context.makers.bytes() > 0 {
        let held = server.context.makers.bytes();
        assert!(Instant::now() < deadline, "{held} bytes are held");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_slow_reader_gets_what_is_made() {
    for engine in ENGINES {
        for (_, site) in LONG {
            let server = server(*engine, site(), None);
            let mut stream = server.connect();
            socket2::SockRef::from(&stream)
                .set_recv_buffer_size(16 << 10)
                .unwrap();
            stream
                .write_all(&request("/large.txt", "Connection: close\r\n"))
                .unwrap();
            let (mut bytes, mut chunk) = (Vec::new(), vec![0; 100_000]);
            loop {
                match stream.read(&mut chunk).unwrap() {
                    0 => break,
                    read => bytes.extend_from_slice(&chunk[..read]),
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(Answer::parse(&bytes, "GET").content == crate::sites::large_text());
            nothing_is_held(&server);
        }
    }
}

#[test]
fn who_leaves_frees_what_was_made_for_them() {
    for engine in ENGINES {
        let server = server(*engine, stored::long(Store::Small), None);
        for _ in 0..10 {
            let mut stream = server.connect();
            stream.write_all(&request("/large.txt", "")).unwrap();
            stream.read_exact(&mut [0; 10]).unwrap();
        }
        nothing_is_held(&server);
    }
}

#[test]
fn at_the_bound_of_makers_it_is_503_and_the_connection_goes_on() {
    for engine in ENGINES {
        let server = server(*engine, stored::stored(Store::Small), Some(100_000));
        let mut stream = server.connect();
        let raw = [
            request("/page.html", ""),
            request("/plain.png", ""),
            request("/page.html", "Connection: close\r\n"),
        ];
        stream.write_all(&raw.concat()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let (busy, rest) = Answer::take(&bytes, "GET");
        assert_eq!((busy.status, busy.field("Retry-After")), (503, Some("1")));
        assert_eq!(busy.field("Connection"), None);
        let (stored, rest) = Answer::take(rest, "GET");
        assert_eq!(stored.status, 200, "what is stored needs no maker");
        assert_eq!(Answer::parse(rest, "GET").status, 503);
        nothing_is_held(&server);
    }
    // HEAD makes nothing, nor does a 304.
    let engine = ENGINES[0];
    let server = server(engine, stored::stored(Store::Small), Some(0));
    let mut stream = server.connect();
    let raw = b"HEAD /page.html HTTP/1.1\r\nHost: a\r\n\r\n\
        GET /page.html HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n";
    stream.write_all(raw).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let (head, rest) = Answer::take(&bytes, "HEAD");
    assert_eq!(head.status, 200);
    assert_eq!(Answer::parse(rest, "GET").status, 304);
}

/// The site with one byte of what is stored of a path changed, in the middle or near its end.
fn damaged(site: &Site<'static>, path: &str, late: bool) -> Site<'static> {
    let identity = representation(site, path, ContentCoding::Identity);
    let start = usize::try_from(identity.offset).unwrap();
    let stored = identity.stored_bytes();
    let at = start + if late { stored - 1_000 } else { stored / 2 };
    let mut bytes = site.as_bytes().to_vec();
    bytes[at] ^= 0x10;
    Site::open(Box::leak(bytes.into_boxed_slice())).unwrap()
}

#[test]
fn what_is_damaged_is_500_before_it_is_sent_and_the_connection_goes_on() {
    for engine in ENGINES {
        for store in [Store::Coded, Store::Small] {
            let server = server(
                *engine,
                damaged(&stored::stored(store), "/page.html", false),
                None,
            );
            let mut stream = server.connect();
            let raw = [
                request("/page.html", ""),
                request("/", ""),
                request("/page.html", "Range: bytes=-5\r\nConnection: close\r\n"),
            ];
            stream.write_all(&raw.concat()).unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let (first, rest) = Answer::take(&bytes, "GET");
            let (second, rest) = Answer::take(rest, "GET");
            let last = Answer::parse(rest, "GET");
            let statuses = [first.status, second.status, last.status];
            assert_eq!(statuses, [500, 200, 500], "{}", store.name());
            nothing_is_held(&server);
        }
    }
}

#[test]
fn what_shows_its_damage_late_is_cut_short() {
    for engine in ENGINES {
        for store in [Store::Coded, Store::Small] {
            let server = server(
                *engine,
                damaged(&stored::long(store), "/large.txt", true),
                None,
            );
            let mut stream = server.connect();
            let raw = [request("/large.txt", ""), request("/", "")];
            stream.write_all(&raw.concat()).unwrap();
            if engine.name() == "tiny_http" {
                // It sees before, since it could not end the connection.
                let mut head = [0; 12];
                stream.read_exact(&mut head).unwrap();
                assert_eq!(Answer::parse_leniently(&head), Some(500));
                continue;
            }
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            assert_eq!(Answer::parse_leniently(&bytes), Some(200));
            assert!(
                bytes.len() < crate::sites::large_text().len(),
                "{}",
                store.name()
            );
            let mut again = server.connect();
            again
                .write_all(&request("/page.html", "Connection: close\r\n"))
                .unwrap();
            let mut bytes = Vec::new();
            again.read_to_end(&mut bytes).unwrap();
            assert_eq!(Answer::parse(&bytes, "GET").status, 200);
            nothing_is_held(&server);
        }
    }
}
