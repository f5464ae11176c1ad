//! A pattern is read against one canonical, decoded path, segment by segment, from the left,
//! once: a match costs time linear in the path whatever the pattern holds, and allocates nothing.
//!
//! - A segment that begins with `:` is a placeholder: it takes one whole segment, not an empty
//!   one. Everything else stands for itself; a final `/` counts.
//! - One `*`, the splat, takes the rest, with the `/`s in it, up to what stands behind the `*`.
//!   `/news/*` also takes `/news`, with an empty splat.

use std::fmt;

/// How many placeholders a pattern may have: `/:year/:month/:day/:slug` has four, and captures
/// are kept in a fixed array.
pub const PLACEHOLDERS_MAX: usize = 8;
/// What a target calls the text that `*` took.
pub const SPLAT: &str = "splat";

/// A pattern of a path: `/news/:year/*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'a>(&'a str);

/// What a pattern took of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captures<'a, 'p> {
    names: [(&'a str, &'p str); PLACEHOLDERS_MAX],
    used: usize,
    splat: Option<&'p str>,
}

/// Why something is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It does not begin with `/`.
    NotAbsolute,
    /// An empty, `.` or `..` segment, which no path has.
    DotSegment,
    /// A placeholder's name is not a letter followed by letters, digits and `_`.
    Name,
    /// A placeholder is called `:splat`.
    NamedSplat,
    /// Two placeholders have one name.
    NamedTwice,
    /// There are more than [`PLACEHOLDERS_MAX`] placeholders.
    TooMany,
    /// There is more than one `*`.
    SplatTwice,
    /// A placeholder stands behind the `*`.
    BehindSplat,
}

impl<'a> Pattern<'a> {
    /// Takes decoded text as a pattern.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn new(text: &'a str) -> Result<Pattern<'a>, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        let mut captures = Captures::default();
        let mut behind_splat = false;
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            if matches!(segment, "." | "..") || (segment.is_empty() && segments.peek().is_some()) {
                return Err(PatternError::DotSegment);
            }
            if let Some(name) = segment.strip_prefix(':') {
                if behind_splat {
                    return Err(PatternError::BehindSplat);
                }
                captures.declare(name)?;
            }
            for _ in segment.matches('*') {
                if behind_splat {
                    return Err(PatternError::SplatTwice);
                }
                behind_splat = true;
            }
        }
        Ok(Pattern(text))
    }

    /// The text that it was made of.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether it is merely a path: no placeholder, no splat.
    #[must_use]
    pub fn is_static(&self) -> bool {
        !self.0.contains('*') && !self.0.contains("/:")
    }

    /// What it takes of `path`, if it matches.
    #[must_use]
    pub fn matches<'p>(&self, path: &'p str) -> Option<Captures<'a, 'p>> {
        let mut captures = Captures::default();
        let (mut ours, tail) = match self.0.split_once('*') {
            Some((head, tail)) => (head, Some(tail)),
            None => (self.0, None),
        };
        let mut theirs = path;
        if !path.starts_with('/') {
            return None;
        }
        loop {
            ours = ours.strip_prefix('/')?;
            if let ("", "", Some("")) = (ours, theirs, tail) {
                break; // `/news/*` and `/news`.
            }
            theirs = theirs.strip_prefix('/')?;
            let (segment, ours_rest) = ours.split_at(ours.find('/').unwrap_or(ours.len()));
            if let (Some(_), "") = (tail, ours_rest) {
                theirs = theirs.strip_prefix(segment)?;
                break;
            }
            let (taken, theirs_rest) = theirs.split_at(theirs.find('/').unwrap_or(theirs.len()));
            match segment.strip_prefix(':') {
                Some(_) if taken.is_empty() => return None,
                Some(name) => captures.push(name, taken)?,
                None if segment == taken => {}
                None => return None,
            }
            (ours, theirs) = (ours_rest, theirs_rest);
            if let ("", None) = (ours, tail) {
                return theirs.is_empty().then_some(captures);
            }
        }
        captures.splat = Some(theirs.strip_suffix(tail?)?);
        Some(captures)
    }

    /// The names of its placeholders, `splat` among them if it has a `*`.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let splat = self.0.contains('*').then_some(SPLAT);
        let named = self
            .0
            .split('/')
            .filter_map(|segment| segment.strip_prefix(':'));
        named.chain(splat)
    }
}

