//! Read: a directory becomes a `SourceTree`, sorted by path, whole or not at all. Contents are
//! read later; here it is seen that there is something to read.
//!
//! Nothing is skipped silently. A name that is not UTF-8, a link that leads out of the tree or
//! back into itself, a pipe, a file that cannot be opened: each is an error that names the path.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::source::{Content, SourceFile, SourceTree, is_hidden};

/// How deep directories may be nested. A real site has fewer than ten levels.
const DEPTH_MAX: usize = 64;
/// How many files a site may have: twenty times the largest that was tried.
const FILES_MAX: usize = 1_000_000;

/// Reads all files below `root`; if `skips_hidden`, without those whose names begin with a dot,
/// save `.well-known`.
pub(crate) fn read(root: &Path, skips_hidden: bool) -> Result<SourceTree, Error> {
    let real_root = fs::canonicalize(root).map_err(|e| Error::new("read", root.display(), e))?;
    if !real_root.is_dir() {
        return Err(Error::new("read", root.display(), "it is not a directory"));
    }
    let mut walk = Walk {
        root,
        real_root: real_root.clone(),
        skips_hidden,
        tree: SourceTree::default(),
    };
    walk.directory(root, "", &mut vec![real_root])?;
    let mut tree = walk.tree;
    tree.files
        .sort_by(|one, other| one.path.as_bytes().cmp(other.path.as_bytes()));
    tree.inputs.sort();
    tree.left_out.sort();
    if tree.files.is_empty() {
        return Err(Error::new(
            "read",
            root.display(),
            "there are no files in it",
        ));
    }
    Ok(tree)
}

struct Walk<'a> {
    root: &'a Path,
    real_root: PathBuf,
    skips_hidden: bool,
    tree: SourceTree,
}

impl Walk<'_> {
    /// `inside` holds the real paths of the directories that the walk is in: a link to one of
    /// them would never end.
    fn directory(
        &mut self,
        directory: &Path,
        prefix: &str,
        inside: &mut Vec<PathBuf>,
    ) -> Result<(), Error> {
        let failed = |cause: std::io::Error| Error::new("read", directory.display(), cause);
        if inside.len() > DEPTH_MAX {
            let cause = format!("directories are nested more than {DEPTH_MAX} deep");
            return Err(Error::new("read", directory.display(), cause));
        }
        self.tree.inputs.push(directory.to_owned());
        for entry in fs::read_dir(directory).map_err(failed)? {
            let origin = entry.map_err(failed)?.path();
            let name = origin.file_name().and_then(|name| name.to_str());
            let Some(name) = name else {
                return Err(Error::new(
                    "read",
                    origin.display(),
                    "its name is not UTF-8",
                ));
            };
            if name.chars().any(char::is_control) {
                let cause = "a control character in its name";
                return Err(Error::new("read", origin.display(), cause));
            }
            if self.skips_hidden && is_hidden(name) {
                self.tree.left_out.push(origin);
                continue;
            }
            let path = format!("{prefix}{name}");
            self.entry(&origin, path, inside)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        origin: &Path,
        path: String,
        inside: &mut Vec<PathBuf>,
    ) -> Result<(), Error> {
        let failed = |cause: std::io::Error| Error::new("read", origin.display(), cause);
        let link = fs::symlink_metadata(origin).map_err(failed)?.is_symlink();
        let real = fs::canonicalize(origin).map_err(failed)?;
        if link && !real.starts_with(&self.real_root) {
            let cause = format!("the link leads out of `{}`", self.root.display());
            return Err(Error::new("read", origin.display(), cause));
        }
        let metadata = fs::metadata(origin).map_err(failed)?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            if inside.contains(&real) {
                let cause = "the link leads to a directory that it is in";
                return Err(Error::new("read", origin.display(), cause));
            }
            inside.push(real);
            self.directory(origin, &format!("{path}/"), inside)?;
            inside.pop();
        } else if kind.is_file() {
            if self.tree.files.len() == FILES_MAX {
                let cause = format!("there are more than {FILES_MAX} files");
                return Err(Error::new("read", self.root.display(), cause));
            }
            self.tree.inputs.push(origin.to_owned());
            self.tree.files.push(SourceFile {
                path,
                origin: origin.to_owned(),
                content: Content::file(origin, &metadata),
            });
        } else {
            let cause = "it is neither a file nor a directory";
            return Err(Error::new("read", origin.display(), cause));
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::read;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("b/c")).unwrap();
        fs::write(root.path().join("b/c/two"), "2").unwrap();
        fs::write(root.path().join("b.txt"), "3").unwrap();
        fs::write(root.path().join("a"), "1").unwrap();
        root
    }

    fn refusal(root: &tempfile::TempDir) -> String {
        read(root.path(), false).unwrap_err().to_string()
    }

    #[test]
    fn files_come_sorted_by_path() {
        let root = tree();
        let paths: Vec<_> = read(root.path(), false)
            .unwrap()
            .files
            .into_iter()
            .map(|file| file.path)
            .collect();
        assert_eq!(paths, ["a", "b.txt", "b/c/two"]);
    }

    #[test]
    fn a_link_inside_the_tree_is_the_file_that_it_names() {
        let root = tree();
        symlink("b/c/two", root.path().join("z")).unwrap();
        symlink("b/c", root.path().join("y")).unwrap();
        let files = read(root.path(), false).unwrap().files;
        let read = |at: usize| files[at].content.read().unwrap();
        assert_eq!((&*files[3].path, &*read(3)), ("y/two", &b"2"[..]));
        assert_eq!((&*files[4].path, &*read(4)), ("z", &b"2"[..]));
    }

    #[test]
    fn links_that_leave_the_tree_or_loop_are_refused() {
        let root = tree();
        let link = root.path().join("b/out");
        for (target, cause) in [
            ("/etc/hostname", "leads out of"),
            ("../../..", "leads out of"),
            ("..", "a directory that it is in"),
            ("../b/out", "symbolic links"),
            ("gone", "No such file"),
        ] {
            symlink(target, &link).unwrap();
            let message = refusal(&root);
            assert!(
                message.contains("b/out") && message.contains(cause),
                "{target}: {message}"
            );
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_refused() {
        let root = tree();
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
        fs::write(root.path().join(name), "").unwrap();
        assert!(refusal(&root).contains("its name is not UTF-8"));
    }

    #[test]
    fn a_socket_is_refused_without_being_opened() {
        let root = tree();
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s")).unwrap();
        assert!(refusal(&root).contains("neither a file nor a directory"));
    }

    #[test]
    fn hidden_files_are_left_out_of_sites_and_told() {
        let root = tree();
        fs::create_dir_all(root.path().join(".git")).unwrap();
        fs::write(root.path().join(".git/config"), "secret").unwrap();
        fs::create_dir_all(root.path().join(".well-known")).unwrap();
        fs::write(root.path().join(".well-known/security.txt"), "").unwrap();
        let site = read(root.path(), true).unwrap();
        assert_eq!(site.left_out, [root.path().join(".git")]);
        assert!(
            site.files
                .iter()
                .any(|file| file.path == ".well-known/security.txt")
        );
        assert!(!site.files.iter().any(|file| file.path.contains("config")));
        assert!(read(root.path(), false).unwrap().files.len() > site.files.len());
    }

    #[test]
    fn control_characters_in_names_are_refused() {
        let root = tree();
        fs::create_dir(root.path().join("d\ncargo::warning=x")).unwrap();
        assert!(refusal(&root).contains("control character"));
    }

    #[test]
    fn an_empty_directory_is_not_a_site() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        assert!(refusal(&root).contains("no files"));
    }
}
