//! The parts of the sandbox, put up one after the other.

use std::time::{Duration, Instant};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::calls;
use super::{Hold, Needs, Part, files, privileges};

/// How long a thread that has done its work may take to be gone. A site that was just packed had
/// some; scopes wait for the work of their threads, not for their end.
const THREADS_END_MILLISECONDS_MAX: u64 = 1_000;

pub(super) fn put_up(needs: &Needs) -> [Hold; Part::ALL.len()] {
    if !is_alone() {
        let why = "other threads run already, and would stay outside";
        return Part::ALL.map(|_| Hold::Unavailable(why.to_owned()));
    }
    let no_new_privileges = privileges::forgo_new();
    // While it may open everything that the rules name.
    let landlock = files::close(needs);
    privileges::drop_bounds();
    let user = privileges::leave_root(needs);
    let capabilities = privileges::drop_all();
    let seccomp = close_calls(needs);
    [no_new_privileges, landlock, user, capabilities, seccomp]
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use calls::close as close_calls;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn close_calls(_needs: &Needs) -> Hold {
    Hold::Unavailable("no list of system calls for this processor".to_owned())
}

/// Whether this is the only thread, now or after a moment. Where there is no `/proc`, nobody can
/// tell.
fn is_alone() -> bool {
    let begun = Instant::now();
    let at_most = Duration::from_millis(THREADS_END_MILLISECONDS_MAX);
    while let Ok(threads) = std::fs::read_dir("/proc/self/task") {
        if threads.count() <= 1 {
            return true;
        }
        if begun.elapsed() > at_most {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
