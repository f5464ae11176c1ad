//! The digest of a data set, before it is compiled.
//!
//! Of each file of the set a line of `sha256sum`; the lines sorted as bytes; of all of it the
//! SHA-256. So a shell can tell it too, and the Dockerfile does, to see that what came into the
//! context is what was meant. What a site leaves out, names that begin with a dot, is left out.
//! Links are what they lead to, as for the packer.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The digest of the file or directory `source` in `root`.
pub(super) fn digest(root: &Path, source: &str) -> io::Result<String> {
    let mut lines = Vec::new();
    // So the shell's `find` names what is in `public/`, too.
    let source = source.trim_end_matches('/');
    if fs::metadata(root.join(source))?.is_dir() {
        walk(root, source, DIRECTORIES_MAX, &mut lines)?;
    } else {
        lines.push(line(root, source)?);
    }
    lines.sort();
    let digest = Sha256::digest(lines.concat());
    Ok(format!("sha256:{}", hex(&digest)))
}

/// How deep directories may lie in each other: links that lead back have no end.
const DIRECTORIES_MAX: u32 = 64;

fn walk(root: &Path, directory: &str, left: u32, lines: &mut Vec<String>) -> io::Result<()> {
    let deep = || {
        io::Error::other(format!(
            "`{directory}` lies too deep, or its links go round"
        ))
    };
    let left = left.checked_sub(1).ok_or_else(deep)?;
    for entry in root.join(directory).read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().filter(|name| !name.contains(['\n', '\\']));
        let strange = || io::Error::other(format!("strange name {:?}", entry.file_name()));
        let name = name.ok_or_else(strange)?;
        let path = format!("{directory}/{name}");
        if name.starts_with('.') && name != ".well-known" {
            continue;
        }
        let kind = fs::metadata(entry.path())?;
        if kind.is_dir() {
            walk(root, &path, left, lines)?;
        } else if kind.is_file() {
            lines.push(line(root, &path)?);
        }
    }
    Ok(())
}

fn line(root: &Path, path: &str) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(root.join(path))?;
    let mut chunk = vec![0; 1 << 16];
    loop {
        let read = io::Read::read(&mut file, &mut chunk)?;
        if read == 0 {
            return Ok(format!("{}  {path}\n", hex(&hash.finalize())));
        }
        hash.update(chunk.get(..read).unwrap_or_default());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
