//! A copy of this repository, as a context of a build that asks no network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a context holds; the rest the .dockerignore leaves out.
const PARTS: &str = "Cargo.toml Cargo.lock Dockerfile .dockerignore .cargo build build.rs \
                     chapbook.toml crates data deploy src xtask benches tests";

pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
}

impl Checkout {
    /// Copies it, under this umask: files of another mode must give the same image.
    pub(crate) fn new(root: PathBuf, umask: &str) -> Checkout {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        fs::create_dir_all(&root).unwrap();
        let copy = format!("umask {umask}; cp -R {PARTS} \"$0\"");
        let mut shell = Command::new("sh");
        let done = shell
            .args(["-euc", &copy])
            .arg(&root)
            .current_dir(from)
            .status();
        assert!(done.unwrap().success());
        Checkout { root }
    }

    /// With its dependencies in it.
    pub(crate) fn vendored(self) -> Checkout {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "vendor",
            "--quiet",
            "--locked",
            "--versioned-dirs",
            "vendor",
        ]);
        let done = cargo.current_dir(&self.root).output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        self
    }

    /// `cargo xtask image` here, with a daemon and nothing else of the environment that it reads.
    pub(crate) fn image(&self, host: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("image").args(words).current_dir(&self.root);
        command
            .env("DOCKER_HOST", host)
            .env("DOCKER_BUILDKIT", "0")
            .env("TZ", "Asia/Tokyo");
        for name in ["CHAPBOOK_SITE", "SOURCE_DATE_EPOCH", "DOCKER_CMD"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn built(&self, host: &str, words: &[&str]) -> Output {
        self.image(host, words).output().unwrap()
    }
}
