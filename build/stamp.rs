//! What the executable says of its own making: which state of the sources, and of when.
//!
//! 1. What is said in the environment comes first: `APP_VERSION`, `APP_REVISION`,
//!    `SOURCE_DATE_EPOCH`. A build in a container has no `.git`, and is told.
//! 2. Else git is asked, if the repository is this directory's own and not one around it.
//! 3. Without either the build says so: `0.1.0-barebuild`.
//!
//! Nothing is taken from the clock or from the machine, so the same sources give the same stamp.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The branch that a build does not name: what stands on it is the usual.
const USUAL_BRANCH: &str = "main";

/// What is stamped into the executable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// As `git describe --always --dirty --tags` has it, then the branch, unless it is the usual.
    pub(crate) build: String,
    /// The commit, if git was there.
    pub(crate) commit: Option<String>,
    /// When the sources were what they are, in seconds since the epoch.
    pub(crate) time: Option<u64>,
}

impl Stamp {
    /// The stamp of the sources in `directory`, whose package has the version `package`. The
    /// environment is looked up by `lookup`.
    ///
    /// # Errors
    ///
    /// A value in the environment that does not fit into a stamp.
    pub(crate) fn of(
        directory: &Path,
        package: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Stamp, String> {
        let told = lookup("APP_VERSION").map(label).transpose()?;
        let revision = lookup("APP_REVISION").map(hash).transpose()?;
        let epoch = lookup("SOURCE_DATE_EPOCH").map(|text| {
            let seconds = text.parse::<u64>();
            seconds.map_err(|error| format!("SOURCE_DATE_EPOCH=`{text}`: {error}"))
        });
        let epoch = epoch.transpose()?;
        let git = Git::of(directory);
        let ask = |arguments: &[&str]| git.as_ref()?.ask(arguments);
        let described = || {
            let state = ask(&["describe", "--always", "--dirty", "--tags"])?;
            Some(match ask(&["symbolic-ref", "--short", "HEAD"]).as_deref() {
                Some(USUAL_BRANCH) => state,
                Some(branch) => format!("{state},{branch}"),
                None => format!("{state},detached"),
            })
        };
        let unknown = || match epoch {
            Some(seconds) => format!("{package}-at-{seconds}"),
            None => format!("{package}-barebuild"),
        };
        Ok(Stamp {
            build: told.or_else(described).unwrap_or_else(unknown),
            commit: revision.or_else(|| ask(&["rev-parse", "HEAD"])),
            time: epoch.or_else(|| ask(&["log", "-1", "--format=%ct"])?.parse().ok()),
        })
    }

    /// The files whose change may change the stamp. Not the index: git writes it while it looks
    /// whether something is dirty, and adding a file to it does not make that otherwise.
    pub(crate) fn inputs(directory: &Path) -> Vec<PathBuf> {
        let Some(git) = Git::of(directory) else {
            return Vec::new();
        };
        ["HEAD", "logs/HEAD", "packed-refs", "refs/tags"]
            .iter()
            .filter_map(|name| git.ask(&["rev-parse", "--git-path", name]))
            .map(|path| directory.join(path))
            .filter(|path| path.exists())
            .collect()
    }
}

/// A version that was told: one line of what a version is written with, since it goes into
/// labels, logs and the output of cargo.
fn label(text: String) -> Result<String, String> {
    const LENGTH_MAX: usize = 128;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._+,/~".contains(c);
    match !text.is_empty() && text.len() <= LENGTH_MAX && text.chars().all(fits) {
        true => Ok(text),
        false => Err(format!(
            "APP_VERSION=`{}` is no version: 1 to {LENGTH_MAX} letters, digits and -._+,/~",
            text.escape_default()
        )),
    }
}

/// A commit that was told, by its SHA-1 or SHA-256.
fn hash(text: String) -> Result<String, String> {
    let fits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match matches!(text.len(), 40 | 64) && text.bytes().all(fits) {
        true => Ok(text),
        false => Err(format!(
            "APP_REVISION=`{}` is no commit: 40 or 64 hexadecimal digits",
            text.escape_default()
        )),
    }
}

/// The repository of a directory.
struct Git<'a> {
    directory: &'a Path,
}

impl<'a> Git<'a> {
    fn of(directory: &'a Path) -> Option<Self> {
        let is_own = directory.join(".git").exists();
        is_own.then_some(Git { directory })
    }

    /// One line of git's, if it knows an answer.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.directory);
        let output = git.args(arguments).output().ok()?;
        let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !line.is_empty()).then_some(line)
    }
}
