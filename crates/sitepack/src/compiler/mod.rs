//! The compiler: from directories to a packed site. Its verbs, in their order, each a file:
//! **read, render, encode, index, write**.
//!
//! The same input gives the same bytes, whatever the machine, the directory's order, the umask,
//! the time zone or the number of threads. Nothing is skipped silently: what cannot go in is an
//! [`Error`] that names it.

mod archive;
mod cache;
mod check;
mod codec;
mod encode;
mod error;
#[cfg(feature = "fetch")]
mod fetch;
mod files;
mod finding;
mod freshness;
mod headers;
mod index;
mod page;
mod poem;
mod policy;
mod read;
mod redirects;
mod render;
mod resolve;
mod rule_file;
mod scan;
mod source;
mod spool;
mod theme;
mod write;

use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

pub use self::error::Error;
pub use self::finding::{Finding, FindingKind};
use self::page::Page;
use crate::coding::ContentCoding;
use crate::digest::Digest;
use crate::path::SitePath;

/// Compiles mounts into a packed site.
#[derive(Clone, Debug)]
pub struct Compiler {
    mounts: Vec<Mount>,
    codings: Vec<ContentCoding>,
    store: Store,
    cache: Option<PathBuf>,
    modified: Option<u64>,
    base_url: Option<String>,
}

/// What is stored of each file that compresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// The plain content and its codings: nothing is computed while serving.
    #[default]
    All,
    /// The codings; the plain content is decoded for those who want it.
    Coded,
    /// One zstd frame, made with a dictionary of the whole site; plain content and gzip are made
    /// of it. Needs the feature `zstd`, and so does serving it.
    Small,
}

impl Store {
    /// Every one, in the order of their lengths.
    pub const ALL: [Store; 3] = [Store::All, Store::Coded, Store::Small];

    /// The name, as `--store` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Store::All => "all",
            Store::Coded => "coded",
            Store::Small => "small",
        }
    }
}

/// How far the compiler has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files that are coded and written.
    pub files: u64,
    /// All files.
    pub files_all: u64,
    /// Bytes of content in the former.
    pub bytes: u64,
    /// Bytes of content in all files.
    pub bytes_all: u64,
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
    /// The packed site; empty if it was written elsewhere.
    pub bytes: Vec<u8>,
    /// The length of the packed site in bytes.
    pub length: u64,
    /// What [`Site::digest`](crate::Site::digest) will say.
    pub digest: Digest,
    /// How many pages and files are in it.
    pub files: usize,
    /// The length of their contents in bytes.
    pub content_bytes: u64,
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
            store: Store::default(),
            cache: None,
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

    /// What is stored of each file that compresses.
    #[must_use]
    pub fn store(mut self, store: Store) -> Compiler {
        self.store = store;
        self
    }

    /// A directory that keeps what was coded for the next time. One that cannot be made or
    /// written costs time, not the site.
    #[must_use]
    pub fn cache(mut self, directory: Option<PathBuf>) -> Compiler {
        self.cache = directory;
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

    /// Compiles into memory.
    ///
    /// # Errors
    /// When a source cannot be read or does not parse, or two pages want one path.
    pub fn compile(&self) -> Result<Compiled, Error> {
        let mut out = Cursor::new(Vec::new());
        let compiled = self.compile_to(&mut out, &|_| ())?;
        Ok(Compiled {
            bytes: out.into_inner(),
            ..compiled
        })
    }

    /// Compiles to the present position of a file, in memory for a window of the site alone, and
    /// tells how far it has come.
    ///
    /// # Errors
    /// As [`Compiler::compile`], or when the file cannot be written or does not read back.
    pub fn compile_to<W: Read + Write + Seek>(
        &self,
        out: &mut W,
        progress: &dyn Fn(Progress),
    ) -> Result<Compiled, Error> {
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
                Kind::Files => files::files(&at, tree)?,
            };
            pages.extend(rendered.pages);
            moved.extend(rendered.moved);
            modified = modified.max(rendered.modified);
        }
        let modified = self.modified.or(modified);
        if let Some(seconds) = modified.filter(|seconds| *seconds > crate::date::LAST_SECOND) {
            let cause = "that is after the year 9999";
            return Err(Error::new("date the site", seconds, cause));
        }
        let files = pages.len();
        let content_bytes = pages.iter().map(|page| page.content.bytes()).sum();
        let failed = |e| Error::new("write", "the packed site", e);
        let mut contents = write::Contents::begin(out).map_err(failed)?;
        let dictionary = self.dictionary(&pages)?;
        contents.add_dictionary(&dictionary).map_err(failed)?;
        let cache = self.cache.as_deref().and_then(cache::Cache::open);
        let settings = self.settings(&pages, &dictionary, cache.as_ref());
        let resources = encode::encode(pages, &settings, &mut contents, progress)?;
        let index = index::index(resources, moved, modified)?;
        let finished = contents.finish(&index)?;
        if let Some(cache) = cache {
            cache.tidy();
        }
        Ok(Compiled {
            bytes: Vec::new(),
            length: finished.bytes,
            digest: finished.digest,
            files,
            content_bytes,
            inputs,
            left_out,
        })
    }

    fn settings<'a>(
        &'a self,
        pages: &[Page],
        dictionary: &'a [u8],
        cache: Option<&'a cache::Cache>,
    ) -> encode::Settings<'a> {
        let compressible = pages
            .iter()
            .filter(|page| !encode::is_compressed(&page.media_type));
        let bytes = compressible.map(|page| page.content.bytes()).sum();
        encode::Settings {
            store: self.store,
            codings: &self.codings,
            effort: codec::Effort::for_site(bytes),
            cache,
            #[cfg(feature = "zstd")]
            frames: (self.store == Store::Small).then(|| codec::Frames::new(dictionary)),
            dictionary,
        }
    }

    /// What frames are made with: nothing, unless the site is stored small.
    #[cfg(feature = "zstd")]
    fn dictionary(&self, pages: &[Page]) -> Result<Vec<u8>, Error> {
        if self.store == Store::Small {
            encode::dictionary(pages)
        } else {
            Ok(Vec::new())
        }
    }

    #[cfg(not(feature = "zstd"))]
    fn dictionary(&self, _pages: &[Page]) -> Result<Vec<u8>, Error> {
        if self.store == Store::Small {
            let cause = "this program was built without the feature `zstd`";
            return Err(Error::new("store a site", self.store.name(), cause));
        }
        Ok(Vec::new())
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
