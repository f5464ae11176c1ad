//! Pages that are made at run time. They stand under `/-/`, where no site may have files, and no
//! rule of one leads; all but `/aws`, which is there only if an operator asks for it.
//!
//! 1. `health` and `ready` are for everybody. `version`, `manifest.json` and `metrics` are, too, on
//!    a listener of the operator's own, if there is one, and then nowhere else.
//! 2. Without such a listener only this machine sees `metrics`: the peer, and the client that a
//!    proxy speaks for, have to be on loopback. Who forwards a request and is not believed is
//!    somebody else's proxy, so the request is not from here.
//! 3. What `--demo` adds is with the site, for those who look at it ([`demo`]).
//! 4. Nothing here knows a socket or a clock: what the server knows of itself, it tells ([`Told`]).

#[cfg(feature = "aws")]
pub mod aws;
pub mod demo;
pub mod exposition;
pub mod manifest;
pub mod version;

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sitepack::{Site, SitePath};

use self::demo::Demo;
use self::manifest::Listing;
use crate::http::forwarded;
use crate::reason::Reason;
use crate::request::Request;
use crate::response::{self, Response};

/// The path of the page that says that the server lives.
pub const HEALTH: &str = "/-/health";

/// What the paths of all pages begin with.
const PREFIX: &str = "/-/";

/// What the names of those begin with that `--demo` adds.
const DEMO: &str = "demo/";

/// Who asks, as far as the pages care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asker {
    /// Anybody, for the site.
    #[default]
    Anybody,
    /// A peer on this machine, for the site; and its client, if it is a proxy that is believed.
    Near(Option<IpAddr>),
    /// Somebody on the operator's own listener, where there is no site.
    Operator,
}

impl Asker {
    /// Whether the request was made on this machine.
    fn is_near(self, request: &Request<'_>) -> bool {
        match self {
            Asker::Anybody => false,
            Asker::Near(Some(client)) => client.is_loopback(),
            Asker::Near(None) => !forwarded::is_forwarded(request.fields),
            Asker::Operator => true,
        }
    }
}

/// What a server tells of itself.
pub trait Told: Send + Sync {
    /// Its engine's name.
    fn engine(&self) -> &'static str;
    /// What it has given up.
    fn sandbox(&self) -> Value;
    /// Appends what it has counted, in Prometheus' text format.
    fn metrics(&self, site: &Site<'_>, out: &mut Vec<u8>);
}

/// What the pages of a server share.
#[derive(Default)]
pub struct Pages {
    draining: AtomicBool,
    /// Somebody said that no requests are wanted.
    refused: AtomicBool,
    /// The operator has a listener of its own.
    apart: AtomicBool,
    told: OnceLock<Box<dyn Told>>,
    /// What is shown, if anything is.
    demo: OnceLock<Demo>,
}

impl Pages {
    /// Says that the server is about to end: it is not ready, and never will be.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Says whether requests are wanted, which `ready` tells.
    pub fn want(&self, wanted: bool) {
        self.refused.store(!wanted, Ordering::Relaxed);
    }

    /// Whether requests are wanted.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && !self.refused.load(Ordering::Relaxed)
    }

    /// Says who tells of the server, and whether the operator has a listener of its own.
    pub fn begin(&self, told: Box<dyn Told>, apart: bool) {
        // Who serves twice is told of as the first time.
        let _ = self.told.set(told);
        self.apart.store(apart, Ordering::Relaxed);
    }

    /// Shows what there is to show, from now on.
    pub fn demonstrate(&self, demo: Demo) {
        // The first stays.
        let _ = self.demo.set(demo);
    }

    /// What is shown, if anything is.
    pub(crate) fn demo(&self) -> Option<&Demo> {
        self.demo.get()
    }

    /// The answer to a POST, which nothing but a demonstration takes.
    ///
    /// # Errors
    /// `MethodNotAllowed` anywhere else.
    pub(crate) fn post<'s>(&self, path: &SitePath<'_>) -> Result<Response<'s>, Reason> {
        let name = path.as_str().strip_prefix(PREFIX);
        let name = name.and_then(|name| name.strip_prefix(DEMO));
        let shown = name.and_then(|name| self.demo.get()?.post(name, self));
        shown.ok_or(Reason::MethodNotAllowed)
    }

    /// The page at `path`, if it is one.
    ///
    /// # Errors
    /// `NotFound` where there is no site behind the pages, and `NotLocal`.
    pub(crate) fn find<'s>(
        &self,
        path: &SitePath<'_>,
        request: &Request<'_>,
        asker: Asker,
        site: &Site<'s>,
    ) -> Result<Option<Response<'s>>, Reason> {
        let name = path.as_str().strip_prefix(PREFIX);
        let hidden = self.apart.load(Ordering::Relaxed) && asker != Asker::Operator;
        let page = match name.unwrap_or_default() {
            "health" => Response::text(Reason::Management, "alive\n"),
            "ready" if self.is_ready() => Response::text(Reason::Management, "ready\n"),
            "ready" => Response::refusal(Reason::NotReady),
            "version" | "manifest.json" | "metrics" if hidden => return Err(Reason::NotFound),
            "version" => self.version(site),
            "manifest.json" => Response::listing(Listing::of(site), request.version),
            "metrics" => self.metrics(request, asker, site)?,
            name => {
                let name = name.strip_prefix(DEMO);
                let demo = self.demo.get();
                let shown = match (demo, name) {
                    (Some(demo), Some(name)) => demo.find(name, request)?,
                    (None, _) | (_, None) => None,
                };
                if shown.is_none() && asker == Asker::Operator {
                    return Err(Reason::NotFound);
                }
                return Ok(shown);
            }
        };
        Ok(Some(page))
    }

    fn version<'s>(&self, site: &Site<'_>) -> Response<'s> {
        let told = self.told.get();
        let mut version = version::version(site, told.map(|told| told.engine()));
        if let (Some(fields), Some(told)) = (version.as_object_mut(), told) {
            fields.insert("sandbox".to_owned(), told.sandbox());
        }
        Response::page(response::JSON, format!("{version:#}\n").into_bytes())
    }

    fn metrics<'s>(
        &self,
        request: &Request<'_>,
        asker: Asker,
        site: &Site<'_>,
    ) -> Result<Response<'s>, Reason> {
        if !asker.is_near(request) {
            return Err(Reason::NotLocal);
        }
        let told = self.told.get().ok_or(Reason::NotFound)?;
        let mut text = Vec::new();
        told.metrics(site, &mut text);
        Ok(Response::page(response::METRICS, text))
    }
}

/// Whether a path is one of those that no rule of a site leads from.
pub(crate) fn is_own(path: &SitePath<'_>) -> bool {
    path.as_str().starts_with(PREFIX)
}

impl fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pages {{ ready: {}, .. }}", self.is_ready())
    }
}
