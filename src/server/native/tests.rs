//! What only a test build can do to the native engine: have a connection panic.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

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
        thread::spawn(move || serve(Engine::Native, bound, &serving).unwrap());
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

/// Asks for what has a short answer; its status.
fn status(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nalive\n") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
    String::from_utf8_lossy(&answer[9..12]).into_owned()
}
