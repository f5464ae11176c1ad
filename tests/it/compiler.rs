//! What the compiler refuses, and what it makes of poems by others.

use std::fs;
use std::path::Path;

use sitepack::compiler::Compiler;
use sitepack::date::rfc3339;
use sitepack::{ContentCoding, Entry, Site, SitePath};

fn poems(files: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    let compiled = Compiler::new().poems("/poetry/", root.path()).compile();
    compiled
        .map(|compiled| compiled.bytes)
        .map_err(|error| error.to_string())
}

fn files(files: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    let compiled = Compiler::new().files("/", root.path()).compile();
    compiled
        .map(|compiled| compiled.bytes)
        .map_err(|error| error.to_string())
}

fn write(root: &Path, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
}

fn content(site: &[u8], path: &str) -> String {
    let site = Site::open(site).unwrap();
    let path = SitePath::from_decoded(path).unwrap();
    let Ok(Some(Entry::Resource(found))) = site.find(&path) else {
        panic!("no {path}")
    };
    String::from_utf8(found.identity().unwrap().content().unwrap().into_owned()).unwrap()
}

/// Decision 0003: what is stated, the latest of it; and times of files never.
#[test]
fn the_time_of_poems_is_the_latest_that_they_or_their_archive_state() {
    const DATED: u64 = 1_000_000_000 / 86_400 * 86_400;
    let root = tempfile::tempdir().unwrap();
    let dated = b"---\ntitle: x\ndate: 2001-09-09\n---\nverse\n";
    write(
        &root.path().join("all"),
        &[("a.txt", &dated[..]), ("b.txt", b"verse\n")],
    );
    write(&root.path().join("none"), &[("b.txt", b"verse\n")]);
    let archive = root.path().join("poems.tar");
    for (files, stated, expected) in [
        ("all", 0, Some(DATED)),
        ("all", DATED - 1, Some(DATED)),
        ("all", DATED + 1, Some(DATED + 1)),
        ("none", DATED + 1, Some(DATED + 1)),
        ("none", 0, None),
    ] {
        let tar = crate::archives::tar_of(&root.path().join(files), stated);
        fs::write(&archive, tar).unwrap();
        let compiler = Compiler::new().poems("/poetry/", &archive);
        let compiled = compiler.compile().unwrap();
        let site = Site::open(&compiled.bytes).unwrap();
        assert_eq!(site.modified(), expected, "{files} {stated}");
        let told = expected.map(|it| format!("\"modified\":\"{}\"", rfc3339(it)));
        let told = told.unwrap_or("\"modified\":null".to_owned());
        assert!(
            site.provenance().unwrap().contains(&told),
            "{files} {stated}"
        );
        let compiled = compiler.modified(Some(DATED + 7)).compile().unwrap();
        let site = Site::open(&compiled.bytes).unwrap();
        assert_eq!(site.modified(), Some(DATED + 7), "it was said");
    }
    let compiled = Compiler::new().poems("/poetry/", root.path().join("none"));
    let compiled = compiled.compile().unwrap();
    assert_eq!(Site::open(&compiled.bytes).unwrap().modified(), None);
}

#[test]
fn a_broken_poem_fails_with_file_and_line() {
    let unclosed = poems(&[("a.txt", b"---\ntitle: x\n\nverse\n")]).unwrap_err();
    assert!(unclosed.contains("a.txt:1:"), "{unclosed}");
    let unknown = poems(&[("a.txt", b"---\ntitle: x\ncolour: red\n---\nverse\n")]).unwrap_err();
    assert!(
        unknown.contains("a.txt:3:") && unknown.contains("colour"),
        "{unknown}"
    );
    let latin = poems(&[("good.txt", b"verse\n"), ("a.txt", b"one\ncaf\xe9\n")]).unwrap_err();
    assert!(
        latin.contains("a.txt:2:") && latin.contains("UTF-8"),
        "{latin}"
    );
}

#[test]
fn nothing_is_skipped() {
    let stray = poems(&[("a.txt", b"verse\n"), ("notes.md", b"x")]).unwrap_err();
    assert!(stray.contains("notes.md"), "{stray}");
    let missing = Compiler::new()
        .poems("/poetry/", "/nonexistent")
        .compile()
        .unwrap_err();
    assert!(missing.to_string().contains("/nonexistent"), "{missing}");
}

