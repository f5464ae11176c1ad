//! References: `[REGISTRY/]REPOSITORY[:TAG][@sha256:DIGEST]`.

use remote::{Name, redacted};
use sitepack::Digest;

use crate::failure::Failure;
use crate::manifest;

/// A reference, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) name: Name,
    /// The name as it was typed, without tag and digest.
    pub(crate) typed: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<Digest>,
}

impl Reference {
    /// Parses one; `verb` is what is to be done with it.
    pub(crate) fn parse(verb: &str, text: &str) -> Result<Reference, Failure> {
        let failed = |cause: String| Failure::unusable(verb, &redacted(text), cause);
        let (rest, digest) = match text.rsplit_once('@') {
            Some((rest, digest)) if digest.starts_with("sha") => {
                let digest = manifest::digest(digest);
                (rest, Some(digest.map_err(failed)?))
            }
            Some(_) | None => (text, None),
        };
        let (name, tag) = Name::parse(rest).map_err(failed)?;
        let typed = match tag {
            Some(tag) => rest
                .strip_suffix(tag)
                .and_then(|rest| rest.strip_suffix(':')),
            None => None,
        };
        Ok(Reference {
            typed: typed.unwrap_or(rest).to_owned(),
            tag: tag.map(str::to_owned),
            name,
            digest,
        })
    }

    /// Where its manifest is: the digest where there is one, else the tag, else `latest`.
    pub(crate) fn place(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("sha256:{digest}"),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}
