//! The engines, and how each is told the same things.

use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::Failure;

/// What an engine understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Docker,
    Podman,
    Buildah,
}

impl Kind {
    /// In the order in which they are looked for: the one that most people have first, the one
    /// that cannot run images last.
    const ALL: [Kind; 3] = [Kind::Docker, Kind::Podman, Kind::Buildah];

    const fn name(self) -> &'static str {
        match self {
            Kind::Docker => "docker",
            Kind::Podman => "podman",
            Kind::Buildah => "buildah",
        }
    }
}

/// An engine's program.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    pub(super) kind: Kind,
    program: String,
}

impl Engine {
    /// The engine that a program is, by the name of its file.
    pub(super) fn named(program: &str) -> Result<Engine, Failure> {
        let file = program.rsplit('/').next().unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|kind| file == kind.name());
        let kind = kind.ok_or_else(|| {
            Failure::Unusable(format!(
                "`{program}` is no engine that is known: docker, podman, buildah"
            ))
        })?;
        let program = program.to_owned();
        Ok(Engine { kind, program })
    }

    /// The first engine that is there and answers; a client of Docker without its daemon does not.
    pub(super) fn found() -> Result<Engine, Failure> {
        let answers = |engine: &Engine| engine.run(&["version"]).output().is_ok();
        let engines = Kind::ALL.into_iter().map(|kind| Engine {
            kind,
            program: kind.name().to_owned(),
        });
        engines.into_iter().find(answers).ok_or_else(|| {
            Failure::Failed("found no engine that answers: docker, podman, buildah".to_owned())
        })
    }

    /// This engine with some words.
    pub(super) fn run(&self, words: &[&str]) -> Invocation {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Invocation {
            program: self.program.clone(),
            words,
            environment: Vec::new(),
        }
    }

    /// The beginning of a build. `created` is the time of the image where the engine can be told;
    /// the others take `SOURCE_DATE_EPOCH` (BuildKit), or the clock (Docker's classic builder).
    pub(super) fn build(&self, created: Option<&str>) -> Invocation {
        let mut invocation = match self.kind {
            Kind::Docker => self.run(&["build"]),
            // OCI's configuration of an image has no health check, Docker's has.
            Kind::Podman => self.run(&["build", "--format", "docker"]),
            Kind::Buildah => self.run(&["bud", "--layers", "--format", "docker"]),
        };
        if self.kind != Kind::Docker
            && let Some(seconds) = created
        {
            invocation.push("--timestamp", seconds);
        }
        invocation
    }

    /// Writes an image into a file, as `docker save` does.
    pub(super) fn save(&self, name: &str, file: &str) -> Invocation {
        match self.kind {
            Kind::Docker | Kind::Podman => self.run(&["save", "-o", file, name]),
            Kind::Buildah => self.run(&["push", name, &format!("docker-archive:{file}:{name}")]),
        }
    }

    /// A label of an image, which is pulled if it is not there.
    pub(super) fn label(&self, image: &str, label: &str) -> Result<String, Failure> {
        let quoted = format!("{label:?}");
        let inspect = match self.kind {
            Kind::Docker | Kind::Podman => {
                let format = format!("{{{{index .Config.Labels {quoted}}}}}");
                self.run(&["image", "inspect", "--format", &format, image])
            }
            Kind::Buildah => {
                let format = format!("{{{{index .OCIv1.Config.Labels {quoted}}}}}");
                self.run(&["inspect", "--type", "image", "--format", &format, image])
            }
        };
        let told = match inspect.output() {
            Ok(told) => told,
            Err(_) => {
                self.run(&["pull", image]).output()?;
                inspect.output()?
            }
        };
        match told.trim() {
            "" | "<no value>" => Err(Failure::Unusable(format!(
                "the image `{image}` has no label `{label}`"
            ))),
            value => Ok(value.to_owned()),
        }
    }
}

/// A program and its words, printed as a shell would want them.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    program: String,
    pub(super) words: Vec<String>,
    /// What is told by the environment, since others can read a command line.
    pub(super) environment: Vec<(String, String)>,
}

impl Invocation {
    pub(super) fn push(&mut self, option: &str, value: &str) {
        self.words.extend([option.to_owned(), value.to_owned()]);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.args(&self.words).envs(environment);
        command
    }

    /// Runs it; it talks to whoever called.
    pub(super) fn run(&self, directory: &Path) -> Result<(), Failure> {
        let status = self.command().current_dir(directory).status();
        let status = status.map_err(|error| self.failed(&error))?;
        match status.success() {
            true => Ok(()),
            false => Err(self.failed(&status)),
        }
    }

    /// What it prints.
    pub(super) fn output(&self) -> Result<String, Failure> {
        let mut command = self.command();
        let output: Result<Output, _> = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| self.failed(&error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let cause = said.lines().last().unwrap_or("it said nothing").to_owned();
        Err(self.failed(&cause))
    }

    fn failed(&self, cause: &dyn fmt::Display) -> Failure {
        let verb = self.words.first().map_or("", String::as_str);
        Failure::Failed(format!("failed to run `{} {verb}`: {cause}", self.program))
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        for word in &self.words {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
            match !word.is_empty() && word.chars().all(is_plain) {
                true => write!(f, " {word}")?,
                false => write!(f, " '{}'", word.replace('\'', r"'\''"))?,
            }
        }
        Ok(())
    }
}
