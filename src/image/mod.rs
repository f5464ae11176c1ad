//! An executable as a container image: one tar that every tool takes, made without any of them.
//!
//! # What it is
//!
//! ```text
//! blobs/sha256/LAYER      a tar of one file, `chapbook`, coded by gzip: `layer`
//! blobs/sha256/CONFIG     what to run; its digest is the image's ID: `config`
//! blobs/sha256/MANIFEST   names both: `manifest`
//! index.json, oci-layout  OCI's image layout: containerd, podman, skopeo's `oci-archive:`
//! manifest.json           as `docker save` writes it: Docker, skopeo's `docker-archive:`
//! ```
//!
//! # What it promises
//!
//! 1. The same executable, names, labels and time give the same bytes, on every machine: nothing
//!    of its clock, its users, its directories is in them, and JSON is written in one order.
//! 2. Nothing is run, no network is asked, and no file is made but the tar.
//! 3. Memory is bounded, whatever the length of the executable: it is read piece by piece.
//!
//! The layer comes first in the tar. Its digest is its name and its length stands before it; both
//! are known when it is written. In a file its header is written over afterwards; to a pipe the
//! layer is made twice. Both ways give the same bytes.

mod config;
mod deployed;
mod elf;
mod labels;
mod layer;
mod manifest;
mod platform;
mod reference;
mod tar;

use std::io::{self, Read, Seek, SeekFrom, Write};

use serde_json::Value;
use sitepack::Digest;

pub use deployed::Deployed;
pub use elf::Elf;
pub use labels::Labels;
pub use manifest::MediaTypes;
pub use platform::Platform;
pub use reference::Reference;

use layer::Layer;
use manifest::{BLOBS, LAYOUT};
use tar::{BLOCK_BYTES, Kind};

/// The name of the one file in an image.
const FILE: &str = "chapbook";
/// The last moment that the header of a tar can tell, in seconds since 1970: in the year 2242.
pub const LAST_SECOND: u64 = tar::NUMBER_MAX;

/// What an image is, but for its executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name and tag.
    pub reference: Reference,
    /// What it is for.
    pub platform: Platform,
    /// What it says of itself.
    pub labels: Labels,
    /// Whose names its parts have.
    pub media_types: MediaTypes,
    /// When it was made, in seconds since 1970, at most [`LAST_SECOND`].
    pub time: u64,
}

/// The executable that becomes an image.
#[derive(Debug)]
pub struct Executable<'a, F> {
    /// Where it is read.
    pub file: &'a mut F,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The digest of the configuration: the image's ID.
    pub id: Digest,
    /// The digest of the manifest, by which registries know it.
    pub manifest: Digest,
    /// The length of what is pulled: layer, configuration, manifest.
    pub pulled_bytes: u64,
}

impl Image {
    /// Writes it to a file, from its beginning.
    ///
    /// # Errors
    /// When the executable cannot be read, changes meanwhile, or `out` cannot be written.
    pub fn write<F: Read + Seek>(
        &self,
        executable: &mut Executable<'_, F>,
        out: &mut (impl Write + Seek),
    ) -> io::Result<Written> {
        self.write_directories(out)?;
        let place = out.stream_position()?;
        out.write_all(&[0; BLOCK_BYTES as usize])?;
        let layer = layer::write(executable, self.time, &mut *out)?;
        out.seek(SeekFrom::Start(place))?;
        out.write_all(&self.blob_header(layer.digest, layer.bytes)?)?;
        out.seek(SeekFrom::End(0))?;
        self.write_rest(&layer, out)
    }

    /// Writes it to a pipe.
    ///
    /// # Errors
    /// When the executable cannot be read, changes meanwhile, or `out` cannot be written.
    pub fn stream<F: Read + Seek>(
        &self,
        executable: &mut Executable<'_, F>,
        out: &mut impl Write,
    ) -> io::Result<Written> {
        let layer = layer::write(executable, self.time, io::sink())?;
        self.write_directories(out)?;
        out.write_all(&self.blob_header(layer.digest, layer.bytes)?)?;
        if layer::write(executable, self.time, &mut *out)? != layer {
            return Err(io::Error::other("the executable changed meanwhile"));
        }
        self.write_rest(&layer, out)
    }

    fn write_directories(&self, out: &mut impl Write) -> io::Result<()> {
        ["blobs/", BLOBS].into_iter().try_for_each(|name| {
            out.write_all(&tar::header(name, Kind::Directory, 0o755, self.time)?)
        })
    }

    /// All that stands behind the content of the layer.
    fn write_rest(&self, layer: &Layer, out: &mut impl Write) -> io::Result<Written> {
        out.write_all(&tar::padding(layer.bytes))?;
        let config = config::config(self, layer);
        let manifest = manifest::manifest(self, layer, &config);
        let written = Written {
            id: Digest::of(&config),
            manifest: Digest::of(&manifest),
            pulled_bytes: layer.bytes + (config.len() + manifest.len()) as u64,
        };
        for (name, content) in [
            (&*format!("{BLOBS}{}", written.id), &*config),
            (&*format!("{BLOBS}{}", written.manifest), &*manifest),
            ("index.json", &*manifest::index(self, &manifest)),
            ("manifest.json", &*manifest::saved(self, layer, &config)),
            ("oci-layout", LAYOUT),
        ] {
            let bytes = content.len() as u64;
            out.write_all(&self.file_header(name, bytes)?)?;
            out.write_all(content)?;
            out.write_all(&tar::padding(bytes))?;
        }
        out.write_all(&tar::END)?;
        out.flush()?;
        Ok(written)
    }

    fn blob_header(&self, digest: Digest, bytes: u64) -> io::Result<Vec<u8>> {
        self.file_header(&format!("{BLOBS}{digest}"), bytes)
    }

    fn file_header(&self, name: &str, bytes: u64) -> io::Result<Vec<u8>> {
        tar::header(name, Kind::File(bytes), 0o644, self.time)
    }
}

/// JSON without spaces, its keys sorted: also where another crate of the same build has asked
/// serde_json to keep the order in which they came.
fn ordered(mut value: Value) -> Vec<u8> {
    value.sort_all_objects();
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
