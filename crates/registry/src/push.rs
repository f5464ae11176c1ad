//! `push`: an image file to repositories, by digest, and then under tags.
//!
//! The order is that of a promise: blobs, configuration, manifests by digest, in all repositories;
//! tags last. So no tag ever points at what is not all there, and where anything fails no tag
//! appears. What a registry has already is not sent again.

use std::io::Write;
use std::path::Path;

use remote::Deadline;

use crate::archive::Archive;
use crate::cli::Push;
use crate::client::Content;
use crate::failure::Failure;
use crate::layout::{self, Blob, Image};
use crate::manifest::{Family, Manifest};
use crate::progress::Progress;
use crate::reference::Reference;
use crate::repository::{Action, Repository};
use crate::{World, written};

const VERB: &str = "push";

/// A repository, and the tags wanted in it.
struct Target<'a> {
    repository: Repository<'a>,
    typed: String,
    tags: Vec<String>,
}

/// Pushes, and prints `NAME@sha256:…` for each repository.
pub(crate) fn run(world: &World<'_>, push: &Push, out: &mut dyn Write) -> Result<(), Failure> {
    let unusable = |cause| Failure::unusable(VERB, &push.image.display().to_string(), cause);
    let archive = Archive::open(Path::new(&push.image)).map_err(unusable)?;
    let image = layout::read(&archive, push.family).map_err(unusable)?;
    let root = image.manifests.last();
    let root = root.ok_or_else(|| unusable("it holds no image".to_owned()))?;
    let targets = targets(world, push)?;
    for target in &targets {
        let failed = |cause| Failure::failed(VERB, &target.repository.shown(), cause);
        send(world, push, target, &image).map_err(failed)?;
    }
    for target in &targets {
        for tag in &target.tags {
            let failed = |cause| {
                let cause = format!("tag `{tag}`: {cause}");
                Failure::failed(VERB, &target.repository.shown(), cause)
            };
            name(&target.repository, tag, root).map_err(failed)?;
        }
        written(writeln!(out, "{}@sha256:{}", target.typed, root.digest))?;
    }
    Ok(())
}

/// Names of one repository are one target.
fn targets<'a>(world: &'a World<'a>, push: &'a Push) -> Result<Vec<Target<'a>>, Failure> {
    let until = Deadline::after(world.limits.whole);
    let mut targets: Vec<Target<'a>> = Vec::new();
    for reference in &push.names {
        let known = targets
            .iter_mut()
            .find(|target| target.repository.name == reference.name);
        if let Some(target) = known {
            target.tags.extend(reference.tag.clone());
            continue;
        }
        let Reference {
            name, typed, tag, ..
        } = reference.clone();
        let action = Action::Push(&push.mount_from);
        let opened = Repository::open(world, push.given.as_ref(), name, action, until);
        let repository = opened.map_err(|cause| Failure::unusable(VERB, &typed, cause))?;
        targets.push(Target {
            repository,
            typed,
            tags: tag.into_iter().collect(),
        });
    }
    Ok(targets)
}

fn send(
    world: &World<'_>,
    push: &Push,
    target: &Target<'_>,
    image: &Image<'_>,
) -> Result<(), String> {
    let repository = &target.repository;
    let count = image.blobs.len();
    for (number, blob) in (1..).zip(&image.blobs) {
        let bytes = blob.section.bytes;
        let what = format!("{}: {number} of {count}, {bytes} bytes", target.typed);
        let progress = Progress::new(what, bytes, world.is_terminal);
        let sent = place(repository, push, *blob, &progress);
        sent.map_err(|cause| format!("blob sha256:{}: {cause}", blob.digest))?;
    }
    // A registry that knows manifests by their tags alone gets what an index names all the same.
    let by_digest = match (image.manifests.split_last(), push.tags_only) {
        (Some((_, children)), true) => children,
        (_, _) => &image.manifests,
    };
    for manifest in by_digest {
        let digest = format!("sha256:{}", manifest.digest);
        let put = repository.put(&digest, manifest);
        put.map_err(|cause| format!("manifest {digest}: {cause}{}", hint(manifest, &cause)))?;
    }
    Ok(())
}

/// Sees to it that a blob is there.
fn place(
    repository: &Repository<'_>,
    push: &Push,
    blob: Blob<'_>,
    progress: &Progress,
) -> Result<(), String> {
    if repository.has_blob(blob.digest)? {
        return Ok(());
    }
    for from in &push.mount_from {
        if repository.mount(blob.digest, from)? {
            return Ok(());
        }
    }
    let watch = |sent| progress.at(sent);
    repository.upload(blob.digest, Content::Section(blob.section, &watch))
}

/// A tag that means the image already is left alone: where tags are immutable, a second run of the
/// same job is no error.
fn name(repository: &Repository<'_>, tag: &str, root: &Manifest) -> Result<(), String> {
    if repository.meaning(tag)? == Some(root.digest) {
        return Ok(());
    }
    let put = repository.put(tag, root);
    put.map_err(|cause| format!("{cause}{}", hint(root, &cause)))
}

/// § Registries that know Docker's manifests only, such as Heroku's, refuse OCI's with a 4xx.
fn hint(manifest: &Manifest, cause: &str) -> &'static str {
    let refusals = ["answered 400", "answered 405", "answered 415"];
    let is_refusal = refusals.iter().any(|refusal| cause.contains(refusal));
    if is_refusal && manifest.media_type == Family::Oci.manifest() {
        " (it may take Docker's manifests only: --media-types docker)"
    } else {
        ""
    }
}
