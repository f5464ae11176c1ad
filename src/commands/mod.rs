//! The commands, one a file.

#[cfg(any(feature = "image", feature = "pack"))]
mod base;
mod cat;
#[cfg(feature = "pack")]
mod check;
#[cfg(feature = "pack")]
mod compile;
mod extract;
mod healthcheck;
#[cfg(feature = "image")]
mod image;
mod ls;
#[cfg(feature = "pack")]
mod pack;
#[cfg(any(feature = "image", feature = "pack"))]
mod part;
mod serve;
mod verify;
mod version;
#[cfg(feature = "pack")]
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

use sitepack::Site;

use crate::cli::{Command, Failure};
use crate::embedded;

/// Runs a command.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve(options) => serve::run(&options),
        #[cfg(feature = "pack")]
        Command::Check(options) => check::run(&options),
        #[cfg(feature = "pack")]
        Command::Pack(options) => pack::run(&options),
        #[cfg(feature = "image")]
        Command::Image(options) => image::run(&options),
        Command::Ls { json } => ls::run(json),
        Command::Cat { path } => cat::run(&path),
        Command::Extract { directory } => extract::run(&directory),
        Command::Verify => verify::run(),
        Command::Healthcheck { target } => healthcheck::run(&target),
        Command::Version { json } => version::run(json),
        Command::Help(text) => print(text.as_bytes()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The site in this executable.
fn site() -> Result<Site<'static>, Failure> {
    embedded::site().map_err(|e| Failure::unusable(format!("failed to open the site: {e}")))
}

/// Writes to standard output. A reader that has seen enough (`chapbook ls | head`) is no failure.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(format!(
            "failed to write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// A number of bytes for people.
fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS.iter().find(|(size, _)| bytes >= *size).map_or_else(
        || format!("{bytes} B"),
        |(size, unit)| {
            let tenths = bytes.saturating_mul(10) / size;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}
