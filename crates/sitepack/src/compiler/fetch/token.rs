//! Tokens of registries: the challenge of a 401 (RFC 9110 §11.6.1), and the answer to it (the
//! distribution project's token authentication).
//!
//! A registry names its token service. It must be https, or a loopback host of a loopback
//! registry (`hosts` sees to it). Docker's credentials for the registry, if there are any, go to
//! that service, as Docker sends them; a service that redirects elsewhere loses them. No message
//! shows a token or a credential.

use ureq::http::HeaderMap;
use ureq::http::header::WWW_AUTHENTICATE;

use super::address::Address;
use super::client::{Client, Request};
use super::credentials;
use super::deadline::Deadline;
use super::limits::{CHALLENGE_BYTES_MAX, TOKEN_ANSWER_BYTES_MAX, TOKEN_BYTES_MAX};
use super::redact::redacted;
use super::reference::Reference;

/// A scheme and its parameters, names in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// The value of `Authorization` that a registry's 401 asks for.
pub(super) fn authorization(
    client: &Client<'_>,
    reference: &Reference,
    refused: &HeaderMap,
    until: Deadline,
) -> Result<String, String> {
    let basic = credentials::basic(client.settings().env, &reference.credentials)?;
    let challenges = challenges(refused);
    let of = |scheme| {
        challenges
            .iter()
            .find(|challenge| challenge.scheme == scheme)
    };
    if let Some(challenge) = of("bearer") {
        return bearer(client, reference, challenge, basic.as_deref(), until);
    }
    let registry = &reference.registry;
    match (of("basic"), basic) {
        (Some(_), Some(basic)) => Ok(basic),
        (Some(_), None) => Err(format!(
            "`{registry}` answered 401 and wants a user and a password; there are none for it in \
             Docker's config.json"
        )),
        (None, Some(_) | None) => Err(format!(
            "`{registry}` answered 401 and asks for nothing that is known here"
        )),
    }
}

fn bearer(
    client: &Client<'_>,
    reference: &Reference,
    challenge: &Challenge,
    basic: Option<&str>,
    until: Deadline,
) -> Result<String, String> {
    let parameter = |wanted: &str| {
        let mut all = challenge.parameters.iter();
        all.find(|(name, _)| name == wanted)
            .map(|(_, value)| &**value)
    };
    let realm = parameter("realm").unwrap_or_default();
    let refused = |cause| {
        format!(
            "the token service `{}` is refused: {cause}",
            redacted(realm)
        )
    };
    let service = Address::parse(realm).map_err(refused)?;
    let scope = format!("repository:{}:pull", reference.repository);
    let scope = parameter("scope").unwrap_or(&scope);
    let mut query = vec![("scope", scope)];
    query.extend(parameter("service").map(|name| ("service", name)));
    let address = service.with_query(&query);
    let request = Request {
        address: &address,
        accept: "application/json",
        authorization: basic,
    };
    let answer = client.get(request, until)?;
    let named = |cause: &str| format!("the token service `{service}`: {cause}");
    if answer.is_unauthorized {
        return Err(named("it answered 401 Unauthorized"));
    }
    let text = answer.read(client, TOKEN_ANSWER_BYTES_MAX)?;
    let json: serde_json::Value =
        serde_json::from_slice(&text).map_err(|_| named("its answer is not JSON"))?;
    let token = json.get("token").or_else(|| json.get("access_token"));
    let token = token.and_then(|token| token.as_str()).unwrap_or_default();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token || token.len() > TOKEN_BYTES_MAX {
        return Err(named("its answer holds no token"));
    }
    Ok(format!("Bearer {token}"))
}

fn challenges(fields: &HeaderMap) -> Vec<Challenge> {
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
