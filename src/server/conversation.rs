//! What is said on one connection, without the connection: bytes go in, answers come out.
//!
//! A conversation reads heads, skips the content that requests bring, and says when it is over.
//! It owns no socket, no buffer and no clock, so that every split of every input can be tried.
//!
//! 1. Answers come in the order of requests, one for each.
//! 2. A request with content is answered when its content is there: whoever sends the next
//!    request too early has it waiting behind.
//! 3. After an answer that closes, nothing that follows is looked at.

use std::net::IpAddr;

use memchr::memchr;

use crate::http::chunked::Chunks;
use crate::http::connection::persists;
use crate::http::expectation::{Expectation, expectation};
use crate::http::framing::{Framing, framing};
use crate::http::told::told;
use crate::http::{forwarded, head};
use crate::limits::{CONTENT_BYTES_MAX, RequestLimits};
use crate::origin::Origin;
use crate::reason::Reason;
use crate::request::{Fields, Request};
use crate::response::{Connection, Response};
use crate::server::{Role, Trusted, asker, connection_field};

/// One side of a connection's bytes.
#[derive(Debug)]
pub struct Conversation<'s> {
    state: State<'s>,
    /// How many requests were answered.
    answered: u32,
}

#[derive(Debug)]
enum State<'s> {
    /// Before or in a head.
    Head(Heard),
    /// In the content of a request.
    Content(Box<Content<'s>>),
    /// Nothing more is read.
    Over,
}

/// What was heard of a head. Who sends it byte by byte must not have all of it read each time.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Bytes that were looked at.
    bytes: usize,
    /// Nothing can be said before there are more than so many, or a line ends.
    until: usize,
}

#[derive(Debug)]
struct Content<'s> {
    left: Left,
    answer: Answer<'s>,
}

#[derive(Debug)]
enum Left {
    Bytes(u64),
    Chunks(Chunks),
}

/// What an engine decides besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'t> {
    /// Bounds of a request.
    pub limits: RequestLimits,
    /// The connection ends after so many.
    pub requests_max: u32,
    /// The server is about to end.
    pub draining: bool,
    /// Seconds since 1970.
    pub now: u64,
    /// Whose forwarding fields are believed, if the peer is such a proxy.
    pub trusted: Option<&'t Trusted>,
    /// What is served there.
    pub role: Role,
    /// Whether the peer is on this machine.
    pub is_near: bool,
}

/// What came of some input.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for each answer"
)]
pub enum Turn<'s> {
    /// Nothing yet: more input is needed. Whether a request has begun.
    More {
        /// Bytes of a request are here, or its content is under way.
        begun: bool,
    },
    /// An answer is due.
    Answer(Answer<'s>),
    /// Nothing more is read.
    Over,
}

/// An answer, and what is said of it.
#[derive(Debug)]
pub struct Answer<'s> {
    /// What to send.
    pub response: Response<'s>,
    /// What its `Connection` field says; after `Close` the conversation is over.
    pub connection: Connection,
    /// The connection ends although the client did not ask for it, or did and went on: it may
    /// still be sending, and must be read from until it has seen the answer (RFC 9112 §9.6).
    pub lingers: bool,
    /// The method, as far as it was read.
    pub method: Said,
    /// The request target, as far as it was read.
    pub target: Said,
    /// The host that was asked for; nothing if none was.
    pub host: Said,
    /// The id that the request brought; nothing if it did not.
    pub id: Said,
    /// The client's address, if proxies that are believed tell it.
    pub client: Option<IpAddr>,
}

impl Answer<'_> {
    /// Keeps what is said of the request, for when `input`, that of the turn, is gone.
    pub(crate) fn keep(&mut self, input: &[u8]) {
        self.method.keep(input);
        self.target.keep(input);
        self.host.keep(input);
        self.id.keep(input);
    }
}

/// Bytes of a request for the log: where in the input they are, or a copy if that is gone.
#[derive(Clone, Debug)]
pub enum Said {
    /// A range of the input of this turn.
    Here(std::ops::Range<usize>),
    /// A copy.
    Kept(Vec<u8>),
}

