//! What is written while serving: one access line a request on standard output, events on
//! standard error. `docs/log.md` tells the fields.

mod access;
mod statistics;

pub use access::{AccessLog, Line};
pub use statistics::Statistics;
