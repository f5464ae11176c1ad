//! Clients that come by way of proxies: the PROXY protocol, Forwarded, X-Forwarded-For.

#[cfg(all(unix, feature = "native"))]
mod header;

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Instant;

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
