//! The portable engine: tiny_http owns the sockets. The only file that names it.
//!
//! tiny_http 0.12 reads requests on a thread a connection and hands them over in a queue; a fixed
//! number of workers here answers them. What it would do wrong if left alone:
//!
//! 1. It leaves Nagle's algorithm on, and each answer waits 40 ms for a delayed acknowledgement.
//!    The listener comes with TCP_NODELAY, and Linux gives that to what is accepted.
//! 2. Its own responses come in chunks from 32 KiB on, and give a 304 a Content-Length. So it is
//!    asked for its writer, and answers are written as they are, with their right lengths.
//! 3. It has no time-outs. The listener comes with them too, with one effect: an accept that
//!    waits as long fails.
//! 4. One failed accept, or a panic for want of descriptors, ends its accept thread. Then a new
//!    server is started on another handle of the same listener, and one thread goes on answering
//!    for the connections of the old one.
//! 5. To skip the content of a request it allocates all of it. A request that announces more
//!    than 16 MiB, or does not send what it announced, is left unanswered, its connection stuck.
//!
//! What it cannot be kept from: threads and queue are unbounded, a field line has any length, it
//! answers malformed requests by itself, and it never closes a connection that the client keeps.

use std::io;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::{Bound, Context, Listener, connection_field, now};
use crate::http::date::imf_fixdate;
use crate::http::framing::{Framing, framing};
use crate::limits::{
    CONTENT_BYTES_MAX, DRAIN_QUIET_MILLISECONDS, DRAIN_SECONDS_MAX, TINY_ACCEPT_PAUSE_MILLISECONDS,
    TINY_RETIRED_SECONDS_MAX, TINY_SKIPPED_CONTENT_BYTES_MAX, TINY_SOCKET_SECONDS_MAX,
    TINY_WORKERS,
};
use crate::log::Line;
use crate::request::{Field, Fields, Request, Version};
use crate::response::{Reason, Response};

/// How often a thread that waits for requests looks whether it should go on.
const POLL: Duration = Duration::from_millis(250);

/// The server that accepts, which changes when its accept thread ends.
struct Accepting {
    server: RwLock<Arc<tiny_http::Server>>,
    /// Its accept thread has ended.
    ended: AtomicBool,
    /// Requests that were taken up and are not answered.
    in_flight: AtomicU64,
    /// How many were ever taken up.
    taken_up: AtomicU64,
}

impl Accepting {
    fn current(&self) -> Arc<tiny_http::Server> {
        self.server
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Answers a request, which is in flight until then.
    fn answer(&self, request: tiny_http::Request, context: &Context) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.taken_up.fetch_add(1, Ordering::AcqRel);
        answer(request, context);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Waits until nothing is in flight and nothing came for a moment, or time is up. Whether
    /// everything was answered.
    fn drain(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS_MAX);
        let mut seen = self.taken_up.load(Ordering::Acquire);
        while Instant::now() < deadline {
            thread::sleep(Duration::from_millis(DRAIN_QUIET_MILLISECONDS));
            let taken_up = self.taken_up.load(Ordering::Acquire);
            if self.in_flight.load(Ordering::Acquire) == 0 && taken_up == seen {
                return true;
            }
            seen = taken_up;
        }
        false
    }
}

/// Serves until the shutdown has begun and what was in flight is answered.
pub(super) fn serve(bound: Bound, context: &Arc<Context>) -> io::Result<()> {
    let [listener, ..] = &*bound.listeners else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let accepting = Arc::new(Accepting {
        server: RwLock::new(Arc::new(start(listener)?)),
        ended: AtomicBool::new(false),
        in_flight: AtomicU64::new(0),
        taken_up: AtomicU64::new(0),
    });
    watch_panics(&accepting);
    for number in 0..TINY_WORKERS {
        let (accepting, context) = (accepting.clone(), context.clone());
        let work = move || work(&accepting, &context);
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(work)?;
    }
    while !context.shutdown.wait(POLL) {
        if accepting.ended.swap(false, Ordering::AcqRel) {
            restart(listener, &accepting, context);
        }
    }
    thread::sleep(Duration::from_secs(context.options.drain_delay_seconds));
    stop(listener);
    if !accepting.drain() {
        eprintln!("chapbook: not everything was answered in time");
    }
    context.shutdown.complete();
    Ok(())
}

