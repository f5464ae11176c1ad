//! What `cargo xtask static DIR` left on machines of other kinds, for a bundle: an executable and
//! its image each.
//!
//! Nothing of it runs here, so that it is looked at instead: for which processor the executable is
//! (ELF's `e_machine`), that its image is for the same one, of the bundle's commit, has the digest
//! that was written beside it, and holds this executable.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Done;
use crate::static_build::digest_of;

/// What `uname -m`, OCI and ELF (64 bits, little-endian) call the processors that chapbook's
/// container images may be for.
const PROCESSORS: [(&str, &str, u16); 3] = [
    ("aarch64", "arm64", 183),
    ("riscv64", "riscv64", 243),
    ("x86_64", "amd64", 62),
];
/// Magic, class (64 bits) and data (little-endian).
const ELF_START: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
/// Where `e_machine` ends.
const ELF_BYTES: usize = 20;
/// An executable with a site in it; the bundle's tar is no place for more (4 GiB).
const EXECUTABLE_BYTES_MAX: u64 = 4 << 30;

/// One machine's.
pub(super) struct Other {
    /// As `uname -m` says it there.
    pub(super) processor: &'static str,
    directory: PathBuf,
}

impl Other {
    /// Looks at a directory; `commit` is what all of the bundle is made of.
    pub(super) fn read(directory: &Path, commit: &str) -> Result<Other, String> {
        let failed = |cause: String| format!("failed to take `{}`: {cause}", directory.display());
        let executable = directory.join("chapbook");
        let (processor, architecture) = processor_of(&executable).map_err(failed)?;
        let image = directory.join("image.tar");
        let digest = fs::read_to_string(directory.join("digest"));
        let digest = digest.map_err(|error| failed(format!("digest: {error}")))?;
        let found = digest_of(&image).map_err(failed)?;
        if digest.trim() != found {
            return Err(failed(format!("its image is {found}, and not {digest}")));
        }
        check_image(&image, &executable, architecture, commit).map_err(failed)?;
        Ok(Other {
            processor,
            directory: directory.to_owned(),
        })
    }

    /// Puts both into the bundle.
    pub(super) fn place(&self, bundle: &Path) -> Done {
        let processor = self.processor;
        let copy = |from: &str, to: String| {
            let (from, to) = (self.directory.join(from), bundle.join(to));
            let copied = fs::copy(&from, to).map(drop);
            copied.map_err(|error| format!("failed to copy `{}`: {error}", from.display()))
        };
        copy("chapbook", format!("bin/chapbook-{processor}"))?;
        copy("image.tar", format!("chapbook-{processor}.tar"))
    }
}

fn processor_of(executable: &Path) -> Result<(&'static str, &'static str), String> {
    let failed = |error: io::Error| format!("chapbook: {error}");
    let file = File::open(executable).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > EXECUTABLE_BYTES_MAX {
        return Err("chapbook is too long".to_owned());
    }
    let mut start = Vec::new();
    let mut start_of = file.take(ELF_BYTES as u64);
    start_of.read_to_end(&mut start).map_err(failed)?;
    let machine = match *start {
        [.., low, high] if start.len() == ELF_BYTES && start.starts_with(&ELF_START) => {
            u16::from_le_bytes([low, high])
        }
        _ => return Err("chapbook is no executable of 64 bits for Linux".to_owned()),
    };
    let mut all = PROCESSORS.iter();
    let found = all.find(|(_, _, known)| *known == machine);
    let found = found.map(|(processor, architecture, _)| (*processor, *architecture));
    found.ok_or_else(|| format!("chapbook is for ELF's machine {machine}, which has no name here"))
}

fn check_image(image: &Path, executable: &Path, architecture: &str, commit: &str) -> Done {
    let saved = member(image, "manifest.json")?;
    let config = saved.pointer("/0/Config").and_then(Value::as_str);
    let config = member(image, config.ok_or("its image has no configuration")?)?;
    let said = |pointer: &str| config.pointer(pointer).and_then(Value::as_str);
    let platform = said("/architecture");
    if platform != Some(architecture) {
        let platform = platform.unwrap_or("nothing");
        return Err(format!(
            "its image is for {platform}, and its executable for {architecture}"
        ));
    }
    let revision = said("/config/Labels/org.opencontainers.image.revision");
    if revision != Some(commit) {
        let revision = revision.unwrap_or("nothing that is known");
        return Err(format!("it is made of {revision}, and not of {commit}"));
    }
    let layer = saved.pointer("/0/Layers/0").and_then(Value::as_str);
    let layer = tar(image, layer.ok_or("its image has no layer")?)?;
    let scratch = tempfile::NamedTempFile::new();
    let scratch = scratch.map_err(|error| format!("failed to make a file: {error}"))?;
    let written = fs::write(scratch.path(), layer);
    written.map_err(|error| format!("failed to write a file: {error}"))?;
    let own = fs::read(executable).map_err(|error| format!("chapbook: {error}"))?;
    match tar(scratch.path(), "chapbook")? == own {
        true => Ok(()),
        false => Err("its image holds another executable".to_owned()),
    }
}

fn member(image: &Path, name: &str) -> Result<Value, String> {
    let refused = |cause: &dyn std::fmt::Display| format!("{name} of its image: {cause}");
    serde_json::from_slice(&tar(image, name)?).map_err(|error| refused(&error))
}

fn tar(archive: &Path, name: &str) -> Result<Vec<u8>, String> {
    let mut tar = Command::new("tar");
    let told = tar.arg("-xOf").arg(archive).args(["--", name]).output();
    let told = told.map_err(|error| format!("failed to run `tar`: {error}"))?;
    match told.status.success() {
        true => Ok(told.stdout),
        false => Err(format!("its image: `tar` finds no {name}")),
    }
}
