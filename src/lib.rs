//! chapbook: a static web site compiled into the executable that serves it.
//!
//! # What it serves
//!
//! 1. The site is one file, the *packed site*, made by `build.rs` with the crate `sitepack` and
//!    included in the executable. Nothing else is ever served: while serving, no file is opened.
//!    (`serve DIR --watch` packs DIR anew beside it, and puts that in its place; so does SIGHUP
//!    with `--poetry-dir`.)
//! 2. Each resource has its *representations* ready: bytes, content coding, entity-tag, digest and
//!    field lines, bound together when the site was packed.
//! 3. [`origin::Origin::respond`] answers a request: a pure function of the request, the packed
//!    site and the time. It decides everything; an engine only reads requests and sends answers.
//! 4. Engines own the sockets. They stand in [`server`], one file each.
//!
//! # What it promises
//!
//! 1. No request, however malformed, makes it panic, reach a file, or be answered twice.
//! 2. A path is read once, by `sitepack::SitePath`, the same type that the compiler names
//!    resources with.
//! 3. Every bound stands in [`limits`], with its reason.
//! 4. `unsafe` stands in one module, [`embedded`], and says why it is sound.
//! 5. Once it listens, it gives up what serving does not need of the system: [`sandbox`].
//! 6. Every answer carries a [`reason::Reason`] from a closed list, and the log prints it.
//!
//! # How to audit it
//!
//! Read `origin.rs` first: every branch of a request is in it, on one screen. Each file in
//! `http/` is one rule of the RFCs with its table of cases at the bottom. `docs/http.md` leads
//! from the RFCs' sections to files and tests. `tests/it/tidy.rs` checks the rules above.

pub mod about;
pub mod cli;
pub mod cloud;
mod commands;
pub mod embedded;
pub mod http;
#[cfg(feature = "image")]
pub mod image;
pub mod limits;
pub mod log;
pub mod origin;
pub mod pages;
pub mod reason;
pub mod request;
mod resolve;
pub mod response;
pub mod sandbox;
#[cfg(feature = "image")]
pub mod sbom;
pub mod server;

pub use commands::{START_FIELDS, refuse, run};
