//! `deploy TARGET`: an image, named by its digest, to where it runs; and `deploy-scripts`.
//!
//! 1. What is deployed is a digest. Where a file comes along, it has that digest, or nothing is
//!    sent.
//! 2. `--dry-run` prints the requests and commands in their order, and does nothing; it asks for
//!    no secret.
//! 3. Secrets come in the environment, on standard input or from a program's standard output
//!    (`gcloud`), and are on no command line.
//! 4. An option that a target does not take is refused, and not passed over.
//!
//! `registries` and `heroku` speak HTTP, `programs` runs what users run, `scripts` writes the
//! same down for a job without a checkout; `source` is where the image comes from.

mod heroku;
mod programs;
mod registries;
mod scripts;
mod source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};

use lexopt::{Arg, Parser, ValueExt as _};

use crate::credentials::Given;
use crate::failure::Failure;
use crate::reference::Reference;
use crate::{World, cli, written};

const VERB: &str = "deploy";

const USAGE: &str = "\
usage: cargo xtask deploy TARGET --image NAME@sha256:… [--dry-run] [OPTION]…
       cargo xtask deploy-scripts DIR --image NAME@sha256:… --tar FILE [--app APP]
                          [--process TYPE]… [--region REGION] [--project PROJECT]

  ghcr, dockerhub      pushes --tar FILE, if there is one, and names it --tag TAG, as often as said
                       (--user USER, --password-stdin, or what `docker login` wrote)
  artifact-registry    the same, with the token that gcloud prints unless there is a user
  heroku               copies it, from --tar FILE or its registry, to --app APP, --process TYPE
                       (web), and releases it; HEROKU_API_KEY, or --password-stdin
  cloud-run            gcloud run services replace, with --region REGION [--project PROJECT]
  kubernetes           kubectl apply -k, of --overlay small|production (small) [--context NAME]
  compose              docker compose up -d --wait [--host USER@HOST]
  systemd              puts --chapbook FILE, unit and socket in place [--host USER@HOST]; no image

  --chapbook FILE      what writes the kit for the last four; cargo's by default
  --dry-run            print what would be sent and run, and do nothing

Each option is a variable, too: --image is CHAPBOOK_DEPLOY_IMAGE, --dry-run is
CHAPBOOK_DEPLOY_DRY_RUN=1, several values stand apart by spaces; --user is CHAPBOOK_REGISTRY_USER,
with CHAPBOOK_REGISTRY_PASSWORD, and --password-stdin is CHAPBOOK_PASSWORD_STDIN=1. docs/deploy has
a page for each target.
";

/// The options that have a value. Those of a target are in `Target::options`.
const VALUES: [&str; 12] = [
    "app", "chapbook", "context", "host", "image", "overlay", "process", "project", "region",
    "tag", "tar", "user",
];

/// How many values an option has at most: processes and tags of one deployment are a handful.
const VALUES_MAX: usize = 64;
/// A name that is passed on: no cloud's names are longer.
const WORD_BYTES_MAX: usize = 255;

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Ghcr,
    DockerHub,
    ArtifactRegistry,
    Heroku,
    CloudRun,
    Kubernetes,
    Compose,
    Systemd,
}

/// What was typed, or stands in the environment.
#[derive(Default)]
struct Options {
    words: Vec<String>,
    values: BTreeMap<&'static str, Vec<String>>,
    is_dry: bool,
    password_stdin: bool,
    help: bool,
}

