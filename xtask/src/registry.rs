//! `push`, `retag`, `index` and `inspect` are a program of their own (`crates/registry`), so that
//! nobody who measures compiles an HTTP client and TLS. Cargo makes it when it is first wanted.
//!
//! Passwords come in the environment or on standard input, which both are its own: none passes
//! through a command line here.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Runs it, and ends as it ends.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "registry", "--manifest-path"]);
    command.arg(manifest).arg("--").args(arguments);
    match command.status() {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("xtask: failed to run `cargo`: {error}");
            ExitCode::FAILURE
        }
    }
}
