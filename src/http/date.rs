//! HTTP dates: RFC 9110 §5.6.7. Written in one form, read in all three.

use sitepack::date::{Civil, is_leap};
pub use sitepack::date::{imf_fixdate, write_imf_fixdate};
use smallvec::SmallVec;

/// Reads an `HTTP-date` as seconds since 1970, `now` in the same unit.
///
/// None for anything else, also for dates that no calendar has: a recipient ignores those. A date
/// before 1970 counts as 1970. The day's name must be one, but need not fit the date.
#[must_use]
pub fn parse(text: &[u8], now: u64) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let words: SmallVec<[&str; 8]> = text.split(' ').collect();
    match *words.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [weekday, day, month, year, time, "GMT"] => {
            is_weekday(weekday.strip_suffix(',')?, &SHORT)?;
            seconds(number(year, 4)?, month, number(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, time, "GMT"] => {
            is_weekday(weekday.strip_suffix(',')?, &LONG)?;
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            let (year, day) = (number(year, 2)?, number(day, 2)?);
            in_its_century(year, now, |year| seconds(year, month, day, time))
        }
        // Sun Nov  6 08:49:37 1994
        [weekday, month, "", day, time, year] => {
            is_weekday(weekday, &SHORT)?;
            seconds(number(year, 4)?, month, number(day, 1)?, time)
        }
        [weekday, month, day, time, year] => {
            is_weekday(weekday, &SHORT)?;
            seconds(number(year, 4)?, month, number(day, 2)?, time)
        }
        _ => None,
    }
}

const SHORT: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

fn is_weekday(name: &str, names: &[&str; 7]) -> Option<()> {
    names.contains(&name).then_some(())
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// § 5.6.7: a moment of a two-digit year that would be more than 50 years ahead is of the past.
fn in_its_century(two_digits: u64, now: u64, moment: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    const FIFTY_YEARS_SECONDS: u64 = 50 * 31_556_952; // of 365.2425 days, as the calendar has them
    let this_year = Civil::from_unix(now).year;
    let year = this_year - this_year % 100 + two_digits;
    if moment(year)? > now.saturating_add(FIFTY_YEARS_SECONDS) {
        moment(year - 100)
    } else {
        moment(year)
    }
}

fn seconds(year: u64, month: &str, day: u64, time: &str) -> Option<u64> {
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let month = Civil::month_number(month)?;
    let civil = Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    };
    // 1972 was a leap year, 1973 was not; what holds for them holds for such years before 1970.
    let before_1970 = Civil {
        year: if is_leap(year) { 1972 } else { 1973 },
        ..civil
    };
    match civil.to_unix() {
        None if year < 1970 => before_1970.to_unix().map(|_| 0),
        seconds => seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::{imf_fixdate, parse};

    const NOW: u64 = 1_795_305_600; // 2026-11-22

    #[test]
    fn the_three_forms_are_one_moment() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Sun Nov 16 08:49:37 1994", NOW), Some(784_975_777));
    }

    #[test]
    fn two_digit_years_are_at_most_50_years_ahead() {
        let year_of =
            |text: &str| imf_fixdate(parse(text.as_bytes(), NOW).unwrap())[12..16].to_owned();
        assert_eq!(year_of("Sunday, 06-Nov-76 08:49:37 GMT"), "2076");
        assert_eq!(year_of("Thursday, 24-Dec-76 08:49:37 GMT"), "1976");
        assert_eq!(year_of("Sunday, 06-Nov-77 08:49:37 GMT"), "1977");
        assert_eq!(year_of("Thursday, 01-Jan-70 00:00:00 GMT"), "2070");
        assert_eq!(parse(b"Tuesday, 29-Feb-77 00:00:00 GMT", NOW), None);
    }

    #[test]
    fn dates_before_the_epoch_count_as_the_epoch() {
        assert_eq!(parse(b"Wed, 31 Dec 1969 23:59:59 GMT", NOW), Some(0));
        assert_eq!(parse(b"Wed, 32 Dec 1969 23:59:59 GMT", NOW), None);
        assert_eq!(parse(b"Sat, 29 Feb 1964 23:59:59 GMT", NOW), Some(0));
        assert_eq!(parse(b"Sat, 29 Feb 1969 23:59:59 GMT", NOW), None);
    }

    #[test]
    fn what_no_calendar_has_is_no_date() {
        for text in [
            "",
            "0",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Foo, 06 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 30 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06  Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 06 08:49:37 1994 GMT",
            " Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text:?}");
        }
    }
}
