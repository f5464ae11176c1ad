//! What stands before a member because its header has no room for it: GNU's long names, and the
//! records of pax.
//!
//! Here readers differ, and with it what they think is in an archive: in whether a length of pax
//! counts if the header has one too, in whether it counts for another extension in between, in
//! which of two names they take. § The length of pax counts, for the member only; anything
//! stated twice is refused.

/// What extensions say of the next member.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// Its name.
    pub path: Option<Vec<u8>>,
    /// Its target.
    pub link: Option<Vec<u8>>,
    /// Its length.
    pub bytes: Option<u64>,
    /// In seconds since 1970, or 0.
    pub time: Option<u64>,
    /// Whether it is stored as a sparse file.
    pub sparse: bool,
    any: bool,
}

impl Extended {
    /// Whether none was there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// GNU's long name.
    ///
    /// # Errors
    /// What is stated twice, or damaged.
    pub fn long_name(&mut self, said: &[u8]) -> Result<(), String> {
        self.any = true;
        once(&mut self.path, ended(said).to_vec(), "its name")
    }

    /// GNU's long target.
    ///
    /// # Errors
    /// What is stated twice, or damaged.
    pub fn long_link(&mut self, said: &[u8]) -> Result<(), String> {
        self.any = true;
        once(&mut self.link, ended(said).to_vec(), "its target")
    }

    /// The records of a pax header, "LENGTH KEY=VALUE\n". Those that are of no use here (owners,
    /// comments, attributes) are passed over; an empty value says that the header's counts.
    ///
    /// # Errors
    /// What is stated twice, or damaged.
    pub fn records(&mut self, mut said: &[u8]) -> Result<(), String> {
        self.any = true;
        while !said.is_empty() {
            let (key, value, rest) = record(said).ok_or("a damaged record of pax")?;
            said = rest;
            match key {
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ if value.is_empty() => {}
                b"path" => once(&mut self.path, value.to_vec(), "its name")?,
                b"linkpath" => once(&mut self.link, value.to_vec(), "its target")?,
                b"size" => {
                    let bytes = decimal(value).ok_or("its length is not a number")?;
                    once(&mut self.bytes, bytes, "its length")?;
                }
                // With a fraction; a time before 1970 is none.
                b"mtime" => {
                    let seconds = value.split(|byte| *byte == b'.').next();
                    self.time = Some(seconds.and_then(decimal).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The time that a global header of pax states for all members. Names and lengths for all of
/// them make no sense.
///
/// # Errors
/// A name or a length for all members.
pub fn global_time(said: &[u8]) -> Result<Option<u64>, String> {
    let mut extended = Extended::default();
    extended.records(said)?;
    let Extended {
        path: None,
        link: None,
        bytes: None,
        time,
        sparse: false,
        any: _,
    } = extended
    else {
        return Err("a name or a length for all members".to_owned());
    };
    Ok(time)
}

/// The key and value of the first record, and what follows it.
fn record(said: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = said.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(said.get(..space)?)?).ok()?;
    let (record, rest) = said.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = record.split_at_checked(equals)?;
    Some((key, value.get(1..)?, rest))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

/// GNU ends a long name with a NUL.
fn ended(said: &[u8]) -> &[u8] {
    said.strip_suffix(b"\0").unwrap_or(said)
}

fn once<T>(place: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{what} is stated twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Extended, global_time};

    #[test]
    fn records_of_pax_say_what_the_header_cannot() {
        let mut extended = Extended::default();
        let said = b"12 path=a/b\n11 size=12\n16 linkpath=c/d\n18 mtime=17.250000\n\
            24 SCHILY.xattr.a=\n18 x\n=\0\n11 path=\n"
            .as_slice();
        let refused = extended.records(said).unwrap_err();
        assert_eq!(
            refused, "a damaged record of pax",
            "the length of `linkpath` is wrong"
        );

        let mut extended = Extended::default();
        let said = b"12 path=a/b\n11 size=12\n16 linkpath=c/d\n";
        extended.records(said).unwrap();
        extended.records(b"19 mtime=17.250000\n8 path=\n").unwrap();
        extended.records(b"20 SCHILY.xattr.a=\n\n").unwrap();
        assert_eq!(extended.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(extended.link.as_deref(), Some(&b"c/d"[..]));
        assert_eq!((extended.bytes, extended.time), (Some(12), Some(17)));
        assert!(!extended.sparse);
    }

    #[test]
    fn damaged_and_doubled_records_are_refused() {
        for (said, expected) in [
            (&b"x"[..], "damaged"),
            (b"12 path=a/b", "damaged"),
            (b"11 path=a/b\n", "damaged"),
            (b"0 a=b\n", "damaged"),
            (b"2 a=b\n", "damaged"),
            (b"-6 a=b\n", "damaged"),
            (b" 6 a=b\n", "damaged"),
            (b"99999999999999999999999 a=b\n", "damaged"),
            (b"6 abc\n", "damaged"),
            (b"10 size=x\n", "its length is not a number"),
            (b"11 size=-1\n", "its length is not a number"),
            (b"10 path=a\n10 path=a\n", "its name is stated twice"),
        ] {
            let refused = Extended::default().records(said).unwrap_err();
            assert!(refused.contains(expected), "{}", said.escape_ascii());
        }
        let mut both = Extended::default();
        both.long_name(b"a\0").unwrap();
        both.records(b"10 path=b\n").unwrap_err();
    }

    #[test]
    fn a_global_header_may_state_a_time() {
        assert_eq!(global_time(b"14 comment=ab\n"), Ok(None));
        assert_eq!(global_time(b"12 mtime=17\n"), Ok(Some(17)));
        global_time(b"10 path=b\n").unwrap_err();
    }
}
