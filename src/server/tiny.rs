//! The portable engine: tiny_http owns the sockets. The only file that calls it.
//!
//! tiny_http 0.12 reads requests on a thread a connection and hands them over in a queue; a fixed
//! number of workers here answers them. What it would do wrong if left alone:
//!
//! 1. It leaves Nagle's algorithm on, and each answer waits 40 ms for a delayed acknowledgement.
//!    The listener comes with TCP_NODELAY, and Linux gives that to what is accepted.
//! 2. Its own responses come in chunks from 32 KiB on, and give a 304 a Content-Length. So it is
//!    asked for its writer, and answers are written as they are, with their right lengths.
//! 3. It has no time-outs. A TCP listener comes with them too, and with one effect: an accept that
//!    waits as long fails, and 4 happens. So somebody knocks from time to time: this engine itself.
//!    While there is traffic it knocks often, since of connections that come in one burst some wait
//!    in tiny_http until the next one comes.
//! 4. One failed accept, or a panic for want of descriptors, ends its accept thread. Then a new
//!    server is started on another handle of the same listener, and a few threads go on answering
//!    for the connections of the old one.
//! 5. It hands pipelined requests of one client to several workers, of which all but one then wait
//!    for their turn to write. So a client has one worker at a time, and its other requests wait.
//! 6. It does not close a connection that the client keeps. After an answer that ends it, what the
//!    client has sent behind is dropped unanswered.
//! 7. To skip the content of a request it allocates all of it. A request that announces more
//!    than 16 MiB, or takes too long, is left unanswered, its connection stuck until the end.
//!
//! Each address has a server, workers and clients of its own. What goes wrong in an accept thread
//! does not say in whose: after a panic all are started anew.
//!
//! A socket that was passed is also somebody else's, and is not shut down: it is made one that does
//! not block, and a last knock has the accept thread see that.
//!
//! When another site takes the place of the one that is served, only answers change: connections
//! are tiny_http's, and go on. Each answer holds the site that it is of.
//!
//! What it cannot be kept from stands in the README under Limitations.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::making::Pump;
use super::socket_file::SocketFile;
use super::{Bound, Context, Listener, Role, connection_field};
use crate::http::connection::persists;
use crate::http::date::imf_fixdate;
use crate::http::forwarded;
use crate::http::framing::{Framing, framing};
use crate::http::head::is_field;
use crate::http::told::told;
use crate::limits::{
    CONTENT_BYTES_MAX, DRAIN_QUIET_MILLISECONDS, DRAIN_SECONDS_MAX, TINY_ACCEPT_PAUSE_MILLISECONDS,
    TINY_RETIRED_SECONDS_MAX, TINY_RETIRED_WORKERS, TINY_SKIPPED_CONTENT_BYTES_MAX,
    TINY_SOCKET_SECONDS_MAX, TINY_WORKERS,
};
use crate::log::{Line, warn};
use crate::origin::Origin;
use crate::reason::Reason;
use crate::request::{Field, Fields, Request, Version};
use crate::response::{Connection, Content, Made, Response};

/// How often a thread that waits for requests looks whether it should go on.
const POLL: Duration = Duration::from_millis(250);

/// How often somebody knocks while there is traffic, and how long a quiet is traffic.
const KNOCK_OFTEN: Duration = Duration::from_millis(50);
const TRAFFIC: Duration = Duration::from_secs(2);

/// How long after a refusal what its client has sent behind is dropped. Less than the second after
/// which Linux may give the client's port to another connection.
const OVER: Duration = Duration::from_millis(900);

/// How often somebody knocks, so that no accept waits too long.
const KNOCK: Duration = Duration::from_secs(TINY_SOCKET_SECONDS_MAX / 3);

/// A server, and whose turn it is to take a request from it. Requests of one client have to be
/// admitted in the order in which they came: an answer that overtakes waits for the one before,
/// which would wait behind it.
struct Source {
    server: tiny_http::Server,
    turn: Mutex<()>,
}

/// What all threads of an address share.
struct Shared {
    /// What is served there.
    role: Role,
    /// The server that accepts, which changes when its accept thread ends.
    server: RwLock<Arc<Source>>,
    /// Its accept thread has ended.
    ended: AtomicBool,
    peers: Mutex<HashMap<SocketAddr, Peer>>,
    /// Requests that were taken up and are not answered.
    in_flight: AtomicU64,
    /// How many were ever taken up.
    taken_up: AtomicU64,
}

/// A client that is being answered, or has got its last answer.
enum Peer {
    /// Its next requests wait here.
    Busy(VecDeque<tiny_http::Request>),
    /// Its connection is over as far as this side goes, since then.
    Over(Instant),
}

