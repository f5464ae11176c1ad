//! Fetch: remote sources become files in a cache. The one part of chapbook that asks a network,
//! while it is built, for sources that its author has named together with their SHA-256.
//!
//! What is promised:
//!
//! 1. Nothing is fetched without a digest, and nothing is used that does not have it: not from a
//!    server, and not from the cache, where files are digested again before each use.
//! 2. What is in the cache is not asked for: a second build needs no network.
//! 3. Plain HTTP is for loopback hosts only. No redirect and no token service leads from https to
//!    http, from the Internet into a private network, or from elsewhere to this machine.
//! 4. Credentials go to whom they are for. No message, no path and no file of the cache holds one.
//! 5. Every wait and every length has a bound (`limits`). An answer that says "later" is asked
//!    again twice.
//! 6. It blocks, and it is silent: a failure is one line that names the source, the address that
//!    failed (without its query), and why.
//!
//! From the top: `oci` reads images (`reference`, `manifest`, `platform`, `token`, `credentials`);
//! `cache` keeps what came; `client` asks, with what the crate `remote` knows of addresses, hosts
//! and proxies.

mod cache;
mod client;
mod credentials;
mod limits;
mod manifest;
mod oci;
mod platform;
mod reference;
mod token;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use remote::{Address, Lookup, redacted};

use self::cache::{Cache, Wanted};
use self::client::{Client, Request};
use self::limits::Limits;
use super::archive::Kind;
use super::error::Error;
use crate::digest::Digest;

/// The world, as far as fetching depends on it.
#[derive(Clone, Copy)]
struct Settings<'a> {
    limits: Limits,
    env: Lookup<'a>,
}

/// A data image: its layers, the lowest first.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Layer>,
    /// When it was made, in seconds since 1970: by its configuration, else by an annotation of its
    /// manifest. None where that is the epoch, as reproducible builds have it.
    pub(crate) created: Option<u64>,
}

/// A layer: a tar file, perhaps compressed.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// In the cache; its digest and its size are those of the manifest.
    pub(crate) file: PathBuf,
    /// By its media type. An image with a layer of another form is refused.
    pub(crate) kind: Kind,
}

/// Downloads `https://…` (or `http://…` of a loopback host) into `cache`, where it is named by its
/// digest. Found there, nothing is asked.
pub(crate) fn file(url: &str, sha256: Digest, cache: &Path) -> Result<PathBuf, Error> {
    file_with(url, sha256, cache, process())
}

/// Downloads the layers of `oci://REGISTRY/REPOSITORY[:TAG]@sha256:…` into `cache`. Of an index,
/// the only image, or the one of the platform that is compiled for.
pub(crate) fn image(reference: &str, cache: &Path) -> Result<Image, Error> {
    image_with(reference, cache, process())
}

/// The kind of archive that a layer is, by the end of its media type, which OCI's, Docker's and
/// others' have in common: `application/vnd.oci.image.layer.v1.tar+gzip`,
/// `application/vnd.docker.….tar.gzip`.
fn layer_kind(media_type: &str) -> Option<Kind> {
    let kinds = [
        ("tar", Kind::Tar),
        ("tar+gzip", Kind::TarGzip),
        ("tar.gzip", Kind::TarGzip),
        ("tar+zstd", Kind::TarZstd),
        ("tar.zstd", Kind::TarZstd),
    ];
    let ends = |end: &str| {
        let rest = media_type.strip_suffix(end);
        rest.is_some_and(|rest| rest.ends_with(['.', '/', '-']))
    };
    let mut found = kinds.into_iter().filter(|(end, _)| ends(end));
    found.next().map(|(_, kind)| kind)
}

fn process() -> Settings<'static> {
    Settings {
        limits: Limits::default(),
        env: &|name| std::env::var(name).ok(),
    }
}

fn file_with(
    url: &str,
    digest: Digest,
    cache: &Path,
    settings: Settings<'_>,
) -> Result<PathBuf, Error> {
    download(url, digest, cache, settings).map_err(|cause| failed(url, &cause))
}

fn image_with(reference: &str, cache: &Path, settings: Settings<'_>) -> Result<Image, Error> {
    oci::image(reference, cache, settings).map_err(|cause| failed(reference, &cause))
}

/// Names a source, and once only: causes name the address that failed, which may be the source.
fn failed(source: &str, cause: &str) -> Error {
    let shown = redacted(source);
    let rest = cause.strip_prefix(&format!("`{shown}`: "));
    Error::new("fetch", shown, rest.unwrap_or(cause))
}

fn download(
    url: &str,
    digest: Digest,
    cache: &Path,
    settings: Settings<'_>,
) -> Result<PathBuf, String> {
    let address = &Address::parse(url)?;
    let client = Client::new(settings)?;
    let bytes_max = settings.limits.content_bytes;
    let wanted = Wanted {
        digest,
        bytes: None,
        bytes_max,
    };
    Cache(cache).obtain(wanted, &client, || {
        let request = Request {
            address,
            accept: "*/*",
            authorization: None,
        };
        let answer = client.get(request, client.deadline())?;
        if answer.is_unauthorized {
            let at = &answer.address;
            return Err(format!(
                "`{at}`: it answered 401 Unauthorized, and files have no log-in"
            ));
        }
        Ok(answer)
    })
}
