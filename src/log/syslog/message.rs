//! A message of syslog: RFC 5424 §6, RFC 3164 §4.
//!
//! The text is the line that would stand on standard output or error. It has no control
//! characters, and no byte order mark before it: RFC 5424 §6.4 wants one before UTF-8, receivers
//! show it.

use sitepack::date::Civil;

use super::{Kind, Level, Standard};
use crate::log::escape::{append_digits, append_number};
use crate::log::stamp::Stamp;

/// A message in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// RFC 5424 §6.2.1.
    severity: u8,
    kind: Kind,
    /// Milliseconds since 1970.
    time: u64,
    text: &'a [u8],
}

/// Severity, kind, time, length.
const HEAD_BYTES: usize = 1 + 1 + 8 + 4;

impl<'a> Record<'a> {
    /// What stands in the queue before the text.
    pub(super) fn head(level: Level, kind: Kind, time: u64, text: &[u8]) -> [u8; HEAD_BYTES] {
        let severity = match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug => 7,
        };
        let kind = match kind {
            Kind::Access => 0,
            Kind::Event => 1,
        };
        let [a, b, c, d, e, f, g, h] = time.to_le_bytes();
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let [i, j, k, l] = length.to_le_bytes();
        [severity, kind, a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// The first message of a queue, and what is behind it.
    pub(super) fn split(queue: &'a [u8]) -> Option<(Record<'a>, &'a [u8])> {
        let (head, behind) = queue.split_first_chunk::<HEAD_BYTES>()?;
        let [severity, kind, a, b, c, d, e, f, g, h, i, j, k, l] = *head;
        let length = usize::try_from(u32::from_le_bytes([i, j, k, l])).ok()?;
        let (text, behind) = behind.split_at_checked(length)?;
        let record = Record {
            severity,
            kind: if kind == 0 { Kind::Access } else { Kind::Event },
            time: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            text,
        };
        Some((record, behind))
    }
}

/// What is the same in all messages.
pub(super) struct Template {
    pub(super) standard: Standard,
    pub(super) facility: u8,
    /// None where the receiver knows it: on the system's own socket.
    pub(super) host: Option<String>,
    pub(super) tag: String,
    pub(super) pid: u32,
    pub(super) stamp: Stamp,
}

impl Template {
    /// Appends a message, of so many bytes at most.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, record: &Record<'_>, bytes_max: usize) {
        let start = out.len();
        out.push(b'<');
        append_number(out, u64::from(self.facility * 8 + record.severity));
        out.push(b'>');
        match self.standard {
            Standard::Rfc5424 => self.append_5424(out, record),
            Standard::Rfc3164 => self.append_3164(out, record),
        }
        out.extend_from_slice(record.text);
        let whole = out.get(start..).unwrap_or_default();
        let length = cut(whole, bytes_max).len();
        out.truncate(start + length);
    }

    fn append_5424(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"1 ");
        self.stamp.append(out, record.time);
        out.push(b' ');
        out.extend_from_slice(self.host.as_deref().unwrap_or("-").as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.tag.as_bytes());
        out.push(b' ');
        append_number(out, self.pid.into());
        out.extend_from_slice(match record.kind {
            Kind::Access => b" access - ",
            Kind::Event => b" event - ",
        });
    }

    /// § 4.1.2: the time is that of the machine's zone; here it is UTC, as everywhere.
    fn append_3164(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let time = Civil::from_unix(record.time / 1000);
        let month = usize::try_from(time.month).unwrap_or(1).saturating_sub(1) * 3;
        out.extend_from_slice(MONTHS.get(month..month + 3).unwrap_or_default());
        out.extend_from_slice(if time.day < 10 { b"  " } else { b" " });
        append_number(out, time.day);
        for (before, part) in [(b' ', time.hour), (b':', time.minute), (b':', time.second)] {
            out.push(before);
            append_digits(out, part, 2);
        }
        out.push(b' ');
        if let Some(host) = &self.host {
            out.extend_from_slice(host.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(self.tag.as_bytes());
        out.push(b'[');
        append_number(out, self.pid.into());
        out.extend_from_slice(b"]: ");
    }
}

/// The beginning of UTF-8 text, of so many bytes at most, and of whole characters.
pub(super) fn cut(text: &[u8], bytes_max: usize) -> &[u8] {
    let mut end = text.len().min(bytes_max);
    // RFC 3629 §3: the bytes behind a character's first begin with the bits 10.
    while text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) && end > 0 {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Level, Record, Standard, Template, cut};

    fn template(standard: Standard, host: Option<&str>) -> Template {
        Template {
            standard,
            facility: 16,
            host: host.map(str::to_owned),
            tag: "tag".to_owned(),
            pid: 42,
            stamp: Default::default(),
        }
    }

    #[test]
    fn messages_have_the_forms_of_the_standards() {
        let (five, three) = (Standard::Rfc5424, Standard::Rfc3164);
        let (november, march) = (1_795_305_601_045, 1_772_600_000_000);
        for (standard, host, level, time, text, expected) in [
            (
                five,
                Some("h"),
                Level::Info,
                november,
                "{}",
                "<134>1 2026-11-22T00:00:01.045Z h tag 42 access - {}",
            ),
            (
                five,
                None,
                Level::Error,
                november,
                "ü",
                "<131>1 2026-11-22T00:00:01.045Z - tag 42 access - ü",
            ),
            (
                three,
                Some("h"),
                Level::Warn,
                november,
                "a",
                "<132>Nov 22 00:00:01 h tag[42]: a",
            ),
            (
                three,
                None,
                Level::Debug,
                march,
                "",
                "<135>Mar  4 04:53:20 tag[42]: ",
            ),
        ] {
            let mut queue = Record::head(level, Kind::Access, time, text.as_bytes()).to_vec();
            queue.extend_from_slice(text.as_bytes());
            queue.push(b'x');
            let (record, behind) = Record::split(&queue).unwrap();
            assert_eq!(behind, b"x");
            let mut out = Vec::new();
            template(standard, host).append(&mut out, &record, 1000);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        assert_eq!(Record::split(b""), None);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        for (text, bytes, left) in [
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("aü", 2, "a"),
            ("aü", 3, "aü"),
            ("üü", 3, "ü"),
            ("€€", 5, "€"),
            ("€", 2, ""),
            ("𝄞", 3, ""),
            ("", 0, ""),
        ] {
            assert_eq!(
                cut(text.as_bytes(), bytes),
                left.as_bytes(),
                "{text} {bytes}"
            );
        }
        // What is no UTF-8 is cut somewhere.
        assert_eq!(cut(&[0x80; 9], 5), b"");
        let text = "ü".repeat(2_000);
        let head = Record::head(Level::Info, Kind::Event, 0, text.as_bytes());
        let queue = [&head, text.as_bytes()].concat();
        let mut out = b"before".to_vec();
        let (record, _) = Record::split(&queue).unwrap();
        template(Standard::Rfc5424, None).append(&mut out, &record, 480);
        assert!((478..=480).contains(&(out.len() - 6)));
        assert!(std::str::from_utf8(&out).is_ok());
    }
}