/// Serves until the shutdown has begun and what was in flight is answered.
pub(super) fn serve(bound: Vec<Bound>, context: &Arc<Context>) -> io::Result<()> {
    let mut doors = Vec::new();
    for bound in bound {
        doors.push(Door::open(bound, context)?);
    }
    while !context.shutdown.wait(KNOCK_OFTEN) {
        for door in &mut doors {
            door.look_after(context);
        }
    }
    thread::sleep(Duration::from_secs(context.options.drain_delay_seconds));
    for door in &doors {
        door.socket_file.remove();
        stop(&door.listener, door.is_shared);
    }
    if !drain(&doors) {
        warn(format_args!("not everything was answered in time"));
    }
    for door in doors.iter().filter(|door| is_unix(&door.listener)) {
        std::mem::forget(door.shared.current());
    }
    context.shutdown.complete();
    Ok(())
}

/// Waits until nothing is in flight and nothing came for a moment, or time is up. Whether
/// everything was answered.
fn drain(doors: &[Door]) -> bool {
    let sum = |count: fn(&Shared) -> &AtomicU64| -> u64 {
        let counts = doors.iter().map(|door| count(&door.shared));
        counts.map(|count| count.load(Ordering::Acquire)).sum()
    };
    let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS_MAX);
    let mut seen = sum(|shared| &shared.taken_up);
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(DRAIN_QUIET_MILLISECONDS));
        let taken_up = sum(|shared| &shared.taken_up);
        if sum(|shared| &shared.in_flight) == 0 && taken_up == seen {
            return true;
        }
        seen = taken_up;
    }
    false
}

/// An address that is served.
struct Door {
    listener: Listener,
    socket_file: SocketFile,
    is_shared: bool,
    shared: Arc<Shared>,
    /// When somebody knocked, and when there was traffic.
    knocked: Instant,
    busy: Instant,
    /// How many requests were taken up by then.
    taken_up: u64,
}

impl Door {
    /// Starts to accept, and the workers.
    fn open(bound: Bound, context: &Arc<Context>) -> io::Result<Door> {
        let Bound {
            mut listeners,
            role,
            socket_file,
            is_shared,
        } = bound;
        let listener = listeners.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let shared = Arc::new(Shared {
            role,
            server: RwLock::new(Arc::new(start(&listener)?)),
            ended: AtomicBool::new(false),
            peers: Mutex::new(HashMap::new()),
            in_flight: AtomicU64::new(0),
            taken_up: AtomicU64::new(0),
        });
        watch_panics(&shared);
        for number in 0..TINY_WORKERS {
            let (shared, context) = (shared.clone(), context.clone());
            let work = move || shared.work(&context);
            thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(work)?;
        }
        Ok(Door {
            listener,
            socket_file,
            is_shared,
            shared,
            knocked: Instant::now(),
            busy: Instant::now(),
            taken_up: 0,
        })
    }

    /// Starts the server anew if that is due, and knocks if that is.
    fn look_after(&mut self, context: &Arc<Context>) {
        if self.shared.ended.swap(false, Ordering::AcqRel) {
            restart(&self.listener, &self.shared, context);
        }
        let taken_up = self.shared.taken_up.load(Ordering::Acquire);
        if std::mem::replace(&mut self.taken_up, taken_up) != taken_up {
            self.busy = Instant::now();
        }
        if self.busy.elapsed() < TRAFFIC || self.knocked.elapsed() >= KNOCK {
            knock(&self.listener);
            self.shared.forget_old_peers();
            self.knocked = Instant::now();
        }
    }
}

fn start(listener: &Listener) -> io::Result<Source> {
    let listener: tiny_http::Listener = match listener.try_clone()? {
        Listener::Tcp(listener) => listener.into(),
        #[cfg(unix)]
        Listener::Unix(listener) => listener.into(),
    };
    let server = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
    Ok(Source {
        server,
        turn: Mutex::new(()),
    })
}

/// Connects to this server and leaves: see 3 above. Nobody there means that the accept thread has
/// ended, which is noticed elsewhere.
fn knock(listener: &Listener) {
    match listener {
        Listener::Tcp(listener) => {
            let Ok(mut address) = listener.local_addr() else {
                return;
            };
            if address.ip().is_unspecified() {
                address.set_ip(match address.ip() {
                    IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
                });
            }
            let _ = TcpStream::connect_timeout(&address, POLL);
        }
        #[cfg(unix)]
        Listener::Unix(listener) => {
            if let Ok(address) = listener.local_addr() {
                let _ = super::socket_file::knock(&address);
            }
        }
    }
}

