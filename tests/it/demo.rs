//! What `--demo` shows, and that nothing of it is there without.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chapbook::server::Engine;
use serde_json::{Value, json};

use crate::management::{Got, ask};
use crate::server::{ENGINES, PATIENCE, Running, chapbook, connect};

fn start(engine: Engine, location: &str) -> Running {
    let mut command = chapbook();
    let arguments = ["serve", "--demo", "--listen", "127.0.0.1:0", "--engine"];
    command.args(arguments).arg(engine.name());
    command.env("LOCATION", location).env("A_SECRET", "hidden");
    Running::spawn(command)
}

fn get(server: &Running, target: &str) -> Got {
    ask(server.address, "GET", target, "")
}

fn json_of(got: &Got) -> Value {
    assert!(got.has("Content-Type: application/json"), "{}", got.head);
    assert!(got.has("Cache-Control: no-store"), "{}", got.head);
    assert!(got.has("X-Content-Type-Options: nosniff"), "{}", got.head);
    serde_json::from_slice(&got.content).unwrap()
}

#[test]
fn without_it_there_is_nothing_of_it() {
    for engine in ENGINES.iter().copied() {
        let server = Running::start(&["--engine", engine.name()]);
        for page in ["delay/0", "status/500", "headers", "env", "ready/enable"] {
            let target = format!("/-/demo/{page}");
            assert_eq!(get(&server, &target).status, 404, "{target}");
            let posted = ask(server.address, "POST", &target, "");
            assert_eq!(posted.status, 405, "{target}");
        }
        assert!(!get(&server, "/").text().contains("<table bgcolor"));
    }
}

#[test]
fn it_answers_with_the_status_that_was_asked_for() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, "");
        for status in [200, 400, 403, 404, 405, 408, 429, 500, 501, 502, 503, 504] {
            let got = get(&server, &format!("/-/demo/status/{status}"));
            assert_eq!(got.status, status);
            assert_eq!(json_of(&got), json!({ "status": status }));
        }
        for none in [
            "", "0", "99", "100", "204", "304", "600", "+500", "500x", "-1", "1/1",
        ] {
            let got = get(&server, &format!("/-/demo/status/{none}"));
            assert_eq!(got.status, 404, "{none}");
            assert!(got.text().contains("<html") || !got.has("Content-Type: application/json"));
        }
        // The rules of methods are those of all pages.
        let head = ask(server.address, "HEAD", "/-/demo/status/500", "");
        assert!(head.status == 500 && head.content.is_empty());
        let posted = ask(server.address, "POST", "/-/demo/status/500", "");
        assert!(posted.status == 405 && posted.has("Allow: GET, HEAD, OPTIONS"));
    }
}

#[test]
fn it_tells_fields_and_names_of_variables() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, "here \"and\" there");
        let lines = "X-A: <b>\\\"\r\nx-a: 2\r\nAuthorization: Basic c2VjcmV0\r\nCookie: a=b\r\n";
        let got = ask(server.address, "GET", "/-/demo/headers", lines);
        let told = json_of(&got);
        assert_eq!(told["x-a"], json!(["<b>\\\"", "2"]), "{told}");
        assert_eq!(told["host"], json!(["a"]));
        assert_eq!(told["authorization"], json!(["(not told)"]));
        assert_eq!(told["cookie"], json!(["(not told)"]));
        let told = json_of(&get(&server, "/-/demo/env"));
        let names = told["names"].as_array().unwrap();
        assert!(names.contains(&json!("A_SECRET")), "{told}");
        assert_eq!(told["values"]["LOCATION"], "here \"and\" there");
        assert!(!told.to_string().contains("hidden"), "{told}");
    }
}

#[test]
fn a_post_says_whether_it_is_ready() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, "");
        for (name, status) in [("disable", 503), ("disable", 503), ("enable", 200)] {
            let target = format!("/-/demo/ready/{name}");
            for method in ["GET", "HEAD", "PUT"] {
                let refused = ask(server.address, method, &target, "");
                assert_eq!(refused.status, 405, "{method} {target}");
            }
            assert!(get(&server, &target).has("Allow: POST"));
            let content = "Content-Length: 4\r\n\r\nbody";
            let done = ask(server.address, "POST", &target, content);
            assert_eq!(json_of(&done), json!({ "ready": name == "enable" }));
            assert_eq!(get(&server, "/-/ready").status, status);
        }
        assert_eq!(
            ask(server.address, "POST", "/-/demo/ready/", "").status,
            405
        );
    }
}

/// Asks for a late answer, and does not wait for it.
fn begin(address: SocketAddr, seconds: u16) -> std::net::TcpStream {
    let mut stream = connect(address);
    let target = format!("/-/demo/delay/{seconds}");
    let raw = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(raw.as_bytes()).unwrap();
    stream
}

