//! The server: where it listens, what every engine shares, and how it stops.

mod address;
pub mod conversation;
mod making;
#[cfg(all(unix, feature = "native"))]
mod native;
mod served;
mod shutdown;
#[cfg(feature = "tiny_http")]
mod tiny;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use address::{Address, Bound, Listener, Shape};
pub use making::Makers;
#[cfg(all(unix, feature = "native"))]
pub use native::site_file::SiteFile;
pub use shutdown::Shutdown;
pub(crate) use shutdown::Signals;
use sitepack::OwnedSite;

use self::served::Served;
use crate::http::connection::persists;
use crate::limits::ConnectionLimits;
use crate::log::{AccessLog, Statistics, warn};
use crate::origin::{Manner, Origin};
use crate::request::Request;
use crate::response::{Connection, Response};

#[cfg(not(any(feature = "native", feature = "tiny_http")))]
compile_error!("chapbook needs an engine: build it with the feature `native` or `tiny_http`");
#[cfg(all(not(unix), not(feature = "tiny_http")))]
compile_error!("the engine `native` is for Unix: elsewhere build with the feature `tiny_http`");

/// What owns the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Event loops.
    #[cfg(all(unix, feature = "native"))]
    Native,
    /// The portable engine.
    #[cfg(feature = "tiny_http")]
    TinyHttp,
}

impl Engine {
    /// The engines that are built in; the first is the default.
    pub const ALL: &'static [Engine] = &[
        #[cfg(all(unix, feature = "native"))]
        Engine::Native,
        #[cfg(feature = "tiny_http")]
        Engine::TinyHttp,
    ];

    /// The engine's name, as `--engine` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(all(unix, feature = "native"))]
            Engine::Native => "native",
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp => "tiny_http",
        }
    }

    /// The listeners that it needs to serve on so many threads.
    #[must_use]
    pub fn shape(self, threads: usize) -> Shape {
        match self {
            #[cfg(all(unix, feature = "native"))]
            Engine::Native => Shape {
                listeners: threads,
                progress: None,
            },
            // It accepts on one thread of its own, however many answer.
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp => Shape {
                listeners: threads.min(1),
                progress: Some(Duration::from_secs(crate::limits::TINY_SOCKET_SECONDS_MAX)),
            },
        }
    }
}

impl Default for Engine {
    fn default() -> Engine {
        let [first, ..] = *Engine::ALL else {
            unreachable!("a build without engine fails")
        };
        first
    }
}

impl std::str::FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Engine, String> {
        Engine::ALL
            .iter()
            .copied()
            .find(|engine| engine.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Engine::ALL.iter().map(|engine| engine.name()).collect();
                format!(
                    "no such engine is built in; there is {}",
                    names.join(" and ")
                )
            })
    }
}

/// What an engine is told besides what it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bounds on connections.
    pub connections: ConnectionLimits,
    /// How long it still accepts after the shutdown has begun.
    pub drain_delay_seconds: u64,
}

/// What an engine works with: shared by all its threads.
#[derive(Debug)]
pub struct Context {
    /// Decides every answer.
    served: Served,
    /// Told of every answer.
    pub access_log: AccessLog,
    /// Counts every answer.
    pub statistics: Statistics,
    /// Says when to stop.
    pub shutdown: Shutdown,
    /// What the options say.
    pub options: Options,
    /// The time since 1970, now; it may step in either direction. What is waited for is measured by
    /// another clock, which does not step.
    pub clock: fn() -> Duration,
    /// What contents that are being made may hold.
    pub makers: Arc<Makers>,
    /// A file to send large contents from.
    #[cfg(all(unix, feature = "native"))]
    pub site_file: Option<SiteFile>,
    /// Connections of all threads.
    connections: AtomicUsize,
    /// The second of the last message about a failed accept.
    accept_failed: AtomicU64,
}

impl Context {
    /// A context with nothing under way.
    #[must_use]
    pub fn new(origin: Origin<'static>, access_log: AccessLog) -> Context {
        Context::serving(Served::new(origin), access_log)
    }

    /// The same for a site that is in memory, and whose place another may take.
    #[must_use]
    pub fn holding(site: OwnedSite, manner: Manner, access_log: AccessLog) -> Context {
        Context::serving(Served::holding(site, manner), access_log)
    }

    fn serving(served: Served, access_log: AccessLog) -> Context {
        Context {
            served,
            access_log,
            statistics: Statistics::new(Instant::now()),
            shutdown: Shutdown::default(),
            options: Options::default(),
            clock: now,
            makers: Arc::default(),
            #[cfg(all(unix, feature = "native"))]
            site_file: None,
            connections: AtomicUsize::new(0),
            accept_failed: AtomicU64::new(0),
        }
    }

    /// Begins the shutdown; from now on the server is not ready.
    pub fn begin_shutdown(&self) {
        self.served.manner().set_ready(false);
        self.shutdown.begin();
        self.served.current().ending.begin();
    }

    /// Puts another site in the place of the one that is served. What is being answered is
    /// answered from the old one, whose memory, if it is of this kind, goes with the last answer.
    pub fn replace(&self, site: OwnedSite) {
        self.served.replace(site, &self.shutdown);
    }

    /// How many connections there are, where the engine counts them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Says that a connection could not be accepted, at most once a second.
    pub(crate) fn accept_failed(&self, error: &std::io::Error) {
        let now = (self.clock)().as_secs();
        if self.accept_failed.swap(now, Ordering::Relaxed) != now {
            warn(format_args!("failed to accept a connection: {error}"));
        }
    }
}

/// What the `Connection` field of an answer says. `last`: the server ends it in any case.
pub(crate) fn connection_field(
    request: &Request<'_>,
    response: &Response<'_>,
    last: bool,
) -> Connection {
    if last || response.reason.closes() || !persists(request) {
        Connection::Close
    } else if request.version.is_1_1() {
        Connection::Persistent
    } else {
        Connection::KeepAlive
    }
}

/// Serves on a bound listener until the shutdown is complete.
///
/// # Errors
/// When the engine cannot start.
pub fn serve(engine: Engine, bound: Bound, context: &Arc<Context>) -> std::io::Result<()> {
    match engine {
        #[cfg(all(unix, feature = "native"))]
        Engine::Native => native::serve(bound, context),
        #[cfg(feature = "tiny_http")]
        Engine::TinyHttp => tiny::serve(bound, context),
    }
}

/// The time since 1970, now. A clock before that counts as 1970.
fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}
