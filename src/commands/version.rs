//! `chapbook version`: what this executable is.

use super::{human, index, print};
use crate::about;
use crate::cli::Failure;
use crate::pages::version::version;
use crate::server::Engine;

pub(super) fn run(json: bool) -> Result<(), Failure> {
    let site = index()?;
    let engine = Engine::default().name();
    let text = if json {
        let version = version(&site, Some(engine));
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
