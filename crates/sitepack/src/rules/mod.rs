//! Patterns of paths, and targets made of what they matched: what `_redirects` and `_headers`
//! are written in. Used while serving, too: redirects with placeholders are looked up last.

mod pattern;
mod target;

pub use pattern::{Captures, PLACEHOLDERS_MAX, Pattern, PatternError, SPLAT};
pub use target::{LOCATION_BYTES_MAX, TargetError, location, placeholder, rewritten, split_origin};
