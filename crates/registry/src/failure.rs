//! How a command fails: one line, and the exit code that goes with it.

use std::fmt;

use crate::secret::Secrets;

/// Why nothing, or not all, was done. Its `Display` is one line.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or unusable input: nothing was sent. Exit 2.
    Unusable(String),
    /// It was tried. Exit 1.
    Failed(String),
}

impl Failure {
    /// "failed to VERB `OBJECT`: cause".
    pub(crate) fn failed(verb: &str, object: &str, cause: impl fmt::Display) -> Failure {
        Failure::Failed(format!("failed to {verb} `{object}`: {cause}"))
    }

    /// The same before anything was sent.
    pub(crate) fn unusable(verb: &str, object: &str, cause: impl fmt::Display) -> Failure {
        Failure::Unusable(format!("failed to {verb} `{object}`: {cause}"))
    }

    /// The same, without what must not be seen.
    pub(crate) fn masked(self, secrets: &Secrets) -> Failure {
        match self {
            Failure::Unusable(line) => Failure::Unusable(secrets.masked(&line)),
            Failure::Failed(line) => Failure::Failed(secrets.masked(&line)),
        }
    }

    /// 1 or 2.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Unusable(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unusable(line) | Failure::Failed(line) => formatter.write_str(line),
        }
    }
}

impl std::error::Error for Failure {}
