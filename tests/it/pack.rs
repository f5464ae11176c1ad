//! `chapbook pack`, as a user meets it: another executable, with another site.

use std::fs;
use std::io::Cursor;
use std::process::Command;

use sitepack::{Appended, Digest};

use crate::archives;
use crate::server::ENGINES;
use crate::workshop::{FILES, Workshop, get, said};

#[test]
fn a_packed_directory_is_a_whole_chapbook() {
    let workshop = Workshop::new();
    let said = workshop.pack(&["site", "-o", "out"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].ends_with("begins with a dot: site/.git"), "{said}");
    assert!(lines[1].contains("packed 7 files"), "{said}");
    assert!(!said.contains(['\r', '\x1b']), "no bar in a pipe: {said:?}");
    assert_eq!(workshop.names(), ["out", "site"]);
    #[cfg(unix)]
    assert!(crate::workshop::is_executable(&workshop.path("out")));

    let about = String::from_utf8(workshop.read("site/about.html")).unwrap();
    assert!(
        workshop
            .ask("out", &["ls"])
            .contains("  /about.html  text/html")
    );
    assert!(!workshop.ask("out", &["ls"]).contains(".git"));
    assert_eq!(workshop.ask("out", &["cat", "about.html"]), about);
    assert!(workshop.ask("out", &["verify"]).ends_with("as packed\n"));
    workshop.ask("out", &["extract", "extracted"]);
    let mut expected = archives::files(&workshop.path("site"));
    expected.retain(|(name, _)| !name.starts_with(".git/"));
    assert!(archives::files(&workshop.path("extracted")) == expected);

    let version = workshop.ask_json("out", &["version", "--json"]);
    let mount = &version["site"]["provenance"]["mounts"][0];
    assert_eq!((&mount["at"], &mount["as"]), (&"/".into(), &"files".into()));
    assert_eq!(mount["from"], "directory");
    assert_eq!(mount["sha256"].as_str().unwrap().len(), 64);
    for engine in ENGINES {
        let server = workshop.serve("out", engine.name());
        let answer = get(server.address, "/about.html");
        assert_eq!((answer.status, answer.text()), (200, &*about));
        assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
        let hashed = get(server.address, "/app.3f2a9c1b.js");
        let immutable = "public, max-age=31536000, immutable";
        assert_eq!(hashed.field("Cache-Control"), Some(immutable));
        let missing = get(server.address, "/nowhere");
        assert_eq!((missing.status, missing.text()), (404, FILES[2].1));
        assert_eq!(get(server.address, "/.git/config").status, 404);
    }
}

#[test]
fn an_archive_packs_as_its_directory_does() {
    let workshop = Workshop::new();
    workshop.pack(&["site", "-o", "plain"]);
    let expected = workshop.ask_json("plain", &["ls", "--json"]);
    for name in ["a.tar", "a.tar.gz", "a.tar.zst", "a.zip"] {
        if name.ends_with("zst") && !cfg!(feature = "zstd") {
            continue;
        }
        let archive = workshop.path(name);
        archives::write(&workshop.path("site"), &archive);
        let said = workshop.pack(&[name, "-o", "out"]);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.contains(&format!("{name}/.git\n")), "{said}");
        let found = workshop.ask_json("out", &["ls", "--json"]);
        assert_eq!(found["entries"], expected["entries"], "{name}");
        let version = workshop.ask_json("out", &["version", "--json"]);
        let mount = &version["site"]["provenance"]["mounts"][0];
        assert_eq!(mount["from"], "archive");
        let digest = Digest::of(&fs::read(&archive).unwrap());
        assert_eq!(mount["sha256"], digest.hex(), "{name}");
    }
}

#[test]
fn the_same_input_gives_the_same_file_whatever_was_packed_before() {
    let workshop = Workshop::new();
    workshop.write("other/index.html", b"<!DOCTYPE html><title>Other</title>\n");
    workshop.pack(&["site", "-o", "out"]);
    workshop.pack(&["other", "-o", "plain"]);
    let plain = workshop.read("plain");
    workshop.pack(&["other", "-o", "plain"]);
    assert!(workshop.read("plain") == plain, "again");
    workshop.pack(&["other", "-o", "based", "--base", "out"]);
    assert!(workshop.read("based") == plain, "from a base");
    let done = workshop
        .packed("out", &["pack", "other", "-o", "out"])
        .output();
    assert!(
        done.as_ref().unwrap().status.success(),
        "{}",
        said(&done.unwrap())
    );
    assert!(workshop.read("out") == plain, "onto itself");
}

