//! What requests may say, and what of it makes a difference: RFC 9110 §5, §7, §10.1.1, §12.5,
//! §13.2.1.

use crate::exchange::Exchange;
use crate::sites::FILES_LAST_MODIFIED;

fn eleven() -> Exchange {
    Exchange::get("/eleven.txt").on_files()
}

#[test]
fn names_of_fields_have_no_case() {
    let asked = eleven().field("hOsT", "a").field("rAnGe", "bytes=0-1");
    assert_eq!(asked.expect(206).run().text(), "01");
    let asked = eleven().field("IF-MODIFIED-SINCE", FILES_LAST_MODIFIED);
    asked.expect(304).run();
}

#[test]
fn fields_that_are_not_known_are_ignored() {
    for (name, value) in [
        ("X-Unknown", "a"),
        ("Max-Forwards", "0"),
        ("Content-Type", "junk"),
        ("Content-Range", "bytes 0-1/2"),
        ("Cache-Control", "only-if-cached"),
        ("Authorization", "Basic x"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Trailer", "Host"),
        ("TE", "trailers, gzip;q=0.5"),
    ] {
        let answer = eleven().field(name, value).expect(200).run();
        assert_eq!(answer.text(), "0123456789a", "{name}");
    }
}

#[test]
fn what_is_not_negotiated_is_ignored() {
    for (name, value) in [
        ("Accept", "image/png"),
        ("Accept", "*/*;q=0"),
        ("Accept", ""),
        ("Accept-Language", "xx, *;q=0"),
        ("Accept-Charset", "utf-16"),
    ] {
        let answer = eleven().field(name, value).expect(200).run();
        let content_type = answer.field("Content-Type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"), "{name}");
    }
}

#[test]
fn host_and_length_are_judged_before_the_method() {
    Exchange::new("FOO", "/").without_host().expect(400).run();
    let two = Exchange::new("FOO", "/")
        .field("Host", "a")
        .field("Host", "b");
    two.expect(400).run();
    let malformed = Exchange::new("FOO", "/").field("Host", "a b");
    malformed.expect(400).run();
    let length = Exchange::new("FOO", "/").field("Content-Length", "x");
    length.expect(400).run_on_core();
    Exchange::new("POST", "/").without_host().expect(400).run();
}

#[test]
fn absolute_form_stands_above_host() {
    let asked = Exchange::get("http://b.example/eleven.txt").on_files();
    let answer = asked.clone().field("Host", "a.example").expect(200).run();
    assert_eq!(answer.text(), "0123456789a");
    // § 3.2: which does not make a malformed one good, nor one that is not there.
    asked.clone().field("Host", "a b").expect(400).run();
    asked.without_host().expect(400).run();
}

#[test]
fn expectations_are_a_list() {
    for value in ["100-continue, 100-Continue", ",100-continue", ""] {
        let asked = Exchange::get("/").field("Expect", value);
        asked.expect(200).run_on_core();
    }
    let unknown = Exchange::get("/").field("Expect", "100-continue, a-miracle");
    unknown.expect(417).run_on_core();
}

#[test]
fn pages_made_at_run_time_have_preconditions_too() {
    for (name, value, status) in [
        ("If-Match", "*", 200),
        ("If-Match", "\"x\"", 412),
        ("If-None-Match", "\"x\"", 200),
        ("If-None-Match", "*", 304),
        ("If-Modified-Since", FILES_LAST_MODIFIED, 200),
        ("If-Unmodified-Since", FILES_LAST_MODIFIED, 200),
        ("Range", "bytes=0-1", 200),
    ] {
        let asked = Exchange::get("/-/health").field(name, value);
        let answer = asked.expect(status).run();
        assert_eq!(answer.field("Cache-Control"), Some("no-store"), "{name}");
        Exchange::new("OPTIONS", "/-/health")
            .field(name, value)
            .expect(200)
            .run();
    }
}
