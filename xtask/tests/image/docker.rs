//! A Docker daemon of our own: its data, its socket, its end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Docker {
    daemon: Child,
    directory: PathBuf,
}

impl Docker {
    /// Starts it with its data in `directory`, without a network of its own; `None` says why not.
    pub(crate) fn start(directory: &Path) -> Result<Docker, String> {
        let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let log = std::fs::File::create(at("dockerd.log")).unwrap();
        let daemon = Command::new("dockerd")
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args([
                "--pidfile",
                &at("pid"),
                "-H",
                &format!("unix://{}", at("sock")),
            ])
            .args(["--iptables=false", "--bridge=none"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        let directory = directory.to_owned();
        let docker = Docker { daemon, directory };
        let deadline = Instant::now() + PATIENCE;
        while !docker
            .command(&["version"])
            .output()
            .is_ok_and(|done| done.status.success())
        {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(docker.directory.join("dockerd.log"));
                let log = log.unwrap_or_default();
                return Err(format!(
                    "dockerd: {}",
                    log.lines().last().unwrap_or_default()
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(docker)
    }

    /// The variable that leads clients to it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.directory.join("sock").display())
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(words).env("DOCKER_HOST", self.host());
        command
    }

    /// Runs the client; what it prints.
    pub(crate) fn told(&self, words: &[&str]) -> String {
        let done = self.command(words).output().unwrap();
        assert!(done.status.success(), "docker {words:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Imports a root as an image with one label.
    pub(crate) fn import(&self, root: &Path, name: &str, label: &str) {
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(root)
            .args(["-c", "."])
            .stdout(Stdio::piped());
        let mut tar = tar.spawn().unwrap();
        let path = "ENV PATH=/opt/rust/bin:/usr/bin:/bin";
        let label = format!("LABEL {label}");
        let mut import = self.command(&["import", "-c", path, "-c", &label, "-", name]);
        let done = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        assert!(tar.wait().unwrap().success());
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.daemon.wait();
    }
}

pub(crate) fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout)
}
