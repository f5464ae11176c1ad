//! A file of credentials: Docker's `config.json`, and containers' `auth.json`, which has the same
//! form and may name paths below a registry.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use remote::Name;
use serde_json::{Map, Value};

use super::{Credential, helper};
use crate::World;
use crate::limits::CONFIGURATION_BYTES_MAX;
use crate::secret::Secret;

/// The credential that a file, or a helper that it names, has for a registry. A file that is not
/// there has none.
pub(super) fn find(
    world: &World<'_>,
    path: &Path,
    name: &Name,
) -> Result<Option<Credential>, String> {
    let failed = |cause: String| format!("cannot read `{}`: {cause}", path.display());
    let text = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    // The words of an error of JSON may hold what stands there.
    let json: Value =
        serde_json::from_slice(&text).map_err(|_| failed("it is not JSON".to_owned()))?;
    let key = &name.credentials;
    let named = json.get("credHelpers").and_then(|all| all.get(key));
    let named = named.or_else(|| json.get("credsStore"));
    if let Some(program) = named
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        && let Some(found) = helper::ask(world, program, key)?
    {
        return Ok(Some(found));
    }
    let auths = json.get("auths").and_then(Value::as_object);
    let entry = auths.and_then(|auths| entry(auths, name));
    entry.map_or(Ok(None), credential)
}

/// § containers-auth.json(5): the longest path that is the repository or above it, then the
/// registry; Docker writes registries as addresses, too (`https://ghcr.io/v2/`).
fn entry<'a>(auths: &'a Map<String, Value>, name: &Name) -> Option<&'a Value> {
    let is_docker = host(&name.credentials) == DOCKER;
    let registry = if is_docker {
        "docker.io"
    } else {
        &name.registry
    };
    let mut path = format!("{registry}/{}", name.repository);
    loop {
        if let Some(found) = auths.get(&path) {
            return Some(found);
        }
        match path.rsplit_once('/') {
            Some((above, _)) => path = above.to_owned(),
            None => break,
        }
    }
    let key = &name.credentials;
    let is_it = |written: &&String| {
        let written = host(written);
        let is_dockers = [DOCKER, "registry-1.docker.io"].contains(&written);
        written == key || written == host(key) || is_docker && is_dockers
    };
    let found = auths.keys().find(is_it);
    auths
        .get(key)
        .or_else(|| found.and_then(|written| auths.get(written)))
}

/// § Docker's registry, as Docker's client writes it; podman, buildah and skopeo write docker.io.
const DOCKER: &str = "index.docker.io";

/// Keys with a path are for that path alone, but for Docker's own ways to write a registry.
fn host(key: &str) -> &str {
    let host = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let host = host.strip_suffix('/').unwrap_or(host);
    let ends = ["/v1", "/v2"];
    let end = ends.iter().find_map(|end| host.strip_suffix(end));
    end.unwrap_or(host)
}

/// What an entry of `auths` holds; an empty one says that a helper has it.
fn credential(entry: &Value) -> Result<Option<Credential>, String> {
    let text = |name| {
        let text = entry.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    if let Some(token) = text("identitytoken") {
        return Ok(Secret::new(token).map(Credential::Identity));
    }
    if let Some(auth) = text("auth") {
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        let secret = Secret::new(format!("Basic {auth}")).filter(|_| auth.bytes().all(is_digit));
        return Ok(secret.map(Credential::Basic));
    }
    match (text("username"), text("password")) {
        (Some(user), Some(password)) => super::basic(user, password).map(Some),
        (None, _) | (_, None) => Ok(None),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut file = File::open(path)?.take(CONFIGURATION_BYTES_MAX + 1);
    file.read_to_end(&mut text)?;
    if text.len() as u64 > CONFIGURATION_BYTES_MAX {
        let cause = format!("it is longer than {CONFIGURATION_BYTES_MAX} bytes");
        return Err(io::Error::other(cause));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use remote::Name;

    use super::{Credential, find};
    use crate::World;
    use crate::limits::Limits;
    use crate::secret::Secrets;

    #[test]
    fn credentials_are_found_by_registry_and_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.json");
        let env = |_: &str| None;
        let world = World {
            env: &env,
            limits: Limits::default(),
            is_terminal: false,
            secrets: Secrets::default(),
        };
        let found = |name: &str| {
            let (name, _) = Name::parse(name).unwrap();
            Ok::<_, String>(match find(&world, &path, &name)? {
                None => "none".to_owned(),
                Some(Credential::Basic(secret)) => secret.reveal().to_owned(),
                Some(Credential::Identity(secret)) => format!("identity {}", secret.reveal()),
            })
        };
        assert_eq!(found("ghcr.io/a").unwrap(), "none", "no file");
        let text = r#"{"auths":{"ghcr.io":{"auth":"dTpw"},"ghcr.io/mine":{"auth":"bWluZTpw"},
            "https://quay.io/v2/":{"auth":"cTpw"},"https://index.docker.io/v1/":{"auth":"ZDpw"},
            "id.example":{"auth":"dTo=","identitytoken":"it"},"helped.example":{},
            "plain.example":{"username":"u","password":"p"},
            "bad.example":{"auth":"a\r\nb"}}}"#;
        std::fs::write(&path, text).unwrap();
        for (name, expected) in [
            ("ghcr.io/a", "Basic dTpw"),
            ("ghcr.io/mine", "Basic bWluZTpw"),
            ("ghcr.io/mine/x", "Basic bWluZTpw"),
            ("ghcr.io/mineral", "Basic dTpw"),
            ("quay.io/a", "Basic cTpw"),
            ("alpine", "Basic ZDpw"),
            ("id.example/a", "identity it"),
            ("plain.example/a", "Basic dTpw"),
            ("helped.example/a", "none"),
            ("bad.example/a", "none"),
            ("other.example/a", "none"),
        ] {
            assert_eq!(found(name).unwrap(), expected, "{name}");
        }
        for (auths, name, expected) in [
            (r#""docker.io":{"auth":"dTpw"}"#, "alpine", "Basic dTpw"),
            (r#""docker.io/me":{"auth":"dTpw"}"#, "me/a", "Basic dTpw"),
            (r#""docker.io/me":{"auth":"dTpw"}"#, "you/a", "none"),
            (r#""index.docker.io":{"auth":"dTpw"}"#, "me/a", "Basic dTpw"),
            (
                r#""registry-1.docker.io":{"auth":"dTpw"}"#,
                "docker.io/me/a",
                "Basic dTpw",
            ),
            (r#""docker.io":{"auth":"dTpw"}"#, "ghcr.io/a", "none"),
            (
                r#""docker.io":{"auth":"bm86bm8="},"docker.io/me/a":{"auth":"dTpw"}"#,
                "me/a",
                "Basic dTpw",
            ),
        ] {
            std::fs::write(&path, format!("{{\"auths\":{{{auths}}}}}")).unwrap();
            assert_eq!(found(name).unwrap(), expected, "{auths}");
        }
        std::fs::write(&path, "{\"auths\": secret").unwrap();
        let cause = found("ghcr.io/a").unwrap_err();
        assert!(cause.contains("it is not JSON"), "{cause}");
        assert!(!cause.contains("secret"), "{cause}");
        std::fs::write(&path, " ".repeat(2 << 20)).unwrap();
        assert!(found("ghcr.io/a").unwrap_err().contains("longer than"));
    }
}
