//! Fetch: a mount's source becomes a `SourceTree`, wherever it is.

use std::path::{Component, Path, PathBuf};

use super::archive::{self, Unpacked};
use super::error::Error;
use super::read;
use super::source::{Content, SourceFile, SourceTree, is_hidden};
use crate::digest::Digest;

/// Where the files of a mount come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory, or an archive if its name ends like one's.
    Path(PathBuf),
    /// An archive to download: `https://…`, or `http://…` of a loopback host.
    Url {
        /// Where it is.
        url: String,
        /// What it must be.
        sha256: Digest,
    },
    /// A data image: `oci://REGISTRY/REPOSITORY[:TAG]@sha256:…`.
    Image {
        /// Its name and digest.
        reference: String,
    },
}

impl Source {
    /// Reads a source as it is written in `chapbook.toml`, with the digest beside it.
    ///
    /// # Errors
    /// A remote one without a digest, a local one with one, or a digest that is none.
    pub fn parse(text: &str, sha256: Option<&str>) -> Result<Source, Error> {
        let failed = |cause: &str| Error::new("use the source", text, cause);
        let digest = sha256.map(|hex| {
            Digest::from_hex(hex).ok_or_else(|| failed("its sha256 is not 64 hexadecimal digits"))
        });
        let digest = digest.transpose()?;
        if text.starts_with("oci://") {
            return match digest {
                None => Ok(Source::Image {
                    reference: text.to_owned(),
                }),
                Some(_) => Err(failed("an image states its digest itself: …@sha256:…")),
            };
        }
        if text.contains("://") {
            let sha256 = digest.ok_or_else(|| {
                failed("a remote source needs its sha256, so that it is the same tomorrow")
            })?;
            let url = text.to_owned();
            return Ok(Source::Url { url, sha256 });
        }
        match digest {
            None => Ok(Source::Path(PathBuf::from(text))),
            Some(_) => Err(failed("only a remote source has a sha256")),
        }
    }

    /// What it is called in messages.
    fn name(&self) -> PathBuf {
        match self {
            Source::Path(path) => path.clone(),
            Source::Url { url, .. } => PathBuf::from(without_query(url)),
            Source::Image { reference } => PathBuf::from(reference),
        }
    }
}

/// A source that was opened, and what is known of where it came from.
pub(crate) struct Opened {
    pub(crate) tree: SourceTree,
    /// `directory`, `archive`, a URL without its query, or the reference of an image.
    pub(crate) from: String,
    /// Of the archive or image; a directory's is that of its files, which are not read yet.
    pub(crate) digest: Option<String>,
}

/// Directories to work in, as far as there are any.
#[derive(Clone, Copy)]
pub(crate) struct Rooms<'a> {
    /// Keeps what was downloaded.
    #[cfg_attr(not(feature = "fetch"), expect(dead_code, reason = "nothing is"))]
    pub(crate) downloads: Option<&'a Path>,
    /// For temporary files, in place of the usual directory.
    pub(crate) scratch: Option<&'a Path>,
}

/// Opens a source. `root`: the directory in it that counts.
pub(crate) fn open(
    source: &Source,
    root: Option<&str>,
    skips_hidden: bool,
    rooms: Rooms<'_>,
) -> Result<Opened, Error> {
    let root = root.map(names).transpose()?.unwrap_or_default();
    let (unpacked, archive, from, digest) = match source {
        Source::Path(path) => match archive::kind(&path.to_string_lossy()) {
            Some(kind) if !path.is_dir() => {
                let digest = digest_of(path)?.hex();
                let unpacked = archive::unpack(path, kind, rooms.scratch)?;
                (unpacked, Some(path.clone()), "archive".to_owned(), digest)
            }
            Some(_) | None => {
                let path = match &*root {
                    "" => path.clone(),
                    root => path.join(root),
                };
                return Ok(Opened {
                    tree: read::read(&path, skips_hidden)?,
                    from: "directory".to_owned(),
                    digest: None,
                });
            }
        },
        Source::Url { url, sha256 } => {
            let file = download(url, *sha256, rooms)?;
            let kind = archive::kind(url).ok_or_else(|| {
                let cause = "its name does not end in .tar, .tar.gz, .tar.zst or .zip";
                Error::new("unpack", without_query(url), cause)
            })?;
            let unpacked = archive::unpack(&file, kind, rooms.scratch)?;
            (unpacked, None, without_query(url).to_owned(), sha256.hex())
        }
        Source::Image { reference } => {
            let unpacked = image(reference, rooms)?;
            let digest = reference.rsplit(':').next().unwrap_or_default();
            (unpacked, None, reference.clone(), digest.to_owned())
        }
    };
    let name = source.name();
    let mut tree = tree(unpacked, &name, &root, skips_hidden)?;
    tree.inputs.extend(archive);
    Ok(Opened {
        tree,
        from,
        digest: Some(digest),
    })
}

/// A root as names with `/` between: it leads nowhere but down.
fn names(root: &str) -> Result<String, Error> {
    let mut names = Vec::new();
    for component in Path::new(root.trim_matches('/')).components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(Error::new(
                    "use the root",
                    root,
                    "it leads out of the source",
                ));
            }
        }
    }
    Ok(names.join("/"))
}

