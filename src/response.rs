//! The other end of the core: a response, ready for an engine to send, and the closed list of
//! reasons for it.
//!
//! A response holds slices of the packed site. No content is copied on its way to the socket;
//! only the few lines that are made for one answer live in the response itself.

use sitepack::{ContentCoding, FieldParts, Representation};
use smallvec::SmallVec;

use crate::http::method::ALLOW;
use crate::http::range::Part;
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
    /// 206: one part.
    Partial,
    /// 206: several parts.
    PartialMultiple,
    /// 304: If-None-Match names the entity-tag.
    NotModifiedByTag,
    /// 304: not modified since If-Modified-Since.
    NotModifiedByDate,
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
    /// 404: nothing here has that path.
    NotFound,
    /// 405: known, but only GET, HEAD and OPTIONS are allowed.
    MethodNotAllowed,
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
    /// 431: the field section is longer than the limit, or has more lines.
    FieldsTooLarge,
    /// 500: the packed site is damaged there.
    SiteCorrupt,
    /// 501: no registered method.
    MethodUnknown,
    /// 501: a transfer coding other than chunked.
    TransferCodingUnknown,
    /// 503: the server drains, and wants no more requests.
    NotReady,
    /// 505: a major version other than 1.
    VersionUnsupported,
}

impl Reason {
    /// Every reason, for tests and tables.
    pub const ALL: [Reason; 31] = [
        Reason::Fresh,
        Reason::Options,
        Reason::Management,
        Reason::Partial,
        Reason::PartialMultiple,
        Reason::NotModifiedByTag,
        Reason::NotModifiedByDate,
        Reason::Redirected,
        Reason::MadeCanonical,
        Reason::TargetMalformed,
        Reason::HostMissing,
        Reason::HostRepeated,
        Reason::HostMalformed,
        Reason::FramingConflict,
        Reason::RequestMalformed,
        Reason::NotFound,
        Reason::MethodNotAllowed,
        Reason::NotAcceptable,
        Reason::RequestTimeout,
        Reason::PreconditionFailedByTag,
        Reason::PreconditionFailedByDate,
        Reason::ContentTooLarge,
        Reason::TargetTooLong,
        Reason::RangeUnsatisfiable,
        Reason::ExpectationUnknown,
        Reason::FieldsTooLarge,
        Reason::SiteCorrupt,
        Reason::MethodUnknown,
        Reason::TransferCodingUnknown,
        Reason::NotReady,
        Reason::VersionUnsupported,
    ];

