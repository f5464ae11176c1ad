//! A line of the access log, in both forms. `docs/log.md` tells the fields.

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sitepack::ContentCoding;

use super::Form;
use super::escape::{append_bytes, append_hex, append_json_bytes, append_number};
use super::stamp::{Stamp, now};
use crate::reason::Reason;

/// What one line says.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Milliseconds since 1970.
    pub time: u64,
    /// Who asked; none on a Unix socket.
    pub peer: Option<IpAddr>,
    /// The method token.
    pub method: &'a [u8],
    /// The request target.
    pub target: &'a [u8],
    /// The host that was asked for; empty if none was.
    pub host: &'a [u8],
    /// The id that the request brought; empty if it is to get one.
    pub id: &'a [u8],
    /// The status code.
    pub status: u16,
    /// How many bytes of content were sent.
    pub bytes: u64,
    /// The content coding of what was sent.
    pub coding: ContentCoding,
    /// Why the answer is what it is.
    pub reason: Reason,
    /// From when the request was all there to the last byte handed to the system.
    pub duration: Duration,
}

/// The fields in JSON, in their order; `docs/log.md` lists the same.
pub const ACCESS_FIELDS: [&str; 13] = [
    "time",
    "level",
    "from",
    "id",
    "method",
    "target",
    "host",
    "peer",
    "status",
    "bytes",
    "duration_us",
    "coding",
    "reason",
];

/// What a thread keeps for its lines, so that they are made before others have to wait for it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    line: Vec<u8>,
    stamp: Stamp,
    id: Vec<u8>,
}

impl Draft {
    /// The line, with the end of line. The id that it is given is the same until `next`.
    pub(super) fn make(&mut self, line: &Line<'_>, form: Form) -> &[u8] {
        let Draft {
            line: out,
            stamp,
            id,
        } = self;
        let id = if line.id.is_empty() { &**id } else { line.id };
        out.clear();
        match form {
            Form::Json => line.append_json(out, stamp, id),
            Form::Text => line.append_text(out, stamp, id, None),
            Form::Coloured => line.append_text(out, stamp, id, Some(colour(line.status))),
        }
        out
    }

    /// Makes the id of the next line.
    pub(super) fn next(&mut self) {
        make_id(&mut self.id);
    }
}

/// Makes an id: what this start of the program is known by, the thread, and a count. Unique in a
/// process; starts differ by 48 random bits. It takes no lock, no call, no allocation.
fn make_id(out: &mut Vec<u8>) {
    static THREADS: AtomicU64 = AtomicU64::new(0);
    static START: LazyLock<u64> =
        LazyLock::new(|| RandomState::new().hash_one((now(), std::process::id())) >> 16);
    thread_local! {
        static NUMBER: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let count = COUNT.get().wrapping_add(1);
    COUNT.set(count);
    out.clear();
    append_hex(out, *START, 12);
    out.push(b'-');
    append_hex(out, NUMBER.with(|number| *number), 1);
    out.push(b'-');
    append_hex(out, count, 1);
}

/// Escape sequences of a terminal, by the class of a status.
fn colour(status: u16) -> &'static [u8] {
    match status / 100 {
        2 => b"\x1b[32m",
        3 => b"\x1b[36m",
        4 => b"\x1b[33m",
        _ => b"\x1b[31m",
    }
}

const PLAIN: &[u8] = b"\x1b[0m";

