//! Range requests: RFC 9110 §14.

use smallvec::SmallVec;

use super::trim_ows;
use crate::limits::{RANGE_MEMBERS_MAX, RANGE_PARTS_MAX};

/// A part of a representation: first and last position, both inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte's position.
    pub first: u64,
    /// The last byte's position.
    pub last: u64,
}

impl Part {
    /// Its length in bytes.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// Parts in the order in which they were asked for.
pub type Parts = SmallVec<[Part; 2]>;

/// What a Range field asks of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing that would be obeyed: answer as if the field were not there.
    Ignored,
    /// These parts, at least one; they neither overlap nor touch.
    Parts(Parts),
    /// Nothing that the representation has: 416.
    Unsatisfiable,
}

/// Reads a Range field for a representation of `length` bytes.
///
/// Another unit, a malformed set, and a set of too many members or parts are ignored (§14.2).
/// Overlapping and touching parts become one (§14.2, §17.15).
#[must_use]
pub fn parse(value: &[u8], length: u64) -> Ranges {
    let Some(set) = range_set(value) else {
        return Ranges::Ignored;
    };
    let mut parts = Parts::new();
    let mut members = 0_usize;
    for member in set.split(|byte| *byte == b',').map(trim_ows) {
        if member.is_empty() {
            continue;
        }
        members += 1;
        if members > RANGE_MEMBERS_MAX {
            return Ranges::Ignored;
        }
        match range_spec(member, length) {
            None => return Ranges::Ignored,
            Some(Spec::Unsatisfiable) => {}
            Some(Spec::Part(part)) => add(&mut parts, part),
            // § 14.1.2: a suffix of nothing is all of it, which no Content-Range can say.
            Some(Spec::All) => return Ranges::Ignored,
        }
    }
    match (members, parts.len()) {
        (0, _) => Ranges::Ignored,
        (_, 0) => Ranges::Unsatisfiable,
        (_, RANGE_PARTS_MAX..) if parts.len() > RANGE_PARTS_MAX => Ranges::Ignored,
        _ => Ranges::Parts(parts),
    }
}

enum Spec {
    Part(Part),
    All,
    Unsatisfiable,
}

/// The set behind `bytes=`; § 14.1: units are compared without regard to case.
fn range_set(value: &[u8]) -> Option<&[u8]> {
    let value = trim_ows(value);
    let (unit, set) = value.split_at_checked("bytes=".len())?;
    // § 5.6.1.2: white space stands around commas; before the first member there is none.
    let first = set.split(|byte| *byte == b',').next()?;
    let is_padded = first.starts_with(b" ") || first.starts_with(b"\t");
    let is_set = !is_padded || trim_ows(first).is_empty();
    (unit.eq_ignore_ascii_case(b"bytes=") && is_set).then_some(set)
}

/// One member of a set; none if it is malformed.
fn range_spec(member: &[u8], length: u64) -> Option<Spec> {
    let dash = member.iter().position(|byte| *byte == b'-')?;
    let (first, rest) = member.split_at(dash);
    let last = rest.get(1..)?;
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        // suffix-range
        (true, false) => match (number(last)?, length) {
            (0, _) => Some(Spec::Unsatisfiable),
            (_, 0) => Some(Spec::All),
            (suffix, _) => {
                let first = length.saturating_sub(suffix);
                Some(Spec::Part(Part {
                    first,
                    last: length - 1,
                }))
            }
        },
        // int-range, open or closed
        (false, _) => {
            let first = number(first)?;
            let last = if last.is_empty() {
                u64::MAX
            } else {
                number(last)?
            };
            if last < first {
                return None; // § 14.1.1: invalid, and with it the whole set
            }
            if first >= length {
                return Some(Spec::Unsatisfiable);
            }
            Some(Spec::Part(Part {
                first,
                last: last.min(length - 1),
            }))
        }
    }
}

/// A number of digits only; one that no `u64` holds is as good as the greatest.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    })
}

/// Adds a part, merged with all that it overlaps or touches, in the place of the first of them. The
/// parts lie apart, so one that is apart from the new one is apart from what that grows to.
fn add(parts: &mut Parts, mut new: Part) {
    let mut place = parts.len();
    let mut index = 0;
    while let Some(&old) = parts.get(index) {
        let apart =
            new.first > old.last.saturating_add(1) || old.first > new.last.saturating_add(1);
        if apart {
            index += 1;
            continue;
        }
        new = Part {
            first: new.first.min(old.first),
            last: new.last.max(old.last),
        };
        parts.remove(index);
        place = place.min(index);
    }
    parts.insert(place.min(parts.len()), new);
}

