//! The head of a request, from bytes: request line and field section, RFC 9112 §2 to §5.
//!
//! Strict where the RFC lets a server choose. Lines end with CRLF; a bare LF or CR, a fold, white
//! space before a colon, a control character anywhere: each is a 400. What two readers might read
//! differently is how requests are smuggled past one of them.
//!
//! Lines are judged as they come: what cannot become a request is refused before all of it is
//! there.

use memchr::memchr;
use smallvec::SmallVec;

use super::{is_token_byte, trim_ows};
use crate::limits::{EMPTY_LINES_MAX, METHOD_BYTES_MAX, RequestLimits};
use crate::reason::Reason;
use crate::request::{Field, Version};

/// A head, read.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method token.
    pub method: &'a [u8],
    /// The request target; not yet judged.
    pub target: &'a [u8],
    /// The version.
    pub version: Version,
    /// How many bytes of the input the head is.
    pub bytes: usize,
}

/// Field lines, white space around their values removed. More than a request usually has allocate.
pub type Lines<'a> = SmallVec<[Field<'a>; 32]>;

/// Reads the head at the start of `input`; none if it is not all there yet. Its field lines are
/// added to `fields`: they take a kilobyte, which is not moved about.
///
/// # Errors
/// The reason to refuse the request, and with it the connection.
pub fn parse<'a>(
    input: &'a [u8],
    limits: &RequestLimits,
    fields: &mut Lines<'a>,
) -> Result<Option<Head<'a>>, Reason> {
    let mut lines = Feeds { input, at: 0 };
    let mut request_line = lines.next()?;
    for _ in 0..EMPTY_LINES_MAX {
        if request_line == Some(b"") {
            request_line = lines.next()?;
        }
    }
    let Some(request_line) = request_line else {
        return request_line_so_far(lines.rest(), limits);
    };
    let (method, target, version) = parse_request_line(request_line, limits)?;
    let section = lines.at;
    loop {
        let line = lines.next()?;
        let bytes = if line.is_some() {
            lines.at - section
        } else {
            input.len() - section
        };
        if bytes > limits.field_section_bytes.saturating_add(2) {
            return Err(Reason::FieldsTooLarge);
        }
        match line {
            None => return Ok(None),
            Some(b"") => {
                return Ok(Some(Head {
                    method,
                    target,
                    version,
                    bytes: lines.at,
                }));
            }
            Some(_) if fields.len() == limits.field_lines => return Err(Reason::FieldsTooLarge),
            Some(line) => fields.push(parse_field_line(line)?),
        }
    }
}

/// How long an input may become before [`parse`] has anything new to say, if it has said that the
/// head is not all there, and as long as no line ends. In a request line each byte counts; behind
/// that only the bound does.
#[must_use]
pub fn undecided_until(input: &[u8], limits: &RequestLimits) -> usize {
    let mut lines = Feeds { input, at: 0 };
    for _ in 0..=EMPTY_LINES_MAX {
        match lines.next() {
            Ok(Some(b"")) => {}
            Ok(Some(_)) => return lines.at.saturating_add(limits.field_section_bytes),
            Ok(None) | Err(_) => return 0,
        }
    }
    0
}

/// Takes lines off an input.
struct Feeds<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Feeds<'a> {
    /// The next line without its CRLF; none if there is no end of it.
    fn next(&mut self) -> Result<Option<&'a [u8]>, Reason> {
        let rest = self.rest();
        let Some(feed) = memchr(b'\n', rest) else {
            return Ok(None);
        };
        let line = rest.get(..feed).and_then(|line| line.strip_suffix(b"\r"));
        self.at += feed + 1;
        // § 2.2: a bare LF may be recognised; it is not here.
        line.map(Some).ok_or(Reason::RequestMalformed)
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }
}

/// Judges a request line that has no end yet.
fn request_line_so_far<'a>(
    line: &[u8],
    limits: &RequestLimits,
) -> Result<Option<Head<'a>>, Reason> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let method = memchr(b' ', line).map_or(line, |space| line.get(..space).unwrap_or_default());
    let is_token = method.iter().all(|byte| is_token_byte(*byte));
    if !is_token || line.starts_with(b" ") {
        return Err(Reason::RequestMalformed);
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Reason::MethodUnknown);
    }
    // The longest line with a target within the limit: two spaces and a version besides.
    if line.len()
        > method
            .len()
            .saturating_add(limits.target_bytes)
            .saturating_add(10)
    {
        return Err(Reason::TargetTooLong);
    }
    if line.iter().any(|byte| byte.is_ascii_control()) {
        return Err(Reason::RequestMalformed);
    }
    Ok(None)
}

