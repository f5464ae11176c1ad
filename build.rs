//! Compiles the site into the packed site that `src/embedded.rs` includes: the mounts of
//! `chapbook.toml`, or one mount of files from `CHAPBOOK_SITE=SOURCE`. README.md lists the
//! variables; `sitepack::compiler::Compiler::from_environment` reads them. Then stamps it.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fmt};

use sitepack::compiler::{Compiled, Compiler, Finding, denied};

#[path = "build/about.rs"]
mod about;

/// What is compiled, if nothing else is asked for.
const CONFIG: &str = "chapbook.toml";
/// How many findings cargo is told; `chapbook check` shows all.
const WARNINGS_MAX: usize = 20;

fn main() -> ExitCode {
    let done = compile()
        .and_then(|()| about::tell(&option, &directive))
        .inspect_err(|error| directive("error", error));
    done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn compile() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={CONFIG}");
    println!("cargo::rerun-if-changed=deploy"); // its macro sees changed files, but no new ones
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Cargo's own directory: `OUT_DIR` is `…/build/chapbook-…/out` below it.
    let cache = out
        .ancestors()
        .nth(4)
        .map(|target| target.join("chapbook-cache"));
    let compiler = Compiler::from_environment(Path::new(CONFIG), &option)?.cache(cache);
    let file = out.join("site.packed");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let compiled = compiler.compile_to(&mut options.open(&file)?, &|_| ())?;
    tell(&compiled)?;

    println!(
        "cargo::rustc-env=CHAPBOOK_PACKED_SITE_DIGEST={}",
        compiled.digest
    );
    let file = file.to_str().ok_or("OUT_DIR is not UTF-8")?;
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE={file}");
    // Inside the quotes of the assembler, two characters need a backslash.
    let quoted = file.replace('\\', "\\\\").replace('"', "\\\"");
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE_QUOTED={quoted}");
    Ok(())
}

/// Tells cargo what was read and what was found.
fn tell(compiled: &Compiled) -> Result<(), Box<dyn Error>> {
    for input in &compiled.inputs {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    for hidden in &compiled.left_out {
        let name = hidden.display();
        let warning = format_args!("left out, since its name begins with a dot: {name}");
        directive("warning", &warning);
    }
    let all = compiled.findings.iter();
    let told = all.filter(|finding| !finding.kind.is_note());
    for finding in told.take(WARNINGS_MAX) {
        directive("warning", finding);
    }
    let kinds = denied(&option)?;
    let is_denied = |finding: &&Finding| kinds.contains(&finding.kind);
    match compiled.findings.iter().filter(is_denied).count() {
        0 => Ok(()),
        count => Err(format!("{count} findings are denied by CHAPBOOK_DENY").into()),
    }
}

/// Says something to cargo. A name with a line break in it must not become another directive.
fn directive(name: &str, text: &dyn fmt::Display) {
    let text = text.to_string().replace(char::is_control, " ");
    println!("cargo::{name}={text}");
}

/// An environment variable, if it is set and not empty; a change of it compiles again.
fn option(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}