impl Said {
    /// The bytes; `input` is that of the turn.
    #[must_use]
    pub fn of<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Said::Here(range) => input.get(range.clone()).unwrap_or_default(),
            Said::Kept(bytes) => bytes,
        }
    }

    /// The same, independent of the input.
    fn keep(&mut self, input: &[u8]) {
        *self = Said::Kept(self.of(input).to_vec());
    }

    fn nothing() -> Said {
        Said::Here(0..0)
    }

    /// Where `part`, which borrows from `input`, is in it.
    fn here(input: &[u8], part: &[u8]) -> Said {
        let start = (part.as_ptr() as usize).wrapping_sub(input.as_ptr() as usize);
        Said::Here(start..start.saturating_add(part.len()))
    }
}

impl Heard {
    /// Whether what has come since leaves everything open.
    fn decides_nothing(self, input: &[u8]) -> bool {
        input.len() <= self.until
            && input
                .get(self.bytes..)
                .is_some_and(|fresh| memchr(b'\n', fresh).is_none())
    }
}

impl Default for Conversation<'_> {
    fn default() -> Self {
        Conversation {
            state: State::Head(Heard::default()),
            answered: 0,
        }
    }
}

impl<'s> Conversation<'s> {
    /// How many requests were answered.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.answered
    }

    /// Whether the content of a request is under way.
    #[must_use]
    pub fn is_in_content(&self) -> bool {
        matches!(self.state, State::Content(_))
    }

    /// Takes what it can from the front of `input`: how many bytes, and what came of them.
    /// Input that was not taken has to come again, with more behind it.
    pub fn next(
        &mut self,
        input: &[u8],
        origin: &Origin<'s>,
        terms: &Terms<'_>,
    ) -> (usize, Turn<'s>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => (0, Turn::Over),
            State::Head(heard) if heard.decides_nothing(input) => {
                self.state = State::Head(Heard {
                    bytes: input.len(),
                    ..heard
                });
                (0, Turn::More { begun: true })
            }
            State::Head(_) => self.head(input, origin, terms),
            State::Content(content) => self.content(*content, input),
        }
    }

    fn head(&mut self, input: &[u8], origin: &Origin<'s>, terms: &Terms<'_>) -> (usize, Turn<'s>) {
        let mut fields = head::Lines::new();
        let head = match head::parse(input, &terms.limits, &mut fields) {
            Ok(Some(head)) => head,
            Ok(None) => {
                self.state = State::Head(Heard {
                    bytes: input.len(),
                    until: head::undecided_until(input, &terms.limits),
                });
                return (
                    0,
                    Turn::More {
                        begun: !input.is_empty(),
                    },
                );
            }
            Err(reason) => {
                let answer = refusal(reason, says_head(input));
                return (input.len(), self.due(answer, b""));
            }
        };
        let request = Request {
            method: head.method,
            target: head.target,
            version: head.version,
            fields: Fields(&fields),
        };
        let bytes = head.bytes;
        let (mut answer, framing) = self.answer(&request, input, origin, terms);
        let rest = input.get(bytes..).unwrap_or_default();
        let is_head = head.method == b"HEAD";
        let left = match framing {
            _ if answer.response.reason.closes() => return (bytes, self.due(answer, rest)),
            Framing::Length(0) => return (bytes, self.due(answer, rest)),
            Framing::Length(length) if length > CONTENT_BYTES_MAX => {
                let answer = refused(Reason::ContentTooLarge, is_head, answer);
                return (bytes, self.due(answer, rest));
            }
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::Chunks(Chunks::new(CONTENT_BYTES_MAX)),
        };
        if expectation(&request) == Expectation::Continue {
            // RFC 9110 §10.1.1: a final answer at once. Whether the content then comes cannot be
            // known, so the connection ends.
            let answer = Answer {
                connection: Connection::Close,
                lingers: true,
                ..answer
            };
            return (bytes, self.due(answer, rest));
        }
        answer.keep(input);
        let (more, turn) = self.content(Content { left, answer }, rest);
        (bytes + more, turn)
    }

    fn answer(
        &self,
        request: &Request<'_>,
        input: &[u8],
        origin: &Origin<'s>,
        terms: &Terms<'_>,
    ) -> (Answer<'s>, Framing) {
        let client = terms.trusted.and_then(|trusted| {
            forwarded::client(request.fields, |address| trusted.holds(address))
        });
        let asker = asker(terms.role, terms.is_near, client);
        let response = origin.respond_to(asker, request, terms.now);
        let told = told(request.fields);
        let last = terms.draining || self.answered.saturating_add(1) >= terms.requests_max;
        let connection = connection_field(request, &response, last);
        let answer = Answer {
            connection,
            lingers: connection == Connection::Close
                && (persists(request) || response.reason.closes() || response.is_unframed()),
            response,
            method: Said::here(input, request.method),
            target: Said::here(input, request.target),
            host: Said::here(input, told.host),
            id: Said::here(input, told.id),
            client,
        };
        // If the framing is in conflict, that is the answer, and it closes.
        (answer, framing(request).unwrap_or(Framing::Length(0)))
    }

    fn content(&mut self, mut content: Content<'s>, input: &[u8]) -> (usize, Turn<'s>) {
        let (taken, whole) = match &mut content.left {
            Left::Bytes(left) => {
                let taken = (input.len() as u64).min(*left);
                *left -= taken;
                (usize::try_from(taken).unwrap_or(input.len()), *left == 0)
            }
            Left::Chunks(chunks) => match chunks.read(input) {
                Ok((taken, whole)) => (taken, whole),
                Err(reason) => {
                    let is_head = content.answer.method.of(b"") == b"HEAD";
                    let answer = refused(reason, is_head, content.answer);
                    return (input.len(), self.due(answer, b""));
                }
            },
        };
        if whole {
            let behind = input.get(taken..).unwrap_or_default();
            (taken, self.due(content.answer, behind))
        } else {
            self.state = State::Content(Box::new(content));
            (taken, Turn::More { begun: true })
        }
    }

    /// An answer is due; `behind` is what came behind its request.
    fn due(&mut self, mut answer: Answer<'s>, behind: &[u8]) -> Turn<'s> {
        self.answered = self.answered.saturating_add(1);
        answer.lingers |= answer.connection == Connection::Close && !behind.is_empty();
        self.state = match answer.connection {
            Connection::Close => State::Over,
            Connection::KeepAlive | Connection::Persistent => State::Head(Heard::default()),
        };
        Turn::Answer(answer)
    }

    /// The answer to a request that did not come in time; `input` is what came of it.
    pub fn timed_out(&mut self, input: &[u8]) -> Answer<'s> {
        let is_head = match &self.state {
            State::Content(content) => content.answer.method.of(b"") == b"HEAD",
            State::Head(_) | State::Over => says_head(input),
        };
        self.state = State::Over;
        refusal(Reason::RequestTimeout, is_head)
    }
}