/// The files of an archive below `root`, as a directory would have them.
fn tree(
    unpacked: Unpacked,
    name: &Path,
    root: &str,
    skips_hidden: bool,
) -> Result<SourceTree, Error> {
    let root = match root {
        "" => String::new(),
        root => format!("{root}/"),
    };
    let mut tree = SourceTree {
        modified: unpacked.modified,
        ..SourceTree::default()
    };
    for (whole, slice) in unpacked.files {
        let Some(path) = whole.strip_prefix(&root) else {
            continue;
        };
        if let Some(hidden) = hidden(path).filter(|_| skips_hidden) {
            let hidden = name.join(format!("{root}{hidden}"));
            // What is below one directory stands together.
            if tree.left_out.last() != Some(&hidden) {
                tree.left_out.push(hidden);
            }
            continue;
        }
        let origin = name.join(&whole);
        tree.files.push(SourceFile {
            path: path.to_owned(),
            origin,
            content: Content::Slice(slice),
        });
    }
    if tree.files.is_empty() {
        let cause = match &*root {
            "" => "there are no files in it".to_owned(),
            root => format!("there are no files below `{root}` in it"),
        };
        return Err(Error::new("read", name.display(), cause));
    }
    Ok(tree)
}

/// A path up to its first hidden name, if there is one.
fn hidden(path: &str) -> Option<&str> {
    let mut start = 0;
    for name in path.split('/') {
        let end = start + name.len();
        if is_hidden(name) {
            return path.get(..end);
        }
        start = end + 1;
    }
    None
}

fn digest_of(file: &Path) -> Result<Digest, Error> {
    let failed = |e| Error::new("read", file.display(), e);
    let mut file = std::fs::File::open(file).map_err(failed)?;
    Ok(Digest::of_reader(&mut file).map_err(failed)?.0)
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

#[cfg(feature = "fetch")]
use fetched::{download, image};

#[cfg(feature = "fetch")]
mod fetched {
    use std::path::{Path, PathBuf};

    use super::super::archive::Kind;
    use super::super::fetch;
    use super::{Digest, Error, Rooms, Unpacked, archive, without_query};

    pub(super) fn download(url: &str, sha256: Digest, rooms: Rooms<'_>) -> Result<PathBuf, Error> {
        fetch::file(url, sha256, place(without_query(url), rooms)?)
    }

    pub(super) fn image(reference: &str, rooms: Rooms<'_>) -> Result<Unpacked, Error> {
        let image = fetch::image(reference, place(reference, rooms)?)?;
        let layers: Vec<(PathBuf, Kind)> = image
            .layers
            .into_iter()
            .map(|layer| (layer.file, layer.kind))
            .collect();
        let unpacked = archive::unpack_layers(&layers, rooms.scratch)
            .map_err(|e| Error::new("unpack the image", reference, e))?;
        Ok(Unpacked {
            modified: unpacked.modified.or(image.created),
            ..unpacked
        })
    }

    fn place<'a>(source: &str, rooms: Rooms<'a>) -> Result<&'a Path, Error> {
        let cause = "there is no directory to keep it in; name one with --cache";
        rooms
            .downloads
            .ok_or_else(|| Error::new("fetch", source, cause))
    }
}

/// What stands in for fetching where it is not built in.
#[cfg(not(feature = "fetch"))]
fn download(url: &str, _sha256: Digest, _rooms: Rooms<'_>) -> Result<PathBuf, Error> {
    Err(not_built(without_query(url)))
}

#[cfg(not(feature = "fetch"))]
fn image(reference: &str, _rooms: Rooms<'_>) -> Result<Unpacked, Error> {
    Err(not_built(reference))
}

#[cfg(not(feature = "fetch"))]
fn not_built(source: &str) -> Error {
    let cause = "remote sources need the feature `fetch`: cargo build --features fetch";
    Error::new("fetch", source, cause)
}

#[cfg(test)]
mod tests {
    use super::{Source, hidden, names};

    #[test]
    fn a_root_leads_down() {
        for (root, expected) in [
            ("", Some("")),
            ("/", Some("")),
            (".", Some("")),
            ("a", Some("a")),
            ("/a/b/", Some("a/b")),
            ("./a/./b", Some("a/b")),
            ("..", None),
            ("a/../b", None),
            ("/../etc", None),
        ] {
            let found = names(root);
            match expected {
                Some(expected) => assert_eq!(found.unwrap(), expected, "{root}"),
                None => assert!(found.unwrap_err().to_string().contains("leads out")),
            }
        }
    }

    #[test]
    fn hidden_names_are_found_at_any_depth() {
        for (path, expected) in [
            ("a/b.html", None),
            (".well-known/security.txt", None),
            (".git/config", Some(".git")),
            ("a/.b/.c", Some("a/.b")),
            (".well-known/.x", Some(".well-known/.x")),
            (".htaccess", Some(".htaccess")),
        ] {
            assert_eq!(hidden(path), expected, "{path}");
        }
    }

    #[test]
    fn a_remote_source_has_a_digest_and_a_local_one_has_none() {
        let hex = "00".repeat(32);
        for (text, sha256, message) in [
            ("public", None, None),
            ("site.tar.gz", None, None),
            ("https://a.example/site.zip", Some(&*hex), None),
            ("oci://a.example/b@sha256:0", None, None),
            ("public", Some(&*hex), Some("only a remote source")),
            ("https://a.example/site.zip", None, Some("needs its sha256")),
            (
                "https://a.example/s.zip",
                Some("00"),
                Some("64 hexadecimal"),
            ),
            ("oci://a.example/b", Some(&*hex), Some("states its digest")),
        ] {
            let found = Source::parse(text, sha256);
            match (message, found) {
                (None, found) => assert!(found.is_ok(), "{text}: {found:?}"),
                (Some(message), found) => {
                    let found = found.unwrap_err().to_string();
                    assert!(found.contains(message), "{text}: {found}");
                }
            }
        }
    }
}
