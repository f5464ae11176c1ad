//! `index`: one name for images of several platforms, which a registry has already.
//!
//! What an image is for, its configuration says. An index with two images of one platform is
//! refused: engines would take either. Order is that of the platforms, so that the same images give
//! the same index, whoever names them.

use std::io::Write;

use remote::Deadline;
use serde_json::{Map, Value};
use sitepack::Digest;

use crate::cli::Index;
use crate::failure::Failure;
use crate::manifest::{Document, Family, Manifest};
use crate::repository::{Action, Repository};
use crate::{World, written};

const VERB: &str = "index";

/// An image, and the platform that it is for.
struct Entry {
    platform: [Option<String>; 3],
    manifest: Manifest,
}

/// § image-spec, config.md and image-index.md name them alike.
const PARTS: [&str; 3] = ["os", "architecture", "variant"];

/// Puts the index by digest, then under the tag, and prints `NAME@sha256:…`.
pub(crate) fn run(world: &World<'_>, index: &Index, out: &mut dyn Write) -> Result<(), Failure> {
    let reference = &index.reference;
    let failed = |cause| Failure::failed(VERB, &reference.typed, cause);
    let repository = Repository::open(
        world,
        index.given.as_ref(),
        reference.name.clone(),
        Action::Push(&[]),
        Deadline::after(world.limits.whole),
    )
    .map_err(failed)?;
    let entries = index.images.iter().map(|digest| {
        let read = entry(&repository, *digest);
        read.map_err(|cause| failed(format!("image sha256:{digest}: {cause}")))
    });
    let manifest = compose(entries.collect::<Result<Vec<_>, Failure>>()?).map_err(failed)?;
    let place = format!("sha256:{}", manifest.digest);
    repository.put(&place, &manifest).map_err(failed)?;
    if let Some(tag) = &reference.tag {
        let named = |cause| failed(format!("tag `{tag}`: {cause}"));
        if repository.meaning(tag).map_err(named)? != Some(manifest.digest) {
            repository.put(tag, &manifest).map_err(named)?;
        }
    }
    written(writeln!(out, "{}@{place}", reference.typed))
}

fn entry(repository: &Repository<'_>, digest: Digest) -> Result<Entry, String> {
    let manifest = repository.manifest(&format!("sha256:{digest}"), Some(digest))?;
    let Document::Image { config, .. } = &manifest.document else {
        return Err("it is an index itself".to_owned());
    };
    let text = repository.blob(config.digest)?;
    let config: Value =
        serde_json::from_slice(&text).map_err(|_| "its configuration is no JSON")?;
    let platform = PARTS.map(|part| {
        let value = config.get(part).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    });
    match &platform {
        [Some(_), Some(_), _] => Ok(Entry { platform, manifest }),
        _ => Err("its configuration does not say what it is for".to_owned()),
    }
}

fn compose(mut entries: Vec<Entry>) -> Result<Manifest, String> {
    entries.sort_by(|one, other| one.platform.cmp(&other.platform));
    for (one, other) in entries.iter().zip(entries.iter().skip(1)) {
        if one.platform == other.platform {
            let platform: Vec<&str> = one.platform.iter().flatten().map(String::as_str).collect();
            return Err(format!("two images are for {}", platform.join("/")));
        }
    }
    let is_of = |family: Family| {
        let mut all = entries.iter();
        all.all(|entry| entry.manifest.media_type == family.manifest())
    };
    let family = [Family::Oci, Family::Docker]
        .into_iter()
        .find(|family| is_of(*family));
    let family = family.ok_or("the images are of both families: push them with --media-types")?;
    let described: Vec<String> = entries.iter().map(described).collect();
    let media_type = family.index();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{}]}}"#,
        described.join(",")
    );
    Manifest::parse(text.into_bytes(), None)
}

fn described(entry: &Entry) -> String {
    let mut platform = Map::new();
    for (part, value) in PARTS.iter().zip(&entry.platform) {
        if let Some(value) = value {
            platform.insert((*part).to_owned(), value.as_str().into());
        }
    }
    let Manifest {
        media_type,
        bytes,
        digest,
        ..
    } = &entry.manifest;
    format!(
        r#"{{"mediaType":"{media_type}","digest":"sha256:{digest}","size":{},"platform":{}}}"#,
        bytes.len(),
        Value::from(platform)
    )
}
