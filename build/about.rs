//! Stamps the executable with what it was made from and by; `src/about.rs` reads it.

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, write::ZlibEncoder};
use packages::{Build, packages};
use stamp::Stamp;

#[path = "packages.rs"]
mod packages;
#[path = "stamp.rs"]
mod stamp;

/// Tells cargo the variables, each through `directive`, and what they depend on; lists packages.
///
/// # Errors
///
/// A variable of the environment that does not fit, or one of cargo's that is not there.
pub(crate) fn tell(
    option: &dyn Fn(&str) -> Option<String>,
    directive: &dyn Fn(&str, &dyn Display),
) -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let stamp = Stamp::of(&directory, &env::var("CARGO_PKG_VERSION")?, option)?;
    // Git's word `dirty` is about the files.
    for input in Stamp::inputs(&directory) {
        directive("rerun-if-changed", &input.display());
    }
    for input in ["build.rs", "build", "src", "crates"] {
        directive("rerun-if-changed", &input);
    }
    let rustc = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let features = env::var("CARGO_CFG_FEATURE").unwrap_or_default();
    let features = features.split(',').filter(|name| *name != "default");
    let features = features.collect::<Vec<_>>().join(",");
    let time = stamp.time.map(|seconds| seconds.to_string());
    for (name, value) in [
        ("BUILD", stamp.build.as_str()),
        ("COMMIT", stamp.commit.as_deref().unwrap_or_default()),
        ("SOURCE_TIME", time.as_deref().unwrap_or_default()),
        ("RUSTC", rustc.trim()),
        ("TARGET", &env::var("TARGET")?),
        ("FEATURES", &features),
    ] {
        directive("rustc-env", &format_args!("CHAPBOOK_{name}={value}"));
    }
    directive("rustc-check-cfg", &"cfg(chapbook_packages)");
    let required = option("CHAPBOOK_PACKAGES").map(|told| match told.as_str() {
        "required" => Ok(()),
        _ => Err(format!(
            "CHAPBOOK_PACKAGES=`{}` is not `required`",
            told.escape_default()
        )),
    });
    let required = required.transpose()?.is_some();
    match list(&directory, &features, directive) {
        Ok(file) => {
            directive("rustc-cfg", &"chapbook_packages");
            directive(
                "rustc-env",
                &format_args!("CHAPBOOK_PACKAGES_FILE={}", file.display()),
            );
        }
        Err(error) if required => return Err(error),
        // Whoever compiles in a way of their own has an executable, which says what it lacks.
        Err(error) => directive(
            "warning",
            &format_args!("without a list of packages: {error}"),
        ),
    }
    Ok(())
}

/// Writes the list of packages that goes into the executable.
fn list(
    directory: &Path,
    features: &str,
    directive: &dyn Fn(&str, &dyn Display),
) -> Result<PathBuf, Box<dyn Error>> {
    for input in ["Cargo.lock", "Cargo.toml"] {
        directive("rerun-if-changed", &input);
    }
    let scratch = PathBuf::from(env::var("OUT_DIR")?);
    let packages = packages(&Build {
        cargo: &env::var("CARGO")?,
        directory,
        scratch: &scratch,
        target: &env::var("TARGET")?,
        features,
    })?;
    let mut coded = ZlibEncoder::new(Vec::new(), Compression::best());
    coded.write_all(packages.to_string().as_bytes())?;
    let file = scratch.join("packages.json.z");
    fs::write(&file, coded.finish()?)?;
    Ok(file)
}
