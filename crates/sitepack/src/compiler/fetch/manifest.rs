//! Manifests and indexes, of OCI and of Docker (version 2, schema 2).
//!
//! Bytes come here after their digest was checked, and are hostile all the same: whoever made the
//! image may have made it so. What a document is, it says itself (a registry's Content-Type is
//! not covered by the digest); one that could be read as both is refused.

use remote::shorten;
use serde_json::{Map, Value};

use super::limits::{LAYERS_MAX, MANIFESTS_MAX};
use super::platform::Platform;
use super::reference::parse_digest;
use crate::compiler::archive::Kind;
use crate::compiler::fetch::layer_kind;
use crate::date::{is_meant, parse_rfc3339};
use crate::digest::Digest;

/// What is asked for, the newest kind first.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
const CREATED: &str = "org.opencontainers.image.created";

/// What a digest led to.
#[derive(Debug)]
pub(super) enum Document {
    Index(Vec<Candidate>),
    Manifest(Manifest),
}

/// An image of an index.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) blob: Blob,
    system: String,
    architecture: String,
}

/// One image.
#[derive(Debug)]
pub(super) struct Manifest {
    /// If it is of a kind that can be read: other artefacts have other ones.
    pub(super) configuration: Option<Blob>,
    pub(super) layers: Vec<LayerBlob>,
    /// In seconds since 1970.
    pub(super) created: Option<u64>,
}

/// A layer that is still to be had.
#[derive(Debug)]
pub(super) struct LayerBlob {
    pub(super) blob: Blob,
    pub(super) kind: Kind,
}

/// What a descriptor leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

/// Reads a manifest or an index.
pub(super) fn parse(text: &[u8]) -> Result<Document, String> {
    let json: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON")?;
    let object = json.as_object().ok_or("it is no JSON object")?;
    if object.get("schemaVersion") == Some(&Value::from(1)) || object.contains_key("fsLayers") {
        return Err(
            "it is a manifest of schema 1, which Docker gave up in 2017; push the image again \
             with any newer tool"
                .to_owned(),
        );
    }
    if object.get("schemaVersion") != Some(&Value::from(2)) {
        return Err("it is no manifest: its schemaVersion is not 2".to_owned());
    }
    let said = string(object, "mediaType");
    let is_index = object.contains_key("manifests");
    let is_manifest = object.contains_key("layers");
    let agrees = |known: &[&str]| said.is_none_or(|said| known.contains(&said));
    match (is_index, is_manifest) {
        (true, false) if agrees(&INDEXES) => Ok(Document::Index(candidates(object)?)),
        (false, true) if agrees(&MANIFESTS) => Ok(Document::Manifest(manifest(object)?)),
        (true, true) => Err("it is a manifest and an index at once".to_owned()),
        (true | false, false) | (false, true) => {
            Err("it is neither an image's manifest nor an index of them".to_owned())
        }
    }
}

/// The image to take: the only one, or the target's, or the target's architecture on Linux, since
/// data is the same everywhere, and Linux is what it is usually pushed for.
pub(super) fn choose(candidates: &[Candidate], target: &Platform) -> Result<Blob, String> {
    if let [only] = candidates {
        return Ok(only.blob);
    }
    let with = |system: &str| {
        let mut all = candidates.iter();
        all.find(|one| one.system == system && one.architecture == target.architecture)
    };
    if let Some(found) = with(&target.system).or_else(|| with("linux")) {
        return Ok(found.blob);
    }
    let mut names: Vec<String> = candidates.iter().map(Candidate::name).collect();
    names.dedup();
    let Platform {
        system,
        architecture,
    } = target;
    Err(if names.is_empty() {
        "its index has no image".to_owned()
    } else {
        let names = shorten(&names.join(", "));
        format!("its index has no image for {system}/{architecture}; there are: {names}")
    })
}

/// When an image was made, as its configuration says.
pub(super) fn created(configuration: &[u8]) -> Result<Option<u64>, String> {
    let json: Value = serde_json::from_slice(configuration).map_err(|_| "it is not JSON")?;
    Ok(json.get("created").and_then(Value::as_str).and_then(moment))
}

/// A moment in seconds since 1970, save those that reproducible builds put where there is none.
fn moment(text: &str) -> Option<u64> {
    parse_rfc3339(text).filter(|seconds| is_meant(*seconds))
}

impl Candidate {
    fn name(&self) -> String {
        format!("{}/{}", self.system, self.architecture)
    }
}

fn candidates(index: &Map<String, Value>) -> Result<Vec<Candidate>, String> {
    let mut found = Vec::new();
    for descriptor in list(index, "manifests", MANIFESTS_MAX)? {
        let platform = descriptor.get("platform").and_then(Value::as_object);
        let of = |key| {
            platform
                .and_then(|platform| string(platform, key))
                .unwrap_or("unknown")
        };
        let (system, architecture) = (of("os").to_owned(), of("architecture").to_owned());
        // BuildKit keeps its attestations beside the images, under no platform.
        let is_attestation = platform.is_some() && system == "unknown" && architecture == "unknown";
        let is_image = string(descriptor, "mediaType").is_none_or(|kind| MANIFESTS.contains(&kind));
        if is_image && !is_attestation {
            let blob = blob(descriptor)?;
            found.push(Candidate {
                blob,
                system,
                architecture,
            });
        }
    }
    Ok(found)
}