fn end(mut stream: std::net::TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn late_answers_hold_up_nobody_and_are_bounded() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, "");
        let begun = Instant::now();
        let mut late: Vec<_> = (0..16).map(|_| begin(server.address, 3)).collect();
        // Others are answered meanwhile, on the same loops.
        for _ in 0..20 {
            assert_eq!(get(&server, "/-/demo/delay/0").status, 200);
        }
        let mut refused = begin(server.address, 3);
        let deadline = begun + PATIENCE;
        let mut text = end(refused);
        // Unless the machine is so busy that the first ones are over.
        while !text.starts_with("HTTP/1.1 503 ") && Instant::now() < deadline {
            late.push(begin(server.address, 3));
            refused = begin(server.address, 3);
            text = end(refused);
        }
        assert!(text.contains("\r\nRetry-After: 1\r\n"), "{text}");
        for stream in late.drain(..16) {
            assert!(end(stream).ends_with("{\"delay\":3}\n"));
        }
        assert!(
            begun.elapsed() >= Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
        for none in ["21", "x", "", "-1", "1.5", "99999"] {
            assert_eq!(
                get(&server, &format!("/-/demo/delay/{none}")).status,
                404,
                "{none}"
            );
        }
    }
}

#[test]
fn a_late_answer_is_one_of_several_and_completes_at_the_end() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, "");
        let mut stream = connect(server.address);
        let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let raw = [ask("/-/health"), ask("/-/demo/delay/1"), ask("/-/health")].concat();
        stream.write_all(raw.as_bytes()).unwrap();
        let mut text = String::new();
        while text.matches("alive\n").count() < 2 {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap();
            assert!(read > 0, "{text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        let (first, second) = (text.find("alive\n"), text.find("{\"delay\":1}"));
        assert!(first < second && second < text.rfind("alive\n"), "{text}");
        drop(stream);
        // What is taken up when the end begins still gets its answer.
        let mut late = connect(server.address);
        let raw = [ask("/-/health"), ask("/-/demo/delay/2")].concat();
        late.write_all(raw.as_bytes()).unwrap();
        let mut text = String::new();
        while !text.ends_with("alive\n") {
            let mut byte = [0];
            late.read_exact(&mut byte).unwrap();
            text.push(byte[0].into());
        }
        server.signal("TERM");
        assert!(end(late).ends_with("{\"delay\":2}\n"));
        assert_eq!(server.end().0, Some(0));
    }
}

#[test]
fn the_index_page_has_a_banner_of_its_own() {
    for engine in ENGINES.iter().copied() {
        let plain = Running::start(&["--engine", engine.name()]);
        let plain = get(&plain, "/");
        let (here, there) = (start(engine, "<here>"), start(engine, "there"));
        let got = get(&here, "/");
        let version = concat!("chapbook <b>", env!("CARGO_PKG_VERSION"), "</b>");
        assert!(got.text().contains(version), "{}", got.text());
        assert!(
            got.text().contains(" at <b>&lt;here></b>"),
            "{}",
            got.text()
        );
        // But for the banner it is the page, under its policy.
        let (before, rest) = got.text().split_once("<table bgcolor=").unwrap();
        let (_, behind) = rest.split_once("</table>\n").unwrap();
        assert!(before.ends_with("<body>"), "{before}");
        assert_eq!([before, behind].concat(), plain.text());
        let line = |got: &Got, name: &str| -> String {
            let line = got.head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}{}", got.head))
                .to_owned()
        };
        for name in [
            "Content-Security-Policy: ",
            "Content-Type: ",
            "Cache-Control: ",
        ] {
            assert_eq!(line(&got, name), line(&plain, name));
        }
        let tag = line(&got, "ETag: ");
        let others = [line(&plain, "ETag: "), line(&get(&there, "/"), "ETag: ")];
        assert!(!others.contains(&tag), "{tag}");
        let coded = ask(here.address, "GET", "/", "Accept-Encoding: gzip\r\n");
        assert_eq!(
            (line(&coded, "ETag: "), coded.content),
            (tag.clone(), got.content.clone())
        );
        let head = ask(here.address, "HEAD", "/", "");
        assert_eq!(
            line(&head, "Content-Length: "),
            line(&got, "Content-Length: ")
        );
        let again = ask(
            here.address,
            "GET",
            "/",
            &format!("If-None-Match: {tag}\r\n"),
        );
        assert_eq!((again.status, line(&again, "ETag: ")), (304, tag));
        let before = format!("If-None-Match: {}\r\n", others[0]);
        assert_eq!(ask(here.address, "GET", "/", &before).status, 200);
        assert_eq!(
            ask(here.address, "GET", "/", "If-Match: \"x\"\r\n").status,
            412
        );
        // Other pages are as they were.
        assert!(!get(&here, "/poetry/").text().contains("<table bgcolor"));
    }
}
