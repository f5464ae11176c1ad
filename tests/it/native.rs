//! What only the native engine promises: strict heads, bounds in time and number, sendfile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chapbook::limits::{ConnectionLimits, RequestLimits};
use chapbook::log::AccessLog;
use chapbook::origin::Origin;
use chapbook::server::{Context, Engine, Options, SiteFile};

use crate::exchange::Answer;
use crate::server::{PATIENCE, TestServer};
use crate::sites;

fn server() -> std::rc::Rc<TestServer> {
    TestServer::shared(Engine::Native, sites::files)
}

fn with_limits(change: impl FnOnce(&mut ConnectionLimits)) -> TestServer {
    let mut context = Context::new(Origin::new(sites::files()), AccessLog::off());
    let mut connections = ConnectionLimits::default();
    change(&mut connections);
    context.options = Options {
        connections,
        drain_delay_seconds: 0,
    };
    TestServer::with(Engine::Native, context)
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Sends `raw`; the answers up to the end of the connection.
fn answers(server: &TestServer, raw: &[u8]) -> Vec<Answer> {
    let mut stream = server.connect();
    stream.write_all(raw).unwrap();
    let bytes = read_to_end(&mut stream);
    let mut rest = &*bytes;
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let answer;
        (answer, rest) = Answer::take(rest, "GET");
        answers.push(answer);
    }
    answers
}

