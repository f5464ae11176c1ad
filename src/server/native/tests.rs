//! What only a test can do to the native engine: have a connection panic, and set the clock.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{is_scarcity, shares};
use crate::http::date::imf_fixdate;
use crate::log::AccessLog;
use crate::origin::Origin;
use crate::server::{Address, Context, Engine, serve};

const PATIENCE: Duration = Duration::from_secs(10);
const ALIVE: &[u8] = b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n";

/// Panics if the input says so. The engine calls it in test builds of this crate, and nowhere else.
pub(super) fn panic_if_asked(place: &str, input: &[u8]) {
    let word = format!("GET /panic-in-{place} ");
    assert!(!input.starts_with(word.as_bytes()), "a test asked for this");
}

#[test]
fn a_panic_ends_its_connection_and_no_other() {
    let server = Server::start(|_| {});
    let mut idle = server.connect();
    let mut begun = server.connect();
    assert_eq!(status(&mut idle, ALIVE), "200");
    begun.write_all(&ALIVE[..20]).unwrap();
    let mut failing = server.connect();
    let panic = b"GET /panic-in-turn HTTP/1.1\r\nHost: a\r\n\r\n";
    failing.write_all(&[ALIVE, panic, ALIVE].concat()).unwrap();
    let mut answers = String::new();
    failing.read_to_string(&mut answers).unwrap();
    let answered = answers.matches("HTTP/1.1 ").count();
    assert_eq!(answered, 1, "what came before it was answered: {answers}");

    assert_eq!(status(&mut begun, &ALIVE[20..]), "200");
    assert_eq!(status(&mut idle, ALIVE), "200");
    assert_eq!(status(&mut server.connect(), ALIVE), "200");
    server.ends_with(1, 2);
}

