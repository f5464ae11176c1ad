//! The commands, one a file.

#[cfg(any(feature = "image", feature = "pack"))]
mod base;
#[cfg(feature = "pack")]
mod block;
mod cat;
#[cfg(feature = "pack")]
mod check;
#[cfg(feature = "pack")]
mod compile;
mod extract;
mod healthcheck;
#[cfg(feature = "image")]
mod image;
#[cfg(feature = "image")]
mod kit;
mod ls;
#[cfg(feature = "pack")]
mod pack;
#[cfg(any(feature = "image", feature = "pack"))]
mod part;
#[cfg(feature = "pack")]
mod poems;
mod respawn;
#[cfg(feature = "image")]
mod sbom;
mod serve;
mod start;
mod verify;
mod version;
#[cfg(feature = "pack")]
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use sitepack::Site;
pub use start::START_FIELDS;

use crate::cli::{Command, Failure};
use crate::{embedded, log};

/// Leaves nothing of a site half written, for a process that ends in the middle of something.
fn abandon() {
    #[cfg(feature = "pack")]
    compile::abandon();
}

/// Runs a command.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    let started = Instant::now();
    let mut respawn_seconds = 0;
    if let Command::Serve(options) = &command {
        respawn_seconds = options.respawn_seconds;
    }
    let done = match command {
        Command::Serve(options) => serve::run(&options),
        #[cfg(feature = "pack")]
        Command::Check(options) => check::run(&options),
        #[cfg(feature = "pack")]
        Command::Pack(options) => pack::run(&options),
        #[cfg(feature = "image")]
        Command::Image(options) => image::run(&options),
        #[cfg(feature = "image")]
        Command::Kit(options) => kit::run(&options),
        Command::Ls { json } => ls::run(json),
        Command::Cat { path } => cat::run(&path),
        Command::Extract { directory } => extract::run(&directory),
        Command::Verify => verify::run(),
        Command::Healthcheck { target, header } => healthcheck::run(&target, header),
        Command::Version { json } => version::run(json),
        #[cfg(feature = "image")]
        Command::Sbom => sbom::run(),
        Command::Help(text) => print(text.as_bytes()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.report();
            log::finish();
            respawn::pause(started, respawn_seconds);
            code
        }
    }
}

/// Says why a command line cannot be understood; `arguments` are those without the program's name.
#[must_use]
pub fn refuse(
    failure: &Failure,
    mut arguments: impl Iterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> ExitCode {
    let started = Instant::now();
    let code = failure.report();
    let seconds = respawn::seconds_of_unreadable(arguments.next().as_ref(), environment);
    respawn::pause(started, seconds);
    code
}

/// The site in this executable, for those who need no contents of it.
fn index() -> Result<Site<'static>, Failure> {
    embedded::site().map_err(|e| Failure::unusable(format!("failed to open the site: {e}")))
}

/// The site in this executable, if all of its contents can be made.
fn site() -> Result<Site<'static>, Failure> {
    let site = index()?;
    if site.can_be_made() {
        site.lend_dictionary();
        return Ok(site);
    }
    Err(Failure::unusable(
        "failed to open the site: it is stored `small`, and this executable was built without the \
         feature `zstd`; pack it with --store coded, or with a --base that was built with it",
    ))
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
