//! Times as the log tells them: RFC 3339, UTC, with milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use sitepack::date::write_rfc3339;

use super::escape::append_digits;

/// Now, in milliseconds since 1970. A clock before that counts as 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// A writer of times, which keeps the last second as it is written: of many lines in one only the
/// milliseconds differ.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    /// Up to the second, without the zone.
    text: String,
}

impl Stamp {
    /// Appends a time in milliseconds since 1970.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, time: u64) {
        let second = time / 1000;
        if self.second.replace(second) != Some(second) {
            self.text.clear();
            // Writing to a String cannot fail.
            let _ = write_rfc3339(&mut self.text, second);
            self.text.truncate(self.text.trim_end_matches('Z').len());
        }
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'.');
        append_digits(out, time % 1000, 3);
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn times_have_three_digits_behind_the_second() {
        let mut stamp = Stamp::default();
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_305_600_007, "2026-11-22T00:00:00.007Z"),
            (1_795_305_600_999, "2026-11-22T00:00:00.999Z"),
            (1_795_305_601_000, "2026-11-22T00:00:01.000Z"),
            (1_795_305_599_010, "2026-11-21T23:59:59.010Z"),
        ] {
            let mut out = Vec::new();
            stamp.append(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
