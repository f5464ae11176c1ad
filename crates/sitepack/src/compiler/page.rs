//! What rendering gives: pages under their paths, not yet coded.

use std::path::PathBuf;

use super::headers::HeaderRules;
use super::redirects::Redirect;
use super::source::Content;
use crate::digest::Digest;
use crate::path::SitePath;

/// A content under a path, not yet coded.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: SitePath<'static>,
    /// Without its charset, which only the content tells.
    pub(crate) media_type: String,
    pub(crate) content: Content,
    pub(crate) policy: Policy,
    /// The number of its mount.
    pub(crate) mount: usize,
    /// What it was made of, for messages.
    pub(crate) origin: String,
    /// Whether the sitemap names it.
    pub(crate) listed: bool,
}

/// What the Content-Security-Policy of a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Known before.
    Fixed(&'static str),
    /// Made of what is in the page, if it is one.
    Computed,
}

/// A path that leads to another, for good.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) from: SitePath<'static>,
    pub(crate) to: SitePath<'static>,
}

/// What rendering gives.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) pages: Vec<Page>,
    pub(crate) moved: Vec<Moved>,
    /// What the site's author says of fields.
    pub(crate) headers: Option<HeaderRules>,
    /// What the author says of other paths, and the file in which that stands.
    pub(crate) redirects: Vec<(PathBuf, Redirect)>,
    /// Digests of the files in which that stands.
    pub(crate) rules: Vec<Digest>,
    /// The latest date that a source states, in seconds since 1970.
    pub(crate) modified: Option<u64>,
}

/// The media type of a file by its name, without a charset.
pub(crate) fn media_type(path: &str) -> String {
    mime_guess::from_path(path)
        .first_or_octet_stream()
        .essence_str()
        .to_owned()
}

/// The media type with the charset of its content, where it is text in UTF-8.
pub(crate) fn with_charset(media_type: &str, content: &[u8]) -> String {
    let is_text = media_type.starts_with("text/")
        || matches!(
            media_type,
            "application/javascript" | "application/xhtml+xml"
        );
    if is_text && std::str::from_utf8(content).is_ok() {
        format!("{media_type}; charset=utf-8")
    } else {
        media_type.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{media_type, with_charset};

    #[test]
    fn media_types_say_their_charset_where_there_is_one() {
        for (path, content, expected) in [
            ("a.html", &b"x"[..], "text/html; charset=utf-8"),
            ("a.css", b"x", "text/css; charset=utf-8"),
            ("a.js", b"x", "text/javascript; charset=utf-8"),
            ("a.txt", b"\xff", "text/plain"),
            ("a.png", b"x", "image/png"),
            ("a.svg", b"x", "image/svg+xml"),
            ("a.wasm", b"x", "application/wasm"),
            ("a.woff2", b"x", "font/woff2"),
            ("a", b"x", "application/octet-stream"),
        ] {
            assert_eq!(with_charset(&media_type(path), content), expected, "{path}");
        }
    }
}
