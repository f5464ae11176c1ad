//! `chapbook pack SOURCE -o FILE`: another executable, which carries another site.
//!
//! 1. The executable to copy is this one, or the one that `--base` names; a site that was packed
//!    into it before is left behind.
//! 2. It is written beside FILE, under a name that begins with a dot, and renamed when all of it
//!    is there, was read back, and is on the disk. FILE is as it was, or whole.
//! 3. The executable has to read what the site is made of: its mark tells whether it reads zstd
//!    frames.
//! 4. Nothing but SOURCE, FILE's directory and the cache is touched; no compiler is needed.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use sitepack::Appended;
use sitepack::compiler::{Compiled, Source, Store};

use super::base::Base;
use super::compile;
use super::human;
use super::part::Part;
use crate::cli::{Failure, PackOptions, SiteOptions};
use crate::embedded;
use crate::log::say;

pub(super) fn run(options: &PackOptions) -> Result<(), Failure> {
    let target = &options.output;
    let unusable = |cause: &dyn std::fmt::Display| {
        Failure::unusable(format!("failed to pack `{}`: {cause}", target.display()))
    };
    let mut base = Base::open(options.base.as_deref())?;
    let mark = base.mark().map_err(|e| unusable(&e))?;
    if options.site.store == Store::Small && !mark.reads_frames {
        return Err(unusable(&format_args!(
            "{} was built without the feature `zstd`, and cannot serve what is stored `small`; \
             use --store coded",
            base.name
        )));
    }
    if is_inside(target, &options.site) {
        let message = "it would lie in the site, and be packed with it the next time";
        return Err(unusable(&message));
    }
    let mut part = Part::beside(target, 0o777).map_err(|e| unusable(&e))?;
    let executable_bytes = copy(base, &mut part).map_err(|e| unusable(&e))?;
    let site_offset = Appended::offset_behind(executable_bytes);
    part.seek(SeekFrom::Start(site_offset))
        .map_err(|e| unusable(&e))?;
    let scratch = target.parent().map(Path::to_owned);
    let compiler = compile::compiler(&options.site).scratch(scratch);
    let compiled = compile::compile_to(&options.site, &compiler, &mut part);
    // A full disk is no fault of the file that was being compiled.
    let compiled = compiled.map_err(|failure| match part.fault() {
        Some(fault) => unusable(&fault),
        None => failure,
    })?;
    let appended = Appended {
        executable_bytes,
        site_offset,
        site_bytes: compiled.length,
    };
    appended
        .write_trailer(&mut part)
        .and_then(|()| part.seek(SeekFrom::Start(mark.offset)))
        .and_then(|_| part.write_all(&embedded::turned_mark(compiled.digest)))
        .and_then(|()| Appended::find(&mut part))
        .and_then(|found| match found == Some(appended) {
            true => part.finish(),
            false => Err(io::Error::other("its end does not read back")),
        })
        .map_err(|e| unusable(&e))?;
    report(target, &compiled);
    Ok(())
}

/// Whether the target would be a file of the site, if that is a directory.
fn is_inside(target: &Path, site: &SiteOptions) -> bool {
    let Source::Path(all) = &site.source else {
        return false;
    };
    let root = site
        .root
        .as_ref()
        .map_or(all.clone(), |root| all.join(root));
    let directory = target.parent().filter(|name| !name.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new(".")).canonicalize();
    // What is not there, or no part of the source, has errors of its own.
    let (Ok(directory), Ok(all), Ok(root)) = (directory, all.canonicalize(), root.canonicalize())
    else {
        return false;
    };
    let Ok(within) = directory.strip_prefix(&root) else {
        return false;
    };
    // Hidden names are left out; and the directory itself is no file.
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    let mut names = within.iter().chain(target.file_name());
    root.starts_with(all) && !target.is_dir() && !names.any(is_hidden)
}

fn report(target: &Path, compiled: &Compiled) {
    let bytes = fs::metadata(target).map_or(0, |metadata| metadata.len());
    let digest = compiled.digest.hex();
    say(format_args!(
        "packed {} files, {}, into `{}`, {}; site {}",
        compiled.files,
        human(compiled.content_bytes),
        target.display(),
        human(bytes),
        digest.get(..12).unwrap_or_default(),
    ));
}

/// Copies the executable: how long the copy is.
fn copy(mut base: Base, out: &mut Part) -> io::Result<u64> {
    base.file.seek(SeekFrom::Start(0))?;
    if io::copy(&mut (&base.file).take(base.bytes), out)? != base.bytes {
        return Err(io::Error::other(format!("{} changed", base.name)));
    }
    Ok(base.bytes)
}
