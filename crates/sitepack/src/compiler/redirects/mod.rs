//! `_redirects`, in the format that Netlify and Cloudflare Pages share:
//!
//! ```text
//! # from        to                 status
//! /home         /                  301
//! /news/:year/* /archive/:year/:splat
//! /app/*        /app/index.html    200
//! /shop         /shop-closed       404!
//! ```
//!
//! What it promises: the first rule that matches a path decides; without `!` a page that stands
//! at the path comes first. What only one of the two hosts understands is an error that says so,
//! and so is a rule that no request can reach or that leads to itself: nothing is skipped.
//!
//! Whether a page stands where a 200 or 404 rule points is for its caller to check.

mod reach;
mod target;

use std::path::Path;

use super::error::Error;
use super::rule_file::{lines, pattern};
use crate::path::SitePath;
use crate::rules::{Pattern, split_origin};

/// How long a line may be, in characters: Cloudflare's bound.
const LINE_CHARACTERS_MAX: usize = 1_000;
/// How many rules for one path each there may be: Cloudflare's bound.
const STATIC_RULES_MAX: usize = 2_000;
/// How many rules with placeholders or `*` there may be: Cloudflare's bound. They are tried one
/// after the other, for each request that finds no page.
const PATTERN_RULES_MAX: usize = 100;
/// The status where none is written: Cloudflare's default. Netlify's is 301, but browsers keep a
/// permanent redirect, so a wrong guess could not be taken back.
const STATUS_DEFAULT: u16 = 302;

/// A rule of `_redirects`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) line: usize,
    /// A canonical, decoded path, or a pattern of such.
    pub(crate) from: String,
    /// A target for [`crate::rules::location`] or [`crate::rules::rewritten`].
    pub(crate) to: String,
    pub(crate) status: u16,
    /// Whether the rule comes before a page that stands at the path.
    pub(crate) force: bool,
    /// Whether `from` is one path.
    pub(crate) is_static: bool,
}

impl Redirect {
    /// Whether another resource of this site is shown, rather than its place told.
    pub(crate) fn is_rewrite(&self) -> bool {
        matches!(self.status, 200 | 404)
    }

    /// The path where a page must stand, or the rule does nothing but harm: what a rewrite shows,
    /// and where a redirect ends whose pattern takes its own target too. `None` where that
    /// depends on the request.
    pub(crate) fn page_needed(&self) -> Option<SitePath<'static>> {
        let (origin, local) = split_origin(&self.to)?;
        let path = local.split(['?', '#']).next()?;
        if !origin.is_empty() || reach::has_placeholder(path) {
            return None;
        }
        let (path, _) = SitePath::from_target(path.as_bytes()).ok()?;
        let pattern = Pattern::new(&self.from).ok();
        let takes_it = !self.is_static
            && pattern.is_some_and(|pattern| pattern.matches(path.as_str()).is_some());
        (self.is_rewrite() || takes_it).then(|| path.into_owned())
    }
}

/// Parses the content of `file`.
pub(crate) fn parse(file: &Path, content: &[u8]) -> Result<Vec<Redirect>, Error> {
    let mut rules: Vec<Redirect> = Vec::new();
    let mut counts = [0, 0];
    for (number, line) in lines(file, content, LINE_CHARACTERS_MAX)? {
        let failed = |cause: String| Error::at_line(file, number, cause);
        let rule = parse_line(number, line).map_err(failed)?;
        let [patterns, statics] = &mut counts;
        let (count, bound, kind) = if rule.is_static {
            (statics, STATIC_RULES_MAX, "without")
        } else {
            (patterns, PATTERN_RULES_MAX, "with")
        };
        *count += 1;
        if *count > bound {
            let cause = format!("there are more than {bound} rules {kind} placeholders or `*`");
            return Err(failed(cause));
        }
        rules.push(rule);
    }
    reach::check(file, &rules)?;
    Ok(rules)
}

fn parse_line(line: usize, text: &str) -> Result<Redirect, String> {
    // A comment begins at a word, so that `/a /b#c` keeps its fragment.
    let mut words = text
        .split_whitespace()
        .take_while(|word| !word.starts_with('#'));
    let from = words.next().unwrap_or_default();
    let (from, is_static) = pattern(from)?;
    let to = words.next().ok_or("the target is missing")?;
    if is_pair(to) {
        return Err(one_host("a rule for a query", to));
    }
    let (status, force) = match words.next() {
        Some(word) => status(word)?,
        None => (STATUS_DEFAULT, false),
    };
    if let Some(word) = words.next() {
        return Err(if is_pair(word) {
            one_host("a condition", word)
        } else {
            format!("`{word}` stands behind the status")
        });
    }
    let splat_inside = from.find('*').is_some_and(|at| at + 1 != from.len());
    if !is_static && (splat_inside || (from.contains('*') && !from.ends_with("/*"))) {
        return Err("`*` stands at the end, as a segment: `/news/*`".to_owned());
    }
    let to = target::check(to, (!is_static).then_some(&*from), status)?;
    Ok(Redirect {
        line,
        from,
        to,
        status,
        force,
        is_static,
    })
}

