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
//! The token goes to the registry and to the API. The stream's address holds its own secret; it is
//! followed to Heroku's hosts alone, shown to nobody, and gets no token.

use std::io::{self, Read, Write};

use remote::{Address, Deadline, Name, Near, near, shorten};
use serde_json::Value;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, RANGE};

use super::source::{self, Pulled, Tar};
use super::{Options, VERB, is_word, usage};
use crate::client::{Client, Content, Method, Request, Trouble};
use crate::credentials::Given;
use crate::failure::Failure;
use crate::layout::Image;
use crate::limits::{ATTEMPTS_MAX, MANIFEST_BYTES_MAX};
use crate::manifest::Family;
use crate::reference::Reference;
use crate::repository::{Action, Repository};
use crate::secret::Secret;
use crate::{World, cli, written};

const REGISTRY: &str = "registry.heroku.com";
const API: &str = "https://api.heroku.com";
/// § Without the suffix a formation knows no images.
const RELEASES: &str = "application/vnd.heroku+json; version=3.docker-releases";
/// § The newest release alone.
const NEWEST: &str = "version ..; max=1, order=desc";
/// A release phase prints what a migration does: 4 MiB of it are more than anybody reads.
const STREAM_BYTES_MAX: u64 = 4 << 20;
/// Of one line; a longer one is broken.
const LINE_BYTES_MAX: usize = 4096;
/// How many pauses of `Limits::backoff` are between two looks at a release: two seconds.
const LOOK_BACKOFFS: u32 = 4;

pub(super) fn run(
    world: &World<'_>,
    image: &Reference,
    options: &Options,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let app = options.word("app")?;
    let app = app.ok_or_else(|| usage("--app APP is missing".to_owned()))?;
    let web = ["web".to_owned()];
    let processes = match options.all("process") {
        [] => &web[..],
        processes => processes,
    };
    let registry = (world.env)("CHAPBOOK_HEROKU_REGISTRY").filter(|name| !name.is_empty());
    let registry = registry.unwrap_or_else(|| REGISTRY.to_owned());
    let names = processes.iter().map(|process| {
        let name = format!("{registry}/{app}/{process}");
        match Name::parse(&name) {
            Ok((parsed, None)) if is_word(process) => Ok(parsed),
            Ok(_) => Err(Failure::unusable(VERB, &name, "the process is malformed")),
            Err(cause) => Err(Failure::unusable(VERB, &name, cause)),
        }
    });
    let names = names.collect::<Result<Vec<Name>, Failure>>()?;
    let docker = Some(Family::Docker);
    let tar = options.value("tar").map(Tar::open).transpose()?;
    let file = tar
        .as_ref()
        .map(|tar| tar.image(image, docker))
        .transpose()?;
    let base = (world.env)("CHAPBOOK_HEROKU_API").filter(|base| !base.is_empty());
    let base = Address::parse(base.as_deref().unwrap_or(API))
        .map_err(|cause| Failure::unusable(VERB, "CHAPBOOK_HEROKU_API", cause))?;
    if options.is_dry {
        return dry(&base, app, processes, &names, file.as_ref(), out);
    }
    let token = token(world, options, stdin)?;
    let failed = |cause: String| Failure::failed(VERB, app, cause);
    let until = Deadline::after(world.limits.whole);
    let api = Api::new(world, base, &token, until).map_err(failed)?;
    api.check_stack(app).map_err(failed)?;
    let pulled = match file {
        Some(_) => None,
        None => Some(Pulled::new(world, image, Family::Docker))
            .transpose()
            .map_err(|cause| Failure::failed(VERB, &image.typed, cause))?,
    };
    let image = file.or_else(|| pulled.as_ref().map(Pulled::image));
    let image = image.ok_or_else(|| failed("there is no image".to_owned()))?;
    let given = Given {
        // § As Heroku's client has it: the user is `_`.
        user: "_".to_owned(),
        password: token.clone(),
    };
    for name in &names {
        push(world, &given, name, &image, until).map_err(failed)?;
    }
    let before = api.newest(app).map_err(failed)?;
    let body = formation(processes, &image).map_err(failed)?;
    api.release(app, &body).map_err(failed)?;
    api.follow(world, app, before, out).map_err(failed)
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
    file: Option<&Image<'_>>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let base = base.to_string();
    let base = base.trim_end_matches('/');
    let mut lines = vec![format!("GET {base}/apps/{app}")];
    if file.is_none() {
        lines.push("GET the image's manifest and its blobs, from its registry".to_owned());
    }
    for name in names {
        let address = name.address("").map_err(usage)?.to_string();
        let address = address.trim_end_matches('/');
        match file {
            Some(file) => {
                lines.extend(source::requests(address, file, &["latest".to_owned()]));
            }
            None => lines.push(format!("PUT {address}/manifests/latest, after its blobs")),
        }
    }
    let config = file.and_then(source::config);
    let config = config.map_or("(its configuration's digest)".to_owned(), |config| {
        format!("sha256:{config}")
    });
    lines.push(format!("GET {base}/apps/{app}/releases, Range: {NEWEST}"));
    let body = updates(processes, &config);
    lines.push(format!("PATCH {base}/apps/{app}/formation {body}"));
    lines.push(format!("GET {base}/apps/{app}/releases, Range: {NEWEST}"));
    lines
        .iter()
        .try_for_each(|line| written(writeln!(out, "{line}")))
}

