//! GET, with what a download needs: redirects, retries, time-outs.
//!
//! 1. At most five redirects, each judged as an address of its own (never from https to plain
//!    http, for plain http has loopback hosts only) and by its nearness (`hosts`).
//! 2. A credential goes to the origin that it was meant for; it is dropped at the first redirect
//!    to another, for good.
//! 3. "Later" (429, and 500 and above) is asked again twice, after the pause that the server
//!    wants, if that is short.
//! 4. Every wait has its end: to connect, for the next byte, for all of it.
//! 5. Causes are one line, and name addresses without their queries.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use remote::{Address, Deadline, First, Guard, Scheme, proxy_for, shorten, tls};
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Timeout};

use super::Settings;
use super::limits::{ERROR_BYTES_MAX, FIELD_SECTION_BYTES_MAX, REDIRECTS_MAX, RETRIES_MAX};

const USER_AGENT: &str = concat!("chapbook/", env!("CARGO_PKG_VERSION"));

/// Asks for one source, its redirects included.
pub(super) struct Client<'a> {
    settings: Settings<'a>,
    agent: Agent,
    first: First,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) address: &'a Address,
    pub(super) accept: &'a str,
    /// For the origin of `address`, and no other.
    pub(super) authorization: Option<&'a str>,
}

/// A final answer: 200, or 401.
pub(super) struct Answer {
    pub(super) address: Address,
    pub(super) is_unauthorized: bool,
    pub(super) fields: HeaderMap,
    body: Body,
}

/// One answer of a server, and what follows from it.
enum Step {
    Done(Answer),
    Moved(Address),
    Later(Option<Duration>, String),
}

impl<'a> Client<'a> {
    pub(super) fn new(settings: Settings<'a>) -> Result<Client<'a>, String> {
        let limits = settings.limits;
        let first = First::default();
        let config = Agent::config_builder()
            .proxy(None) // chosen for each address, see `proxy`
            .tls_config(tls(settings.env)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            // What is digested are the bytes of the file, not of a coding of it.
            .accept_encoding("identity")
            .max_response_header_size(FIELD_SECTION_BYTES_MAX)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_per_read(Some(limits.idle))
            .timeout_per_write(Some(limits.idle))
            .build();
        let guard = Guard {
            first: first.clone(),
            inner: DefaultResolver::default(),
        };
        let agent = Agent::with_parts(config, DefaultConnector::default(), guard);
        Ok(Client {
            settings,
            agent,
            first,
        })
    }

    /// The time of one download, from now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.limits.whole)
    }

    pub(super) fn settings(&self) -> Settings<'a> {
        self.settings
    }

    /// Asks until there is a 200 or a 401.
    pub(super) fn get(&self, request: Request<'_>, until: Deadline) -> Result<Answer, String> {
        let mut address = request.address.clone();
        let mut authorization = request.authorization;
        let (mut redirects, mut retries) = (0, 0);
        loop {
            let now = Request {
                address: &address,
                authorization,
                ..request
            };
            match self.ask(now, until)? {
                Step::Done(answer) => return Ok(answer),
                Step::Moved(next) => {
                    redirects += 1;
                    if redirects > REDIRECTS_MAX {
                        return Err(format!("{next} would be redirect {redirects}, too many"));
                    }
                    if !next.has_origin_of(&address) {
                        authorization = None;
                    }
                    address = next;
                }
                Step::Later(pause, cause) => {
                    let backoff = self.settings.limits.backoff * 2_u32.pow(retries);
                    let pause = pause.unwrap_or(backoff);
                    retries += 1;
                    if retries > RETRIES_MAX {
                        return Err(format!("{cause}, {retries} times"));
                    }
                    if pause > self.settings.limits.retry_after_max {
                        let seconds = pause.as_secs();
                        return Err(format!("{cause} and wants a pause of {seconds} s"));
                    }
                    until.sleep(pause)?;
                }
            }
        }
    }

    fn ask(&self, request: Request<'_>, until: Deadline) -> Result<Step, String> {
        let address = request.address;
        let named = |cause: &dyn fmt::Display| format!("`{address}`: {cause}");
        let proxy = proxy_for(address, self.settings.env)?;
        let admitted = self.first.admit(&address.host, proxy.is_some());
        admitted.map_err(|cause| named(&cause))?;
        let mut asked = self
            .agent
            .get(address.whole())
            .header("Accept", request.accept);
        if let Some(credential) = request.authorization {
            asked = asked.header(AUTHORIZATION, credential);
        }
        let left = until.left().map_err(|cause| named(&cause))?;
        let asked = asked
            .config()
            .proxy(proxy)
            .timeout_global(Some(left))
            .build();
        let response = asked.call().map_err(|error| named(&self.cause(&error)))?;
        self.step(address, response).map_err(|cause| named(&cause))
    }