/// Whether a request that could not be read asked for no content: RFC 9110 §9.3.2.
fn says_head(input: &[u8]) -> bool {
    input.trim_ascii_start().starts_with(b"HEAD ")
}

/// A refusal that ends the conversation, of what could not be read; `is_head` if it must have no
/// content.
fn refusal<'s>(reason: Reason, is_head: bool) -> Answer<'s> {
    let response = Response::refusal(reason);
    let response = if is_head {
        response.without_content()
    } else {
        response
    };
    Answer {
        response,
        connection: Connection::Close,
        lingers: true,
        method: Said::nothing(),
        target: Said::nothing(),
        host: Said::nothing(),
        id: Said::nothing(),
        client: None,
    }
}

/// The same in the place of an answer.
fn refused<'s>(reason: Reason, is_head: bool, answer: Answer<'s>) -> Answer<'s> {
    let Answer {
        method,
        target,
        host,
        id,
        client,
        ..
    } = answer;
    Answer {
        method,
        target,
        host,
        id,
        client,
        ..refusal(reason, is_head)
    }
}

#[cfg(test)]
mod tests {
    use super::{Conversation, Terms, Turn};
    use crate::limits::RequestLimits;
    use crate::origin::Origin;
    use crate::reason::Reason;
    use crate::response::Connection;
    use crate::server::Role;

