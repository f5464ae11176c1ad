//! Pages that are made at run time. They stand under `/-/`, where no site may have files.

use sitepack::SitePath;

use crate::response::{Reason, Response};

/// The prefix of all management pages.
pub const PREFIX: &str = "/-/";

/// The path of the page that says that the server lives.
pub const HEALTH: &str = "/-/health";

/// The management page at `path`, if there is one.
#[must_use]
pub fn find<'s>(path: &SitePath<'_>) -> Option<Response<'s>> {
    (path.as_str() == HEALTH).then(|| Response::text(Reason::Management, "alive\n"))
}
