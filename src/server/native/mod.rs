//! The native engine: one event loop a thread, a listener of each address, nothing that blocks.
//!
//! 1. Small answers leave in one gathering write: a head put together from prepared lines, and
//!    the content from where it lies. Large ones leave by sendfile from the executable itself.
//! 2. Input is read into one buffer of the thread and looked at there; a connection keeps only
//!    what is left of it. In the steady state no request allocates, nor does its line in the log:
//!    `tests/allocations.rs` counts. What does allocate: a request that comes in pieces or brings
//!    content, a target with percent-encoding, an answer of several parts, and an answer that its
//!    client does not take at once.
//! 3. A connection waits for one thing at a time, and each kind of waiting has a bound. At the
//!    bound of connections, the one that has idled longest makes room, so that who comes new is
//!    served: waiting in the system's queue behind idle ones would be worse for everybody, and a
//!    503 would only make clients ask again.
//! 4. A panic in a connection, which should not be, costs that connection; it is said and counted.
//! 5. At the end, what was begun is finished: listeners close, idle connections close, answers
//!    complete and are waited for until their clients have closed, a first request may still come
//!    for a moment, and a deadline ends the rest. So end, too, the loops of a site whose place
//!    another has taken: the loops of that one have handles of the same listeners.

mod connection;
pub(super) mod site_file;
mod stream;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::event::{Event, Source as _};
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::io::Errno;
use slab::Slab;

use self::connection::{After, Budget, Connection, Means, Scratch};
use self::stream::Stream;
use self::timers::{Timers, Wait};
use super::conversation::Terms;
use super::served::Generation;
use super::socket_file::SocketFile;
use super::{Bound, Context, Listener, Role};
use crate::limits::{
    ACCEPT_PAUSE_MILLISECONDS, DESCRIPTORS_MIN, DRAIN_SECONDS_MAX, LINGER_MILLISECONDS_MAX,
    LISTENERS_MAX, REQUEST_GRACE_MILLISECONDS, TURN_EVENTS_MAX, WRITE_PROGRESS_BYTES_MIN,
};
use crate::log::{Ended, fail, warn};
use crate::origin::Origin;

const WAKER: Token = Token(usize::MAX);
/// Tokens from here on are of listeners, in their order; those of connections are their keys.
const LISTENERS: usize = WAKER.0 - LISTENERS_MAX;

/// Serves until the shutdown has begun and what was in flight is answered.
pub(super) fn serve(bound: Vec<Bound>, context: &Arc<Context>) -> io::Result<()> {
    raise_descriptor_limit();
    let mut threads = Vec::new();
    let mut served = Ok(());
    let mut generation = context.served.current();
    loop {
        let started = start(&bound, &generation, context, &mut threads);
        if started.is_err() {
            context.begin_shutdown();
        }
        served = served.and(started);
        while !generation.ending.wait(Duration::MAX) {}
        let next = context.served.current();
        if Arc::ptr_eq(&next, &generation) {
            break;
        }
        generation = next;
        for thread in threads.extract_if(.., |thread| thread.is_finished()) {
            served = served.and(end_of(thread));
        }
    }
    // The loops have handles of their own, and know when to close them.
    drop(bound);
    for thread in threads {
        served = served.and(end_of(thread));
    }
    context.shutdown.complete();
    served
}

/// Starts the loops of a generation, each with a handle of a listener of each address.
fn start(
    bound: &[Bound],
    generation: &Arc<Generation>,
    context: &Arc<Context>,
    threads: &mut Vec<JoinHandle<io::Result<()>>>,
) -> io::Result<()> {
    let connections_max = context.options.connections.connections.max(1);
    // A loop has one connection at least.
    let loops = bound.first().map_or(0, |bound| bound.listeners.len());
    let loops = loops.min(connections_max);
    for (number, share) in shares(connections_max, loops).enumerate().take(loops) {
        let entrances = bound.iter().map(|bound| Entrance::of(bound, number));
        let entrances = entrances.collect::<io::Result<Vec<_>>>()?;
        let (generation, context) = (generation.clone(), context.clone());
        let work = move || {
            let run = || Loop::new(entrances, share, &context, &generation)?.run();
            run_to_the_end(run, &context)
        };
        let builder = thread::Builder::new().name(format!("loop-{number}"));
        threads.push(builder.spawn(work)?);
    }
    Ok(())
}

