//! The packages that an executable is made of, as `cargo tree` resolves them for one target and one
//! set of features: exactly what is compiled, where `cargo metadata` would name more.
//!
//! They are told as JSON in the format of `cargo auditable` (rust-secure-code/cargo-auditable,
//! `cargo-auditable.schema.json`), whose readers pass over the two fields more that packages have
//! here: `license`, and `checksum`, which is the SHA-256 of a crate in `Cargo.lock`. With these the
//! same text is enough for an SBOM.
//!
//! A package is `runtime` when something of it is in the executable, and `build` when it only
//! worked on it: build scripts, procedural macros, and what those stand on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// For what the packages are resolved.
pub(crate) struct Build<'a> {
    pub(crate) cargo: &'a str,
    /// Where `Cargo.lock` is.
    pub(crate) directory: &'a Path,
    /// A directory that cargo may write to.
    pub(crate) scratch: &'a Path,
    pub(crate) target: &'a str,
    /// All features of the package, with a comma between them.
    pub(crate) features: &'a str,
}

/// Name and version.
type Id = (String, String);

/// What cargo says of one package.
#[derive(Default)]
struct Package {
    license: String,
    dependencies: BTreeSet<Id>,
}

/// The packages, ordered by name and version.
///
/// # Errors
///
/// When cargo cannot say, which it does without the network, or its lock file cannot be read.
pub(crate) fn packages(build: &Build<'_>) -> Result<Value, String> {
    let file = build.directory.join("Cargo.lock");
    let lock = fs::read_to_string(&file)
        .map_err(|error| format!("failed to read `{}`: {error}", file.display()))?;
    let (all, root) = tree(&build.ask("normal,build")?)?;
    let (runtime, _) = tree(&build.ask("normal,no-proc-macro")?)?;
    let locked = locked(&lock);
    let places: BTreeMap<&Id, usize> = all.keys().zip(0..).collect();
    let packages = all.iter().map(|(id, package)| {
        let (source, checksum) = locked.get(id).copied().unwrap_or_default();
        let mut told = json!({ "name": id.0, "version": id.1, "source": kind_of(source) });
        let dependencies: Vec<&usize> = package
            .dependencies
            .iter()
            .filter_map(|id| places.get(id))
            .collect();
        for (name, value, is_told) in [
            ("kind", json!("build"), !runtime.contains_key(id)),
            (
                "dependencies",
                json!(dependencies),
                !dependencies.is_empty(),
            ),
            ("root", json!(true), *id == root),
            // Before there were expressions, a stroke stood for OR.
            (
                "license",
                json!(package.license.replace('/', " OR ")),
                !package.license.is_empty(),
            ),
            ("checksum", json!(checksum), !checksum.is_empty()),
        ] {
            if let (true, Some(told)) = (is_told, told.as_object_mut()) {
                told.insert(name.to_owned(), value);
            }
        }
        told
    });
    Ok(json!({ "packages": packages.collect::<Vec<_>>() }))
}

impl Build<'_> {
    fn ask(&self, edges: &str) -> Result<String, String> {
        let mut cargo = Command::new(self.cargo);
        cargo.current_dir(self.directory);
        cargo.env("CARGO_TARGET_DIR", self.scratch);
        cargo.args(["tree", "--quiet", "--frozen", "--package", "chapbook"]);
        cargo.args(["--no-default-features", "--features", self.features]);
        cargo.args(["--target", self.target, "--edges", edges]);
        cargo.args(["--prefix", "depth", "--format", "|{p}|{l}"]);
        // As build/static.sh has it: where the crates are vendored, they are taken from there.
        if self.directory.join("vendor").is_dir() {
            cargo.args(["--config", "source.crates-io.replace-with='vendor'"]);
            cargo.args(["--config", "source.vendor.directory='vendor'"]);
        }
        let failed = |cause: &dyn std::fmt::Display| {
            format!("failed to list the packages with `cargo tree`: {cause}")
        };
        let output = cargo.output().map_err(|error| failed(&error))?;
        match output.status.success() {
            true => String::from_utf8(output.stdout).map_err(|error| failed(&error)),
            false => Err(failed(&String::from_utf8_lossy(&output.stderr).trim())),
        }
    }
}

/// Reads lines such as `2|zlib-rs v0.6.8|Zlib`, where the number says how deep a package stands.
/// One that stands there again is marked, and what it depends on is not repeated.
fn tree(text: &str) -> Result<(BTreeMap<Id, Package>, Id), String> {
    let mut all: BTreeMap<Id, Package> = BTreeMap::new();
    let mut above: Vec<Id> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let parsed = (|| {
            let mut fields = line.splitn(3, '|');
            let depth: usize = fields.next()?.parse().ok()?;
            let mut words = fields.next()?.split(' ');
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            let license = fields.next()?;
            let license = license.strip_suffix(" (*)").unwrap_or(license);
            (depth <= above.len()).then(|| (depth, (name, version), license.trim().to_owned()))
        })();
        let (depth, id, license) =
            parsed.ok_or_else(|| format!("failed to read `{line}` of `cargo tree`"))?;
        above.truncate(depth);
        if let Some(parent) = above.last().and_then(|parent| all.get_mut(parent)) {
            parent.dependencies.insert(id.clone());
        }
        all.entry(id.clone()).or_default().license = license;
        above.push(id);
    }
    let root = above.into_iter().next();
    Ok((
        all,
        root.ok_or("failed to list the packages: `cargo tree` named none")?,
    ))
}

/// Where each package comes from, and its SHA-256, by `Cargo.lock`.
fn locked(lock: &str) -> BTreeMap<Id, (&str, &str)> {
    lock.split("[[package]]")
        .skip(1)
        .map(|block| {
            let id = (
                quoted(block, "name").to_owned(),
                quoted(block, "version").to_owned(),
            );
            (id, (quoted(block, "source"), quoted(block, "checksum")))
        })
        .collect()
}

/// What a line of a lock file says of `name`, or nothing.
fn quoted<'a>(block: &'a str, name: &str) -> &'a str {
    let line = block.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.strip_prefix(" = \"")?.strip_suffix('"'));
    value.unwrap_or_default()
}

/// The format's word for a source of `Cargo.lock`.
fn kind_of(source: &str) -> &'static str {
    match source {
        "" => "local",
        "registry+https://github.com/rust-lang/crates.io-index" => "crates.io",
        source if source.starts_with("git+") => "git",
        _ => "registry",
    }
}