#[test]
fn a_server_goes_on_while_its_executable_is_replaced() {
    let workshop = Workshop::new();
    workshop.pack(&["site", "-o", "out"]);
    let before = workshop.serve("out", ENGINES[0].name());
    workshop.write("site/main.css", b"p { color: red }\n");
    workshop.pack(&["site", "-o", "out"]);
    let after = workshop.serve("out", ENGINES[0].name());
    assert_eq!(get(before.address, "/main.css").text(), FILES[4].1);
    assert_eq!(get(after.address, "/main.css").text(), "p { color: red }\n");
}

/// `strip` and broken downloads take the site away.
#[test]
fn an_executable_that_lost_its_site_says_so() {
    let workshop = Workshop::new();
    workshop.pack(&["site", "-o", "out"]);
    let whole = workshop.read("out");
    workshop.write_executable("out", &whole[..whole.len() - 100]);
    for command in ["serve", "verify", "ls", "version"] {
        let done = workshop.packed("out", &[command]).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{command}");
        assert!(said(&done).contains("was packed into this executable is gone"));
        assert_eq!(said(&done).lines().count(), 1);
    }
}

#[test]
fn what_is_no_chapbook_is_no_base() {
    let workshop = Workshop::new();
    workshop.write("text", b"#!/bin/sh\n");
    workshop.write("empty", b"");
    let twice = fs::read(env!("CARGO_BIN_EXE_chapbook")).unwrap().repeat(2);
    workshop.write("twice", &twice);
    for (base, message) in [
        ("text", "`text` is no executable of chapbook"),
        ("empty", "`empty` is no executable of chapbook"),
        ("twice", "`twice` holds two executables of chapbook"),
        ("gone", "failed to read `gone`: No such file"),
        ("site", "failed to read `site`: "),
    ] {
        let arguments = ["pack", "site", "-o", "out", "--base", base];
        let done = workshop.chapbook(&arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{base}");
        assert!(said(&done).contains(message), "{}", said(&done));
        assert_eq!(said(&done).lines().count(), 1);
        assert_eq!(workshop.names(), ["empty", "site", "text", "twice"]);
    }
}

/// A file holds another site than the one that was packed into the executable that runs.
#[test]
fn a_site_of_another_executable_is_refused() {
    let workshop = Workshop::new();
    workshop.write("other/index.html", b"<!DOCTYPE html><title>Other</title>\n");
    workshop.pack(&["site", "-o", "out"]);
    workshop.pack(&["other", "-o", "two"]);
    let (one, two) = (workshop.read("out"), workshop.read("two"));
    let appended = Appended::find(&mut Cursor::new(&two)).unwrap().unwrap();
    let offset = usize::try_from(appended.site_offset).unwrap();
    workshop.write_executable("out", &[&one[..offset], &two[offset..]].concat());
    for command in ["ls", "version", "verify", "serve"] {
        let done = workshop.packed("out", &[command]).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{command}: {}", said(&done));
        assert!(said(&done).contains("is not the one that was packed into it"));
        assert_eq!(said(&done).lines().count(), 1);
    }
}

/// An executable says in its mark whether it reads zstd frames.
#[test]
#[cfg(feature = "zstd")]
fn a_base_without_zstd_gets_no_frames() {
    let workshop = Workshop::new();
    let mut base = fs::read(env!("CARGO_BIN_EXE_chapbook")).unwrap();
    let find =
        |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let mark = find(&base, b"chapbook's mark 2, format").unwrap();
    let yes = mark + find(&base[mark..], b", zstd: yes.").unwrap();
    base[yes..yes + 12].copy_from_slice(b", zstd: no. ");
    workshop.write("base", &base);
    let arguments = ["pack", "site", "-o", "out", "--base", "base", "--store"];
    let done = workshop
        .chapbook(&[&arguments[..], &["small"]].concat())
        .output();
    let done = done.unwrap();
    assert_eq!(done.status.code(), Some(2));
    let told = said(&done);
    assert!(
        told.contains("failed to pack `out`: `base` was built without"),
        "{told}"
    );
    assert!(
        told.contains("use --store coded") && told.lines().count() == 1,
        "{told}"
    );
    assert_eq!(workshop.names(), ["base", "site"]);
    for store in ["all", "coded"] {
        workshop.pack(&[&arguments[1..], &[store]].concat());
    }
}

/// The packed site's header says that contents are made of zstd frames.
#[test]
#[cfg(not(feature = "zstd"))]
fn a_site_of_frames_is_refused_when_it_cannot_be_served() {
    const HAS_FRAMES_AT: usize = 144;
    let workshop = Workshop::new();
    workshop.pack(&["site", "-o", "out", "--store", "coded"]);
    let mut bytes = workshop.read("out");
    let appended = Appended::find(&mut Cursor::new(&bytes)).unwrap().unwrap();
    let header = &mut bytes[usize::try_from(appended.site_offset).unwrap()..][..256];
    assert_eq!(header[HAS_FRAMES_AT], 0);
    header[HAS_FRAMES_AT] = 1;
    let digest = Digest::of(&header[..224]);
    header[224..].copy_from_slice(&digest.0);
    workshop.write_executable("out", &bytes);
    for command in [
        &["verify"][..],
        &["cat", "/"],
        &["extract", "files"],
        &["serve"],
    ] {
        let done = workshop.packed("out", command).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{command:?}: {}", said(&done));
        assert!(
            said(&done).contains("pack it with --store coded"),
            "{}",
            said(&done)
        );
        assert_eq!(said(&done).lines().count(), 1);
    }
    for command in ["ls", "version"] {
        workshop.ask("out", &[command]);
    }
}

#[test]
fn stores_and_codings_are_what_was_asked_for() {
    let workshop = Workshop::new();
    let codings = |arguments: &[&str]| -> Vec<String> {
        workshop.pack(&[&["site", "-o", "out"], arguments].concat());
        assert!(workshop.ask("out", &["verify"]).ends_with("as packed\n"));
        let about = workshop.ask("out", &["cat", "/about.html"]);
        assert_eq!(about, FILES[1].1, "{arguments:?}");
        let manifest = workshop.ask_json("out", &["ls", "--json"]);
        let entries = manifest["entries"].as_array().unwrap();
        let about = entries.iter().find(|entry| entry["path"] == "/about.html");
        let all = about.unwrap()["representations"].as_array().unwrap();
        let coding = |one: &serde_json::Value| one["coding"].as_str().unwrap().to_owned();
        all.iter().map(coding).collect()
    };
    assert_eq!(codings(&[]), ["br", "gzip", "identity"]);
    assert_eq!(codings(&["--codings", "identity"]), ["identity"]);
    assert_eq!(
        codings(&["--codings", "gzip", "--store", "coded"]),
        ["gzip", "identity"]
    );
    if cfg!(feature = "zstd") {
        assert_eq!(codings(&["--codings", "zstd"]), ["zstd", "identity"]);
        assert!(codings(&["--store", "small"]).contains(&"identity".to_owned()));
    }
}

#[test]
fn conventions_of_hosts_are_options() {
    let workshop = Workshop::new();
    let options = [
        "--clean-urls",
        "--spa",
        "--base-path",
        "docs",
        "--csp",
        "report",
    ];
    let said = workshop.pack(&[&["site", "-o", "out"], &options[..]].concat());
    assert!(!said.contains("dead-link"), "{said}");
    let server = workshop.serve("out", ENGINES[0].name());
    for (target, status, location) in [
        ("/", 404, None),
        ("/docs", 308, Some("/docs/")),
        ("/docs/", 200, None),
        ("/docs/about", 200, None),
        ("/docs/about.html", 308, Some("/docs/about")),
        ("/docs/docs/", 200, None),
        ("/docs/nowhere", 200, None),
        ("/about", 404, None),
    ] {
        let answer = get(server.address, target);
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.field("Location"), location, "{target}");
    }
    assert_eq!(get(server.address, "/docs/a/b").text(), FILES[0].1);
    assert_eq!(
        get(server.address, "/about").text(),
        FILES[2].1,
        "the 404 page"
    );
    let page = get(server.address, "/docs/");
    assert_eq!(page.field("Content-Security-Policy"), None);
    let policy = page.field("Content-Security-Policy-Report-Only").unwrap();
    assert!(policy.contains("script-src 'self' 'sha256-"), "{policy}");
}

