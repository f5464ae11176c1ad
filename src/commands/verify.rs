//! `chapbook verify`: every byte of the site against its digest.

use super::{human, print, site};
use crate::cli::Failure;
use crate::log::say;

pub(super) fn run() -> Result<(), Failure> {
    let site = site()?;
    let faults = site.verify();
    for fault in &faults {
        say(format_args!("{fault}"));
    }
    match faults.len() {
        0 => print(
            format!(
                "{} paths, {}, sha256 {}: as packed\n",
                site.len(),
                human(site.bytes()),
                site.digest()
            )
            .as_bytes(),
        ),
        count => Err(Failure::failed(format!(
            "the site is damaged: {count} faults"
        ))),
    }
}
