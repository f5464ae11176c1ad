//! One exchange with a host, bounded: redirects are followed, answers are read, waits end.
//!
//! 1. A credential goes to the origin that it was meant for; it is dropped at the first redirect
//!    to another, for good.
//! 2. At most five redirects, each judged as an address of its own and by its nearness
//!    (`remote::Guard`), never from https to http. What is sent is sent again only for 307 and 308.
//! 3. No more of an answer is read than its reader has room for.
//! 4. A failure is either for good, or one that may pass (`Trouble`). Who asks decides whether
//!    asking again is harmless.

use std::io::{self, Read, Seek as _, Write};
use std::time::Duration;

use remote::{Address, Deadline, First, Guard, proxy_for, shorten, tls};
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName};
use ureq::http::request::Builder;
use ureq::http::{self, Response};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, AsSendBody, Body, Proxy, SendBody, Timeout};

use crate::World;
use crate::answer::Answer;
use crate::archive::Section;
use crate::limits::{FIELD_SECTION_BYTES_MAX, Limits, REDIRECTS_MAX};
use crate::progress::Watched;
use crate::secret::Secret;

const USER_AGENT: &str = concat!("chapbook/", env!("CARGO_PKG_VERSION"));

/// Asks one registry, its token service and its storage.
pub(crate) struct Client<'a> {
    world: &'a World<'a>,
    agent: Agent,
    first: First,
    until: Deadline,
}

/// What is asked. There is no `DELETE`: nothing here needs the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Patch,
    Post,
    Put,
}

/// What is sent along.
#[derive(Clone, Copy)]
pub(crate) enum Content<'r> {
    None,
    Bytes(&'r [u8]),
    /// A part of an image file, and who watches it go.
    Section(Section<'r>, &'r dyn Fn(u64)),
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    pub(crate) method: Method,
    pub(crate) address: &'r Address,
    pub(crate) fields: &'r [(HeaderName, &'r str)],
    pub(crate) content: Content<'r>,
    /// For the origin of `address`, and no other.
    pub(crate) authorization: Option<&'r Secret>,
    /// How much of a 2xx is read.
    pub(crate) bytes_max: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It may pass.
    Passing(String),
    Final(String),
}