/// Runs `deploy` or `deploy-scripts`.
pub(crate) fn run(
    world: &World<'_>,
    arguments: &[OsString],
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let options = Options::parse(world, arguments).map_err(|error| usage(error.to_string()))?;
    if options.help {
        return written(out.write_all(USAGE.as_bytes()));
    }
    let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
    let target = match *words {
        ["deploy-scripts", directory] if !directory.is_empty() => {
            options.check("deploy-scripts", &scripts::OPTIONS)?;
            return scripts::run(directory, &options, out);
        }
        ["deploy", name] => {
            let target = Target::ALL.into_iter().find(|target| target.name() == name);
            target.ok_or_else(|| usage(format!("`{}` is no target", remote::shorten(name))))?
        }
        ["deploy-scripts", ..] => {
            return Err(usage("deploy-scripts wants one directory".to_owned()));
        }
        _ => return Err(usage("deploy wants one target".to_owned())),
    };
    options.check(target.name(), target.options())?;
    let image = match target {
        Target::Systemd => None,
        Target::Ghcr
        | Target::DockerHub
        | Target::ArtifactRegistry
        | Target::Heroku
        | Target::CloudRun
        | Target::Kubernetes
        | Target::Compose => Some(options.image()?),
    };
    match (target, &image) {
        (Target::Ghcr | Target::DockerHub | Target::ArtifactRegistry, Some(image)) => {
            registries::run(world, target, image, &options, stdin, out)?;
        }
        (Target::Heroku, Some(image)) => heroku::run(world, image, &options, stdin, out)?,
        (_, image) => programs::run(world, target, image.as_ref(), &options, out)?,
    }
    match image {
        Some(image) if !options.is_dry => written(writeln!(out, "{}", shown(&image))),
        Some(_) | None => Ok(()),
    }
}

fn usage(cause: String) -> Failure {
    Failure::Unusable(format!("{cause}; see cargo xtask deploy --help"))
}

/// `NAME@sha256:…`.
fn shown(image: &Reference) -> String {
    let digest = image.digest.map(|digest| digest.hex().to_string());
    format!("{}@sha256:{}", image.typed, digest.unwrap_or_default())
}

impl Target {
    const ALL: [Target; 8] = [
        Target::Ghcr,
        Target::DockerHub,
        Target::ArtifactRegistry,
        Target::Heroku,
        Target::CloudRun,
        Target::Kubernetes,
        Target::Compose,
        Target::Systemd,
    ];

    fn name(self) -> &'static str {
        match self {
            Target::Ghcr => "ghcr",
            Target::DockerHub => "dockerhub",
            Target::ArtifactRegistry => "artifact-registry",
            Target::Heroku => "heroku",
            Target::CloudRun => "cloud-run",
            Target::Kubernetes => "kubernetes",
            Target::Compose => "compose",
            Target::Systemd => "systemd",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Target::Ghcr | Target::DockerHub | Target::ArtifactRegistry => {
                &["image", "tag", "tar", "user", "password-stdin"]
            }
            Target::Heroku => &["app", "image", "process", "tar", "password-stdin"],
            Target::CloudRun => &["chapbook", "image", "project", "region"],
            Target::Kubernetes => &["chapbook", "context", "image", "overlay"],
            Target::Compose => &["chapbook", "host", "image"],
            Target::Systemd => &["chapbook", "host"],
        }
    }
}

