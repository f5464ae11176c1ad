//! `retag`: further tags for what a registry has. Manifests move, layers do not.

use std::io::Write;

use remote::Deadline;

use crate::cli::Retag;
use crate::failure::Failure;
use crate::repository::{Action, Repository};
use crate::{World, written};

const VERB: &str = "retag";

/// Puts the manifest, byte for byte, under each tag, and prints `NAME@sha256:…`.
pub(crate) fn run(world: &World<'_>, retag: &Retag, out: &mut dyn Write) -> Result<(), Failure> {
    let reference = &retag.reference;
    let failed = |cause| Failure::failed(VERB, &reference.typed, cause);
    let repository = Repository::open(
        world,
        retag.given.as_ref(),
        reference.name.clone(),
        Action::Push(&[]),
        Deadline::after(world.limits.whole),
    )
    .map_err(failed)?;
    let manifest = repository.manifest(&reference.place(), reference.digest);
    let manifest = manifest.map_err(failed)?;
    for tag in &retag.tags {
        let named = |cause| failed(format!("tag `{tag}`: {cause}"));
        if repository.meaning(tag).map_err(named)? != Some(manifest.digest) {
            repository.put(tag, &manifest).map_err(named)?;
        }
    }
    written(writeln!(
        out,
        "{}@sha256:{}",
        reference.typed, manifest.digest
    ))
}