/// Stops accepting: a blocked accept returns, new connections are refused. Where a system cannot
/// shut a listener down, it ends with the process. One that is somebody else's too goes on, and
/// keeps who comes for whoever accepts next.
fn stop(listener: &Listener, is_shared: bool) {
    let socket = listener.socket();
    if is_shared {
        let _ = socket.set_nonblocking(true);
        knock(listener);
    } else {
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }
}

/// Replaces a server whose accept thread ended.
fn restart(listener: &Listener, shared: &Arc<Shared>, context: &Arc<Context>) {
    // Without threads it panics, where it could fail.
    let started = catch_unwind(|| start(listener));
    let started = started.unwrap_or_else(|_| Err(io::Error::other("there is no thread for it")));
    let server = match started {
        Ok(server) => Arc::new(server),
        Err(error) => {
            context.accept_failed(&error);
            thread::sleep(Duration::from_millis(TINY_ACCEPT_PAUSE_MILLISECONDS));
            shared.ended.store(true, Ordering::Release);
            return;
        }
    };
    let mut current = shared
        .server
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    let old = std::mem::replace(&mut *current, server);
    drop(current);
    for _ in 0..TINY_WORKERS {
        old.server.unblock();
    }
    for _ in 0..TINY_RETIRED_WORKERS {
        let (shared, context, old) = (shared.clone(), context.clone(), old.clone());
        let keep = move || shared.keep_retired(&old, &context);
        // Without a thread, connections from before are left alone.
        let _ = thread::Builder::new()
            .name("retired".to_owned())
            .spawn(keep);
    }
    if is_unix(listener) {
        std::mem::forget(old);
    }
}

/// Whether it listens on a Unix socket. A server that is dropped removes what it finds under the
/// name of that, so such servers are kept for ever.
fn is_unix(listener: &Listener) -> bool {
    match listener {
        Listener::Tcp(_) => false,
        #[cfg(unix)]
        Listener::Unix(_) => true,
    }
}

/// Learns of accept threads that end in a panic: tiny_http unwraps what fails without descriptors
/// or threads. A panic in its `client.rs` is one of a connection, and costs only that.
fn watch_panics(shared: &Arc<Shared>) {
    let shared = shared.clone();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let file = info.location().map_or("", |location| location.file());
        if file.ends_with("client.rs") {
            return; // a client that was gone before its connection was taken up
        }
        previous(info);
        let of_accepting =
            file.ends_with("refined_tcp_stream.rs") || file.contains("/std/src/thread");
        if of_accepting {
            shared.ended.store(true, Ordering::Release);
        }
    }));
}

impl Shared {
    fn current(&self) -> Arc<Source> {
        self.server
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<SocketAddr, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, context: &Context) {
        while !context.shutdown.is_complete() {
            if let Err(error) = self.take_up(&self.current(), context) {
                self.accept_failed(&error, context);
            }
        }
    }

    /// Answers for the connections of a server that no longer accepts, until they are quiet.
    fn keep_retired(&self, source: &Source, context: &Context) {
        let quiet_max = Duration::from_secs(TINY_RETIRED_SECONDS_MAX);
        let mut last = Instant::now();
        while last.elapsed() < quiet_max && !context.shutdown.is_complete() {
            if self.take_up(source, context).unwrap_or(false) {
                last = Instant::now();
            }
        }
    }

    fn accept_failed(&self, error: &io::Error, context: &Context) {
        let idle = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        if !idle && !context.shutdown.is_begun() {
            context.accept_failed(error);
            thread::sleep(Duration::from_millis(TINY_ACCEPT_PAUSE_MILLISECONDS));
        }
        self.ended.store(true, Ordering::Release);
    }

    /// Waits a while for a request; answers it, and those of the same client that come meanwhile,
    /// in their order. Whether there was one.
    fn take_up(&self, source: &Source, context: &Context) -> io::Result<bool> {
        let turn = source.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if context.shutdown.is_complete() {
            return Ok(false);
        }
        let Some(request) = source.server.recv_timeout(POLL)? else {
            return Ok(false);
        };
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.taken_up.fetch_add(1, Ordering::AcqRel);
        let peer = request.remote_addr().copied();
        let admitted = self.admit(peer, request);
        drop(turn);
        let mut next = admitted.unwrap_or_else(|request| {
            drop_unanswered(*request);
            None
        });
        while let Some(request) = next {
            let generation = context.served.current();
            let origin = match self.role {
                Role::Site => generation.origin(),
            };
            let work = || answer(request, &origin, context);
            let goes_on = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
            next = self.next_of(peer, goes_on);
        }
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        Ok(true)
    }

