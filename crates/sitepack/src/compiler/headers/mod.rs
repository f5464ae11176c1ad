//! `_headers`, in the format that Netlify and Cloudflare Pages share:
//!
//! ```text
//! /*
//!   X-Frame-Options: DENY
//! /*.jpg
//!   ! Content-Security-Policy
//!   Cache-Control: public, max-age=3600
//! ```
//!
//! A line that begins at the margin is a pattern; the indented lines below it set fields of the
//! paths that it takes, or with `!` remove what an earlier rule or the server itself set. All
//! rules that match count, in their order, and within a rule removals come first. Equal names
//! become one list, except where a field has one value (`fields::merge`): there
//! the later rule wins. `:name` and `:splat` in a value are what the pattern took.
//!
//! What the server owns, an author cannot set: an error says so, at its line (`fields`).

mod fields;
mod rule;

use std::path::Path;

use self::rule::Rule;
use super::error::Error;
use super::finding::{Finding, FindingKind};
use super::rule_file::lines;

/// How many rules there may be: Cloudflare's bound.
const RULES_MAX: usize = 100;
/// How long a line may be, in characters: Cloudflare's bound.
const LINE_CHARACTERS_MAX: usize = 2_000;
/// How long the fields of a resource may be together, in bytes: proxies and clients refuse field
/// sections of 16 KiB and more, and what the server adds has to fit too.
const FIELDS_BYTES_MAX: usize = 8 << 10;

/// The rules of a `_headers` file.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderRules {
    file: std::path::PathBuf,
    rules: Vec<Rule>,
}

/// What becomes of a field that the server would send of itself, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldChange {
    /// It has this value, whatever the server would say.
    Set { name: String, value: String },
    /// It is not sent.
    Remove { name: String },
}

impl FieldChange {
    pub(crate) fn name(&self) -> &str {
        match self {
            FieldChange::Set { name, .. } | FieldChange::Remove { name } => name,
        }
    }
}

impl HeaderRules {
    /// Parses the content of `file`.
    pub(crate) fn parse(file: &Path, content: &[u8]) -> Result<HeaderRules, Error> {
        let mut rules: Vec<Rule> = Vec::new();
        for (number, line) in lines(file, content, LINE_CHARACTERS_MAX)? {
            let failed = |cause: String| Error::at_line(file, number, cause);
            if line.starts_with([' ', '\t']) {
                let rule = rules
                    .last_mut()
                    .ok_or_else(|| failed("no pattern stands above this line".to_owned()))?;
                rule.add(number, line.trim()).map_err(failed)?;
                continue;
            }
            let rule = Rule::new(number, line).map_err(failed)?;
            if let Some(empty) = rules.last().filter(|rule| rule.is_empty()) {
                return Err(empty_rule(file, empty));
            }
            if rules.len() == RULES_MAX {
                return Err(failed(format!("there are more than {RULES_MAX} rules")));
            }
            rules.push(rule);
        }
        match rules.last().filter(|rule| rule.is_empty()) {
            Some(empty) => Err(empty_rule(file, empty)),
            None => Ok(HeaderRules {
                file: file.to_owned(),
                rules,
            }),
        }
    }

    /// What the rules say of a path: in order of first mention, each name once.
    ///
    /// An error if the fields become too many.
    pub(crate) fn of(&self, path: &str) -> Result<Vec<FieldChange>, Error> {
        let mut changes = Vec::new();
        for rule in &self.rules {
            let Some(captures) = rule.matches(path) else {
                continue;
            };
            rule.apply(&captures, &mut changes);
            let bytes: usize = changes.iter().map(line_bytes).sum();
            if bytes > FIELDS_BYTES_MAX {
                let cause = format!(
                    "with this rule the fields of `{path}` are longer than {FIELDS_BYTES_MAX} bytes"
                );
                return Err(Error::at_line(&self.file, rule.line, cause));
            }
        }
        Ok(changes)
    }

    /// Patterns that take none of the paths.
    pub(crate) fn findings<'p>(&self, paths: impl Iterator<Item = &'p str>) -> Vec<Finding> {
        let finding = |line| Finding {
            file: self.file.display().to_string(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            kind: FindingKind::UnusedRule,
            text: "this pattern takes no path of the site".to_owned(),
        };
        self.unused(paths).into_iter().map(finding).collect()
    }

    /// The lines of patterns that take none of the paths.
    fn unused<'p>(&self, paths: impl Iterator<Item = &'p str>) -> Vec<usize> {
        let mut idle: Vec<&Rule> = self.rules.iter().collect();
        for path in paths {
            idle.retain(|rule| rule.matches(path).is_none());
        }
        idle.iter().map(|rule| rule.line).collect()
    }
}