#[cfg(test)]
mod tests {
    use super::{Part, Ranges, parse};
    use crate::limits::{RANGE_MEMBERS_MAX, RANGE_PARTS_MAX};

    fn parts(list: &[(u64, u64)]) -> Ranges {
        Ranges::Parts(
            list.iter()
                .map(|&(first, last)| Part { first, last })
                .collect(),
        )
    }

    #[test]
    fn ranges_of_eleven_bytes() {
        for (value, expected) in [
            ("bytes=0-4", parts(&[(0, 4)])),
            ("bytes=2-", parts(&[(2, 10)])),
            ("bytes=-5", parts(&[(6, 10)])),
            ("bytes=-11", parts(&[(0, 10)])),
            ("bytes=-99", parts(&[(0, 10)])),
            ("bytes=5-1000", parts(&[(5, 10)])),
            ("bytes=0-10", parts(&[(0, 10)])),
            ("bytes=10-", parts(&[(10, 10)])),
            ("bytes=0-99999999999999999999", parts(&[(0, 10)])),
            ("Bytes=0-4", parts(&[(0, 4)])),
            ("bytes=007-08", parts(&[(7, 8)])),
            (" bytes=0-4 ", parts(&[(0, 4)])),
            ("bytes=0-4 , 6-7\t,", parts(&[(0, 4), (6, 7)])),
            ("bytes= ,\t0-4", parts(&[(0, 4)])),
            ("bytes=0-0,-2", parts(&[(0, 0), (9, 10)])),
            ("bytes=9-10,0-1", parts(&[(9, 10), (0, 1)])),
            ("bytes=15-,0-5", parts(&[(0, 5)])),
            ("bytes=0-1,-0", parts(&[(0, 1)])),
            ("bytes=11-", Ranges::Unsatisfiable),
            ("bytes=11-12,12-12", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=99999999999999999999-", Ranges::Unsatisfiable),
        ] {
            assert_eq!(parse(value.as_bytes(), 11), expected, "{value}");
        }
    }

    #[test]
    fn overlapping_and_touching_ranges_become_one() {
        for (value, expected) in [
            ("bytes=0-,1-,2-,3-,4-", parts(&[(0, 7999)])),
            (
                "bytes=0-100,70-100,1000-1001",
                parts(&[(0, 100), (1000, 1001)]),
            ),
            ("bytes=5-10,11-12,99-99", parts(&[(5, 12), (99, 99)])),
            (
                "bytes=1000-1100,100-200",
                parts(&[(1000, 1100), (100, 200)]),
            ),
            ("bytes=0-1,4-5,2-3", parts(&[(0, 5)])),
            ("bytes=20-30,0-5,4-21", parts(&[(0, 30)])),
            ("bytes=4-5,0-1,1-3", parts(&[(0, 5)])),
        ] {
            assert_eq!(parse(value.as_bytes(), 8000), expected, "{value}");
        }
    }

    #[test]
    fn malformed_sets_are_ignored_whole() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes= , , ,",
            "7",
            "foo",
            "bytes=5-4",
            "bytes=0-2,5-4",
            "bytes=2-5,4-3",
            "bytes=--5,4--3",
            "bytes=A-",
            "bytes=A-Z",
            "bytes= -Z",
            "bytes=5-Z",
            "bytes=0x01-0x02",
            "bytes=1-4,x",
            "bytes=-",
            "bytes=1 - 2",
            "bytes= 0-1",
            "bytes=\t0-1,2-3",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes =0-1",
            "items=0-1",
            "bytes=0-1;x",
            "bytes:0-1",
        ] {
            assert_eq!(parse(value.as_bytes(), 11), Ranges::Ignored, "{value}");
        }
    }

    #[test]
    fn an_empty_representation_has_no_part() {
        assert_eq!(parse(b"bytes=0-", 0), Ranges::Unsatisfiable);
        assert_eq!(parse(b"bytes=0-0", 0), Ranges::Unsatisfiable);
        assert_eq!(parse(b"bytes=-1", 0), Ranges::Ignored);
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let set = |count: usize| {
            let members: Vec<String> = (0..count)
                .map(|n| format!("{}-{}", n * 10, n * 10))
                .collect();
            format!("bytes={}", members.join(","))
        };
        let answered = |count| parse(set(count).as_bytes(), 1 << 20) != Ranges::Ignored;
        assert!(answered(RANGE_PARTS_MAX));
        assert!(!answered(RANGE_PARTS_MAX + 1));
        let same = format!("bytes={}", vec!["0-0"; RANGE_MEMBERS_MAX + 1].join(","));
        assert_eq!(parse(same.as_bytes(), 11), Ranges::Ignored);
    }
}
