//! `chapbook kit DIR`: the files of `deploy/`, with an image filled in.
//!
//! 1. DIR is not there, or is empty. It appears whole: what is written has another name until then.
//! 2. The files name one image, a placeholder that no registry has. It is replaced as text by a
//!    name that has been checked, and stands in quotes where a file has a grammar.
//! 3. Tags move, so a digest is what should be deployed. One that nobody gave is that of the image
//!    that this executable makes of itself: `cargo xtask push` keeps it, other tools may not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::image;
use crate::cli::{Failure, KitOptions};
use crate::log::say;

static DEPLOY: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/deploy");

/// The image that the files name.
const PLACEHOLDER: &str = "registry.invalid/chapbook@sha256:\
    0000000000000000000000000000000000000000000000000000000000000000";

pub(super) fn run(options: &KitOptions) -> Result<(), Failure> {
    let directory = &options.directory;
    let which = match &options.image.which {
        Some(which) => which.clone(),
        None => format!(
            "@sha256:{}",
            image::own_digest(options.time).map_err(unnamed)?
        ),
    };
    let image = format!("{}{which}", options.image.name);
    let unusable = |cause: io::Error| {
        let directory = directory.display();
        Failure::unusable(format!("failed to write the kit to `{directory}`: {cause}"))
    };
    let part = part(directory).map_err(unusable)?;
    let written = write(&DEPLOY, &part, &image).and_then(|()| fs::rename(&part, directory));
    written.map_err(|error| {
        // What is left of it, nobody has asked for.
        let _ = fs::remove_dir_all(&part);
        unusable(error)
    })?;
    say(format_args!(
        "wrote the files that deploy {image} to `{}`; its README.md says how",
        directory.display()
    ));
    Ok(())
}

/// Why the image of this executable cannot be named.
fn unnamed(failure: Failure) -> Failure {
    let message = failure.message;
    Failure {
        message: format!("{message}; or name an image: --image NAME@sha256:… or NAME:TAG"),
        ..failure
    }
}

/// A directory beside the one that it will be.
fn part(directory: &Path) -> io::Result<PathBuf> {
    let no_name = || io::Error::other("it is not the name of a new directory");
    let name = directory.file_name().ok_or_else(no_name)?;
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = std::process::id();
    let hidden = format!(".{}.{id}.part", name.to_string_lossy());
    let part = directory.with_file_name(hidden);
    fs::create_dir(&part)?;
    Ok(part)
}

fn write(from: &Dir<'_>, to: &Path, image: &str) -> io::Result<()> {
    for file in from.files() {
        let name = file.path().file_name().unwrap_or_default();
        let text = file.contents_utf8().ok_or(io::ErrorKind::InvalidData)?;
        fs::write(to.join(name), text.replace(PLACEHOLDER, image))?;
    }
    for directory in from.dirs() {
        let to = to.join(directory.path().file_name().unwrap_or_default());
        fs::create_dir(&to)?;
        write(directory, &to, image)?;
    }
    Ok(())
}
