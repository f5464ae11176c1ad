//! One exchange: a request to addresses that are known already, and the content of its answer.
//!
//! No name is resolved here, no proxy asked, no redirect followed, no connection kept. The time is
//! that of the whole exchange, so that nobody is kept waiting by a byte now and then.

use std::fmt;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::Url;
use crate::limits::{CLOUD_CAUSE_BYTES_MAX, CLOUD_FIELDS_BYTES_MAX};

const USER_AGENT: &str = concat!("chapbook/", env!("CARGO_PKG_VERSION"));

/// As many addresses of a host as ureq's list has room for.
const ADDRESSES_MAX: usize = 16;

/// How to speak TLS, for those who ask by https.
#[cfg(feature = "heroku")]
pub(super) type Tls = ureq::tls::TlsConfig;
/// Nobody asks by https.
#[cfg(not(feature = "heroku"))]
pub(super) enum Tls {}

/// Asks one host.
pub(super) struct Client(Agent);

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) method: &'static str,
    pub(super) url: &'a Url,
    /// Field lines.
    pub(super) fields: &'a [(&'static str, &'a str)],
    pub(super) content: &'a [u8],
    /// For all of it.
    pub(super) within: Duration,
    /// The longest answer.
    pub(super) bytes_max: u64,
}

impl Client {
    /// A client that finds every host at these addresses.
    pub(super) fn to(addresses: Vec<SocketAddr>, tls: Option<Tls>) -> Client {
        let config = Agent::config_builder();
        #[cfg(feature = "heroku")]
        let config = config.tls_config(tls.unwrap_or_default());
        #[cfg(not(feature = "heroku"))]
        let (config, None::<Tls>) = (config, tls);
        let config = config
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .user_agent(USER_AGENT)
            .accept_encoding("identity")
            .max_response_header_size(CLOUD_FIELDS_BYTES_MAX)
            .build();
        Client(Agent::with_parts(
            config,
            DefaultConnector::default(),
            Known(addresses),
        ))
    }

    /// The content of a 200; of anything else the cause in one line, without the address.
    pub(super) fn ask(&self, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
        let mut request = Request::builder()
            .method(asked.method)
            .uri(asked.url.whole());
        for (name, value) in asked.fields {
            request = request.header(*name, *value);
        }
        let request = request.body(asked.content);
        let request = request.map_err(|_| "it cannot be asked for".to_owned())?;
        let request = self
            .0
            .configure_request(request)
            .timeout_global(Some(asked.within))
            .build();
        let cause = |error: &ureq::Error| cause(error, asked.within);
        let response = self.0.run(request).map_err(|error| cause(&error))?;
        let status = response.status();
        if status.as_u16() != 200 {
            return Err(format!("it answered {}", status.as_u16()));
        }
        let mut content = Vec::new();
        let reader = response.into_body().into_reader();
        let mut reader = reader.take(asked.bytes_max.saturating_add(1));
        reader
            .read_to_end(&mut content)
            .map_err(|error| cause(&error.into()))?;
        if content.len() as u64 > asked.bytes_max {
            return Err(format!("it is longer than {} bytes", asked.bytes_max));
        }
        Ok(content)
    }
}

/// What an error of `ureq` means. No address is in it.
fn cause(error: &ureq::Error, within: Duration) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is an open one")]
    let cause = match error {
        ureq::Error::Timeout(_) => format!("it took more than {:.1} s", within.as_secs_f32()),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection ended before the answer did".to_owned()
        }
        ureq::Error::BadUri(_) => "its address is malformed".to_owned(),
        other => other.to_string(),
    };
    shorten(&cause)
}

fn shorten(cause: &str) -> String {
    let end = cause.floor_char_boundary(CLOUD_CAUSE_BYTES_MAX);
    let shown = cause.get(..end).unwrap_or_default();
    shown.replace(char::is_control, "\u{fffd}")
}

/// Knows where every host is.
struct Known(Vec<SocketAddr>);

impl Resolver for Known {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        for address in self.0.iter().take(ADDRESSES_MAX) {
            found.push(*address);
        }
        match found.is_empty() {
            true => Err(ureq::Error::HostNotFound),
            false => Ok(found),
        }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}
