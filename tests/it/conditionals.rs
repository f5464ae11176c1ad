//! Conditional requests: RFC 9110 §13, on representations with and without codings.

use crate::exchange::Exchange;
use crate::sites::FILES_LAST_MODIFIED;

fn etag(target: &str, coding: &str) -> String {
    let answer = Exchange::get(target)
        .field("Accept-Encoding", coding)
        .expect(200)
        .run();
    answer.field("ETag").unwrap().to_owned()
}

#[test]
fn a_known_entity_tag_gets_304_with_the_fields_of_15_4_5() {
    for coding in ["identity", "gzip", "br"] {
        let tag = etag("/poetry/slipway", coding);
        let answer = Exchange::get("/poetry/slipway")
            .field("Accept-Encoding", coding)
            .field("If-None-Match", &tag)
            .expect(304)
            .run();
        assert_eq!(answer.field("ETag"), Some(&*tag));
        assert_eq!(answer.field("Vary"), Some("Accept-Encoding"));
        assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
        assert_eq!(answer.field("Content-Type"), None);
        assert_eq!(answer.field("Content-Encoding"), None);
    }
}

#[test]
fn each_coding_has_a_strong_tag_of_its_own() {
    let tags = ["identity", "gzip", "br"].map(|coding| etag("/poetry/slipway", coding));
    for (index, tag) in tags.iter().enumerate() {
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34,
            "{tag}"
        );
        assert!(!tags[..index].contains(tag), "{tags:?}");
    }
    // The tag of one coding does not make another one fresh.
    Exchange::get("/poetry/slipway")
        .field("Accept-Encoding", "gzip")
        .field("If-None-Match", &tags[0])
        .expect(200)
        .run();
}

#[test]
fn if_none_match_takes_lists_weak_tags_and_any() {
    let tag = etag("/poetry/", "identity");
    for value in [
        format!("\"x\", {tag}"),
        format!("W/{tag}"),
        format!("\"a,b\" ,, {tag} ,"),
        "*".to_owned(),
    ] {
        Exchange::get("/poetry/")
            .field("If-None-Match", &value)
            .expect(304)
            .run();
        Exchange::head("/poetry/")
            .field("If-None-Match", &value)
            .expect(304)
            .run();
    }
    Exchange::get("/poetry/")
        .field("If-None-Match", "\"x\"")
        .field("If-None-Match", &tag)
        .expect(304)
        .run();
    for value in [",", "\"x\"", tag.trim_matches('"'), &tag.to_uppercase()] {
        Exchange::get("/poetry/")
            .field("If-None-Match", value)
            .expect(200)
            .run();
    }
}

#[test]
fn if_match_is_strong_and_412_explains_itself() {
    let tag = etag("/poetry/", "identity");
    Exchange::get("/poetry/")
        .field("If-Match", &tag)
        .expect(200)
        .run();
    Exchange::get("/poetry/")
        .field("If-Match", "*")
        .expect(200)
        .run();
    Exchange::get("/poetry/")
        .field("If-Match", &format!("\"x\",\t{tag}"))
        .expect(200)
        .run();
    for value in [format!("W/{tag}"), "\"x\"".to_owned()] {
        let answer = Exchange::get("/poetry/")
            .field("If-Match", &value)
            .expect(412)
            .run();
        assert!(answer.text().contains("If-Match"), "{answer}");
        assert_eq!(answer.field("ETag"), None);
    }
}

#[test]
fn preconditions_do_not_count_where_the_answer_is_not_2xx() {
    // RFC 9110 §13.2.1.
    Exchange::get("/nowhere")
        .field("If-Match", "\"x\"")
        .expect(404)
        .run();
    Exchange::get("/nowhere")
        .field("If-None-Match", "*")
        .expect(404)
        .run();
    Exchange::get("/poetry")
        .field("If-Match", "\"x\"")
        .expect(308)
        .run();
    Exchange::new("OPTIONS", "/")
        .field("If-Match", "\"x\"")
        .expect(200)
        .run();
}

