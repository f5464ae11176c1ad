//! Data images: from a reference to files.
//!
//! An index leads to a manifest, a manifest to layers, each by digest and size: nothing is used
//! before both were checked. Manifests are kept in the cache too, so that an image that was
//! fetched once is had again without a network.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::cache::{Cache, Wanted};
use super::client::{Answer, Client, Request};
use super::manifest::{self, Blob, Document, LayerBlob, Manifest};
use super::platform::Platform;
use super::reference::Reference;
use super::{Image, Layer, Settings, token};
use crate::digest::Digest;

/// One image of one registry.
struct Session<'a> {
    client: Client<'a>,
    cache: Cache<'a>,
    reference: Reference,
    /// The value of `Authorization`, once the registry has asked for it.
    authorization: RefCell<Option<String>>,
}

/// The two rooms of a registry.
#[derive(Clone, Copy)]
enum Room {
    Manifests,
    Blobs,
}

/// Fetches an image.
pub(super) fn image(text: &str, cache: &Path, settings: Settings<'_>) -> Result<Image, String> {
    let session = Session {
        reference: Reference::parse(text)?,
        client: Client::new(settings)?,
        cache: Cache(cache),
        authorization: RefCell::new(None),
    };
    let manifest = session.manifest()?;
    let mut created = None;
    if let Some(Blob { digest, bytes }) = manifest.configuration {
        let text = session.document(Room::Blobs, digest, Some(bytes))?;
        let found = manifest::created(&text);
        created = found.map_err(|cause| session.named(Room::Blobs, digest, cause))?;
    }
    let mut layers = Vec::new();
    for LayerBlob { blob, kind } in manifest.layers {
        let wanted = Wanted {
            digest: blob.digest,
            bytes: Some(blob.bytes),
            bytes_max: settings.limits.content_bytes,
        };
        let file = session.obtain(Room::Blobs, wanted)?;
        layers.push(Layer { file, kind });
    }
    let created = created.or(manifest.created);
    Ok(Image { layers, created })
}

impl Session<'_> {
    /// The manifest, through an index if there is one.
    fn manifest(&self) -> Result<Manifest, String> {
        let digest = self.reference.digest;
        let refused = |digest, cause| self.named(Room::Manifests, digest, cause);
        let manifest = match self.parsed(digest, None)? {
            Document::Manifest(manifest) => manifest,
            Document::Index(candidates) => {
                let target = Platform::target(self.client.settings().env);
                let chosen = manifest::choose(&candidates, &target);
                let Blob { digest, bytes } = chosen.map_err(|cause| refused(digest, cause))?;
                match self.parsed(digest, Some(bytes))? {
                    Document::Manifest(manifest) => manifest,
                    Document::Index(_) => {
                        return Err(refused(digest, "it is an index in an index".to_owned()));
                    }
                }
            }
        };
        let sizes = manifest.layers.iter().map(|layer| layer.blob.bytes);
        let total = sizes.fold(0, u64::saturating_add);
        let most = self.client.settings().limits.content_bytes;
        if total > most {
            let cause = format!("its layers have {total} bytes, over {most}");
            return Err(refused(digest, cause));
        }
        Ok(manifest)
    }

    fn parsed(&self, digest: Digest, bytes: Option<u64>) -> Result<Document, String> {
        let text = self.document(Room::Manifests, digest, bytes)?;
        manifest::parse(&text).map_err(|cause| self.named(Room::Manifests, digest, cause))
    }

    /// The bytes of a manifest or a configuration.
    fn document(&self, room: Room, digest: Digest, bytes: Option<u64>) -> Result<Vec<u8>, String> {
        let bytes_max = self.client.settings().limits.manifest_bytes;
        if let Some(bytes) = bytes.filter(|bytes| *bytes > bytes_max) {
            let cause = format!("it has {bytes} bytes, over {bytes_max}");
            return Err(self.named(room, digest, cause));
        }
        let file = self.obtain(
            room,
            Wanted {
                digest,
                bytes,
                bytes_max,
            },
        )?;
        fs::read(&file).map_err(|e| format!("cannot read `{}`: {e}", file.display()))
    }

    fn obtain(&self, room: Room, wanted: Wanted) -> Result<PathBuf, String> {
        self.cache
            .obtain(wanted, &self.client, || self.get(room, wanted.digest))
    }

    /// Asks the registry, with a token if it wants one: a second one when the first has expired.
    fn get(&self, room: Room, digest: Digest) -> Result<Answer, String> {
        let address = self.reference.address(room.name(), digest)?;
        let until = self.client.deadline();
        let held = self.authorization.borrow().clone();
        let ask = |authorization: Option<&str>| {
            let (address, accept) = (&address, room.accept());
            self.client.get(
                Request {
                    address,
                    accept,
                    authorization,
                },
                until,
            )
        };
        let answer = ask(held.as_deref())?;
        if !answer.is_unauthorized {
            return Ok(answer);
        }
        if !answer.address.has_origin_of(&address) {
            return Err(format!(
                "`{}`: it answered 401 Unauthorized",
                answer.address
            ));
        }
        let fresh = token::authorization(&self.client, &self.reference, &answer.fields, until)?;
        let answer = ask(Some(&fresh))?;
        *self.authorization.borrow_mut() = Some(fresh);
        if answer.is_unauthorized {
            let cause = "it answered 401 Unauthorized, though it was shown what it had asked for";
            return Err(self.named(room, digest, cause));
        }
        Ok(answer)
    }

    fn named(&self, room: Room, digest: Digest, cause: impl fmt::Display) -> String {
        match self.reference.address(room.name(), digest) {
            Ok(address) => format!("`{address}`: {cause}"),
            Err(_) => cause.to_string(),
        }
    }
}

impl Room {
    fn name(self) -> &'static str {
        match self {
            Room::Manifests => "manifests",
            Room::Blobs => "blobs",
        }
    }

    fn accept(self) -> &'static str {
        match self {
            Room::Manifests => manifest::ACCEPT,
            Room::Blobs => "*/*",
        }
    }
}
