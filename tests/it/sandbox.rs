//! The executable with `--sandbox strict`: it answers as it does without.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use chapbook::server::Engine;

use crate::exchange::Answer;
use crate::server::{ENGINES, PATIENCE, Running, connect};
use crate::workshop::{FILES, Workshop, get};

/// Large enough to be sent from the file, and more than a socket takes at once.
const LARGE_BYTES: usize = 6 << 20;

/// A site with something large, packed in two ways.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("site/large.bin", &large());
    workshop.write("site/long.txt", "a pedlar ".repeat(50_000).as_bytes());
    workshop.pack(&["site", "-o", "all"]);
    #[cfg(feature = "zstd")]
    workshop.pack(&["site", "-o", "small", "--store", "small"]);
    workshop
}

fn large() -> Vec<u8> {
    let number = |at: usize| (at * 31 / 7) as u8;
    (0..LARGE_BYTES).map(number).collect()
}

/// Whether this system has all of the sandbox.
fn is_whole(workshop: &Workshop) -> bool {
    let arguments = ["serve", "--sandbox", "strict", "--listen", "127.0.0.1:0"];
    let mut child = workshop.packed("all", &arguments).spawn().unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let whole = line.contains("\"sandbox\":\"on\"");
    if !whole {
        crate::site::skipped(&format!("there is no strict sandbox here: {line}"));
        assert!(std::env::var_os("CHAPBOOK_CI_TOOLS").is_none(), "{line}");
    }
    whole
}

fn strict(workshop: &Workshop, name: &str, engine: Engine) -> Running {
    let arguments = ["serve", "--sandbox", "strict", "--engine", engine.name()];
    let listen = ["--listen", "127.0.0.1:0"];
    Running::spawn(workshop.packed(name, &[&arguments[..], &listen].concat()))
}

/// Sends a request with these fields; the answer.
fn ask(server: &Running, target: &str, fields: &str) -> Answer {
    let mut stream = connect(server.address);
    let usual = "Host: a.example\r\nConnection: close\r\n";
    let raw = format!("GET {target} HTTP/1.1\r\n{usual}{fields}\r\n");
    stream.write_all(raw.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes, "GET")
}

/// What the system says of every thread of a process, field by field.
fn threads(server: &Running) -> Vec<Vec<(String, String)>> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let status = |task: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let fields = text.lines().filter_map(|line| line.split_once(":\t"));
        fields
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    };
    tasks.map(status).collect()
}

#[test]
fn every_kind_of_answer_comes_out_of_the_sandbox() {
    let workshop = workshop();
    if !is_whole(&workshop) {
        return;
    }
    let large = large();
    for (name, engine) in ENGINES
        .iter()
        .flat_map(|engine| [("all", *engine), ("small", *engine)])
    {
        if !workshop.path(name).exists() {
            continue; // built without zstd
        }
        let server = strict(&workshop, name, engine);
        let about = ask(&server, "/about.html", "");
        assert_eq!((about.status, about.text()), (200, FILES[1].1));
        let coded = ask(&server, "/long.txt", "Accept-Encoding: gzip\r\n");
        assert_eq!(coded.field("Content-Encoding"), Some("gzip"));
        assert_eq!(ask(&server, "/long.txt", "").content.len(), 450_000);
        let tag = about.field("ETag").unwrap();
        let again = ask(&server, "/about.html", &format!("If-None-Match: {tag}\r\n"));
        assert_eq!(again.status, 304);
        assert!(ask(&server, "/large.bin", "").content == large);
        let part = ask(&server, "/large.bin", "Range: bytes=100000-3000000\r\n");
        assert_eq!(part.status, 206);
        assert!(part.content == large[100_000..=3_000_000]);
        assert_eq!(ask(&server, "/nowhere", "").status, 404);
        assert_eq!(ask(&server, "/%zz", "").status, 400);
        assert_eq!(ask(&server, "/-/health", "").text(), "alive\n");
        assert_eq!(get(server.address, "/docs").status, 308);
        // A download that has begun completes.
        let mut stream = connect(server.address);
        let raw = b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(raw).unwrap();
        let mut bytes = vec![0; 4096];
        stream.read_exact(&mut bytes).unwrap();
        server.signal("TERM");
        std::thread::sleep(Duration::from_millis(300));
        stream.read_to_end(&mut bytes).unwrap();
        assert!(Answer::parse(&bytes, "GET").content == large);
        let (code, out, err) = server.end();
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(out.lines().count(), 11, "{out}");
        assert!(err.contains("answered 11 requests"), "{err}");
        assert!(!err.contains("copied, not sent"), "{err}");
    }
}