#[test]
fn a_root_is_a_directory_of_the_source() {
    let workshop = Workshop::new();
    archives::write(&workshop.path("site"), &workshop.path("a.tar"));
    for source in ["site", "a.tar"] {
        workshop.pack(&[source, "-o", "out", "--root", "/docs/"]);
        assert_eq!(workshop.ask("out", &["cat", "/"]), FILES[3].1, "{source}");
        for (root, message) in [("..", "leads out of the source"), ("gone", "gone")] {
            let arguments = ["pack", source, "-o", "never", "--root", root];
            let done = workshop.chapbook(&arguments).output().unwrap();
            assert_eq!(done.status.code(), Some(2), "{source} {root}");
            assert!(said(&done).contains(message), "{}", said(&done));
        }
    }
    assert_eq!(workshop.names(), ["a.tar", "out", "site"]);
}

#[test]
fn findings_are_told_and_denied_ones_are_errors() {
    let page = "<!DOCTYPE html><title>x</title>\n<a href=\"/gone\">x</a>\n\
                <script src=\"https://cdn.example/x.js\"></script>\n<script>1</script>\n";
    let workshop = Workshop::with(&[("index.html", page)]);
    let told = workshop.pack(&["site", "-o", "out"]);
    assert!(told.contains("site/index.html:2: dead-link: "), "{told}");
    assert!(
        told.contains("site/index.html:3: external-load: "),
        "{told}"
    );
    assert!(!told.contains("inline-script"), "a note: {told}");
    for (denied, kind) in [
        ("dead-link", "dead-link"),
        ("external-load,eval", "external-load"),
        ("inline-script", "inline-script"),
        ("all", "inline-script"),
    ] {
        let arguments = ["pack", "site", "-o", "never", "--deny", denied];
        let done = workshop.chapbook(&arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(1), "{denied}");
        assert!(
            said(&done).contains(&format!(": {kind}: ")),
            "{}",
            said(&done)
        );
        assert!(said(&done).ends_with("denied\n"), "{}", said(&done));
    }
    assert_eq!(workshop.names(), ["out", "site"]);
    let checked = workshop.chapbook(&["check", "site"]).output().unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let lines = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    workshop.write("site/index.html", b"<!DOCTYPE html><title>x</title>\n");
    let checked = workshop.chapbook(&["check", "site"]).output().unwrap();
    assert!(checked.status.success() && checked.stdout.is_empty());
}

