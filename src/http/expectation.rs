//! Expectations: RFC 9110 §10.1.1.

use super::list_members;
use crate::request::Request;

/// What a client expects before it sends content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// An answer of some kind: 100-continue.
    Continue,
    /// Something that nobody has heard of.
    Unknown,
}

/// The expectation of a request; of several the one that is not known.
///
/// § 10.1.1: a list, without regard to case; 100-continue of an HTTP/1.0 client MUST be ignored.
#[must_use]
pub fn expectation(request: &Request<'_>) -> Expectation {
    let mut members = list_members(request.fields.lines("expect")).peekable();
    let expects = members.peek().is_some() && request.version.is_1_1();
    if members.any(|member| !member.eq_ignore_ascii_case(b"100-continue")) {
        Expectation::Unknown
    } else if expects {
        Expectation::Continue
    } else {
        Expectation::None
    }
}

#[cfg(test)]
mod tests {
    use super::Expectation::{self, Continue, Unknown};
    use super::expectation;
    use crate::request::made::with_request;

    #[test]
    fn the_list_of_section_10_1_1() {
        for (minor, lines, expected) in [
            (1, &[][..], Expectation::None),
            (1, &[""][..], Expectation::None),
            (1, &["100-continue"], Continue),
            (1, &["100-Continue"], Continue),
            (1, &[", 100-continue,100-CONTINUE"], Continue),
            (1, &["100-continue", "100-continue"], Continue),
            (2, &["100-continue"], Continue),
            (0, &["100-continue"], Expectation::None),
            (1, &["a-miracle"], Unknown),
            (0, &["a-miracle"], Unknown),
            (1, &["100-continue, a-miracle"], Unknown),
            (1, &["100-continue", "a-miracle"], Unknown),
            (1, &["100-continue;a"], Unknown),
            (1, &["100-continue=\"a,100-continue\""], Unknown),
        ] {
            let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("Expect", *line)).collect();
            assert_eq!(
                with_request(minor, &lines, expectation),
                expected,
                "HTTP/1.{minor} {lines:?}"
            );
        }
    }
}
