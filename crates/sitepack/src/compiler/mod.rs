//! The compiler: from directories to a packed site. Its verbs, in their order, each a file:
//! **read, render, encode, index, write**.
//!
//! The same input gives the same bytes, whatever the machine, the directory's order, the umask,
//! the time zone or the number of threads. Nothing is skipped silently: what cannot go in is an
//! [`Error`] that names it.

#[cfg_attr(
    not(feature = "fetch"),
    allow(dead_code, reason = "only images have layers, and they are fetched")
)]
mod archive;
mod cache;
mod check;
mod codec;
#[cfg(feature = "config")]
mod config;
mod encode;
#[cfg(feature = "config")]
mod environment;
mod error;
#[cfg(feature = "fetch")]
mod fetch;
mod fields;
mod files;
mod finding;
mod freshness;
mod gathered;
mod headers;
mod index;
mod page;
mod part;
mod poem;
mod policy;
mod read;
mod redirects;
mod reload;
mod render;
mod resolve;
mod rule_file;
mod scan;
mod source;
mod sources;
mod spool;
mod survey;
mod theme;
mod write;

use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

#[cfg(feature = "config")]
pub use self::environment::{Lookup, denied};
pub use self::error::Error;
pub use self::finding::{Finding, FindingKind};
use self::gathered::Gathered;
use self::page::Page;
pub use self::part::abandon;
pub use self::sources::Source;
pub use self::survey::Csp;
use self::survey::Survey;
use crate::coding::ContentCoding;
use crate::digest::Digest;
use crate::path::SitePath;

/// Compiles mounts into a packed site.
#[derive(Clone, Debug)]
pub struct Compiler {
    mounts: Vec<Mount>,
    codings: Vec<ContentCoding>,
    store: Store,
    csp: Csp,
    cache: Option<PathBuf>,
    scratch: Option<PathBuf>,
    modified: Option<u64>,
    base_url: Option<String>,
    reloads: bool,
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
pub struct Mount {
    at: String,
    from: Source,
    kind: Kind,
    root: Option<String>,
    skips_hidden: bool,
    style: files::Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Poems,
    Files,
}

impl Mount {
    /// Poems under `at` (such as `/poetry/`), and around them the pages that a whole site has.
    #[must_use]
    pub fn poems(at: &str, from: Source) -> Mount {
        Mount {
            at: at.to_owned(),
            from,
            kind: Kind::Poems,
            root: None,
            skips_hidden: false,
            style: files::Style::default(),
        }
    }

    /// The same without what has a name that begins with a dot, which of poems is an error
    /// otherwise.
    #[must_use]
    pub fn without_hidden(mut self) -> Mount {
        self.skips_hidden = true;
        self
    }

    /// Files under `at` as they are.
    #[must_use]
    pub fn files(at: &str, from: Source) -> Mount {
        Mount {
            kind: Kind::Files,
            skips_hidden: true,
            ..Mount::poems(at, from)
        }
    }

    /// The directory in the source that counts, if not all of it.
    #[must_use]
    pub fn root(mut self, root: Option<String>) -> Mount {
        self.root = root;
        self
    }

    /// Of files: `/a` for `a.html`, and a redirect from there.
    #[must_use]
    pub fn clean_urls(mut self, clean: bool) -> Mount {
        self.style.clean_urls = clean;
        self
    }

    /// Of files: the index page for every path that leads nowhere.
    #[must_use]
    pub fn single_page(mut self, single: bool) -> Mount {
        self.style.single_page = single;
        self
    }

    /// A path prefix as mounts have it, whatever slashes it is written with.
    #[must_use]
    pub fn prefix(written: &str) -> String {
        match written.trim_matches('/') {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        }
    }

    fn path(&self) -> Result<SitePath<'_>, Error> {
        let failed = |cause: &str| Error::new("mount", &self.at, cause);
        let path = SitePath::from_decoded(&*self.at).map_err(|e| failed(&e.to_string()))?;
        if path.as_str().ends_with('/') {
            Ok(path)
        } else {
            Err(failed("it must end with `/`"))
        }
    }
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
    /// What the author should know, sorted by file and line.
    pub findings: Vec<Finding>,
}

