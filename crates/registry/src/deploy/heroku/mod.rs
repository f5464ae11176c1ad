//! `heroku`: the image in Docker's words to Heroku's registry, and its release by the Platform API.
//!
//! What is asked, in this order, as Heroku's own client does it (heroku/cli 11.9.0,
//! src/commands/container):
//!
//! 1. The application, whose stack has to be `container`: before anything is sent.
//! 2. The blobs, and the manifest as `latest`, for each process. Other media types, other manifest;
//!    configuration and layers are the same bytes.
//! 3. The newest release, for comparison; `PATCH formation` with the digest of the configuration;
//!    the newest release again. No other one: nothing was released, which is a failure here.
//! 4. What the release phase prints, while the release is pending, then how it ended.
//!
//! Before all of this the image is looked at: Heroku runs those of one platform.
//!
//! The token goes to the registry and to the API. The stream's address holds its own secret; it is
//! followed to Heroku's hosts alone, shown to nobody, and gets no token.

mod api;
mod stream;

use std::io::{Read, Write};

use remote::{Address, Deadline, Name, Near, host_and_port, near, shorten};
use serde_json::Value;

use self::api::Api;
use super::source::{self, Pulled, Tar};
use super::{Options, VERB, is_word, malformed, usage};
use crate::credentials::Given;
use crate::failure::Failure;
use crate::layout::Image;
use crate::manifest::Family;
use crate::reference::Reference;
use crate::repository::{Action, Repository};
use crate::secret::Secret;
use crate::{World, cli, written};

const REGISTRY: &str = "registry.heroku.com";
const API: &str = "https://api.heroku.com";
/// § Cedar's dynos have no other processor.
const PLATFORM: &str = "linux/amd64";
/// § The newest release alone.
const NEWEST: &str = "version ..; max=1, order=desc";

pub(super) fn run(
    world: &World<'_>,
    image: &Reference,
    options: &Options,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let app = app(options)?.ok_or_else(|| usage("--app APP is missing".to_owned()))?;
    let web = ["web".to_owned()];
    let processes = match options.all("process") {
        [] => &web[..],
        processes => processes,
    };
    let registry = (world.env)("CHAPBOOK_HEROKU_REGISTRY").filter(|name| !name.is_empty());
    let registry = registry.unwrap_or_else(|| REGISTRY.to_owned());
    let names = names(&registry, app, processes)?;
    let docker = Some(Family::Docker);
    let tar = options.value("tar").map(Tar::open).transpose()?;
    let file = tar
        .as_ref()
        .map(|tar| tar.image(image, docker))
        .transpose()?;
    if let Some(file) = &file {
        let of_heroku = runs_there(source::platform(file));
        of_heroku.map_err(|cause| Failure::unusable(VERB, &image.typed, cause))?;
    }
    let base = base(world)?;
    if options.is_dry {
        let file = file.as_ref().ok_or(image);
        return dry(&base, app, processes, &names, file, out);
    }
    let token = token(world, options, stdin)?;
    // What the image's own registry is shown; the token is Heroku's.
    let puller = match file {
        Some(_) => None,
        None => Given::from(world.env, None, None).map_err(usage)?,
    };
    let failed = |cause: String| Failure::failed(VERB, app, cause);
    let until = Deadline::after(world.limits.whole);
    let api = Api::new(world, base, &token, until).map_err(failed)?;
    api.check_stack(app).map_err(failed)?;
    let pulled = match file {
        Some(_) => None,
        None => {
            let pulled = Pulled::new(world, puller.as_ref(), image, Family::Docker, runs_there);
            Some(pulled.map_err(|cause| Failure::failed(VERB, &image.typed, cause))?)
        }
    };
    let image = file.or_else(|| pulled.as_ref().map(Pulled::image));
    let image = image.ok_or_else(|| failed("there is no image".to_owned()))?;
    let given = Given {
        // § As Heroku's client has it: the user is `_`.
        user: "_".to_owned(),
        password: token.clone(),
        source: "HEROKU_API_KEY, or --password-stdin",
    };
    for name in &names {
        push(world, &given, name, &image, until).map_err(failed)?;
    }
    let before = api.newest(app).map_err(failed)?;
    let body = formation(processes, &image).map_err(failed)?;
    let answered = api.release(app, &body);
    let followed = api.follow(app, before.as_ref(), answered, out);
    followed.map_err(failed)
}

/// The Platform API, or one that takes its place.
fn base(world: &World<'_>) -> Result<Address, Failure> {
    let base = (world.env)("CHAPBOOK_HEROKU_API").filter(|base| !base.is_empty());
    Address::parse(base.as_deref().unwrap_or(API))
        .and_then(|base| match base.join("/")? == base {
            true => Ok(base),
            false => Err("it has a path of its own".to_owned()),
        })
        .map_err(|cause| Failure::unusable(VERB, "CHAPBOOK_HEROKU_API", cause))
}

