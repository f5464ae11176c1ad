//! The name and the tag of an image, as Docker reads them.
//!
//! `chapbook:1.0` is short for `docker.io/library/chapbook:1.0`. Tools that load an image want the
//! one form or the other; both are made here. The first part of a name is a registry if it has a
//! dot, a colon or a capital in it, or is `localhost`; else it belongs to the path.

use std::fmt;
use std::str::FromStr;

/// The registry that short names mean.
const REGISTRY: &str = "docker.io";
/// Where on it names of one part stand.
const LIBRARY: &str = "library/";
/// The tag that a name without one means.
const TAG: &str = "latest";
/// The longest name, registry included, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;

/// A name and a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    path: String,
    tag: String,
}

impl Reference {
    /// The tag alone.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The registry and the name there, in full.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The form that people write: without what is meant anyway.
    #[must_use]
    pub fn short(&self) -> String {
        let full = self.to_string();
        let Some(path) = full.strip_prefix("docker.io/") else {
            return full;
        };
        // `library/a/b` is not what `a/b` means.
        let alone = path.strip_prefix(LIBRARY);
        alone
            .filter(|rest| !rest.contains('/'))
            .unwrap_or(path)
            .to_owned()
    }
}

/// The full form.
impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}:{}", self.registry, self.path, self.tag)
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Reference, String> {
        if text.contains('@') {
            return Err("an image gets its digest when it is made; name it NAME:TAG".to_owned());
        }
        // A colon before the last slash is that of a port.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, TAG),
        };
        if !is_tag(tag) {
            return Err(format!(
                "a tag is 1 to {TAG_BYTES_MAX} letters, digits and _.-, the first no . or -"
            ));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if is_meant_as_registry(first) => (first, rest),
            _ => (REGISTRY, name),
        };
        if !is_registry(registry) {
            return Err(format!("`{registry}` is no HOST or HOST:PORT"));
        }
        if !path.split('/').all(is_component) {
            let rule = "a name is of lower-case letters and digits, with one of . _ __ - between";
            return Err(format!("{rule}, and / between its parts"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(format!("a name has at most {NAME_BYTES_MAX} bytes"));
        }
        if path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a name of 64 hexadecimal digits means an image ID".to_owned());
        }
        let registry = match registry {
            "index.docker.io" => REGISTRY,
            other => other,
        };
        let is_alone = registry == REGISTRY && !path.contains('/');
        Ok(Reference {
            registry: registry.to_owned(),
            path: format!("{}{path}", if is_alone { LIBRARY } else { "" }),
            tag: tag.to_owned(),
        })
    }
}

fn is_tag(tag: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=TAG_BYTES_MAX).contains(&tag.len())
        && tag.bytes().all(fits)
        && !tag.starts_with(['.', '-'])
}

fn is_meant_as_registry(first: &str) -> bool {
    let has_capital = first.bytes().any(|byte| byte.is_ascii_uppercase());
    first.contains(['.', ':']) || first == "localhost" || has_capital
}

/// A host, or an address of IPv6 in its brackets, and perhaps a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
        is_digits && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    port.is_none_or(is_port) && address.map_or_else(|| host.split('.').all(is_label), is_address)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = [part.bytes().next(), part.bytes().next_back()];
    let is_between = |between: &str| {
        matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
    };
    edges.into_iter().all(|edge| edge.is_some_and(is_word))
        && part
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(is_between)
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn names_have_a_short_and_a_full_form() {
        for (text, short, full) in [
            ("a", "a:latest", "docker.io/library/a:latest"),
            ("a:1.0", "a:1.0", "docker.io/library/a:1.0"),
            ("library/a", "a:latest", "docker.io/library/a:latest"),
            ("docker.io/a:b", "a:b", "docker.io/library/a:b"),
            ("index.docker.io/a/b", "a/b:latest", "docker.io/a/b:latest"),
            (
                "library/a/b",
                "library/a/b:latest",
                "docker.io/library/a/b:latest",
            ),
            ("a/b:V_1.-", "a/b:V_1.-", "docker.io/a/b:V_1.-"),
            ("ghcr.io/a/b:c", "ghcr.io/a/b:c", "ghcr.io/a/b:c"),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            (
                "localhost:5000/a",
                "localhost:5000/a:latest",
                "localhost:5000/a:latest",
            ),
            ("[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000/a:b"),
            ("Host/a", "Host/a:latest", "Host/a:latest"),
            (
                "a-b--c/d__e.f_g",
                "a-b--c/d__e.f_g:latest",
                "docker.io/a-b--c/d__e.f_g:latest",
            ),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(
                (&*reference.short(), &*reference.to_string()),
                (short, full)
            );
            assert_eq!(full.parse(), Ok(reference.clone()), "{text}");
            assert_eq!(short.parse(), Ok(reference), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let hexadecimal = "0123456789abcdef".repeat(4);
        let long_tag = format!("a:{}", "1".repeat(129));
        let long_name = "a/".repeat(127) + "bb";
        for text in [
            "",
            ":",
            "a:",
            ":a",
            "A",
            "a b",
            "a:b c",
            "a:+1",
            "a:.1",
            "a:-1",
            "a//b",
            "/a",
            "a/",
            "a:b:c",
            "a.-b",
            "-a",
            "a_",
            "a___b",
            "a..b",
            "\u{e9}",
            "a:\u{e9}",
            "a@sha256:00",
            "a.example:x/b",
            "a.example:0/b",
            "a.example:65536/b",
            "-.example/a",
            "[::1/a",
            "[x]:1/a",
            "a.example:/b",
            "a\n",
            "https://a.example/b",
            &hexadecimal,
            &long_tag,
            &long_name,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
        assert!(
            format!("a:{}", "1".repeat(128))
                .parse::<Reference>()
                .is_ok()
        );
        assert!(("a/".repeat(127) + "b").parse::<Reference>().is_ok());
    }
}