/// The Platform API.
struct Api<'a> {
    client: Client<'a>,
    base: Address,
    authorization: Secret,
    until: Deadline,
}

/// A release, as far as it counts.
struct Release {
    id: String,
    version: u64,
    status: String,
    stream: Option<String>,
}

impl<'a> Api<'a> {
    fn new(
        world: &'a World<'a>,
        base: Address,
        token: &Secret,
        until: Deadline,
    ) -> Result<Api<'a>, String> {
        let authorization = Secret::new(format!("Bearer {}", token.reveal()));
        Ok(Api {
            client: Client::new(world, until)?,
            base,
            authorization: authorization.ok_or("the token cannot be sent")?,
            until,
        })
    }

    fn check_stack(&self, app: &str) -> Result<(), String> {
        let told = self.get(&format!("/apps/{app}"), &[])?;
        let name = |of: &str| told.pointer(of).and_then(Value::as_str);
        let stack = name("/build_stack/name").or_else(|| name("/stack/name"));
        match stack {
            Some("container") => Ok(()),
            other => Err(format!(
                "its stack is `{}`, and images run on `container`: heroku stack:set container \
                 -a {app}",
                shorten(other.unwrap_or_default())
            )),
        }
    }

    fn newest(&self, app: &str) -> Result<Option<Release>, String> {
        let told = self.get(&format!("/apps/{app}/releases"), &[(RANGE, NEWEST)])?;
        let all = told.as_array().ok_or("its releases are no list")?;
        all.first().map(Release::parse).transpose()
    }

    /// § Asked once: whether one that broke off was done, the releases tell.
    fn release(&self, app: &str, body: &str) -> Result<(), String> {
        let path = format!("/apps/{app}/formation");
        let fields = [(CONTENT_TYPE, "application/json")];
        let content = Content::Bytes(body.as_bytes());
        let asked = self.ask(Method::Patch, &path, &fields, content);
        asked.map(drop).map_err(Trouble::into_cause)
    }

    /// From the newest release to its end.
    fn follow(
        &self,
        world: &World<'_>,
        app: &str,
        before: Option<Release>,
        out: &mut dyn Write,
    ) -> Result<(), String> {
        let newest = self.newest(app)?;
        let is_same = |newest: &Release| before.as_ref().is_some_and(|b| b.id == newest.id);
        let Some(mut release) = newest.filter(|newest| !is_same(newest)) else {
            return Err("nothing was released: the newest release is that of before".to_owned());
        };
        let version = release.version;
        if let Some(stream) = release
            .stream
            .take()
            .filter(|_| release.status == "pending")
            && let Err(cause) = self.stream(&stream, out)
        {
            // How it ends is told by the release itself.
            tell(
                out,
                &format!("what the release phase prints is not shown: {cause}"),
            )?;
        }
        while release.status == "pending" {
            let pause = world.limits.backoff * LOOK_BACKOFFS;
            let waited = self.until.sleep(pause);
            waited.map_err(|cause| format!("release v{version} is pending: {cause}"))?;
            let id = std::mem::take(&mut release.id);
            release = Release::parse(&self.get(&format!("/apps/{app}/releases/{id}"), &[])?)?;
        }
        match &*release.status {
            "succeeded" => tell(out, &format!("release v{version} of {app}")),
            "failed" => Err(format!(
                "release v{version} failed; what ran before runs on"
            )),
            other => {
                let other = shorten(other);
                Err(format!("release v{version} ended as `{other}`"))
            }
        }
    }

    fn stream(&self, stream: &str, out: &mut dyn Write) -> Result<(), String> {
        let address = Address::parse(stream)?;
        let is_heroku = [".heroku.com", ".herokuapp.com"]
            .iter()
            .any(|zone| address.host.ends_with(zone));
        let is_here = [&address, &self.base]
            .iter()
            .all(|address| near(&address.host) == Some(Near::Loopback));
        if !is_heroku && !is_here {
            return Err(format!(
                "`{}` is no host of Heroku's",
                shorten(&address.host)
            ));
        }
        let mut lines = Lines {
            out,
            line: Vec::new(),
        };
        let request = Request {
            method: Method::Get,
            address: &address,
            fields: &[],
            content: Content::None,
            authorization: None,
            bytes_max: STREAM_BYTES_MAX,
        };
        let answer = self.client.exchange_into(request, Some(&mut lines));
        lines.end().map_err(|error| error.to_string())?;
        match answer.map_err(Trouble::into_cause)? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("it answered {}", answer.said())),
        }
    }

    fn get(&self, path: &str, fields: &[(HeaderName, &str)]) -> Result<Value, String> {
        let mut attempt = 0;
        loop {
            match self.ask(Method::Get, path, fields, Content::None) {
                Ok(value) => return Ok(value),
                Err(Trouble::Passing(_)) if attempt + 1 < ATTEMPTS_MAX => {
                    self.client.pause(attempt, None)?;
                    attempt += 1;
                }
                Err(trouble) => return Err(trouble.into_cause()),
            }
        }
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        fields: &[(HeaderName, &str)],
        content: Content<'_>,
    ) -> Result<Value, Trouble> {
        let address = self.base.join(path).map_err(Trouble::Final)?;
        let accept = [(ACCEPT, RELEASES)];
        let answer = self.client.exchange(Request {
            method,
            address: &address,
            fields: &[&accept[..], fields].concat(),
            content,
            authorization: Some(&self.authorization),
            bytes_max: MANIFEST_BYTES_MAX,
        })?;
        let name = method.name();
        let json = serde_json::from_slice::<Value>(&answer.content);
        if (200..300).contains(&answer.status) {
            let refused = |_| Trouble::Final(format!("{name} {address}: its answer is not JSON"));
            return json.map_err(refused);
        }
        // § `{"id": "unauthorized", "message": "…"}`
        let json = json.unwrap_or_default();
        let words = json.get("message").and_then(Value::as_str);
        let words = words.unwrap_or_default().replace(self.plain(), "…");
        let hint = match answer.status {
            401 => " (its token has expired, or is another account's: docs/deploy/heroku.md)",
            _ => "",
        };
        let (said, words) = (answer.said(), shorten(&words));
        let cause = format!("{name} {address}: it answered {said}: {words}{hint}");
        Err(match answer.is_passing() {
            true => Trouble::Passing(cause),
            false => Trouble::Final(cause),
        })
    }

    fn plain(&self) -> &str {
        let shown = self.authorization.reveal();
        shown.strip_prefix("Bearer ").unwrap_or(shown)
    }
}

