//! What asking other hosts takes, for those parts of chapbook that do: remote sources of a site
//! (`sitepack`, feature `fetch`) and registries of images (`registry`).
//!
//! 1. An [`Address`] is https, or http to a loopback host, and shows no query and no credential.
//! 2. A server cannot send us nearer than it is itself ([`Guard`]).
//! 3. Proxies and roots are taken from the environment, as Cargo takes them.
//! 4. What a server says is shown as one line of bounded length ([`shorten`]).
//!
//! It sends nothing by itself: what is asked, how often, and with which credential, is its
//! callers' matter.

mod address;
mod certificates;
mod challenge;
mod deadline;
mod hosts;
mod limits;
mod name;
mod proxy;
mod redact;

pub use address::{Address, Scheme, form, host_and_port};
pub use certificates::tls;
pub use challenge::{Challenge, challenges};
pub use deadline::Deadline;
pub use hosts::{First, Guard, Near, near};
pub use name::{Name, is_tag};
pub use proxy::proxy_for;
pub use redact::{redacted, shorten};

/// Reads a variable of the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;
