//! The Platform API, as far as a release of images goes: what is asked, and what its answers mean.
//!
//! A question that changes nothing is asked again if its answer is "later"; a release is not. No
//! message shows the token, not even one in which it is sent back.

use std::io::Write;
use std::time::Duration;

use remote::{Address, Deadline};
use serde_json::Value;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, RANGE};

use super::NEWEST;
use super::stream::{Stream, tell};
use crate::World;
use crate::client::{Client, Content, Method, Request, Trouble};
use crate::deploy::is_word;
use crate::limits::{ATTEMPTS_MAX, MANIFEST_BYTES_MAX};
use crate::secret::Secret;

/// § Without the suffix a formation knows no images.
const RELEASES: &str = "application/vnd.heroku+json; version=3.docker-releases";
/// How many pauses of `Limits::backoff` are between two looks at a release: two seconds.
const LOOK_BACKOFFS: u32 = 4;

/// The Platform API.
pub(super) struct Api<'a> {
    world: &'a World<'a>,
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
        world.secrets.keep(token);
        Ok(Api {
            world,
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
                self.world.shown(other.unwrap_or_default())
            )),
        }
    }

    pub(super) fn newest(&self, app: &str) -> Result<Option<Release>, String> {
        let told = self.get(&format!("/apps/{app}/releases"), &[(RANGE, NEWEST)])?;
        let all = told.as_array().ok_or("its releases are no list")?;
        all.first().map(Release::parse).transpose()
    }

    /// § Asked once: whether one that broke off was done, the releases tell.
    pub(super) fn release(&self, app: &str, body: &str) -> Result<(), Trouble> {
        let path = format!("/apps/{app}/formation");
        let fields = [(CONTENT_TYPE, "application/json")];
        let content = Content::Bytes(body.as_bytes());
        self.ask(Method::Patch, &path, &fields, content).map(drop)
    }

    /// From what the release was answered to its end.
    pub(super) fn follow(
        &self,
        app: &str,
        before: Option<&Release>,
        answered: Result<(), Trouble>,
        out: &mut dyn Write,
    ) -> Result<(), String> {
        let mut release = self.released(app, before, answered)?;
        let version = release.version;
        let stream = release.stream.take().filter(|_| release.is_pending());
        let mut stream = stream.map(|address| Stream::open(self.world, &self.base, &address));
        while release.is_pending() {
            if let Some(stream) = &mut stream {
                stream.listen(&self.until, out)?;
            }
            let waited = self.until.sleep(self.pause());
            waited.map_err(|cause| format!("release v{version} is pending: {cause}"))?;
            let path = format!("/apps/{app}/releases/{}", release.id);
            release = Release::parse(&self.get(&path, &[])?)?;
        }
        if let Some(stream) = stream {
            stream.end(&self.until, out)?;
        }
        match &*release.status {
            "succeeded" => tell(out, &format!("release v{version} of {app}")),
            "failed" => Err(format!(
                "release v{version} failed; what ran before runs on"
            )),
            other => {
                let other = self.world.shown(other);
                Err(format!("release v{version} ended as `{other}`"))
            }
        }
    }

    /// The release that is newer than that of before. A question that broke off may be on its way
    /// still, so it is looked for several times.
    fn released(
        &self,
        app: &str,
        before: Option<&Release>,
        answered: Result<(), Trouble>,
    ) -> Result<Release, String> {
        let (looks, cause) = match answered {
            Ok(()) => (
                1,
                "nothing was released: the newest release is that of before".to_owned(),
            ),
            Err(Trouble::Passing(cause)) => (ATTEMPTS_MAX, cause),
            Err(Trouble::Final(cause)) => return Err(cause),
        };
        for look in 0..looks {
            if look > 0 {
                self.until.sleep(self.pause())?;
            }
            let newest = self.newest(app)?;
            let is_new = |newest: &Release| before.is_none_or(|before| before.id != newest.id);
            if let Some(release) = newest.filter(is_new) {
                return Ok(release);
            }
        }
        Err(cause)
    }

    /// Between two looks at a release.
    fn pause(&self) -> Duration {
        self.world.limits.backoff * LOOK_BACKOFFS
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
        let words = self.world.shown(words.unwrap_or_default());
        let hint = match answer.status {
            401 => " (its token has expired, or is another account's: docs/deploy/heroku.md)",
            _ => "",
        };
        let said = answer.said();
        let cause = format!("{name} {address}: it answered {said}: {words}{hint}");
        Err(match answer.is_passing() {
            true => Trouble::Passing(cause),
            false => Trouble::Final(cause),
        })
    }
}

impl Release {
    fn is_pending(&self) -> bool {
        self.status == "pending"
    }

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
