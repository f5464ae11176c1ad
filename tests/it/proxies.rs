//! Clients that come by way of proxies: the PROXY protocol, Forwarded, X-Forwarded-For.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chapbook::log::AccessLog;
use chapbook::origin::Origin;
use chapbook::server::proxy::Versions;
use chapbook::server::{Context, Engine, Proxies, Trusted};

use crate::exchange::Answer;
use crate::server::{ENGINES, PATIENCE, TestServer, chapbook};
use crate::sites;
use crate::workshop::refused;

const ASK: &str = "GET /eleven.txt HTTP/1.1\r\nHost: a\r\n";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A server behind proxies, and what its log says.
struct Behind {
    server: TestServer,
    lines: Lines,
}

impl Behind {
    fn start(engine: Engine, header: Option<Versions>, networks: &[&str]) -> Behind {
        let lines = Lines::default();
        let log = AccessLog::to(Box::new(lines.clone())).unwrap();
        let mut trusted = Trusted::default();
        for network in networks {
            trusted.add(network).unwrap();
        }
        let mut context = Context::new(Origin::new(sites::files()), log);
        context.proxies = Proxies { header, trusted };
        context.options.connections.request_seconds = 1;
        let server = TestServer::with(engine, context);
        Behind { server, lines }
    }

    /// Whom the log names for a request that begins so, with these fields.
    fn peer(&self, before: &[u8], fields: &str) -> String {
        let mut stream = self.server.connect();
        let raw = format!("{ASK}{fields}Connection: close\r\n\r\n");
        stream
            .write_all(&[before, raw.as_bytes()].concat())
            .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(Answer::parse(&bytes, "GET").text(), "0123456789a");
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "there is no line");
            self.server.context.access_log.flush();
            let lines = std::mem::take(&mut *self.lines.0.lock().unwrap());
            if let Some(peer) = String::from_utf8(lines).unwrap().split(' ').nth(1) {
                return peer.to_owned();
            }
        }
    }
}

/// What is answered to `raw`, up to the end; how it ended is the same.
fn answered(stream: &mut TcpStream, raw: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(raw);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

#[test]
#[cfg(all(unix, feature = "native"))]
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
#[cfg(all(unix, feature = "native"))]
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

#[test]
fn tiny_http_takes_no_headers() {
    let Some(tiny) = ENGINES.iter().find(|engine| engine.name() == "tiny_http") else {
        return;
    };
    let mut command = chapbook();
    command.args(["serve", "--engine", tiny.name(), "--proxy-protocol", "any"]);
    let line = refused(command);
    assert!(line.contains("--proxy-protocol does not go with"), "{line}");
}

#[test]
fn forwarding_fields_are_believed_of_trusted_peers_alone() {
    let forged = "X-Forwarded-For: 6.6.6.6\r\n";
    let chain = "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1\r\n";
    let standard = "Forwarded: for=6.6.6.6, for=\"[2001:db8::1]:1\";proto=https, for=10.0.0.1\r\n";
    let disagree = "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=6.6.6.6\r\n";
    for engine in ENGINES.iter().copied() {
        for networks in [&[][..], &["unix"], &["10.0.0.0/8"], &["::/0"]] {
            let behind = Behind::start(engine, None, networks);
            for fields in ["", forged, chain, standard, disagree] {
                assert_eq!(
                    behind.peer(b"", fields),
                    "127.0.0.1",
                    "{fields} {networks:?}"
                );
            }
        }
        let behind = Behind::start(engine, None, &["127.0.0.1", "::ffff:10.0.0.0/104"]);
        for (fields, peer) in [
            ("", "127.0.0.1"),
            (forged, "6.6.6.6"),
            (chain, "192.0.2.1"),
            (standard, "2001:db8::1"),
            (disagree, "127.0.0.1"),
            ("Forwarded: for=_hidden\r\n", "127.0.0.1"),
            ("Forwarded: for=unknown, for=10.0.0.7\r\n", "10.0.0.7"),
        ] {
            assert_eq!(behind.peer(b"", fields), peer, "{fields} {}", engine.name());
        }
    }
}

/// Who is trusted is asked of the client that the header names, not of the one who sent it.
#[test]
#[cfg(all(unix, feature = "native"))]
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

/// Clients on a Unix socket have no address, and are trusted only if that is said.
#[test]
#[cfg(unix)]
fn unix_peers_are_trusted_if_that_is_said() {
    use std::os::unix::net::UnixStream;
    for engine in ENGINES.iter().copied() {
        for (trusted, peer) in [("unix", "192.0.2.1"), ("0.0.0.0/0,::/0", "-")] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("a.sock");
            let listen = format!("127.0.0.1:0,unix:{}", path.display());
            let mut command = chapbook();
            command.args(["serve", "--listen", &listen, "--engine", engine.name()]);
            command.args(["--trusted-proxy", trusted, "--log-format", "text"]);
            let server = crate::server::Running::spawn(command);
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let raw = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\
                       Connection: close\r\n\r\n";
            stream.write_all(raw.as_bytes()).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            server.signal("TERM");
            let (_, out, _) = server.end();
            assert_eq!(out.split(' ').nth(1), Some(peer), "{out}");
        }
    }
}
