//! The log of the executable: forms, levels, ids, what dependencies say, and that every line is
//! one line.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chapbook::log::{ACCESS_FIELDS, EVENT_FIELDS};
use chapbook::server::Engine;
use serde_json::Value;

use crate::server::{ENGINES, PATIENCE, Running, chapbook, connect};

/// Sends `raw` and reads to the end.
pub(crate) fn ask(address: SocketAddr, raw: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    stream.write_all(raw).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub(crate) fn get(address: SocketAddr, target: &str, fields: &str) {
    let raw =
        format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{fields}Connection: close\r\n\r\n");
    assert!(ask(address, raw.as_bytes()).starts_with(b"HTTP/1.1 "));
}

/// Each line as JSON.
pub(crate) fn json(lines: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    lines.lines().map(read).collect()
}

#[test]
fn every_line_is_json_whatever_clients_send() {
    for engine in ENGINES {
        let server = Running::start(&["--engine", engine.name()]);
        let said = server.said.clone();
        for raw in [
            &b"GET /\"\\\x1b[2J HTTP/1.1\r\nHost: a\"b\\c\r\nConnection: close\r\n\r\n"[..],
            b"GET /\xff\xfe\xc3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"G\"T / HTTP/1.1\r\nHost: user:word@a\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\"b\r\nConnection: close\r\n\r\n",
            b"\x16\x03\x01\x02\0\n\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0\r\n\
              Referer: https://user:word@a/\r\nCookie: c2VjcmV0\r\nConnection: close\r\n\r\n",
        ] {
            ask(server.address, raw);
        }
        get(server.address, "/last", "");
        server.signal("TERM");
        let (code, out, err) = server.end();
        assert_eq!(code, Some(0));
        let lines = json(&out);
        // tiny_http keeps some of them to itself.
        assert!(lines.len() >= 3, "{out}");
        for line in &lines {
            for field in ACCESS_FIELDS {
                assert!(line.get(field).is_some(), "{field}: {line}");
            }
        }
        let last = lines.iter().find(|line| line["target"] == "/last").unwrap();
        assert_eq!(last["host"], "a.example");
        assert_eq!(last["peer"], "127.0.0.1");
        assert_eq!(
            (&last["status"], &last["reason"]),
            (&404.into(), &"NotFound".into())
        );
        assert!(last["duration_us"].as_u64().unwrap() < 10_000_000);
        assert_eq!(
            last["time"].as_str().unwrap().len(),
            "2026-11-22T00:00:00.000Z".len()
        );
        for event in json(&format!("{said}{err}")) {
            for field in EVENT_FIELDS
                .into_iter()
                .filter(|field| *field != "dependency")
            {
                assert!(event.get(field).is_some(), "{field}: {event}");
            }
        }
        for secret in ["word", "c2VjcmV0", "secret"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
        }
    }
}

#[test]
fn ids_are_taken_or_made() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    for engine in ENGINES {
        let server = Running::start(&["--engine", engine.name()]);
        let trace = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
        for fields in [
            "X-Request-Id: mine-1\r\n",
            &trace,
            "X-Request-Id: a b\r\n",
            "",
            "",
        ] {
            get(server.address, "/", fields);
        }
        server.signal("TERM");
        let (_, out, _) = server.end();
        // A line may be written after its answer, and so after the next one.
        let ids = json(&out).into_iter().map(|line| line["id"].clone());
        let ids: BTreeSet<String> = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 5, "{ids:?}");
        assert!(ids.contains("mine-1") && ids.contains(TRACE), "{ids:?}");
        let made = ids.iter().filter(|id| *id != "mine-1" && *id != TRACE);
        let starts: BTreeSet<&str> = made.map(|id| &id[..13]).collect();
        assert_eq!(starts.len(), 1, "{ids:?}");
    }
}

#[test]
fn the_first_event_tells_what_this_is() {
    let mut command = chapbook();
    command.env("LOCATION", "rack \"7\"\n\u{1b}[2J");
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Running::spawn(command);
    let events = json(&server.said);
    let start = events.last().unwrap();
    for field in chapbook::START_FIELDS {
        assert!(start.get(field).is_some(), "{field}: {start}");
    }
    assert_eq!(start["location"], "rack \"7\"\n\u{1b}[2J");
    assert_eq!(start["pid"], server.child.id());
    assert_eq!(start["version"], chapbook::about::VERSION);
    assert_eq!(start["rustc"], chapbook::about::RUSTC);
    assert_eq!(start["site"], crate::sites::poems().digest().hex());
    assert_eq!(start["source"]["mounts"][0]["as"], "poems");
    assert_eq!(start["engine"], chapbook::server::Engine::default().name());
    assert_eq!(start["level"], "info");
    assert_eq!(start["from"], "chapbook::commands::start");
}

/// tiny_http logs through the facade; so does mio, but only what is left out.
#[test]
#[cfg(feature = "tiny_http")]
fn what_a_dependency_says_is_an_event_of_its_own() {
    for (form, marked) in [
        (
            "json",
            "\"from\":\"tiny_http\",\"dependency\":\"tiny_http\"",
        ),
        ("text", " debug tiny_http (dependency): "),
    ] {
        let arguments = ["--engine", "tiny_http", "--log-format", form, "--log-level"];
        let server = Running::start(&[&arguments[..], &["debug"]].concat());
        get(server.address, "/", "");
        server.signal("TERM");
        let said = server.said.clone();
        let (_, _, err) = server.end();
        assert!(format!("{said}{err}").contains(marked), "{said}{err}");
        let server = Running::start(&[&arguments[..], &["info"]].concat());
        server.signal("TERM");
        let said = server.said.clone();
        let (_, _, err) = server.end();
        assert!(
            !format!("{said}{err}").contains("dependency"),
            "{said}{err}"
        );
    }
}

