//! Reload: the script by which an open page learns that its site has changed, for a server that
//! watches. No other site has it.
//!
//! The script stands among the server's own pages, where no rule of the site reaches it, and holds
//! the digest of all pages: so its entity-tag changes whenever one of them does. A page only names
//! it, and stays what it was to the cache of codings when another page changes.

use std::borrow::Cow;
use std::io::{Read, Seek, Write};

use memchr::memmem;

use super::encode::{self, Placed, Resource, Settings};
use super::error::Error;
use super::page::{Page, Policy, media_type};
use super::source::Content;
use super::write::Contents;
use crate::digest::{Digest, Running};
use crate::path::SitePath;

/// Where the script stands.
const PATH: &str = "/-/reload.js";
/// What a page says to load it.
const ELEMENT: &[u8] = b"<script src=\"/-/reload.js\" async></script>";
const SCRIPT: &str = include_str!("reload.js");
/// The place of the digest in it.
const SITE: &str = "SITE";

/// A page that loads the script. It stays on its lines, which findings name.
pub(crate) fn with_script(page: Cow<'_, [u8]>) -> Vec<u8> {
    let mut page = page.into_owned();
    let place = place(&page);
    page.splice(place..place, ELEMENT.iter().copied());
    page
}

/// Where the element can stand: as early as it may, so that what is half-written behind it does
/// not swallow it, but behind the doctype, without which browsers are of another time, and behind
/// the tags whose attributes would be lost.
fn place(page: &[u8]) -> usize {
    let from = |at: usize| page.get(at..).unwrap_or_default();
    let mut at = if page.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let mut place = at;
    loop {
        at += from(at).len() - from(at).trim_ascii_start().len();
        let rest = from(at);
        let is_head = is_tag(rest, b"<head");
        let length = if rest.starts_with(b"<!--") {
            memmem::find(from(at + 2), b"-->").map(|end| end + 5)
        } else if is_tag(rest, b"<!doctype") || is_tag(rest, b"<html") || is_head {
            tag_bytes(rest)
        } else {
            None
        };
        let Some(length) = length else {
            return place;
        };
        at += length;
        if !rest.starts_with(b"<!--") {
            place = at;
        }
        if is_head {
            return place;
        }
    }
}

fn is_tag(text: &[u8], name: &[u8]) -> bool {
    let (Some(start), Some(next)) = (text.get(..name.len()), text.get(name.len())) else {
        return false;
    };
    start.eq_ignore_ascii_case(name) && (next.is_ascii_whitespace() || matches!(next, b'>' | b'/'))
}

/// The length of a tag; a `>` in a quoted value does not end it.
fn tag_bytes(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, &byte) in text.iter().enumerate() {
        match (byte, quote) {
            (b'>', None) => return Some(at + 1),
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (_, _) => {}
        }
    }
    None
}

/// Codes and writes the script of a site of which all else is coded. `rules` are the digests of
/// what says how pages are answered.
pub(crate) fn script<W: Read + Write + Seek>(
    pages: &[Page],
    placed: &[Placed],
    rules: &[Digest],
    settings: &Settings<'_>,
    contents: &mut Contents<'_, W>,
) -> Result<(SitePath<'static>, Resource), Error> {
    let mut site = Running::default();
    for (page, placed) in pages.iter().zip(placed) {
        placed.add_to(&mut site, page);
    }
    for digest in rules {
        site.update(&digest.0);
    }
    let text = SCRIPT.replacen(SITE, &site.finish().hex(), 1);
    let path = SitePath::from_decoded(PATH).map_err(|e| Error::new("place", PATH, e))?;
    let page = Page {
        path: path.clone(),
        media_type: media_type(PATH),
        content: Content::Memory(text.into_bytes()),
        policy: Policy::Computed,
        mount: 0,
        origin: PATH.to_owned(),
        listed: false,
    };
    let coded = encode::encode(&[page], settings, Some(contents), &|_| ())?;
    let mut representations = Vec::new();
    let mut media_type = String::new();
    for placed in coded {
        representations = placed.representations;
        media_type = placed.media_type;
    }
    let resource = Resource {
        origin: PATH.to_owned(),
        media_type,
        immutable: false,
        representations,
        policy: None,
    };
    Ok((path, resource))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{ELEMENT, SCRIPT, SITE, with_script};

    #[test]
    fn the_element_stands_as_early_as_it_may() {
        for (before, behind) in [
            ("", ""),
            ("", "<p>no head"),
            ("\u{feff}", "text"),
            ("<!DOCTYPE html>", "\n<title>a</title>"),
            (
                "\n<!-- <head> -->\n<!doctype html>\n<html lang=\"a>b\">\n <HEAD>",
                "<meta>",
            ),
            ("<html class='x'>", "<body class=y>"),
            ("<!doctype html><!--><html>", "<!-- open"),
            ("<!doctype html>", "<header>"),
            ("<!doctype html>", "<html lang=\"open>"),
            ("<!doctype html>", "<!-- open <head>"),
            ("", "<!-- a --><script>"),
            ("<head/>", "<head>"),
        ] {
            let page = format!("{before}{behind}");
            let element = std::str::from_utf8(ELEMENT).unwrap();
            let expected = format!("{before}{element}{behind}");
            let found = with_script(Cow::Borrowed(page.as_bytes()));
            assert_eq!(String::from_utf8(found).unwrap(), expected);
        }
    }

    #[test]
    fn the_script_has_one_place_for_the_digest() {
        assert_eq!(SCRIPT.matches(SITE).count(), 1);
    }
}
