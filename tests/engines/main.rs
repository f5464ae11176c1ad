//! Images and the programs that take them: real engines, started for the tests and ended by them.
//!
//! `docker` is a Docker engine of one's own: `Docker::shared()`. `tools` asks the others: skopeo,
//! buildah, podman, umoci, containerd's `ctr`. `built` has the static executable. A program that
//! is missing is told of, loudly, and is a failure where CI has installed it
//! (`CHAPBOOK_CI_TOOLS`).

#![cfg(all(target_os = "linux", feature = "image", feature = "pack"))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod built;
mod docker;
mod dockerd;
mod loaded;
mod made_in_an_empty_root;
mod run;
#[path = "../it/runnable.rs"]
mod runnable;
mod tools;

use std::process::{Command, Output};

/// Says loudly that a check was left out; where CI has installed what it needs, it fails.
pub(crate) fn skipped_for_want_of(what: &str) {
    eprintln!("SKIPPED: there is no {what}");
    let ours = std::env::var_os("CHAPBOOK_CI_TOOLS").is_some();
    assert!(!ours, "CI has to have it: {what}");
}

/// What a command printed; it has to succeed.
pub(crate) fn printed(command: &mut Command) -> String {
    let done = command.output();
    let done = done.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", told(&done));
    String::from_utf8(done.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// What a command said on both its outputs.
pub(crate) fn told(done: &Output) -> String {
    let (out, err) = (&done.stdout, &done.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}
