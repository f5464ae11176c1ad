//! `cargo xtask verify-tag`: whether a tag is one that may be there.
//!
//! 1. A version, `v1.2.3` or `v1.2.3-rc1`, is annotated and signed by a signer of the policy; a
//!    pre-release is no exception.
//! 2. Any other name stands under `wip/` or `exp/`; only there a tag may be lightweight.
//! 3. The policy is read from the default branch, never from the tag, nor from a tag that is named
//!    as the branch is: whoever may push a tag must not bring along who may sign it.
//! 4. What is signed names the tag and the commit: a signed tag under another name is refused.
//! 5. Signatures are checked at the present time, so that a key that has expired cannot be dated
//!    back. There is no network, and neither the user's own keyrings nor git's settings count.
//!
//! The order: `name` says what a name wants, `object` reads the tag, `policy` who may sign,
//! `signature` asks ssh-keygen or gpg.

mod git;
mod name;
mod object;
mod policy;
mod signature;

use std::process::ExitCode;

use crate::Ended;
use git::Git;
use name::Kind;
use object::Tag;
use policy::Policy;

const USAGE: &str = "usage: cargo xtask verify-tag [--policy-from REF] [--commit HASH] TAG

  --policy-from REF   the branch that says who may sign: main, origin/main, refs/heads/main
                      (CHAPBOOK_POLICY_FROM; origin/HEAD, origin/main, main: the first there is)
  --commit HASH       the commit that the tag has to name (CHAPBOOK_COMMIT)

Prints the commit. Exit code 1: the tag is refused; 2: it could not be asked.
";

/// Why there is no answer, or why it is no.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Unusable(String),
    Refused(String),
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    tag: String,
    policy_from: Option<String>,
    commit: Option<String>,
}

/// Does what the words behind `verify-tag` say.
pub(crate) fn main(words: &[&str]) -> ExitCode {
    if words.iter().any(|word| ["--help", "-h"].contains(word)) {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let asked = match Asked::read(words, set) {
        Ok(asked) => asked,
        Err(why) => return Ended::Wrong(why, USAGE).code(),
    };
    match verify(&asked) {
        Ok((commit, why)) => {
            println!("{commit}");
            eprintln!("`{}` is fine: {why}", asked.tag);
            ExitCode::SUCCESS
        }
        Err(Failure::Refused(cause)) => {
            eprintln!("xtask: failed to verify `{}`: {cause}", asked.tag);
            ExitCode::FAILURE
        }
        Err(Failure::Unusable(cause)) => {
            eprintln!("xtask: failed to verify `{}`: {cause}", asked.tag);
            ExitCode::from(2)
        }
    }
}

impl Asked {
    fn read(words: &[&str], set: impl Fn(&str) -> Option<String>) -> Result<Asked, String> {
        let (mut policy_from, mut commit, mut tag) = (None, None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--policy-from" | "--commit" => {
                    let value = words
                        .next()
                        .ok_or_else(|| format!("`{word}` wants a value"))?;
                    let named = match *word {
                        "--commit" => &mut commit,
                        _ => &mut policy_from,
                    };
                    *named = Some((*value).to_owned());
                }
                word if word.starts_with('-') => return Err(format!("there is no `{word}`")),
                word if tag.is_some() => return Err(format!("`{word}` is one TAG too many")),
                word => tag = Some(word.strip_prefix("refs/tags/").unwrap_or(word).to_owned()),
            }
        }
        let tag = tag.filter(|tag| !tag.is_empty());
        Ok(Asked {
            tag: tag.ok_or("it is not said which TAG")?,
            policy_from: policy_from.or_else(|| set("CHAPBOOK_POLICY_FROM")),
            commit: commit.or_else(|| set("CHAPBOOK_COMMIT")),
        })
    }
}

/// The commit that a tag names, and why the tag is fine.
fn verify(asked: &Asked) -> Result<(String, String), Failure> {
    let refused = |cause: &str| Failure::Refused(cause.to_owned());
    let git = Git::here();
    let reference = format!("refs/tags/{}", asked.tag);
    let object = git.object(&reference)?;
    // Whoever asks by the full name, as services do, could mean that one.
    if git.resolve(&format!("refs/tags/{reference}"))?.is_some() {
        return Err(Failure::Refused(format!(
            "there is a tag named `{reference}`, too"
        )));
    }
    let kind = Kind::of(&asked.tag).map_err(Failure::Refused)?;
    let tag = match object.kind.as_str() {
        "tag" => Some(Tag::parse(&git.tag(&object)?).map_err(Failure::Refused)?),
        "commit" => None,
        _ => {
            return Err(refused(
                "it names neither a commit nor an annotation of one",
            ));
        }
    };
    let commit = match &tag {
        Some(tag) if tag.name != asked.tag => {
            return Err(Failure::Refused(format!(
                "it is the tag `{}` under another name",
                tag.name.escape_debug()
            )));
        }
        Some(tag) => tag.commit.clone(),
        None => object.id,
    };
    // The tag only says so.
    if git.kind(&commit)? != "commit" {
        return Err(refused("what it annotates is no commit"));
    }
    if let Some(wanted) = asked.commit.as_ref().filter(|wanted| **wanted != commit) {
        let wanted = wanted.escape_debug();
        return Err(Failure::Refused(format!(
            "it names the commit {commit}, and --commit wants `{wanted}`, by its whole hash"
        )));
    }
    let why = match (kind, tag) {
        (Kind::Scratch, _) => "it is a scratch tag, which nothing is released from".to_owned(),
        (Kind::Version, None) => {
            return Err(refused(
                "a version's tag is annotated and signed: git tag -s",
            ));
        }
        (Kind::Version, Some(tag)) => {
            let policy = Policy::read(&git, asked.policy_from.as_deref())?;
            let signer = signature::signer(&tag, &policy)?;
            format!("signed by {signer}")
        }
    };
    Ok((commit, why))
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn what_is_typed() {
        let read = |words: &[&str]| {
            let set = |name: &str| (name == "CHAPBOOK_COMMIT").then(|| "c".to_owned());
            let asked = Asked::read(words, set)?;
            Ok([Some(asked.tag), asked.policy_from, asked.commit].map(Option::unwrap_or_default))
        };
        for (words, expected) in [
            (&["v1"][..], Ok(["v1", "", "c"])),
            (&["refs/tags/v1"], Ok(["v1", "", "c"])),
            (&["--commit", "d", "v1"], Ok(["v1", "", "d"])),
            (&["v1", "--policy-from", "main"], Ok(["v1", "main", "c"])),
            (&[], Err("it is not said which TAG")),
            (&[""], Err("it is not said which TAG")),
            (&["v1", "v2"], Err("`v2` is one TAG too many")),
            (&["--wrong"], Err("there is no `--wrong`")),
            (&["v1", "--commit"], Err("`--commit` wants a value")),
        ] {
            let expected = expected.map(|all| all.map(str::to_owned));
            let expected = expected.map_err(str::to_owned);
            assert_eq!(read(words), expected, "{words:?}");
        }
    }
}
