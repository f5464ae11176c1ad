//! Tokens of registries: the answer to the challenge of a 401 (the distribution project's token
//! authentication).
//!
//! A registry names its token service. It must be https, or a loopback host of a loopback
//! registry (`hosts` sees to it). Docker's credentials for the registry, if there are any, go to
//! that service, as Docker sends them; a service that redirects elsewhere loses them. No message
//! shows a token or a credential.

use remote::{Address, Challenge, Deadline, challenges, redacted};
use ureq::http::HeaderMap;

use super::client::{Client, Request};
use super::credentials;
use super::limits::{TOKEN_ANSWER_BYTES_MAX, TOKEN_BYTES_MAX};
use super::reference::Reference;

/// The value of `Authorization` that a registry's 401 asks for.
pub(super) fn authorization(
    client: &Client<'_>,
    reference: &Reference,
    refused: &HeaderMap,
    until: Deadline,
) -> Result<String, String> {
    let basic = credentials::basic(client.settings().env, &reference.name.credentials)?;
    let challenges = challenges(refused);
    let of = |scheme| {
        challenges
            .iter()
            .find(|challenge| challenge.scheme == scheme)
    };
    if let Some(challenge) = of("bearer") {
        return bearer(client, reference, challenge, basic.as_deref(), until);
    }
    let registry = &reference.name.registry;
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
    let parameter = |wanted| challenge.parameter(wanted);
    let realm = parameter("realm").unwrap_or_default();
    let refused = |cause| {
        format!(
            "the token service `{}` is refused: {cause}",
            redacted(realm)
        )
    };
    let service = Address::parse(realm).map_err(refused)?;
    let scope = format!("repository:{}:pull", reference.name.repository);
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
