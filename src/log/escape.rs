//! How bytes that others chose come into a line without breaking it, and numbers without a detour.
//!
//! Bytes of a request are told the same in both forms: printable ASCII as it is, any other byte
//! as `\xHH`, a backslash doubled. That can be undone, whatever the bytes were, and no terminal
//! obeys it. JSON then escapes that text once more, as it does any text. Events are Unicode: JSON
//! escapes control characters as `\u00HH`, text writes them as `\xHH`.

use std::fmt;

const HEXADECIMAL: [u8; 16] = *b"0123456789abcdef";

/// Appends bytes of a request as they are told in text; `-` if there are none.
pub(super) fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        out.push(b'-');
    }
    append(out, bytes, br"\\", br"\x", br#"""#);
}

/// Appends the same inside of a string of JSON.
pub(super) fn append_json_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    append(out, bytes, br"\\\\", br"\\x", br#"\""#);
}

fn append(out: &mut Vec<u8>, bytes: &[u8], backslash: &[u8], hex: &[u8], quote: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"');
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().position(|byte| !is_plain(byte));
        let (run, behind) = rest.split_at(plain.unwrap_or(rest.len()));
        out.extend_from_slice(run);
        let Some((byte, behind)) = behind.split_first() else {
            return;
        };
        match byte {
            b'\\' => out.extend_from_slice(backslash),
            b'"' => out.extend_from_slice(quote),
            byte => {
                out.extend_from_slice(hex);
                append_hex_byte(out, *byte);
            }
        }
        rest = behind;
    }
}

fn append_hex_byte(out: &mut Vec<u8>, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        out.extend(HEXADECIMAL.get(usize::from(digit)));
    }
}

/// Appends a number in hexadecimal, of so many digits at least.
pub(super) fn append_hex(out: &mut Vec<u8>, number: u64, digits: u32) {
    let needed = (u64::BITS - number.leading_zeros()).div_ceil(4);
    for place in (0..needed.max(digits)).rev() {
        let digit = (number >> (4 * place)) & 15;
        out.extend(HEXADECIMAL.get(usize::try_from(digit).unwrap_or(0)));
    }
}

/// Appends a number in decimal.
pub(super) fn append_number(out: &mut Vec<u8>, number: u64) {
    append_digits(out, number, 1);
}

/// The same with leading zeros, if it has fewer digits than that.
pub(super) fn append_digits(out: &mut Vec<u8>, mut number: u64, digits: usize) {
    let start = out.len();
    while number > 0 || out.len() - start < digits {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
    }
    if let Some(written) = out.get_mut(start..) {
        written.reverse();
    }
}

/// Writes text into a string of JSON.
pub(super) struct Json<'a>(pub(super) &'a mut Vec<u8>);

impl fmt::Write for Json<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' => self.0.extend_from_slice(br#"\""#),
                '\\' => self.0.extend_from_slice(br"\\"),
                // The separators of lines that JSON allows and JavaScript did not.
                character if character.is_control() || "\u{2028}\u{2029}".contains(character) => {
                    self.0.extend_from_slice(br"\u");
                    append_hex(self.0, u64::from(u32::from(character)), 4);
                }
                character => append_character(self.0, character),
            }
        }
        Ok(())
    }
}

/// Writes text into a line of text.
pub(super) struct Text<'a>(pub(super) &'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                // Those beyond U+009F are no control characters.
                self.0.extend_from_slice(br"\x");
                append_hex(self.0, u64::from(u32::from(character)), 2);
            } else {
                append_character(self.0, character);
            }
        }
        Ok(())
    }
}

fn append_character(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{Json, Text, append_bytes, append_digits, append_hex, append_json_bytes};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bytes_are_told_the_same_in_both_forms() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"/plain?a=b&c=%20", "/plain?a=b&c=%20"),
            (b"a b\t\r\n\0", r"a\x20b\x09\x0d\x0a\x00"),
            (b"\x1b[2J\x7f", r"\x1b[2J\x7f"),
            (br#"\x0a""#, r#"\\x0a""#),
            ("ü\u{2028}".as_bytes(), r"\xc3\xbc\xe2\x80\xa8"),
            (b"\xff\xc3", r"\xff\xc3"),
        ] {
            let expected = if bytes.is_empty() { "-" } else { text };
            assert_eq!(written(|out| append_bytes(out, bytes)), expected);
            let json = written(|out| append_json_bytes(out, bytes));
            let read: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn every_character_survives_json() {
        let text: String = (0..0x3000).filter_map(char::from_u32).collect();
        let json = written(|out| write!(Json(out), "{text}").unwrap());
        assert!(!json.chars().any(char::is_control) && !json.contains('\u{2028}'));
        let read: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
        assert_eq!(read, text);
        let line = written(|out| write!(Text(out), "a\nb\u{1b}\u{9b}ü").unwrap());
        assert_eq!(line, r"a\x0ab\x1b\x9bü");
    }

    #[test]
    fn numbers_have_their_digits() {
        for (number, decimal, hex) in [
            (0, "0", "0"),
            (7, "7", "7"),
            (10, "10", "a"),
            (4_096, "4096", "1000"),
            (u64::MAX, "18446744073709551615", "ffffffffffffffff"),
        ] {
            assert_eq!(written(|out| append_digits(out, number, 1)), decimal);
            assert_eq!(written(|out| append_hex(out, number, 1)), hex);
        }
        assert_eq!(written(|out| append_digits(out, 7, 3)), "007");
        assert_eq!(written(|out| append_hex(out, 0xabc, 6)), "000abc");
    }
}
