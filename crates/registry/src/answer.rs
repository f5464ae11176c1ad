//! An answer: read as far as its reader has room, and what follows from its status and fields.

use std::io::{self, Read as _, Write};
use std::time::Duration;

use remote::{Address, Scheme};
use ureq::Body;
use ureq::http::header::{HeaderName, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Response, StatusCode};

use crate::client::Method;
use crate::limits::ERROR_BYTES_MAX;

/// A final answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) address: Address,
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Vec<u8>,
}

impl Answer {
    /// Reads at most `bytes_max` of a 2xx, into `sink` if there is one, and the beginning of
    /// anything else.
    pub(crate) fn read(
        address: &Address,
        response: Response<Body>,
        bytes_max: u64,
        sink: Option<&mut dyn Write>,
    ) -> Result<Answer, ureq::Error> {
        let (parts, mut body) = response.into_parts();
        let (status, fields) = (parts.status, parts.headers);
        let is_good = status.is_success();
        let most = if is_good { bytes_max } else { ERROR_BYTES_MAX };
        let mut content = Vec::new();
        let mut reader = body.as_reader().take(most.saturating_add(1));
        let read = match sink {
            Some(sink) if is_good => io::copy(&mut reader, sink),
            Some(_) | None => reader.read_to_end(&mut content).map(|read| read as u64),
        };
        let read = match read {
            // An error whose text breaks off is an error all the same.
            Err(_) if !is_good => 0,
            read => read?,
        };
        if read > most && is_good {
            return Err(ureq::Error::BodyExceedsLimit(most));
        }
        Ok(Answer {
            address: address.clone(),
            status: status.as_u16(),
            fields,
            content,
        })
    }

    /// A field's value.
    pub(crate) fn field(&self, name: HeaderName) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether asking later may help (RFC 9110 §15.6, RFC 6585 §4).
    pub(crate) fn is_passing(&self) -> bool {
        self.status == 429 || self.status >= 500
    }

    /// § `Retry-After` in seconds; its other form, a date, counts as none.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.field(RETRY_AFTER)?;
        text.trim().parse().ok().map(Duration::from_secs)
    }

    /// `405 Method Not Allowed`.
    pub(crate) fn said(&self) -> String {
        let status = StatusCode::from_u16(self.status).ok();
        let reason = status.and_then(|status| status.canonical_reason());
        format!(
            "{} {}",
            self.status,
            reason.unwrap_or("(an unknown status)")
        )
    }

    /// § RFC 9110 §15.4: a 303 after what was sent would be asked for with GET, which nobody here
    /// wants; 301 and 302 are followed by what sends nothing.
    pub(crate) fn redirect(&self, method: Method) -> Result<Option<Address>, String> {
        let sends = match method {
            Method::Get | Method::Head => false,
            Method::Patch | Method::Post | Method::Put => true,
        };
        let refused = |cause: &str| format!("`{}`: it redirects {cause}", self.address);
        match self.status {
            307 | 308 => {}
            301..=303 if !sends => {}
            301..=303 => return Err(refused("what is sent with a status that drops it")),
            _ => return Ok(None),
        }
        let location = self.field(LOCATION).ok_or(refused("to nowhere"))?;
        let next = self.join(location)?;
        Ok(Some(next))
    }

    /// The address that a `Location` of this answer means.
    pub(crate) fn join(&self, location: &str) -> Result<Address, String> {
        let from = &self.address;
        let refused =
            |cause: &str| format!("`{from}`: it leads to a place that is refused: {cause}");
        let next = from.join(location).map_err(|cause| refused(&cause))?;
        match (from.scheme, next.scheme) {
            (Scheme::Https, Scheme::Http) => Err(refused("from https to plain http")),
            (Scheme::Http, Scheme::Http | Scheme::Https) | (Scheme::Https, Scheme::Https) => {
                Ok(next)
            }
        }
    }
}
