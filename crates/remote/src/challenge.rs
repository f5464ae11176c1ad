//! The challenge of a 401 (RFC 9110 §11.6.1): which schemes a server takes, and with what.

use ureq::http::HeaderMap;
use ureq::http::header::WWW_AUTHENTICATE;

use crate::limits::CHALLENGE_BYTES_MAX;

/// A scheme and its parameters, names in lower case.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// In lower case.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter, whose name is in lower case.
    #[must_use]
    pub fn parameter(&self, wanted: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        let found = all.find(|(name, _)| name == wanted);
        found.map(|(_, value)| &**value)
    }
}

/// The challenges of an answer.
#[must_use]
pub fn challenges(fields: &HeaderMap) -> Vec<Challenge> {
    let values = fields
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let short = values.filter(|value| value.len() <= CHALLENGE_BYTES_MAX);
    short.flat_map(parse).collect()
}

/// `Bearer realm="…",scope="a,b", Basic realm=x`: a scheme is a word that no `=` follows.
fn parse(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        let word = word.to_ascii_lowercase();
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) => {
                let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
                rest = after;
                if let Some(challenge) = found.last_mut() {
                    challenge.parameters.push((word, value));
                }
            }
            None => {
                rest = after;
                found.push(Challenge {
                    scheme: word,
                    parameters: Vec::new(),
                });
            }
        }
    }
}

/// A token or a quoted string, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Challenge, parse};

    #[test]
    fn challenges_are_parsed_as_the_rfc_says() {
        let challenge = |scheme: &str, parameters: &[(&str, &str)]| {
            let parameters = parameters.iter();
            Challenge {
                scheme: scheme.to_owned(),
                parameters: parameters
                    .map(|(n, v)| ((*n).into(), (*v).into()))
                    .collect(),
            }
        };
        for (text, expected) in [
            (
                r#"Bearer realm="https://auth.example/token",service="a b",scope="x:y:pull,push""#,
                vec![challenge(
                    "bearer",
                    &[
                        ("realm", "https://auth.example/token"),
                        ("service", "a b"),
                        ("scope", "x:y:pull,push"),
                    ],
                )],
            ),
            (
                r#"Basic realm="a\"b", BEARER Realm = c ,scope=d"#,
                vec![
                    challenge("basic", &[("realm", "a\"b")]),
                    challenge("bearer", &[("realm", "c"), ("scope", "d")]),
                ],
            ),
            (
                "Negotiate, Basic",
                vec![challenge("negotiate", &[]), challenge("basic", &[])],
            ),
            ("realm=x", vec![]),
            ("", vec![]),
            (", ,", vec![]),
            (
                "Bearer realm=\"open",
                vec![challenge("bearer", &[("realm", "open")])],
            ),
            (
                "Bearer realm=\"open\\",
                vec![challenge("bearer", &[("realm", "open")])],
            ),
            ("Bearer =x", vec![]),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
