//! How serving ends: the first SIGTERM or SIGINT begins the drain, the second ends the process.
//!
//! A process that is PID 1 gets only the signals that it handles, so both are handled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Whether serving should end.
#[derive(Debug, Default)]
pub struct Shutdown {
    begun: AtomicBool,
    complete: AtomicBool,
    lock: Mutex<()>,
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
        self.changed.notify_all();
    }

    /// Says that nothing more will be answered: threads that wait for requests may end.
    pub(crate) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether nothing more will be answered.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Waits until it has begun, at most so long. Whether it has.
    pub fn wait(&self, at_most: Duration) -> bool {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(guard, at_most, |()| !self.is_begun());
        drop(waited);
        self.is_begun()
    }
}

/// Listens for signals on a thread of its own.
///
/// # Errors
/// When they cannot be handled.
#[cfg(unix)]
pub(crate) fn on_signals(context: std::sync::Arc<super::Context>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let listen = move || {
        for signal in signals.forever() {
            if context.shutdown.is_begun() {
                context.access_log.flush();
                std::process::exit(128 + signal);
            }
            context.shutdown.begin();
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)
        .map(|_| ())
}

/// Where there are no such signals, the process is ended from outside.
#[cfg(not(unix))]
pub(crate) fn on_signals(_context: std::sync::Arc<super::Context>) -> std::io::Result<()> {
    Ok(())
}
