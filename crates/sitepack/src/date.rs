//! Civil dates from seconds and back, and the three forms in which a site states them.
//!
//! Proleptic Gregorian calendar, UTC, no leap seconds: as POSIX counts. The arithmetic moves the
//! start of the year to March, so that the leap day is a year's last, and counts in eras of
//! 400 years, which all have 146,097 days.

use std::fmt;

/// The last second that the forms here can tell: 9999-12-31T23:59:59Z.
pub const LAST_SECOND: u64 = 253_402_300_799;
const SECONDS_A_DAY: u64 = 86_400;
const DAYS_AN_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// From 1970 on.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 60; 60 is a leap second, which counts as the next minute's first.
    pub second: u64,
}

impl Civil {
    /// Takes apart seconds since 1970. Years have four digits here: after 9999 it stays there.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Civil {
        let seconds = seconds.min(LAST_SECOND);
        let days = seconds / SECONDS_A_DAY + EPOCH_DAYS;
        let second_of_day = seconds % SECONDS_A_DAY;
        let day_of_era = days % DAYS_AN_ERA;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Civil {
            year: days / DAYS_AN_ERA * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }

    /// Seconds since 1970; none if there is no such moment or it is before 1970.
    #[must_use]
    pub fn to_unix(self) -> Option<u64> {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let days_in_month = match month {
            2 => 28 + u64::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let is_valid = (1970..=9999).contains(&year)
            && (1..=days_in_month).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !is_valid {
            return None;
        }
        let year = year - u64::from(month <= 2);
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let year_of_era = year % 400;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = year / 400 * DAYS_AN_ERA + day_of_era - EPOCH_DAYS;
        Some(days * SECONDS_A_DAY + hour * 3_600 + minute * 60 + second)
    }

    /// The number of a month's three-letter name, 1 to 12.
    #[must_use]
    pub fn month_number(name: &str) -> Option<u64> {
        (1..)
            .zip(MONTHS)
            .find(|(_, month)| *month == name)
            .map(|(number, _)| number)
    }
}

/// Whether a year has a 29 February.
#[must_use]
pub const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// RFC 9110 §5.6.7 IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`, always 29 bytes.
#[must_use]
pub fn imf_fixdate(seconds: u64) -> String {
    written(29, |text| write_imf_fixdate(text, seconds))
}

/// The same, into what is there already.
///
/// # Errors
/// Those of `out`.
pub fn write_imf_fixdate(out: &mut impl fmt::Write, seconds: u64) -> fmt::Result {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_unix(seconds);
    let weekday = pick(&WEEKDAYS, seconds / SECONDS_A_DAY % 7);
    let month = pick(&MONTHS, month - 1);
    write!(
        out,
        "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
    )
}

/// RFC 3339: `1994-11-06T08:49:37Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    written(20, |text| write_rfc3339(text, seconds))
}

/// The same, into what is there already.
///
/// # Errors
/// Those of `out`.
pub fn write_rfc3339(out: &mut impl fmt::Write, seconds: u64) -> fmt::Result {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_unix(seconds);
    write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    )
}

fn written(bytes: usize, write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::with_capacity(bytes);
    // Writing to a String cannot fail.
    let _ = write(&mut text);
    text
}

/// Reads a date such as `1994-11-06` as the seconds of its midnight.
#[must_use]
pub fn parse_date(text: &str) -> Option<u64> {
    let mut numbers = text.split('-').map(|digits| {
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<u64>().ok())?
    });
    let is_shaped = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let civil = Civil {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
    };
    if is_shaped { civil.to_unix() } else { None }
}

/// Reads a moment in the form of RFC 3339, such as `1994-11-06T08:49:37.5+01:00`; a fraction of a
/// second is dropped.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let (hours, seconds) = time.split_at_checked(5)?;
    let second = two_digits(seconds.strip_prefix(':')?)?;
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
    };
    if second > 60 {
        return None;
    }
    let local = parse_date(date)?.checked_add(hours_and_minutes(hours)? + second)?;
    match zone.split_at_checked(1)? {
        ("Z", "") => Some(local),
        ("+", offset) => local.checked_sub(hours_and_minutes(offset)?),
        ("-", offset) => local.checked_add(hours_and_minutes(offset)?),
        _ => None,
    }
}

