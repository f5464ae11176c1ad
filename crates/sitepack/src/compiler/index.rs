//! Index: every path once, sorted; redirects for directories without their slash; field lines.

use std::collections::BTreeMap;

use super::encode::{Encoded, Resource};
use super::error::Error;
use super::page::{Moved, Policy};
use crate::coding::ContentCoding;
use crate::date::imf_fixdate;
use crate::path::SitePath;

/// Pages that the server makes itself stand under this prefix.
const MANAGEMENT_PREFIX: &str = "/-/";
/// The page that answers for what is missing.
const NOT_FOUND_PATH: &str = "/404.html";
/// 308 Permanent Redirect: method and content are kept (RFC 9110 §15.4.9).
const PERMANENT: u16 = 308;
/// Paths and field lines have 16-bit lengths in the packed site.
const TEXT_BYTES_MAX: usize = 4096;

/// What a path leads to, ready to be written.
#[derive(Debug)]
pub(crate) enum Target {
    Resource(Resource),
    Redirect { location: String, status: u16 },
}

/// A redirect or rewrite for every path of a pattern.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) status: u16,
    pub(crate) force: bool,
}

/// Everything in the site, by path in byte order.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) targets: BTreeMap<SitePath<'static>, Target>,
    pub(crate) modified: Option<u64>,
    /// For paths that lead nowhere else.
    pub(crate) rules: Vec<Rule>,
    /// The place of the 404 page among the targets.
    pub(crate) not_found: Option<usize>,
}

/// Puts everything under its path.
pub(crate) fn index(
    resources: Vec<Resource>,
    moved: Vec<Moved>,
    modified: Option<u64>,
) -> Result<Index, Error> {
    let mut targets: BTreeMap<SitePath<'static>, Target> = BTreeMap::new();
    for resource in resources {
        let path = resource.page.path.clone();
        if path.as_str().starts_with(MANAGEMENT_PREFIX) {
            let cause = format!("`{MANAGEMENT_PREFIX}` belongs to the server's own pages");
            return Err(Error::new("place", &resource.page.origin, cause));
        }
        if path.encoded().len() > TEXT_BYTES_MAX {
            let cause = format!("its path is longer than {TEXT_BYTES_MAX} bytes");
            return Err(Error::new("place", &resource.page.origin, cause));
        }
        if let Some(Target::Resource(other)) = targets.get(&path) {
            let cause = format!("its path `{path}` is taken by `{}`", other.page.origin);
            return Err(Error::new("place", &resource.page.origin, cause));
        }
        targets.insert(path, Target::Resource(resource));
    }
    let directories: Vec<Moved> = targets.keys().filter_map(without_slash).collect();
    // A page stands above a redirect, and the first redirect above a later one.
    for Moved { from, to } in moved.into_iter().chain(directories) {
        let redirect = Target::Redirect {
            location: to.encoded(),
            status: PERMANENT,
        };
        targets.entry(from).or_insert(redirect);
    }
    let not_found = targets.iter().position(|(path, target)| {
        path.as_str() == NOT_FOUND_PATH && matches!(target, Target::Resource(_))
    });
    Ok(Index {
        targets,
        modified,
        rules: Vec::new(),
        not_found,
    })
}

/// `/a` for `/a/`.
fn without_slash(directory: &SitePath<'static>) -> Option<Moved> {
    let name = directory
        .as_str()
        .strip_suffix('/')
        .filter(|name| !name.is_empty())?;
    let from = SitePath::from_decoded(name.to_owned()).ok()?;
    Some(Moved {
        from,
        to: directory.clone(),
    })
}

/// The field lines of a representation that are its own: `Content-Length`, `ETag`.
pub(crate) fn own_fields(encoded: &Encoded) -> [String; 2] {
    [
        format!("Content-Length: {}\r\n", encoded.length),
        format!("ETag: {}\r\n", encoded.digest.entity_tag()),
    ]
}

/// The field lines that it shares with others, in four groups: the content's, those about the
/// resource, those for caches, those for the browser's security.
pub(crate) fn shared_fields(
    resource: &Resource,
    coding: ContentCoding,
    modified: Option<u64>,
) -> [String; 4] {
    let mut content = format!("Content-Type: {}\r\n", resource.media_type);
    if coding != ContentCoding::Identity {
        content.push_str(&format!("Content-Encoding: {coding}\r\n"));
    }
    let mut about = "Accept-Ranges: bytes\r\n".to_owned();
    if let Some(seconds) = modified {
        about.push_str(&format!("Last-Modified: {}\r\n", imf_fixdate(seconds)));
    }
    let mut cache = String::new();
    if resource.representations.len() > 1 {
        cache.push_str("Vary: Accept-Encoding\r\n");
    }
    cache.push_str(if resource.immutable {
        "Cache-Control: public, max-age=31536000, immutable\r\n"
    } else {
        "Cache-Control: no-cache\r\n"
    });
    let mut security = match resource.page.policy {
        Policy::Fixed(policy) => format!("Content-Security-Policy: {policy}\r\n"),
    };
    security.push_str("Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n");
    [content, about, cache, security]
}