#[test]
fn levels_leave_out_what_is_less_grave() {
    let port = connect_free();
    for (level, lines) in [("info", 2), ("warn", 0), ("error", 0)] {
        let mut command = chapbook();
        command.args(["serve", "--log-level", level, "--listen", &port]);
        let mut child = command.spawn().unwrap();
        let address: SocketAddr = port.parse().unwrap();
        let deadline = std::time::Instant::now() + crate::server::PATIENCE;
        while std::net::TcpStream::connect(address).is_err() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        get(address, "/", "");
        let pid = child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let (mut out, mut err) = (String::new(), String::new());
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        child.wait().unwrap();
        assert_eq!(err.lines().count(), lines, "{level}: {err}");
        // Access lines have no level to leave them out by.
        assert_eq!(out.lines().count(), 1, "{out}");
    }
}

/// An address that nobody listens on.
pub(crate) fn connect_free() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Under `script` the program has a terminal.
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_gets_coloured_text_unless_it_declines() {
    if Command::new("script").arg("--version").output().is_err() {
        return crate::site::skipped_for_want_of("script");
    }
    let executable = env!("CARGO_BIN_EXE_chapbook");
    for (environment, coloured) in [("A=b", true), ("NO_COLOR=1", false), ("TERM=dumb", false)] {
        let serve =
            format!("env {environment} CHAPBOOK_LISTEN=192.0.2.1:1 {executable} serve; exit 0");
        let mut command = Command::new("script");
        command
            .args(["-qec", &serve, "/dev/null"])
            .env("TERM", "xterm")
            .env_remove("NO_COLOR");
        let done = command.stdin(std::process::Stdio::null()).output().unwrap();
        let out = String::from_utf8(done.stdout).unwrap();
        let (red, plain) = (" \x1b[31merror\x1b[0m ", " error ");
        assert!(
            out.contains(if coloured { red } else { plain }),
            "{environment}: {out}"
        );
        assert!(out.contains("failed to listen on `192.0.2.1:1`"), "{out}");
    }
}

#[test]
fn all_lines_of_a_server_under_load_are_there_at_the_end() {
    for engine in ENGINES {
        let server = Running::start(&["--engine", engine.name()]);
        let address = server.address;
        let client = move || {
            let mut answers = 0;
            let raw = b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n";
            let mut stream = connect(address);
            let mut buffer = [0; 4096];
            while stream.write_all(raw).is_ok() {
                match stream.read(&mut buffer) {
                    Ok(read @ 1..) if buffer[..read].starts_with(b"HTTP/1.1 200 ") => answers += 1,
                    _ => break,
                }
            }
            answers
        };
        let clients = [(); 4].map(|()| std::thread::spawn(client));
        std::thread::sleep(std::time::Duration::from_millis(500));
        server.signal("TERM");
        // It writes more than a pipe holds, and waits for who reads.
        let (code, out, err) = server.end();
        assert_eq!(code, Some(0), "{err}");
        let answers: usize = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum();
        let lines = json(&out).len();
        assert!(answers > 50, "{answers}");
        // An answer may be on its way to a client that sees the end before.
        assert!(
            (answers..=answers + 4).contains(&lines),
            "{lines} lines, {answers} answers"
        );
        assert!(err.contains(&format!("answered {lines} requests")), "{err}");
    }
}

/// A server whose log goes to `out` and `err`, asked for `count` long targets and told to end. Its
/// standard error, if that is a pipe of its own.
fn unread(engine: Engine, out: Stdio, err: Stdio, count: usize) -> String {
    let address: SocketAddr = connect_free().parse().unwrap();
    let mut command = chapbook();
    command.args(["serve", "--listen", &address.to_string(), "--engine"]);
    command.arg(engine.name()).stdin(Stdio::null());
    let mut child = command.stdout(out).stderr(err).spawn().unwrap();
    drop(command);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let target = format!("/{}", "a".repeat(3000));
    for _ in 0..count {
        get(address, &target, "");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{engine:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    let mut told = String::new();
    if let Some(mut err) = child.stderr.take() {
        err.read_to_string(&mut told).unwrap();
    }
    told
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    for engine in ENGINES {
        let (reader, writer) = std::io::pipe().unwrap();
        // Several times what a pipe holds.
        let out = writer.try_clone().unwrap().into();
        unread(*engine, out, writer.into(), 150);
        drop(reader);
    }
}

#[test]
fn lines_that_are_lost_at_the_end_are_told() {
    for engine in ENGINES {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let told = unread(*engine, writer.into(), Stdio::piped(), 150);
        let (_, lost) = told.split_once("the access log lost up to ").expect(&told);
        let lost: usize = lost.split(' ').next().unwrap().parse().unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        let whole = read.iter().filter(|byte| **byte == b'\n').count();
        // Some of the last write may have come.
        assert!((150 - whole..=150).contains(&lost), "{lost} and {whole}");
    }
}