/// Runs a loop; one that fails has the others end, and with them the server: half of it, which
/// answers some and leaves the rest waiting, would be worse than none.
fn run_to_the_end(run: impl FnOnce() -> io::Result<()>, context: &Context) -> io::Result<()> {
    let run = catch_unwind(AssertUnwindSafe(run));
    let run = run.unwrap_or_else(|_| Err(io::Error::other("an event loop panicked")));
    if run.is_err() {
        context.begin_shutdown();
    }
    run
}

fn end_of(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err(io::Error::other("an event loop panicked")))
}

/// The bound on connections, shared out among so many loops.
fn shares(connections: usize, loops: usize) -> impl Iterator<Item = usize> {
    let loops = loops.max(1);
    (0..loops).map(move |number| connections / loops + usize::from(number < connections % loops))
}

/// A descriptor a connection: as many as the system lets this process have.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raise = |current| setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    if raise(limit.maximum).is_err() {
        // macOS refuses what is above its OPEN_MAX, "no limit" too. What is refused stays as it
        // was, and accepting pauses earlier.
        let at_least = limit.current.unwrap_or(0);
        let most = limit.maximum.unwrap_or(u64::MAX).min(DESCRIPTORS_MIN);
        let _ = raise(Some(most.max(at_least)));
    }
}

/// A listener that never blocks.
enum Accepting {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

impl Accepting {
    fn new(listener: Listener) -> io::Result<Accepting> {
        Ok(match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Accepting::Tcp(mio::net::TcpListener::from_std(listener))
            }
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Accepting::Unix(mio::net::UnixListener::from_std(listener))
            }
        })
    }

    fn register(&mut self, poll: &Poll, token: Token) -> io::Result<()> {
        match self {
            Accepting::Tcp(one) => one.register(poll.registry(), token, Interest::READABLE),
            Accepting::Unix(one) => one.register(poll.registry(), token, Interest::READABLE),
        }
    }

    /// Others may have handles of it, and the system tells of it until all are closed.
    fn deregister(&mut self, poll: &Poll) -> io::Result<()> {
        match self {
            Accepting::Tcp(one) => one.deregister(poll.registry()),
            Accepting::Unix(one) => one.deregister(poll.registry()),
        }
    }

    fn accept<'s>(&self) -> io::Result<Connection<'s>> {
        match self {
            Accepting::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                // A client that came by IPv4 to a listener for both is known by its own address.
                let peer = peer.ip().to_canonical();
                Ok(Connection::new(Stream::Tcp(stream), Some(peer)))
            }
            Accepting::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok(Connection::new(Stream::Unix(stream), None))
            }
        }
    }
}

/// Where connections come in.
struct Entrance {
    listener: Accepting,
    role: Role,
    socket_file: SocketFile,
    /// Connections may be waiting to be accepted.
    acceptable: bool,
}

impl Entrance {
    /// The one of the loop with this number, with a handle of its own.
    fn of(bound: &Bound, number: usize) -> io::Result<Entrance> {
        let listener = bound.listeners.get(number).map(Listener::try_clone);
        let listener = listener.unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))?;
        Ok(Entrance {
            listener: Accepting::new(listener)?,
            role: bound.role,
            socket_file: bound.socket_file.clone(),
            acceptable: false,
        })
    }
}

/// An event loop and all that it owns.
struct Loop<'g> {
    context: &'g Arc<Context>,
    generation: &'g Generation,
    origin: Origin<'g>,
    poll: Poll,
    /// None once they are closed.
    entrances: Vec<Entrance>,
    connections: Slab<Connection<'g>>,
    /// This thread's share of the bound.
    connections_max: usize,
    timers: Timers,
    scratch: Scratch,
    /// Connections that gave way to others and want their turn.
    yielded: VecDeque<usize>,
    /// When to accept again after the system had no descriptor left, in milliseconds.
    accept_again: Option<u64>,
    started: Instant,
    /// The time since then in milliseconds, as of the last events: what happens in one turn of
    /// the loop happens at one time.
    time: u64,
    /// How it ends, once the shutdown has begun.
    drain: Option<Drain>,
}

