//! `chapbook image -o FILE.tar`: an executable of chapbook as a container image.
//!
//! 1. The executable is this one, or the one that `--base` names, which is read and not run: what
//!    it was built from and with, only it could say, so the image does not.
//! 2. What could not start in an image of one file becomes none: an executable for another system,
//!    one that needs libraries, one whose site is gone.
//! 3. FILE is as it was, or whole; `-` is standard output.

use std::fs::File;
use std::io::{self, IsTerminal as _};

use serde_json::Value;
use sitepack::{Digest, Summary, date::rfc3339};

use super::base::Base;
use super::part::Part;
use super::{human, site};
use crate::about;
use crate::cli::{Failure, ImageOptions, Output};
use crate::image::{Elf, Executable, Image, Labels, MediaTypes, Platform, Written};
use crate::limits::IMAGE_EXECUTABLE_BYTES_MAX;
use crate::log::say;
use crate::server::Engine;

/// How to build an executable that needs no libraries.
const STATIC: &str = "build/static.sh in chapbook's sources";
/// What else `image` offers.
const OR_DYNAMIC: &str = " (or say --allow-dynamic)";

pub(super) fn run(options: &ImageOptions) -> Result<(), Failure> {
    let (image, mut base) = described(options)?;
    let mut executable = Executable {
        file: &mut base.file,
        bytes: base.all_bytes,
    };
    let written = write(&image, &mut executable, &options.output)?;
    say(format_args!(
        "wrote {}: {}, {}, {} to pull; image ID sha256:{}, manifest sha256:{}",
        options.output,
        image.reference.short(),
        image.platform,
        human(written.pulled_bytes),
        written.id,
        written.manifest
    ));
    Ok(())
}

/// The digest of the manifest of the image that `chapbook image` makes of this executable at a
/// time, if it is asked for nothing else.
pub(super) fn own_digest(time: u64) -> Result<Digest, Failure> {
    let (image, mut base) = described(&ImageOptions {
        output: Output::Standard,
        base: None,
        // A manifest has no name in it.
        reference: "chapbook".parse().map_err(Failure::failed)?,
        platform: None,
        labels: Labels::default(),
        media_types: MediaTypes::default(),
        allow_dynamic: false,
        time,
    })
    .map_err(|failure| Failure {
        message: failure.message.replace(OR_DYNAMIC, ""),
        ..failure
    })?;
    let mut executable = Executable {
        file: &mut base.file,
        bytes: base.all_bytes,
    };
    let written = image.stream(&mut executable, &mut io::sink());
    written.map(|written| written.manifest).map_err(|error| {
        Failure::failed(format!("failed to make an image of {}: {error}", base.name))
    })
}

fn described(options: &ImageOptions) -> Result<(Image, Base), Failure> {
    let mut base = Base::open(options.base.as_deref())?;
    let is_this = options.base.is_none();
    let (platform, summary) = checked(&mut base, options).map_err(|cause| {
        let name = &base.name;
        Failure::unusable(format!("failed to make an image of {name}: {cause}"))
    })?;
    let summary = match summary {
        None if is_this => Some(Summary::from(&site()?)),
        found => found,
    };
    if !is_this {
        let name = &base.name;
        say(format_args!(
            "{name} is not run, so what it was built from and with is no label of the image"
        ));
    }
    let own = labels(is_this, summary.as_ref(), options.time);
    let image = Image {
        reference: options.reference.clone(),
        platform,
        labels: own.overridden_by(&options.labels),
        media_types: options.media_types,
        time: options.time,
    };
    Ok((image, base))
}

