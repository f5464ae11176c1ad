//! Whose signature it is, by ssh-keygen or gpg, with the keys of the policy and no others.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Failure;
use super::object::{Scheme, Tag};
use super::policy::{ALLOWED_SIGNERS, Policy, RELEASE_KEYS, REVOKED_SIGNERS};

/// Principals that one key may have: people have one, or a new and an old one.
const PRINCIPALS_MAX: usize = 8;
/// What git signs for, so that a signature made for something else does not count.
const NAMESPACE: &str = "git";
/// Of what ssh-keygen says of a list: the key's own line, and some that are malformed.
const COMPLAINTS_MAX: usize = 4;
/// Between who signs and who checks.
const CLOCKS_DIFFER_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Who signed.
pub(super) fn signer(tag: &Tag, policy: &Policy) -> Result<String, Failure> {
    let Some((scheme, signature)) = &tag.signature else {
        return Err(refused("it is not signed: git tag -s"));
    };
    if !policy.has(*scheme) {
        let room = match scheme {
            Scheme::OpenPgp => RELEASE_KEYS,
            Scheme::Ssh => ALLOWED_SIGNERS,
        };
        return Err(Failure::Refused(format!(
            "nobody may sign so: add a signer to {room} of the default branch, as docs/ci.md says"
        )));
    }
    let directory = tempfile::tempdir().map_err(|error| unwritten(&error))?;
    let room = Room(directory.path());
    let signed = room.file("signed", &tag.signed)?;
    let signature = room.file("signed.sig", signature.as_bytes())?;
    match scheme {
        Scheme::OpenPgp => by_gpg(&room, policy, &signed, &signature),
        Scheme::Ssh => by_ssh(&room, policy, &signed, &signature),
    }
}

/// A directory that goes with the check.
struct Room<'a>(&'a Path);

impl Room<'_> {
    fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        fs::write(&path, content).map_err(|error| unwritten(&error))?;
        Ok(path)
    }
}

/// § `-Y find-principals` says whose key it is, `-Y verify` whether that key may sign this, now.
fn by_ssh(
    room: &Room<'_>,
    policy: &Policy,
    signed: &Path,
    signature: &Path,
) -> Result<String, Failure> {
    let allowed = room.file("allowed", &policy.allowed_signers)?;
    let mut find = Command::new("ssh-keygen");
    find.args(["-Y", "find-principals", "-s"]).arg(signature);
    find.arg("-f").arg(&allowed);
    let found = run(&mut find, "openssh-client")?;
    let principals = String::from_utf8_lossy(&found.stdout).into_owned();
    if !found.status.success() || principals.trim().is_empty() {
        return Err(Failure::Refused(format!(
            "its key is not one of {ALLOWED_SIGNERS}: {}",
            complaints(&found, &allowed)
        )));
    }
    let revoked = policy.revoked_signers.as_ref();
    let revoked = revoked.map(|list| room.file("revoked", list)).transpose()?;
    let verify = |principal: &str, revoked: Option<&Path>| {
        let mut verify = Command::new("ssh-keygen");
        verify.args(["-Y", "verify", "-n", NAMESPACE, "-I", principal, "-s"]);
        verify.arg(signature).arg("-f").arg(&allowed);
        if let Some(revoked) = revoked {
            verify.arg("-r").arg(revoked);
        }
        verify.stdin(File::open(signed).map_err(|error| unwritten(&error))?);
        run(&mut verify, "openssh-client")
    };
    let mut cause = "its signature does not hold".to_owned();
    for principal in principals.lines().take(PRINCIPALS_MAX) {
        let verified = verify(principal, revoked.as_deref())?;
        if verified.status.success() {
            return Ok(principal.escape_debug().to_string());
        }
        let held = revoked.as_ref().map(|_| verify(principal, None));
        let held = held.transpose()?.filter(|held| held.status.success());
        cause = match (held, &revoked) {
            (Some(held), Some(list)) => revocation(&held, list)?,
            (_, _) => format!("its signature does not hold: {}", last(&verified)),
        };
    }
    Err(Failure::Refused(cause))
}

/// Why a signature that holds by itself does not with a list of what is revoked, which ssh-keygen
/// does not tell. § `Good "git" signature for WHO with ED25519 key SHA256:…`; `-l` has that word.
/// A list that it cannot read revokes every key.
fn revocation(held: &Output, list: &Path) -> Result<String, Failure> {
    let said = String::from_utf8_lossy(&held.stdout).into_owned();
    let key = said.split_whitespace().next_back().unwrap_or_default();
    let mut print = Command::new("ssh-keygen");
    let listed = run(print.arg("-l").arg("-f").arg(list), "openssh-client")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    match listed.split_whitespace().any(|word| word == key) {
        true => Ok(format!("its key has been revoked, by {REVOKED_SIGNERS}")),
        false => Ok(format!(
            "{REVOKED_SIGNERS} revokes it, or cannot be read: each line of it is a public key"
        )),
    }
}

