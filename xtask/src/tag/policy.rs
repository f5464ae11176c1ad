//! Who may sign: three files of the default branch.

use super::git::Git;
use super::{Failure, object::Scheme};

/// § ssh-keygen(1), ALLOWED SIGNERS: a principal, options, a key.
pub(super) const ALLOWED_SIGNERS: &str = ".github/allowed_signers";
/// § ssh-keygen(1): public keys, one a line, that no longer count.
pub(super) const REVOKED_SIGNERS: &str = ".github/revoked_signers";
/// OpenPGP keys, armoured; a revoked one is exported again with its revocation.
pub(super) const RELEASE_KEYS: &str = ".github/release-keys";
/// One a person: more are no list that anybody reads.
const KEYS_MAX: usize = 64;
/// Where the policy is looked for if nobody says.
const BRANCHES: [&str; 3] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/heads/main",
];

/// Who may sign.
#[derive(Default)]
pub(super) struct Policy {
    pub(super) allowed_signers: Vec<u8>,
    pub(super) revoked_signers: Option<Vec<u8>>,
    /// Name and content.
    pub(super) release_keys: Vec<(String, Vec<u8>)>,
}

impl Policy {
    pub(super) fn read(git: &Git, from: Option<&str>) -> Result<Policy, Failure> {
        let commit = commit(git, from)?;
        let allowed = git.file(&commit, ALLOWED_SIGNERS)?;
        let names = git.names(&commit, RELEASE_KEYS)?;
        let mut policy = Policy {
            allowed_signers: allowed.unwrap_or_default(),
            revoked_signers: git.file(&commit, REVOKED_SIGNERS)?,
            release_keys: Vec::new(),
        };
        for name in names.iter().filter(|name| name.ends_with(".asc")) {
            if policy.release_keys.len() == KEYS_MAX {
                let cause = format!("{RELEASE_KEYS} holds over {KEYS_MAX} keys");
                return Err(Failure::Refused(cause));
            }
            let key = git.file(&commit, &format!("{RELEASE_KEYS}/{name}"))?;
            let key = key.unwrap_or_default();
            policy.release_keys.push((name.clone(), key));
        }
        Ok(policy)
    }

    /// Whether anybody may sign in this way.
    pub(super) fn has(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::OpenPgp => !self.release_keys.is_empty(),
            Scheme::Ssh => {
                let text = String::from_utf8_lossy(&self.allowed_signers);
                let mut lines = text.lines().map(str::trim);
                lines.any(|line| !line.is_empty() && !line.starts_with('#'))
            }
        }
    }
}

fn commit(git: &Git, from: Option<&str>) -> Result<String, Failure> {
    let candidates = match from {
        Some(from) => vec![from],
        None => BRANCHES
            .into_iter()
            .filter(|branch| !branch.ends_with("/HEAD") || git.is_symbolic(branch))
            .collect(),
    };
    for candidate in &candidates {
        if let Some(commit) = git.branch(candidate)? {
            return Ok(commit);
        }
    }
    Err(Failure::Unusable(format!(
        "there is no branch to read the policy from: {}",
        candidates.join(", ")
    )))
}
