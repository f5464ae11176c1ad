//! The server: where it listens, what every engine shares, and how it stops.

mod address;
mod shutdown;
#[cfg(feature = "tiny_http")]
mod tiny;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use address::{Address, Bound};
pub use shutdown::Shutdown;
pub(crate) use shutdown::on_signals;

use crate::http::connection::persists;
use crate::limits::{DRAIN_QUIET_MILLISECONDS, DRAIN_SECONDS_MAX};
use crate::log::{AccessLog, Statistics};
use crate::origin::Origin;
use crate::request::Request;
use crate::response::{Connection, Response};

#[cfg(not(feature = "tiny_http"))]
compile_error!("chapbook needs an engine: build it with the feature `tiny_http`");

/// What owns the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The portable engine.
    #[default]
    TinyHttp,
}

impl Engine {
    /// The engine's name, as `--engine` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Engine::TinyHttp => "tiny_http",
        }
    }
}

impl std::str::FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Engine, String> {
        match name {
            "tiny_http" => Ok(Engine::TinyHttp),
            _ => Err("there is no such engine; there is tiny_http".to_owned()),
        }
    }
}

/// What an engine works with: shared by all its threads.
#[derive(Debug)]
pub struct Context {
    /// Decides every answer.
    pub origin: Origin<'static>,
    /// Told of every answer.
    pub access_log: AccessLog,
    /// Counts every answer.
    pub statistics: Statistics,
    /// Says when to stop.
    pub shutdown: Shutdown,
    /// Requests that were taken up and are not answered.
    in_flight: AtomicU64,
    /// How many were ever taken up.
    taken_up: AtomicU64,
}

impl Context {
    /// A context with nothing in flight.
    #[must_use]
    pub fn new(origin: Origin<'static>, access_log: AccessLog) -> Context {
        Context {
            origin,
            access_log,
            statistics: Statistics::new(Instant::now()),
            shutdown: Shutdown::default(),
            in_flight: AtomicU64::new(0),
            taken_up: AtomicU64::new(0),
        }
    }

    /// Takes up a request; it is in flight until the guard is dropped.
    pub(crate) fn take_up(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.taken_up.fetch_add(1, Ordering::AcqRel);
        InFlight(self)
    }

    /// What the `Connection` field of an answer has to say.
    pub(crate) fn connection(&self, request: &Request<'_>, response: &Response<'_>) -> Connection {
        if response.reason.closes() || !persists(request) || self.shutdown.is_begun() {
            Connection::Close
        } else if request.version.is_1_1() {
            Connection::Persistent
        } else {
            Connection::KeepAlive
        }
    }

    /// Waits until nothing is in flight and nothing came for a moment, or time is up. Whether
    /// everything was answered.
    pub(crate) fn drain(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(DRAIN_SECONDS_MAX);
        let mut seen = self.taken_up.load(Ordering::Acquire);
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(DRAIN_QUIET_MILLISECONDS));
            let taken_up = self.taken_up.load(Ordering::Acquire);
            if self.in_flight.load(Ordering::Acquire) == 0 && taken_up == seen {
                return true;
            }
            seen = taken_up;
        }
        false
    }
}

/// A request in flight.
pub(crate) struct InFlight<'a>(&'a Context);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves on a bound listener until the shutdown is complete.
///
/// # Errors
/// When the engine cannot start.
pub fn serve(
    engine: Engine,
    bound: Bound,
    context: &std::sync::Arc<Context>,
) -> std::io::Result<()> {
    match engine {
        #[cfg(feature = "tiny_http")]
        Engine::TinyHttp => tiny::serve(bound, context),
    }
}

/// Seconds since 1970, now. A clock before that counts as 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
