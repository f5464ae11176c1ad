//! Content negotiation by Accept-Encoding: RFC 9110 §12.5.3.

use sitepack::ContentCoding;

use super::{list_members, trim_ows};

/// What a request says about content codings: weights in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptEncoding {
    /// The weight stated for each coding, at the coding's number.
    stated: [Option<u16>; ContentCoding::ALL.len()],
    /// The weight stated for `*`.
    any: Option<u16>,
}

impl AcceptEncoding {
    /// Reads the field lines. A member that does not parse, or names an unknown coding, says
    /// nothing; of a coding named twice the greater weight counts.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> AcceptEncoding {
        let mut stated = [None; ContentCoding::ALL.len()];
        let mut any: Option<u16> = None;
        for member in list_members(lines) {
            let (token, parameters) = split_at_byte(member, b';');
            let Some(weight) = weight(parameters) else {
                continue;
            };
            if token == b"*" {
                any = any.max(Some(weight));
            } else if let Some(coding) = ContentCoding::from_token(token)
                && let Some(known) = stated.get_mut(usize::from(coding.number()))
            {
                *known = (*known).max(Some(weight));
            }
        }
        AcceptEncoding { stated, any }
    }

    /// How much `coding` is wanted; none if it is not acceptable. Greater is better, and equal
    /// ones leave the choice to the server.
    ///
    /// Without the field every coding is acceptable (§12.5.3), and the plain one is safest: such
    /// a client may be too old to know any. An identity that is not mentioned is acceptable, but
    /// less than anything that is.
    #[must_use]
    pub fn preference(&self, coding: ContentCoding) -> Option<u16> {
        const UNMENTIONED: u16 = 1; // below the lowest weight, 0.001, which counts 2
        let stated = self
            .stated
            .get(usize::from(coding.number()))
            .copied()
            .flatten();
        let weight = match (coding, stated.or(self.any)) {
            (_, Some(weight)) => weight * 2,
            (ContentCoding::Identity, None) => UNMENTIONED,
            (ContentCoding::Gzip | ContentCoding::Brotli | ContentCoding::Zstd, None) => 0,
        };
        (weight > 0).then_some(weight)
    }
}

/// The weight among a member's parameters: 1 if there are none, none if they are malformed.
fn weight(parameters: Option<&[u8]>) -> Option<u16> {
    let Some(parameters) = parameters else {
        return Some(1000);
    };
    let (name, value) = split_at_byte(parameters, b'=');
    let value = value.filter(|_| name.eq_ignore_ascii_case(b"q"))?;
    // § 12.4.2: no white space around `=`, at most three decimals, none above 1.
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, place) in decimals.iter().zip([100, 10, 1]) {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        thousandths += digit * place;
    }
    (thousandths <= 1000).then_some(thousandths)
}

/// What stands before and after the first `byte`, white space around both removed; around `=`,
/// where none is allowed, it stays in the value and fails there.
fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|found| *found == byte) {
        Some(at) => {
            let (before, after) = text.split_at(at);
            let after = after.get(1..).unwrap_or_default();
            let is_list = byte == b';';
            let before = if is_list { trim_ows(before) } else { before };
            (before, Some(if is_list { trim_ows(after) } else { after }))
        }
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use sitepack::ContentCoding::{self, Brotli, Gzip, Identity, Zstd};

    use super::AcceptEncoding;

    /// The codings that are acceptable, best first; equals in the order br, gzip, identity.
    fn order(lines: &[&str]) -> Vec<ContentCoding> {
        let accepted = AcceptEncoding::parse(lines.iter().map(|line| line.as_bytes()));
        let mut codings: Vec<_> = [Brotli, Gzip, Identity]
            .into_iter()
            .filter_map(|coding| Some((accepted.preference(coding)?, coding)))
            .collect();
        codings.sort_by_key(|(preference, _)| std::cmp::Reverse(*preference));
        codings.into_iter().map(|(_, coding)| coding).collect()
    }

    #[test]
    fn the_table_of_section_12_5_3() {
        for (lines, expected) in [
            (&[][..], &[Identity][..]),
            (&[""], &[Identity]),
            (&["gzip"], &[Gzip, Identity]),
            (&["GZIP"], &[Gzip, Identity]),
            (&["x-gzip"], &[Gzip, Identity]),
            (&["gzip, br"], &[Brotli, Gzip, Identity]),
            (&["gzip, br;q=0.9"], &[Gzip, Brotli, Identity]),
            (&["gzip;q=0.001"], &[Gzip, Identity]),
            (&["gzip;q=0"], &[Identity]),
            (&["gzip;q=0.000, br ; q=0.5"], &[Brotli, Identity]),
            (&["gzip;Q=0.5, identity"], &[Identity, Gzip]),
            (&["identity"], &[Identity]),
            (&["identity;q=0"], &[]),
            (&["identity;q=0, gzip"], &[Gzip]),
            (&["*"], &[Brotli, Gzip, Identity]),
            (&["*;q=0"], &[]),
            (&["*;q=0, gzip"], &[Gzip]),
            (&["*;q=0, identity;q=0.5"], &[Identity]),
            (&["gzip;q=0, *"], &[Brotli, Identity]),
            (&["*;q=0.5, gzip"], &[Gzip, Brotli, Identity]),
            (&["gzip", "br;q=0.2"], &[Gzip, Brotli, Identity]),
            (&[",, gzip ,,"], &[Gzip, Identity]),
            (&["\tgzip\t;\tq=0.3\t"], &[Gzip, Identity]),
            (&["deflate, compress, br"], &[Brotli, Identity]),
        ] {
            assert_eq!(order(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn malformed_members_say_nothing() {
        for member in [
            "gzip;q=",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.0001",
            "gzip;q=-1",
            "gzip;q=.5",
            "gzip;q=0,5x",
            "gzip;q= 1",
            "gzip;q =1",
            "gzip;level=9",
            "gzip;q=1;q=0",
            "gzip;",
            "gz ip",
            "gzipped",
            "not-gzip",
            "\u{b}gzip",
        ] {
            assert_eq!(order(&[member]), [Identity], "{member:?}");
        }
    }

    #[test]
    fn zstd_is_negotiated_like_the_others() {
        let accepted = AcceptEncoding::parse([&b"zstd;q=0.7"[..]].into_iter());
        assert_eq!(accepted.preference(Zstd), Some(1400));
        assert_eq!(accepted.preference(Gzip), None);
    }
}
