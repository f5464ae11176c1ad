//! `cargo xtask archives`: what a release offers for download, from executables that are there.
//!
//! DIR/ARCH/chapbook becomes DIR/chapbook-VERSION-linux-ARCH.tar.gz with the licence and the README
//! beside it, and SHA256SUMS names every file of DIR. The same executables give the same bytes:
//! owners, modes, times and the order of names are fixed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use crate::ci::root;
use crate::{Done, Ended};

const USAGE: &str = "usage: cargo xtask archives DIR VERSION

Makes DIR/chapbook-VERSION-linux-ARCH.tar.gz of each DIR/ARCH/chapbook, and DIR/SHA256SUMS.
";

/// What stands beside the executable.
const BESIDE: [&str; 2] = ["LICENSE", "README.md"];
/// The longest version: it becomes part of a file's name.
const VERSION_BYTES_MAX: usize = 100;

/// Does what the words behind `archives` say.
pub(crate) fn main(words: &[&str]) -> Ended {
    match *words {
        ["--help" | "-h"] => Ended::Help(USAGE),
        [option, ..] if option.starts_with('-') => Ended::wrong(option, USAGE),
        [_, version] if !is_version(version) => {
            Ended::Wrong(format!("`{version}` is no VERSION"), USAGE)
        }
        [directory, version] => Ended::Done(make(Path::new(directory), version)),
        _ => Ended::Wrong("it wants DIR and VERSION".to_owned(), USAGE),
    }
}

fn is_version(text: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte);
    let is_word = text.bytes().all(is_of) && text.len() <= VERSION_BYTES_MAX;
    is_word && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn make(directory: &Path, version: &str) -> Done {
    let mut found = 0;
    for room in listed(directory)? {
        if !room.join("chapbook").is_file() {
            continue;
        }
        let architecture = room.file_name().unwrap_or_default().display();
        let name = format!("chapbook-{version}-linux-{architecture}.tar.gz");
        archive(&room, &directory.join(name))?;
        found += 1;
    }
    if found == 0 {
        return Err(format!(
            "failed to find `{}/ARCH/chapbook`: there is none",
            directory.display()
        ));
    }
    let mut sums = String::new();
    for path in listed(directory)? {
        let name = path.file_name().unwrap_or_default().display().to_string();
        if path.is_file() && name != "SHA256SUMS" {
            let content = fs::read(&path).map_err(|error| failed("read", &path, &error))?;
            let digest = Sha256::digest(&content);
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            sums += &format!("{digits}  {name}\n");
        }
    }
    let path = directory.join("SHA256SUMS");
    fs::write(&path, sums).map_err(|error| failed("write", &path, &error))
}

/// § GNU tar's manual, "Reproducible Archives".
fn archive(room: &Path, to: &Path) -> Done {
    for name in BESIDE {
        let copy = room.join(name);
        fs::copy(root().join(name), &copy).map_err(|error| failed("write", &copy, &error))?;
    }
    let file = fs::File::create(to).map_err(|error| failed("write", to, &error))?;
    let mut tar = Command::new("tar");
    tar.args([
        "--sort=name",
        "--format=ustar",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
    ]);
    tar.args(["--numeric-owner", "--mode=u=rwX,go=rX", "-cf", "-", "-C"]);
    tar.arg(room).arg("chapbook").args(BESIDE);
    let unstarted = |error| format!("failed to run `tar`: {error}");
    let mut tar = tar.stdout(Stdio::piped()).spawn().map_err(unstarted)?;
    let content = tar.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let gzip = Command::new("gzip")
        .args(["-n", "-9"])
        .stdin(content)
        .stdout(file)
        .status();
    let tar = tar.wait().map_err(unstarted)?;
    let gzip = gzip.map_err(|error| format!("failed to run `gzip`: {error}"))?;
    match tar.success() && gzip.success() {
        true => Ok(()),
        false => Err(format!(
            "failed to write `{}`: tar or gzip failed",
            to.display()
        )),
    }
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let unread = |error| failed("read", directory, &error);
    let entries = fs::read_dir(directory).map_err(unread)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(unread)?;
    paths.sort();
    Ok(paths)
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> String {
    format!("failed to {verb} `{}`: {error}", path.display())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    #[test]
    fn the_same_executables_give_the_same_bytes() {
        let made = [0o755, 0o700].map(|mode| {
            use std::os::unix::fs::PermissionsExt as _;
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            for room in ["amd64", "arm64"] {
                let executable = root.join(room).join("chapbook");
                fs::create_dir(root.join(room)).unwrap();
                fs::write(&executable, room).unwrap();
                fs::set_permissions(&executable, fs::Permissions::from_mode(mode)).unwrap();
            }
            fs::write(root.join("sbom.cdx.json"), "{}").unwrap();
            super::make(root, "v1.0.0").unwrap();
            fs::read_to_string(root.join("SHA256SUMS")).unwrap()
        });
        assert_eq!(made[0], made[1]);
        let names: Vec<&str> = made[0].lines().filter_map(|line| line.get(66..)).collect();
        assert_eq!(
            names,
            [
                "chapbook-v1.0.0-linux-amd64.tar.gz",
                "chapbook-v1.0.0-linux-arm64.tar.gz",
                "sbom.cdx.json"
            ]
        );
    }

    #[test]
    fn nothing_to_archive_and_no_version() {
        let empty = tempfile::tempdir().unwrap();
        assert!(
            super::make(empty.path(), "v1")
                .unwrap_err()
                .contains("there is none")
        );
        for (version, is_one) in [
            ("v1.0.0-rc.1+b", true),
            ("../v1", false),
            ("", false),
            ("-v", false),
        ] {
            assert_eq!(super::is_version(version), is_one, "{version}");
        }
    }
}
