//! What is asked of git: objects by their full names. Its settings, and objects that replace
//! others, do not count.

use std::process::{Command, Output, Stdio};

use super::Failure;

/// A tag's message is a page or two, a policy some dozens of keys.
const OBJECT_BYTES_MAX: u64 = 1 << 20;

/// The repository here.
pub(super) struct Git(());

/// An object, and what it is.
pub(super) struct Object {
    pub(super) id: String,
    pub(super) kind: String,
}

impl Git {
    pub(super) fn here() -> Git {
        Git(())
    }

    /// What a full reference names, before anything is peeled off.
    pub(super) fn object(&self, reference: &str) -> Result<Object, Failure> {
        if !self.run(&["check-ref-format", reference])?.status.success() {
            return Err(Failure::Unusable("it is no name of a tag".to_owned()));
        }
        let id = self.resolve(reference)?;
        let id = id.ok_or_else(|| Failure::Unusable("there is no such tag here".to_owned()))?;
        let kind = self.kind(&id)?;
        Ok(Object { id, kind })
    }

    /// The content of a tag object.
    pub(super) fn tag(&self, object: &Object) -> Result<Vec<u8>, Failure> {
        self.bounded("tag", &object.id)
    }

    /// The commit of a branch. § `git rev-parse main` would take a tag of that name before the
    /// branch, so only full names are asked for.
    pub(super) fn branch(&self, name: &str) -> Result<Option<String>, Failure> {
        let full = ["refs/heads/", "refs/remotes/"];
        let candidates = match full.iter().any(|room| name.starts_with(room)) {
            true => vec![name.to_owned()],
            false => full
                .iter()
                .rev()
                .map(|room| format!("{room}{name}"))
                .collect(),
        };
        for candidate in candidates {
            if let Some(commit) = self.resolve(&candidate)? {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    /// What an object is.
    pub(super) fn kind(&self, id: &str) -> Result<String, Failure> {
        self.text(&["cat-file", "-t", id])
    }

    /// Whether a reference leads to another, as one that somebody pushed does not.
    pub(super) fn is_symbolic(&self, reference: &str) -> bool {
        self.ask(&["symbolic-ref", "--quiet", reference]).is_ok()
    }

    /// A file of a commit; None if it is not there. One that is there and cannot be read, as in a
    /// partial clone without its remote, is no file that is not there.
    pub(super) fn file(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self.entry(commit, path)? {
            None => Ok(None),
            Some((mode, id)) if mode.starts_with("100") => self.bounded("blob", &id).map(Some),
            Some(_) => Err(Failure::Refused(format!("`{path}` is no file"))),
        }
    }

    /// The names in a directory of a commit; none if it is not there.
    pub(super) fn names(&self, commit: &str, path: &str) -> Result<Vec<String>, Failure> {
        let room = match self.entry(commit, path)? {
            None => return Ok(Vec::new()),
            Some((mode, id)) if mode == "040000" => id,
            Some(_) => return Err(Failure::Refused(format!("`{path}` is no directory"))),
        };
        let names = self.text(&["ls-tree", "--full-tree", "--name-only", "-z", &room])?;
        let names = names.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }

    /// Mode and object of a path. § git-ls-tree(1): MODE TYPE OBJECT TAB PATH NUL.
    fn entry(&self, commit: &str, path: &str) -> Result<Option<(String, String)>, Failure> {
        let line = self.text(&["ls-tree", "--full-tree", "-z", commit, "--", path])?;
        let (fields, _) = line.split_once('\t').unwrap_or_default();
        match *fields.split(' ').collect::<Vec<_>>() {
            [mode, _, id] => Ok(Some((mode.to_owned(), id.to_owned()))),
            _ => Ok(None),
        }
    }

    pub(super) fn resolve(&self, reference: &str) -> Result<Option<String>, Failure> {
        if self
            .ask(&["show-ref", "--verify", "--quiet", reference])
            .is_err()
        {
            // Nothing there, or no repository at all.
            self.text(&["rev-parse", "--git-dir"])?;
            return Ok(None);
        }
        let line = self.text(&["show-ref", "--verify", "--hash", reference])?;
        Ok(Some(line))
    }

    fn bounded(&self, kind: &str, object: &str) -> Result<Vec<u8>, Failure> {
        let bytes = self.text(&["cat-file", "-s", object])?;
        if bytes
            .parse()
            .is_ok_and(|bytes: u64| bytes > OBJECT_BYTES_MAX)
        {
            return Err(Failure::Refused(format!("`{object}` has {bytes} bytes")));
        }
        self.ask(&["cat-file", kind, object])
    }

    fn text(&self, words: &[&str]) -> Result<String, Failure> {
        let told = self.ask(words)?;
        Ok(String::from_utf8_lossy(&told).trim_end().to_owned())
    }

    fn ask(&self, words: &[&str]) -> Result<Vec<u8>, Failure> {
        let told = self.run(words)?;
        match told.status.success() {
            true => Ok(told.stdout),
            false => {
                let said = String::from_utf8_lossy(&told.stderr);
                Err(failed(words, said.lines().next().unwrap_or_default()))
            }
        }
    }

    fn run(&self, words: &[&str]) -> Result<Output, Failure> {
        let mut git = Command::new("git");
        git.args(["--no-replace-objects"]).args(words);
        let told = git.stdin(Stdio::null()).output();
        told.map_err(|error| failed(words, &format!("{error} (apt-get install git)")))
    }
}

fn failed(words: &[&str], cause: &str) -> Failure {
    let words = words.join(" ");
    Failure::Unusable(format!("failed to run `git {words}`: {cause}"))
}
