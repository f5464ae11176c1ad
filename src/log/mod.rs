//! What is written while serving: one access line a request on standard output, events on
//! standard error. `docs/log.md` tells the fields.

mod access;
mod statistics;

use std::io::Write as _;

pub use access::{AccessLog, Line};
pub use statistics::Statistics;

/// Says what happened, in one line on standard error. If nobody listens there, so be it.
pub fn say(event: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "chapbook: {event}");
}
