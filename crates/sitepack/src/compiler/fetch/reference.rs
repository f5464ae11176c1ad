//! References to images: `oci://REGISTRY/REPOSITORY[:TAG]@sha256:DIGEST`.
//!
//! The digest is what is fetched; a tag is for people, and not even asked for. Docker's habits
//! hold for Docker's own registry: `docker.io/alpine` is `library/alpine`, and lives at
//! `registry-1.docker.io`; a reference without a registry is there too.

use super::address::Address;
use super::redact::redacted;
use crate::digest::Digest;

/// The distribution specification's bound on registry and repository together.
const NAME_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;
/// Under which name Docker's configuration keeps the credentials of Docker's registry.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// A reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// `HOST[:PORT]`, as it is asked.
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) digest: Digest,
    /// Under which name Docker's configuration keeps the credentials.
    pub(super) credentials: String,
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
        let (registry, path) = match name.split_once('/') {
            Some((host, rest)) if is_registry(host) => (host, rest),
            _ if is_registry(name) => return Err("it names no repository".to_owned()),
            _ => ("docker.io", name),
        };
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("its tag is malformed".to_owned());
        }
        if !path.split('/').all(is_component) || name.len() > NAME_BYTES_MAX + TAG_BYTES_MAX {
            return Err(
                "its repository is malformed: lower-case letters, digits and `._-/`".into(),
            );
        }
        let is_docker = matches!(
            registry,
            "docker.io" | "index.docker.io" | "registry-1.docker.io"
        );
        let reference = Reference {
            registry: if is_docker {
                "registry-1.docker.io"
            } else {
                registry
            }
            .to_owned(),
            repository: match path.contains('/') {
                false if is_docker => format!("library/{path}"),
                _ => path.to_owned(),
            },
            digest,
            credentials: if is_docker { DOCKER_KEY } else { registry }.to_owned(),
        };
        reference.address("manifests", digest)?;
        Ok(reference)
    }

    /// Where its registry keeps a manifest or a blob. Plain HTTP for a loopback registry.
    pub(super) fn address(&self, kind: &str, digest: Digest) -> Result<Address, String> {
        let Reference {
            registry,
            repository,
            ..
        } = self;
        let target = format!("{registry}/v2/{repository}/{kind}/sha256:{digest}");
        Address::parse(&format!("http://{target}"))
            .or_else(|_| Address::parse(&format!("https://{target}")))
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

/// What comes before the first `/` is a registry if it cannot be a part of a repository's name.
fn is_registry(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_word(byte) || b"._-".contains(&byte);
    text.bytes().all(is_inner)
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().next_back().is_some_and(is_word)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{Reference, parse_digest};
    use crate::digest::Digest;

    #[test]
    fn references_are_parsed_or_refused() {
        let digest = format!("@sha256:{}", Digest::of(b""));
        for (name, registry, repository) in [
            ("alpine", "registry-1.docker.io", "library/alpine"),
            (
                "docker.io/alpine:3.20",
                "registry-1.docker.io",
                "library/alpine",
            ),
            (
                "philpennock/poetry",
                "registry-1.docker.io",
                "philpennock/poetry",
            ),
            ("index.docker.io/a/b", "registry-1.docker.io", "a/b"),
            ("localhost:5000/poetry:v1", "localhost:5000", "poetry"),
            ("localhost/poetry", "localhost", "poetry"),
            ("127.0.0.1:5000/a/b-c/d__e", "127.0.0.1:5000", "a/b-c/d__e"),
            ("[::1]:5000/poetry", "[::1]:5000", "poetry"),
            ("ghcr.io/a/b:latest", "ghcr.io", "a/b"),
        ] {
            let found = Reference::parse(&format!("oci://{name}{digest}")).unwrap();
            assert_eq!(
                (&*found.registry, &*found.repository),
                (registry, repository)
            );
            assert_eq!(found.digest, Digest::of(b""));
        }
        for (name, cause) in [
            ("ghcr.io", "no repository"),
            ("ghcr.io/", "repository is malformed"),
            ("ghcr.io/A", "repository is malformed"),
            ("ghcr.io/a//b", "repository is malformed"),
            ("ghcr.io/../b", "repository is malformed"),
            ("ghcr.io/a?b", "repository is malformed"),
            ("ghcr.io/a:", "tag is malformed"),
            ("ghcr.io/a:b:c", "tag is malformed"),
            ("ghcr.io/a:-b", "tag is malformed"),
            ("user:secret@ghcr.io/a", "credentials"),
            ("ghcr.io:x/a", "port"),
        ] {
            let found = Reference::parse(&format!("oci://{name}{digest}")).unwrap_err();
            assert!(found.contains(cause), "{name}: {found}");
        }
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
    fn a_loopback_registry_speaks_plain_http() {
        for (registry, start) in [
            ("localhost:5000", "http://localhost:5000/v2/a/blobs/sha256:"),
            ("127.0.0.1", "http://127.0.0.1/v2/a/blobs/sha256:"),
            ("[::1]:5000", "http://[::1]:5000/v2/a/blobs/sha256:"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/a/blobs/sha256:"),
            ("ghcr.io", "https://ghcr.io/v2/a/blobs/sha256:"),
        ] {
            let text = format!("oci://{registry}/a@sha256:{}", Digest::of(b""));
            let found = Reference::parse(&text)
                .unwrap()
                .address("blobs", Digest::of(b""));
            assert!(found.unwrap().whole().starts_with(start), "{registry}");
        }
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
