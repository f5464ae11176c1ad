//! `chapbook extract DIR`: the site as files, for any other server.
//!
//! A path that ends in `/` becomes its `index.html`; a page without an extension gets `.html`, as
//! servers with clean URLs expect. Redirects are not files, and are left out with a word.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use sitepack::{Digest, Entry, Resource, SitePath};

use super::site;
use crate::cli::Failure;
use crate::log::say;

pub(super) fn run(directory: &Path) -> Result<(), Failure> {
    let site = site()?;
    let unusable = |cause: &dyn std::fmt::Display| {
        Failure::unusable(format!(
            "failed to extract to `{}`: {cause}",
            directory.display()
        ))
    };
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(unusable(&"the directory is not empty"));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(&error)),
    }
    let mut redirects = 0;
    for entry in site.entries() {
        match entry.map_err(Failure::failed)? {
            Entry::Resource(resource) => write(directory, &resource)?,
            Entry::Redirect(_) => redirects += 1,
        }
    }
    if redirects > 0 {
        say(format_args!(
            "{redirects} redirects of the site were left out: they are not files"
        ));
    }
    Ok(())
}

fn write(directory: &Path, resource: &Resource<'_>) -> Result<(), Failure> {
    // A canonical path has no empty, `.` or `..` segment: it stays inside of the directory. A
    // damaged executable may hold another.
    SitePath::from_decoded(resource.path)
        .map_err(|e| Failure::failed(format!("`{}` is no path: {e}", resource.path)))?;
    let file = directory.join(file_name(resource));
    let failed = |cause: std::io::Error| {
        Failure::failed(format!("failed to write `{}`: {cause}", file.display()))
    };
    let found = resource.identity().map_err(Failure::failed)?;
    let content = found.content().map_err(Failure::failed)?;
    if Digest::of(&content) != found.digest {
        let message = format!("`{}` is damaged: see chapbook verify", resource.path);
        return Err(Failure::failed(message));
    }
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .map_err(failed)?;
    out.write_all(&content).map_err(failed)
}

fn file_name(resource: &Resource<'_>) -> String {
    let path = resource.path.trim_start_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.is_empty() {
        format!("{path}index.html")
    } else if resource.media_type.starts_with("text/html") && !name.ends_with(".html") {
        format!("{path}.html")
    } else {
        path.to_owned()
    }
}
