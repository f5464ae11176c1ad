//! Pages that are made at run time. They stand under `/-/`, where no site may have files;
//! all but `/aws`, which is there only if an operator asks for it.

#[cfg(feature = "aws")]
pub mod aws;

use sitepack::SitePath;

use crate::reason::Reason;
use crate::response::Response;

/// The path of the page that says that the server lives.
pub const HEALTH: &str = "/-/health";

/// The path of the page that says whether the server wants requests: not while it drains.
pub const READY: &str = "/-/ready";

/// The management page at `path`, if there is one.
#[must_use]
pub fn find<'s>(path: &SitePath<'_>, ready: bool) -> Option<Response<'s>> {
    match path.as_str() {
        HEALTH => Some(Response::text(Reason::Management, "alive\n")),
        READY if ready => Some(Response::text(Reason::Management, "ready\n")),
        READY => Some(Response::refusal(Reason::NotReady)),
        _ => None,
    }
}
