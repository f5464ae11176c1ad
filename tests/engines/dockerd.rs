//! The process of a Docker engine, for tests: no network of its own. It ends with its handle, and
//! with the process of the tests, however that ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it may take to come up, and to go.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Runs a program until standard input ends, which it does when nobody holds the other end any
/// more: so no engine outlives the tests, even killed ones. What it mounts, and forgets, goes with
/// it: it has mounts of its own. Where a containerd of the machine's own listens, dockerd would
/// take that one, which knows nothing of these mounts; so it does not see it.
const UNTIL_TOLD: &str = "unshare --mount sh -c '
    mkdir -p /run/containerd && mount -t tmpfs none /run/containerd; exec \"$@\"
' sh \"$@\" & read -r _; kill $!; wait $!";

/// The engine.
pub(crate) struct Dockerd {
    directory: PathBuf,
    shell: Child,
    held: Option<ChildStdin>,
}

impl Dockerd {
    /// What is not here without which there is no engine.
    pub(crate) fn lacks() -> Option<String> {
        for program in ["docker", "dockerd", "containerd", "runc"] {
            let asked = Command::new(program).arg("--version").output();
            if asked.is_err() {
                return Some(program.to_owned());
            }
        }
        let user = Command::new("id").arg("-u").output();
        let is_root = user.is_ok_and(|user| user.stdout == b"0\n");
        (!is_root).then(|| "root, which an engine of Docker needs".to_owned())
    }

    /// Starts it with its data and its socket in `directory`, whose path is short, and waits until
    /// it answers; the cause if it never does.
    pub(crate) fn start(directory: &Path) -> Result<Dockerd, String> {
        let path = |name: &str| directory.join(name).display().to_string();
        let log = File::create(path("log")).map_err(failed)?;
        let mut shell = Command::new("sh")
            .args(["-c", UNTIL_TOLD, "sh", "dockerd"])
            .args(["--iptables=false", "--bridge=none"])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .args(["--pidfile", &path("pid")])
            .args(["-H", &format!("unix://{}", path("socket"))])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let engine = Dockerd {
            held: shell.stdin.take(),
            shell,
            directory: directory.to_owned(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = engine.command(&["version"]).output().map_err(failed)?;
            if asked.status.success() {
                return Ok(engine);
            }
            if Instant::now() > deadline {
                let log = fs::read_to_string(path("log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                return Err(format!("dockerd does not come up: {last}"));
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// What its clients find in `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.directory.join("socket").display())
    }

    /// `docker` with these arguments, asking this engine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(arguments)
            // No configuration of this machine's, nor its credentials.
            .env("DOCKER_CONFIG", self.directory.join("config"))
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_HOST", self.host())
            .env_remove("DOCKER_CONTEXT");
        command
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        drop(self.held.take());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.shell.try_wait() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        eprintln!("dockerd does not end: {}", self.directory.display());
    }
}

fn failed(error: io::Error) -> String {
    format!("dockerd: {error}")
}
