//! Why an answer is what it is: a closed list, which the log prints.

use crate::http::status::Status;

/// Why a response is what it is. The access log prints it; `docs/log.md` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// 200: the selected representation, whole.
    Fresh,
    /// 200: what OPTIONS tells.
    Options,
    /// 200: a page that the server makes itself.
    Management,
    /// 200: what `--demo` shows; a status that was asked for is another.
    Demonstration,
    /// 206: one part.
    Partial,
    /// 206: several parts.
    PartialMultiple,
    /// 304: If-None-Match names the entity-tag.
    NotModifiedByTag,
    /// 304: not modified since If-Modified-Since.
    NotModifiedByDate,
    /// 301: the target held characters that must be percent-encoded.
    Encoded,
    /// 308 or as the site says: a redirect of the site.
    Redirected,
    /// 308: the path had dot or empty segments.
    MadeCanonical,
    /// 400: the request target is not one.
    TargetMalformed,
    /// 400: HTTP/1.1 without Host.
    HostMissing,
    /// 400: more than one Host.
    HostRepeated,
    /// 400: Host is no host.
    HostMalformed,
    /// 400: it cannot be told where the content ends.
    FramingConflict,
    /// 400: not a request at all.
    RequestMalformed,
    /// 403: a page for this machine alone.
    NotLocal,
    /// 404: nothing here has that path.
    NotFound,
    /// 405: known, but only GET, HEAD and OPTIONS are allowed.
    MethodNotAllowed,
    /// 405: something that only POST does.
    PostWanted,
    /// 406: every representation is excluded by Accept-Encoding.
    NotAcceptable,
    /// 408: the request did not come in time.
    RequestTimeout,
    /// 412: If-Match does not name the entity-tag.
    PreconditionFailedByTag,
    /// 412: modified since If-Unmodified-Since.
    PreconditionFailedByDate,
    /// 413: more content than is worth reading.
    ContentTooLarge,
    /// 414: the request target is longer than the limit.
    TargetTooLong,
    /// 416: no range of the set can be satisfied.
    RangeUnsatisfiable,
    /// 417: an expectation other than 100-continue.
    ExpectationUnknown,
    /// 421: an https target on a connection that is not secured.
    Misdirected,
    /// 431: the field section is longer than the limit, or has more lines.
    FieldsTooLarge,
    /// 500: the packed site is damaged there.
    SiteCorrupt,
    /// 501: no registered method.
    MethodUnknown,
    /// 501: a transfer coding other than chunked.
    TransferCodingUnknown,
    /// 503: the server wants no requests: it drains, or was told so.
    NotReady,
    /// 503: too many contents are being made.
    Busy,
    /// 503: a page is being fetched from elsewhere.
    Awaited,
    /// 505: a major version other than 1.
    VersionUnsupported,
}

impl Reason {
    /// Every reason, for tests and tables.
    pub const ALL: [Reason; 38] = [
        Reason::Fresh,
        Reason::Options,
        Reason::Management,
        Reason::Demonstration,
        Reason::Partial,
        Reason::PartialMultiple,
        Reason::NotModifiedByTag,
        Reason::NotModifiedByDate,
        Reason::Encoded,
        Reason::Redirected,
        Reason::MadeCanonical,
        Reason::TargetMalformed,
        Reason::HostMissing,
        Reason::HostRepeated,
        Reason::HostMalformed,
        Reason::FramingConflict,
        Reason::RequestMalformed,
        Reason::NotLocal,
        Reason::NotFound,
        Reason::MethodNotAllowed,
        Reason::PostWanted,
        Reason::NotAcceptable,
        Reason::RequestTimeout,
        Reason::PreconditionFailedByTag,
        Reason::PreconditionFailedByDate,
        Reason::ContentTooLarge,
        Reason::TargetTooLong,
        Reason::RangeUnsatisfiable,
        Reason::ExpectationUnknown,
        Reason::Misdirected,
        Reason::FieldsTooLarge,
        Reason::SiteCorrupt,
        Reason::MethodUnknown,
        Reason::TransferCodingUnknown,
        Reason::NotReady,
        Reason::Busy,
        Reason::Awaited,
        Reason::VersionUnsupported,
    ];

