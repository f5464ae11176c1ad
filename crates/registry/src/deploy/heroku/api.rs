//! The Platform API, as far as a release of images goes: what is asked, and what its answers mean.
//!
//! A question that changes nothing is asked again if its answer is "later"; a release is not. No
//! message shows the token, not even one in which it is sent back.

use std::io::{self, Write};

use remote::{Address, Deadline, Near, near, shorten};
use serde_json::Value;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, RANGE};

use super::NEWEST;
use crate::World;
use crate::client::{Client, Content, Method, Request, Trouble};
use crate::deploy::is_word;
use crate::limits::{ATTEMPTS_MAX, MANIFEST_BYTES_MAX};
use crate::secret::Secret;

/// § Without the suffix a formation knows no images.
const RELEASES: &str = "application/vnd.heroku+json; version=3.docker-releases";
/// A release phase prints what a migration does: 4 MiB of it are more than anybody reads.
const STREAM_BYTES_MAX: u64 = 4 << 20;
/// Of one line; a longer one is broken.
const LINE_BYTES_MAX: usize = 4096;
/// How many pauses of `Limits::backoff` are between two looks at a release: two seconds.
const LOOK_BACKOFFS: u32 = 4;

/// The Platform API.
pub(super) struct Api<'a> {
    client: Client<'a>,
    base: Address,
    authorization: Secret,
    until: Deadline,
}

/// A release, as far as it counts.
pub(super) struct Release {
    id: String,
    version: u64,
    status: String,
    stream: Option<String>,
}

impl<'a> Api<'a> {
    pub(super) fn new(
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

    pub(super) fn check_stack(&self, app: &str) -> Result<(), String> {
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

    pub(super) fn newest(&self, app: &str) -> Result<Option<Release>, String> {
        let told = self.get(&format!("/apps/{app}/releases"), &[(RANGE, NEWEST)])?;
        let all = told.as_array().ok_or("its releases are no list")?;
        all.first().map(Release::parse).transpose()
    }

    /// § Asked once: whether one that broke off was done, the releases tell.
    pub(super) fn release(&self, app: &str, body: &str) -> Result<(), String> {
        let path = format!("/apps/{app}/formation");
        let fields = [(CONTENT_TYPE, "application/json")];
        let content = Content::Bytes(body.as_bytes());
        let asked = self.ask(Method::Patch, &path, &fields, content);
        asked.map(drop).map_err(Trouble::into_cause)
    }

    /// From the newest release to its end.
    pub(super) fn follow(
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
        // No redirect is followed: where it would lead, nobody has looked.
        let answer = self.client.once(request, Some(&mut lines));
        lines.end().map_err(|error| error.to_string())?;
        let hidden = |trouble: Trouble| {
            let cause = trouble.into_cause();
            cause.replace(&address.to_string(), "its stream")
        };
        match answer.map_err(hidden)? {
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
