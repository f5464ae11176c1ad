//! The static executable, and an image of it.
//!
//! It is the one that `CHAPBOOK_STATIC_EXECUTABLE` names; else it is built once, into a directory
//! of its own below `target`, which takes minutes the first time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{printed, told};

/// What the image of the tests is called.
pub(crate) const NAME: &str = "pedlar/chapbook:1.0";

/// The executable.
pub(crate) fn executable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("CHAPBOOK_STATIC_EXECUTABLE") {
        Some(given) => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(given),
        None => build(),
    })
}

fn build() -> PathBuf {
    let target = chapbook::about::TARGET;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--release", "--quiet", "--bin", "chapbook"])
        .args(["--target", target, "--target-dir", "target/static"])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(root);
    printed(&mut cargo);
    root.join("target/static")
        .join(target)
        .join("release/chapbook")
}

/// A command without the variables that would change what chapbook does.
pub(crate) fn command(file: &Path) -> Command {
    let mut command = Command::new(file);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name == "PORT" || name == "SOURCE_DATE_EPOCH" || name.starts_with("CHAPBOOK_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// An image, and what it is known by.
pub(crate) struct Built {
    root: tempfile::TempDir,
    /// `sha256:…` of its configuration.
    pub(crate) id: String,
    /// `sha256:…` of its manifest.
    pub(crate) manifest: String,
}

impl Built {
    /// That of the static executable.
    pub(crate) fn new(arguments: &[&str]) -> Built {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("image.tar");
        let mut image = command(executable());
        image
            .args(["image", "--tag", NAME, "-o"])
            .arg(&file)
            .args(arguments);
        let done = image.output().unwrap();
        assert!(done.status.success(), "{}", told(&done));
        let told = told(&done);
        let mut digests = told.split("sha256:").skip(1);
        let mut digest = || format!("sha256:{}", &digests.next().unwrap()[..64]);
        Built {
            id: digest(),
            manifest: digest(),
            root,
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.root.path().join("image.tar")
    }

    /// A place beside it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Its parts as files below a directory: an OCI layout.
    pub(crate) fn layout(&self) -> PathBuf {
        let layout = self.beside("layout");
        std::fs::create_dir_all(&layout).unwrap();
        printed(
            Command::new("tar")
                .arg("-xf")
                .arg(self.file())
                .arg("-C")
                .arg(&layout),
        );
        layout
    }
}

/// JSON that a command printed.
pub(crate) fn json(command: &mut Command) -> Value {
    serde_json::from_str(&printed(command)).unwrap()
}
