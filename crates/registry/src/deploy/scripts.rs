//! `deploy-scripts`: the image's file, and shell scripts that deploy it from a job without a
//! checkout; the digest stands in them.
//!
//! DIR may be there, with the file in it; each script appears whole, and the list of them last.
//! What is filled in is checked first (names by their grammar, the rest by `is_word`), so that
//! nothing of it means something to a shell. What is not known yet, a job's variables say.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::source::{self, Tar};
use super::{Options, Target, heroku, is_word, malformed, usage};
use crate::failure::Failure;
use crate::manifest::Family;
use crate::reference::Reference;
use crate::written;
use sitepack::Digest;

/// What it takes.
pub(super) const OPTIONS: [&str; 6] = ["app", "image", "process", "project", "region", "tar"];

const HEAD: &str = include_str!("scripts/head.part");
/// What those have in common that take the file.
const IMAGE: &str = include_str!("scripts/image.part");
const REGISTRY: &str = include_str!("scripts/registry.part");
const HEROKU: &str = include_str!("scripts/heroku.part");
const CLOUD_RUN: &str = include_str!("scripts/cloud-run.part");

/// The sums of all that is written.
const MANIFEST: &str = "MANIFEST";

/// Whose scripts there are: of what can be reached with little more than a shell.
const SCRIPTS: [(Target, &[&str]); 5] = [
    (Target::Ghcr, &[IMAGE, REGISTRY]),
    (Target::DockerHub, &[IMAGE, REGISTRY]),
    (Target::ArtifactRegistry, &[IMAGE, REGISTRY]),
    (Target::Heroku, &[IMAGE, HEROKU]),
    (Target::CloudRun, &[CLOUD_RUN]),
];

pub(super) fn run(directory: &str, options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    let image = options.image()?;
    let path = options.value("tar");
    let path = path.ok_or_else(|| usage("--tar FILE is missing".to_owned()))?;
    let file = Path::new(path).file_name().and_then(|name| name.to_str());
    let is_ours = |name: &str| {
        let mut scripts = SCRIPTS.iter().map(|(target, _)| script_name(*target));
        name == MANIFEST || scripts.any(|script| script == name)
    };
    let is_fit = |name: &str| is_word(name) && !name.contains([':', '@']) && !is_ours(name);
    let file = file
        .filter(|name| is_fit(name))
        .ok_or_else(|| malformed("tar", path, "a file's name of letters, digits and ._-"))?;
    let (place, path) = (Path::new(directory).join(file), Path::new(path));
    // It may lie where it shall.
    let found = if path.exists() { path } else { &place };
    let is_there = place.exists() && fs::canonicalize(&place).ok() == fs::canonicalize(found).ok();
    let tar = Tar::open(&found.display().to_string())?;
    let read = tar.image(&image, None)?;
    if !tar.is_layout() {
        let cause = "skopeo finds no image layout in it, as scripts name it: take what `chapbook \
                     image` writes, or skopeo copy docker-archive:… oci-archive:…";
        return Err(Failure::unusable(
            "write scripts for",
            &found.display().to_string(),
            cause,
        ));
    }
    // What Heroku does not run, or Docker's words do not say, its script refuses.
    let docker = tar.image(&image, Some(Family::Docker)).is_ok();
    let is_for_heroku = docker && heroku::runs_there(source::platform(&read)).is_ok();
    let config = source::config(&read).filter(|_| is_for_heroku);
    let text = |name| word(name, options.value(name).unwrap_or_default()).map(str::to_owned);
    let digest = |digest: Option<Digest>| digest.map(|digest| format!("sha256:{digest}"));
    let values = [
        ("@NAME@", full_name(&image)?),
        ("@DIGEST@", digest(image.digest).unwrap_or_default()),
        ("@CONFIG@", digest(config).unwrap_or_default()),
        ("@TAR@", file.to_owned()),
        (
            "@APP@",
            heroku::app(options)?.unwrap_or_default().to_owned(),
        ),
        ("@PROCESSES@", processes(options)?),
        ("@REGION@", text("region")?),
        ("@PROJECT@", text("project")?),
    ];
    check_place(&Path::new(directory).join(MANIFEST))?;
    if options.is_dry {
        let scripts = SCRIPTS.iter().map(|(target, _)| script_name(*target));
        let names = [file.to_owned()].into_iter().chain(scripts);
        let mut names = names.chain([MANIFEST.to_owned()]);
        return names.try_for_each(|name| written(writeln!(out, "{directory}/{name}")));
    }
    let failed = |error: io::Error| Failure::failed("write", directory, error);
    fs::create_dir_all(directory).map_err(failed)?;
    if !is_there {
        whole(&place, |new| fs::copy(found, new).map(drop)).map_err(failed)?;
    }
    write(Path::new(directory), &place, &values).map_err(failed)?;
    written(writeln!(out, "{directory}"))
}