/// What ssh-keygen says of a list, by the list's own name: of a key that has expired, or of a line
/// that it cannot read.
fn complaints(output: &Output, list: &Path) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.replace(&list.display().to_string(), ALLOWED_SIGNERS);
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.take(COMPLAINTS_MAX).collect();
    lines.join("; ").escape_debug().to_string()
}

/// § doc/DETAILS of GnuPG: a good signature of a key that has neither expired nor been revoked says
/// GOODSIG and VALIDSIG; others say EXPKEYSIG, REVKEYSIG, EXPSIG, BADSIG or ERRSIG in its place.
fn by_gpg(
    room: &Room<'_>,
    policy: &Policy,
    signed: &Path,
    signature: &Path,
) -> Result<String, Failure> {
    let home = room.0.join("gnupg");
    fs::create_dir(&home).map_err(|error| unwritten(&error))?;
    #[cfg(unix)]
    {
        // Else gpg warns of it.
        use std::os::unix::fs::PermissionsExt as _;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&home, private).map_err(|error| unwritten(&error))?;
    }
    let gpg = |words: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(&home);
        gpg.args(["--no-options", "--batch", "--no-tty", "--no-autostart"]);
        gpg.args([
            "--disable-dirmngr",
            "--no-auto-key-locate",
            "--no-auto-key-retrieve",
        ]);
        gpg.args(["--trust-model", "always", "--status-fd", "1"]);
        // § MD5 is weak already.
        gpg.args(["--weak-digest", "SHA1"]);
        gpg.args(words).stdin(Stdio::null());
        gpg
    };
    for (number, (name, key)) in policy.release_keys.iter().enumerate() {
        let file = room.file(&format!("key{number}"), key)?;
        let imported = run(gpg(&["--import"]).arg(file), "gnupg")?;
        if !String::from_utf8_lossy(&imported.stdout).contains("IMPORT_OK") {
            let cause = last(&imported);
            return Err(Failure::Refused(format!(
                "{RELEASE_KEYS}/{name} is no key: {cause}"
            )));
        }
    }
    judged(&run(
        gpg(&["--verify"]).arg(signature).arg(signed),
        "gnupg",
    )?)
}

/// Whose signature it is, by what gpg says of it.
fn judged(verified: &Output) -> Result<String, Failure> {
    let status = String::from_utf8_lossy(&verified.stdout).into_owned();
    let status = |word: &str| {
        let of = |line: &str| {
            line.strip_prefix("[GNUPG:] ")?
                .strip_prefix(word)
                .map(str::to_owned)
        };
        status.lines().filter_map(of).collect::<Vec<_>>()
    };
    let (good, valid) = (status("GOODSIG "), status("VALIDSIG "));
    let bad = ["EXPKEYSIG ", "REVKEYSIG ", "EXPSIG ", "BADSIG ", "ERRSIG "];
    let bad: Vec<&str> = bad
        .into_iter()
        .filter(|word| !status(word).is_empty())
        .collect();
    match (&*good, &*valid, &*bad) {
        ([who], [valid], []) if verified.status.success() => match is_of_now(valid) {
            true => Ok(who.escape_debug().to_string()),
            false => Err(refused(
                "its signature is of a time to come, or of a text and not of its bytes",
            )),
        },
        (_, _, ["EXPKEYSIG "]) => Err(refused("its key has expired")),
        (_, _, ["REVKEYSIG "]) => Err(refused("its key has been revoked")),
        (_, _, _) if !status("NO_PUBKEY ").is_empty() => Err(Failure::Refused(format!(
            "its key is not in {RELEASE_KEYS}"
        ))),
        (_, _, _) => Err(Failure::Refused(format!(
            "its signature does not hold: {}",
            last(verified)
        ))),
    }
}

/// § doc/DETAILS, VALIDSIG: the third word is the time of the signature, in seconds; the ninth its
/// class, 00 for one of bytes. One of a text leaves out what stands at the ends of lines.
fn is_of_now(valid: &str) -> bool {
    let mut words = valid.split(' ').skip(2);
    let made = words.next().and_then(|word| word.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let latest = now.map(|now| now.as_secs() + CLOCKS_DIFFER_SECONDS_MAX);
    let is_past = made.is_some_and(|made: u64| latest.is_ok_and(|latest| made <= latest));
    is_past && words.nth(5) == Some("00")
}

fn run(command: &mut Command, package: &str) -> Result<Output, Failure> {
    let program = command.get_program().display().to_string();
    // What is said is told, and in English.
    let output = command.env("LC_ALL", "C").output();
    output.map_err(|error| {
        let cause = format!("failed to run `{program}`: {error} (apt-get install {package})");
        Failure::Unusable(cause)
    })
}

/// The last thing that a program said.
fn last(output: &Output) -> String {
    let said = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said));
    let line = |said: &str| {
        let line = said.lines().rfind(|line| !line.trim().is_empty())?;
        Some(line.escape_debug().to_string())
    };
    let line = said.iter().find_map(|said| line(said));
    line.unwrap_or_else(|| "it says nothing".to_owned())
}

fn refused(cause: &str) -> Failure {
    Failure::Refused(cause.to_owned())
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::Unusable(format!("failed to write `a temporary file`: {error}"))
}