impl<'a> Client<'a> {
    /// `until` bounds all that is asked.
    pub(crate) fn new(world: &'a World<'a>, until: Deadline) -> Result<Client<'a>, String> {
        let limits = world.limits;
        let first = First::default();
        let config = Agent::config_builder()
            .proxy(None) // chosen for each address
            .tls_config(tls(world.env)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            // What is digested are the bytes of the manifest, not of a coding of it.
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
            world,
            agent,
            first,
            until,
        })
    }

    /// Waits before asking again, as long as the server wants and limits allow.
    pub(crate) fn pause(&self, attempt: u32, wanted: Option<Duration>) -> Result<(), String> {
        let Limits {
            backoff,
            retry_after_max,
            ..
        } = self.world.limits;
        let pause = wanted.unwrap_or(backoff * 2_u32.saturating_pow(attempt));
        if pause > retry_after_max {
            return Err(format!("and wants a pause of {} s", pause.as_secs()));
        }
        self.until.sleep(pause)
    }

    /// Asks once, redirects apart.
    pub(crate) fn exchange(&self, request: Request<'_>) -> Result<Answer, Trouble> {
        self.exchange_into(request, None)
    }

    /// The same; the content of a 2xx goes where it is wanted as it comes, and is not kept.
    pub(crate) fn exchange_into(
        &self,
        request: Request<'_>,
        mut sink: Option<&mut dyn Write>,
    ) -> Result<Answer, Trouble> {
        let mut address = request.address.clone();
        let mut authorization = request.authorization;
        for redirects in 0.. {
            let now = Request {
                address: &address,
                authorization,
                ..request
            };
            let sink: Option<&mut dyn Write> = match &mut sink {
                Some(sink) => Some(&mut **sink),
                None => None,
            };
            let answer = self.once(now, sink)?;
            let Some(next) = answer.redirect(request.method).map_err(Trouble::Final)? else {
                return Ok(answer);
            };
            if redirects == REDIRECTS_MAX {
                let cause = format!("`{next}` would be redirect {}, too many", redirects + 1);
                return Err(Trouble::Final(cause));
            }
            if !next.has_origin_of(&address) {
                authorization = None;
            }
            address = next;
        }
        Err(Trouble::Final("there is no end of redirects".to_owned()))
    }

    /// One request, and whatever is answered, be it a redirect.
    pub(crate) fn once(
        &self,
        request: Request<'_>,
        sink: Option<&mut dyn Write>,
    ) -> Result<Answer, Trouble> {
        let address = request.address;
        let refused = |cause: String| Trouble::Final(format!("`{address}`: {cause}"));
        let proxy = proxy_for(address, self.world.env).map_err(refused)?;
        let admitted = self.first.admit(&address.host, proxy.is_some());
        admitted.map_err(refused)?;
        let left = self.until.left().map_err(refused)?;
        let mut built = http::Request::builder()
            .method(request.method.name())
            .uri(address.whole());
        for (name, value) in request.fields {
            built = built.header(name, *value);
        }
        if let Some(credential) = request.authorization {
            built = built.header(AUTHORIZATION, credential.reveal());
        }
        let (mut reader, bytes) = request.content.open().map_err(|e| refused(e.to_string()))?;
        let response = match bytes {
            None => self.run(built, (), proxy, left),
            Some(bytes) => {
                let built = built.header(CONTENT_LENGTH, bytes);
                self.run(built, SendBody::from_reader(&mut *reader), proxy, left)
            }
        };
        response
            .and_then(|response| Answer::read(address, response, request.bytes_max, sink))
            .map_err(|error| self.trouble(address, &error))
    }

    fn run<S: AsSendBody>(
        &self,
        built: Builder,
        content: S,
        proxy: Option<Proxy>,
        left: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let built = self.agent.configure_request(built.body(content)?);
        let built = built.proxy(proxy).timeout_global(Some(left)).build();
        self.agent.run(built)
    }

    /// What an error of `ureq` means. Its own words may hold the whole address.
    fn trouble(&self, address: &Address, error: &ureq::Error) -> Trouble {
        let limits = &self.world.limits;
        let named = |cause: &str| format!("`{address}`: {}", shorten(cause));
        let passing = |cause: &str| Trouble::Passing(named(cause));
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enums are open ones")]
        match error {
            ureq::Error::Timeout(timeout) => match timeout {
                Timeout::Resolve | Timeout::Connect => passing(&format!(
                    "there was no connection within {:?}",
                    limits.connect
                )),
                Timeout::PerRead => passing(&format!("no byte came for {:?}", limits.idle)),
                Timeout::PerWrite => passing(&format!("no byte was taken for {:?}", limits.idle)),
                _ => Trouble::Final(named(&format!("it took more than {:?}", limits.whole))),
            },
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                passing("the connection ended before the answer did")
            }
            ureq::Error::Io(error) => passing(&error.to_string()),
            ureq::Error::ConnectionFailed => passing("there was no connection"),
            ureq::Error::HostNotFound => passing("its host was not found"),
            ureq::Error::BodyExceedsLimit(bytes) => {
                Trouble::Final(named(&format!("its answer is longer than {bytes} bytes")))
            }
            ureq::Error::BadUri(_) => Trouble::Final(named("its address is malformed")),
            ureq::Error::Other(cause) => Trouble::Final(named(&cause.to_string())),
            ureq::Error::Http(_) => Trouble::Final(named("it cannot be asked for")),
            other => Trouble::Final(named(&other.to_string())),
        }
    }
}

impl Trouble {
    pub(crate) fn into_cause(self) -> String {
        match self {
            Trouble::Passing(cause) | Trouble::Final(cause) => cause,
        }
    }
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Patch => "PATCH",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

impl<'r> Content<'r> {
    /// What is to be read, and its length; again from the start for each attempt.
    fn open(self) -> io::Result<(Box<dyn Read + 'r>, Option<u64>)> {
        match self {
            Content::None => Ok((Box::new(io::empty()), None)),
            Content::Bytes(bytes) => Ok((Box::new(bytes), Some(bytes.len() as u64))),
            Content::Section(section, watch) => {
                let mut file = section.file;
                file.seek(io::SeekFrom::Start(section.offset))?;
                let reader = Watched::new(file.take(section.bytes), watch);
                Ok((Box::new(reader), Some(section.bytes)))
            }
        }
    }
}
