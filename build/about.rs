//! Stamps the executable with what it was made from and by; `src/about.rs` reads it.

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;

use stamp::Stamp;

#[path = "stamp.rs"]
mod stamp;

/// Tells cargo the variables, each through `directive`, and what they depend on.
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
    Ok(())
}
