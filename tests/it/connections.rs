//! How requests and connections end, and what does not end them: RFC 9112 §7.1.2, §8, §9; RFC 9110
//! §7.8. On the native engine.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use chapbook::server::Engine;

use crate::exchange::Answer;
use crate::server::TestServer;
use crate::sites;

/// Sends `raw`, and says that no more comes; what is answered up to the end.
fn answered(raw: &[u8]) -> Vec<u8> {
    let mut stream = TestServer::shared(Engine::Native, sites::files).connect();
    stream.write_all(raw).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn upgrades_are_ignored() {
    for fields in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: TLS/1.0\r\n",
    ] {
        let one = format!("GET /eleven.txt HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let bytes = answered(one.repeat(2).as_bytes());
        let (first, rest) = Answer::take(&bytes, "GET");
        let second = Answer::parse(rest, "GET");
        assert_eq!((first.status, second.status), (200, 200), "{fields}");
        assert_eq!(first.field("Upgrade"), None);
    }
}

#[test]
fn fields_in_trailers_are_ignored() {
    for field in [
        "Host: b",
        "Content-Length: 500",
        "Transfer-Encoding: chunked",
        "Range: bytes=0-1",
        "If-None-Match: *",
        "Connection: close",
        "Expect: a-miracle",
    ] {
        let one = format!(
            "GET /eleven.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n{field}\r\n\r\n"
        );
        let bytes = answered(one.repeat(2).as_bytes());
        let (first, rest) = Answer::take(&bytes, "GET");
        assert_eq!(first.text(), "0123456789a", "{field}");
        assert_eq!(Answer::parse(rest, "GET").text(), "0123456789a", "{field}");
    }
}

#[test]
fn requests_that_are_not_whole_are_not_obeyed() {
    for raw in [
        "GET /eleven.txt HTTP/1.1\r\nHost: a\r\n",
        "GET /eleven.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "GET /eleven.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ] {
        assert_eq!(answered(raw.as_bytes()), b"", "{raw}");
    }
}

#[test]
fn who_sends_no_more_is_answered() {
    let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n\
                GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n";
    let bytes = answered(raw);
    let (first, rest) = Answer::take(&bytes, "GET");
    assert_eq!(first.text(), "0123456789a");
    assert!(Answer::parse(rest, "GET").content == sites::large());
}

/// What is unread when a socket is closed would have the system reset the connection, and
/// the client lose what it has not read.
#[test]
fn no_answer_is_lost_to_what_comes_behind_its_request() {
    for target in ["/eleven.txt", "/large.png"] {
        let mut raw =
            format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes();
        raw.resize(200_000, b'x');
        let bytes = answered(&raw);
        assert_eq!(Answer::parse(&bytes, "GET").status, 200);
    }
}

/// Also of one that the client was to end, if it does not know that yet.
#[test]
fn a_refusal_is_not_lost_to_the_content_it_refuses() {
    let mut stream = TestServer::shared(Engine::Native, sites::files).connect();
    let raw = b"POST / HTTP/1.0\r\nContent-Length: many\r\n\r\n";
    stream.write_all(raw).unwrap();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(&[b'x'; 10_000]).unwrap();
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(Answer::parse(&bytes, "POST").status, 400);
}
