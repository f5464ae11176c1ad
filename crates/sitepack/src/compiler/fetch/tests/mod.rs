//! Fetching, tried against servers on loopback that play every fault.

mod files;
mod images;
mod proxies;
mod registry;
mod server;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use self::server::{Reply, Server};
use super::limits::Limits;
use super::{Image, Settings, file_with, image_with};
use crate::digest::Digest;

/// A cache of its own, an environment of its own, and no patience.
struct World {
    directory: tempfile::TempDir,
    limits: Limits,
    variables: Vec<(&'static str, String)>,
}

impl World {
    fn new() -> World {
        World {
            directory: tempfile::tempdir().unwrap(),
            limits: Limits {
                backoff: Duration::from_millis(1),
                retry_after_max: Duration::from_secs(1),
                ..Limits::default()
            },
            variables: vec![
                ("CARGO_CFG_TARGET_OS", "linux".to_owned()),
                ("CARGO_CFG_TARGET_ARCH", "x86_64".to_owned()),
            ],
        }
    }

    fn variable(mut self, name: &'static str, value: impl Into<String>) -> World {
        self.variables.push((name, value.into()));
        self
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn with<T>(&self, run: impl FnOnce(Settings<'_>) -> T) -> T {
        let env = |wanted: &str| {
            let mut all = self.variables.iter();
            all.find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.clone())
        };
        run(Settings {
            limits: self.limits,
            env: &env,
        })
    }

    fn file(&self, url: &str, digest: Digest) -> Result<PathBuf, String> {
        let found = self.with(|settings| file_with(url, digest, &self.cache(), settings));
        found.map_err(|error| one_line(error.to_string()))
    }

    fn image(&self, reference: &str) -> Result<Image, String> {
        let found = self.with(|settings| image_with(reference, &self.cache(), settings));
        found.map_err(|error| one_line(error.to_string()))
    }

    /// The names in the cache, without locks.
    fn cached(&self) -> Vec<String> {
        let Ok(entries) = self.cache().join("sha256").read_dir() else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

fn one_line(error: String) -> String {
    assert!(error.starts_with("failed to fetch `"), "{error}");
    assert!(!error.contains(char::is_control), "{error:?}");
    for secret in ["secret", "dTpw"] {
        assert!(!error.contains(secret), "{error}");
    }
    error
}