/// The application; its name stands in the image's.
pub(super) fn app(options: &Options) -> Result<Option<&str>, Failure> {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match options.word("app")? {
        Some(app) if !app.bytes().all(is_fit) => {
            Err(malformed("app", app, "small letters, digits and -"))
        }
        app => Ok(app),
    }
}

/// The image's name in Heroku's registry, for each process.
fn names(registry: &str, app: &str, processes: &[String]) -> Result<Vec<Name>, Failure> {
    let unusable = |cause| Failure::unusable(VERB, registry, cause);
    let (host, _) = host_and_port(registry).map_err(unusable)?;
    if host != REGISTRY && near(&host) != Some(Near::Loopback) {
        return Err(unusable("it is neither Heroku's nor here".to_owned()));
    }
    let names = processes.iter().map(|process| {
        let name = format!("{registry}/{app}/{process}");
        match Name::parse(&name) {
            Ok((parsed, None)) if is_word(process) => Ok(parsed),
            Ok(_) => Err(Failure::unusable(VERB, &name, "the process is malformed")),
            Err(cause) => Err(Failure::unusable(VERB, &name, cause)),
        }
    });
    names.collect()
}

/// Whether Heroku has machines for it.
pub(super) fn runs_there(platform: Result<String, String>) -> Result<(), String> {
    match platform? {
        platform if platform == PLATFORM => Ok(()),
        other => Err(format!(
            "it is of {}, and {PLATFORM} is wanted",
            shorten(&other)
        )),
    }
}

fn token(world: &World<'_>, options: &Options, stdin: &mut dyn Read) -> Result<Secret, Failure> {
    if options.password_stdin {
        return cli::password(stdin).map_err(usage);
    }
    let key = (world.env)("HEROKU_API_KEY").and_then(Secret::new);
    key.ok_or_else(|| usage("there is no token: HEROKU_API_KEY, or --password-stdin".to_owned()))
}

fn push(
    world: &World<'_>,
    given: &Given,
    name: &Name,
    image: &Image<'_>,
    until: Deadline,
) -> Result<(), String> {
    let action = Action::Push(&[]);
    let repository = Repository::open(world, Some(given), name.clone(), action, until)?;
    let named = |cause| format!("{}: {cause}", repository.shown());
    source::send(&repository, image).map_err(named)?;
    let root = image.manifests.last().ok_or("there is no manifest")?;
    repository.put("latest", root).map_err(named)
}

/// § The digest of the configuration, not of the manifest.
fn formation(processes: &[String], image: &Image<'_>) -> Result<String, String> {
    let config = source::config(image).ok_or("it is an index, and one image is wanted")?;
    Ok(updates(processes, &format!("sha256:{config}")))
}

fn updates(processes: &[String], config: &str) -> String {
    let update = |process: &String| {
        let process = Value::from(process.as_str());
        format!(r#"{{"type":{process},"docker_image":"{config}"}}"#)
    };
    let updates: Vec<String> = processes.iter().map(update).collect();
    format!(r#"{{"updates":[{}]}}"#, updates.join(","))
}

fn dry(
    base: &Address,
    app: &str,
    processes: &[String],
    names: &[Name],
    file: Result<&Image<'_>, &Reference>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let base = base.to_string();
    let base = base.trim_end_matches('/');
    let mut lines = vec![format!("GET {base}/apps/{app}")];
    if let Err(image) = file {
        let place = image.digest.map(|digest| format!("sha256:{digest}"));
        let place = format!("manifests/{}", place.unwrap_or_default());
        let address = image.name.address(&place).map_err(usage)?;
        lines.push(format!("GET {address}, and its blobs"));
    }
    for name in names {
        let address = name.address("").map_err(usage)?.to_string();
        let address = address.trim_end_matches('/');
        match file {
            Ok(file) => {
                lines.extend(source::requests(address, file, &["latest".to_owned()]));
            }
            Err(_) => lines.push(format!("PUT {address}/manifests/latest, after its blobs")),
        }
    }
    let config = file.ok().and_then(source::config);
    let config = config.map_or("(its configuration's digest)".to_owned(), |config| {
        format!("sha256:{config}")
    });
    lines.push(format!("GET {base}/apps/{app}/releases, Range: {NEWEST}"));
    let body = updates(processes, &config);
    lines.push(format!("PATCH {base}/apps/{app}/formation {body}"));
    lines.push(format!("GET {base}/apps/{app}/releases, Range: {NEWEST}"));
    lines.push("GET what its release phase prints, while it is pending".to_owned());
    lines.push(format!(
        "GET {base}/apps/{app}/releases/ID, until it has ended"
    ));
    lines
        .iter()
        .try_for_each(|line| written(writeln!(out, "{line}")))
}
