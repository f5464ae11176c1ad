//! The respawn guard: a server that cannot start does not spin.
//!
//! Supervisors start again what has ended, and some at once: a start that fails in a millisecond
//! would be tried hundreds of times a second, and its log lines with it. So a start that fails
//! takes two seconds at least. Not where somebody is looking, on a terminal; not after a signal,
//! since who sent it waits for the end; and not in other commands.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

#[cfg(unix)]
pub(super) use self::signals::heed;
use crate::limits::{RESPAWN_POLL_MILLISECONDS, RESPAWN_SECONDS_MIN};

/// Waits until so many seconds have gone by since `started`, unless somebody is looking or sends a
/// signal.
pub(super) fn pause(started: Instant, seconds: u64) {
    let pause = Duration::from_secs(seconds.min(RESPAWN_SECONDS_MIN));
    if pause.is_zero() || std::io::stdin().is_terminal() || std::io::stderr().is_terminal() {
        return;
    }
    // A process that is PID 1 gets only the signals that it handles. Where they cannot be, the
    // pause is not worth it.
    #[cfg(unix)]
    if heed().is_err() {
        return;
    }
    let poll = Duration::from_millis(RESPAWN_POLL_MILLISECONDS);
    while !has_signal() && started.elapsed() < pause {
        std::thread::sleep(poll);
    }
}

/// Whether a command line that could not be read was one that serves, and how long it then takes:
/// the variable counts, if it can be read itself.
pub(super) fn seconds_of_unreadable(
    first: Option<&OsString>,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> u64 {
    let first = first.map(|first| first.to_string_lossy());
    let serves = first.is_none_or(|first| first == "serve" || first.starts_with('-'));
    let told = lookup("CHAPBOOK_RESPAWN_PAUSE").and_then(|told| told.to_str()?.parse().ok());
    if serves {
        told.unwrap_or(RESPAWN_SECONDS_MIN)
    } else {
        0
    }
}

#[cfg(unix)]
use self::signals::has_signal;

#[cfg(not(unix))]
fn has_signal() -> bool {
    false
}

#[cfg(unix)]
mod signals {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};

    use signal_hook::consts::{SIGINT, SIGTERM};

    static SEEN: OnceLock<Arc<AtomicBool>> = OnceLock::new();

    /// Takes note of SIGTERM and SIGINT from here on. Whoever calls this handles them.
    ///
    /// # Errors
    /// When they cannot be handled.
    pub(crate) fn heed() -> io::Result<()> {
        let mut new = false;
        let seen = SEEN.get_or_init(|| {
            new = true;
            Arc::default()
        });
        if new {
            for signal in [SIGTERM, SIGINT] {
                signal_hook::flag::register(signal, seen.clone())?;
            }
        }
        Ok(())
    }

    pub(super) fn has_signal() -> bool {
        SEEN.get().is_some_and(|seen| seen.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::seconds_of_unreadable;

    #[test]
    fn only_what_would_have_served_pauses() {
        for (first, variable, seconds) in [
            (None, None, 2),
            (Some("serve"), None, 2),
            (Some("--frobnicate"), None, 2),
            (Some("ls"), None, 0),
            (Some("frobnicate"), None, 0),
            (None, Some("0"), 0),
            (Some("serve"), Some("1"), 1),
            (Some("serve"), Some("x"), 2),
            (Some("pack"), Some("2"), 0),
        ] {
            let first = first.map(OsString::from);
            let found = seconds_of_unreadable(first.as_ref(), |_| variable.map(OsString::from));
            assert_eq!(found, seconds, "{first:?} {variable:?}");
        }
    }
}