impl Line<'_> {
    // Writing to a Vec cannot fail, here and below.
    fn append_text(&self, out: &mut Vec<u8>, stamp: &mut Stamp, id: &[u8], colour: Option<&[u8]>) {
        stamp.append(out, self.time);
        out.push(b' ');
        match self.peer {
            Some(peer) => append_peer(out, peer),
            None => out.push(b'-'),
        }
        out.push(b' ');
        append_bytes(out, self.method);
        out.push(b' ');
        append_bytes(out, &without_userinfo(self.target));
        out.push(b' ');
        out.extend_from_slice(colour.unwrap_or_default());
        append_number(out, self.status.into());
        out.extend_from_slice(colour.map_or(b"", |_| PLAIN));
        out.push(b' ');
        append_number(out, self.bytes);
        let _ = write!(out, " {} {:?} ", self.coding, self.reason);
        append_number(out, self.microseconds());
        out.extend_from_slice(b"us ");
        append_bytes(out, self.host);
        out.push(b' ');
        append_bytes(out, id);
        out.push(b'\n');
    }

    fn append_json(&self, out: &mut Vec<u8>, stamp: &mut Stamp, id: &[u8]) {
        out.extend_from_slice(br#"{"time":""#);
        stamp.append(out, self.time);
        out.extend_from_slice(br#"","level":"info","from":"access","id":""#);
        append_json_bytes(out, id);
        out.extend_from_slice(br#"","method":""#);
        append_json_bytes(out, self.method);
        out.extend_from_slice(br#"","target":""#);
        append_json_bytes(out, &without_userinfo(self.target));
        out.extend_from_slice(br#"","host":""#);
        append_json_bytes(out, self.host);
        match self.peer {
            Some(peer) => {
                out.extend_from_slice(br#"","peer":""#);
                append_peer(out, peer);
                out.extend_from_slice(br#"","status":"#);
            }
            None => out.extend_from_slice(br#"","peer":null,"status":"#),
        }
        append_number(out, self.status.into());
        out.extend_from_slice(br#","bytes":"#);
        append_number(out, self.bytes);
        out.extend_from_slice(br#","duration_us":"#);
        append_number(out, self.microseconds());
        // Tokens and names: nothing in them needs to be escaped.
        let (coding, reason) = (self.coding, self.reason);
        let _ = writeln!(out, r#","coding":"{coding}","reason":"{reason:?}"}}"#);
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The target without userinfo, which no target should have and which would be a secret.
fn without_userinfo(target: &[u8]) -> Cow<'_, [u8]> {
    if target.starts_with(b"/") {
        return Cow::Borrowed(target);
    }
    let scheme = target.windows(3).position(|window| window == b"://");
    let (scheme, rest) = target.split_at(scheme.map_or(0, |at| at + 3));
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next();
    let at = authority.and_then(|authority| authority.iter().rposition(|byte| *byte == b'@'));
    match at.and_then(|at| rest.get(at + 1..)) {
        Some(rest) => Cow::Owned([scheme, rest].concat()),
        None => Cow::Borrowed(target),
    }
}

fn append_peer(out: &mut Vec<u8>, peer: IpAddr) {
    match peer {
        IpAddr::V4(peer) => {
            for (index, octet) in (0..).zip(peer.octets()) {
                if index > 0 {
                    out.push(b'.');
                }
                append_number(out, octet.into());
            }
        }
        IpAddr::V6(peer) => {
            let _ = write!(out, "{peer}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use sitepack::ContentCoding;

    use super::{ACCESS_FIELDS, Draft, Form, Line, make_id};
    use crate::reason::Reason;

    const LINE: Line<'static> = Line {
        time: 1_795_305_600_045,
        peer: None,
        method: b"GET",
        target: b"/",
        host: b"a.example",
        id: b"abc",
        status: 200,
        bytes: 2167,
        coding: ContentCoding::Identity,
        reason: Reason::Fresh,
        duration: Duration::from_micros(12),
    };

    fn made(line: &Line<'_>, form: Form) -> String {
        String::from_utf8(Draft::default().make(line, form).to_vec()).unwrap()
    }

    #[test]
    fn targets_have_no_userinfo() {
        for (target, told) in [
            (&b"/a@b"[..], &b"/a@b"[..]),
            (b"*", b"*"),
            (b"http://user:secret@h/a@b", b"http://h/a@b"),
            (b"http://h/a@b", b"http://h/a@b"),
            (b"http://a@b@h?@", b"http://h?@"),
            (b"user:secret@h:1", b"h:1"),
            (b"h:1", b"h:1"),
        ] {
            assert_eq!(&*super::without_userinfo(target), told);
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_the_client_sends() {
        let line = Line {
            peer: Some("::1".parse().unwrap()),
            method: b"",
            target: b"/a b\n\x1b[2J\\\xff",
            host: b"a\"\r\nb",
            status: 400,
            reason: Reason::TargetMalformed,
            ..LINE
        };
        assert_eq!(
            made(&line, Form::Text),
            "2026-11-22T00:00:00.045Z ::1 - /a\\x20b\\x0a\\x1b[2J\\\\\\xff 400 2167 identity \
             TargetMalformed 12us a\"\\x0d\\x0ab abc\n"
        );
        let coloured = made(&line, Form::Coloured);
        assert!(coloured.contains(" \x1b[33m400\x1b[0m 2167 "), "{coloured}");
    }

    #[test]
    fn json_is_read_as_what_it_was_written_of() {
        let every: Vec<u8> = (0..=255).chain(*b"\\x41\"}{").collect();
        let peers = [None, Some("192.0.2.10"), Some("2001:db8::1")];
        for peer in peers.map(|peer| peer.map(|peer| peer.parse().unwrap())) {
            for bytes in [&every[..], b"", b"/plain"] {
                let line = Line {
                    peer,
                    method: bytes,
                    target: bytes,
                    host: bytes,
                    ..LINE
                };
                let text = made(&line, Form::Json);
                assert_eq!(text.matches('\n').count(), 1);
                assert!(text.is_ascii());
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                let names: Vec<&String> = json.as_object().unwrap().keys().collect();
                let mut expected = ACCESS_FIELDS.to_vec();
                expected.sort_unstable();
                assert_eq!(names, expected);
                for field in ["method", "target", "host"] {
                    assert_eq!(unescaped(json[field].as_str().unwrap()), bytes, "{field}");
                }
                assert_eq!(json["peer"].as_str().map(str::parse), peer.map(Ok));
                assert_eq!(json["status"], 200);
                assert_eq!(json["bytes"], 2167);
                assert_eq!(json["duration_us"], 12);
                assert_eq!(json["time"], "2026-11-22T00:00:00.045Z");
                assert_eq!(json["id"], "abc");
            }
        }
    }

    /// Undoes what is done to bytes.
    fn unescaped(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            let (byte, length) = match (first, behind.first()) {
                (b'\\', Some(b'x')) => (u8::from_str_radix(&hex(behind), 16).unwrap(), 4),
                (b'\\', Some(b'\\')) => (b'\\', 2),
                (byte, _) => (*byte, 1),
            };
            bytes.push(byte);
            rest = &rest[length..];
        }
        bytes
    }

    fn hex(behind: &[u8]) -> String {
        String::from_utf8(behind[1..3].to_vec()).unwrap()
    }

    #[test]
    fn made_ids_differ_also_between_threads() {
        let make = || {
            let mut id = Vec::new();
            let ids = (0..1000).map(|_| {
                make_id(&mut id);
                String::from_utf8(id.clone()).unwrap()
            });
            ids.collect::<Vec<String>>()
        };
        let threads = [(); 4].map(|()| std::thread::spawn(make));
        let ids: Vec<String> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4000);
        assert!(
            ids.iter()
                .all(|id| id.len() < 30 && id.starts_with(&ids[0][..13]))
        );
    }
}
