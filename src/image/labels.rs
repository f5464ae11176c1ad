//! What an image says of itself: OCI's keys (image-spec, annotations.md), and `chapbook.…`.
//!
//! The same key twice: the last one counts, as with `docker build --label`. OCI keeps
//! `org.opencontainers.` for itself, so of those only keys that it has and that are true of an
//! image of one file are taken: a slip such as `…image.licence` would be seen by nobody.

use std::collections::BTreeMap;

use crate::limits::{IMAGE_LABEL_BYTES_MAX, IMAGE_LABELS_BYTES_MAX};

/// What OCI keeps for itself.
const RESERVED: &str = "org.opencontainers.";
/// Before OCI's keys.
const IMAGE: &str = "org.opencontainers.image.";
/// OCI's keys. Not `ref.name`, which is for an index, nor `base.…`: there is no image below.
const KEYS: [&str; 11] = [
    "authors",
    "created",
    "description",
    "documentation",
    "licenses",
    "revision",
    "source",
    "title",
    "url",
    "vendor",
    "version",
];

/// Labels, sorted by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Takes what was typed, `KEY=VALUE`.
    ///
    /// # Errors
    /// When it is no label.
    pub fn take(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if key.is_empty() || !key.bytes().all(fits) {
            return Err("a label's key is letters, digits and ._-/".to_owned());
        }
        if key.starts_with(RESERVED) {
            let own = key.strip_prefix(IMAGE).unwrap_or_default();
            if !KEYS.contains(&own) {
                let known = KEYS.join(", ");
                return Err(format!(
                    "OCI has no label `{key}` for this; below {IMAGE}: {known}"
                ));
            }
            if own == "created" && sitepack::date::parse_rfc3339(value).is_none() {
                return Err("it is no time such as 1994-11-06T08:49:37Z (RFC 3339)".to_owned());
            }
        }
        if value.chars().any(char::is_control) {
            return Err("a label's value has no control characters".to_owned());
        }
        if text.len() > IMAGE_LABEL_BYTES_MAX {
            return Err(format!("a label has at most {IMAGE_LABEL_BYTES_MAX} bytes"));
        }
        self.set(key, value);
        let all = self.0.iter().map(|(key, value)| key.len() + value.len());
        match all.sum::<usize>() <= IMAGE_LABELS_BYTES_MAX {
            true => Ok(()),
            false => Err(format!(
                "all labels have at most {IMAGE_LABELS_BYTES_MAX} bytes"
            )),
        }
    }

    /// Sets a label of chapbook's own.
    pub fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// Sets one of OCI's.
    pub fn set_image(&mut self, key: &str, value: &str) {
        self.set(&format!("{IMAGE}{key}"), value);
    }

    /// These, and those of `others` in place of the same keys.
    #[must_use]
    pub fn overridden_by(mut self, others: &Labels) -> Labels {
        self.0.extend(others.0.clone());
        self
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// OCI's own, which also are annotations of a manifest.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(key, _)| key.starts_with(IMAGE))
    }
}

#[cfg(test)]
mod tests {
    use super::Labels;

    fn taken(labels: &[&str]) -> Result<Labels, String> {
        let mut taken = Labels::default();
        labels.iter().try_for_each(|label| taken.take(label))?;
        Ok(taken)
    }

    #[test]
    fn the_last_of_a_key_counts() {
        let labels = taken(&["b=1", "a=", "b=2=3", "org.opencontainers.image.url=u"]).unwrap();
        let all: Vec<_> = labels.iter().collect();
        let url = ("org.opencontainers.image.url", "u");
        assert_eq!(all, [("a", ""), ("b", "2=3"), url]);
        assert_eq!(labels.annotations().collect::<Vec<_>>(), [url]);
        let mut own = Labels::default();
        own.set("b", "own");
        own.set_image("url", "own");
        own.set("c", "own");
        let all = own.overridden_by(&labels);
        let values: Vec<&str> = all.iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["", "2=3", "own", "u"]);
    }

    #[test]
    fn what_is_no_label_is_refused() {
        let long = format!("a={}", "b".repeat(4_095));
        for label in [
            "",
            "a",
            "=b",
            "a b=c",
            "a\"=b",
            "\u{e9}=b",
            "a=b\nc",
            "a=\u{7f}",
            &long,
            "org.opencontainers.image.licence=MIT",
            "org.opencontainers.image.ref.name=a",
            "org.opencontainers.image.base.name=a",
            "org.opencontainers.image.=a",
            "org.opencontainers.other=a",
            "org.opencontainers.image.created=yesterday",
        ] {
            assert!(taken(&[label]).is_err(), "{label:?}");
        }
        assert!(
            taken(&[
                "a=\u{e9} b",
                "org.opencontainers.image.created=2026-11-22T00:00:00Z"
            ])
            .is_ok()
        );
        let many: Vec<String> = (0..20)
            .map(|key| format!("{key}={}", "b".repeat(4_000)))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(taken(&many).unwrap_err().contains("all labels"));
    }
}
