//! `deploy-scripts`: the image's file, and shell scripts that deploy it from a job without a
//! checkout; the digest stands in them.
//!
//! DIR may be there, with the file in it; each script appears whole, and the list of them last.
//! What is filled in is checked first (names by their grammar, the rest by `is_word`), so that
//! nothing of it means something to a shell. What is not known yet, a job's variables say.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use remote::host_and_port;
use sitepack::Digest;

use super::source::{self, Tar};
use super::{Options, Target, is_word, registries, usage};
use crate::failure::Failure;
use crate::manifest::Family;
use crate::reference::Reference;
use crate::written;

/// What it takes.
pub(super) const OPTIONS: [&str; 6] = ["app", "image", "process", "project", "region", "tar"];

const HEAD: &str = include_str!("scripts/head.part");
/// What those have in common that take the file.
const IMAGE: &str = include_str!("scripts/image.part");
const REGISTRY: &str = include_str!("scripts/registry.part");
const HEROKU: &str = include_str!("scripts/heroku.part");
const CLOUD_RUN: &str = include_str!("scripts/cloud-run.part");

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
    let file = file.filter(|name| is_word(name) && !name.contains(':'));
    let file = file.ok_or_else(|| usage("the file's name is malformed".to_owned()))?;
    let (place, path) = (Path::new(directory).join(file), Path::new(path));
    // It may lie where it shall.
    let found = if place.is_file() { &place } else { path };
    let tar = Tar::open(&found.display().to_string())?;
    let config = source::config(&tar.image(&image, None)?);
    // What Docker's words do not say, Heroku's script refuses.
    let docker = tar.image(&image, Some(Family::Docker)).is_ok();
    let config = config.filter(|_| docker);
    let text = |name| Ok(options.word(name)?.unwrap_or_default().to_owned());
    let digest = |digest: Option<Digest>| digest.map(|digest| format!("sha256:{digest}"));
    let values = [
        ("@NAME@", full_name(&image)),
        ("@DIGEST@", digest(image.digest).unwrap_or_default()),
        ("@CONFIG@", digest(config).unwrap_or_default()),
        ("@TAR@", file.to_owned()),
        ("@APP@", text("app")?),
        ("@PROCESSES@", processes(options)?),
        ("@REGION@", text("region")?),
        ("@PROJECT@", text("project")?),
    ];
    if options.is_dry {
        let mut targets = SCRIPTS.iter().map(|(target, _)| target.name());
        return targets.try_for_each(|name| written(writeln!(out, "{directory}/deploy.{name}.sh")));
    }
    let failed = |error: io::Error| Failure::failed("write", directory, error);
    fs::create_dir_all(directory).map_err(failed)?;
    if found == path {
        whole(&place, |new| fs::copy(path, new).map(drop)).map_err(failed)?;
    }
    write(Path::new(directory), &place, &image, &values).map_err(failed)?;
    written(writeln!(out, "{directory}"))
}

fn processes(options: &Options) -> Result<String, Failure> {
    match options.all("process") {
        [] => Ok("web".to_owned()),
        all if all.iter().all(|process| is_word(process)) => Ok(all.join(" ")),
        _ => Err(usage("--process is malformed".to_owned())),
    }
}

fn write(
    directory: &Path,
    tar: &Path,
    image: &Reference,
    values: &[(&str, String)],
) -> io::Result<()> {
    let file = tar.file_name().unwrap_or_default().to_string_lossy();
    let copied = Digest::of_reader(&mut fs::File::open(tar)?)?.0;
    let mut manifest = format!("{copied}  {file}\n");
    for (target, parts) in SCRIPTS {
        let default = match is_at(target, image) {
            true => full_name(image),
            false => String::new(),
        };
        let mut script = format!("#!/bin/sh\n{HEAD}{}", parts.concat());
        script = script.replace("@DEFAULT@", &default);
        script = script.replace("@TARGET@", target.name());
        for (place, value) in values {
            script = script.replace(place, value);
        }
        let name = format!("deploy.{}.sh", target.name());
        manifest.push_str(&format!("{}  {name}\n", Digest::of(script.as_bytes())));
        whole(&directory.join(name), |new| {
            fs::write(new, &script)?;
            executable(new)
        })?;
    }
    whole(&directory.join("MANIFEST"), |new| fs::write(new, &manifest))
}

/// Whether a name is one of the target. Heroku's is not the image's own; Cloud Run takes what
/// Artifact Registry has.
fn is_at(target: Target, image: &Reference) -> bool {
    let host = host_and_port(&image.name.registry).map(|(host, _)| host);
    let host = host.unwrap_or_default();
    match target {
        Target::CloudRun => registries::is_at(Target::ArtifactRegistry, &host),
        Target::Ghcr | Target::DockerHub | Target::ArtifactRegistry => {
            registries::is_at(target, &host)
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
fn full_name(image: &Reference) -> String {
    let registry = match &*image.name.registry {
        "registry-1.docker.io" => "docker.io",
        other => other,
    };
    format!("{registry}/{}", image.name.repository)
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