    fn step(&self, address: &Address, response: Response<Body>) -> Result<Step, String> {
        let (parts, body) = response.into_parts();
        let (status, fields) = (parts.status, parts.headers);
        let field = |name| fields.get(name).and_then(|value| value.to_str().ok());
        match status.as_u16() {
            200 | 401 => Ok(Step::Done(Answer {
                address: address.clone(),
                is_unauthorized: status == StatusCode::UNAUTHORIZED,
                fields,
                body,
            })),
            301 | 302 | 303 | 307 | 308 => {
                let location = field(LOCATION).ok_or("it redirects to nowhere")?;
                Ok(Step::Moved(redirect(address, location)?))
            }
            429 | 500.. => {
                let seconds = field(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
                let pause = seconds.map(Duration::from_secs);
                Ok(Step::Later(
                    pause,
                    format!("`{address}`: it answered {}", said(status)),
                ))
            }
            _ => {
                let code = error_code(&fields, body);
                Err(format!("it answered {}{code}", said(status)))
            }
        }
    }

    /// What an error of `ureq` means. No address is in it, since it may have a query.
    pub(super) fn cause(&self, error: &ureq::Error) -> String {
        let limits = &self.settings.limits;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is an open one")]
        match error {
            ureq::Error::Timeout(timeout) => self.timeout(*timeout),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the connection ended before the answer did".to_owned()
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                format!("there was no connection within {:?}", limits.connect)
            }
            ureq::Error::Io(error) => shorten(&error.to_string()),
            ureq::Error::BadUri(_) => "its address is malformed".to_owned(),
            ureq::Error::ConnectProxyFailed(cause) => {
                format!("the proxy would not connect: {}", shorten(cause))
            }
            ureq::Error::Other(cause) => shorten(&cause.to_string()),
            other => shorten(&other.to_string()),
        }
    }

    fn timeout(&self, timeout: Timeout) -> String {
        let limits = &self.settings.limits;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is an open one")]
        match timeout {
            Timeout::Resolve => {
                format!(
                    "its host's name was not resolved within {:?}",
                    limits.connect
                )
            }
            Timeout::Connect => format!("there was no connection within {:?}", limits.connect),
            Timeout::PerRead => format!("no byte came for {:?}", limits.idle),
            Timeout::PerWrite => format!("no byte was taken for {:?}", limits.idle),
            _ => format!("it took more than {:?}", limits.whole),
        }
    }
}

impl Answer {
    /// The body, as it comes.
    pub(super) fn reader(&mut self) -> impl Read + '_ {
        self.body.as_reader()
    }

    /// What the server says how long it is.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.content_length()
    }

    /// Whether it is a page for people, as captive portals and log-in pages are.
    pub(super) fn is_page(&self) -> bool {
        media_type(&self.fields).starts_with("text/html")
    }

    /// All of a body of at most `bytes_max` bytes.
    pub(super) fn read(mut self, client: &Client<'_>, bytes_max: u64) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let address = self.address.clone();
        let mut reader = self.reader().take(bytes_max.saturating_add(1));
        reader
            .read_to_end(&mut content)
            .map_err(|error| format!("`{address}`: {}", client.cause(&error.into())))?;
        if content.len() as u64 > bytes_max {
            return Err(format!("`{address}`: it is longer than {bytes_max} bytes"));
        }
        Ok(content)
    }
}

fn redirect(from: &Address, location: &str) -> Result<Address, String> {
    let refused = |cause: String| format!("it redirects to a place that is refused: {cause}");
    let next = from.join(location).map_err(refused)?;
    match (from.scheme, next.scheme) {
        (Scheme::Https, Scheme::Http) => Err(refused("from https to plain http".to_owned())),
        (Scheme::Http, Scheme::Http | Scheme::Https) | (Scheme::Https, Scheme::Https) => Ok(next),
    }
}

fn said(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("(an unknown status)");
    format!("{} {reason}", status.as_u16())
}

fn media_type(fields: &HeaderMap) -> String {
    let value = fields
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// The code of a registry's error, such as ` (MANIFEST_UNKNOWN)`: its words are not repeated.
fn error_code(fields: &HeaderMap, mut body: Body) -> String {
    if !media_type(fields).contains("json") {
        return String::new();
    }
    let mut text = Vec::new();
    // A body that cannot be read has no code.
    let _ = body
        .as_reader()
        .take(ERROR_BYTES_MAX)
        .read_to_end(&mut text);
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let code = json
        .pointer("/errors/0/code")
        .and_then(|code| code.as_str());
    let is_code = |code: &&str| {
        let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        code.len() < 40 && code.bytes().all(is_letter)
    };
    code.filter(is_code)
        .map_or_else(String::new, |code| format!(" ({code})"))
}