    const TERMS: Terms<'static> = Terms {
        limits: RequestLimits {
            target_bytes: 100,
            field_section_bytes: 1000,
            field_lines: 10,
        },
        requests_max: 4,
        draining: false,
        now: 1_795_305_600,
        trusted: None,
        role: Role::Site,
        is_near: false,
    };

    /// Feeds `pieces` as they would come; the reason of each answer, and whether it closed.
    fn said(pieces: &[&[u8]]) -> Vec<(Reason, bool)> {
        let origin = Origin::new(crate::embedded::site().unwrap());
        let mut conversation = Conversation::default();
        let (mut input, mut answers) = (Vec::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                let (taken, turn) = conversation.next(&input, &origin, &TERMS);
                input.drain(..taken);
                match turn {
                    Turn::More { .. } => break,
                    Turn::Over => return answers,
                    Turn::Answer(answer) => answers.push((
                        answer.response.reason,
                        answer.connection == Connection::Close,
                    )),
                }
            }
        }
        answers
    }

    #[test]
    fn any_split_of_the_input_gives_the_same_answers() {
        let raw = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\
                    POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n\
                    GET /x HTTP/1.1\r\nHost: a\r\n\r\n..\
                    POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nGET /\r\n0\r\n\r\n\
                    HEAD /nowhere HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let expected = [
            (Reason::Fresh, false),
            (Reason::MethodNotAllowed, false),
            (Reason::MethodNotAllowed, false),
            (Reason::NotFound, true),
        ];
        assert_eq!(said(&[raw]), expected);
        for at in 1..raw.len() {
            let (one, two) = raw.split_at(at);
            assert_eq!(said(&[one, two]), expected, "split at {at}");
        }
        let bytes: Vec<&[u8]> = raw.chunks(1).collect();
        assert_eq!(said(&bytes), expected);
    }

    /// Bytes that end no line cost what they are, and not what stands before them.
    #[test]
    fn a_long_head_that_drips_is_not_read_anew_for_each_drop() {
        let origin = Origin::new(crate::embedded::site().unwrap());
        let terms = Terms {
            limits: RequestLimits::default(),
            ..TERMS
        };
        let field = format!("X: {}\r\n", "x".repeat(900));
        let mut input = format!("GET / HTTP/1.1\r\nHost: a\r\n{}Y:", field.repeat(33)).into_bytes();
        let mut conversation = Conversation::default();
        let mut hear = |input: &[u8]| {
            let started = std::time::Instant::now();
            let (taken, turn) = conversation.next(input, &origin, &terms);
            assert!(taken == 0 && matches!(turn, Turn::More { begun: true }));
            started.elapsed()
        };
        let once = hear(&input);
        let mut dripped = std::time::Duration::ZERO;
        for _ in 0..2_700 {
            input.push(b'y');
            dripped += hear(&input);
        }
        assert!(dripped < once * 500, "{once:?} once, then {dripped:?}");
    }

    #[test]
    fn what_cannot_be_framed_ends_the_conversation() {
        for (head, reason) in [
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked",
                Reason::FramingConflict,
            ),
            (
                "Content-Length: 5\r\nContent-Length: 5",
                Reason::FramingConflict,
            ),
            ("Content-Length: 70000", Reason::ContentTooLarge),
            ("Transfer-Encoding: gzip", Reason::FramingConflict),
            (
                "Transfer-Encoding: gzip, chunked",
                Reason::TransferCodingUnknown,
            ),
            ("Transfer-Encoding : chunked", Reason::RequestMalformed),
        ] {
            let raw = format!("GET / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\nGET / HTTP/1.1\r\n\r\n");
            assert_eq!(said(&[raw.as_bytes()]), [(reason, true)], "{head}");
        }
        let raw = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n\r\n";
        assert_eq!(said(&[raw]), [(Reason::FramingConflict, true)]);
    }

    #[test]
    fn an_expectation_with_content_is_answered_at_once_and_closes() {
        let raw =
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(said(&[raw]), [(Reason::MethodNotAllowed, true)]);
        let raw = b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
        assert_eq!(said(&[raw]), [(Reason::Fresh, false)]);
    }

    #[test]
    fn an_expectation_of_http_1_0_is_ignored() {
        let raw = b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\
                    Content-Length: 5\r\n\r\n";
        assert_eq!(said(&[raw]), []);
        assert_eq!(said(&[raw, b"hello"]), [(Reason::MethodNotAllowed, false)]);
    }

    #[test]
    fn the_last_allowed_request_closes() {
        let raw = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(6);
        let closes: Vec<bool> = said(&[&raw])
            .into_iter()
            .map(|(_, closes)| closes)
            .collect();
        assert_eq!(closes, [false, false, false, true]);
    }
}
