//! `ghcr`, `dockerhub`, `artifact-registry`: the image is there, and has its tags.
//!
//! What differs is the host, and for Google's where the password comes from. A file is pushed if
//! one is given; without one the image has to be there. § Where tags are immutable, one that means
//! another image stays; that is told, and the image is there by its digest all the same.

use std::io::{Read, Write};

use remote::{Deadline, Near, host_and_port, is_tag, near};

use super::programs::Programs;
use super::{Options, Target, VERB, source, usage};
use crate::credentials::Given;
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::reference::Reference;
use crate::repository::{Action, Repository};
use crate::{World, written};

/// § Google's user for tokens (Artifact Registry, "Access token").
const GOOGLE_USER: &str = "oauth2accesstoken";

pub(super) fn run(
    world: &World<'_>,
    target: Target,
    image: &Reference,
    options: &Options,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    check_host(target, image)?;
    let tags = options.all("tag");
    if let Some(tag) = tags.iter().find(|tag| !is_tag(tag)) {
        return Err(Failure::unusable(VERB, tag, "the tag is malformed"));
    }
    let tar = options.value("tar").map(source::Tar::open).transpose()?;
    let file = tar.as_ref().map(|tar| tar.image(image, None)).transpose()?;
    if options.is_dry {
        return dry(target, image, tags, file.as_ref(), out);
    }
    let failed = |cause: String| Failure::failed(VERB, &image.typed, cause);
    let given = match (options.given(world, stdin)?, target) {
        (None, Target::ArtifactRegistry) => Some(google(world, out).map_err(failed)?),
        (given, _) => given,
    };
    let until = Deadline::after(world.limits.whole);
    let name = image.name.clone();
    let repository = Repository::open(world, given.as_ref(), name, Action::Push(&[]), until);
    let repository = repository.map_err(failed)?;
    if let Some(file) = &file {
        source::send(&repository, file).map_err(failed)?;
        for manifest in &file.manifests {
            let put = repository.put(&format!("sha256:{}", manifest.digest), manifest);
            put.map_err(failed)?;
        }
    }
    let place = image.digest.map(|digest| format!("sha256:{digest}"));
    let root = repository.manifest(&place.unwrap_or_default(), image.digest);
    let root = root.map_err(|cause| match &file {
        Some(_) => failed(cause),
        None => failed(format!("{cause} (--tar FILE pushes it)")),
    })?;
    for tag in tags {
        name_it(&repository, tag, &root)
            .map_err(|cause| failed(format!("tag `{tag}`: {cause}")))?;
    }
    Ok(())
}

/// A typing error should not send an image, and a password, to another registry. Those on loopback
/// are somebody's own.
fn check_host(target: Target, image: &Reference) -> Result<(), Failure> {
    let registry = &*image.name.registry;
    let (host, port) = host_and_port(registry).unwrap_or_default();
    // Another port is another's.
    if is_at(target, &host) && (port.is_none() || near(&host) == Some(Near::Loopback)) {
        return Ok(());
    }
    // § Docker's registry has another name among people.
    let wanted = match host_of(target) {
        "registry-1.docker.io" => "docker.io",
        wanted => wanted,
    };
    let (target, typed) = (target.name(), remote::shorten(&image.typed));
    Err(usage(format!(
        "{target} is at …{wanted}, and `{typed}` is not"
    )))
}

/// Whether a host is the target's.
fn is_at(target: Target, host: &str) -> bool {
    let is_it = match target == Target::ArtifactRegistry {
        true => host.ends_with(host_of(target)),
        false => host == host_of(target),
    };
    is_it || near(host) == Some(Near::Loopback)
}

fn host_of(target: Target) -> &'static str {
    match (
        target == Target::ArtifactRegistry,
        target == Target::DockerHub,
    ) {
        (true, _) => "-docker.pkg.dev",
        (false, true) => "registry-1.docker.io",
        (false, false) => "ghcr.io",
    }
}

fn google(world: &World<'_>, out: &mut dyn Write) -> Result<Given, String> {
    let programs = Programs::new(world, false, out);
    let password = programs.secret("gcloud", &["auth", "print-access-token"])?;
    let user = GOOGLE_USER.to_owned();
    Ok(Given {
        user,
        password,
        source: "gcloud's token",
    })
}

/// How a registry may say that a tag stays: that it must not, may not, or cannot be moved.
const REFUSALS: [&str; 5] = [
    "answered 400",
    "answered 403",
    "answered 405",
    "answered 409",
    "answered 412",
];

/// A tag that means the image already is left alone.
fn name_it(repository: &Repository<'_>, tag: &str, root: &Manifest) -> Result<(), String> {
    let meaning = repository.meaning(tag)?;
    if meaning == Some(root.digest) {
        return Ok(());
    }
    let put = repository.put(tag, root);
    put.map_err(|cause| match meaning {
        Some(other) if REFUSALS.iter().any(|status| cause.contains(status)) => format!(
            "it means sha256:{other}, and the registry keeps it so: tags may be immutable there. \
             The image is there by its digest: deploy that, or take a new tag ({cause})"
        ),
        Some(_) | None => cause,
    })
}

fn dry(
    target: Target,
    image: &Reference,
    tags: &[String],
    file: Option<&crate::layout::Image<'_>>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if target == Target::ArtifactRegistry {
        let line = "$ gcloud auth print-access-token | (the password of oauth2accesstoken)";
        written(writeln!(out, "{line}, unless there is a user"))?;
    }
    let base = image.name.address("");
    let base = base.map_err(|cause| Failure::unusable(VERB, &image.typed, cause))?;
    let base = base.to_string();
    let base = base.trim_end_matches('/');
    let own = [image.place()];
    for line in file
        .map(|file| source::requests(base, file, &own))
        .unwrap_or_default()
    {
        written(writeln!(out, "{line}"))?;
    }
    written(writeln!(out, "GET {base}/manifests/{}", image.place()))?;
    for tag in tags {
        written(writeln!(out, "HEAD {base}/manifests/{tag}"))?;
        let line = format!("PUT {base}/manifests/{tag}, the same bytes, unless it means them");
        written(writeln!(out, "{line}"))?;
    }
    Ok(())
}
