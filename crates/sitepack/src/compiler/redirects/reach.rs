//! Rules that no request reaches, and rules that lead to themselves: both are mistakes that a
//! server would keep to itself.

use std::collections::HashMap;
use std::path::Path;

use super::super::error::Error;
use super::Redirect;
use crate::rules::{Captures, Pattern, location, placeholder, split_origin};

/// After so many redirects in a row browsers give up.
const HOPS_MAX: usize = 20;

/// Checks rules in their order.
pub(super) fn check(file: &Path, rules: &[Redirect]) -> Result<(), Error> {
    let site = Rules::new(rules);
    for rule in rules {
        if let Some(earlier) = site.earlier_that_takes_all(rule) {
            let cause = format!(
                "no request reaches this rule: the one in line {} takes all of its paths first",
                earlier.line
            );
            return Err(Error::at_line(file, rule.line, cause));
        }
    }
    for rule in rules.iter().filter(|rule| !rule.is_rewrite()) {
        if let Some(cause) = site.leads_back(rule) {
            return Err(Error::at_line(file, rule.line, cause));
        }
    }
    Ok(())
}

/// The rules, to be looked up as the server does.
struct Rules<'r> {
    /// The first rule for each path.
    statics: HashMap<&'r str, &'r Redirect>,
    patterns: Vec<(Pattern<'r>, &'r Redirect)>,
}

impl<'r> Rules<'r> {
    fn new(rules: &'r [Redirect]) -> Rules<'r> {
        let mut statics = HashMap::new();
        let mut patterns = Vec::new();
        for rule in rules {
            if rule.is_static {
                statics.entry(&*rule.from).or_insert(rule);
            } else if let Ok(pattern) = Pattern::new(&rule.from) {
                patterns.push((pattern, rule));
            }
        }
        Rules { statics, patterns }
    }

    /// The rule that decides for a path: the first that matches.
    fn deciding<'p>(&self, path: &'p str) -> Option<(&'r Redirect, Captures<'r, 'p>)> {
        let fixed = self
            .statics
            .get(path)
            .map(|rule| (*rule, Captures::default()));
        let by_pattern = self
            .patterns
            .iter()
            .find_map(|(pattern, rule)| Some((*rule, pattern.matches(path)?)));
        [fixed, by_pattern]
            .into_iter()
            .flatten()
            .min_by_key(|(rule, _)| rule.line)
    }

    fn earlier_that_takes_all(&self, rule: &Redirect) -> Option<&'r Redirect> {
        if rule.is_static {
            let (first, _) = self.deciding(&rule.from)?;
            return (first.line < rule.line).then_some(first);
        }
        let mut earlier = self.patterns.iter().map(|(_, earlier)| *earlier);
        earlier.find(|earlier| earlier.line < rule.line && takes_all(&earlier.from, &rule.from))
    }

    /// Follows a redirect until it leaves the site or arrives; what is wrong if it comes back
    /// instead, or does not arrive in time.
    fn leads_back(&self, start: &Redirect) -> Option<String> {
        let mut path = a_path_of(start);
        let mut lines = Vec::new();
        loop {
            let (rule, captures) = self.deciding(&path)?;
            // Where a page must stand, it ends the way: it comes before the rule.
            if rule.is_rewrite() || (!rule.force && rule.page_needed().is_some()) {
                return None;
            }
            let comes_back = rule.is_static && lines.contains(&rule.line);
            if comes_back || lines.len() == HOPS_MAX {
                return Some(way(&lines, comes_back));
            }
            lines.push(rule.line);
            path = local_path(&location(&rule.to, &captures).ok()?)?;
        }
    }
}

fn way(lines: &[usize], comes_back: bool) -> String {
    match lines {
        [first, others @ ..] if others.iter().all(|line| line == first) => {
            "the redirect leads to itself".to_owned()
        }
        lines if comes_back => {
            let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
            let lines = lines.join(", ");
            format!("the redirect leads back to itself, by lines {lines}")
        }
        _ => format!("the redirect leads on over {HOPS_MAX} other redirects"),
    }
}