/// Stops accepting: a blocked accept returns, new connections are refused. Where a system cannot
/// shut a listener down, it ends with the process.
fn stop(listener: &Listener) {
    let _ = match listener {
        Listener::Tcp(listener) => {
            socket2::SockRef::from(listener).shutdown(std::net::Shutdown::Both)
        }
        #[cfg(unix)]
        Listener::Unix(listener) => {
            socket2::SockRef::from(listener).shutdown(std::net::Shutdown::Both)
        }
    };
}

fn start(listener: &Listener) -> io::Result<tiny_http::Server> {
    let listener: tiny_http::Listener = match listener {
        Listener::Tcp(listener) => listener.try_clone()?.into(),
        #[cfg(unix)]
        Listener::Unix(listener) => listener.try_clone()?.into(),
    };
    tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)
}

/// Replaces a server whose accept thread ended.
fn restart(listener: &Listener, accepting: &Arc<Accepting>, context: &Arc<Context>) {
    let server = match start(listener) {
        Ok(server) => Arc::new(server),
        Err(error) => {
            eprintln!("chapbook: failed to accept connections, will try again: {error}");
            thread::sleep(Duration::from_millis(TINY_ACCEPT_PAUSE_MILLISECONDS));
            accepting.ended.store(true, Ordering::Release);
            return;
        }
    };
    let mut current = accepting
        .server
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    let old = std::mem::replace(&mut *current, server);
    drop(current);
    for _ in 0..TINY_WORKERS {
        old.unblock();
    }
    let (accepting, context) = (accepting.clone(), context.clone());
    let keep = move || keep_retired(&old, &accepting, &context);
    if let Err(error) = thread::Builder::new()
        .name("retired".to_owned())
        .spawn(keep)
    {
        eprintln!("chapbook: connections from before are left alone: {error}");
    }
}

/// Answers for the connections of a server that no longer accepts, until they are quiet.
fn keep_retired(server: &tiny_http::Server, accepting: &Accepting, context: &Context) {
    let mut last = Instant::now();
    let quiet_max = Duration::from_secs(TINY_RETIRED_SECONDS_MAX);
    while last.elapsed() < quiet_max && !context.shutdown.is_complete() {
        if let Ok(Some(request)) = server.recv_timeout(POLL) {
            accepting.answer(request, context);
            last = Instant::now();
        }
    }
}

fn work(accepting: &Accepting, context: &Context) {
    while !context.shutdown.is_complete() {
        match accepting.current().recv_timeout(POLL) {
            Ok(Some(request)) => accepting.answer(request, context),
            Ok(None) => {}
            Err(error) => accept_failed(&error, accepting, context),
        }
    }
}

fn accept_failed(error: &io::Error, accepting: &Accepting, context: &Context) {
    // Nobody came for as long as a read may take: see 3 above. Or the listener was stopped.
    let idle = matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    );
    if !idle && !context.shutdown.is_begun() {
        context.accept_failed(error);
        thread::sleep(Duration::from_millis(TINY_ACCEPT_PAUSE_MILLISECONDS));
    }
    accepting.ended.store(true, Ordering::Release);
}

/// Learns of accept threads that end in a panic: tiny_http unwraps what fails without
/// descriptors or threads. A panic in `client.rs` is one of a connection, and costs only that.
fn watch_panics(accepting: &Arc<Accepting>) {
    let accepting = accepting.clone();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        previous(info);
        let file = info.location().map_or("", |location| location.file());
        if !file.ends_with("client.rs") {
            accepting.ended.store(true, Ordering::Release);
        }
    }));
}

