//! Range requests: RFC 9110 §14.

use crate::exchange::{Answer, Exchange};
use crate::sites::FILES_LAST_MODIFIED;

fn eleven(range: &str) -> Answer {
    Exchange::get("/eleven.txt")
        .on_files()
        .field("Range", range)
        .run()
}

#[test]
fn single_ranges() {
    for (range, content, expected) in [
        ("bytes=0-4", "01234", "bytes 0-4/11"),
        ("bytes=2-", "23456789a", "bytes 2-10/11"),
        ("bytes=-5", "6789a", "bytes 6-10/11"),
        ("bytes=5-1000", "56789a", "bytes 5-10/11"),
        ("bytes=0-10", "0123456789a", "bytes 0-10/11"),
        ("bytes=10-", "a", "bytes 10-10/11"),
        ("bytes=15-,0-5", "012345", "bytes 0-5/11"),
        ("bytes=0-1,2-3", "0123", "bytes 0-3/11"),
    ] {
        let answer = eleven(range);
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.field("Content-Range"), Some(expected), "{range}");
        assert_eq!(answer.text(), content, "{range}");
        assert_eq!(
            answer.field("Content-Type"),
            Some("text/plain; charset=utf-8")
        );
    }
}

#[test]
fn unsatisfiable_ranges_get_416_with_the_length() {
    for range in ["bytes=11-", "bytes=11-12,12-12", "bytes=100-", "bytes=-0"] {
        let answer = eleven(range);
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.field("Content-Range"), Some("bytes */11"), "{range}");
    }
}

#[test]
fn malformed_and_foreign_ranges_are_ignored() {
    for range in [
        "bytes=5-4",
        "bytes=0-2,5-4",
        "bytes=A-Z",
        "bytes=",
        "7",
        "items=0-1",
        "bytes=0-1;",
        "bytes= 0-1",
    ] {
        let answer = eleven(range);
        assert_eq!(
            (answer.status, answer.text()),
            (200, "0123456789a"),
            "{range}"
        );
    }
    let twice = Exchange::get("/eleven.txt").on_files();
    twice
        .field("Range", "bytes=0-1")
        .field("Range", "bytes=2-3")
        .expect(200)
        .run();
}

#[test]
fn several_parts_come_as_multipart() {
    let answer = eleven("bytes=8-9,0-1");
    assert_eq!(answer.status, 206);
    assert_eq!(answer.field("Content-Range"), None);
    let boundary = answer
        .field("Content-Type")
        .and_then(|value| value.strip_prefix("multipart/byteranges; boundary="))
        .unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Range: bytes 8-9/11\r\n\r\n89\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Range: bytes 0-1/11\r\n\r\n01\r\n--{boundary}--\r\n"
    );
    assert_eq!(answer.text(), expected);
}

#[test]
fn overlapping_ranges_are_merged_and_too_many_ignored() {
    let answer = Exchange::get("/8000.txt")
        .on_files()
        .field("Range", "bytes=0-100,70-100,1000-1001")
        .expect(206)
        .run();
    let text = answer.text();
    assert!(text.contains("Content-Range: bytes 0-100/8000"), "{text}");
    assert!(
        text.contains("Content-Range: bytes 1000-1001/8000"),
        "{text}"
    );
    assert_eq!(text.matches("Content-Range").count(), 2);
    let many: Vec<String> = (0..200).map(|n| format!("{}-{}", n * 10, n * 10)).collect();
    let many = format!("bytes={}", many.join(","));
    Exchange::get("/8000.txt")
        .on_files()
        .field("Range", &many)
        .expect(200)
        .run();
}

#[test]
fn ranges_are_of_the_selected_representation() {
    let coded = Exchange::get("/poetry/slipway").field("Accept-Encoding", "gzip");
    let whole = coded.clone().expect(200).run();
    let part = coded
        .clone()
        .field("Range", "bytes=10-19")
        .expect(206)
        .run();
    assert_eq!(part.content, whole.content[10..20]);
    assert_eq!(part.field("Content-Encoding"), Some("gzip"));
    assert_eq!(part.field("Vary"), Some("Accept-Encoding"));
    assert_eq!(part.field("ETag"), whole.field("ETag"));
    let parts = coded.field("Range", "bytes=0-1,10-11").expect(206).run();
    assert_eq!(parts.field("Content-Encoding"), Some("gzip"));
}

#[test]
fn head_ignores_range() {
    let answer = Exchange::head("/eleven.txt")
        .on_files()
        .field("Range", "bytes=0-1")
        .run();
    assert_eq!(
        (answer.status, answer.field("Content-Length")),
        (200, Some("11"))
    );
}

#[test]
fn an_empty_file_has_no_ranges() {
    for (range, status) in [("bytes=0-", 416), ("bytes=-1", 200), ("bytes=0-0", 416)] {
        Exchange::get("/empty.txt")
            .on_files()
            .field("Range", range)
            .expect(status)
            .run();
    }
    let answer = Exchange::get("/empty.txt").on_files().expect(200).run();
    assert_eq!(answer.field("Content-Length"), Some("0"));
}

#[test]
fn if_range_needs_the_very_validator() {
    let asked = || {
        Exchange::get("/eleven.txt")
            .on_files()
            .field("Range", "bytes=0-1")
    };
    let tag = asked().run().field("ETag").unwrap().to_owned();
    for (value, status) in [
        (&*tag, 206),
        (FILES_LAST_MODIFIED, 206),
        (&*format!("W/{tag}"), 200),
        ("\"x\"", 200),
        ("Sun, 09 Sep 2001 01:46:41 GMT", 200),
        ("junk", 200),
    ] {
        let answer = asked().field("If-Range", value).expect(status).run();
        if status == 206 {
            // RFC 9110 §15.3.7: the client has the rest of the fields already.
            assert_eq!(answer.field("ETag"), Some(&*tag));
            assert_eq!(answer.field("Content-Type"), None);
            assert_eq!(answer.field("Last-Modified"), None);
        }
    }
    // Without Range, If-Range says nothing.
    Exchange::get("/eleven.txt")
        .on_files()
        .field("If-Range", "\"x\"")
        .expect(200)
        .run();
    // A precondition comes first.
    asked().field("If-None-Match", &tag).expect(304).run();
    asked().field("If-Match", "\"x\"").expect(412).run();
}
