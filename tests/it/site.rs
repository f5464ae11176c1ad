//! The poems' site: what is there, and that it is well made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sitepack::{Entry, Resource};

use crate::exchange::Exchange;
use crate::sites;

/// Says loudly that a check was left out.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// The same for want of a program that CI installs: there it is a failure.
pub(crate) fn skipped_for_want_of(program: &str) {
    let why = format!("{program} is not installed");
    skipped(&why);
    let ours = std::env::var_os("CHAPBOOK_CI_TOOLS").is_some();
    assert!(!ours, "CI has to have what this needs: {why}");
}

fn resources() -> Vec<Resource<'static>> {
    let entries = sites::poems()
        .entries()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Resource(resource) => Some(resource),
            Entry::Redirect(_) => None,
        })
        .collect()
}

fn text(resource: &Resource<'_>) -> String {
    String::from_utf8(resource.identity().unwrap().content().unwrap().into_owned()).unwrap()
}

fn pages() -> Vec<Resource<'static>> {
    let is_page = |resource: &Resource<'_>| resource.media_type.starts_with("text/html");
    resources().into_iter().filter(is_page).collect()
}

#[test]
fn everything_is_there() {
    for target in [
        "/",
        "/poetry/",
        "/poetry/index.json",
        "/poetry/feed.xml",
        "/sitemap.xml",
        "/robots.txt",
        "/favicon.svg",
        "/404.html",
    ] {
        Exchange::get(target).expect(200).run();
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/poems");
    let mut poems = 0;
    for entry in directory.read_dir().unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let page = Exchange::get(&format!("/poetry/{name}")).expect(200).run();
        assert!(page.text().contains("<article class=\"poem\">"), "{name}");
        let source = Exchange::get(&format!("/poetry/{name}.txt"))
            .expect(200)
            .run();
        assert_eq!(source.content, fs::read(&file).unwrap(), "{name}");
        poems += 1;
    }
    assert!(poems >= 12, "{poems} poems");
}

#[test]
fn the_json_list_names_every_poem() {
    let list = Exchange::get("/poetry/index.json").expect(200).run();
    assert_eq!(list.field("Content-Type"), Some("application/json"));
    let list: serde_json::Value = serde_json::from_slice(&list.content).unwrap();
    for poem in list["poems"].as_array().unwrap() {
        let source = Exchange::get(poem["text"].as_str().unwrap())
            .expect(200)
            .run();
        let line = poem["stanzas"][0][0].as_str().unwrap();
        assert!(source.text().contains(line), "{line}");
        Exchange::get(poem["page"].as_str().unwrap())
            .expect(200)
            .run();
    }
}

/// The values of an attribute in a text.
fn attributes<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("{name}=\"");
    text.split(&start)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[test]
fn every_link_leads_somewhere_and_none_elsewhere() {
    let mut links = BTreeSet::new();
    for page in pages() {
        let text = text(&page);
        for name in ["href", "src", "action", "srcset", "poster", "data"] {
            links.extend(attributes(&text, name).into_iter().map(str::to_owned));
        }
    }
    let feed = Exchange::get("/poetry/feed.xml").expect(200).run();
    links.extend(
        attributes(feed.text(), "href")
            .into_iter()
            .map(str::to_owned),
    );
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        assert!(link.starts_with('/') && !link.starts_with("//"), "{link}");
        Exchange::get(&link).expect(200).run();
    }
}

#[test]
fn nothing_needs_a_script_or_another_host() {
    for resource in resources()
        .into_iter()
        .filter(|r| !r.media_type.starts_with("text/plain"))
    {
        let text = text(&resource);
        for forbidden in [
            "<script",
            "<iframe",
            " style=",
            "<style",
            "@import",
            "javascript:",
            " on",
        ] {
            let is_attribute = forbidden == " on";
            let found = if is_attribute {
                text.contains(" onclick=")
            } else {
                text.contains(forbidden)
            };
            assert!(!found, "{} holds {forbidden}", resource.path);
        }
        if resource.media_type.starts_with("text/css") {
            assert!(!text.contains("url("), "{} loads something", resource.path);
        }
    }
}

#[test]
fn a_first_view_is_under_20_kb() {
    let size = |target: &str| Exchange::get(target).expect(200).run().content.len();
    let page = Exchange::get("/").expect(200).run();
    let style = attributes(page.text(), "href")
        .into_iter()
        .find(|link| link.ends_with(".css"))
        .unwrap()
        .to_owned();
    let first = page.content.len() + size(&style) + size("/favicon.svg");
    assert!(first < 20_000, "{first} bytes");
    for page in pages() {
        assert!(
            text(&page).len() + size(&style) + size("/favicon.svg") < 20_000,
            "{}",
            page.path
        );
    }
}

#[test]
fn the_style_sheet_is_immutable() {
    let page = Exchange::get("/").expect(200).run();
    let style = attributes(page.text(), "href")
        .into_iter()
        .find(|l| l.ends_with(".css"))
        .unwrap();
    let style = Exchange::get(style).expect(200).run();
    assert_eq!(
        style.field("Cache-Control"),
        Some("public, max-age=31536000, immutable")
    );
}

#[test]
fn the_sitemap_names_every_page_but_the_404() {
    let map = Exchange::get("/sitemap.xml").expect(200).run();
    let listed: BTreeSet<&str> = map
        .text()
        .split("<loc>http://localhost:8080")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    let pages = pages();
    let expected: BTreeSet<&str> = pages
        .iter()
        .map(|page| page.path)
        .filter(|path| *path != "/404.html")
        .collect();
    assert_eq!(listed, expected);
}

/// Runs a validator over a text, if it is installed.
fn validate(program: &str, arguments: &[&str], path: &str, text: &str) {
    use std::io::Write as _;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return skipped_for_want_of(program);
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && said.is_empty(),
        "{program} on {path}: {said}"
    );
}

#[test]
fn pages_are_valid_html() {
    for page in pages() {
        validate(
            "tidy",
            &["-errors", "-quiet", "--drop-empty-elements", "no"],
            page.path,
            &text(&page),
        );
    }
}

#[test]
fn feed_sitemap_and_icon_are_well_formed_xml() {
    for resource in resources()
        .into_iter()
        .filter(|r| r.media_type.contains("xml"))
    {
        validate(
            "xmllint",
            &["--noout", "-"],
            resource.path,
            &text(&resource),
        );
    }
}
