//! The server: where it listens, what every engine shares, and how it stops.

#[cfg(target_os = "linux")]
mod activation;
mod address;
pub mod conversation;
mod listener;
mod making;
mod measured;
#[cfg(all(unix, feature = "native"))]
mod native;
#[cfg(unix)]
mod notify;
#[cfg(target_os = "linux")]
mod process;
pub mod proxy;
mod served;
mod shutdown;
mod socket_file;
#[cfg(feature = "tiny_http")]
mod tiny;
mod trusted;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use address::{Address, UnixAddress};
pub use listener::{Bound, Listener, Role, Shape, bind_all};
pub use making::Makers;
pub use measured::METRICS;
#[cfg(all(unix, feature = "native"))]
pub use native::site_file::SiteFile;
#[cfg(unix)]
pub(crate) use notify::Manager;
#[cfg(target_os = "linux")]
pub use process::Process;
pub use shutdown::Shutdown;
pub(crate) use shutdown::Signals;
use sitepack::OwnedSite;
pub use trusted::Trusted;

use self::served::Served;
use crate::http::connection::persists;
use crate::limits::{ConnectionLimits, DEMO_DELAYED_REQUESTS_MAX};
use crate::log::{AccessLog, Statistics, warn};
use crate::origin::{Manner, Origin};
use crate::pages::Asker;
use crate::pages::demo::Demo;
use crate::request::Request;
use crate::response::{Connection, Response};
use crate::sandbox::Sandbox;

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

    /// Whether it connects to its own listeners from time to time.
    #[must_use]
    pub const fn knocks(self) -> bool {
        match self {
            #[cfg(all(unix, feature = "native"))]
            Engine::Native => false,
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp => true,
        }
    }

    /// Whether it knows its connections.
    #[must_use]
    pub const fn owns_connections(self) -> bool {
        match self {
            #[cfg(all(unix, feature = "native"))]
            Engine::Native => true,
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp => false,
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

/// What is believed of whom others speak for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// The versions of the PROXY protocol with which every connection begins, if it does.
    pub header: Option<proxy::Versions>,
    /// Peers whose forwarding fields are believed.
    pub trusted: Trusted,
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
    /// Who speaks for clients.
    pub proxies: Proxies,
    /// The time since 1970, now; it may step in either direction. What is waited for is measured by
    /// another clock, which does not step.
    pub clock: fn() -> Duration,
    /// What contents that are being made may hold.
    pub makers: Arc<Makers>,
    /// A file to send large contents from.
    #[cfg(all(unix, feature = "native"))]
    pub site_file: Option<SiteFile>,
    /// What the process has given up.
    pub sandbox: Sandbox,
    /// What the system says of the process.
    #[cfg(target_os = "linux")]
    pub process: Option<Process>,
    /// Answers that are held back.
    held: Arc<AtomicUsize>,
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
            proxies: Proxies::default(),
            clock: now,
            makers: Arc::default(),
            #[cfg(all(unix, feature = "native"))]
            site_file: None,
            sandbox: Sandbox::default(),
            #[cfg(target_os = "linux")]
            process: None,
            held: Arc::default(),
            connections: AtomicUsize::new(0),
            accept_failed: AtomicU64::new(0),
        }
    }

    /// Begins the shutdown; from now on the server is not ready.
    pub fn begin_shutdown(&self) {
        self.served.manner().pages().drain();
        self.shutdown.begin();
        self.served.current().ending.begin();
    }

    /// Says whether requests are wanted: what `/-/ready` tells.
    pub fn want(&self, wanted: bool) {
        self.served.manner().pages().want(wanted);
    }

    /// Shows what there is to show.
    pub fn demonstrate(&self, demo: Demo) {
        self.served.manner().pages().demonstrate(demo);
    }

    /// Puts another site in the place of the one that is served. What is being answered is
    /// answered from the old one, whose memory, if it is of this kind, goes with the last answer.
    pub fn replace(&self, site: OwnedSite) {
        self.served.replace(site, &self.shutdown);
    }

    /// How many sites are held: the current one, and those that something is still answered from.
    #[must_use]
    pub fn generations(&self) -> usize {
        self.served.generations()
    }

    /// Answers and bytes of content so far, and connections now.
    #[cfg(feature = "heroku")]
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let (answers, bytes) = self.statistics.totals();
        (answers, bytes, self.connections() as u64)
    }

    /// How many connections there are, where the engine counts them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Says that a connection could not be accepted, at most once a second.
    pub(crate) fn accept_failed(&self, error: &std::io::Error) {
        self.statistics.accept_failed();
        let now = (self.clock)().as_secs();
        if self.accept_failed.swap(now, Ordering::Relaxed) != now {
            warn(format_args!("failed to accept a connection: {error}"));
        }
    }
}

/// A place among the answers that are held back, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    /// One more, if there is room.
    fn take(held: &Arc<AtomicUsize>) -> Option<Place> {
        let before = held.fetch_add(1, Ordering::Relaxed);
        let place = Place(held.clone());
        (before < DEMO_DELAYED_REQUESTS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the `Connection` field of an answer says. `last`: the server ends it in any case.
pub(crate) fn connection_field(
    request: &Request<'_>,
    response: &Response<'_>,
    last: bool,
) -> Connection {
    if last || response.reason.closes() || response.is_unframed() || !persists(request) {
        Connection::Close
    } else if request.version.is_1_1() {
        Connection::Persistent
    } else {
        Connection::KeepAlive
    }
}

/// Who asks on a listener of this role, as far as the pages care. `is_near`: the peer is on this
/// machine; `client` is whom it speaks for, if that is believed.
pub(crate) fn asker(role: Role, is_near: bool, client: Option<IpAddr>) -> Asker {
    match role {
        Role::Admin => Asker::Operator,
        Role::Site if is_near => Asker::Near(client),
        Role::Site => Asker::Anybody,
    }
}

/// Serves on bound listeners until the shutdown is complete.
///
/// # Errors
/// When the engine cannot start.
pub fn serve(engine: Engine, bound: Vec<Bound>, context: &Arc<Context>) -> std::io::Result<()> {
    measured::begin(engine, &bound, context);
    match engine {
        #[cfg(all(unix, feature = "native"))]
        Engine::Native => native::serve(bound, context),
        #[cfg(feature = "tiny_http")]
        Engine::TinyHttp => tiny::serve(bound, context),
    }
}

/// Where there are no service managers of this kind.
#[cfg(not(unix))]
pub(crate) struct Manager;

#[cfg(not(unix))]
impl Manager {
    pub(crate) fn find() -> std::io::Result<Manager> {
        Ok(Manager)
    }

    fn ready(&self) {}
}

/// Takes the sockets that a service manager passed to this process, if it did.
///
/// # Errors
/// When they are none that can be served on: what, and why.
pub(crate) fn passed(shape: Shape) -> Result<Vec<Bound>, String> {
    #[cfg(target_os = "linux")]
    return activation::passed(shape);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = shape;
        Ok(Vec::new())
    }
}

/// Tells the service manager, if there is one, that requests are answered, and when they are for
/// the last time.
pub(crate) fn tell(manager: std::io::Result<Manager>, context: &Context) {
    match manager {
        Ok(manager) => {
            manager.ready();
            #[cfg(unix)]
            context.shutdown.on_begin(move || manager.stopping());
        }
        Err(error) => warn(format_args!("failed to reach `$NOTIFY_SOCKET`: {error}")),
    }
    #[cfg(not(unix))]
    let _ = context;
}

/// The time since 1970, now. A clock before that counts as 1970.
fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}
