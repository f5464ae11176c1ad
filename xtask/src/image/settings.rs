//! What was asked for: on the command line, and in the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Failure;
use super::engine::Engine;
use super::knobs::{self, ARGUMENTS, OTHERS, PROXIES};

/// What was asked for.
pub(super) struct Settings {
    /// The variables that are set and not empty, by name.
    variables: BTreeMap<String, String>,
    /// `--engine`.
    engine: Option<String>,
    /// Only print what would be run.
    pub(super) dry_run: bool,
    /// What stands behind `--`: the engine's when building, chapbook's when running.
    pub(super) rest: Vec<String>,
    /// The repository, which is the context.
    pub(super) root: PathBuf,
}

impl Settings {
    /// Reads them. `env-NAME=VALUE` comes before the environment, which `lookup` asks.
    pub(super) fn read(
        words: &[&str],
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, Failure> {
        let mut settings = Settings {
            variables: BTreeMap::new(),
            engine: None,
            dry_run: false,
            rest: Vec::new(),
            root: PathBuf::new(),
        };
        let docker = |name: &str| format!("DOCKER_{name}");
        let names = OTHERS.iter().map(|name| (*name).to_owned());
        let names = names.chain(PROXIES.iter().map(|name| docker(name)));
        let names = names.chain(ARGUMENTS.iter().map(|known| docker(known.name)));
        let also = ARGUMENTS.iter().filter_map(|known| known.also);
        for name in names.chain(also.map(str::to_owned)) {
            if let Some(value) = lookup(&name) {
                settings.variables.insert(name, value);
            }
        }
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--" => settings.rest = words.by_ref().map(|word| (*word).to_owned()).collect(),
                "--dry-run" => settings.dry_run = true,
                "--engine" => {
                    let name = words
                        .next()
                        .ok_or_else(|| unusable("--engine needs a name"))?;
                    settings.engine = Some((*name).to_owned());
                }
                word => settings.set(word)?,
            }
        }
        settings.variables.retain(|_, value| !value.is_empty());
        settings.dry_run |= settings
            .variable("DRY_RUN")
            .is_some_and(|value| value != "0");
        Ok(settings)
    }

    fn set(&mut self, word: &str) -> Result<(), Failure> {
        let told = word.strip_prefix("env-");
        let Some((name, value)) = told.and_then(|told| told.split_once('=')) else {
            return Err(unusable(&format!(
                "`{word}`: it takes --engine NAME, --dry-run, env-NAME=VALUE, and -- ARGUMENTS"
            )));
        };
        if !knobs::is_known(name) {
            return Err(unusable(&format!(
                "`{name}` is no knob: docs/image.md lists them"
            )));
        }
        self.variables.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// What was asked of an argument of the Dockerfile.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let also = ARGUMENTS.iter().find(|known| known.name == name)?.also;
        self.variable(&format!("DOCKER_{name}"))
            .or_else(|| self.variable(also?))
    }

    /// The engine: the one that was named, else the first that answers.
    pub(super) fn engine(&self) -> Result<Engine, Failure> {
        match self.engine.as_deref().or(self.variable("DOCKER_CMD")) {
            Some(program) => Engine::named(program),
            None => Engine::found(),
        }
    }
}

fn unusable(message: &str) -> Failure {
    Failure::Unusable(message.to_owned())
}
