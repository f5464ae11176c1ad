//! Compiles the site into the packed site that `src/embedded.rs` includes.
//!
//! `CHAPBOOK_SITE=DIR` compiles that directory of files instead of the poems.
//! `CHAPBOOK_CODINGS=gzip,br,zstd` says which content codings are stored (zstd: with the feature).
//! `CHAPBOOK_BASE_URL=https://…` is what the sitemap's URLs begin with.
//! `SOURCE_DATE_EPOCH` is the time of the data set, for `Last-Modified`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use sitepack::ContentCoding;
use sitepack::compiler::Compiler;

fn main() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A name with a line break in it must not become a directive.
            println!(
                "cargo::error={}",
                error.to_string().replace(char::is_control, " ")
            );
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), Box<dyn std::error::Error>> {
    let mut compiler = Compiler::new().base_url(option("CHAPBOOK_BASE_URL"));
    compiler = match option("CHAPBOOK_SITE") {
        Some(directory) => compiler.files("/", directory),
        None => compiler.poems("/poetry/", "data/poems"),
    };
    if let Some(seconds) = option("SOURCE_DATE_EPOCH") {
        let seconds = seconds
            .parse()
            .map_err(|e| format!("SOURCE_DATE_EPOCH={seconds}: {e}"))?;
        compiler = compiler.modified(Some(seconds));
    }
    if let Some(names) = option("CHAPBOOK_CODINGS") {
        let coding = |name: &str| {
            let coding = ContentCoding::from_token(name.trim().as_bytes());
            coding.ok_or(format!(
                "CHAPBOOK_CODINGS: there is no content coding `{name}`"
            ))
        };
        compiler = compiler.codings(
            &names
                .split(',')
                .map(coding)
                .collect::<Result<Vec<_>, _>>()?,
        );
    }
    let compiled = compiler.compile()?;
    for hidden in compiled.left_out {
        println!(
            "cargo::warning=left out, since its name begins with a dot: {}",
            hidden.display()
        );
    }
    for input in compiled.inputs {
        println!("cargo::rerun-if-changed={}", input.display());
    }

    let file = PathBuf::from(env::var("OUT_DIR")?).join("site.packed");
    fs::write(&file, &compiled.bytes)?;
    let digest = sitepack::Digest::of(&compiled.bytes);
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE_DIGEST={digest}");
    let file = file.to_str().ok_or("OUT_DIR is not UTF-8")?;
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE={file}");
    // Inside the quotes of the assembler, two characters need a backslash.
    let quoted = file.replace('\\', "\\\\").replace('"', "\\\"");
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE_QUOTED={quoted}");
    Ok(())
}

/// An environment variable, if it is set and not empty; a change of it compiles again.
fn option(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}
