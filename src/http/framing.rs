//! How long a request's content is: RFC 9112 §6. Two answers to that are request smuggling, so
//! there is one, or none and the connection ends.

use super::{list_members, trim_ows};
use crate::reason::Reason;
use crate::request::Request;

/// The framing of a request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; none is the usual case.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
}

/// The framing, or why the request cannot be trusted.
///
/// # Errors
/// `FramingConflict` where RFC 9112 §6.3 calls the framing invalid, `TransferCodingUnknown` for a
/// transfer coding other than chunked (§6.1: 501).
pub fn framing(request: &Request<'_>) -> Result<Framing, Reason> {
    let mut lengths = request.fields.lines("content-length");
    let mut codings = request.fields.lines("transfer-encoding").peekable();
    let length = lengths.next();
    if codings.peek().is_some() {
        // § 6.1: with Content-Length it may be smuggling, and HTTP/1.0 does not have it.
        if length.is_some() || !request.version.is_1_1() {
            return Err(Reason::FramingConflict);
        }
        let mut members = list_members(codings);
        return match (members.next(), members.next()) {
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(coding), _) if !coding.eq_ignore_ascii_case(b"chunked") => {
                Err(Reason::TransferCodingUnknown)
            }
            _ => Err(Reason::FramingConflict),
        };
    }
    match (length, lengths.next()) {
        (None, _) => Ok(Framing::Length(0)),
        (Some(length), None) => digits(trim_ows(length)).map(Framing::Length),
        // § 6.3: even equal ones; nobody sends them by mistake today.
        (Some(_), Some(_)) => Err(Reason::FramingConflict),
    }
}

fn digits(text: &[u8]) -> Result<u64, Reason> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| is_number)
        .and_then(|text| text.parse().ok())
        .ok_or(Reason::FramingConflict)
}

#[cfg(test)]
mod tests {
    use super::{Framing, framing};
    use crate::reason::Reason;
    use crate::request::made::with_request;

    const LENGTH: &str = "Content-Length";
    const CODING: &str = "Transfer-Encoding";

    #[test]
    fn one_length_or_none() {
        let conflict = Err(Reason::FramingConflict);
        let unknown = Err(Reason::TransferCodingUnknown);
        for (minor, lines, expected) in [
            (1, &[][..], Ok(Framing::Length(0))),
            (1, &[(LENGTH, "0")][..], Ok(Framing::Length(0))),
            (1, &[(LENGTH, "42")], Ok(Framing::Length(42))),
            (1, &[("content-LENGTH", "042")], Ok(Framing::Length(42))),
            (1, &[(LENGTH, "")], conflict),
            (1, &[(LENGTH, "+5")], conflict),
            (1, &[(LENGTH, "-5")], conflict),
            (1, &[(LENGTH, "0x5")], conflict),
            (1, &[(LENGTH, "5 5")], conflict),
            (1, &[(LENGTH, "5, 5")], conflict),
            (1, &[(LENGTH, "5"), (LENGTH, "5")], conflict),
            (1, &[(LENGTH, "5"), (LENGTH, "6")], conflict),
            (1, &[(LENGTH, "18446744073709551616")], conflict),
            (1, &[(CODING, "chunked")], Ok(Framing::Chunked)),
            (1, &[(CODING, "Chunked")], Ok(Framing::Chunked)),
            (1, &[(CODING, "chunked"), (LENGTH, "5")], conflict),
            (1, &[(CODING, "chunked, chunked")], conflict),
            (1, &[(CODING, "chunked"), (CODING, "chunked")], conflict),
            (1, &[(CODING, "chunked, gzip")], conflict),
            (1, &[(CODING, "gzip, chunked")], unknown),
            (1, &[(CODING, "xchunked")], unknown),
            (1, &[(CODING, "identity")], unknown),
            (1, &[(CODING, "\u{b}chunked")], unknown),
            (1, &[(CODING, "")], conflict),
            (0, &[(CODING, "chunked")], conflict),
            (0, &[(LENGTH, "7")], Ok(Framing::Length(7))),
        ] {
            assert_eq!(
                with_request(minor, lines, framing),
                expected,
                "HTTP/1.{minor} {lines:?}"
            );
        }
    }
}
