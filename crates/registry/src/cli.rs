//! What was typed. Options come from the command line, else from their variables.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};
use remote::{Lookup, Name, is_tag};
use sitepack::Digest;

use crate::credentials::Given;
use crate::failure::Failure;
use crate::limits::{NAMES_MAX, SECRET_BYTES_MAX};
use crate::manifest::{self, Family};
use crate::reference::Reference;
use crate::secret::Secret;

/// How it is used.
pub const USAGE: &str = "\
usage: cargo xtask push IMAGE.tar NAME[:TAG]… [--media-types keep|docker|oci]
                        [--mount-from REPOSITORY]… [--tags-only]
       cargo xtask retag NAME@sha256:…|NAME:TAG NEWTAG…
       cargo xtask index NAME[:TAG] sha256:… [sha256:…]…
       cargo xtask inspect NAME[:TAG|@sha256:…] [--json]

  --media-types WHICH   convert the manifest, not the layers (CHAPBOOK_MEDIA_TYPES; keep)
  --mount-from REPO     a repository of the same registry that may have the layers
                        (CHAPBOOK_MOUNT_FROM)
  --tags-only           no manifest by digest, for registries that know tags only
                        (CHAPBOOK_TAGS_ONLY=1)
  --json                as JSON (CHAPBOOK_JSON=1)
  --user USER           (CHAPBOOK_REGISTRY_USER), with CHAPBOOK_REGISTRY_PASSWORD, or
  --password-stdin      the password on standard input (CHAPBOOK_PASSWORD_STDIN=1)

Other credentials are those of REGISTRY_AUTH_FILE, and of docker login.
";

/// A command.
pub(crate) enum Command {
    Help,
    Push(Push),
    Retag(Retag),
    Index(Index),
    Inspect(Inspect),
}

pub(crate) struct Push {
    pub(crate) image: PathBuf,
    pub(crate) names: Vec<Reference>,
    /// None: as it is.
    pub(crate) family: Option<Family>,
    pub(crate) mount_from: Vec<String>,
    pub(crate) tags_only: bool,
    pub(crate) given: Option<Given>,
}

pub(crate) struct Retag {
    pub(crate) reference: Reference,
    pub(crate) tags: Vec<String>,
    pub(crate) given: Option<Given>,
}

pub(crate) struct Index {
    pub(crate) reference: Reference,
    pub(crate) images: Vec<Digest>,
    pub(crate) given: Option<Given>,
}

pub(crate) struct Inspect {
    pub(crate) reference: Reference,
    pub(crate) is_json: bool,
    pub(crate) given: Option<Given>,
}

/// The words, and what stands among them.
#[derive(Default)]
struct Typed {
    words: Vec<OsString>,
    media_types: Option<String>,
    mount_from: Vec<String>,
    user: Option<String>,
    password_stdin: bool,
    tags_only: bool,
    is_json: bool,
    help: bool,
}

/// Reads a command; the password, too, if it comes on standard input.
pub(crate) fn parse(
    arguments: &[OsString],
    env: Lookup<'_>,
    stdin: &mut dyn Read,
) -> Result<Command, Failure> {
    let mut typed = Typed::parse(arguments, env).map_err(|error| usage(error.to_string()))?;
    if typed.help {
        return Ok(Command::Help);
    }
    let words = std::mem::take(&mut typed.words);
    let words = words.iter().map(|word| word.to_str());
    let words: Option<Vec<&str>> = words.collect();
    let words = words.ok_or_else(|| usage("a word is not UTF-8".to_owned()))?;
    if words.len() > NAMES_MAX {
        return Err(usage(format!("more than {NAMES_MAX} words")));
    }
    match &*words {
        ["push", image, first, more @ ..] => {
            let names = [first].into_iter().chain(more);
            let names = names.map(|name| Reference::parse("push", name));
            let names = names.collect::<Result<Vec<_>, Failure>>()?;
            let given = typed.given(env, stdin)?;
            let push = typed.push(PathBuf::from(image), names, given)?;
            Ok(Command::Push(push))
        }
        ["retag", reference, first, more @ ..] => {
            let reference = Reference::parse("retag", reference)?;
            if reference.tag.is_none() && reference.digest.is_none() {
                return Err(usage("retag wants NAME@sha256:… or NAME:TAG".to_owned()));
            }
            let tags: Vec<String> = [first]
                .into_iter()
                .chain(more)
                .map(|t| (*t).into())
                .collect();
            if let Some(tag) = tags.iter().find(|tag| !is_tag(tag)) {
                return Err(Failure::unusable("retag", tag, "the tag is malformed"));
            }
            Ok(Command::Retag(Retag {
                reference,
                tags,
                given: typed.given(env, stdin)?,
            }))
        }
        ["index", reference, first, more @ ..] => {
            let reference = Reference::parse("index", reference)?;
            if reference.digest.is_some() {
                let cause = "the digest is the index's own: name no digest";
                return Err(Failure::unusable("index", &reference.typed, cause));
            }
            let images = [first].into_iter().chain(more).map(|text| {
                let shown = remote::shorten(text);
                manifest::digest(text).map_err(|cause| Failure::unusable("index", &shown, cause))
            });
            Ok(Command::Index(Index {
                reference,
                images: images.collect::<Result<Vec<_>, Failure>>()?,
                given: typed.given(env, stdin)?,
            }))
        }
        ["inspect", reference] => Ok(Command::Inspect(Inspect {
            reference: Reference::parse("inspect", reference)?,
            is_json: typed.is_json,
            given: typed.given(env, stdin)?,
        })),
        _ => Err(usage("push, retag, index or inspect, and what".to_owned())),
    }
}