/// When the listeners close, and when all ends, in milliseconds.
#[derive(Clone, Copy)]
struct Drain {
    closes: u64,
    ends: u64,
}

impl<'g> Loop<'g> {
    fn new(
        mut entrances: Vec<Entrance>,
        connections_max: usize,
        context: &'g Arc<Context>,
        generation: &'g Generation,
    ) -> io::Result<Loop<'g>> {
        let poll = Poll::new()?;
        for (number, entrance) in (LISTENERS..).zip(&mut entrances) {
            entrance.listener.register(&poll, Token(number))?;
        }
        let waker = Waker::new(poll.registry(), WAKER)?;
        generation.ending.on_begin(move || {
            // A loop that cannot be woken looks at its next event.
            let _ = waker.wake();
        });
        let limits = context.options.connections;
        let patience = [
            limits.request_seconds * 1000,
            limits.idle_seconds * 1000,
            limits.write_seconds * 1000,
            LINGER_MILLISECONDS_MAX,
            REQUEST_GRACE_MILLISECONDS,
            1000,
        ];
        Ok(Loop {
            context,
            generation,
            origin: generation.origin(),
            poll,
            entrances,
            connections: Slab::new(),
            connections_max,
            timers: Timers::new(patience),
            scratch: Scratch::new(),
            yielded: VecDeque::new(),
            accept_again: None,
            started: Instant::now(),
            time: 0,
            drain: None,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(TURN_EVENTS_MAX);
        while !self.is_over() {
            self.tick();
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.tick();
            self.scratch.tick((self.context.clock)());
            for _ in 0..self.yielded.len() {
                if let Some(key) = self.yielded.pop_front() {
                    self.turn(key);
                }
            }
            for event in &events {
                self.handle(event);
            }
            self.expire();
            self.accept_if_possible();
            self.drain_if_begun();
        }
        Ok(())
    }

    /// Takes note of the time, after events or before waiting for them.
    fn tick(&mut self) {
        self.time = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    }

    /// How long to wait for events.
    fn timeout(&self) -> Option<Duration> {
        if !self.yielded.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.time;
        let closes = self.drain.map(|drain| drain.closes);
        let closes = closes.filter(|_| !self.entrances.is_empty());
        let ends = self.drain.map(|drain| drain.ends);
        let fixed = [self.accept_again, closes, ends].into_iter().flatten();
        let fixed = fixed.map(|at| at.saturating_sub(now)).min();
        let next = [fixed, self.timers.next(now)].into_iter().flatten().min();
        // One more: a timer that is asked for in the middle of its last millisecond is not due.
        next.map(|milliseconds| Duration::from_millis(milliseconds + 1))
    }

    fn handle(&mut self, event: &Event) {
        match event.token() {
            WAKER => {}
            Token(number @ LISTENERS..) => {
                if let Some(entrance) = self.entrances.get_mut(number - LISTENERS) {
                    entrance.acceptable = true;
                }
            }
            Token(key) => {
                let Some(connection) = self.connections.get_mut(key) else {
                    return;
                };
                let ended = event.is_read_closed() || event.is_error();
                if event.is_readable() || ended {
                    connection.set_readable(ended);
                }
                if !connection.is_queued() {
                    self.turn(key);
                }
            }
        }
    }

    /// Gives a connection its turn.
    fn turn(&mut self, key: usize) {
        self.attend_to(key, Connection::turn);
    }

    /// Has a connection do what it has to, and sees to what it waits for then. If that panics, the
    /// connection is over, and nothing else is.
    fn attend_to(
        &mut self,
        key: usize,
        act: impl FnOnce(&mut Connection<'g>, &mut Means<'_, 'g>) -> After,
    ) {
        let terms = self.terms();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let before = connection.answered();
        let mut means = Means {
            scratch: &mut self.scratch,
            context: self.context,
            origin: &self.origin,
            terms,
            budget: Budget::TURN,
        };
        let after = survive(self.context, || act(connection, &mut means));
        // Its time as a whole begins anew with each request.
        if connection.answered() != before {
            self.timers.clear(key);
        }
        // A panic may have lost the buffer on its way.
        if self.scratch.input.is_empty() {
            self.scratch.input = Scratch::new().input;
        }
        self.settle(key, after);
    }

    fn terms(&self) -> Terms<'static> {
        Terms {
            limits: *self.origin.limits(),
            requests_max: self.context.options.connections.requests,
            draining: self.generation.ending.is_begun(),
            now: self.scratch.now,
            trusted: None,
            role: Role::Site,
            is_near: false,
        }
    }

    /// Sets the timer that goes with what a connection waits for, gives it another turn, or closes
    /// it.
    fn settle(&mut self, key: usize, after: After) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let wait = match after {
            After::Over => return self.close(key),
            After::Waits(wait) => wait,
            After::Yields => {
                if !connection.queue() {
                    self.yielded.push_back(key);
                }
                // What it would wait for goes on: a request that comes fast has no longer.
                connection.waits()
            }
        };
        let fresh = connection.answered() == 0;
        let wait = match wait {
            Wait::Idle if after != After::Yields && self.is_draining() => {
                return self.part_with(key);
            }
            // A new connection has no longer for its first request than for the rest of it.
            Wait::Idle if fresh => Wait::Request,
            // A request and an answer have their time as a whole, however often they pause.
            Wait::Idle | Wait::Request | Wait::Write | Wait::Linger | Wait::First | Wait::Held => {
                wait
            }
        };
        if wait == Wait::Idle || self.timers.waits(key) != Some(wait) {
            self.timers.set(key, wait, self.time);
        }
    }