#[test]
fn every_thread_is_inside() {
    let workshop = workshop();
    if !is_whole(&workshop) {
        return;
    }
    let is_root = rustix::process::getuid().is_root();
    for engine in ENGINES.iter().copied() {
        let server = strict(&workshop, "all", engine);
        assert_eq!(get(server.address, "/about.html").status, 200);
        let threads = threads(&server);
        assert!(threads.len() > 3, "{threads:?}");
        for thread in threads {
            let has = |name: &str| {
                let found = thread.iter().find(|(known, _)| known == name);
                found.map_or("", |(_, value)| value).to_owned()
            };
            assert_eq!(has("Seccomp"), "2", "{}", has("Name"));
            assert_eq!(has("NoNewPrivs"), "1");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(has(set), "0000000000000000", "{set}");
            }
            if is_root {
                assert_eq!(has("CapBnd"), "0000000000000000");
                assert_eq!(has("Uid"), "65532\t65532\t65532\t65532");
                assert_eq!(has("Gid"), "65532\t65532\t65532\t65532");
                assert_eq!(has("Groups"), "");
            }
        }
    }
}

/// Root would stay for the sake of a directory that is closed to others; so it is opened.
#[test]
fn a_unix_socket_is_removed_at_the_end() {
    let workshop = workshop();
    if !is_whole(&workshop) {
        return;
    }
    fs::create_dir(workshop.path("run")).unwrap();
    for name in ["", "run"] {
        fs::set_permissions(workshop.path(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let socket = workshop.path("run/socket");
    let listen = format!("unix:{}", socket.display());
    for engine in ENGINES.iter().copied() {
        let arguments = ["serve", "--listen", &listen, "--engine", engine.name()];
        let mut child = workshop.packed("all", &arguments).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let raw = b"GET /about.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(raw).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(Answer::parse(&bytes, "GET").text(), FILES[1].1);
        let pid = child.id().to_string();
        let kill = std::process::Command::new("kill").arg(pid).status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!socket.exists(), "{} left it behind", engine.name());
    }
}

#[test]
fn what_is_watched_is_read_from_inside() {
    let workshop = Workshop::new();
    let arguments = ["serve", "site", "--watch", "--listen", "127.0.0.1:0"];
    let server = Running::spawn(workshop.chapbook(&arguments));
    let until = |path: &str, text: &str| {
        let deadline = Instant::now() + PATIENCE;
        while !get(server.address, path).text().ends_with(text) {
            assert!(Instant::now() < deadline, "{path} never was {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    workshop.write("site/page.html", b"one");
    until("/page.html", "one");
    workshop.write("site/page.html", b"two");
    until("/page.html", "two");
    // Another directory of the same name.
    fs::rename(workshop.path("site"), workshop.path("before")).unwrap();
    workshop.write("site/page.html", b"four");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(get(server.address, "/page.html").text().ends_with("two"));
    server.signal("TERM");
    let (code, _, told) = server.end();
    assert_eq!(code, Some(0));
    assert!(
        told.contains("`site` was replaced by another, which is closed"),
        "{told}"
    );
}

#[test]
fn strict_is_all_or_nothing() {
    let workshop = Workshop::new();
    let is_root = rustix::process::getuid().is_root();
    if !is_root {
        return crate::site::skipped("only root can lack what it needs to leave root");
    }
    let alone = fs::Permissions::from_mode(0o700);
    fs::set_permissions(workshop.path("site"), alone).unwrap();
    let arguments = ["serve", "site", "--watch", "--sandbox", "strict"];
    let mut command = workshop.chapbook(&arguments);
    let mut child = command.args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_last = |line: &String| line.contains("the sandbox") || line.contains("http://");
    let line = lines.map(Result::unwrap).find(is_last).unwrap();
    let _ = child.kill();
    let why = "failed to enter the sandbox: user partly (still root: `site` is closed";
    assert!(line.contains(why), "{line}");
    let ended = child.wait().unwrap();
    assert!(ended.code().is_none_or(|code| code == 1), "{ended}");
}
