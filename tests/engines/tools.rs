//! The other programs, each with a store of its own that goes with the test.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::skipped_for_want_of;

/// A program of containers/…, which keeps images below a directory that is told.
pub(crate) fn stored(program: &str, directory: &Path) -> Option<Command> {
    let mut command = asked(program)?;
    command
        .args(["--storage-driver", "vfs", "--root"])
        .arg(directory.join(format!("{program}-root")))
        .arg("--runroot")
        .arg(directory.join(format!("{program}-run")));
    Some(command)
}

/// A program, if it is there.
pub(crate) fn asked(program: &str) -> Option<Command> {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        skipped_for_want_of(program);
        return None;
    }
    Some(Command::new(program))
}