    /// The request, if it is its turn; none, if its client is busy and it waits. An error is the
    /// request of a client that is over.
    fn admit(
        &self,
        peer: Option<SocketAddr>,
        request: tiny_http::Request,
    ) -> Result<Option<tiny_http::Request>, Box<tiny_http::Request>> {
        // Clients on a Unix socket have no names.
        let Some(peer) = peer else {
            return Ok(Some(request));
        };
        let mut peers = self.peers();
        match peers.get_mut(&peer) {
            Some(Peer::Busy(waiting)) => {
                waiting.push_back(request);
                Ok(None)
            }
            Some(Peer::Over(since)) if since.elapsed() < OVER => Err(Box::new(request)),
            Some(Peer::Over(_)) | None => {
                peers.insert(peer, Peer::Busy(VecDeque::new()));
                Ok(Some(request))
            }
        }
    }

    fn next_of(&self, peer: Option<SocketAddr>, goes_on: bool) -> Option<tiny_http::Request> {
        let peer = peer?;
        let mut peers = self.peers();
        if goes_on {
            let next = match peers.get_mut(&peer) {
                Some(Peer::Busy(waiting)) => waiting.pop_front(),
                Some(Peer::Over(_)) | None => None,
            };
            if next.is_none() {
                peers.remove(&peer);
            }
            return next;
        }
        let before = peers.insert(peer, Peer::Over(Instant::now()));
        drop(peers);
        if let Some(Peer::Busy(waiting)) = before {
            waiting.into_iter().for_each(drop_unanswered);
        }
        None
    }

    fn forget_old_peers(&self) {
        self.peers().retain(|_, peer| match peer {
            Peer::Busy(_) => true,
            Peer::Over(since) => since.elapsed() < OVER,
        });
    }
}

/// A request that is dropped is answered with 500 by tiny_http; one that gave its writer is not.
fn drop_unanswered(request: tiny_http::Request) {
    let announced = request.body_length().unwrap_or(0) as u64;
    if announced > TINY_SKIPPED_CONTENT_BYTES_MAX {
        std::mem::forget(request);
    } else {
        drop(request.into_writer());
    }
}

/// Answers a request. Whether its connection goes on.
fn answer(mut request: tiny_http::Request, origin: &Origin<'_>, context: &Context) -> bool {
    let started = Instant::now();
    let clock = (context.clock)();
    let time = clock.as_secs();
    let head = Head::of(&request);
    let fields = head.fields();
    let parsed = head.request(&fields);
    let peer = client(&request, parsed.fields, context);
    let taken = request.body_length().unwrap_or(0) as u64;
    let (mut response, announced) = respond(&parsed, taken, origin, time);
    // tiny_http would wait for the rest of the content before it lets go of the writer.
    let skipped = skip_content(&mut request, announced);
    if matches!(skipped, Skipped::TooMuch | Skipped::Never) {
        response = Response::refusal(Reason::ContentTooLarge);
        if parsed.method == b"HEAD" {
            response = response.without_content();
        }
    }
    let connection = connection_field(&parsed, &response, context.shutdown.is_begun());
    let mut pump = None;
    if let (Content::Made(made), true) = (&response.content, skipped != Skipped::Never) {
        match begin_to_make(made, context) {
            Ok(begun) => pump = Some(begun),
            Err(reason) => response = Response::refusal(reason),
        }
    }
    let mut sent = Ok(0);
    if skipped == Skipped::Never {
        // Dropping it would allocate or wait: see 7 above. Its connection waits for ever.
        std::mem::forget(request);
    } else {
        let mut writer = request.into_writer();
        let date = imf_fixdate(time);
        sent = write(&mut *writer, &response, pump.as_mut(), &date, connection);
        if let Some(pump) = pump {
            let mut spare = Vec::new();
            pump.end(&mut spare);
            context.makers.keep(spare);
        }
    }
    if sent.is_err() {
        context.statistics.peer_gone();
    }
    let bytes = *sent.as_ref().unwrap_or(&0);
    let status = response.status.code();
    context.statistics.answered(status, bytes);
    let told = told(parsed.fields);
    context.access_log.record(&Line {
        time: u64::try_from(clock.as_millis()).unwrap_or(u64::MAX),
        peer,
        method: parsed.method,
        target: parsed.target,
        host: told.host,
        id: told.id,
        status,
        bytes,
        coding: response.coding,
        reason: response.reason,
        duration: started.elapsed(),
    });
    // What the client wants closed, tiny_http closes.
    sent.is_ok() && (connection != Connection::Close || !persists(&parsed))
}

