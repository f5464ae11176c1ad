//! The flows: what runs where, who may sign a tag, and whether linters agree.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod ci;
mod linters;
#[path = "../../../tests/it/runnable.rs"]
mod runnable;
mod tag;
mod workflows;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The checkout.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files that git knows, or would if they were added.
fn tracked() -> Vec<String> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let told = git.current_dir(root()).output().unwrap();
    assert!(told.status.success(), "{}", said(&told));
    let names = String::from_utf8(told.stdout).unwrap();
    let names = names.split('\0').filter(|name| !name.is_empty());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.retain(|name| root().join(name).is_file());
    names
}

/// The workflows and CircleCI's configuration.
fn ci_files() -> Vec<String> {
    let is_one = |name: &String| name.starts_with(".github/workflows/") || is_circle(name);
    let found: Vec<String> = tracked().into_iter().filter(is_one).collect();
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn is_circle(name: &str) -> bool {
    name == ".circleci/config.yml"
}

/// Where a tool is: says loudly that it is missing, and fails where CI has to have it.
fn tool(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|path| path.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        let ours = std::env::var_os("CHAPBOOK_CI_TOOLS").is_some();
        assert!(!ours, "CI has to have `{name}`");
        let line = format!("\nSKIPPED: there is no `{name}` (cargo xtask ci --list)\n");
        // Past the capture of cargo test.
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    }
    found
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    let (out, error) = (String::from_utf8_lossy(out), String::from_utf8_lossy(error));
    format!("{out}{error}")
}
