//! The image in an image file: an OCI layout, or what `docker save` writes; of a file that is both
//! (as `chapbook image` writes it) the layout, because that has a manifest, and with it a digest.
//!
//! Everything is checked before anything is sent: each blob's digest and length, and that a layer
//! that is not compressed is the one that the configuration names. One image, or one index.

use std::collections::BTreeMap;

use serde_json::Value;
use sitepack::Digest;

use crate::archive::{Archive, Section};
use crate::limits::{LAYERS_MAX, MANIFESTS_MAX};
use crate::manifest::{Descriptor, Document, Family, Manifest, descriptor};

/// What is pushed, in the order in which it is: blobs, then manifests; the last one is the root.
pub(crate) struct Image<'a> {
    pub(crate) blobs: Vec<Blob<'a>>,
    pub(crate) manifests: Vec<Manifest>,
}

/// A layer or a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Blob<'a> {
    pub(crate) digest: Digest,
    pub(crate) section: Section<'a>,
}

/// Reads and checks an image; `family` says in which words it is pushed, None as it is.
pub(crate) fn read(archive: &Archive, family: Option<Family>) -> Result<Image<'_>, String> {
    let mut reader = Reader {
        archive,
        family,
        places: BTreeMap::new(),
        image: Image {
            blobs: Vec::new(),
            manifests: Vec::new(),
        },
    };
    if let Some(index) = archive.document("index.json")? {
        reader.layout(&index)?;
    } else if let Some(saved) = archive.document("manifest.json")? {
        reader.saved(&saved)?;
    } else {
        return Err("it has neither index.json nor manifest.json: it is no image".to_owned());
    }
    Ok(reader.image)
}

struct Reader<'a> {
    archive: &'a Archive,
    family: Option<Family>,
    /// What was found, and checked, of `docker save`; of a layout the names tell.
    places: BTreeMap<Digest, Section<'a>>,
    image: Image<'a>,
}

impl<'a> Reader<'a> {
    fn layout(&mut self, index: &[u8]) -> Result<(), String> {
        let index: Value = serde_json::from_slice(index).map_err(|_| "index.json is not JSON")?;
        let named = index.get("manifests").and_then(Value::as_array);
        let root = match named.map(Vec::as_slice) {
            Some([root]) => descriptor(Some(root))?,
            Some(all) => return Err(format!("it holds {} images, and one is wanted", all.len())),
            None => return Err("index.json names no manifest".to_owned()),
        };
        let root = self.manifest(&root)?;
        if let Document::Index(named) = &root.document {
            if self.family.is_some() {
                return Err("an index is pushed as it is: leave --media-types away".to_owned());
            }
            for child in named.clone() {
                let child = self.manifest(&child)?;
                if matches!(child.document, Document::Index(_)) {
                    return Err("an index in an index".to_owned());
                }
                self.add(child)?;
            }
            self.image.manifests.push(root);
            return Ok(());
        }
        self.add(root)
    }

    /// § Of `docker save`: `[{"Config": PATH, "Layers": [PATH, …]}]`, without media types.
    fn saved(&mut self, saved: &[u8]) -> Result<(), String> {
        let saved: Value =
            serde_json::from_slice(saved).map_err(|_| "manifest.json is not JSON")?;
        let only = match saved.as_array().map(Vec::as_slice) {
            Some([only]) => only,
            Some(all) => return Err(format!("it holds {} images, and one is wanted", all.len())),
            None => return Err("manifest.json is no list".to_owned()),
        };
        let config = only.get("Config").and_then(Value::as_str);
        let config = config.ok_or("manifest.json names no configuration")?;
        let layers = only.get("Layers").and_then(Value::as_array);
        let layers = layers.ok_or("manifest.json names no layers")?;
        if layers.len() > LAYERS_MAX {
            return Err(format!("it has {} layers, over {LAYERS_MAX}", layers.len()));
        }
        let family = self.family.unwrap_or(Family::Docker);
        let config = self.place(config, |_| family.config())?;
        let layers = layers
            .iter()
            .map(|layer| {
                let path = layer.as_str().ok_or("a layer has no name")?;
                self.place(path, |start| media_type(family, start))
            })
            .collect::<Result<Vec<_>, String>>()?;
        if layers.iter().any(|layer| layer.media_type.is_empty()) {
            return Err("a layer is compressed with zstd: say --media-types oci".to_owned());
        }
        self.add(Manifest::compose(family, &config, &layers)?)
    }

