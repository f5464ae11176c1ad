//! The compiler's one error type.

use std::fmt;
use std::path::Path;

/// Why a site could not be compiled: one line that says what could not be done, to what, and why.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// "failed to VERB `OBJECT`: cause".
    pub(crate) fn new(verb: &str, object: impl fmt::Display, cause: impl fmt::Display) -> Error {
        Error(format!("failed to {verb} `{object}`: {cause}"))
    }

    /// A fault at a line of a source file, in the form that editors can jump to.
    pub(crate) fn at_line(file: &Path, line: usize, cause: impl fmt::Display) -> Error {
        Error(format!("{}:{line}: {cause}", file.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
