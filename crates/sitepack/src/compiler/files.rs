//! Render, for a mount of files: they pass through as they are, under the paths that the usual
//! hosts give them.

use std::path::Path;

use super::error::Error;
use super::page::{Moved, Page, Policy, Rendered, media_type};
use super::source::{SourceFile, SourceTree};
use crate::path::SitePath;

/// A site by others may bring its own scripts, also inline ones, but nothing from elsewhere.
const FILES_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; \
                            style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                            font-src 'self' data:; object-src 'none'; base-uri 'self'; \
                            frame-ancestors 'self'";

/// Passes the files of a site through, each `index.html` under its directory's path.
pub(crate) fn files(at: &SitePath<'_>, tree: SourceTree) -> Result<Rendered, Error> {
    let mut rendered = Rendered {
        modified: tree.modified,
        ..Rendered::default()
    };
    for SourceFile {
        path,
        origin,
        content,
    } in tree.files
    {
        let whole = site_path(&format!("{at}{path}"), &origin)?;
        let directory = whole
            .as_str()
            .strip_suffix("index.html")
            .filter(|directory| directory.ends_with('/'));
        let path = match directory {
            Some(directory) => {
                let to = site_path(directory, &origin)?;
                rendered.moved.push(Moved {
                    from: whole.clone(),
                    to: to.clone(),
                });
                to
            }
            None => whole,
        };
        let media_type = media_type(origin.to_str().unwrap_or_default());
        rendered.pages.push(Page {
            path,
            media_type,
            content,
            policy: Policy::Fixed(FILES_POLICY),
            origin: origin.display().to_string(),
            listed: false,
        });
    }
    Ok(rendered)
}

pub(crate) fn site_path(text: &str, origin: &Path) -> Result<SitePath<'static>, Error> {
    SitePath::from_decoded(text.to_owned()).map_err(|e| Error::new("place", origin.display(), e))
}
