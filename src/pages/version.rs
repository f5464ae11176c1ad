//! What this executable is: `version --json`, and `/-/version`.

use serde_json::{Value, json};
use sitepack::Site;
use sitepack::date::rfc3339;

use crate::about;

/// What the executable knows of itself, and of its site.
#[must_use]
pub fn version(site: &Site<'_>, engine: Option<&str>) -> Value {
    let provenance = site.provenance();
    // It is JSON; what is none was not written by the compiler, and is told as it stands.
    let provenance = provenance.map(|text| serde_json::from_str(text).unwrap_or(json!(text)));
    json!({
        "version": about::VERSION,
        "build": about::BUILD,
        "commit": about::COMMIT,
        "source_time": about::source_time().map(rfc3339),
        "rustc": about::RUSTC,
        "target": about::TARGET,
        "features": about::features().collect::<Vec<_>>(),
        "engine": engine,
        "site": {
            "sha256": site.digest().hex(),
            "paths": site.len(),
            "bytes": site.bytes(),
            "modified": site.modified().map(rfc3339),
            "provenance": provenance.unwrap_or(Value::Null),
        },
    })
}
