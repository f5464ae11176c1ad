//! RFC 9110 §14 once more, as plainly as can be: each member read alone, then sorted and merged.

use chapbook::http::range::Part;
use chapbook::limits::{RANGE_MEMBERS_MAX, RANGE_PARTS_MAX};

/// The parts that `value` asks for; none if it is to be ignored.
pub(super) fn parts(value: &[u8], length: u64) -> Option<Vec<Part>> {
    let value = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
    let set = value.strip_prefix("bytes=")?;
    let padding = set.len() - set.trim_start_matches([' ', '\t']).len();
    if padding > 0 && !set[padding..].starts_with(',') {
        return None;
    }
    let members = set.split(',');
    let members = members.map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    if members.is_empty() || members.len() > RANGE_MEMBERS_MAX {
        return None;
    }
    let mut asked = Vec::new();
    for (place, member) in members.into_iter().enumerate() {
        asked.extend(read(member, length)?.map(|part| (part, place)));
    }
    asked.sort_by_key(|(part, _)| part.first);
    let mut merged: Vec<(Part, usize)> = Vec::new();
    for (part, place) in asked {
        match merged.last_mut() {
            Some((before, first_place)) if part.first <= before.last + 1 => {
                before.last = before.last.max(part.last);
                *first_place = place.min(*first_place);
            }
            _ => merged.push((part, place)),
        }
    }
    merged.sort_by_key(|(_, place)| *place);
    let few = merged.len() <= RANGE_PARTS_MAX;
    few.then(|| merged.into_iter().map(|(part, _)| part).collect())
}

/// What one member asks for, perhaps nothing that is there; none if it spoils the set.
fn read(member: &str, length: u64) -> Option<Option<Part>> {
    let (first, last) = member.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) || member == "-" {
        return None;
    }
    let number = |text: &str| text.parse().unwrap_or(u64::MAX); // empty: to the end
    let (first, last) = match first {
        "" if number(last) == 0 => return Some(None),
        "" if length == 0 => return None, // all of nothing, which no Content-Range can say
        "" => (length.saturating_sub(number(last)), u64::MAX),
        first => (number(first), number(last)),
    };
    let last_there = length.saturating_sub(1);
    let part = Part {
        first,
        last: last.min(last_there),
    };
    (first <= last).then(|| (first < length).then_some(part))
}
