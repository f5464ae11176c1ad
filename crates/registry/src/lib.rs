//! Registries of container images: `push`, `retag`, `index`, `inspect`, `deploy`, by digest.
//!
//! What is promised:
//!
//! 1. Tags come last: none ever points at what is not all there.
//! 2. Manifests are pushed as the bytes that they are, unless other media types are asked for;
//!    then configuration and layers stay the same bytes, and with them the image's ID.
//! 3. Standard output is `NAME@sha256:…` and nothing else; of `deploy` that is the last line. An
//!    error is one line that names registry and repository, what was tried, and what the registry
//!    said.
//! 4. A secret is on no command line, in no message, and in no `Debug`; it goes to the registry
//!    that it is for and to that registry's token service, never over plain HTTP but to this
//!    machine.
//! 5. Nothing asks for the right to delete, and nothing deletes.
//! 6. Every wait, every length and every count has a bound (`limits`).
//!
//! From the top: `cli`; `push`, `retag`, `index`, `inspect`; `layout` reads an image file
//! (`archive`, `manifest`); `repository` speaks the protocol, with `authority` and `credentials`
//! for what a 401 asks for; `client` asks, on what the crate `remote` knows of hosts. `deploy`
//! stands above.

mod answer;
mod archive;
mod authority;
mod cli;
mod client;
mod credentials;
mod deploy;
mod failure;
mod index;
mod inspect;
mod layout;
mod limits;
mod manifest;
mod progress;
mod push;
mod reference;
mod repository;
mod retag;
mod secret;

use std::ffi::OsString;
use std::io::{self, Read, Write};

use remote::{Lookup, shorten};

pub use cli::USAGE;
pub use failure::Failure;
pub use limits::Limits;
pub use secret::Secrets;

/// The world, as far as a command depends on it.
pub struct World<'a> {
    /// The environment.
    pub env: Lookup<'a>,
    /// How long anything may take.
    pub limits: Limits,
    /// Whether standard error is a terminal, and progress is seen.
    pub is_terminal: bool,
    /// What no message shows; nothing at first.
    pub secrets: Secrets,
}

impl World<'_> {
    /// What may be shown of a text that comes from elsewhere: one line, no secret, no end of it.
    pub(crate) fn shown(&self, text: &str) -> String {
        // In this order: of a secret that is cut short the rest would be seen.
        shorten(&self.secrets.masked(text))
    }
}

/// Runs a command.
///
/// # Errors
/// What could not be done, in one line.
pub fn run(
    world: &World<'_>,
    arguments: &[OsString],
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let done = dispatch(world, arguments, stdin, out);
    done.map_err(|failure| failure.masked(&world.secrets))
}

fn dispatch(
    world: &World<'_>,
    arguments: &[OsString],
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if let Some("deploy" | "deploy-scripts") = arguments.first().and_then(|first| first.to_str()) {
        return deploy::run(world, arguments, stdin, out);
    }
    match cli::parse(arguments, world.env, stdin)? {
        cli::Command::Help => written(out.write_all(USAGE.as_bytes())),
        cli::Command::Push(push) => push::run(world, &push, out),
        cli::Command::Retag(retag) => retag::run(world, &retag, out),
        cli::Command::Index(index) => index::run(world, &index, out),
        cli::Command::Inspect(inspect) => inspect::run(world, &inspect, out),
    }
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure::failed("write", "standard output", error))
}
