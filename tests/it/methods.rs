//! Methods: RFC 9110 §9; versions and expectations.

use crate::exchange::Exchange;

const ALLOW: &str = "GET, HEAD, OPTIONS";

#[test]
fn head_has_the_fields_of_get_and_no_content() {
    for target in [
        "/",
        "/poetry/slipway",
        "/poetry/slipway.txt",
        "/nowhere",
        "/poetry",
        "/-/health",
    ] {
        for coding in ["identity", "gzip, br"] {
            let get = Exchange::get(target).field("Accept-Encoding", coding).run();
            let head = Exchange::head(target)
                .field("Accept-Encoding", coding)
                .run();
            assert_eq!(
                (get.status, &get.fields),
                (head.status, &head.fields),
                "{target}"
            );
            assert!(
                head.content.is_empty() && !get.content.is_empty(),
                "{target}"
            );
        }
    }
}

#[test]
fn options_says_what_is_allowed() {
    for target in ["*", "/", "/poetry/slipway"] {
        let answer = Exchange::new("OPTIONS", target).expect(200).run();
        assert_eq!(answer.field("Allow"), Some(ALLOW));
        assert_eq!(answer.field("Content-Length"), Some("0"));
    }
    Exchange::new("OPTIONS", "/nowhere").expect(404).run();
    Exchange::get("*").expect(400).run();
}

#[test]
fn registered_methods_get_405_with_allow() {
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "QUERY",
    ] {
        for target in ["/", "/nowhere"] {
            let answer = Exchange::new(method, target).expect(405).run();
            assert_eq!(answer.field("Allow"), Some(ALLOW), "{method}");
        }
    }
    Exchange::new("CONNECT", "a.example:80").expect(405).run();
}

#[test]
fn unknown_methods_get_501() {
    for method in ["FOO", "get", "Get", "GETT", "X-Y"] {
        Exchange::new(method, "/").expect(501).run();
    }
}

#[test]
fn versions() {
    Exchange::get("/")
        .version("HTTP/1.0")
        .without_host()
        .expect(200)
        .run();
    Exchange::get("/").version("HTTP/1.0").expect(200).run();
    Exchange::get("/").expect(200).run();
    Exchange::get("/")
        .version("HTTP/1.2")
        .expect(200)
        .run_on_core();
    for other in ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0"] {
        Exchange::get("/").version(other).expect(505).run_on_core();
    }
}

#[test]
fn hosts() {
    Exchange::get("/").without_host().expect(400).run();
    Exchange::get("/")
        .field("Host", "a")
        .field("Host", "a")
        .expect(400)
        .run();
    for valid in ["a", "foo-bar_baz.com", "foo.com:80", "[::1]", "[::1]:80"] {
        Exchange::get("/").field("Host", valid).expect(200).run();
    }
    for invalid in ["{", "}", "a b", "user@a", "a:80x", "a/b", "[::1"] {
        Exchange::get("/").field("Host", invalid).expect(400).run();
    }
}

#[test]
fn expectations() {
    Exchange::get("/")
        .field("Expect", "100-continue")
        .expect(200)
        .run();
    Exchange::get("/")
        .field("Expect", "100-Continue")
        .expect(200)
        .run();
    Exchange::get("/")
        .field("Expect", "a-miracle")
        .expect(417)
        .run_on_core();
}

#[test]
fn management_pages_obey_the_same_rules() {
    let options = Exchange::new("OPTIONS", "/-/health").expect(200).run();
    assert_eq!(options.field("Allow"), Some(ALLOW));
    let moved = Exchange::get("//-/health").expect(308).run();
    assert_eq!(moved.field("Location"), Some("/-/health"));
    Exchange::get("/-/ready").expect(200).run();
}
