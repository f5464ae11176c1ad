//! `cargo xtask bundle -o DIR`: everything that is needed where there is no network.
//!
//! 1. It is made of a commit, not of what lies around: `git archive`, and crates by `cargo vendor`.
//! 2. Its executable is what its own `rebuild.sh` makes of its own sources, so that whoever runs
//!    that again compares with what was made the same way.
//! 3. What other machines made of the same commit may be put beside it (`others`).
//! 4. DIR does not exist before, and is whole afterwards: it has another name until then.

use std::env::consts::ARCH;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::others::Other;
use super::{cargo, output, root};
use crate::{Done, Ended};

/// How `bundle` is called.
const USAGE: &str = "\
usage: cargo xtask bundle -o DIR [--commit NAME] [--with DIR]…
Writes the static executable, its image, its kit, its bill of materials, and all sources with all
crates, from which `sh DIR/rebuild.sh` makes the same executable without a network.
  --commit NAME   what it is made of [default: HEAD]
  --with DIR      also what `cargo xtask static DIR` left on a machine of another kind
The crates are downloaded, unless cargo has them; git and tar are run. docs/bundle.md
";

const REBUILD: &str = include_str!("rebuild.sh");
const INSTRUCTIONS: &str = include_str!("INSTRUCTIONS.md");
/// Where rebuild.sh and INSTRUCTIONS.md name what they are made for.
const COMMIT: &str = "@COMMIT@";
/// Cargo looks where `cargo vendor` put the crates only when it is told to. build/static.sh says it
/// by itself; whoever calls cargo in the sources, as INSTRUCTIONS.md has it, does not.
const FROM_VENDOR: &str = r#"
# Added for the bundle: crates come from vendor/, and no network is asked.
[source.crates-io]
replace-with = "vendor"

[source.vendor]
directory = "vendor"
"#;

/// Does what the words say.
pub(crate) fn main(words: &[&str]) -> Ended {
    let (mut directory, mut commit, mut others) = (None, "HEAD", Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, words.next()) {
            ("--help" | "-h", _) => return Ended::Help(USAGE),
            ("-o", Some(name)) if !name.is_empty() => directory = Some(PathBuf::from(name)),
            ("--with", Some(name)) => others.push(Path::new(*name)),
            ("--commit", Some(name)) if !name.starts_with('-') => commit = name,
            (word, _) => return Ended::wrong(word, USAGE),
        }
    }
    match directory {
        Some(directory) => Ended::Done(whole(&directory, commit, &others)),
        None => Ended::Wrong("it is not said where: `-o DIR`".to_owned(), USAGE),
    }
}

/// Makes it beside its place, and then moves it there.
fn whole(directory: &Path, commit: &str, others: &[&Path]) -> Done {
    let failed = |cause: &dyn std::fmt::Display| {
        format!(
            "failed to write the bundle `{}`: {cause}",
            directory.display()
        )
    };
    if directory.exists() {
        return Err(failed(&"it exists"));
    }
    let known = git(&[
        "rev-parse",
        "--verify",
        "--quiet",
        &format!("{commit}^{{commit}}"),
    ]);
    known.map_err(|why| failed(&format!("there is no commit `{commit}` here: {why}")))?;
    let others = found(others, commit)?;
    let mut part = directory.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(part);
    fs::create_dir(&part).map_err(|error| failed(&error))?;
    let made = fs::canonicalize(&part)
        .map_err(|error| failed(&error))
        .and_then(|part| fill(&part, commit, &others))
        .and_then(|()| fs::rename(&part, directory).map_err(|error| failed(&error)));
    made.inspect_err(|_| {
        // What is left of it, nobody has asked for.
        let _ = fs::remove_dir_all(&part);
    })
}

/// Other machines' parts, one of a kind, before anything is compiled.
fn found(directories: &[&Path], commit: &str) -> Result<Vec<Other>, String> {
    let commit = git(&["rev-parse", "--verify", &format!("{commit}^{{commit}}")])?;
    let mut others: Vec<Other> = Vec::new();
    for directory in directories {
        let other = Other::read(directory, &commit)?;
        let mut known = others.iter().map(|other| other.processor);
        if known.any(|known| known == other.processor) || other.processor == ARCH {
            let (directory, processor) = (directory.display(), other.processor);
            return Err(format!(
                "failed to take `{directory}`: there is one for {processor} already"
            ));
        }
        others.push(other);
    }
    Ok(others)
}