#[test]
fn rule_files_are_followed_on_every_engine() {
    let workshop = Workshop::new();
    let redirects = "/old/* /docs/:splat 301\n/:year/:name /about.html 200\n/shut /404.html 404\n\
                     /main.css /docs/ 307!\n/away https://b.example/ 303\n";
    workshop.write("site/_redirects", redirects.as_bytes());
    let headers = "/*\n  X-Site: all\n/docs/*\n  X-Docs: yes\n  ! X-Site\n";
    workshop.write("site/_headers", headers.as_bytes());
    workshop.pack(&["site", "-o", "out"]);
    for engine in ENGINES {
        let server = workshop.serve("out", engine.name());
        for (target, status, location) in [
            ("/old/a/b?c=d", 301, Some("/docs/a/b?c=d")),
            ("/2026/x", 200, None),
            ("/shut", 404, None),
            ("/main.css", 307, Some("/docs/")),
            ("/away", 303, Some("https://b.example/")),
            ("/_redirects", 404, None),
            ("/_headers", 404, None),
        ] {
            let answer = get(server.address, target);
            assert_eq!(answer.status, status, "{target} on {}", engine.name());
            assert_eq!(answer.field("Location"), location, "{target}");
        }
        let (home, docs) = (get(server.address, "/"), get(server.address, "/docs/"));
        assert_eq!(
            (home.field("X-Site"), home.field("X-Docs")),
            (Some("all"), None)
        );
        assert_eq!(
            (docs.field("X-Site"), docs.field("X-Docs")),
            (None, Some("yes"))
        );
    }
}

#[test]
fn a_rule_that_cannot_work_is_named_with_file_and_line() {
    for (file, text, message) in [
        ("_redirects", "# a\n/a /b 418\n", "site/_redirects:2: "),
        ("_redirects", "/a /gone 200\n", "site/_redirects:1: "),
        ("_redirects", "/x /y\n/y /x\n", "site/_redirects:1: "),
        (
            "_headers",
            "/*\n  X-A: 1\n  Connection: close\n",
            "site/_headers:3: ",
        ),
        ("_headers", "  X-A: 1\n", "site/_headers:1: "),
    ] {
        let workshop = Workshop::new();
        workshop.write(&format!("site/{file}"), text.as_bytes());
        let done = workshop.chapbook(&["pack", "site", "-o", "out"]).output();
        let done = done.unwrap();
        assert_eq!(done.status.code(), Some(2), "{text:?}");
        assert!(said(&done).contains(message), "{text:?}: {}", said(&done));
        assert_eq!(said(&done).lines().count(), 1, "{}", said(&done));
        assert_eq!(workshop.names(), ["site"]);
    }
}

/// A bar for whoever is there to see it.
#[test]
fn a_terminal_sees_how_far_it_is() {
    let workshop = Workshop::new();
    let command = format!("'{}' pack site -o out", env!("CARGO_BIN_EXE_chapbook"));
    let mut script = Command::new("script");
    script
        .args(["-qec", &command, "/dev/null"])
        .current_dir(workshop.path(""));
    let done = script
        .env("CHAPBOOK_CACHE", "off")
        .env("SHELL", "/bin/sh")
        .output();
    let Ok(done) = done else {
        return crate::site::skipped("there is no program `script` to make a terminal");
    };
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(
        shown.contains(" %, ") && shown.contains(" of 7 files"),
        "{shown}"
    );
    assert!(
        shown.contains("\r\x1b[Kchapbook: "),
        "the bar goes: {shown:?}"
    );
    assert!(shown.contains("packed 7 files"), "{shown}");
}
