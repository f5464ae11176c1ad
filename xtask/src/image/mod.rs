//! `cargo xtask image`: the Dockerfile, driven with docker, buildah or podman.
//!
//! 1. What may be turned stands in `knobs`, once: the table of docs/image.md, the arguments of the
//!    Dockerfile and what is read from the environment are held against it by tests.
//! 2. What is known before a build is told to it: the stamp of the sources, the digest of the data
//!    set, the compiler of the builder. The build checks the digest against what it got.
//! 3. Nothing secret is on a command line: a proxy's address, which may hold a password, goes
//!    through the environment of the engine's client.

mod data;
mod engine;
mod knobs;
mod plan;
mod run;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::Invocation;
use settings::Settings;

const USAGE: &str = "usage: cargo xtask image [OPTION]... [env-NAME=VALUE]... [-- ARGUMENT]...
       cargo xtask image run [OPTION]... [env-NAME=VALUE]... [-- ARGUMENT]...

Builds the Dockerfile, or runs the image of it, read-only and without capabilities.

  --engine NAME     docker, podman or buildah (DOCKER_CMD; the first that is there)
  --dry-run         only print what would be run
  env-NAME=VALUE    a knob, before the variable of that name; docs/image.md lists them
  -- ARGUMENT...    for the engine when building, for chapbook when running
";

/// What went wrong, and whether it was before anything was done.
#[derive(Debug)]
enum Failure {
    /// Wrong usage or unusable input: exit code 2.
    Unusable(String),
    /// It ran and failed: exit code 1.
    Failed(String),
}

/// Does what the words behind `image` say.
pub(crate) fn main(words: &[&str]) -> ExitCode {
    let done = match words {
        ["--help" | "-h"] | ["run", "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["run", rest @ ..] => read(rest).and_then(|settings| run::run(&settings)),
        rest => read(rest).and_then(|settings| build(&settings)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unusable(message)) => {
            eprintln!("xtask image: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("xtask image: {message}");
            ExitCode::FAILURE
        }
    }
}

fn read(words: &[&str]) -> Result<Settings, Failure> {
    let mut settings = Settings::read(words, |name| std::env::var(name).ok())?;
    settings.root = root();
    Ok(settings)
}

/// The context: where it is called, if that is a checkout, else the one that this was built in.
fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    if ["Dockerfile", "chapbook.toml"]
        .iter()
        .all(|name| here.join(name).exists())
    {
        return here;
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

fn build(settings: &Settings) -> Result<(), Failure> {
    let engine = settings.engine()?;
    let facts = plan::Facts::find(settings, &engine)?;
    let build = plan::build(settings, &facts, &engine)?;
    if settings.dry_run {
        println!("{build}");
    } else {
        build.run(&settings.root)?;
    }
    let Some(file) = settings.variable("DIND_PERSIST_FILE") else {
        return Ok(());
    };
    save(settings, &engine.save(&facts.name, &part(file)), file)
}

/// The image as a file, which is there whole or not at all.
fn save(settings: &Settings, invocation: &Invocation, file: &str) -> Result<(), Failure> {
    if settings.dry_run {
        println!("{invocation}\nmv {} {file}", part(file));
        return Ok(());
    }
    let failed =
        |error: std::io::Error| Failure::Failed(format!("failed to write `{file}`: {error}"));
    let path = settings.root.join(file);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let part = settings.root.join(part(file));
    // Buildah does not write into an archive that exists.
    let _ = std::fs::remove_file(&part);
    let saved = invocation.run(&settings.root);
    if let Err(failure) = saved {
        let _ = std::fs::remove_file(&part);
        return Err(failure);
    }
    std::fs::rename(&part, &path).map_err(failed)
}

fn part(file: &str) -> String {
    format!("{file}.part")
}

#[cfg(test)]
mod tests;
