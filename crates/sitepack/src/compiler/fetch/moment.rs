//! When an image was made, if it says so.

/// A moment in the form of RFC 3339, save those that reproducible builds put where there is none:
/// 1970 and the year 1.
pub(super) fn moment(text: &str) -> Option<String> {
    const LENGTH_MAX: usize = 40;
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let shaped: Vec<u8> = text.bytes().map(shape).collect();
    let zone = shaped.strip_prefix(b"0000-00-00T00:00:00")?;
    let fraction = zone.strip_prefix(b".").unwrap_or_default();
    let digits = fraction.iter().take_while(|byte| **byte == b'0').count();
    let zone = if digits == 0 {
        zone
    } else {
        zone.get(digits + 1..)?
    };
    let is_zone = matches!(zone, b"Z" | b"+00:00" | b"-00:00");
    let is_epoch = ["1970-01-01T00:00:00", "0001-01-01T00:00:00"]
        .iter()
        .any(|epoch| text.starts_with(epoch));
    (is_zone && !is_epoch && text.len() <= LENGTH_MAX).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_taken_if_they_mean_something() {
        for (text, is_taken) in [
            ("2022-07-19T17:32:21Z", true),
            ("2022-07-19T17:32:21.123456789Z", true),
            ("2022-07-19T17:32:21+02:00", true),
            ("1970-01-01T00:00:00Z", false),
            ("1970-01-01T00:00:00.000Z", false),
            ("0001-01-01T00:00:00Z", false),
            ("2022-07-19", false),
            ("2022-07-19T17:32:21", false),
            ("2022-07-19T17:32:21.Z", false),
            ("yesterday", false),
            ("", false),
        ] {
            assert_eq!(moment(text).is_some(), is_taken, "{text}");
        }
    }
}