/// What is answered, and what content has been announced. Of that tiny_http says `taken`.
fn respond<'s>(
    request: &Request<'_>,
    taken: u64,
    origin: &Origin<'s>,
    time: u64,
) -> (Response<'s>, Framing) {
    let mut fields = request.fields.0.iter();
    if fields.all(|field| is_field(field.name, field.value)) {
        // If the framing is in conflict, that is the answer, and it closes. What tiny_http makes
        // of it, it would allocate.
        let announced = framing(request).unwrap_or(Framing::Length(taken));
        (origin.respond(request, time), announced)
    } else {
        let response = Response::refusal(Reason::RequestMalformed);
        (response, Framing::Length(taken))
    }
}

/// The client's address: the peer's, or what it says of its own client, if it is believed.
fn client(request: &tiny_http::Request, fields: Fields<'_>, context: &Context) -> Option<IpAddr> {
    let peer = request.remote_addr().map(|peer| peer.ip().to_canonical());
    let trusted = &context.proxies.trusted;
    if !trusted.believes(peer) {
        return peer;
    }
    forwarded::client(fields, |address| trusted.holds(address)).or(peer)
}

/// Begins to make a content. Since 6 above leaves no way to tell a client that one is cut short,
/// a content of several pieces is made twice: the first time to see that it can be.
fn begin_to_make<'s>(made: &Made<'s>, context: &Context) -> Result<Pump<'s>, Reason> {
    let damaged = |_| Reason::SiteCorrupt;
    let makers = &context.makers;
    let mut spare = makers.spare();
    let mut pump = Pump::start(made, makers, &mut spare)?;
    pump.fill_at_once().map_err(damaged)?;
    if pump.is_made() {
        return Ok(pump);
    }
    while !pump.is_done() {
        pump.sent(usize::MAX);
        pump.fill_at_once().map_err(damaged)?;
    }
    pump.end(&mut spare);
    let mut pump = Pump::start(made, makers, &mut spare)?;
    pump.fill_at_once().map_err(damaged)?;
    Ok(pump)
}

/// Writes an answer; how much of it was content.
fn write(
    writer: &mut dyn io::Write,
    response: &Response<'_>,
    pump: Option<&mut Pump<'_>>,
    date: &str,
    connection: Connection,
) -> io::Result<u64> {
    let mut head = Vec::with_capacity(1024);
    response.write_head(&mut head, date, connection);
    writer.write_all(&head)?;
    for slice in response.content.slices() {
        writer.write_all(slice)?;
    }
    if let Some(pump) = pump {
        while !pump.is_done() {
            writer.write_all(pump.piece())?;
            pump.sent(usize::MAX);
            pump.fill_at_once()?;
        }
    }
    writer.flush()?;
    Ok(response.content.len())
}

/// What became of the content of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    /// It came, or there was none, or its client is gone.
    Whole,
    /// It came, and was more than is accepted.
    TooMuch,
    /// It will not come in time.
    Never,
}

/// Reads and drops the content of a request, within bounds of size and time.
fn skip_content(request: &mut tiny_http::Request, announced: Framing) -> Skipped {
    let (mut left, chunked) = match announced {
        Framing::Length(0) => return Skipped::Whole,
        Framing::Length(length) if length > TINY_SKIPPED_CONTENT_BYTES_MAX => {
            return Skipped::Never;
        }
        Framing::Length(length) => (length, false),
        Framing::Chunked => (TINY_SKIPPED_CONTENT_BYTES_MAX, true),
    };
    let deadline = Instant::now() + Duration::from_secs(TINY_SOCKET_SECONDS_MAX);
    let mut buffer = [0; 8192];
    let mut read = 0_u64;
    let reader = request.as_reader();
    while left > 0 {
        if Instant::now() >= deadline {
            return Skipped::Never;
        }
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(window) = buffer.get_mut(..wanted) else {
            return Skipped::Never;
        };
        match reader.read(window) {
            Ok(0) => break,
            Ok(some) => {
                left = left.saturating_sub(some as u64);
                read += some as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Skipped::Never,
            // Reset, or not chunked: nothing more can come.
            Err(_) => break,
        }
    }
    if read > CONTENT_BYTES_MAX || (chunked && left == 0) {
        Skipped::TooMuch
    } else {
        Skipped::Whole
    }
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
        let lines = request.headers().iter();
        Head {
            method: request.method().as_str().to_owned(),
            target: request.url().to_owned(),
            version: Version {
                major: version.0,
                minor: version.1,
            },
            lines: lines
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
