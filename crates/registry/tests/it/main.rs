//! Registries, tried: against a small one that plays every fault, against Debian's
//! `docker-registry`, and read back by skopeo.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod authority;
mod commands;
mod debian;
mod deploy;
mod faults;
mod image;
mod push;
#[cfg(unix)]
#[path = "../../../../tests/it/runnable.rs"]
mod runnable;
mod server;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry::{Failure, Limits, Secrets, World, run};

/// What no message may show.
const SECRETS: [&str; 4] = ["hunter2", "aHVudGVyMg", "t0ken", "dTpodW50ZXIy"];

/// A directory and an environment of its own, and no patience.
struct Place {
    directory: tempfile::TempDir,
    limits: Limits,
    variables: Vec<(String, String)>,
    stdin: String,
}

impl Place {
    fn new() -> Place {
        let seconds = Duration::from_secs;
        Place {
            directory: tempfile::tempdir().unwrap(),
            limits: Limits {
                backoff: Duration::from_millis(1),
                retry_after_max: seconds(1),
                idle: seconds(5),
                ..Limits::default()
            },
            variables: Vec::new(),
            stdin: String::new(),
        }
    }

    fn variable(mut self, name: &str, value: impl Into<String>) -> Place {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file here.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs a command; what it prints, or how it fails.
    fn try_run(&self, arguments: &[&str]) -> Result<String, (u8, String)> {
        let env = |wanted: &str| {
            let mut all = self.variables.iter();
            all.find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        let world = World {
            env: &env,
            limits: self.limits,
            is_terminal: false,
            secrets: Secrets::default(),
        };
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let mut out = Vec::new();
        let done = run(&world, &arguments, &mut self.stdin.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        for secret in SECRETS {
            assert!(!out.contains(secret), "{out}");
        }
        done.map(|()| out).map_err(|failure: Failure| {
            let line = failure.to_string();
            assert!(!line.contains(char::is_control), "{line:?}");
            for shown in [&line, &format!("{failure:?}")] {
                assert!(
                    !SECRETS.iter().any(|secret| shown.contains(secret)),
                    "{shown}"
                );
            }
            (failure.exit_code(), line)
        })
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments)
            .unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// The line of a command that fails when it is tried.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let (code, line) = self.try_run(arguments).unwrap_err();
        assert_eq!(code, 1, "{line}");
        line
    }
}

/// Whether a tool is here: skips loudly, and fails in CI.
fn has(tool: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&paths).any(|path| path.join(tool).exists()) {
        return true;
    }
    assert!(
        std::env::var_os("CHAPBOOK_CI_TOOLS").is_none(),
        "no {tool} in CI"
    );
    let skipped = format!("\nSKIPPED: there is no `{tool}` here (apt install {tool})\n");
    // Past the capture of cargo test.
    std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
    false
}
