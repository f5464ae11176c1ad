//! A repository of a registry, as the distribution specification has it (v1.1): what is asked, how
//! often, and what its answers mean.
//!
//! 1. A 401 is answered once a request, with what it asks for (`authority`).
//! 2. "Later" (429, 500 and above) and a broken connection are asked again, at most three times,
//!    after a pause that doubles, or the one that the server wants if that is short. Any other 4xx
//!    is final.
//! 3. A digest that a registry states is compared with ours.
//! 4. A cause says what was tried and what the registry said, and shows no secret.

use std::fs::File;
use std::io::{self, Seek as _, Write};

use remote::{Address, Deadline, Name};
use serde_json::Value;
use sitepack::Digest;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, HeaderName};

use crate::World;
use crate::answer::Answer;
use crate::authority::Authority;
use crate::client::{Client, Content, Method, Request, Trouble};
use crate::credentials::Given;
use crate::limits::{ATTEMPTS_MAX, ERROR_BYTES_MAX, MANIFEST_BYTES_MAX};
use crate::manifest::{self, Manifest};

/// Which registries state, and clients ask for by it.
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A repository, open for questions.
pub(crate) struct Repository<'a> {
    pub(crate) name: Name,
    world: &'a World<'a>,
    client: Client<'a>,
    authority: Authority<'a>,
}

/// What will be asked of it.
#[derive(Clone, Copy)]
pub(crate) enum Action<'s> {
    Pull,
    /// With the repositories of the same registry that blobs are mounted from.
    Push(&'s [String]),
}

