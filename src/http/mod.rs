//! HTTP's rules, pure: bytes in, decisions out. Nothing here knows a site, a socket or a clock.
//! One concept of the RFCs a file.

pub mod chunk_extension;
pub mod chunked;
pub mod connection;
pub mod date;
pub mod expectation;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod host;
pub mod method;
pub mod negotiate;
pub mod precondition;
pub mod range;
pub mod status;
pub mod target;
pub mod told;
pub mod validator;

/// Optional white space around list members and values (RFC 9110 §5.6.3).
pub(crate) fn trim_ows(bytes: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes
        .iter()
        .position(|byte| !is_ows(byte))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !is_ows(byte))
        .map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// The members of a comma-separated list over all its field lines, empty ones dropped
/// (RFC 9110 §5.6.1.2). Only for lists whose members hold no quoted commas.
pub(crate) fn list_members<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(trim_ows)
        .filter(|member| !member.is_empty())
}

/// `tchar` of RFC 9110 §5.6.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).is_some_and(|is| *is)
}

/// Each byte of each field name is asked for: a look-up, and no search.
#[expect(
    clippy::indexing_slicing,
    reason = "in a constant, what is out of bounds is an error of the compiler"
)]
const TOKEN_BYTES: [bool; 256] = {
    let named = b"!#$%&'*+-.^_`|~0123456789\
        ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut is_token = [false; 256];
    let mut index = 0;
    while index < named.len() {
        is_token[named[index] as usize] = true;
        index += 1;
    }
    is_token
};

#[cfg(test)]
mod tests {
    use super::is_token_byte;

    #[test]
    fn token_bytes_are_those_of_section_5_6_2() {
        let delimiters = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=255 {
            let expected = byte > b' ' && byte < 0x7f && !delimiters.contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
        }
    }
}