/// A list of ours gives way to another; what is somebody else's does not.
fn check_place(list: &Path) -> Result<(), Failure> {
    let cause = match fs::read(list) {
        Ok(text) if String::from_utf8_lossy(&text).contains("  deploy.ghcr.sh\n") => return Ok(()),
        Ok(_) => "it is somebody else's, and would be replaced".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => error.to_string(),
    };
    let list = list.display().to_string();
    Err(Failure::unusable("write", &list, cause))
}

fn processes(options: &Options) -> Result<String, Failure> {
    match options.all("process") {
        [] => Ok("web".to_owned()),
        all => {
            let words = all.iter().map(|process| word("process", process));
            Ok(words.collect::<Result<Vec<_>, Failure>>()?.join(" "))
        }
    }
}

/// What scripts take as a word: they look at it once more.
fn word<'t>(name: &str, text: &'t str) -> Result<&'t str, Failure> {
    match text.is_empty() || is_word(text) && !text.contains('@') && !text.starts_with('.') {
        true => Ok(text),
        false => Err(malformed(name, text, "letters, digits and ._:-")),
    }
}

fn script_name(target: Target) -> String {
    format!("deploy.{}.sh", target.name())
}

fn write(directory: &Path, tar: &Path, values: &[(&str, String)]) -> io::Result<()> {
    let file = tar.file_name().unwrap_or_default().to_string_lossy();
    let copied = Digest::of_reader(&mut fs::File::open(tar)?)?.0;
    let mut manifest = format!("{copied}  {file}\n");
    for (target, parts) in SCRIPTS {
        let name = values.iter().find(|(place, _)| *place == "@NAME@");
        let name = name.map(|(_, name)| &**name).unwrap_or_default();
        let default = if is_at(target, name) { name } else { "" };
        let mut script = format!("#!/bin/sh\n{HEAD}{}", parts.concat());
        script = script.replace("@DEFAULT@", default);
        script = script.replace("@TARGET@", target.name());
        for (place, value) in values {
            script = script.replace(place, value);
        }
        let name = script_name(target);
        manifest.push_str(&format!("{}  {name}\n", Digest::of(script.as_bytes())));
        whole(&directory.join(name), |new| {
            fs::write(new, &script)?;
            executable(new)
        })?;
    }
    whole(&directory.join(MANIFEST), |new| fs::write(new, &manifest))
}

/// Whether a name is one of the target, as its script has it. Heroku's is not the image's own;
/// Cloud Run takes what Artifact Registry has.
fn is_at(target: Target, name: &str) -> bool {
    let registry = name.split('/').next().unwrap_or_default();
    let host = registry.split(':').next().unwrap_or_default();
    let is_here = ["127.0.0.1", "localhost"].contains(&host);
    match target {
        Target::Ghcr => is_here || registry == "ghcr.io",
        Target::DockerHub => is_here || registry == "docker.io",
        Target::ArtifactRegistry | Target::CloudRun => {
            is_here || registry.ends_with("-docker.pkg.dev")
        }
        Target::Heroku | Target::Kubernetes | Target::Compose | Target::Systemd => true,
    }
}

/// Made beside it, then by its name.
fn whole(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    make(&new)?;
    fs::rename(&new, path)
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// § skopeo knows Docker's registry as docker.io.
fn full_name(image: &Reference) -> Result<String, Failure> {
    let registry = match &*image.name.registry.to_ascii_lowercase() {
        "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    };
    let name = format!("{registry}/{}", image.name.repository);
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
    match name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_fit)
    {
        true => Ok(name),
        false => {
            let cause = "scripts take letters, digits and ._/:- in it";
            Err(Failure::unusable("write scripts for", &image.typed, cause))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CLOUD_RUN, HEAD, HEROKU, IMAGE, OPTIONS, REGISTRY};
    use crate::deploy::VALUES;

    #[test]
    fn every_option_is_one() {
        assert!(OPTIONS.iter().all(|name| VALUES.contains(name)));
        for text in [HEAD, IMAGE, REGISTRY, HEROKU, CLOUD_RUN] {
            assert!(!text.contains("set -x"));
        }
    }
}
