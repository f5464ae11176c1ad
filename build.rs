//! Compiles the site into the packed site that `src/embedded.rs` includes.
//!
//! What is compiled stands in `chapbook.toml`. `CHAPBOOK_SITE=SOURCE` compiles one mount of files
//! at `/` instead: a directory, an archive, or, with the feature `fetch`, `https://…` together with
//! `CHAPBOOK_SHA256`, or `oci://…@sha256:…`. For it there are also `CHAPBOOK_ROOT`,
//! `CHAPBOOK_BASE_PATH`, `CHAPBOOK_CLEAN_URLS` and `CHAPBOOK_SPA`.
//!
//! For either: `CHAPBOOK_STORE`, `CHAPBOOK_CSP`, `CHAPBOOK_CODINGS=gzip,br,zstd`,
//! `CHAPBOOK_BASE_URL=https://…` (what the sitemap's URLs begin with), `CHAPBOOK_DENY=dead-link,…`
//! (findings that are errors), and `SOURCE_DATE_EPOCH`, the time of the data set.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fmt};

use sitepack::ContentCoding;
use sitepack::compiler::{Compiled, Compiler, Csp, FindingKind, Mount, Source, Store};

/// What is compiled, if nothing else is asked for.
const CONFIG: &str = "chapbook.toml";
/// How many findings cargo is told; `chapbook check` shows them all.
const WARNINGS_MAX: usize = 20;

fn main() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            directive("error", error);
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let compiler = options(compiler()?)?.cache(cache(&out));
    let file = out.join("site.packed");
    let mut packed = File::create_new(&file).or_else(|_| {
        let mut again = File::options();
        again.read(true).write(true).truncate(true).open(&file)
    })?;
    let compiled = compiler.compile_to(&mut packed, &|_| ())?;
    tell(&compiled)?;

    let digest = compiled.digest;
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE_DIGEST={digest}");
    let file = file.to_str().ok_or("OUT_DIR is not UTF-8")?;
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE={file}");
    // Inside the quotes of the assembler, two characters need a backslash.
    let quoted = file.replace('\\', "\\\\").replace('"', "\\\"");
    println!("cargo::rustc-env=CHAPBOOK_PACKED_SITE_QUOTED={quoted}");
    Ok(())
}

/// The mounts.
fn compiler() -> Result<Compiler, Box<dyn Error>> {
    let Some(source) = option("CHAPBOOK_SITE") else {
        println!("cargo::rerun-if-changed={CONFIG}");
        return Ok(Compiler::from_config(Path::new(CONFIG))?);
    };
    let source = Source::parse(&source, option("CHAPBOOK_SHA256").as_deref())?;
    let at = option("CHAPBOOK_BASE_PATH").unwrap_or_default();
    let at = match at.trim_matches('/') {
        "" => "/".to_owned(),
        at => format!("/{at}/"),
    };
    let mount = Mount::files(&at, source)
        .root(option("CHAPBOOK_ROOT"))
        .clean_urls(switch("CHAPBOOK_CLEAN_URLS")?)
        .single_page(switch("CHAPBOOK_SPA")?);
    Ok(Compiler::new().mount(mount))
}

/// What holds for the whole site.
fn options(mut compiler: Compiler) -> Result<Compiler, Box<dyn Error>> {
    if let Some(url) = option("CHAPBOOK_BASE_URL") {
        compiler = compiler.base_url(Some(url));
    }
    if let Some(store) = one_of("CHAPBOOK_STORE", Store::ALL, Store::name)? {
        compiler = compiler.store(store);
    }
    if let Some(csp) = one_of("CHAPBOOK_CSP", Csp::ALL, Csp::name)? {
        compiler = compiler.csp(csp);
    }
    let coding = |name: &str| ContentCoding::from_token(name.as_bytes());
    if let Some(codings) = list("CHAPBOOK_CODINGS", coding)? {
        compiler = compiler.codings(&codings);
    }
    if let Some(seconds) = option("SOURCE_DATE_EPOCH") {
        let parsed = seconds.parse();
        let parsed = parsed.map_err(|e| format!("SOURCE_DATE_EPOCH={seconds}: {e}"))?;
        compiler = compiler.modified(Some(parsed));
    }
    Ok(compiler)
}

/// Tells cargo what was read and what was found.
fn tell(compiled: &Compiled) -> Result<(), Box<dyn Error>> {
    for input in &compiled.inputs {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    for hidden in &compiled.left_out {
        let hidden = hidden.display();
        directive(
            "warning",
            format_args!("left out, since its name begins with a dot: {hidden}"),
        );
    }
    let denied = list("CHAPBOOK_DENY", FindingKind::from_name)?.unwrap_or_default();
    let told = compiled
        .findings
        .iter()
        .filter(|finding| !finding.kind.is_note());
    for finding in told.clone().take(WARNINGS_MAX) {
        directive("warning", finding);
    }
    let more = told.count().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        directive(
            "warning",
            format_args!("and {more} more; see chapbook check"),
        );
    }
    let is_denied = |finding: &&sitepack::compiler::Finding| denied.contains(&finding.kind);
    match compiled.findings.iter().filter(is_denied).count() {
        0 => Ok(()),
        count => Err(format!("{count} findings are denied by CHAPBOOK_DENY").into()),
    }
}

/// Where Cargo keeps what it builds: `OUT_DIR` is `…/build/chapbook-…/out` below it.
fn cache(out: &Path) -> Option<PathBuf> {
    out.ancestors()
        .nth(4)
        .map(|target| target.join("chapbook-cache"))
}

/// Says something to cargo. A name with a line break in it must not become another directive.
fn directive(name: &str, text: impl fmt::Display) {
    let text = text.to_string().replace(char::is_control, " ");
    println!("cargo::{name}={text}");
}

fn one_of<T: Copy, const COUNT: usize>(
    variable: &str,
    all: [T; COUNT],
    name_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    let Some(name) = option(variable) else {
        return Ok(None);
    };
    let chosen = all.into_iter().find(|one| name_of(*one) == name);
    chosen.map(Some).ok_or_else(|| {
        let names = all.map(name_of).join(" or ");
        format!("{variable}={name}: it is either {names}")
    })
}

fn list<T>(variable: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<Vec<T>>, String> {
    let Some(names) = option(variable) else {
        return Ok(None);
    };
    let read_one = |name: &str| {
        read(name.trim()).ok_or_else(|| format!("{variable}: there is no `{}`", name.trim()))
    };
    names
        .split(',')
        .map(read_one)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn switch(variable: &str) -> Result<bool, String> {
    let chosen = one_of(
        variable,
        [true, false],
        |on| if on { "true" } else { "false" },
    )?;
    Ok(chosen.unwrap_or(false))
}

/// An environment variable, if it is set and not empty; a change of it compiles again.
fn option(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}