impl Release {
    fn parse(json: &Value) -> Result<Release, String> {
        let text = |name| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").filter(|id| is_word(id));
        Ok(Release {
            id: id.ok_or("a release has no id")?,
            version: json.get("version").and_then(Value::as_u64).unwrap_or(0),
            status: text("status").ok_or("a release has no status")?,
            stream: text("output_stream_url"),
        })
    }
}

fn tell(out: &mut dyn Write, line: &str) -> Result<(), String> {
    writeln!(out, "{line}").map_err(|error| format!("failed to write `standard output`: {error}"))
}

/// Passes lines on, without what would move a terminal's cursor.
struct Lines<'a> {
    out: &'a mut dyn Write,
    line: Vec<u8>,
}

impl Lines<'_> {
    fn end(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.line);
        let mut shown = String::new();
        for character in text.trim_end_matches(['\n', '\r']).chars() {
            match character {
                '\t' => shown.push(character),
                _ if character.is_control() => shown.extend(character.escape_default()),
                _ => shown.push(character),
            }
        }
        self.line.clear();
        writeln!(self.out, "| {shown}")
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        for byte in buffer {
            self.line.push(*byte);
            if *byte == b'\n' || self.line.len() >= LINE_BYTES_MAX {
                self.end()?;
            }
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
