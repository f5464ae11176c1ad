//! What must not be seen: it has no `Display`, and its `Debug` shows nothing.

use std::fmt;

use crate::limits::SECRET_BYTES_MAX;

/// A password, a token, or the value of `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// None for what cannot stand in a field of a request: nothing, too much, control characters.
    pub(crate) fn new(text: impl Into<String>) -> Option<Secret> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= SECRET_BYTES_MAX;
        (fits && !text.contains(char::is_control)).then_some(Secret(text))
    }

    /// For a request, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_shows_nothing_and_fits_into_a_field() {
        let secret = Secret::new("hunter2").unwrap();
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "… Some(…)");
        for wrong in ["", "a\nb", "a\rb", "a\0b", &"x".repeat(40_000)] {
            assert_eq!(Secret::new(wrong), None);
        }
    }
}
