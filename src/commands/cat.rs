//! `chapbook cat PATH`: the content of a resource as its author wrote it.

use sitepack::{Entry, SitePath};

use super::{print, site};
use crate::cli::Failure;

pub(super) fn run(path: &str) -> Result<(), Failure> {
    let site = site()?;
    let absolute = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let wanted = SitePath::from_decoded(absolute)
        .map_err(|e| Failure::unusable(format!("`{path}` is not a path: {e}")))?;
    match site.find(&wanted).map_err(Failure::failed)? {
        Some(Entry::Resource(resource)) => {
            let found = resource.identity().map_err(Failure::failed)?;
            print(&found.content().map_err(Failure::failed)?)
        }
        Some(Entry::Redirect(to)) => Err(Failure::failed(format!(
            "`{wanted}` is a redirect to `{}`",
            to.location
        ))),
        None => Err(Failure::failed(format!(
            "there is no `{wanted}` in the site; see chapbook ls"
        ))),
    }
}