impl<'a, 'p> Captures<'a, 'p> {
    /// What the placeholder of this name took; `splat` for the `*`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'p str> {
        if name == SPLAT {
            return self.splat;
        }
        let taken = self.names.iter().take(self.used);
        taken
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| *value)
            .next()
    }

    fn push(&mut self, name: &'a str, value: &'p str) -> Option<()> {
        *self.names.get_mut(self.used)? = (name, value);
        self.used += 1;
        Some(())
    }

    fn declare(&mut self, name: &'a str) -> Result<(), PatternError> {
        if !name.starts_with(|first: char| first.is_ascii_alphabetic())
            || name_bytes(name) != name.len()
        {
            return Err(PatternError::Name);
        }
        if name == SPLAT {
            return Err(PatternError::NamedSplat);
        }
        if self.get(name).is_some() {
            return Err(PatternError::NamedTwice);
        }
        self.push(name, "").ok_or(PatternError::TooMany)
    }
}

/// How many bytes of a name `text` begins with.
pub(super) fn name_bytes(text: &str) -> usize {
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

impl fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            PatternError::NotAbsolute => "it does not begin with `/`",
            PatternError::DotSegment => "it holds an empty, `.` or `..` segment",
            PatternError::Name => {
                "a placeholder is a whole segment: `:`, a letter, then letters, digits and `_`"
            }
            PatternError::NamedSplat => "`:splat` is the name of what `*` takes",
            PatternError::NamedTwice => "two placeholders have the same name",
            PatternError::TooMany => "it has more than 8 placeholders",
            PatternError::SplatTwice => "it has more than one `*`",
            PatternError::BehindSplat => "a placeholder stands behind the `*`",
        })
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::{Pattern, PatternError};

    /// What `pattern` takes of `path`, as `name=value` in order.
    fn taken(pattern: &str, path: &str) -> Option<String> {
        let pattern = Pattern::new(pattern).unwrap();
        let captures = pattern.matches(path)?;
        let named = pattern
            .names()
            .map(|name| format!("{name}={}", captures.get(name).unwrap()));
        Some(named.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn patterns_take_segments_and_the_rest() {
        for (pattern, path, expected) in [
            ("/", "/", ""),
            ("/a", "/a", ""),
            ("/a/", "/a/", ""),
            ("/a/b.c", "/a/b.c", ""),
            ("/x:y", "/x:y", ""),
            ("/:a", "/b", "a=b"),
            ("/:a/", "/b/", "a=b"),
            ("/:a/x/:b", "/1/x/2", "a=1 b=2"),
            ("/:a", "/:a", "a=:a"),
            ("/:a", "/*", "a=*"),
            ("/*", "/", "splat="),
            ("/*", "/a", "splat=a"),
            ("/*", "/a/b/", "splat=a/b/"),
            ("/*", "//a", "splat=/a"),
            ("/news/*", "/news", "splat="),
            ("/news/*", "/news/", "splat="),
            ("/news/*", "/news/a/b", "splat=a/b"),
            ("/:a/*", "/x", "a=x splat="),
            ("/:a/*", "/x/y/z", "a=x splat=y/z"),
            ("/a*", "/abc/d", "splat=bc/d"),
            ("/*.js", "/a/b.js", "splat=a/b"),
            ("/*.js", "/a.js.js", "splat=a.js"),
            ("/:d/*.js", "/x/a/b.js", "d=x splat=a/b"),
            ("/*/index.html", "/a/b/index.html", "splat=a/b"),
            ("/é/:ü", "/é/ö", ""),
        ] {
            if pattern.contains('ü') {
                assert_eq!(Pattern::new(pattern), Err(PatternError::Name));
                continue;
            }
            assert_eq!(
                taken(pattern, path).as_deref(),
                Some(expected),
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn patterns_do_not_take_other_paths() {
        for (pattern, path) in [
            ("/", "/a"),
            ("/a", "/"),
            ("/a", "/a/"),
            ("/a/", "/a"),
            ("/a", "/A"),
            ("/a", "a"),
            ("/a", ""),
            ("/*", ""),
            ("/*", "a"),
            ("/:a", "/"),
            ("/:a", "/b/"),
            ("/:a", "/b/c"),
            ("/:a/", "/b"),
            ("/:a/:b", "/x/"),
            ("/:a/*", "/"),
            ("/news/*", "/newspaper"),
            ("/news/*", "/"),
            ("/a*", "/b"),
            ("/*.js", "/.j"),
            ("/ab*ba", "/aba"),
            ("/*.js", "/a.css"),
        ] {
            assert_eq!(taken(pattern, path), None, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for (text, error) in [
            ("", PatternError::NotAbsolute),
            ("a", PatternError::NotAbsolute),
            ("*", PatternError::NotAbsolute),
            ("https://a/", PatternError::NotAbsolute),
            ("//", PatternError::DotSegment),
            ("/a//b", PatternError::DotSegment),
            ("/./a", PatternError::DotSegment),
            ("/..", PatternError::DotSegment),
            ("/:", PatternError::Name),
            ("/:1", PatternError::Name),
            ("/:a-b", PatternError::Name),
            ("/:a.html", PatternError::Name),
            ("/:a:b", PatternError::Name),
            ("/:a*", PatternError::Name),
            ("/:splat", PatternError::NamedSplat),
            ("/:a/:a", PatternError::NamedTwice),
            ("/:a/:b/:c/:d/:e/:f/:g/:h/:i", PatternError::TooMany),
            ("/*/*", PatternError::SplatTwice),
            ("/**", PatternError::SplatTwice),
            ("/*/:a", PatternError::BehindSplat),
        ] {
            assert_eq!(Pattern::new(text), Err(error), "{text}");
        }
        let eight = Pattern::new("/:a/:b/:c/:d/:e/:f/:g/:h").unwrap();
        let captures = eight.matches("/1/2/3/4/5/6/7/8").unwrap();
        assert_eq!(
            (captures.get("a"), captures.get("h")),
            (Some("1"), Some("8"))
        );
        assert_eq!((captures.get("i"), captures.get("splat")), (None, None));
    }

    #[test]
    fn static_patterns_are_told() {
        for (text, is_static) in [
            ("/", true),
            ("/a:b/c", true),
            ("/:a", false),
            ("/a*", false),
        ] {
            assert_eq!(Pattern::new(text).unwrap().is_static(), is_static, "{text}");
        }
    }

    /// A megabyte of the worst that a matcher which goes back would meet.
    #[test]
    fn a_match_is_linear_in_the_path() {
        let path = "/a".repeat(500_000);
        for pattern in ["/a*b", "/*/a/a/a/b", "/:a/:b/:c/:d/*x", "/a/a/a/b"] {
            for _ in 0..100 {
                assert_eq!(Pattern::new(pattern).unwrap().matches(&path), None);
            }
        }
    }

    /// Random texts against a matcher that is obviously right, and slow.
    #[test]
    fn it_agrees_with_the_obvious_matcher() {
        fn obvious(pattern: &[char], path: &[char], begins: bool) -> bool {
            match pattern {
                [] => path.is_empty(),
                ['*', rest @ ..] => (0..=path.len()).any(|n| obvious(rest, &path[n..], false)),
                ['/', '*'] if path.is_empty() && !begins => true,
                ['/', ':', 'a' | 'b', rest @ ..] => {
                    let [first, others @ ..] = path else {
                        return false;
                    };
                    let end = others
                        .iter()
                        .position(|c| *c == '/')
                        .unwrap_or(others.len());
                    *first == '/' && end > 0 && obvious(rest, &others[end..], false)
                }
                [literal, rest @ ..] => {
                    path.first() == Some(literal) && obvious(rest, &path[1..], false)
                }
            }
        }
        let mut random = crate::testing::Random(7);
        let mut matches = 0;
        for _ in 0..50_000 {
            let mut text = |pieces: &[&str]| -> String {
                let count = 1 + random.below(4);
                let picked = (0..count).map(|_| pieces[random.below(pieces.len())]);
                picked.collect()
            };
            let from = text(&["/", "/x", "/y", "/:a", "/:b", "/*", "*", "é"]);
            let path = text(&["/", "/x", "/y", "/é", "x"]);
            let Ok(pattern) = Pattern::new(&from) else {
                continue;
            };
            let [ours, theirs] = [&from, &path].map(|text| text.chars().collect::<Vec<_>>());
            let found = pattern.matches(&path).is_some();
            assert_eq!(
                found,
                path.starts_with('/') && obvious(&ours, &theirs, true),
                "{from} {path}"
            );
            matches += usize::from(found);
        }
        assert!(matches > 1_000, "{matches}");
    }
}