    /// Ends an idle connection, now that the server does. A first request may be on its way, and an
    /// answer too: when the process is gone, its container and what the system has not sent may go
    /// with it. Who has idled for long has neither.
    fn part_with(&mut self, key: usize) {
        let waited = self.timers.waited(key, self.time).unwrap_or(0);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.answered() == 0 {
            if self.timers.waits(key) == Some(Wait::First) {
                return;
            }
            if waited < REQUEST_GRACE_MILLISECONDS {
                return self.timers.set(key, Wait::First, self.time);
            }
        } else if waited < LINGER_MILLISECONDS_MAX {
            return self.attend_to(key, Connection::part);
        }
        self.close(key);
    }

    /// Whether the listeners are closed, and what idles with them.
    fn is_draining(&self) -> bool {
        self.drain.is_some() && self.entrances.is_empty()
    }

    fn close(&mut self, key: usize) {
        if self.connections.try_remove(key).is_some() {
            self.timers.clear(key);
            self.context.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn expire(&mut self) {
        let now = self.time;
        while let Some((key, wait)) = self.timers.expired(now) {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            match wait {
                Wait::Idle | Wait::Linger | Wait::First => self.close(key),
                Wait::Write if connection.has_progressed(WRITE_PROGRESS_BYTES_MIN) => {
                    self.timers.set(key, Wait::Write, now);
                }
                Wait::Write => {
                    self.context.statistics.ended(Ended::Gone);
                    self.close(key);
                }
                Wait::Request => self.attend_to(key, Connection::time_out),
                Wait::Held => self.attend_to(key, Connection::wake),
            }
        }
    }

    /// Accepts all that wait, if there is room for them.
    fn accept_if_possible(&mut self) {
        if self.accept_again.is_some_and(|at| at <= self.time) {
            self.accept_again = None;
            self.look_for_connections();
        }
        for number in 0..self.entrances.len() {
            while self.is_acceptable(number) && self.accept_again.is_none() && self.has_room() {
                self.accept(number);
            }
        }
    }

    /// Notes that connections may be waiting everywhere.
    fn look_for_connections(&mut self) {
        for entrance in &mut self.entrances {
            entrance.acceptable = true;
        }
    }

    fn is_acceptable(&self, number: usize) -> bool {
        let entrance = self.entrances.get(number);
        entrance.is_some_and(|entrance| entrance.acceptable)
    }

    /// Accepts one connection.
    fn accept(&mut self, number: usize) {
        let Some(entrance) = self.entrances.get_mut(number) else {
            return;
        };
        match entrance.listener.accept() {
            Ok(connection) => {
                let role = entrance.role;
                self.admit(connection.with(role, &self.context.proxies));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => entrance.acceptable = false,
            Err(error) if is_passing(&error) => {}
            Err(error) => self.pause_accepting(&error),
        }
    }

    /// Whether another connection may be accepted, if need be in the place of an idle one.
    fn has_room(&mut self) -> bool {
        if self.connections.len() < self.connections_max {
            return true;
        }
        let victim = self.victim();
        match victim {
            Some(key) => self.make_room(key),
            None => self.accept_again = Some(self.time + ACCEPT_PAUSE_MILLISECONDS),
        }
        victim.is_some()
    }

    /// The connection that is missed least: the one that has idled longest; else the one that has
    /// kept its request back longest, if that is longer than a request takes.
    fn victim(&self) -> Option<usize> {
        let now = self.time;
        let slow = || {
            self.timers
                .longest(Wait::Request, now, REQUEST_GRACE_MILLISECONDS)
        };
        self.timers.longest(Wait::Idle, now, 0).or_else(slow)
    }

    fn make_room(&mut self, key: usize) {
        self.context.statistics.ended(Ended::MadeRoom);
        self.close(key);
    }

    fn admit(&mut self, mut connection: Connection<'g>) {
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        if connection
            .stream()
            .register(self.poll.registry(), Token(key))
            .is_err()
        {
            return;
        }
        entry.insert(connection);
        self.context.connections.fetch_add(1, Ordering::Relaxed);
        self.context.statistics.accepted();
        let now = self.time;
        self.timers.set(key, Wait::Request, now);
    }

    /// A connection could not be accepted. If that is for want of a descriptor or of memory, an
    /// idle one makes room.
    fn pause_accepting(&mut self, error: &io::Error) {
        if is_scarcity(error)
            && let Some(key) = self.victim()
        {
            return self.make_room(key);
        }
        self.context.accept_failed(error);
        self.accept_again = Some(self.time + ACCEPT_PAUSE_MILLISECONDS);
    }

    fn drain_if_begun(&mut self) {
        if !self.generation.ending.is_begun() {
            return;
        }
        let now = self.time;
        // Or another site has taken its place, and other loops accept.
        let is_last = self.context.shutdown.is_begun();
        let drain = *self.drain.get_or_insert_with(|| {
            let delay_seconds = self.context.options.drain_delay_seconds;
            let closes = now + if is_last { delay_seconds * 1000 } else { 0 };
            let ends = closes + DRAIN_SECONDS_MAX * 1000;
            Drain { closes, ends }
        });
        if now < drain.closes || self.entrances.is_empty() {
            return;
        }
        if is_last {
            for entrance in &self.entrances {
                entrance.socket_file.remove();
            }
            // Whoever the system has already let in is still served.
            self.look_for_connections();
            self.accept_if_possible();
        }
        for mut entrance in std::mem::take(&mut self.entrances) {
            // One that cannot be is told of until the loop ends.
            let _ = entrance.listener.deregister(&self.poll);
        }
        let idle: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, one)| one.is_idle())
            .map(|(key, _)| key)
            .collect();
        for key in idle {
            // Unless its next request has just come.
            if let Some(connection) = self.connections.get_mut(key) {
                connection.set_readable(false);
            }
            self.turn(key);
        }
    }

    fn is_over(&self) -> bool {
        let Some(drain) = self.drain else {
            return false;
        };
        if !self.entrances.is_empty() {
            return false;
        }
        let late = self.time >= drain.ends;
        if late && !self.connections.is_empty() {
            let count = self.connections.len();
            warn(format_args!(
                "{count} connections were not finished in time"
            ));
        }
        late || self.connections.is_empty()
    }
}

/// Does what a connection has to do; if that panics, the connection is over, and nothing else is.
fn survive(context: &Context, act: impl FnOnce() -> After) -> After {
    // What a panic leaves half done is the connection's, which is dropped, and the scratch.
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
        context.statistics.ended(Ended::Failed);
        fail(format_args!(
            "a connection failed, which is a fault of this program: what it was doing stands above"
        ));
        After::Over
    })
}

/// Errors that another connection's end may mend: no descriptor, no memory.
fn is_scarcity(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Errors of accept that are about one connection and not about the listener: accept(2).
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
    )
}
