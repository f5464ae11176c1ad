//! `serve DIR --watch`, as a user meets it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use chapbook::server::Engine;

use crate::exchange::Answer;
use crate::server::{ENGINES, PATIENCE, Running, chapbook, connect, executable};

const SCRIPT: &str = "/-/reload.js";

fn get(address: SocketAddr, target: &str) -> Answer {
    let mut stream = connect(address);
    let raw = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(raw.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes, "GET")
}

fn tag(address: SocketAddr) -> String {
    get(address, SCRIPT).field("ETag").unwrap().to_owned()
}

/// A directory with a site, and a server that watches it.
struct Watched {
    root: tempfile::TempDir,
    server: Running,
}

impl Watched {
    fn start(engine: Engine, arguments: &[&str]) -> Watched {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sub")).unwrap();
        fs::write(root.path().join("index.html"), page("one")).unwrap();
        fs::write(root.path().join("sub/fragment.html"), "<p>no head").unwrap();
        let directory = root.path().to_str().unwrap();
        let mut all = vec!["--engine", engine.name(), "--cache", "off", directory];
        all.extend(arguments);
        let server = Running::start(&all);
        Watched { root, server }
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.root.path().join(name), content).unwrap();
    }

    fn get(&self, target: &str) -> Answer {
        get(self.server.address, target)
    }

    fn tag(&self) -> String {
        tag(self.server.address)
    }

    /// Waits for something, and for the script to have another tag than before: which it has.
    fn until(&self, before: &str, what: impl Fn(&Watched) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !what(self) || self.tag() == before {
            assert!(Instant::now() < deadline, "it never came");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.tag()
    }
}

fn page(text: &str) -> String {
    format!("<!DOCTYPE html><html><head><title>{text}</title></head><body>{text}</body></html>\n")
}

#[test]
fn what_changes_is_served_and_open_pages_can_tell() {
    for engine in ENGINES.iter().copied() {
        let watched = Watched::start(engine, &["--watch"]);
        for (path, start) in [
            (
                "/",
                "<!DOCTYPE html><html><head><script src=\"/-/reload.js\"",
            ),
            ("/sub/fragment.html", "<script src=\"/-/reload.js\""),
        ] {
            assert!(watched.get(path).text().starts_with(start), "{path}");
        }
        let script = watched.get(SCRIPT);
        assert_eq!(script.status, 200);
        let kind = script.field("Content-Type");
        assert_eq!(kind, Some("text/javascript; charset=utf-8"));
        assert_eq!(script.field("Cache-Control"), Some("no-cache"));

        let first = watched.tag();
        watched.write("index.html", &page("two"));
        let second = watched.until(&first, |now| now.get("/").text().contains("two"));
        watched.write("new.html", "new");
        let third = watched.until(&second, |now| now.get("/new.html").status == 200);
        fs::remove_file(watched.root.path().join("sub/fragment.html")).unwrap();
        let gone = |now: &Watched| now.get("/sub/fragment.html").status == 404;
        let fourth = watched.until(&third, gone);

        // What does not compile leaves what was, and other changes wait for it.
        watched.write("_redirects", "/from\n");
        std::thread::sleep(std::time::Duration::from_millis(1500));
        watched.write("index.html", &page("three"));
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert!(watched.get("/").text().contains("two"));
        assert_eq!(watched.tag(), fourth);
        watched.write("_redirects", "/from /new.html 302\n");
        let moved = |now: &Watched| now.get("/from").status == 302;
        let fifth = watched.until(&fourth, moved);
        assert!(watched.get("/").text().contains("three"));
        watched.write("index.html", &page("one"));
        fs::remove_file(watched.root.path().join("_redirects")).unwrap();
        watched.until(&fifth, |now| now.get("/from").status == 404);

        let Watched { root, server } = watched;
        server.signal("TERM");
        let (code, _, said) = server.end();
        assert_eq!(code, Some(0));
        let directory = root.path().display();
        for line in [
            format!("\"watching `{directory}`\""),
            "\"packed again: 2 files, 1 changed\"".to_owned(),
            "\"packed again: 3 files, 1 changed\"".to_owned(),
            format!("\"not packed again, what was stays: {directory}/_redirects:1: "),
            "\"packed again: 2 files, 2 changed\"".to_owned(),
        ] {
            assert!(said.contains(&line), "{line}: {said}");
        }
    }
}