    /// The status that goes with it. A redirect of the site may bring another.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Reason::Fresh | Reason::Options | Reason::Management => Status::Ok,
            Reason::Partial | Reason::PartialMultiple => Status::PartialContent,
            Reason::NotModifiedByTag | Reason::NotModifiedByDate => Status::NotModified,
            Reason::Redirected | Reason::MadeCanonical => Status::PermanentRedirect,
            Reason::TargetMalformed
            | Reason::HostMissing
            | Reason::HostRepeated
            | Reason::HostMalformed
            | Reason::FramingConflict
            | Reason::RequestMalformed => Status::BadRequest,
            Reason::NotFound => Status::NotFound,
            Reason::MethodNotAllowed => Status::MethodNotAllowed,
            Reason::NotAcceptable => Status::NotAcceptable,
            Reason::RequestTimeout => Status::RequestTimeout,
            Reason::PreconditionFailedByTag | Reason::PreconditionFailedByDate => {
                Status::PreconditionFailed
            }
            Reason::ContentTooLarge => Status::ContentTooLarge,
            Reason::TargetTooLong => Status::UriTooLong,
            Reason::RangeUnsatisfiable => Status::RangeNotSatisfiable,
            Reason::ExpectationUnknown => Status::ExpectationFailed,
            Reason::FieldsTooLarge => Status::RequestHeaderFieldsTooLarge,
            Reason::SiteCorrupt => Status::InternalServerError,
            Reason::MethodUnknown | Reason::TransferCodingUnknown => Status::NotImplemented,
            Reason::NotReady => Status::ServiceUnavailable,
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
            | Reason::Partial
            | Reason::PartialMultiple
            | Reason::NotModifiedByTag
            | Reason::NotModifiedByDate => "",
            Reason::Redirected | Reason::MadeCanonical => "It stands elsewhere: see Location.\n",
            Reason::TargetMalformed => "The request target is malformed.\n",
            Reason::HostMissing => "The request has no Host field.\n",
            Reason::HostRepeated => "The request has more than one Host field.\n",
            Reason::HostMalformed => "The Host field does not name a host.\n",
            Reason::FramingConflict => "The request does not say where its content ends.\n",
            Reason::RequestMalformed => "This is not an HTTP request.\n",
            Reason::NotFound => "There is nothing here.\n",
            Reason::MethodNotAllowed => "Only GET, HEAD and OPTIONS are allowed.\n",
            Reason::NotAcceptable => "Accept-Encoding excludes every representation.\n",
            Reason::RequestTimeout => "The request did not come in time.\n",
            Reason::PreconditionFailedByTag => "The entity-tag is not one of those in If-Match.\n",
            Reason::PreconditionFailedByDate => "It was modified since If-Unmodified-Since.\n",
            Reason::ContentTooLarge => "The request has more content than is accepted.\n",
            Reason::TargetTooLong => "The request target is too long.\n",
            Reason::RangeUnsatisfiable => "It is shorter than the range begins.\n",
            Reason::ExpectationUnknown => "The only expectation known is 100-continue.\n",
            Reason::FieldsTooLarge => "The field section is too large.\n",
            Reason::SiteCorrupt => "The packed site is damaged here.\n",
            Reason::MethodUnknown => "There is no such method.\n",
            Reason::TransferCodingUnknown => "The only transfer coding known is chunked.\n",
            Reason::NotReady => "The server is about to end.\n",
            Reason::VersionUnsupported => "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n",
        }
    }

    /// Whether the connection must end with this response: where the next request begins cannot
    /// be told, or need not be.
    #[must_use]
    pub const fn closes(self) -> bool {
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
            | Status::NotFound
            | Status::MethodNotAllowed
            | Status::NotAcceptable
            | Status::PreconditionFailed
            | Status::RangeNotSatisfiable
            | Status::InternalServerError => false,
        }
    }
}

/// Fields of every response that is not a representation of the site.
const OWN_TEXT: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n";
const OWN_SECURITY: &[u8] = b"Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\
    Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n";

/// What the `Connection` field of a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It ends after this response.
    Close,
    /// It goes on, and the client speaks HTTP/1.0 and has to be told.
    KeepAlive,
    /// It goes on, as HTTP/1.1 connections do.
    Persistent,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response<'s> {
    /// The status code.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// The content coding of what is sent, for the log.
    pub coding: ContentCoding,
    /// Groups of prepared field lines, in the order of sending.
    prepared: [&'s [u8]; 6],
    /// Field lines made for this response.
    made: SmallVec<[u8; 128]>,
    /// What is sent behind the field section.
    pub content: Content<'s>,
}

