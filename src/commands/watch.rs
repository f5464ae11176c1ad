//! `chapbook serve DIR --watch`: packs DIR again when it has changed, and serves that.
//!
//! 1. It looks at the names, sizes, numbers and times of all files, twice a second at most, and
//!    then less than a twentieth of the time: `docs/decisions/0008-watch.md`.
//! 2. What changes is given time to settle. What does not compile then is told in one line, and
//!    what was served before stays.
//! 3. So many sites of before may still be answered from; then the next one waits.
//! 4. The pages have a script that reloads them. No other command makes such a site.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sitepack::compiler::{Compiled, Source};
use sitepack::{Digest, OwnedSite};

use super::compile::{self, Told};
use crate::cli::{Failure, SiteOptions};
use crate::limits::{
    GENERATIONS_SECONDS_MAX, GENERATIONS_SITES_MAX, WATCH_MILLISECONDS, WATCH_SETTLE_MILLISECONDS,
    WATCH_SETTLE_MILLISECONDS_MAX,
};
use crate::log::{say, warn};
use crate::sandbox::Mode;
use crate::server::Context;

/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 20;
/// How many names are looked at, and how deep: more is no site, or a link that leads back.
const NAMES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 64;

/// A directory that is being watched, and what is known of it.
pub(super) struct Watch {
    options: SiteOptions,
    directory: PathBuf,
    /// The files, as they were when it last looked.
    seen: Files,
    /// Those that have changed since the site was packed.
    changed: BTreeSet<PathBuf>,
    digest: Digest,
    /// The length of the site.
    bytes: usize,
    told: Told,
}

/// Files by their names, and what tells whether one has changed.
type Files = BTreeMap<PathBuf, Stamp>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    /// The file's number, and when the system last changed anything about it.
    #[cfg(unix)]
    inode: (u64, i64, i64),
}

impl Watch {
    /// Packs the site for the first time.
    ///
    /// # Errors
    /// When the source is no directory, or does not compile.
    pub(super) fn begin(options: &SiteOptions) -> Result<(OwnedSite, Watch), Failure> {
        let unusable = |what: &str| Failure::unusable(format!("failed to watch {what}"));
        let Source::Path(path) = &options.source else {
            return Err(unusable("the source: it is not a directory here"));
        };
        let root = options.root.as_deref();
        let directory = root.map_or_else(|| path.clone(), |root| path.join(root));
        if !directory.is_dir() {
            let cause = "it is not a directory";
            return Err(unusable(&format!("`{}`: {cause}", directory.display())));
        }
        // Before it is packed, so that no change between is lost.
        let seen = look(&directory);
        let mut told = Told::default();
        let (compiled, site) = compile::in_memory(options, true, 0, &mut told)?;
        let watch = Watch {
            options: options.clone(),
            directory,
            seen,
            changed: BTreeSet::new(),
            digest: compiled.digest,
            bytes: bytes_of(&compiled),
            told,
        };
        Ok((site, watch))
    }

    /// What it will read. Links lead nowhere else: the compiler does not follow them out of it.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Watches, on a thread of its own, until the shutdown begins.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(mut self, context: Arc<Context>) -> io::Result<()> {
        say(format_args!("watching `{}`", self.directory.display()));
        let builder = thread::Builder::new().name("watch".to_owned());
        builder.spawn(move || self.run(&context)).map(|_| ())
    }

    fn run(&mut self, context: &Context) {
        let often = Duration::from_millis(WATCH_MILLISECONDS);
        let mut pause = often;
        while !context.shutdown.wait(pause) {
            let begun = Instant::now();
            let files = look(&self.directory);
            pause = often.max(begun.elapsed() * SHARE);
            if files == self.seen {
                continue;
            }
            let Some(files) = self.settled(files, context) else {
                return;
            };
            self.changed.extend(differences(&self.seen, &files));
            self.seen = files;
            if !has_room(context) {
                return;
            }
            self.pack_again(context);
        }
    }

    /// The files when nothing changes any more; none if the shutdown begins before.
    fn settled(&self, mut files: Files, context: &Context) -> Option<Files> {
        let begun = Instant::now();
        let at_most = Duration::from_millis(WATCH_SETTLE_MILLISECONDS_MAX);
        while begun.elapsed() < at_most {
            let settle = Duration::from_millis(WATCH_SETTLE_MILLISECONDS);
            if context.shutdown.wait(settle) {
                return None;
            }
            let now = look(&self.directory);
            if now == files {
                break;
            }
            files = now;
        }
        Some(files)
    }

    fn pack_again(&mut self, context: &Context) {
        // An eighth more than the last time.
        let expected = self.bytes.saturating_add(self.bytes / 8);
        match compile::in_memory(&self.options, true, expected, &mut self.told) {
            Ok((compiled, site)) => self.serve(&compiled, site, context),
            Err(failure) => {
                let cause = failure.line();
                warn(format_args!("not packed again, what was stays: {cause}"));
                self.tell_if_closed(context);
            }
        }
    }

    /// A sandbox knows a directory by itself, not by its name: of one that took its place it knows
    /// nothing.
    fn tell_if_closed(&self, context: &Context) {
        let read = fs::read_dir(&self.directory);
        let closed = read.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if closed && context.sandbox.mode() != Mode::Off {
            let directory = self.directory.display();
            say(format_args!(
                "`{directory}` was replaced by another, which is closed to the sandbox: start \
                 again, or with --sandbox off"
            ));
        }
    }

    fn serve(&mut self, compiled: &Compiled, site: OwnedSite, context: &Context) {
        self.bytes = bytes_of(compiled);
        let changed = std::mem::take(&mut self.changed).len();
        if std::mem::replace(&mut self.digest, compiled.digest) == compiled.digest {
            say(format_args!("packed again: nothing has changed"));
            return;
        }
        context.replace(site);
        let files = compiled.files;
        say(format_args!(
            "packed again: {files} files, {changed} changed"
        ));
    }
}

