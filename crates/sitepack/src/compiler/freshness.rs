//! How long an answer may be kept, by evidence.

use crate::digest::Digest;

/// How many hexadecimal digits of its own digest a name must carry to be immutable.
const HASH_DIGITS_MIN: usize = 8;

/// Whether the name carries the hash of the content, so that the content under this name can
/// never change: a run of hexadecimal digits that begins the content's SHA-256.
pub(crate) fn is_immutable(path: &str, digest: &Digest) -> bool {
    let digest = digest.hex();
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split(|character: char| !character.is_ascii_hexdigit())
        .any(|run| run.len() >= HASH_DIGITS_MIN && digest.starts_with(run))
}

#[cfg(test)]
mod tests {
    use super::{Digest, is_immutable};

    #[test]
    fn only_a_name_with_the_contents_own_hash_is_immutable() {
        let digest = Digest::of(b"chapbook");
        let hash = digest.hex();
        for (path, expected) in [
            (format!("/a/app.{}.js", &hash[..8]), true),
            (format!("/{hash}"), true),
            (format!("/app-{}.css", &hash[..20]), true),
            (format!("/app.{}.js", &hash[..7]), false),
            (format!("/app.{}.js", &hash[1..12]), false),
            ("/deadbeef.js".to_owned(), false),
            (format!("/{}/app.js", &hash[..16]), false),
            ("/".to_owned(), false),
        ] {
            assert_eq!(is_immutable(&path, &digest), expected, "{path}");
        }
    }
}
