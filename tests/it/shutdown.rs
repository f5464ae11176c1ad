//! How serving ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::exchange::Answer;
use crate::server::{ENGINES, PATIENCE, TestServer};
use crate::sites;

#[test]
fn a_download_that_has_begun_completes() {
    for engine in ENGINES.iter().copied() {
        let mut server = TestServer::start(engine, sites::files());
        let mut stream = server.connect();
        stream
            .write_all(b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut bytes = vec![0; 4096];
        stream.read_exact(&mut bytes).unwrap();
        let address = server.address;
        let stopping = std::thread::spawn(move || server.stop());
        // The listener closes while the download waits.
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect_timeout(&address, PATIENCE).is_ok() {
            assert!(Instant::now() < deadline, "{} still accepts", engine.name());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!stopping.is_finished(), "{} did not wait", engine.name());
        // The connection ends with the process; here only the answer's length tells its end.
        let mut rest = vec![0; sites::LARGE_BYTES];
        let mut filled = 0;
        while bytes.len() + filled < sites::LARGE_BYTES + 200 {
            let read = stream.read(&mut rest[filled..]).unwrap();
            filled += read;
            let text = String::from_utf8_lossy(&bytes[..1024]).into_owned();
            let head = text.find("\r\n\r\n").unwrap() + 4;
            if read == 0 || bytes.len() + filled == head + sites::LARGE_BYTES {
                break;
            }
        }
        bytes.extend_from_slice(&rest[..filled]);
        let answer = Answer::parse(&bytes, "GET");
        assert!(answer.content == sites::large());
        stopping.join().unwrap();
    }
}

#[test]
fn an_idle_server_ends_at_once() {
    for engine in ENGINES.iter().copied() {
        let mut server = TestServer::start(engine, sites::poems());
        let _idle = server.connect();
        let started = Instant::now();
        server.stop();
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
    }
}

/// Its request is on its way when the shutdown begins.
#[test]
#[cfg(all(unix, feature = "native"))]
fn a_new_connection_may_still_say_what_it_wants() {
    use chapbook::server::Engine;
    let mut server = TestServer::start(Engine::Native, sites::files());
    let mut stream = server.connect();
    let deadline = Instant::now() + PATIENCE;
    while server.context.connections() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.context.begin_shutdown();
    std::thread::sleep(Duration::from_millis(200));
    stream
        .write_all(b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(Answer::parse(&bytes, "GET").text(), "0123456789a");
    drop(stream);
    server.stop();
}

/// With the process its container may go, and what the system has not sent with that.
#[test]
#[cfg(all(unix, feature = "native"))]
fn the_server_outlives_its_answers() {
    use chapbook::server::Engine;
    let mut server = TestServer::start(Engine::Native, sites::files());
    let mut stream = server.connect();
    let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(raw).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap(); // and takes the rest later
    server.context.begin_shutdown();
    let stopping = std::thread::spawn(move || server.stop());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!stopping.is_finished(), "it did not wait");
    stream.read_to_end(&mut Vec::new()).unwrap();
    drop(stream);
    let closed = Instant::now();
    stopping.join().unwrap();
    assert!(closed.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_server_that_ends_says_close() {
    for engine in ENGINES.iter().copied() {
        let origin = chapbook::origin::Origin::new(sites::files());
        let mut context = chapbook::server::Context::new(origin, chapbook::log::AccessLog::off());
        context.options.drain_delay_seconds = 1;
        let server = TestServer::with(engine, context);
        let mut stream = server.connect();
        let mut bytes = Vec::new();
        let mut ask = |before: usize| {
            stream
                .write_all(b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            let mut chunk = [0; 4096];
            while bytes
                .windows(11)
                .filter(|window| *window == b"0123456789a")
                .count()
                <= before
            {
                let read = stream.read(&mut chunk).unwrap();
                assert!(read > 0, "{} closed instead of answering", engine.name());
                bytes.extend_from_slice(&chunk[..read]);
            }
        };
        ask(0);
        server.context.begin_shutdown();
        ask(1);
        let (first, second) = Answer::take(&bytes, "GET");
        assert_eq!(first.field("Connection"), None);
        assert_eq!(
            Answer::parse(second, "GET").field("Connection"),
            Some("close")
        );
    }
}
