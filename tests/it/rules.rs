//! Rules for paths that lead nowhere else: redirects and rewrites with placeholders.

use std::fs;
use std::sync::LazyLock;

use sitepack::Site;
use sitepack::compiler::Compiler;

use crate::exchange::{Answer, Exchange};
use crate::sites;

const RULES: &str = "\
/old/*            /sub/:splat               301
/news/:year/:slug /archive?y=:year#:slug
/see/:what        /sub/page.html            303
/keep/*           /sub/:splat               307
/away/*           https://b.example/:splat  308
/app/*            /sub/page.html            200
/start/*          /index.html               200
/show/:name       /:name.txt                200
/gone/*           /8000.txt                 404
/sub/forced/*     /eleven.txt               200!
/sub/away.html    /eleven.txt               302!
/eleven.txt       /8000.txt                 200
/eleven.html      /8000.txt                 200
";

/// The files that other tests have, with rules.
fn site() -> Site<'static> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let root = tempfile::tempdir().unwrap();
        sites::write_files(root.path());
        fs::create_dir_all(root.path().join("sub/forced")).unwrap();
        for gives_way in ["sub/forced/x", "sub/away.html"] {
            fs::write(root.path().join(gives_way), "a page that gives way").unwrap();
        }
        fs::write(root.path().join("_redirects"), RULES).unwrap();
        let compiler = Compiler::new().files("/", root.path());
        let compiled = compiler.modified(Some(sites::FILES_MODIFIED)).compile();
        compiled.unwrap().bytes
    });
    Site::open(&BYTES).unwrap()
}

fn get(target: &str) -> Exchange {
    Exchange::get(target).on(site)
}

#[test]
fn rules_redirect_what_leads_nowhere_else() {
    for (target, status, location) in [
        ("/old/page.html", 301, "/sub/page.html"),
        ("/old/a/b?x=y", 301, "/sub/a/b?x=y"),
        ("/old/%C3%BC%20?", 301, "/sub/%C3%BC%20?"),
        ("/old", 301, "/sub/"),
        ("//old/./a", 301, "/sub/a"),
        ("/news/2026/a%26b?x", 302, "/archive?y=2026#a%26b"),
        ("/see/this?x", 303, "/sub/page.html?x"),
        ("/keep/this", 307, "/sub/this"),
        ("/away/a/b?c", 308, "https://b.example/a/b?c"),
        ("/sub/away.html", 302, "/eleven.txt"),
    ] {
        let answer = get(target).expect(status).run();
        assert_eq!(answer.field("Location"), Some(location), "{target}");
        let posted = Exchange::new("POST", target).on(site);
        posted.expect(405).run();
    }
}

#[test]
fn rules_show_a_resource_as_if_it_stood_there() {
    let there = |path: &str| -> Answer { Exchange::get(path).on_files().expect(200).run() };
    for (target, shown) in [
        ("/app/", "/sub/page.html"),
        ("/app/a/b?c", "/sub/page.html"),
        ("/start/a", "/"),
        ("/show/eleven", "/eleven.txt"),
        ("/sub/forced/x", "/eleven.txt"),
        // What is there stands above a rule.
        ("/eleven.txt", "/eleven.txt"),
        ("/eleven.html", "/8000.txt"),
    ] {
        let (answer, shown) = (get(target).expect(200).run(), there(shown));
        assert!(answer.content == shown.content, "{target}");
        assert_eq!(answer.lasting_fields(), shown.lasting_fields(), "{target}");
        let tag = answer.field("ETag").unwrap();
        get(target).field("If-None-Match", tag).expect(304).run();
        let part = get(target).field("Range", "bytes=2-4").expect(206).run();
        assert!(part.content == shown.content[2..=4], "{target}");
        let head = Exchange::head(target).on(site).expect(200).run();
        assert_eq!(head.lasting_fields(), shown.lasting_fields(), "{target}");
        Exchange::new("OPTIONS", target).on(site).expect(200).run();
    }
    let moved = get("/app//x").expect(308).run();
    assert_eq!(moved.field("Location"), Some("/app/x"));
}

#[test]
fn rules_show_a_page_for_what_is_gone() {
    let page = Exchange::get("/8000.txt").on_files().expect(200).run();
    for target in ["/gone", "/gone/a", "//gone/a?b"] {
        let answer = get(target).expect(404).run();
        assert!(answer.content == page.content);
        assert_eq!(answer.field("ETag"), None);
        assert_eq!(answer.field("Accept-Ranges"), None);
        get(target).field("Range", "bytes=0-1").expect(404).run();
        get(target).field("If-None-Match", "*").expect(404).run();
        Exchange::head(target).on(site).expect(404).run();
    }
    let coded = get("/gone").field("Accept-Encoding", "gzip").expect(404);
    assert_eq!(coded.run().field("Content-Encoding"), Some("gzip"));
}

#[test]
fn what_no_rule_can_show_is_missing() {
    let missing = Exchange::get("/nowhere").on_files().expect(404).run();
    for target in [
        "/nowhere",
        "/show/nothing",
        "/show/eleven/more",
        "/show/sub",
        // What is put in makes it no location.
        &format!("/old/{}", "%C3%BC".repeat(900)),
    ] {
        let answer = get(target).expect(404).run();
        assert!(answer.content == missing.content, "{target}");
    }
}
