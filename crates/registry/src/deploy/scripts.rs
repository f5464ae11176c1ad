//! `deploy-scripts`: the image's file, and shell scripts that deploy it from a job without a
//! checkout; the digest stands in them.
//!
//! DIR appears whole or not at all. What is filled into a script is checked first (names by their
//! grammar, the rest by `is_word`), so that nothing in it can end a quotation.

use std::fs;
use std::io::Write;
use std::path::Path;

use remote::host_and_port;
use sitepack::Digest;

use super::source::{self, Tar};
use super::{Options, Target, is_word, usage};
use crate::failure::Failure;
use crate::manifest::Family;
use crate::reference::Reference;
use crate::written;

/// What it takes.
pub(super) const OPTIONS: [&str; 6] = ["app", "image", "process", "project", "region", "tar"];

const HEAD: &str = include_str!("scripts/head.sh");
/// What those have in common that take the file.
const IMAGE: &str = include_str!("scripts/image.sh");
const REGISTRY: &str = include_str!("scripts/registry.sh");
const HEROKU: &str = include_str!("scripts/heroku.sh");
const CLOUD_RUN: &str = include_str!("scripts/cloud-run.sh");

/// A script: the target that names it, what it does, what it needs, its text after the head.
type Script = (&'static str, &'static str, &'static str, &'static str);

pub(super) fn run(directory: &str, options: &Options, out: &mut dyn Write) -> Result<(), Failure> {
    let image = options.image()?;
    let path = options.value("tar");
    let path = path.ok_or_else(|| usage("--tar FILE is missing".to_owned()))?;
    let file = Path::new(path).file_name().and_then(|name| name.to_str());
    let file = file.filter(|name| is_word(name) && !name.contains(':'));
    let file = file.ok_or_else(|| usage("the file's name is malformed".to_owned()))?;
    let tar = Tar::open(path)?;
    let config = source::config(&tar.image(&image, None)?);
    let mut scripts = vec![registry(&image)];
    let (app, region) = (options.word("app")?, options.word("region")?);
    if app.is_some() {
        // What cannot be said in Docker's words is refused now, and not by the job.
        tar.image(&image, Some(Family::Docker))?;
        scripts.push(("heroku", "Releases", "skopeo sha256sum curl", HEROKU));
    }
    if region.is_some() {
        scripts.push(("cloud-run", "Runs", "gcloud", CLOUD_RUN));
    }
    let processes = match options.all("process") {
        [] => "web".to_owned(),
        all if all.iter().all(|process| is_word(process)) => all.join(" "),
        _ => return Err(usage("--process is malformed".to_owned())),
    };
    let digest = image.digest.map(|digest| format!("sha256:{digest}"));
    let config = config.map(|digest| format!("sha256:{digest}"));
    let values = [
        ("@NAME@", full_name(&image)),
        ("@DIGEST@", digest.unwrap_or_default()),
        ("@CONFIG@", config.unwrap_or_default()),
        ("@TAR@", file.to_owned()),
        ("@APP@", app.unwrap_or_default().to_owned()),
        ("@PROCESSES@", processes),
        ("@REGION@", region.unwrap_or_default().to_owned()),
        (
            "@PROJECT@",
            options.word("project")?.unwrap_or_default().to_owned(),
        ),
    ];
    if options.is_dry {
        let mut names = scripts.iter().map(|script| script.0);
        return names.try_for_each(|name| written(writeln!(out, "{directory}/deploy.{name}.sh")));
    }
    let failed = |error: std::io::Error| Failure::failed("write", directory, error);
    write(
        Path::new(directory),
        Path::new(path),
        file,
        &scripts,
        &values,
    )
    .map_err(failed)?;
    written(writeln!(out, "{directory}"))
}

/// Beside it, then by its name: an empty directory gives way, any other does not.
fn write(
    directory: &Path,
    tar: &Path,
    file: &str,
    scripts: &[Script],
    values: &[(&str, String)],
) -> std::io::Result<()> {
    let parent = directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let room = tempfile::tempdir_in(parent.unwrap_or(Path::new(".")))?;
    let whole = room.path().join("scripts");
    fs::create_dir(&whole)?;
    fs::copy(tar, whole.join(file))?;
    let copied = Digest::of_reader(&mut fs::File::open(whole.join(file))?)?.0;
    let mut manifest = format!("{copied}  {file}\n");
    for (target, title, tools, text) in scripts {
        let name = format!("deploy.{target}.sh");
        let title = format!("{title} @NAME@@@DIGEST@");
        let image = if tools.contains("skopeo") { IMAGE } else { "" };
        let mut script = format!("{HEAD}{image}{text}").replace("@TITLE@", &title);
        script = script.replace("@TOOLS@", tools).replace("@TARGET@", target);
        for (place, value) in values {
            script = script.replace(place, value);
        }
        manifest.push_str(&format!("{}  {name}\n", Digest::of(script.as_bytes())));
        fs::write(whole.join(&name), script)?;
        executable(&whole.join(&name))?;
    }
    fs::write(whole.join("MANIFEST"), manifest)?;
    fs::rename(whole, directory)
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

fn registry(image: &Reference) -> Script {
    let host = host_and_port(&image.name.registry).map(|(host, _)| host);
    let host = host.unwrap_or_default();
    let target = match &*host {
        "ghcr.io" => Target::Ghcr.name(),
        "registry-1.docker.io" => Target::DockerHub.name(),
        host if host.ends_with("-docker.pkg.dev") => Target::ArtifactRegistry.name(),
        _ => "registry",
    };
    (
        target,
        "Pushes, and names as is typed ([TAG]…),",
        "skopeo sha256sum",
        REGISTRY,
    )
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
