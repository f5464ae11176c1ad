//! `cargo xtask sbom`: the bill of materials of what these sources would become, without compiling.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use sitepack::date::rfc3339;

use super::document::{Made, cyclonedx};
use super::packages::{Build, packages};
use super::{cargo, output, root};
use crate::stamp::Stamp;
use crate::{Done, Ended};

/// How `sbom` is called.
const USAGE: &str = "\
usage: cargo xtask sbom [OPTION]...
  --features LIST   of the package chapbook, with a comma between them [default: its default ones]
  --target TRIPLE   what would be compiled for [default: this machine]
  -o FILE           where to write it [default: standard output]
The same sources say the same; SOURCE_DATE_EPOCH is their time. An executable says it of itself:
chapbook version --sbom.
";

/// Does what the words say.
pub(crate) fn main(words: &[&str]) -> Ended {
    let (mut features, mut target, mut file) = ("default", None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, words.next()) {
            ("--help" | "-h", _) => return Ended::Help(USAGE),
            ("--features", Some(list)) => features = list,
            ("--target", Some(triple)) => target = Some(*triple),
            ("-o", Some(name)) => file = Some(*name),
            (word, _) => return Ended::wrong(word, USAGE),
        }
    }
    Ended::Done(write(features, target, file))
}

fn write(features: &str, target: Option<&str>, file: Option<&str>) -> Done {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let said = output(Command::new(&rustc).arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    let target = target
        .or(host)
        .ok_or("failed to ask `rustc` for its host")?;
    let features = resolved(features)?;
    fetch(target)?;
    let directory = root();
    let list = packages(&Build {
        cargo: &cargo(),
        directory: &directory,
        scratch: &directory.join("target"),
        target,
        features: &features,
    })?;
    let lookup = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let stamp = Stamp::of(&directory, env!("CARGO_PKG_VERSION"), &lookup)?;
    let time = stamp.time.map(rfc3339);
    let made = Made {
        build: &stamp.build,
        commit: stamp.commit.as_deref(),
        time: time.as_deref(),
        rustc: said.lines().next().unwrap_or_default(),
        target,
        features: &features,
    };
    let text = format!("{:#}\n", cyclonedx(&list, made));
    match file {
        None => {
            print!("{text}");
            Ok(())
        }
        Some(name) => fs::write(Path::new(name), text)
            .map_err(|error| format!("failed to write `{name}`: {error}")),
    }
}

/// `cargo tree` asks no network, so what it looks into is there first: whoever has compiled xtask
/// alone has not all of it. Where the crates are vendored, nothing is missing.
fn fetch(target: &str) -> Done {
    if root().join("vendor").is_dir() {
        return Ok(());
    }
    let mut fetch = Command::new(cargo());
    fetch.args(["fetch", "--quiet", "--locked", "--target", target]);
    output(fetch.current_dir(root())).map(drop)
}

/// The features that these bring with them, as build.rs gets to know them: all but `default`.
fn resolved(wanted: &str) -> Result<String, String> {
    let manifest = root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .map_err(|error| format!("failed to read Cargo.toml: {error}"))?;
    let manifest: toml::Table = text
        .parse()
        .map_err(|error| format!("failed to read Cargo.toml: {error}"))?;
    let known = manifest.get("features").and_then(toml::Value::as_table);
    let known = known.ok_or("failed to find features in Cargo.toml")?;
    let mut all = std::collections::BTreeSet::new();
    let mut left: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    while let Some(name) = left.pop() {
        let brings = known.get(name).and_then(toml::Value::as_array);
        let brings = brings.ok_or_else(|| format!("failed to find a feature `{name}`"))?;
        if all.insert(name) {
            let names = brings.iter().filter_map(toml::Value::as_str);
            left.extend(names.filter(|name| known.contains_key(*name)));
        }
    }
    all.remove("default");
    Ok(all.into_iter().collect::<Vec<_>>().join(","))
}
