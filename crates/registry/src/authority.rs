//! What a registry is shown once it has answered 401: the answer to its challenge (RFC 9110
//! §11.6.1, RFC 7617, and the distribution project's token authentication).
//!
//! A token is asked for with the least that is needed: `pull`, or `pull,push`; never `delete`,
//! whatever the challenge may say. The token service must be https, or a loopback host of a
//! loopback registry; it gets the credential of the registry, as Docker sends it. A service that
//! redirects elsewhere loses it. An identity token stands in what is sent: it goes to the service
//! that was named, and along no redirect at all.

use std::cell::RefCell;

use remote::{Address, Challenge, Name, challenges, redacted, shorten};
use serde_json::Value;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};

use crate::World;
use crate::answer::Answer;
use crate::client::{Client, Content, Method, Request, Trouble};
use crate::credentials::{self, Credential, Given};
use crate::limits::TOKEN_ANSWER_BYTES_MAX;
use crate::secret::Secret;

/// Who we are to token services: § a name for their log, no secret.
const CLIENT_ID: &str = "chapbook";

/// One repository's right to be asked.
pub(crate) struct Authority<'a> {
    world: &'a World<'a>,
    given: Option<&'a Given>,
    scopes: Vec<String>,
    /// Looked for once.
    credential: RefCell<Option<Option<Credential>>>,
    held: RefCell<Option<Secret>>,
}

