//! The header of the PROXY protocol, which the native engine reads.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chapbook::server::Engine;
use chapbook::server::proxy::Versions;

use super::{ASK, Behind};
use crate::exchange::Answer;

/// What is answered to `raw`, up to the end; how it ended is the same.
fn answered(stream: &mut TcpStream, raw: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(raw);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

#[test]
fn the_client_that_a_header_names_is_logged() {
    let any = Behind::start(Engine::Native, Some(Versions::Any), &[]);
    let v4 = [
        V2,
        b"\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x01\0\x09\0\x50",
    ]
    .concat();
    let tlv = [
        V2,
        b"\x21\x11\0\x10\xc0\0\x02\x0a\xc0\0\x02\x01\0\x09\0\x50\x04\0\x01x",
    ]
    .concat();
    let local = [V2, b"\x20\x11\0\x02xx"].concat();
    let unix = [V2, b"\x21\x31\0\xd8", &[0; 216]].concat();
    for (header, peer) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"[..], "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (&v4, "192.0.2.9"),
        (&tlv, "192.0.2.10"),
        (&local, "127.0.0.1"),
        (&unix, "-"),
    ] {
        assert_eq!(any.peer(header, ""), peer);
    }
    // Once, and not for each request; in whatever pieces.
    let mut stream = any.server.connect();
    let raw = [
        &tlv,
        format!("{ASK}\r\n{ASK}Connection: close\r\n\r\n").as_bytes(),
    ]
    .concat();
    for byte in &raw {
        stream.write_all(std::slice::from_ref(byte)).unwrap();
    }
    let bytes = answered(&mut stream, b"");
    let (first, rest) = Answer::take(&bytes, "GET");
    assert_eq!(
        (first.status, Answer::parse(rest, "GET").status),
        (200, 200)
    );
    let again = format!("{ASK}\r\nPROXY UNKNOWN\r\n\r\n");
    let raw = [b"PROXY UNKNOWN\r\n", again.as_bytes()].concat();
    let bytes = answered(&mut any.server.connect(), &raw);
    let (_, rest) = Answer::take(&bytes, "GET");
    assert_eq!(Answer::parse_leniently(rest), Some(400));
}

#[test]
fn what_is_no_header_ends_the_connection_unanswered() {
    let [v1, v2, any] = [Versions::V1, Versions::V2, Versions::Any]
        .map(|versions| Behind::start(Engine::Native, Some(versions), &["0.0.0.0/0"]));
    let ask = format!("{ASK}\r\n");
    let after = |header: &[u8]| [header, ask.as_bytes()].concat();
    let (long, longest) = ([V2, b"\x21\x11\xff\xff"].concat(), [b'x'; 200]);
    let endless = [b"PROXY UNKNOWN ", &longest[..]].concat();
    let mut refused = [0, 0, 0];
    for (index, server, raw) in [
        (0, &v1, after(b"")),
        (0, &v1, after(b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n")),
        (0, &v1, after(b"PROXY TCP9 192.0.2.1 192.0.2.2 1 2\r\n")),
        (0, &v1, after(&[V2, b"\x20\0\0\0"].concat())),
        (0, &v1, endless.clone()),
        (1, &v2, after(b"PROXY UNKNOWN\r\n")),
        (1, &v2, after(&[V2, b"\x31\x11\0\0"].concat())),
        (1, &v2, long.clone()),
        (2, &any, after(b"")),
        (2, &any, after(b"X-Forwarded-For: 1.2.3.4\r\n")),
        (2, &any, long),
        (2, &any, endless),
        (2, &any, b"\x16\x03\x01\x02\0".to_vec()),
    ] {
        let bytes = answered(&mut server.server.connect(), &raw);
        assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
        refused[index] += 1;
    }
    // Late: a part of it, or nothing.
    for raw in [&b"PROXY TCP4 192.0.2.1"[..], &V2[..5], b""] {
        let begun = Instant::now();
        let bytes = answered(&mut any.server.connect(), raw);
        assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
        assert!(
            begun.elapsed() > Duration::from_millis(900),
            "at once: {raw:?}"
        );
        refused[2] += 1;
    }
    for (server, refused) in [(v1, refused[0]), (v2, refused[1]), (any, refused[2])] {
        let said = server.server.context.statistics.to_string();
        assert!(
            said.contains(&format!("; {refused} PROXY headers refused;")),
            "{said}"
        );
        assert!(said.starts_with("answered 0 requests"), "{said}");
    }
}

/// Who is trusted is asked of the client that the header names, not of the one who sent it.
#[test]
fn a_header_says_whose_fields_they_are() {
    let behind = Behind::start(Engine::Native, Some(Versions::Any), &["10.0.0.0/8", "unix"]);
    let fields = "X-Forwarded-For: 192.0.2.1\r\n";
    let unix = [V2, b"\x21\x31\0\xd8", &[0; 216]].concat();
    for (header, peer) in [
        (&b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"[..], "192.0.2.1"),
        (b"PROXY TCP4 203.0.113.1 10.0.0.2 1 2\r\n", "203.0.113.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (&unix, "192.0.2.1"),
    ] {
        assert_eq!(behind.peer(header, fields), peer);
    }
}
