//! What `pack`, `check` and `serve DIR` have in common: a source becomes a packed site, and a
//! person sees how far it is.

use std::cell::Cell;
use std::io::{self, Cursor, IsTerminal as _, Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sitepack::Site;
use sitepack::compiler::{Compiled, Compiler, Progress};

use crate::cli::{Cache, Failure, SiteOptions};
use crate::log::say;

/// How often a bar moves.
const BAR_MILLISECONDS: u64 = 100;
/// How wide it is, in characters.
const BAR_WIDTH: u64 = 30;

/// A source and how to compile it.
pub(super) struct Source {
    compiler: Compiler,
}

impl Source {
    pub(super) fn of(source: &str, options: &SiteOptions) -> Result<Source, Failure> {
        let compiler = Compiler::new()
            .files("/", source)
            .store(options.store)
            .cache(match &options.cache {
                Cache::Usual => usual_cache(),
                Cache::In(directory) => Some(directory.clone()),
                Cache::Off => None,
            });
        Ok(Source { compiler })
    }
}

/// Where the caches of a user's programs are, if anywhere.
fn usual_cache() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    home.is_absolute().then(|| home.join("chapbook"))
}

/// Compiles to the present position of `out`, with a bar if somebody is there to see it.
pub(super) fn with_progress<W: Read + Write + Seek>(
    source: &Source,
    out: &mut W,
) -> Result<Compiled, Failure> {
    let bar = Bar::new();
    let compiled = source
        .compiler
        .compile_to(out, &|progress| bar.show(progress));
    bar.clear();
    let compiled = compiled.map_err(Failure::unusable)?;
    for hidden in &compiled.left_out {
        say(format_args!(
            "left out, since its name begins with a dot: {}",
            hidden.display()
        ));
    }
    Ok(compiled)
}

/// Compiles into memory, for as long as the program runs.
pub(super) fn in_memory(source: &Source) -> Result<Site<'static>, Failure> {
    let mut out = Cursor::new(Vec::new());
    with_progress(source, &mut out)?;
    let bytes: &'static [u8] = Vec::leak(out.into_inner());
    Site::open(bytes).map_err(|e| Failure::failed(format!("failed to open the site: {e}")))
}

/// A bar on standard error, if that is a terminal.
struct Bar {
    is_terminal: bool,
    shown: Cell<Option<Instant>>,
}

impl Bar {
    fn new() -> Bar {
        Bar {
            is_terminal: io::stderr().is_terminal(),
            shown: Cell::new(None),
        }
    }

    fn show(&self, progress: Progress) {
        let pause = Duration::from_millis(BAR_MILLISECONDS);
        let recent = self.shown.get().is_some_and(|at| at.elapsed() < pause);
        if !self.is_terminal || recent {
            return;
        }
        self.shown.set(Some(Instant::now()));
        let Progress {
            files,
            files_all,
            bytes,
            bytes_all,
        } = progress;
        let percent = bytes.saturating_mul(100).checked_div(bytes_all);
        let percent = percent.unwrap_or(100);
        let full = usize::try_from(percent * BAR_WIDTH / 100).unwrap_or(0);
        let width = usize::try_from(BAR_WIDTH).unwrap_or(0);
        let filled = "#".repeat(full);
        // Whoever has closed the terminal does not miss the bar.
        let _ = write!(
            io::stderr(),
            "\r[{filled:<width$}] {percent:>3} %, {files} of {files_all} files"
        );
    }

    fn clear(&self) {
        if self.shown.get().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
