//! A Docker engine of one's own, for tests: no network of its own, no image, no name that another
//! one has. It ends with its handle, and with the process of the tests, however that ends; its
//! data go with the handle.
//!
//! It needs root, and Debian's `docker.io` or the like.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::{printed, skipped_for_want_of};

/// How long it may take to come up, and to go.
const PATIENCE: Duration = Duration::from_secs(60);
/// Runs a program until standard input ends, which it does when nobody holds the other end any
/// more: so no engine outlives the tests, even killed ones. What it mounts, and forgets, goes with
/// it: it has mounts of its own.
const UNTIL_TOLD: &str = "unshare --mount \"$@\" & read -r _; kill $!; wait $!";

/// The engine.
pub(crate) struct Docker {
    root: tempfile::TempDir,
    shell: Child,
    held: Option<ChildStdin>,
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
        for program in ["docker", "dockerd", "containerd", "runc"] {
            let found = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .status();
            if found.is_err() {
                skipped_for_want_of(program);
                return None;
            }
        }
        if printed(Command::new("id").arg("-u")) != "0" {
            skipped_for_want_of("root, which an engine of Docker needs");
            return None;
        }
        // Not $TMPDIR: the path of a socket is short.
        let root = tempfile::Builder::new()
            .prefix("chapbook-docker-")
            .tempdir_in("/tmp")
            .unwrap();
        let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        let log = fs::File::create(path("log")).unwrap();
        let mut shell = Command::new("sh")
            .args([
                "-c",
                UNTIL_TOLD,
                "sh",
                "dockerd",
                "--iptables=false",
                "--bridge=none",
            ])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .args([
                "--pidfile",
                &path("pid"),
                "-H",
                &format!("unix://{}", path("socket")),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let held = shell.stdin.take();
        let docker = Docker { root, shell, held };
        let deadline = Instant::now() + PATIENCE;
        while !docker
            .command(&["version"])
            .output()
            .unwrap()
            .status
            .success()
        {
            let log = || fs::read_to_string(docker.root.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "dockerd does not come up: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(docker)
    }

    /// `docker` with these arguments, asking this engine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        let socket = self.root.path().join("socket");
        command
            .arg("-H")
            .arg(format!("unix://{}", socket.display()))
            .args(arguments)
            // No configuration of this machine's, nor its credentials.
            .env("DOCKER_CONFIG", self.root.path().join("config"))
            .env("DOCKER_BUILDKIT", "0")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_HOST");
        command
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
        drop(self.held.take());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.shell.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("dockerd does not end: {}", self.root.path().display());
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
