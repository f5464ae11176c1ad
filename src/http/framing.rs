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
/// transfer coding below chunked (§6.1: 501).
pub fn framing(request: &Request<'_>) -> Result<Framing, Reason> {
    let mut lengths = request.fields.lines("content-length");
    let mut codings = request.fields.lines("transfer-encoding").peekable();
    let length = lengths.next();
    if codings.peek().is_some() {
        // § 6.1: with Content-Length it may be smuggling, and HTTP/1.0 does not have it.
        if length.is_some() || !request.version.is_1_1() {
            return Err(Reason::FramingConflict);
        }
        return transfer_codings(list_members(codings));
    }
    match (length, lengths.next()) {
        (None, _) => Ok(Framing::Length(0)),
        (Some(length), None) => digits(trim_ows(length)).map(Framing::Length),
        // § 6.3: even equal ones; nobody sends them by mistake today.
        (Some(_), Some(_)) => Err(Reason::FramingConflict),
    }
}

fn transfer_codings<'a>(codings: impl Iterator<Item = &'a [u8]>) -> Result<Framing, Reason> {
    let (mut chunked, mut others, mut ends) = (0_usize, 0_usize, false);
    for coding in codings {
        ends = coding.eq_ignore_ascii_case(b"chunked");
        *(if ends { &mut chunked } else { &mut others }) += 1;
    }
    match (ends, chunked, others) {
        (true, 1, 0) => Ok(Framing::Chunked),
        // § 6.1: what is in the chunks is of no use here, but where they end would be known.
        (true, 1, _) => Err(Reason::TransferCodingUnknown),
        // § 6.3: without chunked as the last one a server MUST answer 400. § 6.1: nor twice.
        (_, _, _) => Err(Reason::FramingConflict),
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
            (1, &[(CODING, "chunked, identity")], conflict),
            (1, &[(CODING, "chunked"), (CODING, "identity")], conflict),
            (1, &[(CODING, "chunked, gzip, chunked")], conflict),
            (1, &[(CODING, "gzip, chunked")], unknown),
            (1, &[(CODING, "identity"), (CODING, "chunked")], unknown),
            (1, &[(CODING, ", chunked,,")], Ok(Framing::Chunked)),
            (1, &[(CODING, "gzip")], conflict),
            (1, &[(CODING, "xchunked")], conflict),
            (1, &[(CODING, "chunked;q=1")], conflict),
            (1, &[(CODING, "\"chunked\"")], conflict),
            (1, &[(CODING, "identity")], conflict),
            (1, &[(CODING, "\u{b}chunked")], conflict),
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