fn usage(cause: String) -> Failure {
    Failure::Unusable(format!("{cause}; see cargo xtask push --help"))
}

impl Typed {
    fn parse(arguments: &[OsString], env: Lookup<'_>) -> Result<Typed, lexopt::Error> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let is_on = |name| set(name).is_some_and(|value| value != "0");
        let mut typed = Typed {
            media_types: set("CHAPBOOK_MEDIA_TYPES"),
            tags_only: is_on("CHAPBOOK_TAGS_ONLY"),
            is_json: is_on("CHAPBOOK_JSON"),
            password_stdin: is_on("CHAPBOOK_PASSWORD_STDIN"),
            ..Typed::default()
        };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => typed.words.push(word),
                Arg::Long("media-types") => typed.media_types = Some(parser.value()?.string()?),
                Arg::Long("mount-from") => typed.mount_from.push(parser.value()?.string()?),
                Arg::Long("user") => typed.user = Some(parser.value()?.string()?),
                Arg::Long("password-stdin") => typed.password_stdin = true,
                Arg::Long("tags-only") => typed.tags_only = true,
                Arg::Long("json") => typed.is_json = true,
                Arg::Long("help") | Arg::Short('h') => typed.help = true,
                Arg::Long(_) | Arg::Short(_) => return Err(argument.unexpected()),
            }
        }
        if typed.mount_from.is_empty() {
            typed.mount_from.extend(set("CHAPBOOK_MOUNT_FROM"));
        }
        Ok(typed)
    }

    fn push(
        self,
        image: PathBuf,
        names: Vec<Reference>,
        given: Option<Given>,
    ) -> Result<Push, Failure> {
        let family = match self.media_types.as_deref() {
            None | Some("keep") => None,
            Some("docker") => Some(Family::Docker),
            Some("oci") => Some(Family::Oci),
            Some(other) => {
                let shown = remote::shorten(other);
                return Err(usage(format!("`{shown}`: keep, docker or oci")));
            }
        };
        let refuse = |name: &Reference, cause| Err(Failure::unusable("push", &name.typed, cause));
        for name in &names {
            if name.digest.is_some() {
                return refuse(name, "the digest is the image's own: name no digest");
            }
            if self.tags_only && name.tag.is_none() {
                return refuse(name, "with --tags-only each name needs a tag");
            }
            let registry = names.first().map(|first| &first.name.registry);
            if given.is_some() && registry != Some(&name.name.registry) {
                return refuse(name, "one user and password are for one registry only");
            }
        }
        for from in &self.mount_from {
            // A repository alone, without a registry.
            let name = format!("localhost/{from}");
            let parsed = Name::parse(&name);
            if !parsed.is_ok_and(|(name, tag)| tag.is_none() && name.repository == *from) {
                let cause = "the repository to mount from is malformed";
                return Err(Failure::unusable("push", &remote::redacted(from), cause));
            }
        }
        Ok(Push {
            image,
            names,
            family,
            mount_from: self.mount_from,
            tags_only: self.tags_only,
            given,
        })
    }

    fn given(&self, env: Lookup<'_>, stdin: &mut dyn Read) -> Result<Option<Given>, Failure> {
        let password = match self.password_stdin {
            true => Some(password(stdin).map_err(usage)?),
            false => None,
        };
        Given::from(env, self.user.clone(), password).map_err(usage)
    }
}

/// § As `docker login --password-stdin`: all of it, without the end of its line.
fn password(stdin: &mut dyn Read) -> Result<Secret, String> {
    let mut text = String::new();
    let read = stdin
        .take(SECRET_BYTES_MAX as u64 + 2)
        .read_to_string(&mut text);
    read.map_err(|error| format!("failed to read `standard input`: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Secret::new(text).ok_or_else(|| "there is no usable password on standard input".to_owned())
}
