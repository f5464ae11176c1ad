//! How long `Origin::respond` and the writing of a head take, without any socket.
//!
//! `cargo bench --bench respond -- [THOUSANDS]`: so many thousand answers a round, 100 by default.
//! Prints the median of eleven rounds, in nanoseconds for one answer.

use std::hint::black_box;
use std::time::Instant;

use chapbook::embedded;
use chapbook::origin::Origin;
use chapbook::request::{Field, Fields, Request, Version};
use chapbook::response::Connection;

/// Field lines besides Host.
type Lines<'a> = &'a [(&'a str, &'a str)];

const ROUNDS: usize = 11;
const NOW: u64 = 1_795_305_600;
const DATE: &str = "Sun, 22 Nov 2026 00:00:00 GMT";
/// What a browser sends besides.
const BROWSER: [(&str, &str); 7] = [
    ("Host", "127.0.0.1:8080"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140 Safari/537.36",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Language", "en-GB,en;q=0.9"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Connection", "keep-alive"),
    ("Upgrade-Insecure-Requests", "1"),
];

#[allow(
    dead_code,
    reason = "the test that runs this with size 1 has its own main"
)]
fn main() {
    let thousands = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    for (case, nanoseconds, status) in run(thousands.unwrap_or(100)) {
        println!("{case:<24} {status} {nanoseconds:>6} ns");
    }
}

/// Runs every case with `thousands` thousand answers a round. Name, median in nanoseconds for
/// one answer, status. Nothing if there is no site.
pub(crate) fn run(thousands: u32) -> Vec<(&'static str, u128, u16)> {
    let Ok(site) = embedded::site() else {
        return Vec::new();
    };
    let origin = Origin::new(site);
    let tag = entity_tag(&origin);
    let cases: [(&str, &str, Lines<'_>); 6] = [
        ("plain GET", "/poetry/not-modified", &[]),
        ("browser's GET", "/poetry/not-modified", &BROWSER),
        (
            "304 by tag",
            "/poetry/not-modified",
            &[("If-None-Match", &tag)],
        ),
        ("206", "/poetry/not-modified", &[("Range", "bytes=0-99")]),
        ("404", "/poetry/unwritten", &[]),
        ("308", "/poetry", &[]),
    ];
    cases
        .into_iter()
        .map(|(case, target, lines)| {
            let (median, status) = measure(&origin, target, lines, thousands);
            (case, median, status)
        })
        .collect()
}

fn measure(
    origin: &Origin<'static>,
    target: &str,
    lines: Lines<'_>,
    thousands: u32,
) -> (u128, u16) {
    let mut fields: Vec<Field<'_>> = lines
        .iter()
        .map(|(name, value)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
        })
        .collect();
    if !fields.iter().any(|field| field.name == b"Host") {
        fields.push(Field {
            name: b"Host",
            value: b"a",
        });
    }
    let version = Version { major: 1, minor: 1 };
    let target = target.as_bytes();
    let request = Request {
        method: b"GET",
        target,
        version,
        fields: Fields(&fields),
    };
    let answers = thousands * 1000;
    let mut head = Vec::with_capacity(4096);
    let mut status = 0;
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..answers {
                let response = origin.respond(black_box(&request), NOW);
                head.clear();
                response.write_head(&mut head, DATE, Connection::Persistent);
                status = response.status.code();
                black_box((&head, &response.content));
            }
            started.elapsed().as_nanos() / u128::from(answers.max(1))
        })
        .collect();
    rounds.sort_unstable();
    (rounds.get(ROUNDS / 2).copied().unwrap_or_default(), status)
}

fn entity_tag(origin: &Origin<'static>) -> String {
    let fields = [Field {
        name: b"Host",
        value: b"a",
    }];
    let version = Version { major: 1, minor: 1 };
    let target = b"/poetry/not-modified";
    let request = Request {
        method: b"GET",
        target,
        version,
        fields: Fields(&fields),
    };
    let mut head = Vec::new();
    origin
        .respond(&request, NOW)
        .write_head(&mut head, DATE, Connection::Persistent);
    let head = String::from_utf8_lossy(&head).into_owned();
    head.lines()
        .find_map(|line| line.strip_prefix("ETag: "))
        .unwrap_or_default()
        .to_owned()
}
