//! What is deployed: an image by its digest or tag, or that of this very executable.

use std::str::FromStr;

use super::Reference;

/// An image in somebody's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The registry and the name there.
    pub name: String,
    /// Which of that name: `@sha256:…` or `:TAG`; none: the one that this executable makes.
    pub which: Option<String>,
}

impl FromStr for Deployed {
    type Err = String;

    fn from_str(text: &str) -> Result<Deployed, String> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let reference: Reference = name.parse()?;
        let has_tag = name
            .rsplit_once(':')
            .is_some_and(|(_, tag)| !tag.contains('/'));
        let which = match digest {
            Some(digest) if is_digest(digest) => Some(format!("@{digest}")),
            Some(_) => return Err("a digest is sha256: and 64 digits from 0 to f".to_owned()),
            None => has_tag.then(|| format!(":{}", reference.tag())),
        };
        Ok(Deployed {
            name: reference.name(),
            which,
        })
    }
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.len() == 64 && digits.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::Deployed;

    #[test]
    fn digests_count_and_tags_do_where_there_is_none() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let by_digest = format!("@{digest}");
        for (text, name, which) in [
            (format!("a{by_digest}"), "docker.io/library/a", &*by_digest),
            (
                format!("ghcr.io/a/b:v1{by_digest}"),
                "ghcr.io/a/b",
                &*by_digest,
            ),
            ("ghcr.io/a/b:v1".to_owned(), "ghcr.io/a/b", ":v1"),
            ("localhost:5000/a".to_owned(), "localhost:5000/a", ""),
            ("[::1]:5000/a".to_owned(), "[::1]:5000/a", ""),
            ("a".to_owned(), "docker.io/library/a", ""),
        ] {
            let deployed: Deployed = text.parse().unwrap();
            assert_eq!(deployed.name, name, "{text}");
            assert_eq!(
                deployed.which.as_deref().unwrap_or_default(),
                which,
                "{text}"
            );
        }
        for text in [
            "a@sha256:00",
            "a@md5:00",
            &format!("a@{}", digest.to_uppercase()),
            &format!("a{by_digest}{by_digest}"),
            &format!("a{by_digest}\n"),
            "a\"b",
            "",
            "@",
        ] {
            assert!(text.parse::<Deployed>().is_err(), "{text}");
        }
    }
}
