//! What must not be seen: it has no `Display`, and its `Debug` shows nothing. What a command comes
//! to know of it is kept (`Secrets`), so that no message shows it, not even one in which a server
//! sends it back.

use std::cell::RefCell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::SECRET_BYTES_MAX;

/// What no program that is started here finds in its environment.
pub(crate) const SECRET_VARIABLES: [&str; 2] = ["CHAPBOOK_REGISTRY_PASSWORD", "HEROKU_API_KEY"];
/// Shorter ones are parts of words: to mask them would tell them.
const MASKED_BYTES_MIN: usize = 4;

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

/// What one command has come to know, in the forms in which it may come back.
#[derive(Debug, Default)]
pub struct Secrets(RefCell<Vec<Secret>>);

impl Secrets {
    /// A password, a token, or the value of `Authorization` with what is in it.
    pub(crate) fn keep(&self, secret: &Secret) {
        let text = secret.reveal();
        let mut forms = vec![text.to_owned()];
        forms.extend(text.strip_prefix("Bearer ").map(str::to_owned));
        if let Some(encoded) = text.strip_prefix("Basic ") {
            forms.push(encoded.to_owned());
            let pair = STANDARD.decode(encoded).unwrap_or_default();
            let pair = String::from_utf8(pair).unwrap_or_default();
            forms.extend(
                pair.split_once(':')
                    .map(|(_, password)| password.to_owned()),
            );
        }
        // As it stands in an address.
        let in_addresses: Vec<String> = forms.iter().map(|form| in_address(form)).collect();
        forms.extend(in_addresses);
        forms.retain(|form| form.len() >= MASKED_BYTES_MIN);
        let mut known = self.0.borrow_mut();
        known.extend(forms.into_iter().filter_map(Secret::new));
        // One that holds another is masked first.
        known.sort_by_key(|secret| usize::MAX - secret.reveal().len());
        known.dedup();
    }

    /// A text without them.
    pub(crate) fn masked(&self, text: &str) -> String {
        let known = self.0.borrow();
        let all = known.iter().map(Secret::reveal);
        all.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

fn in_address(text: &str) -> String {
    let form = remote::form(&[("", text)]);
    form.strip_prefix('=').unwrap_or(&form).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Secret, Secrets};

    #[test]
    fn a_secret_shows_nothing_and_fits_into_a_field() {
        let secret = Secret::new("hunter2").unwrap();
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "… Some(…)");
        for wrong in ["", "a\nb", "a\rb", "a\0b", &"x".repeat(40_000)] {
            assert_eq!(Secret::new(wrong), None);
        }
    }

    #[test]
    fn what_is_known_is_masked_in_all_its_forms() {
        let known = Secrets::default();
        // `u:correct horse`
        for text in [
            "Basic dTpjb3JyZWN0IGhvcnNl",
            "Bearer t0ken",
            "pass word+",
            "abc",
        ] {
            known.keep(&Secret::new(text).unwrap());
        }
        for (text, shown) in [
            ("who is correct horse?", "who is …?"),
            ("a correct answer, a horse", "a correct answer, a horse"),
            ("Basic dTpjb3JyZWN0IGhvcnNl", "…"),
            ("(dTpjb3JyZWN0IGhvcnNl)", "(…)"),
            ("https://a/correct%20horse", "https://a/…"),
            ("Bearer t0ken; t0ken", "…; …"),
            ("pass word+ at /pass%20word%2B", "… at /…"),
            ("abc", "abc"),
        ] {
            assert_eq!(known.masked(text), shown);
        }
        assert!(!format!("{known:?}").contains("horse"));
    }
}
