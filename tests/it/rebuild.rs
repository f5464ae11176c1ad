//! Cargo must build again when the data change: the assembler's `.incbin` is nothing that Cargo
//! sees. Tried on a copy of this repository, with the real Cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What of the repository a build needs.
const NEEDED: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "build",
    "build.rs",
    "chapbook.toml",
    "deploy",
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
        self.build_with(&[])
    }

    /// Builds with some variables; whether it was built, and what was said.
    fn build_with(&self, variables: &[(&str, &str)]) -> (bool, String) {
        let done = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--quiet", "--package", "chapbook"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env_remove("CHAPBOOK_SITE")
            .env_remove("CHAPBOOK_CODINGS")
            .env_remove("SOURCE_DATE_EPOCH")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    }

    /// Builds, and asks what was built for its site.
    fn built(&self, arguments: &[&str]) -> String {
        self.built_with(&[], arguments)
    }

    fn built_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let (done, said) = self.build_with(variables);
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
    fs::write(poems.join("slipway.txt"), first).unwrap();
    mounts_are_those_of_the_file(&copy);
    a_variable_stands_in_for_the_mounts(&copy);
    remote_sources_are_refused_without_the_feature(&copy);
}

fn mounts_are_those_of_the_file(copy: &Copy) {
    fs::create_dir(copy.root.join("public")).unwrap();
    fs::write(copy.root.join("public/a.html"), "<!DOCTYPE html><p>A\n").unwrap();
    let mounts = "[[mount]]\nat = \"/poetry/\"\nfrom = \"data/poems\"\nas = \"poems\"\n\
                  [[mount]]\nat = \"/files/\"\nfrom = \"public\"\nas = \"files\"\n\
                  clean-urls = true\n";
    fs::write(copy.root.join("chapbook.toml"), mounts).unwrap();
    let listed = copy.built(&["ls"]);
    for path in ["  /poetry/slipway  ", "  /files/a  ", "308  /files/a.html"] {
        assert!(listed.contains(path), "{listed}");
    }
    let twice = mounts.replace("/files/", "/poetry/");
    fs::write(copy.root.join("chapbook.toml"), twice).unwrap();
    let (done, said) = copy.build();
    assert!(
        !done && said.contains("`/poetry/`: two mounts have this path"),
        "{said}"
    );
    fs::write(copy.root.join("chapbook.toml"), mounts).unwrap();
}

fn a_variable_stands_in_for_the_mounts(copy: &Copy) {
    let archive = copy.root.join("public.tar");
    crate::archives::write(&copy.root.join("public"), &archive);
    let variables = [
        ("CHAPBOOK_SITE", "public.tar"),
        ("CHAPBOOK_BASE_PATH", "docs"),
        ("CHAPBOOK_STORE", "coded"),
    ];
    let listed = copy.built_with(&variables, &["ls"]);
    assert!(listed.contains("  /docs/a.html  "), "{listed}");
    assert!(!listed.contains("poetry"), "{listed}");
    // The archive is watched as directories are.
    fs::write(copy.root.join("public/b.html"), "<!DOCTYPE html><p>B\n").unwrap();
    crate::archives::write(&copy.root.join("public"), &archive);
    let listed = copy.built_with(&variables, &["ls"]);
    assert!(listed.contains("  /docs/b.html  "), "{listed}");
}

fn remote_sources_are_refused_without_the_feature(copy: &Copy) {
    let digest = "00".repeat(32);
    let image = format!("oci://a.example/b@sha256:{digest}");
    let url = "https://a.example/b.tar";
    for (variables, message) in [
        (&[("CHAPBOOK_SITE", &*image)][..], "--features fetch"),
        (
            &[("CHAPBOOK_SITE", url), ("CHAPBOOK_SHA256", &digest)],
            "--features fetch",
        ),
        (&[("CHAPBOOK_SITE", url)], "needs its sha256"),
    ] {
        let (done, said) = copy.build_with(variables);
        assert!(!done && said.contains(message), "{said}");
    }
}
