//! A directory to pack in: a site, and what is made of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::exchange::Answer;
use crate::runnable::make_runnable;
use crate::server::{PATIENCE, Running, chapbook, connect, executable};

/// What the site holds, if nothing else is said.
pub(crate) const FILES: [(&str, &str); 9] = [
    (
        "index.html",
        "<!DOCTYPE html><html lang=\"en\"><title>Home</title><link rel=\"stylesheet\" \
         href=\"main.css\"><script>console.log(1)</script><a href=\"about.html\">About</a>\n",
    ),
    (
        "about.html",
        "<!DOCTYPE html><html lang=\"en\"><title>About</title><p>A pedlar, a pedlar, a pedlar, \
         a pedlar, a pedlar, a pedlar, a pedlar, a pedlar, a pedlar, a pedlar, a pedlar.\n",
    ),
    (
        "404.html",
        "<!DOCTYPE html><html lang=\"en\"><title>Gone</title><p>It is gone.\n",
    ),
    (
        "docs/index.html",
        "<!DOCTYPE html><html lang=\"en\"><title>Docs</title><a href=\"../\">Home</a>\n",
    ),
    ("main.css", "p { color: black }\n"),
    ("app.3f2a9c1b.js", "console.log(2)\n"),
    (".well-known/security.txt", "Contact: mailto:a@a.example\n"),
    (".git/config", "secret\n"),
    (".git/HEAD", "secret\n"),
];

/// The directory. Its site is `site`.
pub(crate) struct Workshop {
    root: tempfile::TempDir,
}

impl Workshop {
    /// With the usual files.
    pub(crate) fn new() -> Workshop {
        Workshop::with(&FILES)
    }

    /// With these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Workshop {
        let workshop = Workshop {
            root: tempfile::tempdir().unwrap(),
        };
        for (name, content) in files {
            workshop.write(&format!("site/{name}"), content.as_bytes());
        }
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// An executable that was packed here, changed.
    pub(crate) fn write_executable(&self, name: &str, content: &[u8]) {
        self.write(name, content);
        make_runnable(&self.path(name));
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = self.root.path().read_dir().unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// `chapbook` with these arguments, at work here, without a cache.
    pub(crate) fn chapbook(&self, arguments: &[&str]) -> Command {
        self.prepared(chapbook(), arguments)
    }

    /// The same with an executable that was packed here.
    pub(crate) fn packed(&self, name: &str, arguments: &[&str]) -> Command {
        self.prepared(executable(&self.path(name)), arguments)
    }

    fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .current_dir(self.root.path())
            .env("CHAPBOOK_CACHE", "off");
        command
    }

    /// Packs, which has to succeed: what was said.
    pub(crate) fn pack(&self, arguments: &[&str]) -> String {
        let done = self.chapbook(&[&["pack"], arguments].concat()).output();
        succeeded(&done.unwrap())
    }

    /// Asks an executable that was packed here: what it printed.
    pub(crate) fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let done = self.packed(name, arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    /// The same, of JSON.
    pub(crate) fn ask_json(&self, name: &str, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ask(name, arguments)).unwrap()
    }

    /// Lets an executable that was packed here serve.
    pub(crate) fn serve(&self, name: &str, engine: &str) -> Running {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--engine", engine];
        Running::spawn(self.packed(name, &arguments))
    }
}

/// What was said on standard error.
pub(crate) fn said(done: &Output) -> String {
    String::from_utf8(done.stderr.clone()).unwrap()
}

fn succeeded(done: &Output) -> String {
    assert!(done.status.success(), "{}", said(done));
    said(done)
}

/// What ends with a line and exit code 2, and opens nothing: the line.
pub(crate) fn refused(mut command: Command) -> String {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert_eq!(said(&done).lines().count(), 1, "{}", said(&done));
    said(&done)
}

/// Asks a server.
pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    let mut stream = connect(address);
    let raw = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    stream.write_all(raw.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes, "GET")
}

/// Whether everybody may run it.
#[cfg(unix)]
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).unwrap().permissions().mode() & 0o100 != 0
}
