//! How serving ends: the first SIGTERM or SIGINT begins the drain, the second ends the process.
//! While the site that is to be served is still being packed, the first one ends it at once.
//!
//! A process that is PID 1 gets only the signals that it handles, so both are handled.

#[cfg(unix)]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

#[cfg(unix)]
use crate::limits::SIGNALS_TOGETHER_MILLISECONDS;
#[cfg(unix)]
use crate::log::say;

type Call = Box<dyn Fn() + Send>;

/// Whether serving should end.
#[derive(Default)]
pub struct Shutdown {
    begun: AtomicBool,
    complete: AtomicBool,
    /// Who wants to be told.
    calls: Mutex<Vec<Call>>,
    changed: Condvar,
}

impl Shutdown {
    /// Whether it has begun.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// Begins it, and wakes who waits.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Release);
        for call in &*self.calls() {
            call();
        }
        self.changed.notify_all();
    }

    /// Has `call` called when it begins; at once if it has.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(dead_code, reason = "event loops have to be woken")
    )]
    pub(crate) fn on_begin(&self, call: impl Fn() + Send + 'static) {
        let mut calls = self.calls();
        if self.is_begun() {
            call();
        }
        calls.push(Box::new(call));
    }

    /// Says that nothing more will be answered: threads that wait for requests may end.
    pub(crate) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether nothing more will be answered.
    #[cfg_attr(
        not(feature = "tiny_http"),
        expect(dead_code, reason = "its workers ask")
    )]
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Waits until it has begun, at most so long. Whether it has.
    pub fn wait(&self, at_most: Duration) -> bool {
        let calls = self.calls();
        drop(
            self.changed
                .wait_timeout_while(calls, at_most, |_| !self.is_begun()),
        );
        self.is_begun()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shutdown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Shutdown {{ begun: {}, .. }}", self.is_begun())
    }
}

/// SIGTERM and SIGINT, caught: none is lost from now on, and each does what fits the stage that the
/// process is in.
pub(crate) struct Signals {
    #[cfg(unix)]
    stage: Arc<Mutex<Stage>>,
}

/// What a signal meets.
#[cfg(unix)]
enum Stage {
    /// A site is being packed, perhaps for minutes: nobody would miss it.
    Preparing,
    /// The server starts, and has to clean up when it ends. Whether a signal has come.
    Starting { signalled: bool },
    /// It serves.
    Serving(Arc<super::Context>),
}

#[cfg(unix)]
impl Signals {
    /// Catches them, and listens for them on a thread of its own. Until [`Signals::prepared`] the
    /// first one ends the process, after `clean_up`.
    ///
    /// # Errors
    /// When they cannot be handled.
    pub(crate) fn catch(clean_up: fn()) -> std::io::Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
        let stage = Arc::new(Mutex::new(Stage::Preparing));
        let staged = stage.clone();
        let listen = move || {
            let mut first = None;
            for signal in signals.forever() {
                let since: Instant = *first.get_or_insert_with(Instant::now);
                // Held to the end of the process: nobody leaves a stage that ends.
                let mut stage = staged.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(code) = stage.hear(signal, since) {
                    clean_up();
                    if let Stage::Preparing = *stage {
                        say(format_args!("ended before there was a site to serve"));
                    }
                    std::process::exit(code);
                }
            }
        };
        let builder = std::thread::Builder::new().name("signals".to_owned());
        builder.spawn(listen).map(|_| Signals { stage })
    }

    /// From now on the process has something to lose, and the first signal waits for
    /// [`Signals::end`].
    pub(crate) fn prepared(&self) {
        *self.stage() = Stage::Starting { signalled: false };
    }

    /// Has the first signal begin the shutdown, and a second one end the process.
    pub(crate) fn end(self, context: Arc<super::Context>) {
        let mut stage = self.stage();
        if let Stage::Starting { signalled: true } = *stage {
            context.begin_shutdown();
        }
        *stage = Stage::Serving(context);
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
impl Stage {
    /// Takes note of a signal, `since` the first one: the exit code, if that ends the process. What
    /// comes with the first, as from `timeout`, which tells the process and its group, is not a
    /// second one.
    fn hear(&mut self, signal: i32, since: Instant) -> Option<i32> {
        let together = Duration::from_millis(SIGNALS_TOGETHER_MILLISECONDS);
        match self {
            Stage::Preparing => return Some(0),
            Stage::Starting { signalled } => *signalled = true,
            Stage::Serving(context) => {
                if context.shutdown.is_begun() && since.elapsed() >= together {
                    return Some(128 + signal);
                }
                context.begin_shutdown();
            }
        }
        None
    }
}

/// Where there are no such signals, the process is ended from outside.
#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch(_clean_up: fn()) -> std::io::Result<Signals> {
        Ok(Signals {})
    }

    pub(crate) fn prepared(&self) {}

    pub(crate) fn end(self, _context: std::sync::Arc<super::Context>) {}
}