/// A path that the rule takes: for a pattern, with a character in each open place that no author
/// writes, so that only what takes every path takes this one.
fn a_path_of(rule: &Redirect) -> String {
    if rule.is_static {
        return rule.from.clone();
    }
    let segments = rule.from.split('/').map(|segment| match segment {
        "*" => "\u{e000}",
        named if named.starts_with(':') => "\u{e000}",
        fixed => fixed,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The decoded path of a location of this site.
fn local_path(location: &str) -> Option<String> {
    let (origin, local) = split_origin(location)?;
    let path = local.split(['?', '#']).next()?;
    let (path, _) = crate::path::SitePath::from_target(path.as_bytes()).ok()?;
    origin.is_empty().then(|| path.as_str().to_owned())
}

/// Whether every path that `inner` takes is taken by `outer`, both as `_redirects` has them.
fn takes_all(outer: &str, inner: &str) -> bool {
    let (outer, outer_splat) = head(outer);
    let (inner, inner_splat) = head(inner);
    let mut inner = inner.split('/').skip(1);
    for ours in outer.split('/').skip(1) {
        let Some(theirs) = inner.next() else {
            return false;
        };
        let is_covered = match (ours.starts_with(':'), theirs.starts_with(':')) {
            (true, _) => !theirs.is_empty(),
            (false, true) => false,
            (false, false) => ours == theirs,
        };
        if !is_covered {
            return false;
        }
    }
    outer_splat || (inner.next().is_none() && !inner_splat)
}

/// What stands before `/*`, and whether there is a `*`.
fn head(pattern: &str) -> (&str, bool) {
    match pattern.strip_suffix("/*") {
        Some(head) => (head, true),
        None => (pattern, false),
    }
}

/// Whether something of the request is put into a target.
pub(super) fn has_placeholder(to: &str) -> bool {
    to.match_indices(':')
        .any(|(at, _)| to.get(at..).and_then(placeholder).is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn check(text: &str) -> Result<(), String> {
        let parsed = super::super::parse(Path::new("r"), text.as_bytes());
        parsed.map(|_| ()).map_err(|e| e.to_string())
    }

    #[test]
    fn rules_that_are_never_reached_name_both_lines() {
        for (earlier, later) in [
            ("/a /x", "/a /y"),
            ("/a /x", "/%61 /y"),
            ("/* /x 200", "/a /y"),
            ("/* /x 200", "/a/* /y"),
            ("/* /x 200", "/:a /y"),
            ("/a/* /x", "/a /y"),
            ("/a/* /x", "/a/ /y"),
            ("/a/* /x", "/a/b/:c /y"),
            ("/:a /x", "/b /y"),
            ("/:a /x/1", "/:b /y/1"),
            ("/:a/b /x", "/c/b /y"),
            ("/:a/* /x/1 200", "/b/:c /y"),
        ] {
            let cause = check(&format!("{earlier}\n\n{later}")).unwrap_err();
            let expected = "r:3: no request reaches this rule: the one in line 1 takes all of its \
                            paths first";
            assert_eq!(cause, expected, "{earlier}; {later}");
        }
    }

    #[test]
    fn rules_that_share_some_paths_may_follow_each_other() {
        for text in [
            "/a /x\n/:b /y/1",
            "/a/b /x\n/a/* /y",
            "/:a/b /x\n/:a/:b /y",
            "/a /x\n/a/ /y",
            "/a/:b /x\n/a/* /y",
            "/:a /x/1\n/:a/ /y/1",
            "/:a/b /x\n/b/:a /y",
            "/a/* /x\n/ab /y",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn redirects_that_lead_to_themselves_are_refused() {
        for (text, cause) in [
            ("/a /a 301", "r:1: the redirect leads to itself"),
            ("/a /%61?b#c", "r:1: the redirect leads to itself"),
            (
                "/a /b\n/b /a",
                "r:1: the redirect leads back to itself, by lines 1, 2",
            ),
            (
                "/a /b\n/b /c\n/c /a",
                "r:1: the redirect leads back to itself, by lines 1, 2, 3",
            ),
            (
                "/x /a\n/a /b\n/b /a",
                "r:1: the redirect leads back to itself, by lines 1, 2, 3",
            ),
            (
                "/a /b/1\n/b/* /a",
                "r:1: the redirect leads back to itself, by lines 1, 2",
            ),
            ("/* /:splat", "r:1: the redirect leads to itself"),
            ("/* /new/:splat", "r:1: the redirect leads to itself"),
            ("/a/* /a/:splat.html", "r:1: the redirect leads to itself"),
            ("/:a /:a?b", "r:1: the redirect leads to itself"),
            ("/:a /x:a", "r:1: the redirect leads to itself"),
            ("/:a/:b /:b/:a", "r:1: the redirect leads to itself"),
            ("/* /closed 302!", "r:1: the redirect leads to itself"),
        ] {
            let refused = check(text).unwrap_err();
            assert_eq!(refused, cause, "{text}");
        }
    }

    #[test]
    fn a_chain_has_a_bound_and_is_followed_in_time() {
        let chain =
            |links: usize| -> String { (0..links).map(|n| format!("/{n} /{}\n", n + 1)).collect() };
        assert_eq!(check(&chain(20)), Ok(()));
        let refused = check(&chain(2_000)).unwrap_err();
        assert_eq!(
            refused,
            "r:1: the redirect leads on over 20 other redirects"
        );
        let refused = check("/a/* /b/:splat\n/b/* /a/:splat").unwrap_err();
        assert_eq!(
            refused,
            "r:1: the redirect leads on over 20 other redirects"
        );
        let refused = check("/a /b/1\n/b/* /c/:splat/x\n/c/* /b/:splat").unwrap_err();
        assert_eq!(
            refused,
            "r:1: the redirect leads on over 20 other redirects"
        );
    }

    #[test]
    fn redirects_that_arrive_are_taken() {
        for text in [
            "/a /b\n/b /c",
            "/a /b 301\n/b /a 200",
            "/* /closed 302",
            "/a/* /a",
            "/x/* /:splat",
            "/* /a/b 200",
            "/* https://x.example/:splat",
            "/a https://x.example/a",
            "/:a /:a/",
            "/:a /x/:a",
            "/old/* /new/:splat",
            "/:a/x /:a/y",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}