impl<'a> Repository<'a> {
    pub(crate) fn open(
        world: &'a World<'a>,
        given: Option<&'a Given>,
        name: Name,
        action: Action<'_>,
        until: Deadline,
    ) -> Result<Repository<'a>, String> {
        let own = &name.repository;
        let scopes = match action {
            Action::Pull => vec![format!("repository:{own}:pull")],
            Action::Push(others) => {
                let others = others
                    .iter()
                    .map(|other| format!("repository:{other}:pull"));
                let own = [format!("repository:{own}:pull,push")];
                own.into_iter().chain(others).collect()
            }
        };
        Ok(Repository {
            world,
            client: Client::new(world, until)?,
            authority: Authority::new(world, given, scopes),
            name,
        })
    }

    /// `REGISTRY/REPOSITORY`.
    pub(crate) fn shown(&self) -> String {
        format!("{}/{}", self.name.registry, self.name.repository)
    }

    /// Whether a blob is there.
    pub(crate) fn has_blob(&self, digest: Digest) -> Result<bool, String> {
        let address = self.name.address(&format!("blobs/sha256:{digest}"))?;
        let answer = self.ask(&plain(Method::Head, &address))?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.explained(&address, &answer)),
        }
    }

    /// Has the registry take a blob over from another of its repositories; whether it did.
    ///
    /// § 202 says that it began an upload instead, which is left to it.
    pub(crate) fn mount(&self, digest: Digest, from: &str) -> Result<bool, String> {
        let uploads = self.name.address("blobs/uploads/")?;
        let wanted = format!("sha256:{digest}");
        let address = uploads.with_query(&[("mount", &wanted), ("from", from)]);
        let request = Request {
            content: Content::Bytes(b""),
            ..plain(Method::Post, &address)
        };
        let answer = self.ask(&request)?;
        match answer.status {
            201 => Ok(true),
            202 => Ok(false),
            _ => Err(self.refused(Method::Post, &answer)),
        }
    }

    /// Uploads a blob in one piece: `POST`, then `PUT` to the place that was told.
    ///
    /// § Each attempt begins a new upload: nobody knows how much of the last one arrived. All of it
    /// may have, hence the question before.
    pub(crate) fn upload(&self, digest: Digest, content: Content<'_>) -> Result<(), String> {
        for attempt in 0.. {
            let begun = self.begin()?;
            let wanted = [("digest", &*format!("sha256:{digest}"))];
            let address = begun.with_query(&wanted);
            let request = Request {
                fields: &[(CONTENT_TYPE, "application/octet-stream")],
                content,
                ..plain(Method::Put, &address)
            };
            let trouble = match self.once(&request) {
                Ok(answer) if answer.status == 201 => return self.agrees(&answer, digest),
                Ok(answer) if answer.is_passing() => {
                    let cause = self.refused(Method::Put, &answer);
                    (cause, answer.retry_after())
                }
                Ok(answer) => return Err(self.refused(Method::Put, &answer)),
                Err(Trouble::Passing(cause)) => (broken(Method::Put, &cause), None),
                Err(Trouble::Final(cause)) => return Err(broken(Method::Put, &cause)),
            };
            self.wait(attempt, trouble)?;
            if self.has_blob(digest)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts a manifest under its digest or a tag.
    pub(crate) fn put(&self, place: &str, manifest: &Manifest) -> Result<(), String> {
        let address = self.name.address(&format!("manifests/{place}"))?;
        let answer = self.ask(&Request {
            fields: &[(CONTENT_TYPE, &manifest.media_type)],
            content: Content::Bytes(&manifest.bytes),
            ..plain(Method::Put, &address)
        })?;
        match answer.status {
            200..=202 => self.agrees(&answer, manifest.digest),
            _ => Err(self.refused(Method::Put, &answer)),
        }
    }

    /// The digest of what a tag means now; None if it is free, or nobody says.
    pub(crate) fn meaning(&self, tag: &str) -> Result<Option<Digest>, String> {
        let address = self.name.address(&format!("manifests/{tag}"))?;
        let answer = self.ask(&Request {
            fields: &[(ACCEPT, manifest::ACCEPT)],
            ..plain(Method::Head, &address)
        })?;
        match answer.status {
            200 => Ok(stated(&answer).and_then(|digest| digest.ok())),
            404 => Ok(None),
            _ => Err(self.explained(&address, &answer)),
        }
    }

    /// A manifest, by tag or by digest, which is then checked.
    pub(crate) fn manifest(&self, place: &str, digest: Option<Digest>) -> Result<Manifest, String> {
        let address = self.name.address(&format!("manifests/{place}"))?;
        let answer = self.ask(&Request {
            fields: &[(ACCEPT, manifest::ACCEPT)],
            bytes_max: MANIFEST_BYTES_MAX,
            ..plain(Method::Get, &address)
        })?;
        if answer.status != 200 {
            return Err(self.refused(Method::Get, &answer));
        }
        let said = answer.field(CONTENT_TYPE).map(str::to_owned);
        let said = said.as_deref().and_then(|text| text.split(';').next());
        let found = Manifest::parse(answer.content.clone(), said.map(str::trim));
        let found = found.map_err(|cause| format!("the manifest `{place}`: {cause}"))?;
        self.agrees(&answer, digest.unwrap_or(found.digest))?;
        if digest.is_some_and(|digest| digest != found.digest) {
            let cause = format!("it sent something else, sha256:{}", found.digest);
            return Err(format!("the manifest `{place}`: {cause}"));
        }
        self.agrees(&answer, found.digest)?;
        Ok(found)
    }

    /// A short blob, checked.
    pub(crate) fn blob(&self, digest: Digest) -> Result<Vec<u8>, String> {
        let address = self.name.address(&format!("blobs/sha256:{digest}"))?;
        let answer = self.ask(&Request {
            bytes_max: MANIFEST_BYTES_MAX,
            ..plain(Method::Get, &address)
        })?;
        if answer.status != 200 {
            return Err(self.refused(Method::Get, &answer));
        }
        if Digest::of(&answer.content) != digest {
            return Err(format!("the blob sha256:{digest}: it sent something else"));
        }
        Ok(answer.content)
    }

    /// A blob of any length, into a file; checked.
    pub(crate) fn save(&self, digest: Digest, bytes: u64, file: &mut File) -> Result<(), String> {
        let address = self.name.address(&format!("blobs/sha256:{digest}"))?;
        let request = Request {
            bytes_max: bytes,
            ..plain(Method::Get, &address)
        };
        let written = |error: io::Error| format!("failed to write a temporary file: {error}");
        for attempt in 0.. {
            file.set_len(0)
                .and_then(|()| file.rewind())
                .map_err(written)?;
            let trouble = match self.once_into(&request, Some(file)) {
                Ok(answer) if answer.status == 200 => {
                    file.rewind().map_err(written)?;
                    let found = Digest::of_reader(file).map_err(written)?;
                    return match found == (digest, bytes) {
                        true => Ok(()),
                        false => Err(format!("the blob sha256:{digest}: it sent something else")),
                    };
                }
                Ok(answer) if answer.is_passing() => {
                    let cause = self.refused(Method::Get, &answer);
                    (cause, answer.retry_after())
                }
                Ok(answer) => return Err(self.refused(Method::Get, &answer)),
                Err(Trouble::Passing(cause)) => (broken(Method::Get, &cause), None),
                Err(Trouble::Final(cause)) => return Err(broken(Method::Get, &cause)),
            };
            self.wait(attempt, trouble)?;
        }
        Ok(())
    }

    /// § `Location` may be relative, on another host, and may have a query already.
    fn begin(&self) -> Result<Address, String> {
        let uploads = self.name.address("blobs/uploads/")?;
        let request = Request {
            content: Content::Bytes(b""),
            ..plain(Method::Post, &uploads)
        };
        let answer = self.ask(&request)?;
        if answer.status != 202 {
            return Err(self.refused(Method::Post, &answer));
        }
        let location = answer.field(ureq::http::header::LOCATION);
        let location = location.ok_or("it began an upload and did not say where")?;
        answer.join(location)
    }

    /// Asks until there is an answer that is not "later".
    fn ask(&self, request: &Request<'_>) -> Result<Answer, String> {
        let mut attempt = 0;
        loop {
            let trouble = match self.once(request) {
                Ok(answer) if answer.is_passing() => {
                    let cause = self.refused(request.method, &answer);
                    (cause, answer.retry_after())
                }
                Ok(answer) => return Ok(answer),
                Err(Trouble::Passing(cause)) => (broken(request.method, &cause), None),
                Err(Trouble::Final(cause)) => return Err(broken(request.method, &cause)),
            };
            self.wait(attempt, trouble)?;
            attempt += 1;
        }
    }

    fn once(&self, request: &Request<'_>) -> Result<Answer, Trouble> {
        self.once_into(request, None)
    }

    /// Asks once, and once more with what a 401 asks for.
    fn once_into(&self, request: &Request<'_>, sink: Option<&File>) -> Result<Answer, Trouble> {
        // A credential is for the registry; an upload may lead elsewhere.
        let own = self.name.address("").map_err(Trouble::Final)?;
        let is_own = request.address.has_origin_of(&own);
        let held = self.authority.held().filter(|_| is_own);
        let with = |authorization| Request {
            authorization,
            ..*request
        };
        // A file is written through any handle on it: each attempt has its own.
        let exchange = |request| match sink {
            None => self.client.exchange(request),
            Some(mut file) => self
                .client
                .exchange_into(request, Some(&mut file as &mut dyn Write)),
        };
        let answer = exchange(with(held.as_ref()))?;
        if answer.status != 401 || !answer.address.has_origin_of(&own) {
            return Ok(answer);
        }
        self.authority.renew(&self.client, &self.name, &answer)?;
        let held = self.authority.held().filter(|_| is_own);
        exchange(with(held.as_ref()))
    }

    fn wait(
        &self,
        attempt: u32,
        (cause, wanted): (String, Option<std::time::Duration>),
    ) -> Result<(), String> {
        if attempt + 1 >= ATTEMPTS_MAX {
            return Err(format!("{cause}, {ATTEMPTS_MAX} times"));
        }
        self.client
            .pause(attempt, wanted)
            .map_err(|why| format!("{cause}: {why}"))
    }

    /// § A registry that states a digest has to state ours.
    fn agrees(&self, answer: &Answer, digest: Digest) -> Result<(), String> {
        match stated(answer) {
            None => Ok(()),
            Some(Ok(stated)) if stated == digest => Ok(()),
            Some(_) => Err(format!(
                "`{}`: it states another digest than sha256:{digest}",
                answer.address
            )),
        }
    }

    /// § An answer to HEAD has no words: the same is asked with GET, for them alone.
    fn explained(&self, address: &Address, answer: &Answer) -> String {
        match self.once(&plain(Method::Get, address)) {
            Ok(said) if said.status == answer.status => self.refused(Method::Get, &said),
            Ok(_) | Err(_) => self.refused(Method::Head, answer),
        }
    }

    /// `PUT https://…: it answered 405 Method Not Allowed: UNSUPPORTED: the operation …`.
    fn refused(&self, method: Method, answer: &Answer) -> String {
        let (method, address, said) = (method.name(), &answer.address, answer.said());
        let words = self.world.shown(&words(answer));
        let colon = if words.is_empty() { "" } else { ": " };
        let own = self.name.address("");
        let is_own = own.is_ok_and(|own| answer.address.has_origin_of(&own));
        let refusal = is_own.then(|| self.authority.refusal(answer));
        let refusal = refusal.unwrap_or_default();
        format!("{method} {address}: it answered {said}{colon}{words}{refusal}")
    }
}

fn broken(method: Method, cause: &str) -> String {
    format!("{}: {cause}", method.name())
}

fn plain(method: Method, address: &Address) -> Request<'_> {
    Request {
        method,
        address,
        fields: &[],
        content: Content::None,
        authorization: None,
        bytes_max: ERROR_BYTES_MAX,
    }
}

fn stated(answer: &Answer) -> Option<Result<Digest, String>> {
    // Digests of other kinds than SHA-256 are not compared.
    let text = answer.field(DIGEST).map(str::trim);
    text.filter(|text| text.starts_with("sha256:"))
        .map(manifest::digest)
}

/// What a registry says of an error: § `{"errors":[{"code","message"}]}`, else a short text.
fn words(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.content);
    let Ok(json) = serde_json::from_slice::<Value>(&answer.content) else {
        let kind = answer.field(CONTENT_TYPE).unwrap_or_default();
        let is_page = kind.contains("html") || text.trim_start().starts_with('<');
        let line = text.trim().lines().next().unwrap_or_default();
        return if is_page {
            String::new()
        } else {
            line.to_owned()
        };
    };
    let errors = json.get("errors").and_then(Value::as_array);
    let errors = errors.map(Vec::as_slice).unwrap_or_default();
    let said: Vec<String> = errors
        .iter()
        .map(|error| {
            let parts = ["code", "message"].map(|part| error.get(part).and_then(Value::as_str));
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            parts.join(": ")
        })
        .collect();
    said.join("; ")
}
