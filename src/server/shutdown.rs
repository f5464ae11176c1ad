//! How serving ends: the first SIGTERM or SIGINT begins the drain, the second ends the process.
//! While the site that is to be served is still being packed, the first one ends it at once.
//! SIGHUP does not end it; what it asks for, the command knows. SIGUSR1 has `/-/ready` say no, and
//! SIGUSR2 yes again.
//!
//! A process that is PID 1 gets only the signals that it handles, so these are handled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use std::thread::JoinHandle;
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
        not(unix),
        expect(
            dead_code,
            reason = "there are neither event loops nor service managers"
        )
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

/// SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2, caught: none is lost from now on, whoever hears of
/// it later.
#[cfg(unix)]
pub(crate) struct Signals {
    caught: signal_hook::iterator::Signals,
    /// What to do before the process ends in the middle of something.
    clean_up: fn(),
}

/// The same while a site is being packed, perhaps for minutes: nobody would miss it.
#[cfg(unix)]
pub(crate) struct Preparing {
    signals: Signals,
    /// Ends the thread that listens meanwhile.
    early: signal_hook::iterator::Handle,
    listening: JoinHandle<()>,
}

#[cfg(unix)]
impl Signals {
    /// Catches them. Until [`Preparing::prepared`], SIGTERM and SIGINT end the process, after
    /// `clean_up`.
    ///
    /// # Errors
    /// When they cannot be handled.
    pub(crate) fn catch(clean_up: fn()) -> std::io::Result<Preparing> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
        use signal_hook::iterator::Signals as Caught;
        // These hear everything from now on, also what comes while the others are being closed.
        let caught = Caught::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let mut waiting = Caught::new([SIGTERM, SIGINT])?;
        let early = waiting.handle();
        let listen = move || {
            if waiting.forever().next().is_some() {
                clean_up();
                say(format_args!("ended before there was a site to serve"));
                crate::log::finish();
                std::process::exit(0);
            }
        };
        let builder = std::thread::Builder::new().name("early-signals".to_owned());
        Ok(Preparing {
            signals: Signals { caught, clean_up },
            early,
            listening: builder.spawn(listen)?,
        })
    }

    /// Listens for them on a thread of its own: the first begins the shutdown, a second one ends
    /// the process. What comes with the first, as from `timeout`, which tells the process and its
    /// group, is not a second one. SIGHUP has `hung_up` called.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn end(
        mut self,
        context: std::sync::Arc<super::Context>,
        hung_up: Box<dyn Fn() + Send>,
    ) -> std::io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};
        let listen = move || {
            let together = Duration::from_millis(SIGNALS_TOGETHER_MILLISECONDS);
            let mut first: Option<Instant> = None;
            for signal in self.caught.forever() {
                match signal {
                    SIGHUP => {
                        hung_up();
                        continue;
                    }
                    SIGUSR1 | SIGUSR2 => {
                        let wanted = signal == SIGUSR2;
                        context.want(wanted);
                        let name = if wanted { "SIGUSR2" } else { "SIGUSR1" };
                        let not = if wanted { "" } else { "not " };
                        say(format_args!("{name}: {not}ready from now on"));
                        continue;
                    }
                    _ => {}
                }
                let since = *first.get_or_insert_with(Instant::now);
                if context.shutdown.is_begun() && since.elapsed() >= together {
                    (self.clean_up)();
                    crate::log::finish();
                    std::process::exit(128 + signal);
                }
                context.begin_shutdown();
            }
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)
            .map(|_| ())
    }
}

#[cfg(unix)]
impl Preparing {
    /// From now on the process has something to lose: a signal waits for [`Signals::end`]. The
    /// thread is gone then, so that what a process does to its only thread it does to itself.
    pub(crate) fn prepared(self) -> Signals {
        self.early.close();
        // Unless a signal has come: then this does not return.
        let _ = self.listening.join();
        self.signals
    }
}

/// Where there are no such signals, the process is ended from outside.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
pub(crate) struct Preparing;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch(_clean_up: fn()) -> std::io::Result<Preparing> {
        Ok(Preparing)
    }

    pub(crate) fn end(
        self,
        _context: std::sync::Arc<super::Context>,
        _hung_up: Box<dyn Fn() + Send>,
    ) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
impl Preparing {
    pub(crate) fn prepared(self) -> Signals {
        Signals
    }
}