    /// The status that goes with it. A redirect of the site may bring another.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Reason::Fresh | Reason::Options | Reason::Management | Reason::Demonstration => {
                Status::Ok
            }
            Reason::Partial | Reason::PartialMultiple => Status::PartialContent,
            Reason::NotModifiedByTag | Reason::NotModifiedByDate => Status::NotModified,
            Reason::Encoded => Status::MovedPermanently,
            Reason::Redirected | Reason::MadeCanonical => Status::PermanentRedirect,
            Reason::TargetMalformed
            | Reason::HostMissing
            | Reason::HostRepeated
            | Reason::HostMalformed
            | Reason::FramingConflict
            | Reason::RequestMalformed => Status::BadRequest,
            Reason::NotLocal => Status::Forbidden,
            Reason::NotFound => Status::NotFound,
            Reason::MethodNotAllowed | Reason::PostWanted => Status::MethodNotAllowed,
            Reason::NotAcceptable => Status::NotAcceptable,
            Reason::RequestTimeout => Status::RequestTimeout,
            Reason::PreconditionFailedByTag | Reason::PreconditionFailedByDate => {
                Status::PreconditionFailed
            }
            Reason::ContentTooLarge => Status::ContentTooLarge,
            Reason::TargetTooLong => Status::UriTooLong,
            Reason::RangeUnsatisfiable => Status::RangeNotSatisfiable,
            Reason::ExpectationUnknown => Status::ExpectationFailed,
            Reason::Misdirected => Status::MisdirectedRequest,
            Reason::FieldsTooLarge => Status::RequestHeaderFieldsTooLarge,
            Reason::SiteCorrupt => Status::InternalServerError,
            Reason::MethodUnknown | Reason::TransferCodingUnknown => Status::NotImplemented,
            Reason::NotReady | Reason::Busy | Reason::Awaited => Status::ServiceUnavailable,
            Reason::VersionUnsupported => Status::HttpVersionNotSupported,
        }
    }

    /// What a person who meets a refusal is told, as the content of the response.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Reason::Fresh
            | Reason::Options
            | Reason::Management
            | Reason::Demonstration
            | Reason::Partial
            | Reason::PartialMultiple
            | Reason::NotModifiedByTag
            | Reason::NotModifiedByDate => "",
            Reason::Encoded | Reason::Redirected | Reason::MadeCanonical => {
                "It stands elsewhere: see Location.\n"
            }
            Reason::TargetMalformed => "The request target is malformed.\n",
            Reason::HostMissing => "The request has no Host field.\n",
            Reason::HostRepeated => "The request has more than one Host field.\n",
            Reason::HostMalformed => "The Host field does not name a host.\n",
            Reason::FramingConflict => "The request does not say where its content ends.\n",
            Reason::RequestMalformed => "This is not an HTTP request.\n",
            Reason::NotLocal => "Only this machine may see this, or --admin-listen.\n",
            Reason::NotFound => "There is nothing here.\n",
            Reason::MethodNotAllowed => "Only GET, HEAD and OPTIONS are allowed.\n",
            Reason::PostWanted => "Only POST is allowed.\n",
            Reason::NotAcceptable => "Accept-Encoding excludes every representation.\n",
            Reason::RequestTimeout => "The request did not come in time.\n",
            Reason::PreconditionFailedByTag => "The entity-tag is not one of those in If-Match.\n",
            Reason::PreconditionFailedByDate => "It was modified since If-Unmodified-Since.\n",
            Reason::ContentTooLarge => "The request has more content than is accepted.\n",
            Reason::TargetTooLong => "The request target is too long.\n",
            Reason::RangeUnsatisfiable => "It is shorter than the range begins.\n",
            Reason::ExpectationUnknown => "The only expectation known is 100-continue.\n",
            Reason::Misdirected => "This connection is not secured; ask for http.\n",
            Reason::FieldsTooLarge => "The field section is too large.\n",
            Reason::SiteCorrupt => "The packed site is damaged here.\n",
            Reason::MethodUnknown => "There is no such method.\n",
            Reason::TransferCodingUnknown => "The only transfer coding known is chunked.\n",
            Reason::NotReady => "The server wants no requests now.\n",
            Reason::Busy => "Too much is asked for at once; ask again in a moment.\n",
            Reason::Awaited => "It is being fetched; ask again in a second.\n",
            Reason::VersionUnsupported => "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n",
        }
    }

    /// Whether the connection must end with this response: where the next request begins cannot
    /// be told, or need not be.
    #[must_use]
    pub const fn closes(self) -> bool {
        // Who is to come back in a second may as well stay.
        if matches!(self, Reason::Busy | Reason::Awaited) {
            return false;
        }
        match self.status() {
            Status::BadRequest
            | Status::RequestTimeout
            | Status::ContentTooLarge
            | Status::UriTooLong
            | Status::ExpectationFailed
            | Status::RequestHeaderFieldsTooLarge
            | Status::NotImplemented
            | Status::ServiceUnavailable
            | Status::HttpVersionNotSupported => true,
            Status::Ok
            | Status::PartialContent
            | Status::MovedPermanently
            | Status::Found
            | Status::SeeOther
            | Status::NotModified
            | Status::TemporaryRedirect
            | Status::PermanentRedirect
            | Status::Forbidden
            | Status::NotFound
            | Status::MethodNotAllowed
            | Status::NotAcceptable
            | Status::PreconditionFailed
            | Status::RangeNotSatisfiable
            | Status::MisdirectedRequest
            | Status::TooManyRequests
            | Status::InternalServerError
            | Status::BadGateway
            | Status::GatewayTimeout => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn all_reasons_are_listed_and_refusals_explain_themselves() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason:?} is out of order");
            let is_refusal = reason.status().code() >= 400;
            assert!(
                !is_refusal || reason.explanation().ends_with(".\n"),
                "{reason:?}"
            );
        }
    }

    /// If it cannot be told where a request ends, nothing that follows can be a request.
    #[test]
    fn what_leaves_the_end_of_a_request_open_ends_the_connection() {
        for reason in [
            Reason::FramingConflict,
            Reason::TransferCodingUnknown,
            Reason::RequestMalformed,
            Reason::ContentTooLarge,
            Reason::TargetTooLong,
            Reason::FieldsTooLarge,
            Reason::RequestTimeout,
        ] {
            assert!(reason.closes(), "{reason:?}");
        }
    }
}