/// What the executable is for, and what the site says that was packed into it.
fn checked(base: &mut Base, options: &ImageOptions) -> io::Result<(Platform, Option<Summary>)> {
    if base.all_bytes > IMAGE_EXECUTABLE_BYTES_MAX {
        let most = human(IMAGE_EXECUTABLE_BYTES_MAX);
        return Err(io::Error::other(format!("it is longer than {most}")));
    }
    let mark = base.mark()?;
    let elf = Elf::read(&mut base.file)?;
    let platform = Platform::agreed(elf.platform, options.platform.as_ref());
    let platform = platform.map_err(io::Error::other)?;
    if let Some(interpreter) = elf.interpreter.filter(|_| !options.allow_dynamic) {
        return Err(io::Error::other(format!(
            "it needs {interpreter} and libraries, which an image of one file has not; build one \
             without: {STATIC}{OR_DYNAMIC}"
        )));
    }
    let summary = match (mark.site, base.appended) {
        (None, _) => None,
        (Some(digest), Some(found)) => {
            let file = &mut base.file;
            let summary = Summary::read(file, found.site_offset, found.site_bytes)?;
            if summary.digest.hex() != digest {
                return Err(io::Error::other(
                    "it carries another site than was packed into it",
                ));
            }
            if !summary.is_intact(file, found.site_offset, found.site_bytes)? {
                return Err(io::Error::other(
                    "its site is damaged: its `chapbook verify` tells where",
                ));
            }
            Some(summary)
        }
        (Some(_), None) => {
            return Err(io::Error::other("the site that was packed into it is gone"));
        }
    };
    Ok((platform, summary))
}

fn write(
    image: &Image,
    executable: &mut Executable<'_, File>,
    output: &Output,
) -> Result<Written, Failure> {
    match output {
        Output::File(target) => {
            let unusable = |e| Failure::unusable(format!("failed to write {output}: {e}"));
            let mut part = Part::beside(target, 0o666).map_err(unusable)?;
            let written = image.write(executable, &mut part).map_err(unusable)?;
            part.finish().map_err(unusable)?;
            Ok(written)
        }
        Output::Standard => {
            let mut out = io::stdout().lock();
            if out.is_terminal() {
                return Err(Failure::unusable("a terminal does not take an image"));
            }
            let failed = |e| Failure::failed(format!("failed to write to {output}: {e}"));
            image.stream(executable, &mut out).map_err(failed)
        }
    }
}

/// What is known of the image: of this executable all that was stamped into it, of another one
/// only its site.
fn labels(is_this: bool, summary: Option<&Summary>, time: u64) -> Labels {
    let mut labels = Labels::default();
    labels.set_image("created", &rfc3339(time));
    labels.set_image("description", env!("CARGO_PKG_DESCRIPTION"));
    labels.set_image("licenses", env!("CARGO_PKG_LICENSE"));
    labels.set_image("title", "chapbook");
    if is_this {
        let features: Vec<&str> = about::features().collect();
        labels.set_image("version", about::VERSION);
        if let Some(commit) = about::COMMIT {
            labels.set_image("revision", commit);
        }
        let source = env!("CARGO_PKG_REPOSITORY");
        if !source.is_empty() {
            labels.set_image("source", source);
        }
        labels.set("chapbook.build", about::BUILD);
        labels.set("chapbook.engine", Engine::default().name());
        labels.set("chapbook.features", &features.join(","));
        labels.set("chapbook.rustc", about::RUSTC);
        labels.set("chapbook.target", about::TARGET);
    }
    if let Some(summary) = summary {
        labels.set("chapbook.site.sha256", &summary.digest.hex());
        set_sources(&mut labels, summary);
    }
    labels
}

/// Where the site came from, and the digests of that: a word for each mount, in their order.
fn set_sources(labels: &mut Labels, summary: &Summary) {
    let provenance = summary.provenance.as_deref().map(serde_json::from_str);
    let Some(Ok(provenance)) = provenance else {
        return;
    };
    let provenance: Value = provenance;
    let mounts = provenance.get("mounts").and_then(Value::as_array);
    for (label, key) in [
        ("chapbook.site.source", "from"),
        ("chapbook.site.source.sha256", "sha256"),
    ] {
        let words = mounts
            .into_iter()
            .flatten()
            .filter_map(|mount| mount.get(key)?.as_str());
        labels.set(label, &words.collect::<Vec<_>>().join(" "));
    }
}