/// § 3: `method SP request-target SP HTTP-version`, single spaces.
fn parse_request_line<'a>(
    line: &'a [u8],
    limits: &RequestLimits,
) -> Result<(&'a [u8], &'a [u8], Version), Reason> {
    let (method, rest) = split(line).ok_or(Reason::RequestMalformed)?;
    if method.is_empty() || !method.iter().all(|byte| is_token_byte(*byte)) {
        return Err(Reason::RequestMalformed);
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Reason::MethodUnknown);
    }
    let (target, version) = split(rest).ok_or(Reason::RequestMalformed)?;
    if target.len() > limits.target_bytes {
        return Err(Reason::TargetTooLong);
    }
    let version = match *version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Version {
                major: major - b'0',
                minor: minor - b'0',
            }
        }
        _ => return Err(Reason::RequestMalformed),
    };
    // § 3.2: no white space or control character in a target. The rest of it is judged later.
    if target.is_empty() || target.iter().any(|byte| byte.is_ascii_control()) {
        return Err(Reason::TargetMalformed);
    }
    Ok((method, target, version))
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', line)?;
    Some((line.get(..space)?, line.get(space + 1..)?))
}

/// § 5: `field-name ":" OWS field-value OWS`. § 5.1: white space before the colon MUST be refused;
/// § 5.2: a fold, which begins with white space, too.
fn parse_field_line(line: &[u8]) -> Result<Field<'_>, Reason> {
    let colon = memchr(b':', line).ok_or(Reason::RequestMalformed)?;
    let name = line.get(..colon).unwrap_or_default();
    let value = trim_ows(line.get(colon + 1..).unwrap_or_default());
    if is_field(name, value) {
        Ok(Field { name, value })
    } else {
        Err(Reason::RequestMalformed)
    }
}

/// Whether these are a field's name and value: RFC 9110 §5.1, §5.5.
#[must_use]
pub fn is_field(name: &[u8], value: &[u8]) -> bool {
    let is_value = |byte: &u8| (*byte >= b' ' && *byte != 0x7f) || *byte == b'\t';
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte)) && value.iter().all(is_value)
}

#[cfg(test)]
mod tests {
    use super::{Head, Lines, parse, undecided_until};
    use crate::limits::RequestLimits;
    use crate::reason::Reason;
    use crate::request::Version;

