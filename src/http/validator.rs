//! Entity-tags and their comparison: RFC 9110 §8.8.3.

use super::trim_ows;

/// How two entity-tags are compared (§8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal, and neither is weak.
    Strong,
    /// Equal opaque-tags.
    Weak,
}

/// An entity-tag as a client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads the entity-tag that `text` is.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<EntityTag<'a>> {
        let (tag, rest) = Self::take(text)?;
        rest.is_empty().then_some(tag)
    }

    /// Whether it is `current`, the strong tag of what would be sent.
    #[must_use]
    pub fn matches(&self, current: &[u8], comparison: Comparison) -> bool {
        let allowed = match comparison {
            Comparison::Strong => !self.weak,
            Comparison::Weak => true,
        };
        allowed && self.opaque == current
    }

    /// Takes an entity-tag off the front of `text`.
    fn take(text: &'a [u8]) -> Option<(EntityTag<'a>, &'a [u8])> {
        let (weak, rest) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let inner = rest.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')?;
        // § 8.8.3 etagc: anything visible but the quote, and obs-text.
        let is_etagc = |byte: &u8| *byte > b' ' && *byte != 0x7f;
        if !inner.get(..end)?.iter().all(is_etagc) {
            return None;
        }
        let (opaque, rest) = rest.split_at_checked(end + 2)?;
        Some((EntityTag { weak, opaque }, rest))
    }
}

/// Whether a list of entity-tags (If-Match, If-None-Match) over its field lines names `current`.
///
/// `*`, alone, names whatever there is. A list with something else in it names nothing: neither
/// is a 304 nor a change then due.
pub fn names<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    current: &[u8],
    comparison: Comparison,
) -> bool {
    let mut named = false;
    let mut members = 0_usize;
    let mut any = false;
    for line in lines {
        let mut rest = trim_ows(line);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b",") {
                rest = trim_ows(after);
                continue;
            }
            members += 1;
            if let Some(after) = rest.strip_prefix(b"*") {
                any = true;
                rest = trim_ows(after);
            } else {
                let Some((tag, after)) = EntityTag::take(rest) else {
                    return false;
                };
                named |= tag.matches(current, comparison);
                rest = trim_ows(after);
            }
            if !rest.is_empty() && !rest.starts_with(b",") {
                return false;
            }
        }
    }
    if any { members == 1 } else { named }
}

#[cfg(test)]
mod tests {
    use super::{Comparison, EntityTag, names};

    fn found(lines: &[&str], comparison: Comparison) -> bool {
        names(
            lines.iter().map(|line| line.as_bytes()),
            b"\"a\"",
            comparison,
        )
    }

    #[test]
    fn lists_that_name_the_tag_and_lists_that_do_not() {
        for (lines, strong, weak) in [
            (&["\"a\""][..], true, true),
            (&["W/\"a\""], false, true),
            (&["*"], true, true),
            (&[" * "], true, true),
            (&["\"b\", \"a\""], true, true),
            (&["\"b\",\t\"a\"\t"], true, true),
            (&["\"b\"", "\"a\""], true, true),
            (&[", ,\"a\",,"], true, true),
            (&["\"x,y\", \"a\""], true, true),
            (&["\"b\", W/\"a\""], false, true),
            (&["\"A\""], false, false),
            (&["a"], false, false),
            (&["\"a"], false, false),
            (&["a\""], false, false),
            (&["w/\"a\""], false, false),
            (&["W/ \"a\""], false, false),
            (&["\"a\" \"b\""], false, false),
            (&["\"a\", junk"], false, false),
            (&["\"a\", *"], false, false),
            (&["*", "*"], false, false),
            (&["**"], false, false),
            (&["\"a\u{0}\""], false, false),
            (&["\"a b\""], false, false),
            (&["\"\""], false, false),
            (&[","], false, false),
            (&[""], false, false),
            (&[], false, false),
        ] {
            assert_eq!(found(lines, Comparison::Strong), strong, "strong {lines:?}");
            assert_eq!(found(lines, Comparison::Weak), weak, "weak {lines:?}");
        }
    }

    #[test]
    fn a_single_tag_is_read_whole() {
        assert!(
            EntityTag::parse(b"\"a\"").is_some_and(|t| t.matches(b"\"a\"", Comparison::Strong))
        );
        assert!(EntityTag::parse(b"\"\xff\"").is_some());
        for text in [&b"\"a\", \"b\""[..], b"\"a\" ", b"*", b"", b"\""] {
            assert_eq!(EntityTag::parse(text), None);
        }
    }
}