/// Where a packed site is written and read back.
trait Place: Read + Write + Seek {}
impl<W: Read + Write + Seek> Place for W {}

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
            csp: Csp::default(),
            cache: None,
            scratch: None,
            modified: None,
            base_url: None,
            reloads: false,
        }
    }

    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Compiler {
        self.mounts.push(mount);
        self
    }

    /// Adds a directory of poems.
    #[must_use]
    pub fn poems(self, at: &str, from: impl AsRef<Path>) -> Compiler {
        self.mount(Mount::poems(at, Source::Path(from.as_ref().to_owned())))
    }

    /// Adds a directory or an archive of files.
    #[must_use]
    pub fn files(self, at: &str, from: impl AsRef<Path>) -> Compiler {
        self.mount(Mount::files(at, Source::Path(from.as_ref().to_owned())))
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

    /// Whether browsers are told what pages of files may do. The poems' pages say it always.
    #[must_use]
    pub fn csp(mut self, csp: Csp) -> Compiler {
        self.csp = csp;
        self
    }

    /// A directory that keeps what was coded and downloaded for the next time. Where it cannot be
    /// made or written, coding costs time; only remote sources must have it.
    #[must_use]
    pub fn cache(mut self, directory: Option<PathBuf>) -> Compiler {
        self.cache = directory;
        self
    }

    /// A directory for temporary files where the usual one is missing. They have no names.
    #[must_use]
    pub fn scratch(mut self, directory: Option<PathBuf>) -> Compiler {
        self.scratch = directory;
        self
    }

    /// The time of the data set in seconds since 1970, for `Last-Modified`. Without it the latest
    /// counts that a poem or a source as a whole states; times of files in a directory never do.
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

    /// Whether pages load a script that reloads them when the site has changed: for a server that
    /// watches its source, and for nobody else.
    #[must_use]
    pub fn reloads(mut self, reloads: bool) -> Compiler {
        self.reloads = reloads;
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
        let mut out: &mut dyn Place = out;
        self.compile_into(&mut out, progress)
    }

    /// Not made for each kind of file anew: that would be seen in the executable's size.
    fn compile_into(
        &self,
        out: &mut &mut dyn Place,
        progress: &dyn Fn(Progress),
    ) -> Result<Compiled, Error> {
        let failed = |e| Error::new("write", "the packed site", e);
        let mut gathered = self.gather()?;
        let mut contents = write::Contents::begin(out).map_err(failed)?;
        let dictionary = self.dictionary(&gathered.pages)?;
        contents.add_dictionary(&dictionary).map_err(failed)?;
        let coded = self.cache.as_deref().map(|cache| cache.join("coded"));
        let cache = coded.as_deref().and_then(cache::Cache::open);
        let settings = self.settings(&gathered, &dictionary, cache.as_ref(), false);
        let placed = encode::encode(&gathered.pages, &settings, Some(&mut contents), progress)?;
        let policies = settings.survey.policies(&gathered.pages, &placed);
        let (pages, rules) = (&gathered.pages, &gathered.rules);
        let script = self
            .reloads
            .then(|| reload::script(pages, &placed, rules, &settings, &mut contents));
        drop(settings);
        gathered.script = script.transpose()?;
        let provenance = gathered.provenance(&placed);
        contents.add_provenance(&provenance).map_err(failed)?;
        let (index, mut compiled) = gathered.index(placed, policies)?;
        let finished = contents.finish(&index)?;
        if let Some(cache) = cache {
            cache.tidy();
        }
        compiled.length = finished.bytes;
        compiled.digest = finished.digest;
        Ok(compiled)
    }

    /// Does all but code and write: for the findings.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn check(&self, progress: &dyn Fn(Progress)) -> Result<Compiled, Error> {
        let mut gathered = self.gather()?;
        let settings = self.settings(&gathered, &[], None, true);
        let contents: Option<&mut write::Contents<'_, &mut dyn Place>> = None;
        let placed = encode::encode(&gathered.pages, &settings, contents, progress)?;
        let policies = settings.survey.policies(&gathered.pages, &placed);
        drop(settings);
        gathered
            .index(placed, policies)
            .map(|(_, compiled)| compiled)
    }

    /// Fetches, reads and renders every mount.
    fn gather(&self) -> Result<Gathered, Error> {
        let mut gathered = Gathered::default();
        let downloads = self.cache.as_deref().map(|cache| cache.join("sources"));
        let rooms = sources::Rooms {
            downloads: downloads.as_deref(),
            scratch: self.scratch.as_deref(),
        };
        for (number, mount) in self.mounts.iter().enumerate() {
            let at = mount.path()?;
            if gathered.mounts.iter().any(|other| *other == at.as_str()) {
                return Err(Error::new("mount", &at, "two mounts have this path"));
            }
            let skips_hidden = mount.skips_hidden;
            let root = mount.root.as_deref();
            let opened = sources::open(&mount.from, root, skips_hidden, rooms)?;
            gathered.add(mount, number, &at, opened, self.base_url.as_deref())?;
        }
        gathered.modified = self.modified.or(gathered.modified);
        match gathered.modified {
            Some(seconds) if seconds > crate::date::LAST_SECOND => {
                let cause = "that is after the year 9999";
                Err(Error::new("date the site", seconds, cause))
            }
            Some(_) | None => Ok(gathered),
        }
    }

    fn settings<'a>(
        &'a self,
        gathered: &'a Gathered,
        dictionary: &'a [u8],
        cache: Option<&'a cache::Cache>,
        only_surveys: bool,
    ) -> encode::Settings<'a> {
        let pages = &gathered.pages;
        let compressible = pages
            .iter()
            .filter(|page| !encode::is_compressed(&page.media_type));
        let bytes = compressible.map(|page| page.content.bytes()).sum();
        let moved = gathered.moved.iter().map(|moved| moved.from.as_str());
        let paths = pages.iter().map(|page| page.path.as_str());
        encode::Settings {
            survey: Survey {
                csp: self.csp,
                mounts: &gathered.mounts,
                known: paths.chain(moved).collect(),
            },
            only_surveys,
            reloads: self.reloads,
            store: self.store,
            codings: &self.codings,
            effort: codec::Effort::for_site(bytes),
            cache,
            #[cfg(feature = "zstd")]
            frames: (self.store == Store::Small)
                .then(|| codec::Frames::new(dictionary.get(Digest::BYTES..).unwrap_or_default())),
            dictionary,
        }
    }

    /// What frames are made with, behind its digest: nothing, unless the site is stored small.
    #[cfg(feature = "zstd")]
    fn dictionary(&self, pages: &[Page]) -> Result<Vec<u8>, Error> {
        if self.store == Store::Small {
            let dictionary = encode::dictionary(pages)?;
            Ok([&Digest::of(&dictionary).0, &*dictionary].concat())
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