    fn read<'a>(raw: &'a [u8], limits: &RequestLimits) -> Result<Option<Head<'a>>, Reason> {
        parse(raw, limits, &mut Lines::new())
    }

    fn refused(raw: &[u8]) -> Option<Reason> {
        read(raw, &RequestLimits::default()).err()
    }

    #[test]
    fn a_head_is_read_and_what_follows_is_left() {
        let raw = b"GET /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nOdd \r\n".to_vec();
        assert_eq!(refused(&raw), Some(Reason::RequestMalformed));
        let raw = b"GET /a?b HTTP/1.1\r\nHost:x\r\nEmpty:\r\nPadded: \t a\tb \t\r\n\r\nGET /next";
        let mut lines = Lines::new();
        let head = parse(raw, &RequestLimits::default(), &mut lines);
        let head = head.unwrap().unwrap();
        assert_eq!((head.method, head.target), (&b"GET"[..], &b"/a?b"[..]));
        assert_eq!(head.version, Version { major: 1, minor: 1 });
        let fields: Vec<_> = lines
            .iter()
            .map(|field| (field.name, field.value))
            .collect();
        let expected: [(&[u8], &[u8]); 3] =
            [(b"Host", b"x"), (b"Empty", b""), (b"Padded", b"a\tb")];
        assert_eq!(fields, expected);
        assert_eq!(&raw[head.bytes..], b"GET /next");
    }

    #[test]
    fn a_head_that_is_not_all_there_is_waited_for_at_every_byte() {
        let raw = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n";
        for length in 0..raw.len() {
            let part = read(&raw[..length], &RequestLimits::default());
            assert!(matches!(part, Ok(None)), "{length} bytes: {part:?}");
        }
        assert!(matches!(read(raw, &RequestLimits::default()), Ok(Some(_))));
    }

    #[test]
    fn until_a_line_ends_there_is_nothing_new_to_say() {
        let limits = RequestLimits {
            field_section_bytes: 200,
            ..RequestLimits::default()
        };
        for (raw, section) in [
            (&b"GET / HT"[..], None),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", Some(20)),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX", Some(16)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r", Some(16)),
        ] {
            let until = undecided_until(raw, &limits);
            assert_eq!(until, section.map_or(0, |section| section + 200));
            for length in raw.len()..=until {
                let mut longer = raw.to_vec();
                longer.resize(length, b'\0');
                assert!(matches!(read(&longer, &limits), Ok(None)), "{length}");
            }
        }
    }

    #[test]
    fn what_is_no_request_line_is_refused() {
        let malformed = Some(Reason::RequestMalformed);
        for raw in [
            &b"GET /\r\n"[..],
            b"GET\r\n",
            b"GET / HTTP/1.1 \r\n",
            b" GET / HTTP/1.1\r\n",
            b"GET  / HTTP/1.1\r\n",
            b"GET /  HTTP/1.1\r\n",
            b"GET\t/ HTTP/1.1\r\n",
            b"GET\x0c/ HTTP/1.1\r\n",
            b"G\0ET / HTTP/1.1\r\n",
            b"G(T / HTTP/1.1\r\n",
            b"GET / HTTP/1.11\r\n",
            b"GET / HTTP/10.0\r\n",
            b"GET / HTTP/1\r\n",
            b"GET / HTTP/1.\r\n",
            b"GET / http/1.1\r\n",
            b"GET / HTTP/1.1 x\r\n",
            b"GET / HTTP/1.1\n",
            b"GET / HTTP/1.1\r\r\n",
            b"\n\nGET / HTTP/1.1\r\n",
            b"\r\n\r\n\r\nGET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"\x00",
            b" ",
            b"GET /\x01",
        ] {
            assert_eq!(
                refused(raw),
                malformed,
                "{:?}",
                String::from_utf8_lossy(raw)
            );
        }
        assert_eq!(
            refused(b"GET /\x00 HTTP/1.1\r\n"),
            Some(Reason::TargetMalformed)
        );
        assert_eq!(
            refused(b"GET /\x7f HTTP/1.1\r\n"),
            Some(Reason::TargetMalformed)
        );
    }

    #[test]
    fn what_is_no_field_line_is_refused() {
        for line in [
            &b"no colon\r\n"[..],
            b": empty name\r\n",
            b"Space : before\r\n",
            b"Tab\t: before\r\n",
            b"A space: in\r\n",
            b" folded: first\r\n",
            b"X: a\r\n folded\r\n",
            b"X: a\r\n\tfolded\r\n",
            b"X: a\rb\r\n",
            b"X\r: a\r\n",
            b"X: a\r\r\n",
            b"X: a\n",
            b"X: \0\r\n",
            b"X: \x7f\r\n",
            b"X: \x1b\r\n",
            b"\xff: a\r\n",
            b"X(: a\r\n",
        ] {
            let raw = [b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n"].concat();
            let reason = refused(&raw);
            assert_eq!(
                reason,
                Some(Reason::RequestMalformed),
                "{:?}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn other_versions_are_read_for_their_answer() {
        for (raw, major, minor) in [
            (&b"GET / HTTP/2.0\r\n\r\n"[..], 2, 0),
            (b"GET / HTTP/0.9\r\n\r\n", 0, 9),
        ] {
            let head = read(raw, &RequestLimits::default()).unwrap().unwrap();
            assert_eq!(head.version, Version { major, minor });
        }
    }

    #[test]
    fn limits_hold_also_before_a_line_ends() {
        let limits = RequestLimits {
            target_bytes: 100,
            field_section_bytes: 200,
            field_lines: 3,
        };
        let refused = |raw: String| read(raw.as_bytes(), &limits).err();
        let target = |bytes: usize| "a".repeat(bytes);
        assert_eq!(refused(format!("GET /{} HTTP/1.1\r\n", target(99))), None);
        assert_eq!(
            refused(format!("GET /{} HTTP/1.1\r\n", target(100))),
            Some(Reason::TargetTooLong)
        );
        assert_eq!(
            refused(format!("GET /{}", target(120))),
            Some(Reason::TargetTooLong)
        );
        assert_eq!(refused(target(65)), Some(Reason::MethodUnknown));
        assert_eq!(
            refused(format!("{} / HTTP/1.1\r\n", target(65))),
            Some(Reason::MethodUnknown)
        );
        let head = "GET / HTTP/1.1\r\n";
        assert_eq!(refused(format!("{head}A: {}\r\n\r\n", target(195))), None);
        assert_eq!(
            refused(format!("{head}A: {}\r\n\r\n", target(196))),
            Some(Reason::FieldsTooLarge)
        );
        assert_eq!(
            refused(format!("{head}A: {}", target(200))),
            Some(Reason::FieldsTooLarge)
        );
        assert_eq!(refused(format!("{head}{}\r\n", "A:\r\n".repeat(3))), None);
        assert_eq!(
            refused(format!("{head}{}\r\n", "A:\r\n".repeat(4))),
            Some(Reason::FieldsTooLarge)
        );
    }
}