    /// A member of `docker save` as a blob.
    fn place(
        &mut self,
        path: &str,
        media_type: impl Fn([u8; 4]) -> &'static str,
    ) -> Result<Descriptor, String> {
        let named = |cause: String| format!("`{path}`: {cause}");
        let section = self.archive.section(path);
        let section = section.ok_or_else(|| named("it is not in the file".to_owned()))?;
        let digest = section.digest().map_err(named)?;
        self.places.insert(digest, section);
        Ok(Descriptor {
            media_type: media_type(section.start().map_err(named)?).to_owned(),
            digest,
            bytes: section.bytes,
            platform: None,
        })
    }

    /// Takes an image in: its layers, its configuration, its manifest.
    fn add(&mut self, manifest: Manifest) -> Result<(), String> {
        let manifest = match self.family {
            None => manifest,
            Some(family) => manifest.in_words_of(family)?,
        };
        if let Document::Image { config, layers } = &manifest.document {
            for wanted in layers.iter().chain([config]) {
                let section = self.section(wanted)?;
                let digest = wanted.digest;
                if self.image.blobs.iter().all(|blob| blob.digest != digest) {
                    self.image.blobs.push(Blob { digest, section });
                }
            }
            let content = self.section(config)?.read()?;
            self.agree(&content, layers)?;
        }
        if self.image.manifests.len() > MANIFESTS_MAX {
            return Err(format!("it holds more than {MANIFESTS_MAX} images"));
        }
        self.image.manifests.push(manifest);
        Ok(())
    }

    /// A layer that is not compressed is the one that the configuration means.
    fn agree(&self, config: &[u8], layers: &[Descriptor]) -> Result<(), String> {
        let config: Value =
            serde_json::from_slice(config).map_err(|_| "its configuration is not JSON")?;
        // Other artefacts than images have none.
        let Some(named) = config.pointer("/rootfs/diff_ids").and_then(Value::as_array) else {
            return Ok(());
        };
        if named.len() != layers.len() {
            let (named, layers) = (named.len(), layers.len());
            return Err(format!(
                "its configuration names {named} layers, and there are {layers}"
            ));
        }
        let plain = [Family::Docker.layers()[0], Family::Oci.layers()[0]];
        for (named, layer) in named.iter().zip(layers) {
            let is_plain = plain.contains(&&*layer.media_type);
            let digest = format!("sha256:{}", layer.digest);
            if is_plain && named.as_str() != Some(&digest) {
                return Err(format!(
                    "the layer {digest} is not the one that its configuration names"
                ));
            }
        }
        Ok(())
    }

    fn manifest(&self, wanted: &Descriptor) -> Result<Manifest, String> {
        let named = |cause| format!("sha256:{}: {cause}", wanted.digest);
        let bytes = self.section(wanted)?.read().map_err(named)?;
        Manifest::parse(bytes, Some(&wanted.media_type)).map_err(named)
    }

    /// Where a blob lies, once its length and digest are found to be right.
    fn section(&self, wanted: &Descriptor) -> Result<Section<'a>, String> {
        if let Some(section) = self.places.get(&wanted.digest) {
            return Ok(*section);
        }
        let digest = wanted.digest;
        let named = |cause: &str| format!("blobs/sha256/{digest}: {cause}");
        let section = self.archive.section(&format!("blobs/sha256/{digest}"));
        let section = section.ok_or_else(|| named("it is not in the file"))?;
        let known = self.image.blobs.iter().any(|blob| blob.digest == digest);
        if section.bytes != wanted.bytes {
            return Err(named("its length is not the one that is named"));
        }
        if !known && section.digest().map_err(|cause| named(&cause))? != digest {
            return Err(named("it is damaged: its digest is another one"));
        }
        Ok(section)
    }
}

/// The media type of a layer by its first bytes; none for what the family has no name for.
fn media_type(family: Family, start: [u8; 4]) -> &'static str {
    let [plain, gzip] = family.layers();
    match (start, family) {
        ([0x1f, 0x8b, ..], _) => gzip,
        ([0x28, 0xb5, 0x2f, 0xfd], Family::Oci) => "application/vnd.oci.image.layer.v1.tar+zstd",
        ([0x28, 0xb5, 0x2f, 0xfd], Family::Docker) => "",
        _ => plain,
    }
}
