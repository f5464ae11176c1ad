//! In the steady state no request allocates: the allocations of the process are counted while the
//! native engine answers.
//!
//! This is a binary of its own, and the one exception to "`tests/it` is the integration binary": a
//! global allocator is the whole process's, and so is its count. For the same reason it has one
//! test: a second one would be counted, too. The client allocates nothing once it is warm.

#![cfg(all(unix, feature = "native"))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::alloc::System;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chapbook::log::{AccessLog, Form};
use chapbook::origin::Origin;
use chapbook::server::{Address, Context, Engine, SiteFile, serve};
use sitepack::Site;
use sitepack::compiler::Compiler;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Before counting: buffers find their sizes.
const WARM_UP: usize = 100;
/// Counted in each case. With the log on, all of their lines fit into one of its buffers, however
/// late its thread is; `written` waits for it in between.
const REQUESTS: usize = 1_000;
/// How many such rounds.
const ROUNDS: usize = 2;
/// Requests that are sent at once in a pipelined burst.
const BURST: usize = 20;
/// 2001-09-09T01:46:40Z.
const MODIFIED: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// A name, the request line without the version, field lines, the expected status.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: [Case; 14] = [
    ("whole", "GET /page.html", "", "200"),
    ("whole, from the file", "GET /large.png", "", "200"),
    ("gzip", "GET /page.html", "Accept-Encoding: gzip\r\n", "200"),
    ("browser", "GET /page.html", BROWSER, "200"),
    ("query", "GET /page.html?a=b", "", "200"),
    ("HEAD", "HEAD /page.html", "", "200"),
    (
        "no tag has changed",
        "GET /page.html",
        "If-None-Match: *\r\n",
        "304",
    ),
    ("no date has changed", "GET /page.html", SINCE, "304"),
    (
        "one part",
        "GET /page.html",
        "Range: bytes=10-99\r\n",
        "206",
    ),
    (
        "no such part",
        "GET /page.html",
        "Range: bytes=99999-\r\n",
        "416",
    ),
    ("missing", "GET /missing", "", "404"),
    ("redirect", "GET /sub", "", "308"),
    ("method", "POST /page.html", "", "405"),
    ("health", "GET /-/health", "", "200"),
];

const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n";
const SINCE: &str = "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n";
/// What allocates, as the engine's essay says. That it is seen shows that the count sees the
/// engine's threads.
const EXCEPTIONS: [Case; 2] = [
    (
        "several parts",
        "GET /page.html",
        "Range: bytes=0-1,4-5\r\n",
        "206",
    ),
    ("percent-encoding", "GET /p%61ge.html", "", "200"),
];

#[test]
fn in_the_steady_state_no_request_allocates() {
    let bytes: &'static [u8] = site().leak();
    let server = Server::start(bytes, None);
    for burst in [1, BURST] {
        for case in &CASES {
            let found = server.allocations(std::slice::from_ref(case), burst);
            assert_eq!(found, 0, "{}, {burst} at once", case.0);
        }
    }
    for case in &EXCEPTIONS {
        let found = server.allocations(std::slice::from_ref(case), 1);
        assert!(found >= REQUESTS * ROUNDS, "{}: {found}", case.0);
    }
    server.context.begin_shutdown();

    // Nor do their lines in the log. All cases at once: its thread takes its time.
    for form in [Form::Text, Form::Coloured, Form::Json] {
        let server = Server::start(bytes, Some((form, Arc::default())));
        for burst in [1, BURST] {
            let found = server.allocations(&CASES, burst);
            assert_eq!(found, 0, "{burst} at once, with an access log, {form:?}");
        }
        server.context.begin_shutdown();
    }
}

/// A server on one thread.
struct Server {
    context: Arc<Context>,
    address: SocketAddr,
    /// Lines that the access log has written, if there is one.
    lines: Option<Arc<AtomicUsize>>,
}

