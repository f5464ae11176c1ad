//! Every field that can be sent re-parses by its own grammar: each entry of both sites, in each
//! coding, in each kind of answer.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use chapbook::http::date::imf_fixdate;
use chapbook::log::AccessLog;
use chapbook::origin::Origin;
use chapbook::server::Context;
use sitepack::Entry;

use crate::exchange::{Answer, Exchange, NOW};
use crate::server::{ENGINES, TestServer};
use crate::sites;

fn is_etag(value: &str) -> bool {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_date(value: &str) -> bool {
    let read = chapbook::http::date::parse(value.as_bytes(), NOW);
    read.is_some_and(|seconds| imf_fixdate(seconds) == value)
}

fn is_media_type(value: &str) -> bool {
    let (essence, parameter) = value.split_once("; ").unwrap_or((value, "charset=utf-8"));
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let is_parameter = parameter
        .split_once('=')
        .is_some_and(|(n, v)| is_token(n) && is_token(v));
    is_parameter
        && essence
            .split_once('/')
            .is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

fn is_content_range(value: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    let Some((range, length)) = value.strip_prefix("bytes ").and_then(|r| r.split_once('/')) else {
        return false;
    };
    let Some(length) = number(length) else {
        return false;
    };
    range == "*"
        || range.split_once('-').is_some_and(|(first, last)| {
            let (first, last) = (number(first), number(last));
            first <= last && last.is_some_and(|last| last < length)
        })
}

fn is_location(value: &str) -> bool {
    let uri = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b);
    value.starts_with('/') && !value.starts_with("//") && value.bytes().all(uri)
}

fn check(asked: &str, answer: &Answer) {
    for (name, value) in &answer.fields {
        let is_valid = match &**name {
            "Date" | "Last-Modified" => is_date(value),
            "ETag" => is_etag(value),
            "Content-Type" => is_media_type(value),
            "Content-Length" => value.parse::<u64>().is_ok(),
            "Content-Encoding" => ["gzip", "br", "zstd"].contains(&&**value),
            "Content-Range" => is_content_range(value),
            "Accept-Ranges" => value == "bytes",
            "Allow" => value == "GET, HEAD, OPTIONS",
            "Vary" => value == "Accept-Encoding",
            "Location" => is_location(value),
            "Cache-Control" => [
                "no-cache",
                "no-store",
                "public, max-age=31536000, immutable",
            ]
            .contains(&&**value),
            "Content-Security-Policy" => value.split("; ").all(|one| one.contains(' ')),
            "Referrer-Policy" => value == "no-referrer",
            "X-Content-Type-Options" => value == "nosniff",
            _ => false,
        };
        assert!(is_valid, "{asked}: {name}: {value}");
    }
}

#[test]
fn every_field_that_can_be_sent_re_parses() {
    let mut statuses = std::collections::BTreeSet::new();
    for (site, on_files) in [(sites::poems(), false), (sites::files(), true)] {
        for entry in site.entries() {
            let entry = entry.unwrap();
            let large = matches!(&entry, Entry::Resource(r) if r.path == "/large.png");
            let path = sitepack::percent_encode(entry.path());
            for coding in ["identity", "gzip", "br", "*;q=0"] {
                let kinds: [(&str, &str, &str); 11] = [
                    ("GET", "", ""),
                    ("HEAD", "", ""),
                    ("OPTIONS", "", ""),
                    ("POST", "", ""),
                    ("GET", "If-None-Match", "*"),
                    ("GET", "If-Match", "\"x\""),
                    ("GET", "Range", "bytes=0-0"),
                    ("GET", "Range", "bytes=0-0,5-5"),
                    ("GET", "Range", "bytes=99999999-"),
                    ("GET", "Expect", "nothing"),
                    ("GET", "Content-Length", "x"),
                ];
                for (method, name, value) in kinds {
                    if large && (method, name) == ("GET", "") {
                        continue; // 24 MB, and no other fields than the rest
                    }
                    let mut exchange = Exchange::new(method, &format!("{path}?a=b"));
                    exchange = exchange.field("Accept-Encoding", coding);
                    if on_files {
                        exchange = exchange.on_files();
                    }
                    if !name.is_empty() {
                        exchange = exchange.field(name, value);
                    }
                    let answer = exchange.run_on_core();
                    check(&format!("{exchange}"), &answer);
                    statuses.insert(answer.status);
                }
            }
        }
    }
    let all = [200, 206, 304, 308, 400, 405, 406, 412, 416, 417];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn the_date_follows_the_clock_in_both_directions() {
    static CLOCK: AtomicU64 = AtomicU64::new(NOW);
    for engine in ENGINES {
        let mut context = Context::new(Origin::new(sites::poems()), AccessLog::off());
        context.clock = || std::time::Duration::from_secs(CLOCK.load(Ordering::Relaxed));
        let server = TestServer::with(*engine, context);
        for now in [NOW, NOW + 36_000, NOW - 36_000, NOW - 36_001] {
            CLOCK.store(now, Ordering::Relaxed);
            let mut stream = server.connect();
            let raw = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(raw).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let answer = Answer::parse(&answer, "GET");
            assert_eq!(answer.field("Date"), Some(&*imf_fixdate(now)));
        }
    }
}
