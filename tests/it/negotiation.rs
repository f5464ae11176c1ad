//! Content negotiation: RFC 9110 §12.5.3, §12.5.5.

use std::io::Read as _;

use crate::exchange::{Answer, Exchange};

fn asked(accepted: &str) -> Answer {
    Exchange::get("/poetry/slipway")
        .field("Accept-Encoding", accepted)
        .run()
}

#[test]
fn the_best_acceptable_coding_is_sent() {
    for (accepted, expected) in [
        ("gzip", Some("gzip")),
        ("gzip, br", Some("br")),
        ("br;q=0.5, gzip", Some("gzip")),
        ("gzip;q=0", None),
        ("*", Some("br")),
        ("*;q=0, gzip", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0, gzip", Some("gzip")),
        ("deflate", None),
        ("zstd", None),
        ("", None),
    ] {
        let answer = asked(accepted);
        assert_eq!(answer.status, 200, "{accepted:?}");
        assert_eq!(answer.field("Content-Encoding"), expected, "{accepted:?}");
        assert_eq!(
            answer.field("Vary"),
            Some("Accept-Encoding"),
            "{accepted:?}"
        );
    }
    let absent = Exchange::get("/poetry/slipway").expect(200).run();
    assert_eq!(absent.field("Content-Encoding"), None);
    assert_eq!(absent.field("Vary"), Some("Accept-Encoding"));
}

#[test]
fn several_lines_are_one_list() {
    let answer = Exchange::get("/poetry/slipway")
        .field("Accept-Encoding", "br;q=0.1")
        .field("Accept-Encoding", "gzip")
        .expect(200)
        .run();
    assert_eq!(answer.field("Content-Encoding"), Some("gzip"));
}

#[test]
fn what_is_sent_decodes_to_the_plain_content() {
    let plain = asked("identity").content;
    let mut gunzipped = Vec::new();
    flate2::read::GzDecoder::new(&*asked("gzip").content)
        .read_to_end(&mut gunzipped)
        .unwrap();
    assert_eq!(gunzipped, plain);
    let mut unbrotlied = Vec::new();
    brotli::BrotliDecompress(&mut &*asked("br").content, &mut unbrotlied).unwrap();
    assert_eq!(unbrotlied, plain);
}

#[test]
fn when_everything_is_excluded_it_is_406() {
    for accepted in ["identity;q=0", "*;q=0", "gzip;q=0, br;q=0, identity;q=0"] {
        let answer = asked(accepted);
        assert_eq!(answer.status, 406, "{accepted:?}");
        let text = answer.text();
        assert!(
            ["identity", "gzip", "br"]
                .iter()
                .all(|coding| text.contains(coding))
        );
        assert_eq!(
            answer.field("Vary"),
            Some("Accept-Encoding"),
            "{accepted:?}"
        );
    }
}

#[test]
fn a_resource_without_codings_does_not_vary() {
    let answer = Exchange::get("/robots.txt")
        .field("Accept-Encoding", "gzip, br")
        .expect(200)
        .run();
    assert_eq!(answer.field("Vary"), None);
    assert_eq!(answer.field("Content-Encoding"), None);
}

#[test]
fn the_404_page_is_negotiated_too() {
    let answer = Exchange::get("/nowhere")
        .field("Accept-Encoding", "br")
        .expect(404)
        .run();
    assert_eq!(answer.field("Content-Encoding"), Some("br"));
    assert_eq!(answer.field("Vary"), Some("Accept-Encoding"));
    assert_eq!(answer.field("ETag"), None);
    assert_eq!(answer.field("Accept-Ranges"), None);
}
