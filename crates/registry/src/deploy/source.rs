//! Where the image comes from: a file, or the registry that it is in.
//!
//! Whichever it is, its manifest has the digest that was named, and each blob the one that the
//! manifest names, before anything of it goes anywhere.

use std::fs::File;
use std::path::Path;

use remote::Deadline;
use serde_json::Value;
use sitepack::Digest;

use super::VERB;
use crate::World;
use crate::archive::{Archive, Section};
use crate::client::Content;
use crate::credentials::Given;
use crate::failure::Failure;
use crate::layout::{self, Blob, Image};
use crate::manifest::{Document, Family, Manifest};
use crate::reference::Reference;
use crate::repository::{Action, Repository};

/// An image in a registry is copied through files; nobody's layers are longer than this (8 GiB).
const LAYER_BYTES_MAX: u64 = 8 << 30;

/// An image file, open.
pub(super) struct Tar {
    archive: Archive,
    shown: String,
}

/// Blobs that a registry gave.
pub(super) struct Pulled {
    manifest: Manifest,
    blobs: Vec<(Digest, u64, File)>,
}

impl Tar {
    pub(super) fn open(path: &str) -> Result<Tar, Failure> {
        let archive = Archive::open(Path::new(path));
        let archive = archive.map_err(|cause| Failure::unusable(VERB, path, cause))?;
        let shown = path.to_owned();
        Ok(Tar { archive, shown })
    }

    /// Whether it has a manifest of its own, which what `docker save` writes has not.
    pub(super) fn is_layout(&self) -> bool {
        self.archive.section("index.json").is_some()
    }

    /// The image, which is the one that was named, in the words of `family`.
    pub(super) fn image(
        &self,
        image: &Reference,
        family: Option<Family>,
    ) -> Result<Image<'_>, Failure> {
        let unusable = |cause| Failure::unusable(VERB, &self.shown, cause);
        let found = layout::read(&self.archive, None).map_err(unusable)?;
        let digest = found.manifests.last().map(|root| root.digest);
        if let (Some(found), Some(wanted)) = (digest, image.digest)
            && found != wanted
        {
            return Err(unusable(format!(
                "it holds sha256:{found}, and sha256:{wanted} was named"
            )));
        }
        match family {
            None => Ok(found),
            Some(_) => layout::read(&self.archive, family).map_err(unusable),
        }
    }
}

impl Pulled {
    /// Takes an image out of its registry, in the words of `family`, if `check` says yes to its
    /// platform.
    pub(super) fn new(
        world: &World<'_>,
        given: Option<&Given>,
        image: &Reference,
        family: Family,
        check: impl Fn(Result<String, String>) -> Result<(), String>,
    ) -> Result<Pulled, String> {
        let until = Deadline::after(world.limits.whole);
        let repository = Repository::open(world, given, image.name.clone(), Action::Pull, until)?;
        let manifest = repository.manifest(&image.place(), image.digest)?;
        if let Document::Index(images) = &manifest.document {
            let is_amd64 = |platform: &&str| *platform == "linux/amd64";
            let mut images = images.iter();
            let fit = images.find(|one| one.platform.as_deref().filter(is_amd64).is_some());
            let fit = fit.map(|one| format!(": that of linux/amd64 is sha256:{}", one.digest));
            let which = fit.unwrap_or_default();
            return Err(format!("it is an index, and one image is wanted{which}"));
        }
        let manifest = manifest.in_words_of(family)?;
        let mut blobs = Vec::new();
        if let Document::Image { config, layers } = &manifest.document {
            check(platform_of(&repository.blob(config.digest)?))?;
            for wanted in layers.iter().chain([config]) {
                let (digest, bytes) = (wanted.digest, wanted.bytes);
                if blobs.iter().any(|(known, _, _)| *known == digest) {
                    continue;
                }
                if bytes > LAYER_BYTES_MAX {
                    return Err(format!("sha256:{digest} has over {LAYER_BYTES_MAX} bytes"));
                }
                let file = tempfile::tempfile();
                let mut file =
                    file.map_err(|error| format!("failed to make a temporary file: {error}"))?;
                repository.save(digest, bytes, &mut file)?;
                blobs.push((digest, bytes, file));
            }
        }
        Ok(Pulled { manifest, blobs })
    }

    pub(super) fn image(&self) -> Image<'_> {
        let blobs = self.blobs.iter().map(|(digest, bytes, file)| Blob {
            digest: *digest,
            section: Section {
                file,
                offset: 0,
                bytes: *bytes,
            },
        });
        Image {
            blobs: blobs.collect(),
            manifests: vec![self.manifest.clone()],
        }
    }
}

/// Sends the blobs that are missing.
pub(super) fn send(repository: &Repository<'_>, image: &Image<'_>) -> Result<(), String> {
    for blob in &image.blobs {
        let named = |cause| format!("blob sha256:{}: {cause}", blob.digest);
        if !repository.has_blob(blob.digest).map_err(named)? {
            let content = Content::Section(blob.section, &|_| {});
            repository.upload(blob.digest, content).map_err(named)?;
        }
    }
    Ok(())
}

/// The digest of an image's configuration, which is its ID; none for an index.
pub(super) fn config(image: &Image<'_>) -> Option<Digest> {
    match image.manifests.last().map(|root| &root.document) {
        Some(Document::Image { config, .. }) => Some(config.digest),
        Some(Document::Index(_)) | None => None,
    }
}

/// What an image is for: `linux/amd64`.
pub(super) fn platform(image: &Image<'_>) -> Result<String, String> {
    let config = config(image).ok_or("it is an index, and one image is wanted")?;
    let mut blobs = image.blobs.iter();
    let config = blobs.find(|blob| blob.digest == config);
    let config = config.ok_or("it has no configuration")?;
    platform_of(&config.section.read()?)
}

/// § image-spec, config.md: `os` and `architecture`.
fn platform_of(config: &[u8]) -> Result<String, String> {
    let config: Value =
        serde_json::from_slice(config).map_err(|_| "its configuration is not JSON")?;
    let part = |name: &str| {
        config
            .get(name)
            .and_then(Value::as_str)
            .filter(|part| !part.is_empty())
    };
    match (part("os"), part("architecture")) {
        (Some(os), Some(architecture)) => Ok(format!("{os}/{architecture}")),
        (None, _) | (_, None) => Err("its configuration does not say what it is for".to_owned()),
    }
}

/// What `send` and the manifests after it would ask for.
pub(super) fn requests(repository: &str, image: &Image<'_>, places: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for blob in &image.blobs {
        let (digest, bytes) = (blob.digest, blob.section.bytes);
        lines.push(format!("HEAD {repository}/blobs/sha256:{digest}"));
        lines.push(format!(
            "POST {repository}/blobs/uploads/, and PUT {bytes} bytes, unless it is there"
        ));
    }
    let last = image.manifests.len().saturating_sub(1);
    for (number, manifest) in image.manifests.iter().enumerate() {
        let own = [format!("sha256:{}", manifest.digest)];
        let places = if number == last { places } else { &own };
        for place in places {
            let (kind, bytes) = (Value::from(&*manifest.media_type), manifest.bytes.len());
            lines.push(format!(
                "PUT {repository}/manifests/{place} {kind}, {bytes} bytes"
            ));
        }
    }
    lines
}