#[test]
fn dates_are_compared_with_the_time_of_the_site() {
    let before = "Sun, 09 Sep 2001 01:46:39 GMT";
    let at = FILES_LAST_MODIFIED;
    let at_in_other_forms = ["Sunday, 09-Sep-01 01:46:40 GMT", "Sun Sep  9 01:46:40 2001"];
    let last = "Tue, 19 Jan 2038 03:14:07 GMT";
    let on_files = |name: &str, value: &str, status| {
        Exchange::get("/eleven.txt")
            .on_files()
            .field(name, value)
            .expect(status)
            .run()
    };
    assert_eq!(
        on_files("If-Modified-Since", before, 200).field("Last-Modified"),
        Some(at)
    );
    on_files("If-Modified-Since", at, 304);
    on_files("If-Modified-Since", last, 304);
    for text in at_in_other_forms {
        on_files("If-Modified-Since", text, 304);
    }
    on_files("If-Unmodified-Since", before, 412);
    on_files("If-Unmodified-Since", at, 200);
    for invalid in [
        "yesterday",
        "Sun, 31 Sep 2001 01:46:40 GMT",
        "0",
        "2038-01-19",
    ] {
        on_files("If-Modified-Since", invalid, 200);
        on_files("If-Unmodified-Since", invalid, 200);
    }
}

#[test]
fn tags_stand_above_dates() {
    let at = FILES_LAST_MODIFIED;
    let eleven = || Exchange::get("/eleven.txt").on_files();
    let tag = eleven().expect(200).run().field("ETag").unwrap().to_owned();
    let before = "Sun, 09 Sep 2001 01:46:39 GMT";
    eleven()
        .field("If-None-Match", "\"x\"")
        .field("If-Modified-Since", at)
        .expect(200)
        .run();
    eleven()
        .field("If-None-Match", &tag)
        .field("If-Modified-Since", before)
        .expect(304)
        .run();
    eleven()
        .field("If-Match", &tag)
        .field("If-Unmodified-Since", before)
        .expect(200)
        .run();
    eleven()
        .field("If-Match", "\"x\"")
        .field("If-None-Match", &tag)
        .expect(412)
        .run();
}

#[test]
fn a_time_that_is_to_come_is_not_told() {
    let asked = || Exchange::get("/eleven.txt").on_files();
    let before = asked().run_at(crate::sites::FILES_MODIFIED - 1);
    assert_eq!((before.status, before.field("Last-Modified")), (200, None));
    assert_eq!(before.field("Accept-Ranges"), Some("bytes"));
    let at = asked().run_at(crate::sites::FILES_MODIFIED);
    assert_eq!(at.field("Last-Modified"), Some(FILES_LAST_MODIFIED));
    let since = asked().field("If-Modified-Since", FILES_LAST_MODIFIED);
    assert_eq!(since.run_at(crate::sites::FILES_MODIFIED - 1).status, 200);
}

#[test]
fn refusals_of_negotiated_resources_vary() {
    let asked = || Exchange::get("/poetry/slipway");
    let failed = asked().field("If-Match", "\"x\"").expect(412).run();
    assert_eq!(failed.field("Vary"), Some("Accept-Encoding"));
    let past = asked().field("Range", "bytes=99999-").expect(416).run();
    assert_eq!(past.field("Vary"), Some("Accept-Encoding"));
    let plain = Exchange::get("/robots.txt")
        .field("If-Match", "\"x\"")
        .expect(412)
        .run();
    assert_eq!(plain.field("Vary"), None);
}

#[test]
fn a_date_in_if_range_never_means_a_coding() {
    let asked = |coding: &str| {
        Exchange::get("/8000.txt")
            .on_files()
            .field("Accept-Encoding", coding)
            .field("Range", "bytes=0-9")
            .field("If-Range", FILES_LAST_MODIFIED)
    };
    asked("identity").expect(206).run();
    asked("gzip").expect(200).run();
}
