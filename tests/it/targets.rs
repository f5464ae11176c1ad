//! Request targets and redirects: no path reaches anything but a resource of the packed site.

use crate::exchange::Exchange;
use crate::sites;

fn location(target: &str) -> String {
    let answer = Exchange::get(target).on_files().expect(308).run();
    answer.field("Location").unwrap().to_owned()
}

#[test]
fn directories_without_their_slash_and_index_files_are_redirected() {
    assert_eq!(location("/sub"), "/sub/");
    assert_eq!(location("/sub/index.html"), "/sub/");
    assert_eq!(location("/index.html"), "/");
    assert_eq!(
        location("/na%20me/../sub"),
        "/sub/",
        "one redirect, not two"
    );
}

#[test]
fn the_query_is_kept() {
    assert_eq!(location("/sub?a=b&c"), "/sub/?a=b&c");
    assert_eq!(location("/sub?"), "/sub/?");
    assert_eq!(location("//sub/?x=%5B1%5D"), "/sub/?x=%5B1%5D");
    Exchange::get("/sub/?a=b").on_files().expect(200).run();
}

#[test]
fn paths_are_made_canonical_within_this_host() {
    assert_eq!(location("//sub/"), "/sub/");
    assert_eq!(location("/./sub/"), "/sub/");
    assert_eq!(location("/a/%2e%2E/sub/page.html"), "/sub/page.html");
    assert_eq!(location("/na%20me//%C3%BC.txt"), "/na%20me/%C3%BC.txt");
    for target in [
        "//evil.example/",
        "//evil.example/..",
        "/.//evil.example",
        "/%2F/evil.example",
    ] {
        let answer = Exchange::get(target).on_files().run();
        let location = answer.field("Location").unwrap_or("/");
        assert!(
            location.starts_with('/') && !location.starts_with("//"),
            "{target}: {answer}"
        );
    }
}

#[test]
fn what_should_be_encoded_is_redirected_to_what_it_should_be() {
    for (target, expected) in [
        ("/sub/?x=[1]", "/sub/?x=%5B1%5D"),
        ("/eleven.txt?100%", "/eleven.txt?100%25"),
        ("/a[1].txt", "/a%5B1%5D.txt"),
        ("/a|b^c", "/a%7Cb%5Ec"),
        ("/<x>", "/%3Cx%3E"),
        ("//evil.example/[", "/evil.example/%5B"),
        ("/\\evil.example", "/%5Cevil.example"),
        ("http://a.example/?{}", "/?%7B%7D"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = Exchange::new(method, target).on_files().expect(301).run();
            assert_eq!(answer.field("Location"), Some(expected), "{target}");
        }
        Exchange::new("OPTIONS", target)
            .on_files()
            .expect(400)
            .run();
    }
}

#[test]
fn percent_encoding_is_decoded_once() {
    Exchange::get("/%65leven.txt").on_files().expect(200).run();
    Exchange::get("/na%20me/%c3%bc.txt")
        .on_files()
        .expect(200)
        .run();
    Exchange::get("/%2565leven.txt")
        .on_files()
        .expect(404)
        .run();
    Exchange::get("/sub%2Fpage.html")
        .on_files()
        .expect(404)
        .run();
    Exchange::get("/sub%5Cpage.html")
        .on_files()
        .expect(404)
        .run();
}

#[test]
fn malformed_targets_get_400() {
    for target in [
        "/%",
        "/%zz",
        "/%00",
        "/a%00.txt",
        "/%0d%0aX:y",
        "/%FF",
        "/%C0%AF",
        "/..",
        "/sub/../..",
        "/%2e%2e/etc/passwd",
        "/..%2fetc",
        "/#frag",
        "http://",
        "http://u@a/",
        "ftp://a/",
        "eleven.txt",
        "http:/eleven.txt",
    ] {
        let answer = Exchange::get(target).on_files().run();
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer}");
        assert!(!answer.text().contains("root:"), "{target}");
    }
    for target in ["/%", "/%00", "/%C0%AF", "/..", "/#frag", "http://u@a/"] {
        Exchange::get(target).on_files().expect(400).run();
    }
}

#[test]
fn absolute_form_is_understood() {
    Exchange::get("http://a.example/eleven.txt")
        .on_files()
        .expect(200)
        .run();
    Exchange::get("HTTP://b.example:8443/eleven.txt?x")
        .on_files()
        .expect(200)
        .run();
    Exchange::get("https://a.example/eleven.txt")
        .on_files()
        .expect(421)
        .run();
    Exchange::get("http://a.example")
        .on_files()
        .expect(200)
        .run();
    assert_eq!(location("http://a.example/sub"), "/sub/");
}

#[test]
fn long_targets_and_field_sections_are_refused() {
    let long = |bytes: usize| format!("/{}", "a".repeat(bytes));
    Exchange::get(&long(8_000)).expect(404).run();
    Exchange::get(&long(9_000)).expect(414).run();
    Exchange::get("/")
        .field("Cookie", &"a".repeat(16_000))
        .expect(200)
        .run();
    Exchange::get("/")
        .field("Cookie", &"a".repeat(40_000))
        .expect(431)
        .run();
    let many = (0..120).fold(Exchange::get("/"), |exchange, n| {
        exchange.field(&format!("X{n}"), "y")
    });
    many.expect(431).run();
}

#[test]
fn a_name_with_its_own_hash_is_immutable_and_nothing_else_is() {
    let hashed = Exchange::get(&sites::hashed_path())
        .on_files()
        .expect(200)
        .run();
    let forever = Some("public, max-age=31536000, immutable");
    assert_eq!(hashed.field("Cache-Control"), forever);
    let page = Exchange::get("/sub/page.html").on_files().expect(200).run();
    assert_eq!(page.field("Cache-Control"), Some("no-cache"));
}