#[test]
fn a_panic_over_a_late_request_ends_its_connection_and_no_other() {
    let server = Server::start(|context| context.options.connections.request_seconds = 1);
    let mut idle = server.connect();
    assert_eq!(status(&mut idle, ALIVE), "200");
    let mut failing = server.connect();
    failing.write_all(b"GET /panic-in-time-out HTT").unwrap();
    assert_eq!(failing.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(status(&mut idle, ALIVE), "200");
    assert_eq!(status(&mut server.connect(), ALIVE), "200");
    server.ends_with(1, 1);
}

#[test]
fn the_bound_on_connections_is_shared_out_whole() {
    for (connections, loops, expected) in [
        (10, 8, &[2, 2, 1, 1, 1, 1, 1, 1][..]),
        (16, 4, &[4, 4, 4, 4]),
        (1, 1, &[1]),
        (7, 3, &[3, 2, 2]),
    ] {
        assert_eq!(shares(connections, loops).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn only_want_of_something_costs_an_idle_connection_its_place() {
    use rustix::io::Errno;
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        assert!(is_scarcity(&errno.into()), "{errno}");
    }
    for errno in [Errno::PERM, Errno::INVAL, Errno::PROTO, Errno::CONNABORTED] {
        assert!(!is_scarcity(&errno.into()), "{errno}");
    }
}

#[test]
fn a_loop_that_fails_ends_the_server_with_an_error() {
    // Who asks first what time it is, of two loops, gets no answer.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let origin = Origin::new(crate::embedded::site().unwrap());
    let mut context = Context::new(origin, AccessLog::off());
    context.clock = || {
        let before = ASKED.fetch_add(1, Ordering::Relaxed);
        assert_ne!(before, 0, "a test asked for this");
        Duration::from_secs(NOON)
    };
    let context = Arc::new(context);
    let loopback: Address = "127.0.0.1:0".parse().unwrap();
    let bound = loopback.bind(Engine::Native.shape(2)).unwrap();
    let Address::Tcp(address) = bound.address().unwrap() else {
        panic!("not TCP")
    };
    let serving = context.clone();
    let server = thread::spawn(move || serve(Engine::Native, vec![bound], &serving));
    let _stream = TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    while !context.shutdown.is_begun() {
        assert!(begun.elapsed() < PATIENCE, "nobody noticed");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(server.join().unwrap().is_err());
}

const NOON: u64 = 1_795_348_800; // 2026-11-22
const TEN_HOURS: u64 = 36_000;

#[test]
fn a_clock_that_steps_ends_no_wait_and_is_told() {
    static CLOCK: AtomicU64 = AtomicU64::new(NOON);
    let server = Server::start(|context| {
        context.clock = || Duration::from_secs(CLOCK.load(Ordering::Relaxed))
    });
    let (mut waiting, mut other) = (server.connect(), server.connect());
    assert_eq!(date(&mut waiting), imf_fixdate(NOON));
    // By ten hours on, ten hours back from where it was, and a second back.
    for now in [NOON + TEN_HOURS, NOON - TEN_HOURS, NOON - TEN_HOURS - 1] {
        CLOCK.store(now, Ordering::Relaxed);
        // The loop looks at all that wait when it has answered this.
        assert_eq!(date(&mut other), imf_fixdate(now));
        assert_eq!(date(&mut other), imf_fixdate(now));
        assert_eq!(date(&mut waiting), imf_fixdate(now));
    }
}

#[test]
fn a_clock_that_steps_prolongs_no_wait() {
    static CLOCK: AtomicU64 = AtomicU64::new(NOON);
    let server = Server::start(|context| {
        context.clock = || Duration::from_secs(CLOCK.load(Ordering::Relaxed));
        context.options.connections.idle_seconds = 1;
        context.options.connections.request_seconds = 1;
    });
    for now in [NOON - TEN_HOURS, NOON + TEN_HOURS] {
        let (mut idle, mut begun) = (server.connect(), server.connect());
        assert_eq!(status(&mut idle, ALIVE), "200");
        begun.write_all(b"GET / HT").unwrap();
        let since = Instant::now();
        CLOCK.store(now, Ordering::Relaxed);
        assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0);
        let mut answer = String::new();
        begun.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let waited = since.elapsed();
        assert!(waited > Duration::from_millis(900), "{waited:?}");
    }
}

/// A server on one thread, so that all connections share one loop.
struct Server {
    context: Arc<Context>,
    address: SocketAddr,
}

impl Server {
    fn start(change: impl FnOnce(&mut Context)) -> Server {
        let origin = Origin::new(crate::embedded::site().unwrap());
        let mut context = Context::new(origin, AccessLog::off());
        change(&mut context);
        let context = Arc::new(context);
        let loopback: Address = "127.0.0.1:0".parse().unwrap();
        let bound = loopback.bind(Engine::Native.shape(1)).unwrap();
        let Address::Tcp(address) = bound.address().unwrap() else {
            panic!("not TCP")
        };
        let serving = context.clone();
        thread::spawn(move || serve(Engine::Native, vec![bound], &serving).unwrap());
        Server { context, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// So many connections have failed and are counted, so many are left.
    fn ends_with(&self, failed: usize, left: usize) {
        let said = self.context.statistics.to_string();
        let expected = format!("; {failed} connections failed;");
        assert!(said.contains(&expected), "{said}");
        let begun = Instant::now();
        while self.context.connections() != left {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.context);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.context.begin_shutdown();
    }
}

/// The status of the answer to a request for `ALIVE`.
fn status(stream: &mut TcpStream, request: &[u8]) -> String {
    ask(stream, request)[9..12].to_owned()
}

/// The Date field of an answer.
fn date(stream: &mut TcpStream) -> String {
    let answer = ask(stream, ALIVE);
    let behind = answer.split_once("\r\nDate: ").unwrap().1;
    behind.split_once("\r\n").unwrap().0.to_owned()
}

/// The answer to `ALIVE`, or to what is left of it.
fn ask(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\nalive\n") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "it ended: {answer}");
        answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    answer
}
