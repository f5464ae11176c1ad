//! Poems that a directory brings when the server starts, and SIGHUP anew.

use std::fs;
use std::io::BufRead as _;
use std::time::{Duration, Instant};

use crate::server::{ENGINES, PATIENCE, Running, chapbook};
use crate::workshop::{get, refused};

const ONE: &str = "The first\n\nOf some lines\nThis is the second.\n";

/// A directory with a poem.
fn poems() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("one.txt"), ONE).unwrap();
    root
}

/// The next line that has the word.
fn told(server: &mut Running, word: &str) -> String {
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(
            server.stderr.read_line(&mut line).unwrap() > 0,
            "never: {word}"
        );
    }
    line
}

#[test]
fn poems_of_a_directory_take_the_place_of_those_inside() {
    for engine in ENGINES.iter().copied() {
        for (variable, flag) in [
            ("POETRY_DIR", false),
            ("CHAPBOOK_POETRY_DIR", false),
            ("", true),
        ] {
            let root = poems();
            let directory = root.path().to_str().unwrap();
            let mut command = chapbook();
            command.args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--engine",
                engine.name(),
            ]);
            command.env("CHAPBOOK_CACHE", "off");
            if flag {
                command
                    .args(["--poetry-dir", directory])
                    .env("POETRY_DIR", "/nonexistent");
            } else {
                command.env(variable, directory);
            }
            let server = Running::spawn(command);
            assert_eq!(get(server.address, "/poetry/one.txt").text(), ONE);
            assert!(
                get(server.address, "/poetry/one")
                    .text()
                    .contains("This is the second.")
            );
            assert_eq!(get(server.address, "/poetry/slipway").status, 404);
            assert_eq!(get(server.address, "/").status, 200);
        }
    }
}

#[test]
fn a_hang_up_reads_them_anew_or_leaves_them() {
    for engine in ENGINES.iter().copied() {
        let root = poems();
        let arguments = [
            "--poetry-dir",
            root.path().to_str().unwrap(),
            "--cache",
            "off",
        ];
        let mut server = Running::start(&[&arguments[..], &["--engine", engine.name()]].concat());
        let until = |address, path: &str, status: u16| {
            let deadline = Instant::now() + PATIENCE;
            while get(address, path).status != status {
                assert!(Instant::now() < deadline, "{path} is never {status}");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let address = server.address;
        fs::write(root.path().join("two.txt"), "The second\n\nAnother.\n").unwrap();
        assert_eq!(get(address, "/poetry/two").status, 404, "unasked");
        server.signal("HUP");
        told(&mut server, "poems read anew: now of site ");
        until(address, "/poetry/two", 200);
        // All or nothing.
        fs::write(root.path().join("three.txt"), b"\xff\xfe broken").unwrap();
        fs::write(root.path().join("one.txt"), "Changed\n\nOther lines.\n").unwrap();
        server.signal("HUP");
        let line = told(&mut server, "poems not read anew, what was stays: ");
        assert!(line.contains("three.txt"), "{line}");
        assert_eq!(get(address, "/poetry/one.txt").text(), ONE);
        fs::remove_file(root.path().join("three.txt")).unwrap();
        fs::remove_file(root.path().join("two.txt")).unwrap();
        server.signal("HUP");
        told(&mut server, "poems read anew: now of site ");
        until(address, "/poetry/two", 404);
        assert_eq!(
            get(address, "/poetry/one.txt").text(),
            "Changed\n\nOther lines.\n"
        );
        server.signal("HUP");
        told(&mut server, "poems read anew: nothing has changed");
        fs::remove_dir_all(root.path()).unwrap();
        server.signal("HUP");
        told(&mut server, "poems not read anew");
        assert_eq!(get(address, "/poetry/one").status, 200);
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
    }
}

#[test]
fn a_hang_up_without_them_is_no_end() {
    let mut server = Running::start(&[]);
    server.signal("HUP");
    told(&mut server, "SIGHUP: there is nothing to read anew");
    assert_eq!(get(server.address, "/").status, 200);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn what_is_missing_empty_or_broken_is_told_and_nothing_starts() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    for name in ["empty", "hidden", "broken", "strange"] {
        fs::create_dir(path(name)).unwrap();
    }
    fs::write(path("hidden/.one.txt"), ONE).unwrap();
    fs::write(path("broken/one.txt"), ONE).unwrap();
    fs::write(path("broken/two.txt"), b"\xff").unwrap();
    fs::write(path("strange/one.html"), "<p>").unwrap();
    fs::write(path("file"), ONE).unwrap();
    for (name, cause) in [
        ("missing", "No such file"),
        ("empty", "there are no files in it"),
        ("hidden", "there are no files in it"),
        ("broken", "two.txt"),
        ("strange", "it is not a poem"),
        ("file", "it is not a directory"),
    ] {
        let mut command = chapbook();
        command.args(["serve", "--listen", "127.0.0.1:0", "--cache", "off"]);
        command.env("POETRY_DIR", path(name));
        let line = refused(command);
        assert!(line.contains(cause), "{name}: {line}");
    }
}

/// What Kubernetes makes of a ConfigMap: links by way of a directory that begins with a dot.
#[test]
#[cfg(unix)]
fn a_config_map_is_a_directory_of_poems() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::create_dir(path("..2026_11_22")).unwrap();
    fs::write(path("..2026_11_22/one.txt"), ONE).unwrap();
    symlink("..2026_11_22", path("..data")).unwrap();
    symlink("..data/one.txt", path("one.txt")).unwrap();
    let directory = root.path().to_str().unwrap();
    let server = Running::start(&["--poetry-dir", directory, "--cache", "off"]);
    assert_eq!(get(server.address, "/poetry/one.txt").text(), ONE);
    let list = get(server.address, "/poetry/").text().to_owned();
    assert_eq!(list.matches("The first").count(), 1, "{list}");
}