impl Options {
    fn parse(world: &World<'_>, arguments: &[OsString]) -> Result<Options, lexopt::Error> {
        let mut options = Options::default();
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => options.words.push(word.string()?),
                Arg::Long("dry-run") => options.is_dry = true,
                Arg::Long("password-stdin") => options.password_stdin = true,
                Arg::Long("help") | Arg::Short('h') => options.help = true,
                Arg::Long(name) => {
                    let known = VALUES.into_iter().find(|known| *known == name);
                    let Some(known) = known else {
                        return Err(argument.unexpected());
                    };
                    let value = parser.value()?.string()?;
                    options.values.entry(known).or_default().push(value);
                }
                Arg::Short(_) => return Err(argument.unexpected()),
            }
        }
        options.environment(world);
        Ok(options)
    }

    /// What was typed comes before variables. Those that a target does not take are for another.
    fn environment(&mut self, world: &World<'_>) {
        let set = |name: &str| (world.env)(name).filter(|value| !value.is_empty());
        let target = match &*self.words {
            [deploy, named, ..] if deploy == "deploy" => {
                let mut all = Target::ALL.into_iter();
                all.find(|target| target.name() == named)
            }
            _ => None,
        };
        let taken = target.map_or(&scripts::OPTIONS[..], Target::options);
        for name in VALUES.into_iter().filter(|name| taken.contains(name)) {
            let variable = format!("CHAPBOOK_DEPLOY_{}", name.to_ascii_uppercase());
            if let Some(value) = set(&variable).filter(|_| !self.values.contains_key(name)) {
                let values = match name {
                    "tag" | "process" => value.split_whitespace().map(str::to_owned).collect(),
                    _ => vec![value],
                };
                self.values.insert(name, values);
            }
        }
        let is_on = |name: &str| set(name).is_some_and(|value| value != "0");
        self.is_dry |= is_on("CHAPBOOK_DEPLOY_DRY_RUN");
        self.password_stdin |=
            is_on("CHAPBOOK_PASSWORD_STDIN") && taken.contains(&"password-stdin");
    }

    fn check(&self, target: &str, taken: &[&str]) -> Result<(), Failure> {
        if self.password_stdin && !taken.contains(&"password-stdin") {
            return Err(usage(format!("{target} takes no --password-stdin")));
        }
        for (name, values) in &self.values {
            let cause = match (*name, &**values) {
                (name, _) if !taken.contains(&name) => format!("{target} takes no --{name}"),
                ("tag" | "process", values) if values.len() <= VALUES_MAX => continue,
                (_, [_]) => continue,
                (name, _) => format!("--{name} stands there too often"),
            };
            return Err(usage(cause));
        }
        Ok(())
    }

    fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// A name that is passed on to a program or stands in an address: nothing of it can be taken
    /// for an option, a path or a shell's.
    fn word(&self, name: &str) -> Result<Option<&str>, Failure> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        // § Contexts are named by services: arn:aws:eks:REGION:ACCOUNT:cluster/NAME.
        let fits = match name {
            "context" => is_word(&value.replace('/', "_")),
            // A user, and where: what scp takes apart at a colon is nobody's port.
            "host" => is_word(value) && value.matches('@').count() <= 1,
            _ => is_word(value),
        };
        fits.then_some(Some(value))
            .ok_or_else(|| malformed(name, value, "letters, digits and some of ._-@:/"))
    }

    fn image(&self) -> Result<Reference, Failure> {
        let image = self.value("image");
        let image = image.ok_or_else(|| usage("--image NAME@sha256:… is missing".to_owned()))?;
        let reference = Reference::parse(VERB, image)?;
        if reference.digest.is_none() {
            let cause = "what is deployed is a digest, NAME@sha256:…, because tags move";
            return Err(Failure::unusable(VERB, &remote::redacted(image), cause));
        }
        Ok(reference)
    }

    fn given(&self, world: &World<'_>, stdin: &mut dyn Read) -> Result<Option<Given>, Failure> {
        let password = match self.password_stdin {
            true => Some(cli::password(stdin).map_err(usage)?),
            false => None,
        };
        let user = self.value("user").map(str::to_owned);
        Given::from(world.env, user, password).map_err(usage)
    }
}

/// `wanted` is what is taken there.
fn malformed(name: &str, value: &str, wanted: &str) -> Failure {
    let value = remote::shorten(value);
    usage(format!("--{name} `{value}` is malformed: {wanted}"))
}

fn is_word(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@:".contains(&byte);
    (1..=WORD_BYTES_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::{Target, USAGE, VALUES, is_word};

    #[test]
    fn words_are_no_options_and_nothing_for_a_shell() {
        for good in ["europe-west1", "u@example.com", "gke_a_b:c", "web"] {
            assert!(is_word(good), "{good}");
        }
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a;b",
            "$(a)",
            "a/b",
            "a\nb",
            "é",
        ] {
            assert!(!is_word(bad), "{bad}");
        }
    }

    #[test]
    fn the_help_tells_every_target_and_option() {
        for target in Target::ALL {
            assert!(USAGE.contains(target.name()), "{}", target.name());
            let known = |name: &&'static str| VALUES.contains(name) || *name == "password-stdin";
            assert!(target.options().iter().all(known));
        }
        for name in VALUES {
            assert!(USAGE.contains(&format!("--{name}")), "{name}");
        }
    }
}
