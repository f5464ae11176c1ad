//! `chapbook pack SOURCE -o FILE`: another executable, which carries another site.
//!
//! 1. The executable to copy is this one, or the one that `--base` names; a site that was packed
//!    into it before is left behind.
//! 2. It is written beside FILE, under a name that begins with a dot, and renamed when all of it
//!    is there, was read back, and is on the disk. FILE is as it was, or whole.
//! 3. The executable has to read what the site is made of: its mark tells whether it reads zstd
//!    frames.
//! 4. Nothing but SOURCE, FILE's directory and the cache is touched; no compiler is needed.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use memchr::memmem;
use sitepack::Appended;
use sitepack::compiler::{Compiled, Store};

use super::compile;
use super::human;
use super::part::Part;
use crate::cli::{Failure, PackOptions};
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
    let mut part = Part::beside(target).map_err(|e| unusable(&e))?;
    let executable_bytes = base.copy_to(&mut part).map_err(|e| unusable(&e))?;
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
            true => part.finish(target),
            false => Err(io::Error::other("its end does not read back")),
        })
        .map_err(|e| unusable(&e))?;
    report(target, &compiled);
    Ok(())
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

/// An executable of chapbook to make another of.
struct Base {
    file: File,
    /// What it is called in messages.
    name: String,
    /// Its length without a site that was packed into it.
    bytes: u64,
}

/// What `pack` needs of a base's mark.
struct Mark {
    /// Where the bytes are that change.
    offset: u64,
    /// Whether it was built with the feature `zstd`.
    reads_frames: bool,
}

impl Base {
    fn open(path: Option<&Path>) -> Result<Base, Failure> {
        let name = path.map_or("this executable".to_owned(), |path| {
            format!("`{}`", path.display())
        });
        let unusable = |cause| Failure::unusable(format!("failed to read {name}: {cause}"));
        let file = path.map_or_else(embedded::executable, File::open);
        let mut file = file.map_err(unusable)?;
        let appended = Appended::find(&mut file).map_err(unusable)?;
        let length = file.metadata().map_err(unusable)?.len();
        Ok(Base {
            file,
            name,
            bytes: appended.map_or(length, |appended| appended.executable_bytes),
        })
    }

    /// Its mark.
    fn mark(&mut self) -> io::Result<Mark> {
        let offset = self.find_mark()?;
        let mut rest = [0; embedded::MARK_REST_BYTES];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut rest)?;
        Ok(Mark {
            offset,
            reads_frames: embedded::reads_frames(&rest),
        })
    }

    /// Copies it: how long the copy is.
    fn copy_to(mut self, out: &mut Part) -> io::Result<u64> {
        self.file.seek(SeekFrom::Start(0))?;
        if io::copy(&mut (&self.file).take(self.bytes), out)? != self.bytes {
            return Err(io::Error::other(format!("{} changed", self.name)));
        }
        Ok(self.bytes)
    }

    /// Where the bytes of the mark are that change. There is one mark, or it is no executable of
    /// chapbook that can carry a site.
    fn find_mark(&mut self) -> io::Result<u64> {
        const PIECE_BYTES: usize = 1 << 20;
        let prefix = embedded::mark_prefix();
        let finder = memmem::Finder::new(&prefix);
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&mut self.file).take(self.bytes);
        let (mut piece, mut before) = (Vec::new(), 0);
        let mut mark = None;
        loop {
            let read = reader
                .by_ref()
                .take(PIECE_BYTES as u64)
                .read_to_end(&mut piece)?;
            for found in finder.find_iter(&piece) {
                let place = before + (found + prefix.len()) as u64;
                if mark.replace(place).is_some_and(|other| other != place) {
                    let cause = format!("{} holds two executables of chapbook", self.name);
                    return Err(io::Error::other(cause));
                }
            }
            if read == 0 {
                break;
            }
            // A mark may lie across two pieces.
            let kept = piece.len().min(prefix.len() - 1);
            before += (piece.len() - kept) as u64;
            piece.drain(..piece.len() - kept);
        }
        mark.ok_or_else(|| {
            io::Error::other(format!(
                "{} is no executable of chapbook that reads packed sites of format {}",
                self.name,
                sitepack::format::VERSION
            ))
        })
    }
}
