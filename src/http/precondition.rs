//! Conditional requests: RFC 9110 §13.

use super::date;
use super::trim_ows;
use super::validator::{Comparison, EntityTag, names};
use crate::reason::Reason;
use crate::request::Fields;

/// The validators of the selected representation.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// The strong entity-tag, in its quotes.
    pub entity_tag: &'a [u8],
    /// In seconds since 1970, if the site has a time.
    pub modified: Option<u64>,
}

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer as if there were none.
    Proceed,
    /// 304, for this reason.
    NotModified(Reason),
    /// 412, for this reason.
    Failed(Reason),
}

/// Evaluates the preconditions of a GET or HEAD in the order of § 13.2.2; `now` in seconds since
/// 1970.
#[must_use]
pub fn evaluate(fields: Fields<'_>, current: Validators<'_>, now: u64) -> Outcome {
    let tags = |name| fields.lines(name);
    // 1. and 2.: If-Unmodified-Since only counts without If-Match.
    if fields.has("if-match") {
        if !names(tags("if-match"), current.entity_tag, Comparison::Strong) {
            return Outcome::Failed(Reason::PreconditionFailedByTag);
        }
    } else if let Some(modified) = current.modified {
        let since = date_of(fields, "if-unmodified-since", now);
        if since.is_some_and(|since| modified > since) {
            return Outcome::Failed(Reason::PreconditionFailedByDate);
        }
    }
    // 3. and 4.: If-Modified-Since only counts without If-None-Match.
    if fields.has("if-none-match") {
        if names(tags("if-none-match"), current.entity_tag, Comparison::Weak) {
            return Outcome::NotModified(Reason::NotModifiedByTag);
        }
    } else if let Some(modified) = current.modified {
        let since = date_of(fields, "if-modified-since", now);
        if since.is_some_and(|since| modified <= since) {
            return Outcome::NotModified(Reason::NotModifiedByDate);
        }
    }
    Outcome::Proceed
}

/// Whether a Range may be obeyed as far as If-Range goes (§13.1.5, and step 5 of § 13.2.2).
///
/// A date must be the very one of Last-Modified, and that must be a strong validator: older than
/// the second in which it is used (§8.8.2.2).
#[must_use]
pub fn range_applies(fields: Fields<'_>, current: Validators<'_>, now: u64) -> bool {
    let mut lines = fields.lines("if-range");
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return !fields.has("if-range");
    };
    let value = trim_ows(value);
    if let Some(tag) = EntityTag::parse(value) {
        return tag.matches(current.entity_tag, Comparison::Strong);
    }
    current
        .modified
        .is_some_and(|modified| date::parse(value, now) == Some(modified) && modified < now)
}

/// The date in a field; none if there is none, it is no date, or there are two (§13.1.3: ignored).
fn date_of(fields: Fields<'_>, name: &str, now: u64) -> Option<u64> {
    let mut lines = fields.lines(name);
    match (lines.next(), lines.next()) {
        (Some(value), None) => date::parse(trim_ows(value), now),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Validators, evaluate, range_applies};
    use crate::http::date::imf_fixdate;
    use crate::reason::Reason;
    use crate::request::Fields;
    use crate::request::made::with_fields as with;

    const MODIFIED: u64 = 1_000_000_000;
    const NOW: u64 = 1_795_305_600;
    const CURRENT: Validators<'static> = Validators {
        entity_tag: b"\"a\"",
        modified: Some(MODIFIED),
    };

    #[test]
    fn the_order_of_section_13_2_2() {
        use Outcome::{Failed, NotModified, Proceed};
        let by_tag = NotModified(Reason::NotModifiedByTag);
        let by_date = NotModified(Reason::NotModifiedByDate);
        let failed_tag = Failed(Reason::PreconditionFailedByTag);
        let failed_date = Failed(Reason::PreconditionFailedByDate);
        let (before, at, after) = (
            imf_fixdate(MODIFIED - 1),
            imf_fixdate(MODIFIED),
            imf_fixdate(MODIFIED + 1),
        );
        let (im, inm) = ("If-Match", "If-None-Match");
        let (ius, ims) = ("If-Unmodified-Since", "If-Modified-Since");
        for (lines, expected) in [
            (&[][..], Proceed),
            (&[(im, "\"a\"")][..], Proceed),
            (&[(im, "*")], Proceed),
            (&[(im, "W/\"a\"")], failed_tag),
            (&[(im, "\"b\"")], failed_tag),
            (&[(im, "")], failed_tag),
            (&[(im, "\"a\""), (ius, &before)], Proceed),
            (&[(ius, &before)], failed_date),
            (&[(ius, &at)], Proceed),
            (&[(ius, "yesterday")], Proceed),
            (&[(ius, &before), (ius, &before)], Proceed),
            (&[(inm, "\"a\"")], by_tag),
            (&[(inm, "W/\"a\"")], by_tag),
            (&[(inm, "*")], by_tag),
            (&[(inm, "\"b\"")], Proceed),
            (&[(inm, "\"b\""), (inm, "\"a\"")], by_tag),
            (&[(inm, "\"b\""), (ims, &at)], Proceed),
            (&[(inm, "\"a\""), (ims, &before)], by_tag),
            (&[(ims, &before)], Proceed),
            (&[(ims, &at)], by_date),
            (&[(ims, &after)], by_date),
            (&[(ims, "Sun, 30 Feb 2020 00:00:00 GMT")], Proceed),
            (&[(ims, &at), (ims, &at)], Proceed),
            (&[(im, "\"a\""), (inm, "\"a\"")], by_tag),
            (&[(im, "\"b\""), (inm, "\"a\"")], failed_tag),
            (&[(ius, &before), (inm, "\"a\"")], failed_date),
        ] {
            assert_eq!(
                with(lines, |f| evaluate(f, CURRENT, NOW)),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn dates_say_nothing_about_a_site_without_a_time() {
        let timeless = Validators {
            modified: None,
            ..CURRENT
        };
        let date = imf_fixdate(1);
        for name in ["If-Modified-Since", "If-Unmodified-Since"] {
            let outcome = with(&[(name, &date)], |f| evaluate(f, timeless, NOW));
            assert_eq!(outcome, Outcome::Proceed);
        }
        assert!(!with(&[("If-Range", &date)], |f| range_applies(
            f, timeless, NOW
        )));
    }

    #[test]
    fn if_range_wants_the_very_validator() {
        let (at, after) = (imf_fixdate(MODIFIED), imf_fixdate(MODIFIED + 1));
        let name = "If-Range";
        for (lines, expected) in [
            (&[][..], true),
            (&[(name, "\"a\"")][..], true),
            (&[(name, " \"a\"\t")], true),
            (&[(name, "W/\"a\"")], false),
            (&[(name, "\"b\"")], false),
            (&[(name, "*")], false),
            (&[(name, "\"a\", \"b\"")], false),
            (&[(name, "\"a\""), (name, "\"a\"")], false),
            (&[(name, &at)], true),
            (&[(name, &after)], false),
            (&[(name, "")], false),
        ] {
            assert_eq!(
                with(lines, |f| range_applies(f, CURRENT, NOW)),
                expected,
                "{lines:?}"
            );
        }
        let same_second = |f: Fields<'_>| range_applies(f, CURRENT, MODIFIED);
        assert!(
            !with(&[(name, &at)], same_second),
            "a date is weak in its own second"
        );
    }
}
