//! What a request tells of itself for the log: the host that it asks for, and an id.
//!
//! The id is that of `X-Request-Id`, else the trace-id of `traceparent` (W3C Trace Context 1,
//! §3.2). Both come from anybody, so only a well-formed one counts: nothing in it needs to be
//! escaped, and its length is bounded. A malformed or repeated field is ignored.

use super::{is_token_byte, trim_ows};
use crate::limits::REQUEST_ID_BYTES_MAX;
use crate::request::Fields;

/// What was told; what was not is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// The value of Host, without userinfo: no host has any, and it would be a secret.
    pub host: &'a [u8],
    /// The id of the request.
    pub id: &'a [u8],
}

/// Reads it, in one pass.
#[must_use]
pub fn told<'a>(fields: Fields<'a>) -> Told<'a> {
    let (mut host, mut id, mut trace) = (None, Single::Never, Single::Never);
    for field in fields.0 {
        // Most lines are told apart by the length of their names.
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case(b"host") => {
                host.get_or_insert(field.value);
            }
            11 if field.name.eq_ignore_ascii_case(b"traceparent") => {
                trace = trace.and(field.value);
            }
            12 if field.name.eq_ignore_ascii_case(b"x-request-id") => id = id.and(field.value),
            _ => {}
        }
    }
    let host = trim_ows(host.unwrap_or_default());
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let id = id.value().filter(|id| is_id(id));
    let id = id.or_else(|| trace_id(trace.value()?));
    let id = id.unwrap_or_default();
    Told { host, id }
}

/// The value of a field that should stand once.
#[derive(Clone, Copy)]
enum Single<'a> {
    Never,
    One(&'a [u8]),
    Again,
}

impl<'a> Single<'a> {
    fn and(self, value: &'a [u8]) -> Single<'a> {
        match self {
            Single::Never => Single::One(value),
            Single::One(_) | Single::Again => Single::Again,
        }
    }

    fn value(self) -> Option<&'a [u8]> {
        match self {
            Single::One(value) => Some(trim_ows(value)),
            Single::Never | Single::Again => None,
        }
    }
}

/// Whether it is an id: bytes of a token, and those of base64 and of lists that are none.
fn is_id(id: &[u8]) -> bool {
    let fits = |byte: &u8| is_token_byte(*byte) || b"/=:,".contains(byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(fits)
}

/// The trace-id of a traceparent: version, trace-id, parent-id and flags in lower-case
/// hexadecimal, with `-` between. § 3.2.4: of a later version the beginning is read as this one's.
fn trace_id(value: &[u8]) -> Option<&[u8]> {
    let (known, behind) = value.split_at_checked(55)?;
    let mut parts = known.split(|byte| *byte == b'-');
    let [version, trace, parent, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let lengths = [version.len(), trace.len(), parent.len(), flags.len()];
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let fits = lengths == [2, 32, 16, 2]
        && [version, trace, parent, flags]
            .iter()
            .all(|part| part.iter().all(is_hex))
        && !is_zero(trace)
        && !is_zero(parent)
        && version != b"ff"
        && (behind.is_empty() || (version != b"00" && behind.starts_with(b"-")));
    fits.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::{Told, told};
    use crate::request::made::with_fields;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn id(lines: &[(&str, &str)]) -> String {
        with_fields(lines, |fields| {
            String::from_utf8(told(fields).id.to_vec()).unwrap()
        })
    }

    #[test]
    fn an_id_is_taken_if_it_is_well_formed() {
        let (long, longer) = ("a".repeat(200), "a".repeat(201));
        for (value, taken) in [
            ("f058ebd6-02f7-4d3f-942e-904344e8cde5", true),
            ("QW4gaWQ+/w==", true),
            (" 1 ", true),
            (&*long, true),
            (&*longer, false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a\\b", false),
            ("ü", false),
            ("a\tb", false),
        ] {
            let expected = if taken { value.trim() } else { "" };
            assert_eq!(id(&[("x-rEquest-id", value)]), expected, "{value}");
        }
        assert_eq!(id(&[("X-Request-Id", "a"), ("X-Request-Id", "a")]), "");
    }

    #[test]
    fn a_trace_id_is_taken_if_there_is_no_other() {
        let parent = "00f067aa0ba902b7";
        for (value, taken) in [
            (format!("00-{TRACE}-{parent}-01"), true),
            (format!("cc-{TRACE}-{parent}-01"), true),
            (format!("cc-{TRACE}-{parent}-01-what-comes"), true),
            (format!("cc-{TRACE}-{parent}-01.what-comes"), false),
            (format!("00-{TRACE}-{parent}-01-what-comes"), false),
            (format!("ff-{TRACE}-{parent}-01"), false),
            (format!("00-{}-{parent}-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            (format!("00-{}-{parent}-01", TRACE.to_uppercase()), false),
            (format!("00-{TRACE}-{parent}-0"), false),
            (format!("00-{TRACE}-{parent}+01"), false),
            (format!("00{TRACE}-{parent}-01--"), false),
            (String::new(), false),
        ] {
            let expected = if taken { TRACE } else { "" };
            assert_eq!(id(&[("traceparent", &value)]), expected, "{value}");
            let other = [("traceparent", &*value), ("X-Request-Id", "7")];
            assert_eq!(id(&other), "7");
            let malformed = [("traceparent", &*value), ("X-Request-Id", "7 8")];
            assert_eq!(id(&malformed), expected);
        }
    }

    #[test]
    fn a_host_is_told_without_userinfo() {
        for (value, host) in [
            ("a.example:8080", "a.example:8080"),
            (" a ", "a"),
            ("user:word@a", "a"),
            ("u@v@a", "a"),
        ] {
            let told = with_fields(&[("HOST", value)], |fields| told(fields).host.to_vec());
            assert_eq!(told, host.as_bytes());
        }
        assert!(with_fields(&[], |fields| told(fields) == Told::default()));
    }
}
