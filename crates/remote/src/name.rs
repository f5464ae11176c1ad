//! Names of images: `[REGISTRY/]REPOSITORY[:TAG]`, by the grammar of the distribution specification.
//!
//! Docker's habits hold for Docker's own registry: `docker.io/alpine` is `library/alpine`, and lives
//! at `registry-1.docker.io`; a name without a registry is there too.

use crate::address::Address;
use crate::limits::{NAME_BYTES_MAX, TAG_BYTES_MAX};

/// Under which name Docker's configuration keeps the credentials of Docker's registry.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `HOST[:PORT]`, as it is asked.
    pub registry: String,
    /// The path of it there.
    pub repository: String,
    /// Under which name configurations keep the credentials.
    pub credentials: String,
}

impl Name {
    /// Parses a name, and the tag behind it if there is one.
    ///
    /// # Errors
    /// What is malformed, in words.
    pub fn parse(text: &str) -> Result<(Name, Option<&str>), String> {
        let (registry, path) = match text.split_once('/') {
            Some((host, rest)) if is_registry(host) => (host, rest),
            _ if is_host(text) => return Err("it names no repository".to_owned()),
            _ => ("docker.io", text),
        };
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("its tag is malformed".to_owned());
        }
        if !path.split('/').all(is_component) || registry.len() + path.len() >= NAME_BYTES_MAX {
            return Err(
                "its repository is malformed: lower-case letters, digits and `._-/`".into(),
            );
        }
        let is_docker = matches!(
            registry,
            "docker.io" | "index.docker.io" | "registry-1.docker.io"
        );
        let asked = if is_docker {
            "registry-1.docker.io"
        } else {
            registry
        };
        let name = Name {
            registry: asked.to_owned(),
            repository: match path.contains('/') {
                false if is_docker => format!("library/{path}"),
                _ => path.to_owned(),
            },
            credentials: if is_docker { DOCKER_KEY } else { registry }.to_owned(),
        };
        name.address("")?;
        Ok((name, tag))
    }

    /// Where its registry keeps what is at `path` of the repository. Plain HTTP for a loopback
    /// registry.
    ///
    /// # Errors
    /// What is malformed, in words.
    pub fn address(&self, path: &str) -> Result<Address, String> {
        let target = format!("{}/v2/{}/{path}", self.registry, self.repository);
        Address::parse(&format!("http://{target}"))
            .or_else(|_| Address::parse(&format!("https://{target}")))
    }
}

/// Whether a text can be a tag.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || b".-".contains(&byte))
}

/// What comes before the first `/` is a registry if it cannot be a part of a repository's name.
fn is_registry(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

/// `a.b`, `a.b:80` and `localhost:80` are hosts without a repository; `name:tag` is none.
fn is_host(text: &str) -> bool {
    let host = text.split(':').next().unwrap_or_default();
    host == "localhost" || host.contains('.') || host.starts_with('[')
}

/// § `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, with any number of separators: registries judge the rest.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_word(byte) || b"._-".contains(&byte);
    text.bytes().all(is_inner)
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().next_back().is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_parsed_or_refused() {
        for (text, registry, repository, tag) in [
            ("alpine", "registry-1.docker.io", "library/alpine", None),
            (
                "alpine:3.20",
                "registry-1.docker.io",
                "library/alpine",
                Some("3.20"),
            ),
            (
                "docker.io/alpine:3.20",
                "registry-1.docker.io",
                "library/alpine",
                Some("3.20"),
            ),
            (
                "philpennock/poetry",
                "registry-1.docker.io",
                "philpennock/poetry",
                None,
            ),
            ("index.docker.io/a/b", "registry-1.docker.io", "a/b", None),
            (
                "localhost:5000/poetry:v1",
                "localhost:5000",
                "poetry",
                Some("v1"),
            ),
            ("localhost/poetry", "localhost", "poetry", None),
            (
                "127.0.0.1:5000/a/b-c/d__e",
                "127.0.0.1:5000",
                "a/b-c/d__e",
                None,
            ),
            ("[::1]:5000/poetry", "[::1]:5000", "poetry", None),
            ("ghcr.io/a/b:latest", "ghcr.io", "a/b", Some("latest")),
        ] {
            let (found, found_tag) = Name::parse(text).unwrap();
            let expected = (registry, repository, tag);
            assert_eq!((&*found.registry, &*found.repository, found_tag), expected);
        }
        for (text, cause) in [
            ("ghcr.io", "no repository"),
            ("ghcr.io:443", "no repository"),
            ("localhost:5000", "no repository"),
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
            ("", "repository is malformed"),
        ] {
            let found = Name::parse(text).unwrap_err();
            assert!(found.contains(cause), "{text}: {found}");
        }
        assert!(Name::parse(&format!("ghcr.io/{}", "a".repeat(300))).is_err());
        assert!(Name::parse(&format!("ghcr.io/a:{}", "a".repeat(129))).is_err());
    }

    #[test]
    fn a_loopback_registry_speaks_plain_http() {
        for (registry, start) in [
            ("localhost:5000", "http://localhost:5000/v2/a/blobs/x"),
            ("127.0.0.1", "http://127.0.0.1/v2/a/blobs/x"),
            ("[::1]:5000", "http://[::1]:5000/v2/a/blobs/x"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/a/blobs/x"),
            ("ghcr.io", "https://ghcr.io/v2/a/blobs/x"),
        ] {
            let (name, _) = Name::parse(&format!("{registry}/a")).unwrap();
            assert_eq!(name.address("blobs/x").unwrap().whole(), start);
        }
    }
}