/// Sends a request that must be refused with this status, and the connection with it, although
/// a good request follows.
fn refused(raw: &[u8], status: u16) {
    let more = [raw, b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let found = answers(&server(), &more);
    let shown = String::from_utf8_lossy(&raw[..raw.len().min(200)]).into_owned();
    assert_eq!(found.len(), 1, "{shown:?}: {found:?}");
    assert_eq!(found[0].status, status, "{shown:?}: {}", found[0]);
    assert_eq!(found[0].field("Connection"), Some("close"), "{shown:?}");
    assert!(!found[0].content.is_empty(), "{shown:?} is told why");
}

#[test]
fn malformed_heads_are_refused_and_the_connection_ends() {
    for line in [
        "GET /\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET  / HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n",
        "G\0ET / HTTP/1.1\r\n",
        "GET / HTTP/1.11\r\n",
        "GET / HTTP/10.0\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.1\n",
        "GET /\x01 HTTP/1.1\r\n",
        "GET /#x HTTP/1.1\r\n",
        "\x16\x03\x01\r\n",
        "\n",
        "\r\n\r\n\r\nGET / HTTP/1.1\r\n",
        "GET /\u{fc} HTTP/1.1\r\n",
        "/ HTTP/1.1\r\n",
    ] {
        refused(format!("{line}Host: a\r\n\r\n").as_bytes(), 400);
    }
    for field in [
        "no colon\r\n",
        ": empty\r\n",
        "Host : a\r\n",
        "Host\t: a\r\n",
        "A b: c\r\n",
        "X: a\r\n folded\r\n",
        "X: a\rb\r\n",
        "X: a\n",
        "X: \0\r\n",
        "X: \x7f\r\n",
        "X: \x1b\r\n",
        "\u{fc}: a\r\n",
        "Host: b\r\n",
        "Content-Length: x\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    ] {
        refused(
            format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n").as_bytes(),
            400,
        );
    }
    refused(b"GET / HTTP/1.1\r\n folded: first\r\nHost: a\r\n\r\n", 400);
    refused(b"GET / HTTP/1.1\r\n\r\n", 400);
    refused(
        b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    );
    refused(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        400,
    );
}

#[test]
fn a_head_is_refused_without_content() {
    for raw in [
        "HEAD / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ] {
        let mut stream = server().connect();
        stream.write_all(raw.as_bytes()).unwrap();
        let answer = Answer::parse(&read_to_end(&mut stream), "HEAD");
        assert!(matches!(answer.status, 400 | 413), "{raw:?}: {answer}");
    }
}

#[test]
fn what_is_not_implemented_and_what_is_too_long_is_told_apart() {
    refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    refused(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    refused(b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505);
    refused(b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501);
    refused(
        format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(9_000)).as_bytes(),
        501,
    );
    refused(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    );
    refused(
        format!("GET /{} HTTP/1.1\r\n", "a".repeat(9_000)).as_bytes(),
        414,
    );
    let many = "X: y\r\n".repeat(101);
    refused(
        format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes(),
        431,
    );
    let long = "y".repeat(40_000);
    refused(
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n").as_bytes(),
        431,
    );
    refused(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n",
        413,
    );
}

#[test]
fn later_minor_versions_and_an_empty_line_before_are_taken() {
    let raw = b"\r\nGET /eleven.txt HTTP/1.2\r\nHost: a\r\n\r\n\
                \r\nGET /eleven.txt HTTP/1.9\r\nHost: a\r\nConnection: close\r\n\r\n";
    let found = answers(&server(), raw);
    assert_eq!(
        found.iter().map(|answer| answer.status).collect::<Vec<_>>(),
        [200, 200]
    );
}

#[test]
fn connection_options_are_read_wherever_they_stand() {
    for close in [
        "close",
        "Close",
        "foo, close",
        "foo\r\nConnection: close",
        "close, keep-alive",
    ] {
        let raw = format!(
            "GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: {close}\r\n\r\n\
             GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        assert_eq!(answers(&server(), raw.as_bytes()).len(), 1, "{close}");
    }
}

#[test]
fn a_request_that_does_not_come_in_time_gets_408() {
    let server = with_limits(|limits| limits.request_seconds = 1);
    for raw in [
        &b"GET / HT"[..],
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
    ] {
        let started = Instant::now();
        let mut stream = server.connect();
        stream.write_all(raw).unwrap();
        let answer = Answer::parse(&read_to_end(&mut stream), "GET");
        assert_eq!(answer.status, 408);
        assert!(
            started.elapsed() >= Duration::from_millis(900),
            "{:?}",
            started.elapsed()
        );
    }
    // Nothing said, nothing answered.
    assert_eq!(read_to_end(&mut server.connect()), b"");
}

#[test]
fn dripping_does_not_buy_time() {
    let server = with_limits(|limits| limits.request_seconds = 1);
    let started = Instant::now();
    let mut stream = server.connect();
    let mut dripped = 0;
    while stream.write_all(b"X").is_ok() && started.elapsed() < PATIENCE {
        dripped += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(
        (5..40).contains(&dripped),
        "{dripped} bytes in {:?}",
        started.elapsed()
    );
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    let server = with_limits(|limits| limits.idle_seconds = 1);
    let mut stream = server.connect();
    stream
        .write_all(b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let bytes = read_to_end(&mut stream);
    assert_eq!(Answer::parse(&bytes, "GET").text(), "0123456789a");
}

#[test]
fn who_does_not_take_an_answer_loses_the_connection() {
    let server = with_limits(|limits| limits.write_seconds = 1);
    let mut stream = server.connect();
    stream
        .write_all(b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while server.context.connections() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    while server.context.connections() > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.context.connections(), 0, "it is still held");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(bytes.len() < sites::LARGE_BYTES);
}

/// Slow by a link, not by buffers: a tenth of the time for ten times the 40 KB/s of a bad one.
#[test]
fn progress_is_that_of_the_client_and_not_of_the_systems_buffer() {
    let server = with_limits(|limits| limits.write_seconds = 1);
    let mut stream = server.connect();
    socket2::SockRef::from(&stream)
        .set_recv_buffer_size(64 << 10)
        .unwrap();
    stream
        .write_all(b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let started = Instant::now();
    let mut chunk = [0; 20_000];
    while started.elapsed() < Duration::from_secs(5) {
        stream.read_exact(&mut chunk).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let held = server.context.connections();
        assert_eq!(held, 1, "ended after {:?}", started.elapsed());
    }
}

#[test]
fn a_slow_but_steady_reader_gets_all() {
    let server = with_limits(|limits| limits.write_seconds = 1);
    let mut stream = server.connect();
    let raw = b"GET /large.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(raw).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match stream.read(&mut chunk).unwrap() {
            0 => break,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Answer::parse(&bytes, "GET").content == sites::large());
}

/// Every turn of one connection has its bounds, whatever its client does.
#[test]
fn a_client_that_never_pauses_leaves_room_for_others() {
    let context = Context::new(Origin::new(sites::files()), AccessLog::off());
    let server = TestServer::on(Engine::Native, context, "127.0.0.1:0", 1);
    let greedy = server.connect();
    let mut reader = greedy.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let mut greedy = greedy;
        let raw = b"HEAD / HTTP/1.1\r\nHost:\r\n\r\n".repeat(9_999);
        greedy.write_all(&raw).unwrap();
        let last = b"HEAD / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n";
        greedy.write_all(last).unwrap();
    });
    let reader = std::thread::spawn(move || read_to_end(&mut reader).len());
    let mut other = server.connect();
    let mut between = 0;
    while !reader.is_finished() {
        other
            .write_all(b"HEAD / HTTP/1.1\r\nHost:\r\n\r\n")
            .unwrap();
        let mut head = Vec::new();
        let mut chunk = [0; 4096];
        while !head.ends_with(b"\r\n\r\n") {
            let read = other.read(&mut chunk).unwrap();
            head.extend_from_slice(&chunk[..read]);
        }
        between += 1;
    }
    writer.join().unwrap();
    assert!(reader.join().unwrap() > 1_000_000);
    // Some 150 turns.
    assert!(between > 30, "{between} answers between 10,000");
}

#[test]
fn the_last_allowed_request_says_close() {
    let server = with_limits(|limits| limits.requests = 3);
    let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5);
    let found = answers(&server, &raw);
    let closes: Vec<bool> = found
        .iter()
        .map(|answer| answer.field("Connection") == Some("close"))
        .collect();
    assert_eq!(closes, [false, false, true]);
}

#[test]
fn at_the_bound_the_longest_idle_connection_makes_room() {
    let server = with_limits(|limits| limits.connections = 4);
    let ask = |stream: &mut TcpStream| -> bool {
        stream
            .write_all(b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .is_ok()
            && {
                let mut bytes = Vec::new();
                let mut chunk = [0; 4096];
                while !bytes.ends_with(b"0123456789a") {
                    match stream.read(&mut chunk) {
                        Ok(0) | Err(_) => return false,
                        Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                    }
                }
                true
            }
    };
    let mut streams: Vec<TcpStream> = (0..12).map(|_| server.connect()).collect();
    for stream in &mut streams {
        assert!(ask(stream), "a new connection is always answered");
        assert!(
            server.context.connections() <= 4,
            "{}",
            server.context.connections()
        );
    }
    assert!(!ask(&mut streams[0]), "the first has made room");
}

#[test]
fn the_bound_on_connections_is_that_of_the_process() {
    let mut context = Context::new(Origin::new(sites::files()), AccessLog::off());
    context.options.connections.connections = 5;
    let server = TestServer::on(Engine::Native, context, "127.0.0.1:0", 4);
    // All ask at once: who kept its request back would have to make room for the others.
    let mut streams: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = server.connect();
            stream
                .write_all(b"HEAD /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    for stream in &mut streams {
        stream.read_exact(&mut [0; 12]).unwrap();
        let held = server.context.connections();
        assert!(held <= 5, "{held}");
    }
}

#[test]
fn who_leaves_early_is_let_go() {
    let server = with_limits(|_| {});
    for raw in [
        &b""[..],
        b"G",
        b"GET /eleven.txt HTTP/1.1\r\nHos",
        b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\nGET",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\nabc",
    ] {
        for _ in 0..20 {
            server.connect().write_all(raw).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        std::thread::sleep(Duration::from_millis(10));
        while server.context.connections() > 0 {
            let held = server.context.connections();
            assert!(
                Instant::now() < deadline,
                "{held} after {:?}",
                String::from_utf8_lossy(raw)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn half_a_connection_is_answered() {
    let mut stream = server().connect();
    stream
        .write_all(b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(
        Answer::parse(&read_to_end(&mut stream), "GET").text(),
        "0123456789a"
    );
}

#[test]
fn limits_of_a_request_are_options() {
    let limits = RequestLimits {
        target_bytes: 100,
        field_section_bytes: 200,
        field_lines: 3,
    };
    let origin = Origin::new(sites::files()).with_limits(limits);
    let server = TestServer::with(Engine::Native, Context::new(origin, AccessLog::off()));
    let status = |raw: String| answers(&server, raw.as_bytes())[0].status;
    assert_eq!(
        status(format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "a".repeat(120)
        )),
        414
    );
    assert_eq!(
        status(format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(3)
        )),
        431
    );
    assert_eq!(
        status(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "y".repeat(300)
        )),
        431
    );
}

#[test]
fn content_is_sent_from_the_file_that_holds_the_site() {
    use std::os::unix::fs::FileExt as _;
    // The file differs from memory in one byte, so that it shows where the content came from.
    let bytes: &'static [u8] = sites::files_bytes();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"before", 0).unwrap();
    file.write_all_at(bytes, 6).unwrap();
    let path = sitepack::SitePath::from_decoded("/large.png").unwrap();
    let Ok(Some(sitepack::Entry::Resource(found))) = sites::files().find(&path) else {
        panic!()
    };
    let offset = found.identity().unwrap().offset;
    file.write_all_at(&[!sites::large()[5_000_000]], 6 + offset + 5_000_000)
        .unwrap();

    let mut context = Context::new(Origin::new(sites::files()), AccessLog::off());
    context.site_file = Some(SiteFile::new(file, 6, bytes).unwrap());
    let server = TestServer::with(Engine::Native, context);
    let ask = |range: &str| {
        let raw = format!("GET /large.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{range}\r\n");
        answers(&server, raw.as_bytes()).remove(0).content
    };
    let mut expected = sites::large();
    expected[5_000_000] = !expected[5_000_000];
    assert!(ask("") == expected);
    assert!(ask("Range: bytes=4999990-5100000\r\n") == expected[4_999_990..=5_100_000]);
    // Small parts are written from memory.
    assert!(ask("Range: bytes=5000000-5000001\r\n") == sites::large()[5_000_000..=5_000_001]);
}

#[test]
fn readiness_ends_before_accepting_does() {
    let mut context = Context::new(Origin::new(sites::poems()), AccessLog::off());
    context.options.drain_delay_seconds = 1;
    let mut server = TestServer::with(Engine::Native, context);
    let ready = |server: &TestServer| {
        let raw = b"GET /-/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        answers(server, raw)[0].status
    };
    assert_eq!(ready(&server), 200);
    server.context.begin_shutdown();
    assert_eq!(ready(&server), 503, "it still answers, and says no");
    let started = Instant::now();
    server.stop();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}