/// `name=value`, as Netlify's queries and conditions are written.
fn is_pair(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    name.len() < word.len()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn one_host(what: &str, word: &str) -> String {
    format!("{what} (`{word}`) belongs to one hosting service only, Netlify")
}

fn status(word: &str) -> Result<(u16, bool), String> {
    let (digits, force) = match word.strip_suffix('!') {
        Some(digits) => (digits, true),
        None => (word, false),
    };
    if is_pair(word) {
        return Err(one_host("a condition", word));
    }
    match digits {
        "200" => Ok((200, force)),
        "301" => Ok((301, force)),
        "302" => Ok((302, force)),
        "303" => Ok((303, force)),
        "307" => Ok((307, force)),
        "308" => Ok((308, force)),
        "404" => Ok((404, force)),
        _ if digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Err(format!(
            "the status {digits} belongs to one hosting service only, if to any; there are \
                 200, 301, 302, 303, 307, 308 and 404"
        )),
        _ => Err(format!("`{word}` is not a status such as 301 or 301!")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LINE_CHARACTERS_MAX, PATTERN_RULES_MAX, Redirect, STATIC_RULES_MAX};

    fn parse(text: &str) -> Result<Vec<Redirect>, String> {
        super::parse(Path::new("_redirects"), text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn rules_are_read() {
        let shown = |rule: &Redirect| {
            let force = if rule.force { "!" } else { "" };
            let kind = if rule.is_static { "" } else { " pattern" };
            format!("{} > {} {}{force}{kind}", rule.from, rule.to, rule.status)
        };
        for (line, expected) in [
            ("/a /b", "/a > /b 302"),
            ("/a /b 301", "/a > /b 301"),
            ("\t/a\t\t/b   308! ", "/a > /b 308!"),
            ("/a /b # 301", "/a > /b 302"),
            ("/a /b 303 #x", "/a > /b 303"),
            ("/a /b#c", "/a > /b#c 302"),
            ("/a /b?c=d/../e:1#f 307", "/a > /b?c=d/../e:1#f 307"),
            ("/a%20b /c%20d", "/a b > /c%20d 302"),
            ("/ü /ö?ä=|", "/ü > /%C3%B6?%C3%A4=%7C 302"),
            ("/w/A%3Ab /B%3Ab", "/w/A:b > /B%3Ab 302"),
            ("/a https://x.example", "/a > https://x.example 302"),
            (
                "/a HTTPS://x.example/y//z",
                "/a > https://x.example/y//z 302",
            ),
            (
                "/a/* http://x:80/:splat",
                "/a/* > http://x:80/:splat 302 pattern",
            ),
            (
                "/n/:y/* /b/:y/:splat 301",
                "/n/:y/* > /b/:y/:splat 301 pattern",
            ),
            (
                "/n/:y/:m /b/:y-:m.html",
                "/n/:y/:m > /b/:y-:m.html 302 pattern",
            ),
            ("/* /index.html 200", "/* > /index.html 200 pattern"),
            ("/shop/* /closed 404!", "/shop/* > /closed 404! pattern"),
        ] {
            let rules = parse(line).unwrap();
            assert_eq!(rules.iter().map(shown).collect::<Vec<_>>(), [expected]);
        }
        let lines: Vec<_> = parse("# c\n\n/a /b\r\n  \n/c /d")
            .unwrap()
            .iter()
            .map(|rule| rule.line)
            .collect();
        assert_eq!(lines, [3, 5]);
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        for (line, part) in [
            ("/a", "the target is missing"),
            ("/a # /b", "the target is missing"),
            ("/a 301", "the target is missing"),
            ("/a 410!", "the target is missing"),
            ("a /b", "does not begin with `/`"),
            ("/a b", "neither a path"),
            ("/a //evil.example/x", "neither a path"),
            ("/a https://u@x.example/", "neither a path"),
            ("/a https:///x", "neither a path"),
            ("/a https://ü.example/", "neither a path"),
            ("/a ftp://x.example/", "neither a path"),
            ("/a javascript:alert(1)", "neither a path"),
            ("/:a https://:a.example/", "neither a path"),
            ("/* https://x.example:splat", "neither a path"),
            ("/a /b\\c", "a name holds"),
            ("/a /b/../c", "`..` segment"),
            ("/a /b//c", "an empty"),
            ("/a /%2e%2e/b", "above the root"),
            ("/a /b?%4", "hexadecimal"),
            ("/a https://x.example/%4", "hexadecimal"),
            ("/a /b#c#d", "two fragments"),
            ("/a/* /b/*", "called `:splat`"),
            ("/:year /b/:yaer", "the target names `:yaer`"),
            ("/a /b/:splat", "the target names `:splat`"),
            ("/a /B:b", "write `%3A`"),
            ("/a*/b /c", "`*` stands at the end"),
            ("/*.php /c", "`*` stands at the end"),
            ("/a* /c", "`*` stands at the end"),
            ("/a /b 3O1", "is not a status"),
            ("/a /b 301 x", "stands behind the status"),
            ("/a /b?c 200", "no `?`"),
            ("/-/ready /b", "own pages"),
        ] {
            let cause = parse(&format!("\n{line}")).unwrap_err();
            assert!(
                cause.starts_with("_redirects:2: ") && cause.contains(part),
                "{line}: {cause}"
            );
        }
    }

    #[test]
    fn what_one_host_alone_understands_is_refused_as_that() {
        for line in [
            "https://a.example/* /b",
            "http://a.example/x /b",
            "/store id=:id /blog/:id 301",
            "/ /de 302 Language=de",
            "/ /au 302! Country=au,nz",
            "/a /b Country=au",
            "/admin/* /login 302 Role=admin",
            "/api/* https://api.example/:splat 200",
            "/gone /410.html 410",
            "/legal /451.html 451!",
        ] {
            let cause = parse(line).unwrap_err();
            assert!(
                cause.contains("one hosting service only"),
                "{line}: {cause}"
            );
        }
    }

    #[test]
    fn some_rules_need_a_page() {
        for (line, path) in [
            ("/* /index.html 200", Some("/index.html")),
            ("/a /b%20c 404!", Some("/b c")),
            ("/* /closed#x 302", Some("/closed")),
            ("/a /b", None),
            ("/a/* /b", None),
            ("/a/* /:splat 200", None),
            ("/* https://x.example/", None),
        ] {
            let needed = parse(line).unwrap()[0].page_needed();
            assert_eq!(needed.as_ref().map(|path| path.as_str()), path, "{line}");
        }
    }

    #[test]
    fn there_are_bounds() {
        let rules = |count: usize, kind: &str| -> String {
            (0..count).map(|n| format!("/{n}{kind} /to\n")).collect()
        };
        assert!(parse(&rules(STATIC_RULES_MAX, "")).is_ok());
        assert!(parse(&rules(PATTERN_RULES_MAX, "/*")).is_ok());
        let cause = parse(&rules(STATIC_RULES_MAX + 1, "")).unwrap_err();
        assert_eq!(
            cause,
            "_redirects:2001: there are more than 2000 rules without placeholders or `*`"
        );
        let cause = parse(&rules(PATTERN_RULES_MAX + 1, "/*")).unwrap_err();
        assert!(cause.starts_with("_redirects:101: "), "{cause}");
        let cause = parse(&format!("/a /{}", "b".repeat(LINE_CHARACTERS_MAX))).unwrap_err();
        assert!(cause.contains("longer than 1000"), "{cause}");
    }

    /// Whatever stands in the file, it is read or refused, and what is read can be used.
    #[test]
    fn any_text_is_read_or_refused() {
        let pieces = [
            "/",
            "/a",
            "/:a",
            "/*",
            " ",
            " /b",
            " /:splat",
            "/:a",
            " 301",
            " 200!",
            "\n",
            "#",
            "%",
            "%2e",
            "https://x",
            "http:",
            "=",
            ":",
            "!",
            "?",
            "..",
            "é",
            "\t",
            "\u{0}",
            "\\",
        ];
        let mut numbers = crate::testing::Random(3);
        let mut random = |bound: usize| numbers.below(bound);
        let mut read = 0;
        for _ in 0..100_000 {
            let count = random(12);
            let text: String = (0..count).map(|_| pieces[random(pieces.len())]).collect();
            for rule in parse(&text).unwrap_or_default() {
                let pattern = crate::rules::Pattern::new(&rule.from);
                assert!(rule.is_static || pattern.is_ok(), "{text:?}");
                read += 1;
            }
        }
        assert!(read > 300, "{read}");
    }
}