fn empty_rule(file: &Path, rule: &Rule) -> Error {
    let cause = "no field stands below this pattern; its fields are indented";
    Error::at_line(file, rule.line, cause)
}

fn line_bytes(change: &FieldChange) -> usize {
    match change {
        FieldChange::Set { name, value } => name.len() + value.len() + ": \r\n".len(),
        FieldChange::Remove { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FieldChange, HeaderRules, LINE_CHARACTERS_MAX, RULES_MAX};

    fn parse(text: &str) -> Result<HeaderRules, String> {
        HeaderRules::parse(Path::new("_headers"), text.as_bytes()).map_err(|e| e.to_string())
    }

    /// The changes to a path's fields, as `Name: value` or `! Name`.
    fn of(text: &str, path: &str) -> Vec<String> {
        let changes = parse(text).unwrap().of(path).unwrap();
        let shown = changes.iter().map(|change| match change {
            FieldChange::Set { name, value } => format!("{name}: {value}"),
            FieldChange::Remove { name } => format!("! {name}"),
        });
        shown.collect()
    }

    #[test]
    fn all_rules_that_match_count() {
        let text = "# all\n/*\n  X-Robots-Tag: noindex\n\tX-A: 1\n\n/docs/*\n  # here\n  \
                    x-robots-tag:nofollow\n  Link: </a.css>; rel=preload\n/docs/a\n  X-B: :splat";
        assert_eq!(of(text, "/"), ["X-Robots-Tag: noindex", "X-A: 1"]);
        assert_eq!(
            of(text, "/docs/a"),
            [
                "x-robots-tag: noindex, nofollow",
                "X-A: 1",
                "Link: </a.css>; rel=preload",
                "X-B: :splat"
            ]
        );
        assert_eq!(of("", "/"), [""; 0]);
    }

    #[test]
    fn equal_names_are_joined_or_replaced() {
        for (field, first, second, together) in [
            ("X-A", "1", "2", "1, 2"),
            ("Link", "</a>", "</b>", "</a>, </b>"),
            ("Content-Security-Policy", "a", "b", "a, b"),
            ("Content-Type", "text/plain", "text/css", "text/css"),
            ("Cache-Control", "no-store", "max-age=1", "max-age=1"),
            ("X-Frame-Options", "DENY", "SAMEORIGIN", "SAMEORIGIN"),
            (
                "Access-Control-Allow-Origin",
                "*",
                "https://a.example",
                "https://a.example",
            ),
        ] {
            let text = format!("/*\n {field}: {first}\n/a\n {field}: {second}");
            assert_eq!(of(&text, "/a"), [format!("{field}: {together}")]);
        }
        // Within one rule, Netlify's documentation builds Cache-Control so.
        let text = "/*\n cache-control: max-age=0\n cache-control: no-cache";
        assert_eq!(of(text, "/"), ["cache-control: max-age=0, no-cache"]);
        let refused = parse("/*\n Content-Type: a/b\n content-type: a/c").unwrap_err();
        assert_eq!(
            refused,
            "_headers:3: content-type has one value, and line 2 gives it"
        );
    }

    #[test]
    fn fields_are_removed() {
        let text = "/*\n Content-Security-Policy: a\n X-A: 1\n/*.jpg\n ! content-security-policy\n \
                    !X-Content-Type-Options\n/a/*\n Content-Security-Policy: b\n";
        assert_eq!(of(text, "/x"), ["Content-Security-Policy: a", "X-A: 1"]);
        let removed = [
            "! content-security-policy",
            "X-A: 1",
            "! X-Content-Type-Options",
        ];
        assert_eq!(of(text, "/b/x.jpg"), removed);
        let again = [
            "Content-Security-Policy: b",
            "X-A: 1",
            "! X-Content-Type-Options",
        ];
        assert_eq!(of(text, "/a/x.jpg"), again);
        // In one rule a removal comes first, wherever it stands.
        let text = "/*\n X-A: 1\n/a\n X-A: 2\n ! X-A";
        assert_eq!(of(text, "/a"), ["X-A: 2"]);
    }

    #[test]
    fn values_take_what_the_pattern_took() {
        for (rule, path, expected) in [
            (
                "/m/:title\n X-A: see \":title\"",
                "/m/ü b",
                "X-A: see \"%C3%BC%20b\"",
            ),
            ("/a/*\n Link: </b/:splat>", "/a/c/d", "Link: </b/c/d>"),
            (
                "/a/*\n X-A: :splatter :splat: :x https://b",
                "/a",
                "X-A: :splatter : :x https://b",
            ),
            ("/*\n X-A: :", "/a", "X-A: :"),
        ] {
            assert_eq!(of(rule, path), [expected], "{rule}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        for (text, line, part) in [
            (" X-A: 1", 1, "no pattern stands above"),
            ("/a", 1, "no field stands below"),
            ("/a\n/b\n X-A: 1", 1, "no field stands below"),
            ("/a\nX-A: 1", 2, "fields are indented"),
            ("a/*\n X-A: 1", 1, "not a pattern"),
            ("/a b\n X-A: 1", 1, "not a pattern"),
            ("/a\n /b\n X-A: 1", 2, "at the margin"),
            (
                "https://a.example/*\n X-A: 1",
                1,
                "one hosting service only",
            ),
            (
                "https://:p.pages.dev/*\n X-A: 1",
                1,
                "one hosting service only",
            ),
            ("/a/:b/*/:c\n X-A: 1", 1, "behind the `*`"),
            ("/a/../b\n X-A: 1", 1, "`..` segment"),
            ("/-/*\n X-A: 1", 1, "own pages"),
            ("/a\n X-A", 2, "not a field such as"),
            ("/a\n X-A:", 2, "no value"),
            ("/a\n X A: 1", 2, "not the name of a field"),
            ("/a\n : 1", 2, "not the name of a field"),
            ("/a\n X-A : 1", 2, "not the name of a field"),
            ("/a\n X-A: é", 2, "visible ASCII"),
            ("/a\n X-A: a\u{1}b", 2, "control character"),
            ("/a\n X-A: a\rSet-Cookie: b", 2, "control character"),
            ("/a\n !", 2, "not the name of a field"),
            ("/a\n ! X-A: 1", 2, "without a value"),
            ("/a\n ! ETag", 2, "the server"),
        ] {
            let cause = parse(text).unwrap_err();
            let place = format!("_headers:{line}: ");
            assert!(
                cause.starts_with(&place) && cause.contains(part),
                "{text:?}: {cause}"
            );
        }
    }

    #[test]
    fn there_are_bounds() {
        let rules =
            |count: usize| -> String { (0..count).map(|n| format!("/{n}\n X-A: 1\n")).collect() };
        assert!(parse(&rules(RULES_MAX)).is_ok());
        let cause = parse(&rules(RULES_MAX + 1)).unwrap_err();
        assert_eq!(cause, "_headers:201: there are more than 100 rules");
        let fields: String = (0..101).map(|n| format!(" X-{n}: 1\n")).collect();
        let cause = parse(&format!("/a\n{fields}")).unwrap_err();
        assert_eq!(cause, "_headers:102: the rule has more than 100 fields");
        let long = "a".repeat(LINE_CHARACTERS_MAX - 6);
        assert!(parse(&format!("/a\n X-A: {long}")).is_ok());
        let cause = parse(&format!("/a\n X-A: {long}a")).unwrap_err();
        assert!(cause.contains("longer than 2000"), "{cause}");
        let many: String = (0..9)
            .map(|n| format!(" X-{n}: {}\n", &long[..950]))
            .collect();
        let rules = parse(&format!("/a\n X-A: 1\n/*\n{many}")).unwrap();
        let cause = rules.of("/a").unwrap_err().to_string();
        assert!(
            cause.starts_with("_headers:3: with this rule the fields of `/a`"),
            "{cause}"
        );
    }

    #[test]
    fn patterns_without_a_path_are_told() {
        let rules = parse("/*\n X-A: 1\n/b/*\n X-A: 1\n/:c/d\n X-A: 1\n/e%20\n X-A: 1").unwrap();
        assert_eq!(rules.unused(["/a", "/c/d"].into_iter()), [3, 7]);
        assert_eq!(rules.unused(["/b/d", "/e "].into_iter()), [0; 0]);
    }

    #[test]
    fn any_text_is_read_or_refused() {
        let pieces = [
            "/", "/a", "/:a", "/*", " ", "\n", "\n X-A: ", "\n !", ":", ":a", ":splat", "#", "\t",
            "\u{0}", "é", "X-B", ", ", "https://", "..", "%", "%2a",
        ];
        let mut numbers = crate::testing::Random(11);
        let mut random = |bound: usize| numbers.below(bound);
        let mut set = 0;
        for _ in 0..50_000 {
            let count = random(14);
            let start = ["", "/*\n X-A: 1"][random(2)];
            let text: String = (0..count).map(|_| pieces[random(pieces.len())]).collect();
            let text = format!("{start}{text}");
            for change in parse(&text)
                .and_then(|r| r.of("/a/ü").map_err(|e| e.to_string()))
                .unwrap_or_default()
            {
                if let FieldChange::Set { name, value } = change {
                    assert!(
                        !name.is_empty()
                            && value
                                .bytes()
                                .all(|b| b == b'\t' || (b' '..0x7f).contains(&b))
                    );
                    set += 1;
                }
            }
        }
        assert!(set > 100, "{set}");
    }
}
