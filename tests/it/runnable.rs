//! A program that a test has written, and wants to run.
//!
//! Until a child that another thread of this process has just forked becomes its program, it holds
//! whatever this process had open: a file that was being written then cannot be run yet, though
//! its writer has closed it (ETXTBSY, execve(2)).

use std::path::Path;

/// Has this file be written once more, by a process that forks nothing: it can be run at once.
#[cfg(unix)]
pub(crate) fn make_runnable(path: &Path) {
    let copy = path.with_extension("runnable");
    let mut cp = std::process::Command::new("cp");
    let done = cp.arg("-p").args([path, &copy]).status().unwrap();
    assert!(done.success(), "{}", path.display());
    std::fs::rename(copy, path).unwrap();
}

/// Nothing is held there.
#[cfg(not(unix))]
pub(crate) fn make_runnable(_: &Path) {}