fn fill(part: &Path, commit: &str, others: &[Other]) -> Done {
    let failed = |error: io::Error| format!("failed to fill the bundle: {error}");
    let source = part.join("source");
    fs::create_dir(&source).map_err(failed)?;
    sources(part, &source, commit)?;
    let stamp = |format: &str| git(&["log", "-1", format, commit]);
    let hash = stamp("--format=%H")?;
    let rebuild = REBUILD
        .replace(COMMIT, &hash)
        .replace(
            "@VERSION@",
            &git(&["describe", "--always", "--tags", commit])?,
        )
        .replace("@TIME@", &stamp("--format=%ct")?)
        .replace("@RUSTC@", output(Command::new("rustc").arg("-V"))?.trim());
    fs::write(part.join("rebuild.sh"), rebuild).map_err(failed)?;
    let instructions = INSTRUCTIONS.replace(COMMIT, &hash);
    let rows: String = others.iter().map(row).collect();
    let instructions = instructions.replace("@OTHERS@", &rows);
    fs::write(part.join("INSTRUCTIONS.md"), instructions).map_err(failed)?;

    let scratch = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    fs::create_dir_all(&scratch).map_err(failed)?;
    let scratch = fs::canonicalize(scratch).map_err(failed)?.join("bundle");
    // rebuild.sh compares with what is there; there is nothing yet.
    let mut build = Command::new("sh");
    build.arg(part.join("rebuild.sh")).arg(&scratch);
    println!("{}", output(&mut build)?.trim());
    let executable = part.join("bin/chapbook");
    fs::create_dir(part.join("bin")).map_err(failed)?;
    fs::copy(scratch.join("chapbook"), &executable).map_err(failed)?;
    let image = format!("{}", part.join("chapbook.tar").display());
    let kit = format!("{}", part.join("kit").display());
    let ask = |words: &[&str]| {
        let mut chapbook = Command::new(&executable);
        output(chapbook.args(words).env_remove("SOURCE_DATE_EPOCH"))
    };
    ask(&["image", "-o", &image])?;
    ask(&["kit", &kit])?;
    fs::write(part.join("sbom.cdx.json"), ask(&["version", "--sbom"])?).map_err(failed)?;
    others.iter().try_for_each(|other| other.place(part))?;
    fs::write(part.join("SHA256SUMS"), sums(part)?).map_err(failed)
}

/// Of the table of INSTRUCTIONS.md.
fn row(other: &Other) -> String {
    let processor = other.processor;
    format!(
        "| `bin/chapbook-{processor}`, `chapbook-{processor}.tar` | the same commit for \
         {processor}, made there; `rebuild.sh` does not compare it |\n"
    )
}

/// The commit's own tree, and the crates that its `Cargo.lock` names.
fn sources(part: &Path, source: &Path, commit: &str) -> Done {
    let tar = part.join("source.tar");
    let name = tar.display().to_string();
    git(&["archive", "--format=tar", "-o", &name, commit])?;
    output(
        Command::new("tar")
            .arg("-xf")
            .arg(&tar)
            .arg("-C")
            .arg(source),
    )?;
    fs::remove_file(&tar).map_err(|error| format!("failed to remove `{name}`: {error}"))?;
    let mut vendor = Command::new(cargo());
    vendor.current_dir(source).stdout(Stdio::null());
    vendor.args(["vendor", "--quiet", "--locked", "--versioned-dirs"]);
    output(&mut vendor)?;
    let config = source.join(".cargo/config.toml");
    let config = fs::OpenOptions::new().append(true).open(config);
    let written = config.and_then(|mut config| config.write_all(FROM_VENDOR.as_bytes()));
    written.map_err(|error| format!("failed to write `source/.cargo/config.toml`: {error}"))
}

/// One line of git's.
fn git(words: &[&str]) -> Result<String, String> {
    let said = output(Command::new("git").arg("-C").arg(root()).args(words))?;
    Ok(said.trim().to_owned())
}

/// A line for each file, as sha256sum writes and checks them, ordered by name.
fn sums(directory: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        let failed = |error: io::Error| format!("failed to read `{}`: {error}", next.display());
        for entry in fs::read_dir(&next).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_type().map_err(failed)?.is_dir() {
                true => left.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    let lines = files.iter().map(|file| {
        let content = fs::read(file)
            .map_err(|error| format!("failed to read `{}`: {error}", file.display()))?;
        let digest: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = file.strip_prefix(directory).unwrap_or(file);
        Ok(format!("{digest}  {}\n", name.display()))
    });
    lines.collect()
}
