//! Credentials for a registry: who is asked for them, in which order.
//!
//! 1. The command itself: `CHAPBOOK_REGISTRY_USER` (or `--user`) with `CHAPBOOK_REGISTRY_PASSWORD`
//!    or a password on standard input.
//! 2. The file that `REGISTRY_AUTH_FILE` names, as podman, buildah and skopeo keep it.
//! 3. Docker's `config.json`, in `DOCKER_CONFIG` or `~/.docker`. § In each file a helper named for
//!    the registry (`credHelpers`) comes before the one for all (`credsStore`), and that before
//!    what is written in the file (`auths`), as with Docker.
//!
//! They are looked for when a registry has answered 401, and not before: what can be had without
//! is asked for without, and no helper is started for it. Nothing of them is ever shown.

mod file;
mod helper;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remote::{Lookup, Name};

use crate::World;
use crate::secret::Secret;

/// What a registry, or its token service, is shown.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// The value of `Authorization` for basic authentication.
    Basic(Secret),
    /// What is exchanged for tokens, and shown to token services only.
    Identity(Secret),
}

/// What was given to the command itself.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// Where the password comes from, for whom it is refused.
    pub(crate) source: &'static str,
}

impl Given {
    /// What the environment gives, or the option and standard input.
    pub(crate) fn from(
        env: Lookup<'_>,
        user: Option<String>,
        password: Option<Secret>,
    ) -> Result<Option<Given>, String> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let user = user.or_else(|| set("CHAPBOOK_REGISTRY_USER"));
        let password = match (password, set("CHAPBOOK_REGISTRY_PASSWORD")) {
            (Some(password), _) => Some(password),
            (None, Some(text)) => {
                let fits = Secret::new(text);
                Some(fits.ok_or("CHAPBOOK_REGISTRY_PASSWORD is no usable password")?)
            }
            (None, None) => None,
        };
        match (user, password) {
            (Some(user), Some(password)) if is_user(&user) => {
                let source = "CHAPBOOK_REGISTRY_PASSWORD, or --password-stdin";
                Ok(Some(Given {
                    user,
                    password,
                    source,
                }))
            }
            (Some(_), Some(_)) => Err("the user's name is empty, or holds `:` or control".into()),
            (Some(_), None) => Err(
                "there is a user, but no password: set CHAPBOOK_REGISTRY_PASSWORD, or say \
                 --password-stdin"
                    .to_owned(),
            ),
            (None, Some(_)) => {
                Err("there is a password, but no user: set CHAPBOOK_REGISTRY_USER".to_owned())
            }
            (None, None) => Ok(None),
        }
    }

    fn credential(&self) -> Result<Credential, String> {
        basic(&self.user, self.password.reveal())
    }
}

/// Looks for the credential of a registry.
pub(crate) fn find(
    world: &World<'_>,
    given: Option<&Given>,
    name: &Name,
) -> Result<Option<Credential>, String> {
    if let Some(given) = given {
        return given.credential().map(Some);
    }
    for path in files(world.env) {
        if let Some(found) = file::find(world, &path, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where they are kept.
fn files(env: Lookup<'_>) -> Vec<PathBuf> {
    let set = |name: &str| {
        let value = env(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let home = || set("HOME").or_else(|| set("USERPROFILE"));
    let docker = set("DOCKER_CONFIG").or_else(|| home().map(|home| home.join(".docker")));
    let docker = docker.map(|directory| directory.join("config.json"));
    set("REGISTRY_AUTH_FILE")
        .into_iter()
        .chain(docker)
        .collect()
}

/// § RFC 7617: the user's name cannot have a colon.
fn basic(user: &str, password: &str) -> Result<Credential, String> {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let secret = Secret::new(format!("Basic {encoded}"));
    secret
        .filter(|_| is_user(user))
        .map(Credential::Basic)
        .ok_or_else(|| "the user or the password cannot be sent".to_owned())
}

fn is_user(user: &str) -> bool {
    !user.is_empty() && !user.contains(':') && !user.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{Credential, Given};
    use crate::secret::Secret;

    #[test]
    fn a_user_and_a_password_belong_together() {
        let with = |variables: &[(&str, &str)], user: Option<&str>, password: Option<&str>| {
            let env = |wanted: &str| {
                let found = variables.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| (*value).to_owned())
            };
            let password = password.and_then(Secret::new);
            Given::from(&env, user.map(str::to_owned), password)
        };
        let (user, password) = ("CHAPBOOK_REGISTRY_USER", "CHAPBOOK_REGISTRY_PASSWORD");
        let found = with(&[(user, "u"), (password, "p")], None, None);
        let Ok(Credential::Basic(basic)) = found.unwrap().unwrap().credential() else {
            panic!("no basic credential");
        };
        assert_eq!(basic.reveal(), "Basic dTpw");
        let found = with(&[(user, "x"), (password, "y")], Some("u"), Some("p"));
        assert_eq!(found.unwrap().unwrap().user, "u");
        assert!(with(&[], None, None).unwrap().is_none());
        assert!(with(&[(user, "")], None, None).unwrap().is_none());
        for (variables, cause) in [
            (&[(user, "u")][..], "no password"),
            (&[(password, "secret")], "no user"),
            (&[(user, "a:b"), (password, "secret")], "the user's name"),
            (&[(user, "u"), (password, "sec\nret")], "no usable password"),
        ] {
            let found = with(variables, None, None).unwrap_err();
            assert!(found.contains(cause), "{found}");
            assert!(!found.contains("sec"), "{found}");
        }
    }
}