/// Reads `08:49` as seconds.
fn hours_and_minutes(text: &str) -> Option<u64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 3_600 + minute * 60)
}

fn two_digits(text: &str) -> Option<u64> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Whether somebody meant a time that a data set states. Those before the first web page, 1991,
/// are what tools write to state none: 0, 1, 1980, 1985.
#[must_use]
pub fn is_meant(seconds: u64) -> bool {
    const FIRST_WEB_PAGE_SECONDS: u64 = 662_688_000;
    (FIRST_WEB_PAGE_SECONDS..=LAST_SECOND).contains(&seconds)
}

fn pick(names: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or("???")
}

#[cfg(test)]
mod tests {
    use super::{Civil, imf_fixdate, is_meant, parse_date, parse_rfc3339, rfc3339};

    #[test]
    fn moments_of_rfc_3339_are_read() {
        for (text, expected) in [
            ("1994-11-06T08:49:37Z", Some(784_111_777)),
            ("1994-11-06T08:49:37.123Z", Some(784_111_777)),
            ("1994-11-06T09:49:37+01:00", Some(784_111_777)),
            ("1994-11-06T07:19:37-01:30", Some(784_111_777)),
            ("1994-11-06T08:49:37", None),
            ("1994-11-06", None),
            ("1994-11-06T08:49Z", None),
            ("1994-11-06T08:49:37.123456789+00:00", Some(784_111_777)),
            ("1994-11-06T08:49:60-00:00", Some(784_111_800)),
            ("1970-01-01T00:00:00+01:00", None),
            ("0001-01-01T00:00:00Z", None),
            ("1994-11-06T08:49:37.Z", None),
            ("1994-11-06T08:49:37.5.5Z", None),
            ("1994-11-06T08:49:375Z", None),
            ("1994-11-06T8:49:370Z", None),
            ("1994-11-06T08:49:61Z", None),
            ("1994-11-06T24:00:00Z", None),
            ("1994-11-06T08:60:00Z", None),
            ("1994-11-06T+8:49:37Z", None),
            ("1994-11-06t08:49:37z", None),
            ("1994-11-06T08:49:37Z ", None),
            ("1994-11-06T08:49:37+1:00", None),
            ("1994-11-06T08:49:37+01:00:00", None),
            ("1994-11-06T08:49:37+18446744073709551615:00", None),
            ("1994-11-06T08:49:3\u{e9}Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text), expected, "{text}");
        }
    }

    #[test]
    fn times_that_state_none_are_not_meant() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", false),
            ("1970-01-01T00:00:01Z", false),
            ("1980-01-01T00:00:01Z", false),
            ("1985-10-26T08:15:00Z", false),
            ("1994-11-06T08:49:37Z", true),
            ("9999-12-31T23:59:59Z", true),
            ("9999-12-31T23:59:59-00:01", false),
        ] {
            let found = parse_rfc3339(text).is_some_and(is_meant);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn known_moments() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_305_600, "Sun, 22 Nov 2026 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(imf_fixdate(seconds), text);
        }
        assert_eq!(rfc3339(784_111_777), "1994-11-06T08:49:37Z");
    }

    #[test]
    fn every_day_leads_back() {
        for day in 0..60_000 {
            let seconds = day * 86_400 + 12_345;
            assert_eq!(Civil::from_unix(seconds).to_unix(), Some(seconds));
        }
    }

    #[test]
    fn dates_are_read_strictly() {
        assert_eq!(parse_date("2026-11-22"), Some(1_795_305_600));
        for text in [
            "2026-02-29",
            "2026-13-01",
            "26-11-22",
            "2026-11-2",
            "+026-11-22",
            "",
            "2026",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
