//! What `pack`, `check` and `serve DIR` have in common: a source becomes a packed site, and a
//! person sees how far it is.

use std::cell::Cell;
use std::io::{self, Cursor, IsTerminal as _, Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sitepack::Site;
use sitepack::compiler::{Compiled, Compiler, Finding, FindingKind, Mount, Progress};

use crate::cli::{Cache, Failure, SiteOptions};
use crate::log::say;

/// How often a bar moves.
const BAR_MILLISECONDS: u64 = 100;
/// How wide it is, in characters.
const BAR_WIDTH: u64 = 30;

/// How many findings are shown while something else is done; `check` shows them all.
const SHOWN_MAX: usize = 20;

/// The compiler for a site.
pub(super) fn compiler(options: &SiteOptions) -> Compiler {
    let mount = Mount::files(&options.base_path, options.source.clone())
        .root(options.root.clone())
        .clean_urls(options.clean_urls)
        .single_page(options.single_page);
    let compiler = Compiler::new()
        .mount(mount)
        .csp(options.csp)
        .store(options.store)
        .cache(match &options.cache {
            Cache::Usual => usual_cache(),
            Cache::In(directory) => Some(directory.clone()),
            Cache::Off => None,
        });
    match &options.codings {
        Some(codings) => compiler.codings(codings),
        None => compiler,
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

/// Compiles to the present position of `out`, with a bar if somebody is there to see it, and says
/// what was found.
pub(super) fn compile_to<W: Read + Write + Seek>(
    options: &SiteOptions,
    compiler: &Compiler,
    out: &mut W,
) -> Result<Compiled, Failure> {
    let compiled = with_bar(|bar| compiler.compile_to(out, bar))?;
    if let [first, others @ ..] = &*compiled.left_out {
        let first = first.display();
        match others.len() {
            0 => say(format_args!(
                "left out, since its name begins with a dot: {first}"
            )),
            count => say(format_args!(
                "left out, since their names begin with a dot: {first} and {count} others"
            )),
        }
    }
    let denied = options.deny.as_deref().unwrap_or_default();
    let told = |finding: &&Finding| !finding.kind.is_note() || denied.contains(&finding.kind);
    let told: Vec<&Finding> = compiled.findings.iter().filter(told).collect();
    for finding in told.iter().take(SHOWN_MAX) {
        say(format_args!("{finding}"));
    }
    let more = told.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        say(format_args!("and {more} more findings; see chapbook check"));
    }
    match count(&compiled.findings, denied) {
        0 => Ok(compiled),
        1 => Err(Failure::failed("1 finding is denied")),
        count => Err(Failure::failed(format!("{count} findings are denied"))),
    }
}

/// How many of the findings are of one of the kinds.
pub(super) fn count(findings: &[Finding], kinds: &[FindingKind]) -> usize {
    let is_counted = |finding: &&Finding| kinds.contains(&finding.kind);
    findings.iter().filter(is_counted).count()
}

/// Does something that takes its time, with a bar if somebody is there to see it.
pub(super) fn with_bar(
    work: impl FnOnce(&dyn Fn(Progress)) -> Result<Compiled, sitepack::compiler::Error>,
) -> Result<Compiled, Failure> {
    let bar = Bar::new();
    let done = work(&|progress| bar.show(progress));
    bar.clear();
    done.map_err(Failure::unusable)
}

/// Compiles into memory, for as long as the program runs.
pub(super) fn in_memory(options: &SiteOptions) -> Result<Site<'static>, Failure> {
    let mut out = Cursor::new(Vec::new());
    compile_to(options, &compiler(options), &mut out)?;
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
