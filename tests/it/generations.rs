//! Another site takes the place of the one that is served, while the server runs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use chapbook::server::Engine;
use sitepack::OwnedSite;
use sitepack::compiler::Compiler;

use crate::exchange::Answer;
use crate::server::{ENGINES, PATIENCE, TestServer, connect};
use crate::sites;

const ASK: &[u8] = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n";

/// A site of which `/eleven.txt` has another text.
fn other(text: &str) -> OwnedSite {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("eleven.txt"), text).unwrap();
    let compiled = Compiler::new().files("/", root.path()).compile().unwrap();
    OwnedSite::open(compiled.bytes).unwrap()
}

/// The site that the server begins with, in memory of its own.
fn first() -> OwnedSite {
    OwnedSite::open(sites::files_bytes().to_vec()).unwrap()
}

fn get(address: SocketAddr) -> String {
    let mut stream = connect(address);
    let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(raw).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes, "GET").text().to_owned()
}

fn until(address: SocketAddr, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while get(address) != text {
        assert!(Instant::now() < deadline, "it never served {text}");
    }
}

/// Reads so many bytes, or all up to the end of the connection.
fn read(stream: &mut TcpStream, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.take(most as u64).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_under_way_completes_from_the_site_that_it_began_with() {
    for engine in ENGINES.iter().copied() {
        let server = TestServer::start(engine, sites::poems());
        server.context.replace(first());
        until(server.address, "0123456789a");
        let mut download = server.connect();
        let raw = b"GET /large.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        download.write_all(raw).unwrap();
        let mut begun = read(&mut download, 4096);
        server.context.replace(other("0123456789b"));
        until(server.address, "0123456789b");
        begun.extend(read(&mut download, usize::MAX));
        assert!(Answer::parse(&begun, "GET").content == sites::large());
    }
}

/// The same, with `/large.png`.
fn large(text: &str) -> OwnedSite {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("eleven.txt"), text).unwrap();
    std::fs::write(root.path().join("large.png"), sites::large()).unwrap();
    let compiled = Compiler::new().files("/", root.path()).compile().unwrap();
    OwnedSite::open(compiled.bytes).unwrap()
}

/// A download that has begun, on a connection to the site with this text: one of before may still
/// accept for a moment.
fn download_of(server: &TestServer, text: &str) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "it never served {text}");
        let mut stream = server.connect();
        stream.write_all(ASK).unwrap();
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            bytes.extend(read(&mut stream, 1));
        }
        if read(&mut stream, text.len()) == text.as_bytes() {
            stream
                .write_all(b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            read(&mut stream, 4096);
            return stream;
        }
    }
}

#[test]
fn sites_are_held_while_they_are_answered_from() {
    for engine in ENGINES.iter().copied() {
        let server = TestServer::start(engine, sites::files());
        // Made before: from then on each has some seconds.
        let mut sites: Vec<_> = (0..4).map(|n| large(&format!("generation {n}"))).collect();
        sites.reverse();
        server.context.replace(sites.pop().unwrap());
        let mut downloads = Vec::new();
        for number in 0..3 {
            downloads.push(download_of(&server, &format!("generation {number}")));
            server.context.replace(sites.pop().unwrap());
        }
        assert!(server.context.generations() >= 4, "{}", engine.name());
        drop(downloads);
        let deadline = Instant::now() + PATIENCE;
        while server.context.generations() > 1 {
            assert!(Instant::now() < deadline, "{} holds them", engine.name());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn a_connection_of_before_ends_or_has_answers_of_now() {
    for engine in ENGINES.iter().copied() {
        let server = TestServer::start(engine, sites::files());
        let mut idle = server.connect();
        idle.write_all(ASK).unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"0123456789a") {
            bytes.extend(read(&mut idle, 1));
        }
        assert_eq!(Answer::parse(&bytes, "GET").field("Connection"), None);
        server.context.replace(other("0123456789b"));
        until(server.address, "0123456789b");
        match engine {
            #[cfg(all(unix, feature = "native"))]
            Engine::Native => assert!(read(&mut idle, 1).is_empty(), "it goes on"),
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp => {
                idle.write_all(ASK).unwrap();
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"0123456789b") {
                    bytes.extend(read(&mut idle, 1));
                }
            }
        }
    }
}

#[test]
fn a_request_that_has_begun_is_answered() {
    for engine in ENGINES.iter().copied() {
        let server = TestServer::start(engine, sites::files());
        let mut begun = server.connect();
        begun.write_all(&ASK[..20]).unwrap();
        // It is there before the next one is.
        until(server.address, "0123456789a");
        server.context.replace(other("0123456789b"));
        until(server.address, "0123456789b");
        begun.write_all(&ASK[20..]).unwrap();
        let mut bytes = Vec::new();
        while !bytes.windows(10).any(|window| window == b"0123456789") {
            let more = read(&mut begun, 1);
            assert!(!more.is_empty(), "{} did not answer", engine.name());
            bytes.extend(more);
        }
    }
}

#[test]
fn a_server_ends_whatever_generation_it_is_in() {
    for engine in ENGINES.iter().copied() {
        let mut server = TestServer::start(engine, sites::files());
        for number in 0..5 {
            server
                .context
                .replace(other(&format!("generation {number}")));
        }
        until(server.address, "generation 4");
        let started = Instant::now();
        server.stop();
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
        server.context.replace(other("too late"));
        assert!(TcpStream::connect(server.address).is_err(), "it listens");
    }
}

/// Other tests of this process hold memory too, but not as much as a leak of all would be.
#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_a_site_goes_with_its_last_answer() {
    const GENERATIONS: usize = 50;
    let resident = || -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.unwrap().parse::<usize>().unwrap() << 10
    };
    for engine in ENGINES.iter().copied() {
        let server = TestServer::start(engine, sites::files());
        until(server.address, "0123456789a");
        let before = resident();
        for _ in 0..GENERATIONS {
            // Its client is gone; that of the next one waits for an answer of the one before.
            let mut waiting = server.connect();
            waiting.write_all(ASK).unwrap();
            server.context.replace(first());
            until(server.address, "0123456789a");
        }
        let grown = resident().saturating_sub(before);
        let bound = GENERATIONS * sites::LARGE_BYTES / 3;
        assert!(grown < bound, "{}: {grown} bytes more", engine.name());
    }
}
