//! What `pack`, `check` and `serve DIR` have in common: a source becomes a packed site, and a
//! person sees how far it is.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sitepack::OwnedSite;
use sitepack::compiler::{Compiled, Compiler, Finding, FindingKind, Mount, Progress};

use super::block::Block;
use crate::cli::{Cache, Failure, SiteOptions};
use crate::log::say;

/// How often a bar moves.
const BAR_MILLISECONDS: u64 = 100;
/// How wide it is, in characters.
const BAR_WIDTH: u64 = 30;

/// How many findings are shown while something else is done; `check` shows them all.
const SHOWN_MAX: usize = 20;

/// Leaves nothing half written, on the disk or on the terminal: for a process that ends, whatever
/// its other threads are doing.
pub(super) fn abandon() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    sitepack::compiler::abandon();
}

/// The compiler for a site.
pub(super) fn compiler(options: &SiteOptions) -> Compiler {
    let (at, source) = (&options.base_path, options.source.clone());
    let mount = if options.as_poems {
        Mount::poems(at, source).without_hidden()
    } else {
        Mount::files(at, source)
            .clean_urls(options.clean_urls)
            .single_page(options.single_page)
    };
    let mount = mount.root(options.root.clone());
    let compiler = Compiler::new()
        .mount(mount)
        .csp(options.csp)
        .store(options.store)
        .cache(cache(options));
    match &options.codings {
        Some(codings) => compiler.codings(codings),
        None => compiler,
    }
}

/// Where coded contents are kept for the next time, if anywhere.
pub(super) fn cache(options: &SiteOptions) -> Option<PathBuf> {
    match &options.cache {
        Cache::Usual => usual_cache(),
        Cache::In(directory) => Some(directory.clone()),
        Cache::Off => None,
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
    Told::default().tell(options, &compiled);
    unless_denied(options, compiled)
}

/// Compiles into memory, for which it expects to need so many bytes. `told` knows what was said
/// before. If it `reloads`, pages have the script that reloads them.
pub(super) fn in_memory(
    options: &SiteOptions,
    reloads: bool,
    expected_bytes: usize,
    told: &mut Told,
) -> Result<(Compiled, OwnedSite), Failure> {
    let no_room = |e| Failure::failed(format!("failed to get memory for the site: {e}"));
    let mut out = Block::with_room(expected_bytes).map_err(no_room)?;
    let compiler = compiler(options).reloads(reloads);
    let compiled = with_bar(|bar| compiler.compile_to(&mut out, bar))?;
    told.tell(options, &compiled);
    let compiled = unless_denied(options, compiled)?;
    let unusable = |e| Failure::failed(format!("failed to open the site: {e}"));
    Ok((compiled, OwnedSite::open(out).map_err(unusable)?))
}

fn unless_denied(options: &SiteOptions, compiled: Compiled) -> Result<Compiled, Failure> {
    let denied = options.deny.as_deref().unwrap_or_default();
    match count(&compiled.findings, denied) {
        0 => Ok(compiled),
        1 => Err(Failure::failed("1 finding is denied")),
        count => Err(Failure::failed(format!("{count} findings are denied"))),
    }
}

/// What was said the last time: what is still so is not said again.
#[derive(Default)]
pub(super) struct Told(BTreeSet<String>);

impl Told {
    fn tell(&mut self, options: &SiteOptions, compiled: &Compiled) {
        let hidden = match &*compiled.left_out {
            [] => None,
            [one] => {
                let name = one.display();
                Some(format!(
                    "left out, since its name begins with a dot: {name}"
                ))
            }
            [first, others @ ..] => {
                let (first, count) = (first.display(), others.len());
                let more = format!("{first} and {count} others");
                Some(format!(
                    "left out, since their names begin with a dot: {more}"
                ))
            }
        };
        let denied = options.deny.as_deref().unwrap_or_default();
        let is_told =
            |finding: &&Finding| !finding.kind.is_note() || denied.contains(&finding.kind);
        let findings = compiled.findings.iter().filter(is_told);
        let findings: Vec<String> = findings.map(Finding::to_string).collect();
        let is_new = |line: &&String| !self.0.contains(*line);
        for line in hidden.iter().filter(is_new) {
            say(format_args!("{line}"));
        }
        for line in findings.iter().filter(is_new).take(SHOWN_MAX) {
            say(format_args!("{line}"));
        }
        let new = findings.iter().filter(is_new).count();
        let more = new.saturating_sub(SHOWN_MAX);
        if more > 0 {
            say(format_args!("and {more} more findings; see chapbook check"));
        }
        self.0 = hidden.into_iter().chain(findings).collect();
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