fn manifest(object: &Map<String, Value>) -> Result<Manifest, String> {
    let configuration = object.get("config").and_then(Value::as_object);
    let kind = configuration.and_then(|descriptor| string(descriptor, "mediaType"));
    let configuration = match configuration {
        Some(descriptor) if kind.is_some_and(|kind| CONFIGURATIONS.contains(&kind)) => {
            Some(blob(descriptor)?)
        }
        Some(_) | None => None,
    };
    let mut layers = Vec::new();
    for descriptor in list(object, "layers", LAYERS_MAX)? {
        let media_type = string(descriptor, "mediaType").unwrap_or_default();
        let kind = layer_kind(media_type).ok_or_else(|| {
            let media_type = shorten(media_type);
            format!("its layer of the media type `{media_type}` is no tar file")
        })?;
        layers.push(LayerBlob {
            blob: blob(descriptor)?,
            kind,
        });
    }
    if layers.is_empty() {
        return Err("it has no layers".to_owned());
    }
    let annotations = object.get("annotations").and_then(Value::as_object);
    let created = annotations
        .and_then(|all| string(all, CREATED))
        .and_then(moment);
    Ok(Manifest {
        configuration,
        layers,
        created,
    })
}

fn list<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    length_max: usize,
) -> Result<Vec<&'a Map<String, Value>>, String> {
    let malformed = || format!("its `{key}` are malformed");
    let all = object
        .get(key)
        .and_then(Value::as_array)
        .ok_or_else(malformed)?;
    if all.len() > length_max {
        return Err(format!("it has {} {key}, over {length_max}", all.len()));
    }
    all.iter()
        .map(|one| one.as_object().ok_or_else(malformed))
        .collect()
}

fn blob(descriptor: &Map<String, Value>) -> Result<Blob, String> {
    let digest = string(descriptor, "digest").ok_or("one of its descriptors has no digest")?;
    let bytes = descriptor.get("size").and_then(Value::as_u64);
    Ok(Blob {
        digest: parse_digest(digest).map_err(|cause| format!("in a descriptor: {cause}"))?,
        bytes: bytes.ok_or("one of its descriptors has no size")?,
    })
}

fn string<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::{Document, Platform, choose, parse};
    use crate::digest::Digest;

    fn descriptor(kind: &str, more: &str) -> String {
        let digest = Digest::of(more.as_bytes());
        format!(r#"{{"mediaType":"{kind}","digest":"sha256:{digest}","size":3{more}}}"#)
    }

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    #[test]
    fn documents_that_are_no_images_are_refused_in_words() {
        let layer = descriptor("application/octet-stream", "");
        let many = vec![descriptor("a.tar", ""); 129].join(",");
        for (text, cause) in [
            ("<html>".to_owned(), "not JSON"),
            ("[]".to_owned(), "no JSON object"),
            (
                r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(),
                "schema 1",
            ),
            ("{}".to_owned(), "schemaVersion"),
            (r#"{"schemaVersion":2}"#.to_owned(), "neither"),
            (
                r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#.to_owned(),
                "at once",
            ),
            (
                format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","manifests":[]}}"#),
                "neither",
            ),
            (r#"{"schemaVersion":2,"layers":{}}"#.to_owned(), "malformed"),
            (
                r#"{"schemaVersion":2,"layers":[1]}"#.to_owned(),
                "malformed",
            ),
            (r#"{"schemaVersion":2,"layers":[]}"#.to_owned(), "no layers"),
            (
                format!(r#"{{"schemaVersion":2,"layers":[{layer}]}}"#),
                "is no tar file",
            ),
            (
                format!(r#"{{"schemaVersion":2,"layers":[{many}]}}"#),
                "over 128",
            ),
            (
                r#"{"schemaVersion":2,"layers":[{"mediaType":"a.tar"}]}"#.to_owned(),
                "no digest",
            ),
            (
                r#"{"schemaVersion":2,"layers":[{"mediaType":"a.tar","digest":"md5:0"}]}"#.into(),
                "its digest is not",
            ),
            ("[".repeat(100_000), "not JSON"),
        ] {
            let found = parse(text.as_bytes()).unwrap_err();
            assert!(found.contains(cause), "{found}");
        }
    }

    #[test]
    fn an_image_is_chosen_by_platform() {
        let image = |platform: &str| {
            let (system, architecture) = platform.split_once('/').unwrap();
            let more =
                format!(r#","platform":{{"os":"{system}","architecture":"{architecture}"}}"#);
            (descriptor(IMAGE, &more), Digest::of(more.as_bytes()))
        };
        for (platforms, system, expected) in [
            (&["linux/s390x"][..], "linux", Ok("linux/s390x")),
            (
                &["linux/s390x", "unknown/unknown"],
                "linux",
                Ok("linux/s390x"),
            ),
            (&["linux/arm64", "linux/amd64"], "linux", Ok("linux/amd64")),
            (
                &["linux/amd64", "windows/amd64"],
                "windows",
                Ok("windows/amd64"),
            ),
            (&["linux/arm64", "linux/amd64"], "darwin", Ok("linux/amd64")),
            (
                &["linux/arm64", "linux/s390x"],
                "linux",
                Err("no image for linux/amd64; there are: linux/arm64, linux/s390x"),
            ),
            (&["unknown/unknown"], "linux", Err("no image")),
            (&[], "linux", Err("no image")),
        ] {
            let all: Vec<String> = platforms.iter().map(|name| image(name).0).collect();
            let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, all.join(","));
            let Document::Index(candidates) = parse(text.as_bytes()).unwrap() else {
                panic!("{text}");
            };
            let target = Platform {
                system: system.to_owned(),
                architecture: "amd64".to_owned(),
            };
            match (choose(&candidates, &target), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.digest, image(expected).1),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{platforms:?}: {found:?}"),
            }
        }
    }
}
