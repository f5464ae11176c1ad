//! Names of tags, and what each kind wants.

/// What kind of tag a name says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `v` and a version.
    Version,
    /// Under `wip/` or `exp/`: may be anything.
    Scratch,
}

impl Kind {
    /// § SemVer 2.0.0, with `v` before it.
    pub(super) fn of(name: &str) -> Result<Kind, String> {
        if name.starts_with("wip/") || name.starts_with("exp/") {
            return Ok(Kind::Scratch);
        }
        match name.strip_prefix('v').map(is_version) {
            Some(true) => Ok(Kind::Version),
            Some(false) => Err("`v` is before something that is no version: v1.2.3 is one".into()),
            None if is_version(name) => Err("a version's tag begins with `v`".into()),
            None => Err("it is no version, nor under wip/ or exp/".into()),
        }
    }
}

fn is_version(text: &str) -> bool {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (numbers, early) = match text.split_once('-') {
        Some((numbers, early)) => (numbers, Some(early)),
        None => (text, None),
    };
    let numbers: Vec<&str> = numbers.split('.').collect();
    let is_word = |word: &str| {
        let is_of = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !word.is_empty() && word.bytes().all(is_of)
    };
    // § 9: only numbers of a pre-release may not begin with 0.
    let is_early = |word: &str| {
        is_word(word) && (is_number(word) || !word.bytes().all(|byte| byte.is_ascii_digit()))
    };
    numbers.len() == 3
        && numbers.into_iter().all(is_number)
        && early.is_none_or(|early| early.split('.').all(is_early))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn is_number(text: &str) -> bool {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn names_say_what_they_are() {
        let version = Some(Kind::Version);
        let scratch = Some(Kind::Scratch);
        for (name, expected) in [
            ("v1.2.3", version),
            ("v0.0.0", version),
            ("v1.0.0-rc1", version),
            ("v1.0.0-rc.1", version),
            ("v1.0.0-0a.x-y+5.sha-0", version),
            ("wip/x", scratch),
            ("exp/1.0.0", scratch),
            ("1.2.3", None),
            ("v1.2", None),
            ("v1.2.3.4", None),
            ("v01.2.3", None),
            ("v1.2.3-", None),
            ("v1.2.3-01", None),
            ("v1.2.3-a..b", None),
            ("v1.2.3+", None),
            ("v1.2.x", None),
            ("V1.2.3", None),
            ("vwip/x", None),
            ("wip", None),
            ("latest", None),
        ] {
            assert_eq!(Kind::of(name).ok(), expected, "{name}");
        }
    }
}
