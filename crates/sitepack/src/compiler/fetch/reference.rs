//! References to images: `oci://REGISTRY/REPOSITORY[:TAG]@sha256:DIGEST`.
//!
//! The digest is what is fetched; a tag is for people, and not even asked for.

use remote::{Address, Name, redacted};

use crate::digest::Digest;

/// A reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: Name,
    pub(super) digest: Digest,
}

impl Reference {
    /// Parses a reference.
    pub(super) fn parse(text: &str) -> Result<Reference, String> {
        let name = text
            .strip_prefix("oci://")
            .ok_or("it does not begin with oci://")?;
        let Some((name, digest)) = name.rsplit_once('@') else {
            return Err(format!(
                "it names no digest; `docker buildx imagetools inspect {0}` or `skopeo inspect \
                 docker://{0}` tells it: add @sha256:…",
                redacted(name)
            ));
        };
        let digest = parse_digest(digest)?;
        let (name, _) = Name::parse(name)?;
        Ok(Reference { name, digest })
    }

    /// Where its registry keeps a manifest or a blob.
    pub(super) fn address(&self, kind: &str, digest: Digest) -> Result<Address, String> {
        self.name.address(&format!("{kind}/sha256:{digest}"))
    }
}

/// `sha256:` and 64 digits.
pub(super) fn parse_digest(text: &str) -> Result<Digest, String> {
    let malformed = || "its digest is not sha256: and 64 lower-case hexadecimal digits".to_owned();
    let digits = text.strip_prefix("sha256:").ok_or_else(malformed)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != Digest::BYTES * 2 || !digits.bytes().all(is_digit) {
        return Err(malformed());
    }
    let mut digest = [0; Digest::BYTES];
    for (index, byte) in digest.iter_mut().enumerate() {
        let pair = digits.get(index * 2..index * 2 + 2).ok_or_else(malformed)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed())?;
    }
    Ok(Digest(digest))
}

#[cfg(test)]
mod tests {
    use super::{Reference, parse_digest};
    use crate::digest::Digest;

    #[test]
    fn references_name_a_digest() {
        let digest = format!("@sha256:{}", Digest::of(b""));
        for name in ["alpine", "ghcr.io/a/b:latest", "[::1]:5000/poetry"] {
            let found = Reference::parse(&format!("oci://{name}{digest}")).unwrap();
            assert_eq!(found.digest, Digest::of(b""));
        }
        let found = Reference::parse(&format!("oci://user:secret@ghcr.io/a{digest}")).unwrap_err();
        assert!(found.contains("credentials"), "{found}");
        let found = Reference::parse("oci://ghcr.io/a/b:latest").unwrap_err();
        assert!(
            found.contains("imagetools inspect ghcr.io/a/b:latest"),
            "{found}"
        );
        assert!(
            Reference::parse("ghcr.io/a")
                .unwrap_err()
                .contains("oci://")
        );
    }

    #[test]
    fn digests_are_lower_case_sha256() {
        let good = format!("sha256:{}", Digest::of(b"chapbook"));
        assert_eq!(parse_digest(&good), Ok(Digest::of(b"chapbook")));
        for bad in [
            &good[..70],
            &good.to_uppercase(),
            &good.replace("256", "512"),
            "sha256:é",
        ] {
            assert!(parse_digest(bad).is_err(), "{bad}");
        }
    }
}
