//! `chapbook version`: what this executable is.

use serde_json::{Value, json};

use super::{human, print, site};
use crate::cli::Failure;
use crate::server::Engine;

pub(super) fn run(json: bool) -> Result<(), Failure> {
    let site = site()?;
    let version = env!("CARGO_PKG_VERSION");
    let engine = Engine::default().name();
    let provenance = site.provenance();
    let provenance: Option<Value> = provenance
        .map(serde_json::from_str)
        .transpose()
        .map_err(Failure::failed)?;
    let text = if json {
        let version = json!({
            "version": version,
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
            "chapbook {version}\nengine {engine}\nsite {}, {} paths, {}\n",
            site.digest(),
            site.len(),
            human(site.bytes())
        )
    };
    print(text.as_bytes())
}
