//! The compiler: from directories to a packed site. Its verbs, in their order, each a file:
//! **read, render, encode, index, write**.
//!
//! The same input gives the same bytes, whatever the machine, the directory's order, the umask,
//! the time zone or the number of threads. Nothing is skipped silently: what cannot go in is an
//! [`Error`] that names it.

#[allow(dead_code, unused_imports, reason = "wired in by the compiler")]
mod check;
mod encode;
mod error;
mod finding;
mod index;
mod poem;
#[allow(dead_code, unused_imports, reason = "wired in by the compiler")]
mod policy;
mod read;
mod render;
#[allow(dead_code, unused_imports, reason = "wired in by the compiler")]
mod resolve;
#[allow(dead_code, unused_imports, reason = "wired in by the compiler")]
mod scan;
mod theme;
mod write;

use std::path::{Path, PathBuf};

pub use self::error::Error;
pub use self::finding::{Finding, FindingKind};
use crate::coding::ContentCoding;
use crate::path::SitePath;

/// Compiles mounts into a packed site.
#[derive(Clone, Debug)]
pub struct Compiler {
    mounts: Vec<Mount>,
    codings: Vec<ContentCoding>,
    modified: Option<u64>,
    base_url: Option<String>,
}

/// A path prefix and the source whose pages stand under it.
#[derive(Clone, Debug)]
struct Mount {
    at: String,
    from: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Poems,
    Files,
}

/// A packed site, and what it was made of.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The packed site.
    pub bytes: Vec<u8>,
    /// Every directory and file that was read, sorted: what a build script has to watch.
    pub inputs: Vec<PathBuf>,
    /// Hidden files and directories of sites, which are not in it.
    pub left_out: Vec<PathBuf>,
}

impl Default for Compiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Compiler {
    /// A compiler without mounts, for gzip and br.
    #[must_use]
    pub fn new() -> Compiler {
        let codings = vec![ContentCoding::Gzip, ContentCoding::Brotli];
        Compiler {
            mounts: Vec::new(),
            codings,
            modified: None,
            base_url: None,
        }
    }

    /// Adds a directory of poems, whose pages stand under `at` (such as `/poetry/`), and with it
    /// the pages that a whole site has.
    #[must_use]
    pub fn poems(mut self, at: &str, from: impl AsRef<Path>) -> Compiler {
        self.mounts.push(Mount {
            at: at.to_owned(),
            from: from.as_ref().to_owned(),
            kind: Kind::Poems,
        });
        self
    }

    /// Adds a directory of files, which stand under `at` as they are.
    #[must_use]
    pub fn files(mut self, at: &str, from: impl AsRef<Path>) -> Compiler {
        self.mounts.push(Mount {
            at: at.to_owned(),
            from: from.as_ref().to_owned(),
            kind: Kind::Files,
        });
        self
    }

    /// The content codings to store besides the identity. Without the feature `zstd`, asking for
    /// zstd fails.
    #[must_use]
    pub fn codings(mut self, codings: &[ContentCoding]) -> Compiler {
        self.codings = codings.to_vec();
        self.codings.sort_unstable();
        self.codings.dedup();
        self
    }

    /// The time of the data set in seconds since 1970, for `Last-Modified`. Without it the latest
    /// date that a poem states counts; times of files never do.
    #[must_use]
    pub fn modified(mut self, seconds: Option<u64>) -> Compiler {
        self.modified = seconds;
        self
    }

    /// The scheme and host under which the site will be reached, for the sitemap, which needs
    /// whole URLs: `https://poems.example`.
    #[must_use]
    pub fn base_url(mut self, url: Option<String>) -> Compiler {
        self.base_url = url.map(|url| url.trim_end_matches('/').to_owned());
        self
    }

    /// Compiles.
    ///
    /// # Errors
    /// When a source cannot be read or does not parse, or two pages want one path.
    pub fn compile(&self) -> Result<Compiled, Error> {
        let mut inputs = vec![PathBuf::from(theme::DIRECTORY)];
        let mut pages = Vec::new();
        let mut moved = Vec::new();
        let mut left_out = Vec::new();
        let mut modified = None;
        for mount in &self.mounts {
            let at = mount.at()?;
            let tree = read::read(&mount.from, matches!(mount.kind, Kind::Files))?;
            left_out.extend_from_slice(&tree.left_out);
            inputs.extend_from_slice(&tree.inputs);
            let rendered = match mount.kind {
                Kind::Poems => render::poems(&at, tree, self.base_url.as_deref())?,
                Kind::Files => render::files(&at, tree)?,
            };
            pages.extend(rendered.pages);
            moved.extend(rendered.moved);
            modified = modified.max(rendered.modified);
        }
        let resources = encode::encode(pages, &self.codings)?;
        let modified = self.modified.or(modified);
        if let Some(seconds) = modified.filter(|seconds| *seconds > crate::date::LAST_SECOND) {
            return Err(Error::new(
                "date the site",
                seconds,
                "that is after the year 9999",
            ));
        }
        let index = index::index(resources, moved, modified)?;
        let bytes = write::write(&index)?;
        Ok(Compiled {
            bytes,
            inputs,
            left_out,
        })
    }
}

impl Mount {
    fn at(&self) -> Result<SitePath<'_>, Error> {
        let failed = |cause: &str| Error::new("mount", &self.at, cause);
        let path = SitePath::from_decoded(&*self.at).map_err(|e| failed(&e.to_string()))?;
        if path.as_str().ends_with('/') {
            Ok(path)
        } else {
            Err(failed("it must end with `/`"))
        }
    }
}
