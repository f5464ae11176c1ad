//! What this executable is: stamped in by `build.rs`.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Which state of the sources: `git describe`'s word for it, or what the build was told, or
/// `…-barebuild`.
pub const BUILD: &str = env!("CHAPBOOK_BUILD");
/// The commit in hexadecimal, if git was there when it was built.
pub const COMMIT: Option<&str> = known(env!("CHAPBOOK_COMMIT"));
/// The compiler, as it names itself.
pub const RUSTC: &str = env!("CHAPBOOK_RUSTC");
/// What it was compiled for.
pub const TARGET: &str = env!("CHAPBOOK_TARGET");

/// When the sources were what they are, in seconds since the epoch, if that is known.
#[must_use]
pub fn source_time() -> Option<u64> {
    known(env!("CHAPBOOK_SOURCE_TIME"))?.parse().ok()
}

/// The features of the package that it was built with, by name.
pub fn features() -> impl Iterator<Item = &'static str> {
    let all = env!("CHAPBOOK_FEATURES").split(',');
    all.filter(|name| !name.is_empty())
}

const fn known(text: &str) -> Option<&str> {
    match text.is_empty() {
        true => None,
        false => Some(text),
    }
}