#[test]
fn two_files_on_one_path_are_refused() {
    let reserved = files(&[("index.html", b"x"), ("-/health", b"x")]).unwrap_err();
    assert!(
        reserved.contains("-/health") && reserved.contains("own pages"),
        "{reserved}"
    );
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("robots.txt", b"mine\n")]);
    let both = Compiler::new()
        .files("/", root.path())
        .poems(
            "/poetry/",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("data/poems"),
        )
        .compile()
        .unwrap_err()
        .to_string();
    assert!(
        both.contains("/robots.txt") && both.contains("taken"),
        "{both}"
    );
}

#[test]
fn a_poem_with_markup_in_it_is_text() {
    let site = poems(&[(
        "x<y.txt",
        b"---\ntitle: <b>&\nauthor: \"O'Neil\" <i>\n---\n<script>{{title}}</script>\n\n-- <u>\n",
    )])
    .unwrap();
    let page = content(&site, "/poetry/x<y");
    assert!(
        page.contains("&lt;script&gt;{{title}}&lt;/script&gt;"),
        "{page}"
    );
    assert!(
        !page.contains("<script") && !page.contains("<b>") && !page.contains("<u>"),
        "{page}"
    );
    assert!(page.contains("href=\"/poetry/x%3Cy.txt\""), "{page}");
    let feed = content(&site, "/poetry/feed.xml");
    assert!(
        !feed.contains("<script") && feed.contains("&lt;pre&gt;&amp;lt;script"),
        "{feed}"
    );
}

#[test]
fn indents_and_line_breaks_reach_the_page() {
    let site = poems(&[("a.txt", b"one\n    two\n\n        three\n")]).unwrap();
    let page = content(&site, "/poetry/a");
    let verse = "<p class=\"stanza\"><span class=\"line\">one</span>\n\
                 <span class=\"line\">    two</span></p>\n\
                 <p class=\"stanza\"><span class=\"line\">        three</span></p>";
    assert!(page.contains(verse), "{page}");
}

#[test]
fn codings_that_do_not_pay_are_dropped() {
    let noise: Vec<u8> = crate::sites::large()[..5_000].to_vec();
    let site = files(&[
        ("long.txt", "a line\n".repeat(100).as_bytes()),
        ("short.txt", b"a line\n"),
        ("noise.txt", &noise),
    ])
    .unwrap();
    let site = Site::open(&site).unwrap();
    let codings = |path: &str| -> Vec<ContentCoding> {
        let path = SitePath::from_decoded(path.to_owned()).unwrap();
        let Ok(Some(Entry::Resource(found))) = site.find(&path) else {
            panic!("no {path}")
        };
        found
            .representations()
            .map(|found| found.unwrap().coding)
            .collect()
    };
    use ContentCoding::{Brotli, Gzip, Identity};
    assert_eq!(codings("/long.txt"), [Brotli, Gzip, Identity]);
    assert_eq!(codings("/short.txt"), [Identity]);
    assert_eq!(codings("/noise.txt"), [Identity]);
}

/// The poems that dummyapp served, where they are at hand: one has its title in the first line,
/// the other has none; both end with an attribution, one over two lines.
#[test]
fn real_files_of_others_come_out_well() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data-set");
    let (Ok(one), Ok(two)) = (
        fs::read(directory.join("if.txt")),
        fs::read(directory.join("tommy.txt")),
    ) else {
        crate::site::skipped("the data set of dummyapp is not beside this checkout");
        return;
    };
    let site = poems(&[("if.txt", &one), ("tommy.txt", &two)]).unwrap();
    let page = content(&site, "/poetry/if");
    assert!(
        page.contains("<h1>If</h1>") && page.contains("    Are losing theirs"),
        "{page}"
    );
    assert!(page.contains("Rewards and Fairies)<br>\nA Choice of Kipling&#39;s Verse (1943)</p>"));
    assert_eq!(page.matches("class=\"stanza\"").count(), 4);
    let page = content(&site, "/poetry/tommy");
    assert!(page.contains("<h1>Tommy</h1>"));
    assert!(
        page.contains("<p class=\"attribution\">Rudyard Kipling</p>"),
        "{page}"
    );
    assert_eq!(page.matches("class=\"stanza\"").count(), 5);
    assert_eq!(content(&site, "/poetry/if.txt").as_bytes(), one);
}
