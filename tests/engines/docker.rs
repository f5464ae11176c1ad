//! A Docker engine of one's own, for tests: no image, no name that another one has. Its data go
//! with the handle.
//!
//! It needs root, and Debian's `docker.io` or the like.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::dockerd::{Dockerd, PATIENCE};
use crate::{printed, skipped_for_want_of};

/// The engine.
pub(crate) struct Docker {
    // Ended before its data go.
    engine: Dockerd,
    root: tempfile::TempDir,
}

impl Docker {
    /// The engine of all tests that have one at the moment; none if there can be none here, which
    /// is told.
    pub(crate) fn shared() -> Option<Arc<Docker>> {
        static SHARED: Mutex<Weak<Docker>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(docker) = shared.upgrade() {
            return Some(docker);
        }
        let docker = Arc::new(Docker::start()?);
        *shared = Arc::downgrade(&docker);
        Some(docker)
    }

    /// One that nobody else has.
    pub(crate) fn start() -> Option<Docker> {
        if let Some(what) = Dockerd::lacks() {
            skipped_for_want_of(&what);
            return None;
        }
        // Not $TMPDIR: the path of a socket is short.
        let root = tempfile::Builder::new()
            .prefix("chapbook-docker-")
            .tempdir_in("/tmp")
            .unwrap();
        let engine = Dockerd::start(root.path()).unwrap();
        Some(Docker { engine, root })
    }

    /// `docker` with these arguments, asking this engine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.engine.command(arguments)
    }

    /// What `docker` printed; it has to succeed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        printed(&mut self.command(arguments))
    }

    /// Where its containerd listens.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.root.path().join("exec/containerd/containerd.sock")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let running = self.command(&["ps", "-aq"]).output();
        let running = running.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
        for container in running.unwrap_or_default().split_whitespace() {
            let _ = self.command(&["rm", "-f", container]).output();
        }
    }
}

/// A container, removed when it is dropped.
pub(crate) struct Container<'a> {
    docker: &'a Docker,
    id: String,
}

impl Container<'_> {
    /// Creates one: `docker create` with these arguments.
    pub(crate) fn create<'a>(docker: &'a Docker, arguments: &[&str]) -> Container<'a> {
        let id = docker.ask(&[&["create"], arguments].concat());
        Container { docker, id }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What `docker COMMAND … ID` printed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        self.docker.ask(&[arguments, &[&self.id]].concat())
    }

    /// What `docker inspect` says under a path of Go's templates.
    pub(crate) fn inspect(&self, path: &str) -> String {
        self.ask(&["inspect", "--format", &format!("{{{{{path}}}}}")])
    }

    /// Waits until `docker inspect` says so.
    pub(crate) fn wait_for(&self, path: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.inspect(path) != expected {
            let state = || self.inspect("json .State");
            assert!(Instant::now() < deadline, "never {expected}: {}", state());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.docker.command(&["rm", "-f", &self.id]).output();
    }
}