fn answer(mut request: tiny_http::Request, context: &Context) {
    let started = Instant::now();
    let time = now();
    let peer = request.remote_addr().map(std::net::SocketAddr::ip);
    let head = Head::of(&request);
    let fields = head.fields();
    let parsed = head.request(&fields);
    let mut response = context.origin.respond(&parsed, time);

    // tiny_http would wait for the rest of the content before it lets go of the writer.
    let announced = framing(&parsed).unwrap_or(Framing::Length(0));
    let complete = skip_content(&mut request, announced);
    if !complete || announced_more_than(CONTENT_BYTES_MAX, announced) {
        response = Response::refusal(Reason::ContentTooLarge);
    }
    let connection = connection_field(&parsed, &response, context.shutdown.is_begun());
    let mut sent = 0;
    if complete {
        let mut writer = request.into_writer();
        match write(&mut writer, &response, &imf_fixdate(time), connection) {
            Ok(()) => sent = response.content.len(),
            Err(_) => context.statistics.peer_gone(),
        }
    } else {
        // Dropping it would allocate and wait: see 5 above. Its connection thread waits for ever.
        std::mem::forget(request);
    }
    let status = response.status.code();
    context.statistics.answered(status, sent);
    context.access_log.record(&Line {
        time,
        peer,
        method: parsed.method,
        target: parsed.target,
        status,
        bytes: sent,
        coding: response.coding,
        reason: response.reason,
        duration: started.elapsed(),
    });
}

fn write(
    writer: &mut dyn io::Write,
    response: &Response<'_>,
    date: &str,
    connection: crate::response::Connection,
) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    response.write_head(&mut head, date, connection);
    writer.write_all(&head)?;
    for slice in response.content.slices() {
        writer.write_all(slice)?;
    }
    writer.flush()
}

fn announced_more_than(bytes: u64, announced: Framing) -> bool {
    matches!(announced, Framing::Length(length) if length > bytes)
}

/// Reads and drops the content of a request. Whether it came whole, within bounds of size and
/// time.
fn skip_content(request: &mut tiny_http::Request, announced: Framing) -> bool {
    let mut left = match announced {
        Framing::Length(0) => return true,
        Framing::Length(length) if length > TINY_SKIPPED_CONTENT_BYTES_MAX => return false,
        Framing::Length(length) => length,
        Framing::Chunked => CONTENT_BYTES_MAX,
    };
    let deadline = Instant::now() + Duration::from_secs(TINY_SOCKET_SECONDS_MAX);
    let mut buffer = [0; 8192];
    let reader = request.as_reader();
    while left > 0 && Instant::now() < deadline {
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(window) = buffer.get_mut(..wanted) else {
            return false;
        };
        match reader.read(window) {
            Ok(0) => return announced == Framing::Chunked,
            Ok(read) => left = left.saturating_sub(read as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    left == 0 && announced != Framing::Chunked
}

/// The parts of a tiny_http request that a `Request` borrows.
struct Head {
    method: String,
    target: String,
    version: Version,
    lines: Vec<(String, String)>,
}

impl Head {
    fn of(request: &tiny_http::Request) -> Head {
        let version = request.http_version();
        Head {
            method: request.method().as_str().to_owned(),
            target: request.url().to_owned(),
            version: Version {
                major: version.0,
                minor: version.1,
            },
            lines: request
                .headers()
                .iter()
                .map(|line| (line.field.as_str().to_string(), line.value.to_string()))
                .collect(),
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        self.lines
            .iter()
            .map(|(name, value)| Field {
                name: name.as_bytes(),
                value: value.as_bytes(),
            })
            .collect()
    }

    fn request<'a>(&'a self, fields: &'a [Field<'a>]) -> Request<'a> {
        Request {
            method: self.method.as_bytes(),
            target: self.target.as_bytes(),
            version: self.version,
            fields: Fields(fields),
        }
    }
}
