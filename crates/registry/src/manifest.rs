//! Manifests and indexes, of OCI and of Docker (version 2, schema 2): what they name, and one
//! family said in the other's words.
//!
//! What a document is, it says itself; where it does not (§ OCI's `mediaType` is optional), whoever
//! handed it over says. One that could be read as both a manifest and an index is refused. Bytes
//! are kept as they are: a digest is one of bytes.

use std::fmt;

use serde_json::{Map, Value};
use sitepack::Digest;

use crate::limits::{LAYERS_MAX, MANIFESTS_MAX};

/// What is asked for, the newest kind first.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// The two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Docker,
    Oci,
}

/// A manifest or an index, and its own description.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) document: Document,
}

/// What it names.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    Image {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
    Index(Vec<Descriptor>),
}

/// What is named.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
    /// `linux/arm/v7`, where an index says so.
    pub(crate) platform: Option<String>,
}

impl Family {
    pub(crate) const fn manifest(self) -> &'static str {
        match self {
            Family::Docker => "application/vnd.docker.distribution.manifest.v2+json",
            Family::Oci => "application/vnd.oci.image.manifest.v1+json",
        }
    }

    pub(crate) const fn index(self) -> &'static str {
        match self {
            Family::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
            Family::Oci => "application/vnd.oci.image.index.v1+json",
        }
    }

    pub(crate) const fn config(self) -> &'static str {
        match self {
            Family::Docker => "application/vnd.docker.container.image.v1+json",
            Family::Oci => "application/vnd.oci.image.config.v1+json",
        }
    }

    /// The media types of a plain layer and of one in gzip.
    pub(crate) const fn layers(self) -> [&'static str; 2] {
        match self {
            Family::Docker => [
                "application/vnd.docker.image.rootfs.diff.tar",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ],
            Family::Oci => [
                "application/vnd.oci.image.layer.v1.tar",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ],
        }
    }

    const fn other(self) -> Family {
        match self {
            Family::Docker => Family::Oci,
            Family::Oci => Family::Docker,
        }
    }
}

impl Manifest {
    /// `said` is the media type that a `Content-Type` or a descriptor gives.
    pub(crate) fn parse(bytes: Vec<u8>, said: Option<&str>) -> Result<Manifest, String> {
        let json: Value = serde_json::from_slice(&bytes).map_err(|_| "it is not JSON")?;
        let json = json.as_object().ok_or("it is no JSON object")?;
        if json.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
            return Err("it is no manifest of schema 2".to_owned());
        }
        let own = json.get("mediaType").and_then(Value::as_str);
        let media_type = own.or(said).unwrap_or_default().to_owned();
        let known = [Family::Oci, Family::Docker];
        let is_manifest = known.iter().any(|family| family.manifest() == media_type);
        let is_index = known.iter().any(|family| family.index() == media_type);
        let document = match (is_manifest, is_index) {
            (true, _) if json.contains_key("manifests") => Err("it is two things at once"),
            (_, true) if json.contains_key("layers") => Err("it is two things at once"),
            (true, _) => Ok(Document::Image {
                config: descriptor(json.get("config"))?,
                layers: descriptors(json.get("layers"), LAYERS_MAX)?,
            }),
            (_, true) => Ok(Document::Index(descriptors(
                json.get("manifests"),
                MANIFESTS_MAX,
            )?)),
            (false, false) => Err("its media type is neither a manifest's nor an index's"),
        }?;
        let digest = Digest::of(&bytes);
        Ok(Manifest {
            media_type,
            bytes,
            digest,
            document,
        })
    }

    /// The same image in the words of `family`. Its configuration and its layers stay the same
    /// bytes, and with them the image's ID.
    ///
    /// § Docker's manifests have no annotations: those of the manifest are lost on that way. What
    /// the other family has no word for is refused: zstd, other artefacts, indexes.
    pub(crate) fn in_words_of(self, family: Family) -> Result<Manifest, String> {
        let Document::Image { config, layers } = &self.document else {
            return Err("an index is pushed as it is: push its images one by one".to_owned());
        };
        if self.media_type == family.manifest() {
            return Ok(self);
        }
        let said = |descriptor: &Descriptor, from: &[&str], to: &[&str]| {
            let mut pairs = from.iter().zip(to);
            let found = pairs.find(|(known, _)| **known == descriptor.media_type);
            let refused = format!("`{}` has no name there", descriptor.media_type);
            found.map(|(_, name)| descriptor.named(name)).ok_or(refused)
        };
        let other = family.other();
        let config = said(config, &[other.config()], &[family.config()])?;
        let layers = layers
            .iter()
            .map(|layer| said(layer, &other.layers(), &family.layers()))
            .collect::<Result<Vec<_>, _>>()?;
        Manifest::compose(family, &config, &layers)
    }

    /// A manifest of these.
    pub(crate) fn compose(
        family: Family,
        config: &Descriptor,
        layers: &[Descriptor],
    ) -> Result<Manifest, String> {
        let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
        let media_type = family.manifest();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[{}]}}"#,
            layers.join(",")
        );
        Manifest::parse(text.into_bytes(), None)
    }
}

impl Descriptor {
    /// The same bytes under another media type.
    pub(crate) fn named(&self, media_type: &str) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            ..self.clone()
        }
    }
}

/// As JSON.
impl fmt::Display for Descriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Descriptor {
            media_type,
            digest,
            bytes,
            ..
        } = self;
        write!(
            formatter,
            r#"{{"mediaType":{},"size":{bytes},"digest":"sha256:{digest}"}}"#,
            Value::from(media_type.as_str())
        )
    }
}

/// `sha256:` and 64 lower-case digits.
pub(crate) fn digest(text: &str) -> Result<Digest, String> {
    let digits = text.strip_prefix("sha256:");
    let found = digits.and_then(Digest::from_hex);
    found
        .filter(|digest| digits == Some(&*digest.hex()))
        .ok_or_else(|| "a digest is not sha256: and 64 lower-case hexadecimal digits".to_owned())
}

fn descriptors(json: Option<&Value>, most: usize) -> Result<Vec<Descriptor>, String> {
    let all = json.and_then(Value::as_array);
    let all = all.ok_or("it names nothing")?;
    if all.len() > most {
        return Err(format!("it names {} things, over {most}", all.len()));
    }
    all.iter().map(|one| descriptor(Some(one))).collect()
}

/// One descriptor.
pub(crate) fn descriptor(json: Option<&Value>) -> Result<Descriptor, String> {
    let json = json.and_then(Value::as_object);
    let json = json.ok_or("a descriptor is missing")?;
    let text = |name| json.get(name).and_then(Value::as_str);
    let bytes = json.get("size").and_then(Value::as_u64);
    Ok(Descriptor {
        media_type: text("mediaType").unwrap_or_default().to_owned(),
        digest: digest(text("digest").unwrap_or_default())?,
        bytes: bytes.ok_or("a descriptor has no size")?,
        platform: json
            .get("platform")
            .and_then(Value::as_object)
            .map(platform),
    })
}

fn platform(json: &Map<String, Value>) -> String {
    let parts = ["os", "architecture", "variant"];
    let parts = parts.map(|part| json.get(part).and_then(Value::as_str));
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    parts.join("/")
}
