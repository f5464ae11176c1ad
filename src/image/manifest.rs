//! The manifest, which names the configuration and the layer by their digests, and what tools
//! find it by: `index.json` of an OCI layout, and Docker's `manifest.json`.

use serde_json::{Value, json};
use sitepack::Digest;

use super::layer::Layer;
use super::{Image, ordered};

/// Where blobs are.
pub(super) const BLOBS: &str = "blobs/sha256/";
/// The file that says that this is an OCI layout.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Whose names the parts of an image have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaTypes {
    /// Those of OCI's image-spec 1.
    #[default]
    Oci,
    /// Those of Docker's schema 2, which registries take that take no others, as Heroku's.
    Docker,
}

impl MediaTypes {
    /// All of them.
    pub const ALL: [MediaTypes; 2] = [MediaTypes::Oci, MediaTypes::Docker];

    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MediaTypes::Oci => "oci",
            MediaTypes::Docker => "docker",
        }
    }

    fn manifest(self) -> &'static str {
        match self {
            MediaTypes::Oci => "application/vnd.oci.image.manifest.v1+json",
            MediaTypes::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    fn config(self) -> &'static str {
        match self {
            MediaTypes::Oci => "application/vnd.oci.image.config.v1+json",
            MediaTypes::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn layer(self) -> &'static str {
        match self {
            MediaTypes::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            MediaTypes::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// The digest of a blob as manifests write it, its length, and what it is.
fn descriptor(media_type: &str, digest: Digest, bytes: u64) -> Value {
    json!({
        "digest": format!("sha256:{digest}"),
        "mediaType": media_type,
        "size": bytes,
    })
}

/// The manifest as it is stored.
pub(super) fn manifest(image: &Image, layer: &Layer, config: &[u8]) -> Vec<u8> {
    let types = image.media_types;
    let mut manifest = json!({
        "config": descriptor(types.config(), Digest::of(config), config.len() as u64),
        "layers": [descriptor(types.layer(), layer.digest, layer.bytes)],
        "mediaType": types.manifest(),
        "schemaVersion": 2,
    });
    // Docker's schema has no annotations.
    if let (MediaTypes::Oci, Some(object)) = (types, manifest.as_object_mut()) {
        let annotations: Value = image.labels.annotations().collect();
        object.insert("annotations".to_owned(), annotations);
    }
    ordered(manifest)
}

/// `index.json`. One descriptor: podman and skopeo take a layout with several for none. Both
/// names: containerd and podman read the first one, skopeo and umoci the second.
pub(super) fn index(image: &Image, manifest: &[u8]) -> Vec<u8> {
    let media_type = image.media_types.manifest();
    let mut one = descriptor(media_type, Digest::of(manifest), manifest.len() as u64);
    if let Some(object) = one.as_object_mut() {
        let names = json!({
            "io.containerd.image.name": image.reference.to_string(),
            "org.opencontainers.image.ref.name": image.reference.tag(),
        });
        object.insert("annotations".to_owned(), names);
    }
    ordered(json!({
        "manifests": [one],
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "schemaVersion": 2,
    }))
}

/// `manifest.json`, as `docker save` writes it.
pub(super) fn saved(image: &Image, layer: &Layer, config: &[u8]) -> Vec<u8> {
    ordered(json!([{
        "Config": format!("{BLOBS}{}", Digest::of(config)),
        "Layers": [format!("{BLOBS}{}", layer.digest)],
        "RepoTags": [image.reference.short()],
    }]))
}
