//! Content codings (RFC 9110 §8.4.1) that a representation can be stored under.

use std::fmt;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentCoding {
    /// The bytes as they are.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl ContentCoding {
    /// Every coding, in the order of their numbers in the packed site.
    pub const ALL: [ContentCoding; 4] = [
        ContentCoding::Identity,
        ContentCoding::Gzip,
        ContentCoding::Brotli,
        ContentCoding::Zstd,
    ];

    /// The coding's token in `Content-Encoding` and `Accept-Encoding`.
    #[must_use]
    #[inline]
    pub const fn token(self) -> &'static str {
        match self {
            ContentCoding::Identity => "identity",
            ContentCoding::Gzip => "gzip",
            ContentCoding::Brotli => "br",
            ContentCoding::Zstd => "zstd",
        }
    }

    /// The coding that `token` names, in any case. `x-gzip` is gzip (RFC 9110 §8.4.1.3).
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<ContentCoding> {
        if token.eq_ignore_ascii_case(b"x-gzip") {
            return Some(ContentCoding::Gzip);
        }
        Self::ALL
            .into_iter()
            .find(|coding| token.eq_ignore_ascii_case(coding.token().as_bytes()))
    }

    /// The coding's number in the packed site, and its place in [`ContentCoding::ALL`].
    #[must_use]
    #[inline]
    pub const fn number(self) -> u8 {
        match self {
            ContentCoding::Identity => 0,
            ContentCoding::Gzip => 1,
            ContentCoding::Brotli => 2,
            ContentCoding::Zstd => 3,
        }
    }

    /// The coding of a number.
    #[must_use]
    #[inline]
    pub fn from_number(number: u8) -> Option<ContentCoding> {
        Self::ALL
            .into_iter()
            .find(|coding| coding.number() == number)
    }
}

impl fmt::Display for ContentCoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::ContentCoding;

    #[test]
    fn tokens_and_numbers_lead_back_to_their_coding() {
        for coding in ContentCoding::ALL {
            assert_eq!(
                ContentCoding::from_token(coding.token().as_bytes()),
                Some(coding)
            );
            assert_eq!(ContentCoding::from_number(coding.number()), Some(coding));
        }
        assert_eq!(
            ContentCoding::from_token(b"X-GZip"),
            Some(ContentCoding::Gzip)
        );
        assert_eq!(ContentCoding::from_token(b"deflate"), None);
        assert_eq!(ContentCoding::from_token(b""), None);
        assert_eq!(ContentCoding::from_number(4), None);
    }
}
