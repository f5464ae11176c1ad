//! The one integration binary.
//!
//! `exchange` runs a request against the pure core and against every engine over a socket, and
//! wants the same answer from all. `transcripts` does so with files. `wire` speaks raw bytes.
//! `tidy` checks the rules that the code has given itself.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod archives;
mod benchmarks;
#[cfg(all(unix, feature = "pack", any(feature = "aws", feature = "heroku")))]
mod cloud;
mod command_line;
mod compiler;
mod conditionals;
#[cfg(all(unix, feature = "native"))]
mod connections;
#[cfg(unix)]
mod demo;
#[cfg(all(target_os = "linux", feature = "pack"))]
mod empty_root;
mod exchange;
mod fields;
mod generations;
#[cfg(all(unix, feature = "image", feature = "pack"))]
mod image;
#[cfg(all(unix, feature = "image", feature = "pack"))]
mod kit;
#[cfg(unix)]
mod logs;
#[cfg(unix)]
mod management;
mod methods;
#[cfg(all(unix, feature = "native"))]
mod native;
mod negotiation;
#[cfg(feature = "pack")]
mod pack;
mod packed_site;
#[cfg(all(unix, feature = "pack"))]
mod packing_fails;
#[cfg(all(unix, feature = "pack"))]
mod poems;
#[cfg(feature = "pack")]
mod proxies;
mod ranges;
mod rebuild;
mod reproducible;
mod requests;
#[cfg(unix)]
mod respawn;
mod rules;
mod runnable;
#[cfg(all(target_os = "linux", feature = "pack", feature = "sandbox"))]
mod sandbox;
mod seeds;
mod server;
mod shutdown;
mod site;
mod sites;
#[cfg(all(unix, feature = "pack"))]
mod sockets;
mod stamp;
#[cfg(feature = "zstd")]
mod stored;
#[cfg(feature = "zstd")]
mod stores;
#[cfg(unix)]
mod syslog;
mod targets;
mod tidy;
mod transcripts;
#[cfg(feature = "pack")]
mod watch;
mod wire;
#[cfg(feature = "pack")]
mod workshop;