/// The content of a response.
#[derive(Clone, Debug)]
pub enum Content<'s> {
    /// None: HEAD, 304.
    Empty,
    /// Bytes that exist already: a representation, a part of one, a text of the program.
    Whole(&'s [u8]),
    /// A multipart/byteranges.
    Pieces(Vec<Piece<'s>>),
}

/// A piece of a multipart content.
#[derive(Clone, Debug)]
pub enum Piece<'s> {
    /// A boundary and the fields of a part.
    Made(Vec<u8>),
    /// The bytes of a part.
    Stored(&'s [u8]),
}

impl<'s> Response<'s> {
    /// A response without the site: a refusal, with its explanation as content.
    #[must_use]
    pub fn refusal(reason: Reason) -> Response<'s> {
        Response::text(reason, reason.explanation())
    }

    /// A response with a text of the program's own.
    #[must_use]
    pub fn text(reason: Reason, text: &'static str) -> Response<'s> {
        let content_type = if text.is_empty() { &b""[..] } else { OWN_TEXT };
        let mut response = Response {
            status: reason.status(),
            reason,
            coding: ContentCoding::Identity,
            prepared: [content_type, OWN_SECURITY, b"", b"", b"", b""],
            made: SmallVec::new(),
            content: Content::Whole(text.as_bytes()),
        };
        response.push_length(text.len() as u64);
        // § 15.5.6: a 405 MUST list what is allowed; OPTIONS is asked for it.
        if matches!(reason, Reason::MethodNotAllowed | Reason::Options) {
            response.push("Allow", ALLOW);
        }
        // § 12.5.5: another Accept-Encoding would have had another answer.
        if reason == Reason::NotAcceptable {
            response.push("Vary", "Accept-Encoding");
        }
        response
    }

    /// 200: a whole representation.
    #[must_use]
    pub fn whole(found: &Representation<'s>) -> Response<'s> {
        let FieldParts {
            length,
            etag,
            content,
            about,
            cache,
            security,
        } = found.fields;
        let prepared = [length, content, about, etag, cache, security];
        Response::stored(
            Reason::Fresh,
            found,
            prepared,
            Content::Whole(found.content),
        )
    }

    /// 404 with a page of the site. It is no representation of what was asked for, so it has no
    /// validators and no ranges.
    #[must_use]
    pub fn not_found(found: &Representation<'s>) -> Response<'s> {
        let FieldParts {
            length,
            content,
            cache,
            security,
            ..
        } = found.fields;
        let prepared = [length, content, cache, security, b"", b""];
        Response::stored(
            Reason::NotFound,
            found,
            prepared,
            Content::Whole(found.content),
        )
    }

    /// 304, with the fields that § 15.4.5 names.
    #[must_use]
    pub fn not_modified(reason: Reason, found: &Representation<'s>) -> Response<'s> {
        let FieldParts { etag, cache, .. } = found.fields;
        Response::stored(
            reason,
            found,
            [etag, cache, b"", b"", b"", b""],
            Content::Empty,
        )
    }

    /// 206 with one part. `brief` leaves out what § 15.3.7 says a client with If-Range has.
    #[must_use]
    pub fn part(found: &Representation<'s>, part: Part, brief: bool) -> Response<'s> {
        let slice = slice(found, part);
        let FieldParts {
            etag,
            content,
            about,
            cache,
            security,
            ..
        } = found.fields;
        let prepared = if brief {
            [etag, cache, b"", b"", b"", b""]
        } else {
            [content, about, etag, cache, security, b""]
        };
        let mut response =
            Response::stored(Reason::Partial, found, prepared, Content::Whole(slice));
        response.push("Content-Range", &content_range(part, found));
        response.push_length(slice.len() as u64);
        response
    }

    /// 206 with several parts, as multipart/byteranges (§14.6).
    ///
    /// The boundary is made of the content's own digest: a content that held it would hold its
    /// own SHA-256.
    #[must_use]
    pub fn parts(
        found: &Representation<'s>,
        parts: &[Part],
        media_type: &str,
        brief: bool,
    ) -> Response<'s> {
        let digest = found.digest.hex();
        let boundary = digest.get(32..).unwrap_or(&digest);
        let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
        for (index, &part) in parts.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\r\n" };
            let range = content_range(part, found);
            let head = format!(
                "{line_end}--{boundary}\r\nContent-Type: {media_type}\r\n\
                 Content-Range: {range}\r\n\r\n"
            );
            pieces.push(Piece::Made(head.into_bytes()));
            pieces.push(Piece::Stored(slice(found, part)));
        }
        pieces.push(Piece::Made(format!("\r\n--{boundary}--\r\n").into_bytes()));
        let content = Content::Pieces(pieces);
        let length = content.len();
        let FieldParts {
            etag,
            about,
            cache,
            security,
            ..
        } = found.fields;
        let prepared = if brief {
            [etag, cache, b"", b"", b"", b""]
        } else {
            [about, etag, cache, security, b"", b""]
        };
        let mut response = Response::stored(Reason::PartialMultiple, found, prepared, content);
        // § 15.3.7.2: what describes the whole representation stands in the head; its coding does.
        if found.coding != ContentCoding::Identity && !brief {
            response.push("Content-Encoding", found.coding.token());
        }
        response.push(
            "Content-Type",
            &format!("multipart/byteranges; boundary={boundary}"),
        );
        response.push_length(length);
        response
    }

    /// Adds a field line. Name and value are the program's own or were checked.
    pub fn push(&mut self, name: &str, value: &str) {
        self.push_with(name, |line| line.extend_from_slice(value.as_bytes()));
    }

    /// Adds a field line whose value `write` appends.
    pub(crate) fn push_with(&mut self, name: &str, write: impl FnOnce(&mut SmallVec<[u8; 128]>)) {
        self.made.extend_from_slice(name.as_bytes());
        self.made.extend_from_slice(b": ");
        write(&mut self.made);
        self.made.extend_from_slice(b"\r\n");
    }

    /// The same without content, as HEAD wants it: the fields stay.
    #[must_use]
    pub fn without_content(mut self) -> Response<'s> {
        self.content = Content::Empty;
        self
    }

    /// Appends status line and field section, the empty line included. `date` is an
    /// IMF-fixdate.
    pub fn write_head(&self, out: &mut Vec<u8>, date: &str, connection: Connection) {
        out.extend_from_slice(self.status.line().as_bytes());
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(match connection {
            Connection::Close => b"\r\nConnection: close\r\n",
            Connection::KeepAlive => b"\r\nConnection: keep-alive\r\n",
            Connection::Persistent => &b"\r\n"[..],
        });
        for group in self.prepared {
            out.extend_from_slice(group);
        }
        out.extend_from_slice(&self.made);
        out.extend_from_slice(b"\r\n");
    }

    fn stored(
        reason: Reason,
        found: &Representation<'s>,
        prepared: [&'s [u8]; 6],
        content: Content<'s>,
    ) -> Response<'s> {
        let made = SmallVec::new();
        Response {
            status: reason.status(),
            reason,
            coding: found.coding,
            prepared,
            made,
            content,
        }
    }

    fn push_length(&mut self, bytes: u64) {
        self.push("Content-Length", &bytes.to_string());
    }
}

impl<'s> Content<'s> {
    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slices().map(|slice| slice.len() as u64).sum()
    }

    /// Whether nothing is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is to be sent, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let (whole, pieces) = match self {
            Content::Empty => (None, &[][..]),
            Content::Whole(bytes) => (Some(*bytes), &[][..]),
            Content::Pieces(pieces) => (None, &**pieces),
        };
        whole
            .into_iter()
            .chain(pieces.iter().map(|piece| match piece {
                Piece::Made(bytes) => &**bytes,
                Piece::Stored(bytes) => bytes,
            }))
    }
}

fn content_range(part: Part, found: &Representation<'_>) -> String {
    format!("bytes {}-{}/{}", part.first, part.last, found.content.len())
}

/// The bytes of a part; parts lie inside of the content they were made for.
fn slice<'s>(found: &Representation<'s>, part: Part) -> &'s [u8] {
    let first = usize::try_from(part.first).unwrap_or(usize::MAX);
    let last = usize::try_from(part.last).unwrap_or(usize::MAX);
    found.content.get(first..=last).unwrap_or_default()
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
}