/// Waits until there is room for another site; false if the shutdown begins before. What changes
/// meanwhile is packed too.
fn has_room(context: &Context) -> bool {
    let begun = Instant::now();
    let at_most = Duration::from_secs(GENERATIONS_SECONDS_MAX);
    let often = Duration::from_millis(WATCH_SETTLE_MILLISECONDS);
    while context.generations() >= GENERATIONS_SITES_MAX && begun.elapsed() < at_most {
        if context.shutdown.wait(often) {
            return false;
        }
    }
    true
}

fn bytes_of(compiled: &Compiled) -> usize {
    usize::try_from(compiled.length).unwrap_or(0)
}

/// The names of files that are in one and not in the other, or not the same.
fn differences(one: &Files, other: &Files) -> Vec<PathBuf> {
    let missing = |these: &Files, those: &Files| -> Vec<PathBuf> {
        let differs = |(path, stamp): &(&PathBuf, &Stamp)| those.get(*path) != Some(*stamp);
        let different = these.iter().filter(differs);
        different.map(|(path, _)| path.clone()).collect()
    };
    [missing(one, other), missing(other, one)].concat()
}

/// The files below a directory that a site is made of. What cannot be looked at is not there: the
/// compiler says what is wrong with it.
fn look(directory: &Path) -> Files {
    let mut walk = Walk {
        files: Files::new(),
        names_left: NAMES_MAX,
    };
    let real = fs::canonicalize(directory).unwrap_or_default();
    walk.directory(directory, &mut vec![real]);
    walk.files
}

struct Walk {
    files: Files,
    names_left: usize,
}

impl Walk {
    /// `inside` holds the real paths of the directories that the walk is in: a link to one of them
    /// would never end.
    fn directory(&mut self, directory: &Path, inside: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_hidden = name.as_encoded_bytes().starts_with(b".") && name != ".well-known";
            if is_hidden || self.names_left == 0 {
                continue;
            }
            self.names_left -= 1;
            let path = entry.path();
            // What a link leads to counts.
            let metadata = fs::metadata(&path);
            if !metadata.as_ref().is_ok_and(Metadata::is_dir) {
                let stamp = metadata.map(|metadata| Stamp::of(&metadata));
                self.files.insert(path, stamp.unwrap_or_default());
                continue;
            }
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let real = match inside.last() {
                Some(parent) if !is_link => parent.join(name),
                _ => fs::canonicalize(&path).unwrap_or_default(),
            };
            if inside.len() < DEPTH_MAX && !inside.contains(&real) {
                inside.push(real);
                self.directory(&path, inside);
                inside.pop();
            }
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Stamp {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::{differences, look};

    #[test]
    fn every_change_of_a_file_is_seen_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        write("a/b/one", "1");
        write("two", "2");
        let mut seen = look(root);
        let mut changed = || {
            let now = look(root);
            let mut changed = differences(&seen, &now);
            changed.sort();
            changed.dedup();
            seen = now;
            let names = changed.iter().map(|path| path.strip_prefix(root).unwrap());
            let names: Vec<_> = names.map(|name| name.display().to_string()).collect();
            names.join(" ")
        };
        assert_eq!(changed(), "");
        write(".git/index", "x");
        fs::create_dir(root.join("empty")).unwrap();
        assert_eq!(changed(), "");
        write("a/b/one", "11");
        write("three", "");
        assert_eq!(changed(), "a/b/one three");
        fs::rename(root.join("two"), root.join("four")).unwrap();
        assert_eq!(changed(), "four two");
        // Of the same length, and as old as before.
        let file = fs::File::options().write(true).open(root.join("four"));
        fs::write(root.join("new"), "4").unwrap();
        let time = SystemTime::now() - Duration::from_secs(1000);
        file.unwrap().set_modified(time).unwrap();
        assert_eq!(changed(), "four new");
        fs::remove_file(root.join("three")).unwrap();
        assert_eq!(changed(), "three");
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_and_lead_to_an_end() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join(".out/5")).unwrap();
        fs::write(root.join(".out/5/page.html"), "5").unwrap();
        symlink(".out/5", root.join("now")).unwrap();
        symlink("..", root.join(".out/5/up")).unwrap();
        symlink(".", root.join("self")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        let files = look(root);
        assert!(files.contains_key(&root.join("now/page.html")));
        assert!(files.contains_key(&root.join("broken")));
        assert!(files.len() < 10, "{files:?}");
    }
}