impl Server {
    fn start(bytes: &'static [u8], log: Option<(Form, Arc<AtomicUsize>)>) -> Server {
        let lines = log.as_ref().map(|(_, lines)| lines.clone());
        let log = log.map_or_else(AccessLog::off, |(form, lines)| {
            let file = tempfile::tempfile().unwrap();
            AccessLog::in_form(form, Box::new(Counted { file, lines })).unwrap()
        });
        let mut context = Context::new(Origin::new(Site::open(bytes).unwrap()), log);
        context.options.connections.requests = u32::MAX;
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(bytes).unwrap();
        context.site_file = Some(SiteFile::new(file, 0, bytes).unwrap());
        let context = Arc::new(context);
        let loopback: Address = "127.0.0.1:0".parse().unwrap();
        let bound = loopback.bind(Engine::Native.shape(1)).unwrap();
        let Address::Tcp(address) = bound.address().unwrap() else {
            panic!("not TCP")
        };
        let serving = context.clone();
        std::thread::spawn(move || serve(Engine::Native, vec![bound], &serving).unwrap());
        Server {
            context,
            address,
            lines,
        }
    }

    /// Allocations of the process in all rounds, the cases one after the other, `burst` requests
    /// at once.
    fn allocations(&self, cases: &[Case], burst: usize) -> usize {
        let mut lines = self.lines() + cases.len();
        let connect = |case| Client::connect(self.address, case, burst);
        let mut clients: Vec<Client> = cases.iter().map(connect).collect();
        let mut ask = |requests: usize| {
            for _ in 0..requests.div_ceil(burst * cases.len()) {
                for (client, case) in clients.iter_mut().zip(cases) {
                    client.ask(case.3);
                    lines += burst;
                }
            }
            self.written(lines);
        };
        ask(WARM_UP);
        let region = Region::new(ALLOCATOR);
        for _ in 0..ROUNDS {
            ask(REQUESTS);
        }
        let change = region.change();
        change.allocations + change.reallocations
    }

    fn lines(&self) -> usize {
        let lines = self.lines.as_ref();
        lines.map_or(0, |lines| lines.load(Ordering::Acquire))
    }

    /// Waits until the access log, if there is one, has written so many lines.
    fn written(&self, lines: usize) {
        let begun = Instant::now();
        while self.lines.is_some() && self.lines() < lines {
            assert!(begun.elapsed() < PATIENCE, "the log is not written");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A client that knows how long the answers are, and needs no more than its two buffers.
struct Client {
    stream: TcpStream,
    requests: Vec<u8>,
    answers: Vec<u8>,
}

impl Client {
    /// Connects, and asks once on another connection to see how long the answer is.
    fn connect(address: SocketAddr, case: &Case, burst: usize) -> Client {
        let (_, line, fields, _) = case;
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let last = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
        let (requests, answers) = (request.repeat(burst).into_bytes(), Vec::new());
        let mut client = Client {
            stream,
            requests,
            answers,
        };
        // The last answer on a connection says so, and else is as long as any.
        let mut measuring = TcpStream::connect(address).unwrap();
        measuring.set_read_timeout(Some(PATIENCE)).unwrap();
        measuring.write_all(last.as_bytes()).unwrap();
        measuring.read_to_end(&mut client.answers).unwrap();
        let bytes = client.answers.len() - "Connection: close\r\n".len();
        client.answers = vec![0; bytes * burst];
        client
    }

    /// Sends the requests and reads their answers.
    fn ask(&mut self, status: &str) {
        self.stream.write_all(&self.requests).unwrap();
        self.stream.read_exact(&mut self.answers).unwrap();
        assert!(self.answers.starts_with(b"HTTP/1.1 "));
        assert_eq!(self.answers.get(9..12), Some(status.as_bytes()));
    }
}

/// A file that knows how many lines it has been given.
struct Counted {
    file: File,
    lines: Arc<AtomicUsize>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let lines = bytes.iter().take(written).filter(|byte| **byte == b'\n');
        self.lines.fetch_add(lines.count(), Ordering::Release);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The bytes of a site that has what the cases ask for.
fn site() -> Vec<u8> {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "page.html",
        &b"<p>a paragraph</p>\n".repeat(100),
    );
    write(root.path(), "sub/index.html", b"<p>below</p>\n");
    write(root.path(), "404.html", &b"<p>missing</p>\n".repeat(20));
    // Sent from the file, and small enough for the system to take it at once.
    write(root.path(), "large.png", &[7; 20 << 10]);
    let compiler = Compiler::new().files("/", root.path());
    compiler.modified(Some(MODIFIED)).compile().unwrap().bytes
}

fn write(root: &Path, path: &str, content: &[u8]) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}
