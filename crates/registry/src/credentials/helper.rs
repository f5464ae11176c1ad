//! Credential helpers: `docker-credential-NAME get`, which is told a registry on its standard input
//! and answers with JSON (docker/docker-credential-helpers).
//!
//! No secret is on its command line; what it says on standard error goes where ours goes, since it
//! may ask its user for something; its standard output is never shown.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Credential, basic};
use crate::World;
use crate::limits::HELPER_BYTES_MAX;
use crate::secret::{SECRET_VARIABLES, Secret};

/// § The user's name that says that the secret is an identity token.
const IDENTITY: &str = "<token>";
/// What helpers say of registries that they do not know, with exit code 1.
const UNKNOWN: &str = "credentials not found";
/// How often a helper is looked at once it has nothing more to say.
const LOOK_MILLISECONDS: u64 = 5;

/// Asks a helper; None where it knows nothing of the registry.
pub(super) fn ask(
    world: &World<'_>,
    name: &str,
    registry: &str,
) -> Result<Option<Credential>, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.bytes().all(is_word) {
        return Err("the name of a credential helper is malformed".to_owned());
    }
    let program = format!("docker-credential-{name}");
    let failed = |cause: &str| format!("the credential helper `{program}`: {cause}");
    let mut command = Command::new(&program);
    command.arg("get");
    if let Some(path) = (world.env)("PATH") {
        command.env("PATH", path);
    }
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn().map_err(|error| {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let cause = error.to_string();
        failed(if is_missing {
            "it is not installed"
        } else {
            &cause
        })
    })?;
    let limit = world.limits.helper;
    let (is_good, said) = converse(child, registry, limit).map_err(|cause| failed(&cause))?;
    if !is_good {
        return match said.contains(UNKNOWN) {
            true => Ok(None),
            false => Err(failed("it failed")),
        };
    }
    let answer: Value = serde_json::from_str(&said).map_err(|_| failed("it answered no JSON"))?;
    let text = |name| answer.get(name).and_then(Value::as_str);
    match (text("Username"), text("Secret")) {
        (Some(IDENTITY), Some(secret)) => {
            let secret = Secret::new(secret).ok_or_else(|| failed("its token cannot be sent"))?;
            Ok(Some(Credential::Identity(secret)))
        }
        (Some(user), Some(secret)) => basic(user, secret)
            .map(Some)
            .map_err(|cause| failed(&cause)),
        (None, _) | (_, None) => Err(failed("its answer has no user and secret")),
    }
}

/// Tells it the registry and takes its answer, within a time: then it is ended.
fn converse(mut child: Child, registry: &str, limit: Duration) -> Result<(bool, String), String> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (sender, answers) = mpsc::channel();
    thread::spawn(move || {
        let mut said = String::new();
        let read = stdout.map(|out| out.take(HELPER_BYTES_MAX).read_to_string(&mut said));
        // Nobody waits any more if it took too long.
        let _ = sender.send(matches!(read, Some(Ok(_))).then_some(said));
    });
    if let Some(mut stdin) = stdin {
        // One that does not read has its own reason.
        let _ = writeln!(stdin, "{registry}");
    }
    let begun = Instant::now();
    let said = answers.recv_timeout(limit);
    let mut ended = None;
    while said.is_ok() && ended.is_none() && begun.elapsed() < limit {
        ended = child.try_wait().map_err(|error| error.to_string())?;
        if ended.is_none() {
            thread::sleep(Duration::from_millis(LOOK_MILLISECONDS));
        }
    }
    let Some(ended) = ended else {
        // It may have ended by itself in between.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it took more than {limit:?}"));
    };
    match said {
        Ok(Some(said)) => Ok((ended.success(), said)),
        Ok(None) | Err(_) => Err("it answered no text".to_owned()),
    }
}
