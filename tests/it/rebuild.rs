//! Cargo must build again when the data change: the assembler's `.incbin` is nothing that Cargo
//! sees. Tried on a copy of this repository, with the real Cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What of the repository a build needs.
const NEEDED: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
    "chapbook.toml",
    "src",
    "data",
    "crates",
    "xtask",
];

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn build(&self) -> (bool, String) {
        let done = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--quiet", "--package", "chapbook"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env_remove("CHAPBOOK_SITE")
            .env_remove("CHAPBOOK_CODINGS")
            .env_remove("SOURCE_DATE_EPOCH")
            .output()
            .unwrap();
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    }

    /// Builds, and asks what was built for its site.
    fn built(&self, arguments: &[&str]) -> String {
        let (done, said) = self.build();
        assert!(done, "{said}");
        let out = Command::new(self.target.join("debug/chapbook"))
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    }
}

#[test]
fn the_site_is_compiled_again_when_its_data_change() {
    let root = tempfile::tempdir().unwrap();
    for name in NEEDED {
        copy(&Path::new(ROOT).join(name), &root.path().join(name));
    }
    // The targets that the manifest names, but this build does not make.
    for file in ["tests/it/main.rs", "benches/respond.rs"] {
        fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
        fs::write(root.path().join(file), "fn main() {}\n").unwrap();
    }
    // Kept between runs, so that only the first one compiles the dependencies.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rebuild");
    let copy = Copy {
        root: root.path().to_owned(),
        target,
    };
    let poems = root.path().join("data/poems");

    let first = copy.built(&["cat", "/poetry/slipway.txt"]);
    assert_eq!(
        first.as_bytes(),
        fs::read(poems.join("slipway.txt")).unwrap()
    );

    fs::write(
        poems.join("slipway.txt"),
        format!("{first}\nOne line more.\n"),
    )
    .unwrap();
    let changed = copy.built(&["cat", "/poetry/slipway.txt"]);
    assert!(changed.ends_with("One line more.\n"), "a changed file");

    fs::write(poems.join("new.txt"), "New\n\nA poem of its own.\n").unwrap();
    assert!(
        copy.built(&["ls"]).contains("/poetry/new.txt"),
        "an added file"
    );

    fs::remove_file(poems.join("new.txt")).unwrap();
    assert!(
        !copy.built(&["ls"]).contains("/poetry/new.txt"),
        "a removed file"
    );

    fs::write(poems.join("slipway.txt"), "---\ntitel: x\n---\nverse\n").unwrap();
    let (done, said) = copy.build();
    assert!(
        !done && said.contains("slipway.txt:2:") && said.contains("titel"),
        "{said}"
    );
}