impl<'a> Authority<'a> {
    /// `scopes` as the token service is asked for them.
    pub(crate) fn new(
        world: &'a World<'a>,
        given: Option<&'a Given>,
        scopes: Vec<String>,
    ) -> Authority<'a> {
        if let Some(given) = given {
            world.secrets.keep(&given.password);
        }
        Authority {
            world,
            given,
            scopes,
            credential: RefCell::default(),
            held: RefCell::default(),
        }
    }

    /// What the registry is shown, if it has asked for something.
    pub(crate) fn held(&self) -> Option<Secret> {
        self.held.borrow().clone()
    }

    /// Whom a 401 of the registry refuses, if it was a password that it was shown; what it does not
    /// grant by a token is not the password's fault.
    pub(crate) fn refusal(&self, answer: &Answer) -> String {
        let held = self.held.borrow();
        let is_basic = |held: &Secret| held.reveal().starts_with("Basic ");
        match held.as_ref().is_some_and(is_basic) {
            true => self.refused(answer),
            false => String::new(),
        }
    }

    /// Whom a 401 refuses, where somebody was shown.
    fn refused(&self, answer: &Answer) -> String {
        let is_known = matches!(&*self.credential.borrow(), Some(Some(_)));
        match (answer.status, is_known, self.given) {
            (401, true, Some(given)) => {
                let (user, source) = (shorten(&given.user), given.source);
                format!("; it refuses the user `{user}`: check {source}")
            }
            (401, true, None) => "; it refuses who is logged in: `docker login`".to_owned(),
            (_, _, _) => String::new(),
        }
    }

    /// Gets what a 401 asks for.
    pub(crate) fn renew(
        &self,
        client: &Client<'_>,
        name: &Name,
        refused: &Answer,
    ) -> Result<(), Trouble> {
        let challenges = challenges(&refused.fields);
        let mut all = challenges.iter();
        let bearer = all.find(|challenge| challenge.scheme == "bearer");
        let is_basic = challenges.iter().any(|one| one.scheme == "basic");
        let credential = self.credential(name).map_err(Trouble::Final)?;
        let held = match (bearer, credential) {
            (Some(challenge), credential) => self.token(client, challenge, credential)?,
            (None, Some(Credential::Basic(basic))) if is_basic => basic,
            (None, Some(Credential::Identity(_))) if is_basic => {
                let cause = "it wants a user and a password, and there is an identity token only";
                return Err(Trouble::Final(cause.to_owned()));
            }
            (None, None) if is_basic => {
                return Err(Trouble::Final(format!(
                    "it wants a user and a password, and there are none for `{}` in \
                     CHAPBOOK_REGISTRY_USER, REGISTRY_AUTH_FILE or Docker's config.json",
                    name.credentials
                )));
            }
            (None, _) => {
                let cause = "it answered 401 and asks for nothing that is known here";
                return Err(Trouble::Final(cause.to_owned()));
            }
        };
        self.world.secrets.keep(&held);
        *self.held.borrow_mut() = Some(held);
        Ok(())
    }

    fn credential(&self, name: &Name) -> Result<Option<Credential>, String> {
        if let Some(found) = &*self.credential.borrow() {
            return Ok(found.clone());
        }
        let found = credentials::find(self.world, self.given, name)?;
        if let Some(Credential::Basic(secret) | Credential::Identity(secret)) = &found {
            self.world.secrets.keep(secret);
        }
        *self.credential.borrow_mut() = Some(found.clone());
        Ok(found)
    }

    fn token(
        &self,
        client: &Client<'_>,
        challenge: &Challenge,
        credential: Option<Credential>,
    ) -> Result<Secret, Trouble> {
        let realm = challenge.parameter("realm").unwrap_or_default();
        let refused = |cause| {
            format!(
                "its token service `{}` is refused: {cause}",
                redacted(realm)
            )
        };
        let service = Address::parse(realm).map_err(|cause| Trouble::Final(refused(cause)))?;
        let named = |cause: &str| format!("its token service `{service}`: {cause}");
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(challenge.parameter("service").map(|name| ("service", name)));
        query.extend(self.scopes.iter().map(|scope| ("scope", &**scope)));
        let answer = match credential {
            Some(Credential::Identity(identity)) => {
                self.exchange_identity(client, &service, query, &identity)?
            }
            Some(Credential::Basic(basic)) => ask(client, &service, &query, Some(&basic))?,
            None => ask(client, &service, &query, None)?,
        };
        if answer.is_passing() {
            return Err(Trouble::Passing(named(&format!(
                "it answered {}",
                answer.said()
            ))));
        }
        if answer.status != 200 {
            let cause = format!("it answered {}{}", answer.said(), self.refused(&answer));
            return Err(Trouble::Final(named(&cause)));
        }
        let json: Value = serde_json::from_slice(&answer.content)
            .map_err(|_| Trouble::Final(named("its answer is not JSON")))?;
        let token = json.get("token").or_else(|| json.get("access_token"));
        let token = token.and_then(Value::as_str).unwrap_or_default();
        let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let secret = Secret::new(format!("Bearer {token}")).filter(|_| is_token);
        secret.ok_or_else(|| Trouble::Final(named("its answer holds no token")))
    }

    /// § OAuth 2 (RFC 6749 §6): an identity token goes in a form, not in an address.
    fn exchange_identity(
        &self,
        client: &Client<'_>,
        service: &Address,
        query: Vec<(&str, &str)>,
        identity: &Secret,
    ) -> Result<Answer, Trouble> {
        let service_name = query.iter().filter(|(name, _)| *name == "service");
        let scopes = self.scopes.join(" ");
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", identity.reveal()),
            ("scope", &scopes),
        ];
        fields.extend(service_name);
        let form = remote::form(&fields);
        // A redirect is no answer to it: what stands in it is for this service alone.
        let request = Request {
            method: Method::Post,
            address: service,
            fields: &[
                (ACCEPT, "application/json"),
                (CONTENT_TYPE, "application/x-www-form-urlencoded"),
            ],
            content: Content::Bytes(form.as_bytes()),
            authorization: None,
            bytes_max: TOKEN_ANSWER_BYTES_MAX,
        };
        client.once(request, None)
    }
}

fn ask(
    client: &Client<'_>,
    service: &Address,
    query: &[(&str, &str)],
    authorization: Option<&Secret>,
) -> Result<Answer, Trouble> {
    client.exchange(Request {
        method: Method::Get,
        address: &service.with_query(query),
        fields: &[(ACCEPT, "application/json")],
        content: Content::None,
        authorization,
        bytes_max: TOKEN_ANSWER_BYTES_MAX,
    })
}
