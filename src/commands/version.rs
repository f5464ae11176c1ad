//! `chapbook version`: what this executable is.

use serde_json::{Value, json};

use super::{human, index, print};
use crate::about;
use crate::cli::Failure;
use crate::server::Engine;

pub(super) fn run(json: bool) -> Result<(), Failure> {
    let site = index()?;
    let engine = Engine::default().name();
    let provenance = site.provenance();
    let provenance: Option<Value> = provenance
        .map(serde_json::from_str)
        .transpose()
        .map_err(Failure::failed)?;
    let text = if json {
        let version = json!({
            "version": about::VERSION,
            "build": about::BUILD,
            "commit": about::COMMIT,
            "source_time": about::source_time().map(sitepack::date::rfc3339),
            "rustc": about::RUSTC,
            "target": about::TARGET,
            "features": about::features().collect::<Vec<_>>(),
            "engine": engine,
            "site": {
                "sha256": site.digest().hex(),
                "paths": site.len(),
                "bytes": site.bytes(),
                "modified": site.modified().map(sitepack::date::rfc3339),
                "provenance": provenance,
            },
        });
        format!("{version:#}\n")
    } else {
        format!(
            "chapbook {} ({})\n{}, for {}\nfeatures {}\nengine {engine}\nsite {}, {} paths, {}\n",
            about::VERSION,
            about::BUILD,
            about::RUSTC,
            about::TARGET,
            about::features().collect::<Vec<_>>().join(" "),
            site.digest(),
            site.len(),
            human(site.bytes())
        )
    };
    print(text.as_bytes())
}