/// A download holds the site that it began with; so many are held at once, and no more.
#[test]
fn the_next_change_waits_while_many_sites_are_held() {
    for engine in ENGINES.iter().copied() {
        let watched = Watched::start(engine, &["--watch"]);
        let before = watched.tag();
        fs::write(watched.root.path().join("large.png"), crate::sites::large()).unwrap();
        let mut tag = watched.until(&before, |now| now.get("/large.png").status == 200);
        let mut downloads = Vec::new();
        for text in ["two", "three"] {
            let mut download = connect(watched.server.address);
            let raw = b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n";
            download.write_all(raw).unwrap();
            download.read_exact(&mut [0; 4096]).unwrap();
            downloads.push(download);
            watched.write("index.html", &page(text));
            tag = watched.until(&tag, |now| now.get("/").text().contains(text));
        }
        watched.write("index.html", &page("four"));
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert!(
            watched.get("/").text().contains("three"),
            "{}",
            engine.name()
        );
        drop(downloads);
        watched.until(&tag, |now| now.get("/").text().contains("four"));
    }
}

#[test]
fn rules_for_all_paths_do_not_reach_the_script() {
    let watched = Watched::start(Engine::default(), &["--watch"]);
    let first = watched.tag();
    let fields = "/*\n  Cache-Control: max-age=31536000, immutable\n  X-Of: all\n";
    watched.write("_headers", fields);
    let of_all = |now: &Watched| now.get("/").field("X-Of") == Some("all");
    let second = watched.until(&first, of_all);
    watched.write("_redirects", "/* https://a.example/:splat 302!\n");
    watched.until(&second, |now| now.get("/").status == 302);
    let script = watched.get(SCRIPT);
    assert_eq!(script.status, 200);
    assert_eq!(script.field("X-Of"), None);
    assert_eq!(script.field("Cache-Control"), Some("no-cache"));
}

#[test]
fn without_watch_there_is_no_script() {
    for engine in ENGINES.iter().copied() {
        let served = Watched::start(engine, &[]);
        assert_eq!(served.get("/").text(), page("one"));
        assert_eq!(served.get(SCRIPT).status, 404);
        served.write("index.html", &page("two"));
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!(served.get("/").text(), page("one"), "it watches");
    }
}

#[test]
fn what_is_packed_never_has_the_script() {
    let root = tempfile::tempdir().unwrap();
    let site = root.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), page("one")).unwrap();
    let packed = root.path().join("packed");
    let mut pack = chapbook();
    pack.env("CHAPBOOK_WATCH", "true").arg("pack").arg(&site);
    let done = pack.args(["--cache", "off", "-o"]).arg(&packed).output();
    assert!(done.unwrap().status.success());
    let ran = |arguments: &[&str]| executable(&packed).args(arguments).output().unwrap();
    assert_eq!(ran(&["cat", "/"]).stdout, page("one").as_bytes());
    assert_eq!(ran(&["cat", SCRIPT]).status.code(), Some(1));
}

#[test]
fn only_a_directory_can_be_watched() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("site.zip");
    fs::write(&file, "").unwrap();
    let nowhere = Path::new("nowhere");
    for (source, said) in [
        (None, "--watch needs a SOURCE"),
        (Some(&*file), "it is not a directory"),
        (Some(nowhere), "`nowhere`: it is not a directory"),
    ] {
        let mut command = chapbook();
        command.args(["serve", "--watch", "--listen", "127.0.0.1:0"]);
        let done = command.args(source).output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        let error = String::from_utf8(done.stderr).unwrap();
        assert!(error.contains(said), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
