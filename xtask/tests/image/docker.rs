//! A Docker engine of our own, and what is asked of it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::dockerd::Dockerd;

pub(crate) struct Docker(Dockerd);

impl Docker {
    /// Starts it with its data in `directory`; the cause if it cannot be.
    pub(crate) fn start(directory: &Path) -> Result<Docker, String> {
        match Dockerd::lacks() {
            Some(what) => Err(format!("there is no {what}")),
            None => Dockerd::start(directory).map(Docker),
        }
    }

    /// The variable that leads clients to it.
    pub(crate) fn host(&self) -> String {
        self.0.host()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.0.command(words)
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

pub(crate) fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout)
}
