//! The other end of the core: a response, ready for an engine to send.
//!
//! A response holds slices of the packed site. No content is copied on its way to the socket;
//! only the few lines that are made for one answer live in the response itself.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _, Write as _};

use serde_json::Value;
use sitepack::{ContentCoding, FieldParts, Maker, Making, Recipe, Representation};
use smallvec::SmallVec;

use crate::http::method::ALLOW;
use crate::http::range::Part;
use crate::http::status::Status;
use crate::limits::{PIECE_BYTES, RETRY_SECONDS};
use crate::pages::demo::Index;
use crate::pages::manifest::Listing;
use crate::reason::Reason;
use crate::request::Version;

/// What a representation says about itself where the site has no time, or one that is to come.
pub(crate) const ACCEPT_RANGES: &[u8] = b"Accept-Ranges: bytes\r\n";

/// Fields of every response that is not a representation of the site.
const OWN_TEXT: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n";
/// Content-Type of the pages that are made.
pub(crate) const JSON: &[u8] = b"Content-Type: application/json\r\n";
pub(crate) const METRICS: &[u8] = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
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
    prepared: [&'s [u8]; 7],
    /// Field lines made for this response.
    made: SmallVec<[u8; 128]>,
    /// What is sent behind the field section.
    pub content: Content<'s>,
    /// How long it is to be held back; a demonstration.
    pub delay_seconds: u16,
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
    /// Bytes that are made while they are sent.
    Made(Made<'s>),
    /// The manifest of the site, which is made while it is sent, and of unknown length.
    Listed(Box<Listing<'s>>),
}

/// A content that is made of something shorter, or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Made<'s> {
    recipe: Recipe<'s>,
    /// How many bytes of the whole stand before the part.
    first: u64,
    /// The length of the part in bytes.
    bytes: u64,
}

impl<'s> Made<'s> {
    /// How it is made.
    #[must_use]
    pub fn making(&self) -> Making {
        self.recipe.making()
    }

    /// The length of the part in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.bytes
    }

    /// Something that makes it: first as many bytes as are returned with it, which are not sent,
    /// then the content.
    ///
    /// # Errors
    /// When this program was built without the decoder.
    pub fn maker(&self) -> io::Result<(u64, Maker<'s>)> {
        Ok((self.first, self.recipe.maker()?))
    }
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
        Response::own(reason, Content::Whole(text.as_bytes()))
    }

    /// 406, with what there would have been (§15.5.7).
    #[must_use]
    pub fn not_acceptable(codings: &[ContentCoding]) -> Response<'s> {
        let mut text = Reason::NotAcceptable.explanation().to_owned();
        for coding in codings {
            let line_start = if text.ends_with('\n') {
                "There are: "
            } else {
                ", "
            };
            text.push_str(line_start);
            text.push_str(coding.token());
        }
        text.push('\n');
        let content = Content::Pieces(vec![Piece::Made(text.into_bytes())]);
        Response::own(Reason::NotAcceptable, content)
    }

    /// A page that was made; `media_type` is a field line.
    pub(crate) fn page(media_type: &'static [u8], text: Vec<u8>) -> Response<'s> {
        let content = Content::Pieces(vec![Piece::Made(text)]);
        let mut response = Response::own(Reason::Management, content);
        let [content_type, ..] = &mut response.prepared;
        *content_type = media_type;
        response
    }

    /// What `--demo` shows: JSON, under a status that may be any refusal.
    pub(crate) fn shown(status: Status, json: &Value) -> Response<'s> {
        let mut response = Response::page(JSON, format!("{json}\n").into_bytes());
        response.reason = Reason::Demonstration;
        response.status = status;
        if status == Status::MethodNotAllowed {
            response.push("Allow", ALLOW);
        }
        response
    }

    /// 200: the index page with a banner.
    pub(crate) fn index(found: &Representation<'s>, index: Index<'s>) -> Response<'s> {
        let FieldParts {
            content: kind,
            cache,
            security,
            policy,
            ..
        } = found.fields;
        let prepared = [kind, cache, security, policy, b"", b"", b""];
        let pieces = match index.content {
            Cow::Borrowed(page) => {
                let (before, after) = page.split_at_checked(index.behind).unwrap_or((page, b""));
                vec![
                    Piece::Stored(before),
                    Piece::Made(index.banner.into_bytes()),
                    Piece::Stored(after),
                ]
            }
            Cow::Owned(mut page) => {
                let at = index.behind.min(page.len());
                page.splice(at..at, index.banner.into_bytes());
                vec![Piece::Made(page)]
            }
        };
        let content = Content::Pieces(pieces);
        let length = content.len();
        let mut response = Response::stored(Reason::Demonstration, found, prepared, content);
        response.push("ETag", index.entity_tag);
        response.push_length(length);
        response
    }

    /// 304 for it.
    pub(crate) fn index_not_modified(
        reason: Reason,
        found: &Representation<'s>,
        index: &Index<'_>,
    ) -> Response<'s> {
        let prepared = [found.fields.cache, b"", b"", b"", b"", b"", b""];
        let mut response = Response::stored(reason, found, prepared, Content::Empty);
        response.push("ETag", &index.entity_tag);
        response
    }

    /// The manifest of the site, for a client of this version.
    pub(crate) fn listing(listing: Listing<'s>, version: Version) -> Response<'s> {
        let listing = listing.chunked(version.is_1_1());
        let mut response = Response::bare(Reason::Management, JSON);
        if listing.is_chunked() {
            response.push("Transfer-Encoding", "chunked");
        }
        response.content = Content::Listed(Box::new(listing));
        response
    }

    /// Whether its end is that of the connection.
    #[must_use]
    pub fn is_unframed(&self) -> bool {
        matches!(&self.content, Content::Listed(listing) if !listing.is_chunked())
    }

    /// A response of the program's own, without content and its length.
    fn bare(reason: Reason, content_type: &'static [u8]) -> Response<'s> {
        Response {
            status: reason.status(),
            reason,
            coding: ContentCoding::Identity,
            prepared: [content_type, OWN_SECURITY, b"", b"", b"", b"", b""],
            made: SmallVec::new(),
            content: Content::Empty,
            delay_seconds: 0,
        }
    }

    fn own(reason: Reason, content: Content<'s>) -> Response<'s> {
        let length = content.len();
        let content_type = if length == 0 { &b""[..] } else { OWN_TEXT };
        let mut response = Response::bare(reason, content_type);
        response.content = content;
        response.push_length(length);
        // § 15.5.6: a 405 MUST list what is allowed; OPTIONS is asked for it.
        if matches!(reason, Reason::MethodNotAllowed | Reason::Options) {
            response.push("Allow", ALLOW);
        }
        if reason == Reason::PostWanted {
            response.push("Allow", "POST");
        }
        // § 15.6.4: when to ask again, where that is known.
        if matches!(reason, Reason::Busy | Reason::Awaited) {
            response.push("Retry-After", RETRY_SECONDS);
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
            policy,
        } = found.fields;
        let prepared = [length, content, about, etag, cache, security, policy];
        let mut response = Response::stored(Reason::Fresh, found, prepared, whole(found));
        response.push_length_unless(length, found);
        response.push_tag_unless(etag, found);
        response
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
            policy,
            ..
        } = found.fields;
        let prepared = [length, content, cache, security, policy, b"", b""];
        let mut response = Response::stored(Reason::NotFound, found, prepared, whole(found));
        response.push_length_unless(length, found);
        response
    }

    /// 304, with the fields that § 15.4.5 names.
    #[must_use]
    pub fn not_modified(reason: Reason, found: &Representation<'s>) -> Response<'s> {
        let FieldParts { etag, cache, .. } = found.fields;
        let prepared = [etag, cache, b"", b"", b"", b"", b""];
        let mut response = Response::stored(reason, found, prepared, Content::Empty);
        response.push_tag_unless(etag, found);
        response
    }

    /// 304 to whoever wants a page made at run time only if there is none.
    #[must_use]
    pub fn page_not_modified(reason: Reason) -> Response<'s> {
        Response {
            prepared: [OWN_SECURITY, b"", b"", b"", b"", b"", b""],
            made: SmallVec::new(),
            content: Content::Empty,
            ..Response::text(reason, "")
        }
    }

    /// 206 with one part. `brief` leaves out what § 15.3.7 says a client with If-Range has.
    #[must_use]
    pub fn part(found: &Representation<'s>, part: Part, brief: bool) -> Response<'s> {
        let FieldParts {
            etag,
            content,
            about,
            cache,
            security,
            policy,
            ..
        } = found.fields;
        let prepared = if brief {
            [etag, cache, security, policy, b"", b"", b""]
        } else {
            [content, about, etag, cache, security, policy, b""]
        };
        let content = match found.stored() {
            Some(stored) => Content::Whole(slice(stored, part)),
            None => Content::Made(Made {
                recipe: found.recipe(),
                first: part.first,
                bytes: part.length(),
            }),
        };
        let mut response = Response::stored(Reason::Partial, found, prepared, content);
        response.push_tag_unless(etag, found);
        response.push("Content-Range", content_range(part, found));
        response.push_length(part.length());
        response
    }

    /// 206 with several parts of a content that is `stored`, as multipart/byteranges (§14.6).
    ///
    /// The boundary is made of the content's own digest: a content that held it would hold its
    /// own SHA-256.
    #[must_use]
    pub fn parts(
        found: &Representation<'s>,
        stored: &'s [u8],
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
            pieces.push(Piece::Stored(slice(stored, part)));
        }
        pieces.push(Piece::Made(format!("\r\n--{boundary}--\r\n").into_bytes()));
        let content = Content::Pieces(pieces);
        let length = content.len();
        let FieldParts {
            etag,
            about,
            cache,
            security,
            policy,
            ..
        } = found.fields;
        let prepared = if brief {
            [etag, cache, security, policy, b"", b"", b""]
        } else {
            [about, etag, cache, security, policy, b"", b""]
        };
        let mut response = Response::stored(Reason::PartialMultiple, found, prepared, content);
        // § 15.3.7.2: what describes the whole representation stands in the head; its coding does.
        if found.coding != ContentCoding::Identity && !brief {
            response.push("Content-Encoding", found.coding.token());
        }
        response.push(
            "Content-Type",
            format_args!("multipart/byteranges; boundary={boundary}"),
        );
        response.push_length(length);
        response
    }

    /// Adds a field line. Name and value are the program's own or were checked.
    pub fn push(&mut self, name: &str, value: impl fmt::Display) {
        // Writing to a SmallVec cannot fail.
        self.push_with(name, |line| drop(write!(line, "{value}")));
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
        prepared: [&'s [u8]; 7],
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
            delay_seconds: 0,
        }
    }

    /// Adds what is not prepared for a content that is made.
    fn push_length_unless(&mut self, prepared: &[u8], found: &Representation<'_>) {
        if prepared.is_empty() {
            self.push_length(found.length);
        }
    }

    fn push_tag_unless(&mut self, prepared: &[u8], found: &Representation<'_>) {
        if prepared.is_empty() {
            self.push("ETag", found.entity_tag());
        }
    }

    fn push_length(&mut self, bytes: u64) {
        self.push("Content-Length", bytes);
    }
}

impl<'s> Content<'s> {
    /// The length in bytes; of one whose length is not known, the most that there can be.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Content::Made(made) => return made.bytes,
            Content::Listed(_) => return u64::MAX,
            Content::Empty | Content::Whole(_) | Content::Pieces(_) => {}
        }
        self.slices().map(|slice| slice.len() as u64).sum()
    }

    /// Whether nothing is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies it, making what is to be made.
    ///
    /// # Errors
    /// When what it is made of is damaged.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Content::Made(made) = self {
            let (skip, mut maker) = made.maker()?;
            io::copy(&mut maker.by_ref().take(skip), &mut io::sink())?;
            maker.take(made.bytes).read_to_end(&mut bytes)?;
        }
        if let Content::Listed(listing) = self {
            let (mut listing, mut room) = (listing.clone(), vec![0; PIECE_BYTES]);
            let mut over = false;
            while !over {
                let made;
                (made, over) = listing.step(&mut room);
                bytes.extend_from_slice(room.get(..made).unwrap_or_default());
            }
        }
        for slice in self.slices() {
            bytes.extend_from_slice(slice);
        }
        Ok(bytes)
    }

    /// What is to be sent, in order, as far as it exists already.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let (whole, pieces) = match self {
            Content::Empty | Content::Made(_) | Content::Listed(_) => (None, &[][..]),
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

fn content_range(part: Part, found: &Representation<'_>) -> impl fmt::Display + use<> {
    let length = found.length;
    fmt::from_fn(move |to| write!(to, "bytes {}-{}/{length}", part.first, part.last))
}

fn whole<'s>(found: &Representation<'s>) -> Content<'s> {
    match found.stored() {
        Some(stored) => Content::Whole(stored),
        None => Content::Made(Made {
            recipe: found.recipe(),
            first: 0,
            bytes: found.length,
        }),
    }
}

/// The bytes of a part; parts lie inside of the content they were made for.
fn slice(stored: &[u8], part: Part) -> &[u8] {
    let first = usize::try_from(part.first).unwrap_or(usize::MAX);
    let last = usize::try_from(part.last).unwrap_or(usize::MAX);
    stored.get(first..=last).unwrap_or_default()
}
