//! What chapbook is made of: told (`sbom`), held to rules (`deny`), and carried to where there is
//! no network (`bundle`).

mod bundle;
mod deny;
mod others;
// A file of build.rs and one of chapbook's: what is told of the sources is what the executable
// will say of itself.
#[path = "../../../src/sbom.rs"]
#[expect(unreachable_pub, reason = "public where it comes from")]
mod document;
#[path = "../../../build/packages.rs"]
mod packages;
mod sbom;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) use bundle::main as bundle;
pub(crate) use deny::main as deny;
pub(crate) use sbom::main as sbom;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// What a command prints; its complaints go where ours go.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |cause: &dyn std::fmt::Display| format!("failed to run `{name}`: {cause}");
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(&error))?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|error| failed(&error)),
        false => Err(failed(&output.status)),
    }
}
