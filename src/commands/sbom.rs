//! `chapbook version --sbom`: what this executable is made of.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use serde_json::Value;
use sitepack::date::rfc3339;

use super::print;
use crate::cli::Failure;
use crate::limits::PACKAGES_BYTES_MAX;
use crate::sbom::{Made, cyclonedx};
use crate::{about, embedded};

pub(super) fn run() -> Result<(), Failure> {
    let failed = |cause: &dyn std::fmt::Display| {
        Failure::failed(format!(
            "failed to list this executable's packages: {cause}"
        ))
    };
    let none = "it was built without `cargo tree`'s list of them";
    let coded = embedded::packages().ok_or_else(|| failed(&none))?;
    let mut text = String::new();
    let mut decoder = ZlibDecoder::new(coded).take(PACKAGES_BYTES_MAX);
    decoder
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    let list: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let time = about::source_time().map(rfc3339);
    let document = cyclonedx(
        &list,
        Made {
            build: about::BUILD,
            commit: about::COMMIT,
            time: time.as_deref(),
            rustc: about::RUSTC,
            target: about::TARGET,
            features: &about::features().collect::<Vec<_>>().join(","),
        },
    );
    print(format!("{document:#}\n").as_bytes())
}
