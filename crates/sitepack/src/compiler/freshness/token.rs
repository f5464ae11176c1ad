//! Whether a text looks like a hash and not like a word, a number, a date or a version.
//!
//! Hashes mix what people keep apart: letters and digits, large and small. Where letters stand
//! next to each other, a hash takes any two, and words take few: of the 676 pairs of letters the
//! 216 in [`COMMON_PAIRS`] make up 93 % of all pairs in the words of the Rust books. Of random
//! texts 5 % look like words by that measure, of eight-letter words 98 %.

/// Lower- or upper-case hexadecimal, at least `digits_min` long.
pub(super) fn is_hex(text: &str, digits_min: usize) -> bool {
    let has = |test: fn(&u8) -> bool| text.bytes().any(|byte| test(&byte));
    let one_case = !(has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase));
    text.len() >= digits_min
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && one_case
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !is_numbered(text)
}

/// Large and small letters, usually with digits, perhaps `-` or `_`: base64url. Where everything
/// has a hash (`at_home`), less is asked.
pub(super) fn is_base64url(text: &str, at_home: bool) -> bool {
    let count = |test: fn(&u8) -> bool| text.bytes().filter(test).count();
    let letters_and_digits = count(u8::is_ascii_alphanumeric);
    let others = count(|byte| matches!(byte, b'-' | b'_'));
    let (digits, upper) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    if letters_and_digits + others != text.len() || upper == 0 || count(u8::is_ascii_lowercase) == 0
    {
        return false;
    }
    if at_home {
        return digits > 0 || !is_word(text, 70);
    }
    let inner_upper = text.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    match digits {
        0 => others <= 1 && inner_upper && !is_word(text, 60),
        _ => others <= 1 && !is_word(text, 70) && !is_numbered(text),
    }
}

/// Large letters and digits: esbuild's base 32. Behind the word `chunk` nothing else can be meant.
pub(super) fn is_upper(text: &str, behind_chunk: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let has_letter = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let is_word = || is_numbered(text) || is_word(text, if has_digit { 70 } else { 60 });
    text.bytes().all(fits) && has_letter && (behind_chunk || !is_word())
}

/// Small letters and digits: base 36. People write such things too (`arm64v8a`), so they have to
/// change places often.
pub(super) fn is_letters_and_digits(text: &str, at_home: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let changes = text
        .bytes()
        .zip(text.bytes().skip(1))
        .filter(|(one, other)| one.is_ascii_digit() != other.is_ascii_digit())
        .count();
    let changes_min = if at_home { 2 } else { 5 };
    let is_word = !at_home && is_word(text, 70);
    text.bytes().all(fits) && digits >= 2 && changes >= changes_min && !is_word
}

/// A word or a few letters and then a number, or a long number and then a letter or two:
/// `DSC01234`, `cafe2024`, `20241122a`.
fn is_numbered(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    if letters > 0 && letters + digits == text.len() {
        let (word, _) = text.split_at(letters);
        return letters <= 4 || is_word(word, 70);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let letters = text
        .bytes()
        .rev()
        .take_while(u8::is_ascii_alphabetic)
        .count();
    digits >= 8 && letters <= 2 && digits + letters == text.len()
}

/// Whether of the letters that stand next to each other so many percent do so in words as well.
/// Where a large letter follows a small one, a new word begins.
fn is_word(text: &str, percent: usize) -> bool {
    let (mut pairs, mut common) = (0, 0);
    for (one, other) in text.bytes().zip(text.bytes().skip(1)) {
        let begins = one.is_ascii_lowercase() && other.is_ascii_uppercase();
        if one.is_ascii_alphabetic() && other.is_ascii_alphabetic() && !begins {
            pairs += 1;
            common += usize::from(is_common(one, other));
        }
    }
    pairs >= 3 && common * 100 >= pairs * percent
}

fn is_common(one: u8, other: u8) -> bool {
    let row = usize::from(one.to_ascii_lowercase().wrapping_sub(b'a'));
    let followers = COMMON_PAIRS.get(row).copied().unwrap_or_default();
    followers.as_bytes().contains(&other.to_ascii_lowercase())
}

/// For each letter those that often follow it, counted in the 6,111 words that stand at least
/// eight times in the Rust books.
const COMMON_PAIRS: [&str; 26] = [
    "bcdgilmnprstuvy",
    "aeilorsu",
    "acehiklortu",
    "aeiosu",
    "abcdefglmnprstvx",
    "aefiloru",
    "aehilnru",
    "aeio",
    "abcdefglmnoprstvz",
    "",
    "eis",
    "adeilostuy",
    "abeimopu",
    "acdefgiknostuv",
    "abcdgilmnoprstuvw",
    "aeiloprstu",
    "u",
    "acdegimnorstuy",
    "acehilopstuy",
    "acehilorstuy",
    "abcegilmnprst",
    "aei",
    "aeio",
    "p",
    "",
    "e",
];

#[cfg(test)]
mod tests {
    use super::{is_base64url, is_hex, is_letters_and_digits, is_upper, is_word};

    #[test]
    fn hexadecimal_hashes_mix_letters_and_digits() {
        for text in [
            "3f2a9c1b",
            "d8b87d14",
            "ecfd739c",
            "0001c2c9ad9b",
            "7FB11F4E",
            "abcdef12",
        ] {
            assert!(is_hex(text, 8), "{text}");
        }
        for text in [
            "3f2a9c1",
            "deadbeef",
            "20241122",
            "12345678",
            "facade12",
            "cafe2024",
            "a1234567",
            "20241122a",
            "3f2a9C1b",
            "3f2a9c1g",
            "dec20241",
            "",
        ] {
            assert!(!is_hex(text, 8), "{text}");
        }
    }

    #[test]
    fn other_hashes_are_no_words() {
        for text in [
            "DiwrgTda", "CT6D6U-f", "D_AlL1At", "0Oii_npw", "Bxk2aP9d", "a1B2c3D4",
        ] {
            assert!(is_base64url(text, false), "{text}");
        }
        for text in [
            "DropDown", "TreeView", "download", "Settings", "Chapter1", "Web3Docs", "MP3Audio",
            "MyFile42", "Foo-BarX", "FACEBOOK", "zh_Hant1", "a.b1C2d3",
        ] {
            assert!(!is_base64url(text, false), "{text}");
        }
        for text in ["FFHMD2TL", "SCHOHYNV", "XYZ123AB", "QLXWZRTK"] {
            assert!(is_upper(text, false), "{text}");
        }
        for text in [
            "FACEBOOK", "OVERVIEW", "DSC01234", "IMG20241", "20241122", "Q1XWZRTk",
        ] {
            assert!(!is_upper(text, false), "{text}");
        }
        assert!(is_letters_and_digits("k3x9f2a7", false));
        for text in ["arm64v8a", "win32x64", "version2", "h264x265"] {
            assert!(!is_letters_and_digits(text, false), "{text}");
        }
    }

    #[test]
    fn short_texts_are_no_words() {
        assert!(!is_word("ab", 1) && !is_word("a1b2", 1) && is_word("there", 100));
    }
}
