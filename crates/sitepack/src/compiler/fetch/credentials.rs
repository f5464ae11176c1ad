//! Credentials of people who logged in with `docker login`: `auths` of Docker's `config.json`.
//!
//! It is read when a registry has answered 401, and not before. Helper programs (`credsStore`,
//! `credHelpers`) are not run, and identity tokens not used: a build starts no program of others.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use remote::Lookup;
use serde_json::Value;

use super::limits::{DOCKER_CONFIG_BYTES_MAX, TOKEN_BYTES_MAX};

/// The value of `Authorization` for a registry, if somebody has logged in to it.
pub(super) fn basic(env: Lookup<'_>, registry: &str) -> Result<Option<String>, String> {
    let set = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = || {
        set("HOME")
            .or_else(|| set("USERPROFILE"))
            .map(|home| home.join(".docker"))
    };
    let Some(directory) = set("DOCKER_CONFIG").or_else(home) else {
        return Ok(None);
    };
    let path = directory.join("config.json");
    let failed = |cause: String| format!("cannot read `{}`: {cause}", path.display());
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    let json: Value =
        serde_json::from_slice(&text).map_err(|_| failed("it is not JSON".to_owned()))?;
    let Some(auths) = json.get("auths").and_then(Value::as_object) else {
        return Ok(None);
    };
    let named = |key: &str| host(key) == registry;
    let entry = auths.get(registry).or_else(|| {
        auths
            .iter()
            .find(|(key, _)| named(key))
            .map(|(_, entry)| entry)
    });
    let auth = entry
        .and_then(|entry| entry.get("auth"))
        .and_then(Value::as_str);
    Ok(auth
        .filter(|auth| is_base64(auth))
        .map(|auth| format!("Basic {auth}")))
}

/// Docker has written registries as addresses, too: `https://ghcr.io/v2/`.
fn host(key: &str) -> &str {
    let host = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    host.unwrap_or(key).split('/').next().unwrap_or_default()
}

fn is_base64(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    !text.is_empty() && text.len() <= TOKEN_BYTES_MAX && text.bytes().all(is_digit)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut file = File::open(path)?.take(DOCKER_CONFIG_BYTES_MAX + 1);
    file.read_to_end(&mut text)?;
    if text.len() as u64 > DOCKER_CONFIG_BYTES_MAX {
        let cause = format!("it is longer than {DOCKER_CONFIG_BYTES_MAX} bytes");
        return Err(io::Error::other(cause));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::basic;

    #[test]
    fn credentials_are_found_by_registry() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap().to_owned();
        let config = |text: &str| std::fs::write(directory.path().join("config.json"), text);
        let found = |registry: &str| {
            basic(
                &|name| (name == "DOCKER_CONFIG").then(|| path.clone()),
                registry,
            )
        };
        assert_eq!(found("ghcr.io"), Ok(None), "no file");
        config(
            r#"{"auths":{"ghcr.io":{"auth":"dTpw"},"https://quay.io/v2/":{"auth":"cTpw"},
            "https://index.docker.io/v1/":{"auth":"ZDpw"},"helped.example":{},
            "bad.example":{"auth":"a\r\nb"}}}"#,
        )
        .unwrap();
        for (registry, expected) in [
            ("ghcr.io", Some("Basic dTpw")),
            ("quay.io", Some("Basic cTpw")),
            ("https://index.docker.io/v1/", Some("Basic ZDpw")),
            ("helped.example", None),
            ("bad.example", None),
            ("other.example", None),
            ("io", None),
        ] {
            assert_eq!(found(registry).unwrap().as_deref(), expected, "{registry}");
        }
        config("{\"auths\": secret").unwrap();
        let cause = found("ghcr.io").unwrap_err();
        assert!(
            cause.contains("it is not JSON") && !cause.contains("secret"),
            "{cause}"
        );
        config("[]").unwrap();
        assert_eq!(found("ghcr.io"), Ok(None));
        assert_eq!(basic(&|_| None, "ghcr.io"), Ok(None));
    }
}
