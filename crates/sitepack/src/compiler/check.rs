//! Check: what will break once the site is served from one file, perhaps without a network.
//!
//! In two steps, because a link can only be judged when all paths are known. [`report`] reduces
//! the scan of a page, as soon as it is made, to what is still open; it is called from many
//! threads. [`findings`] judges that at the end. The findings are sorted: neither threads nor
//! directories have an order that shows.

use std::collections::{BTreeMap, HashSet};

use super::finding::{Finding, FindingKind};
use super::resolve::{Base, Resolved};
use super::scan::{Occurrence, ReferenceKind, Remark, Scan};
use crate::path::SitePath;

/// How much of a URL a finding shows. Some are whole programs.
const SHOWN_CHARS_MAX: usize = 200;

/// The file that a scan is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'a> {
    /// The canonical path that it is served under.
    pub(crate) path: &'a str,
    /// The file's name, for messages.
    pub(crate) origin: &'a str,
    /// The prefix that the site stands under: `/`, or with a final `/`.
    pub(crate) base_path: &'a str,
}

/// What is left of a page's scan until all paths are known.
#[derive(Debug)]
pub(crate) struct PageReport {
    origin: Box<str>,
    /// Paths of this site, each once.
    unresolved: Box<[Unresolved]>,
    settled: Box<[Settled]>,
}

#[derive(Debug)]
struct Unresolved {
    line: u32,
    kind: ReferenceKind,
    path: Box<str>,
}

#[derive(Debug)]
struct Settled {
    line: u32,
    kind: FindingKind,
    text: Box<str>,
}

/// Reduces a scan. `known` may say of paths early that they exist, by the names of the files for
/// instance: what it affirms is not kept. It need not know all, and must not affirm what is not.
pub(crate) fn report(
    checked: Checked<'_>,
    scan: &Scan,
    known: &dyn Fn(&str) -> bool,
) -> PageReport {
    let base = Base::new(checked.path, scan.base.as_deref());
    let mut met: HashSet<SitePath<'static>> = HashSet::new();
    let mut unresolved = Vec::new();
    let mut settled: Vec<Settled> = scan.remarks.iter().map(remarked).collect();
    for reference in &scan.references {
        let line = reference.line;
        let mut settle = |kind, text: String| {
            let text = text.into_boxed_str();
            settled.push(Settled { line, kind, text });
        };
        match base.resolve(&reference.target) {
            Resolved::NoPlace => {}
            Resolved::Outside => {
                if let Some(kind) = external(reference.kind) {
                    let what = noun(reference.kind);
                    settle(kind, format!("{what} `{}`", shown(&reference.target)));
                }
            }
            Resolved::Nowhere(error) => {
                let target = shown(&reference.target);
                settle(
                    FindingKind::DeadLink,
                    format!("`{target}` is no path: {error}"),
                );
            }
            Resolved::Inside(path) if known(path.as_str()) || met.contains(&path) => {}
            Resolved::Inside(path) => {
                unresolved.push(Unresolved {
                    line,
                    kind: reference.kind,
                    path: path.as_str().into(),
                });
                met.insert(path);
            }
        }
    }
    let leaves = |open: &Unresolved| {
        let base = checked.base_path;
        !open.path.starts_with(base) && Some(&*open.path) != base.strip_suffix('/')
    };
    for open in unresolved.extract_if(.., |open| leaves(open)) {
        let text = format!("`{}` leaves `{}`", shown(&open.path), checked.base_path).into();
        let (line, kind) = (open.line, FindingKind::OutsideBase);
        settled.push(Settled { line, kind, text });
    }
    PageReport {
        origin: checked.origin.into(),
        unresolved: unresolved.into_boxed_slice(),
        settled: settled.into_boxed_slice(),
    }
}

/// Judges the reports. `resolves` says whether this site answers at a canonical path with
/// something else than 404; `paths` are those of its resources.
pub(crate) fn findings<'a>(
    reports: impl IntoIterator<Item = PageReport>,
    resolves: &dyn Fn(&str) -> bool,
    paths: impl Iterator<Item = &'a str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for report in reports {
        let finding = |line, kind, text| Finding {
            file: report.origin.to_string(),
            line,
            kind,
            text,
        };
        for open in report
            .unresolved
            .iter()
            .filter(|open| !resolves(&open.path))
        {
            let text = format!("{} `{}` is not there", noun(open.kind), shown(&open.path));
            findings.push(finding(open.line, FindingKind::DeadLink, text));
        }
        for Settled { line, kind, text } in report.settled {
            findings.push(finding(line, kind, text.into_string()));
        }
    }
    findings.extend(case_clashes(paths));
    findings.sort_unstable();
    findings
}

/// Paths that a file system without case, or a person on the telephone, cannot tell apart.
fn case_clashes<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let mut folded: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for path in paths {
        folded.entry(path.to_lowercase()).or_default().push(path);
    }
    let mut findings = Vec::new();
    for mut clash in folded.into_values() {
        clash.sort_unstable();
        clash.dedup();
        let mut clash = clash.into_iter();
        let first = clash.next().unwrap_or_default();
        findings.extend(clash.map(|path| Finding {
            file: path.to_owned(),
            line: 0,
            kind: FindingKind::CaseClash,
            text: format!("`{first}` differs from it only in case"),
        }));
    }
    findings
}

fn remarked((remark, occurrence): (&Remark, &Occurrence)) -> Settled {
    let Occurrence { line, count } = *occurrence;
    let (kind, text) = match remark {
        Remark::InlineScript => (FindingKind::InlineScript, number(count, "inline script")),
        Remark::InlineStyle => (
            FindingKind::InlineStyle,
            number(count, "inline style sheet"),
        ),
        Remark::StyleAttribute => (FindingKind::InlineStyle, number(count, "style attribute")),
        Remark::InlineHandler => (FindingKind::InlineHandler, number(count, "event handler")),
        Remark::JavascriptUrl => (FindingKind::InlineHandler, number(count, "javascript: URL")),
        Remark::Eval => (FindingKind::Eval, number(count, "program made of a text")),
        Remark::OwnPolicy => {
            let text = "a policy in the page: where both apply, the stricter wins";
            (FindingKind::OwnPolicy, text.to_owned())
        }
        Remark::WritesHandler => {
            let text = "a script writes event handlers into pages: use addEventListener";
            (FindingKind::PolicyBlocks, text.to_owned())
        }
        Remark::DataCode => {
            let text = "a script, style sheet or object from a data: URL";
            (FindingKind::PolicyBlocks, text.to_owned())
        }
        Remark::NotUtf8 => (FindingKind::NotUtf8, "it is not UTF-8".to_owned()),
    };
    let text = text.into_boxed_str();
    Settled { line, kind, text }
}

fn number(count: u32, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// What a URL of another host is; links are what the web is made of.
fn external(kind: ReferenceKind) -> Option<FindingKind> {
    match kind {
        ReferenceKind::Link => None,
        ReferenceKind::Form | ReferenceKind::Contact => Some(FindingKind::ExternalContact),
        ReferenceKind::Script
        | ReferenceKind::Style
        | ReferenceKind::Image
        | ReferenceKind::Font
        | ReferenceKind::Media
        | ReferenceKind::Frame
        | ReferenceKind::Object
        | ReferenceKind::Manifest
        | ReferenceKind::Prefetch => Some(FindingKind::ExternalLoad),
    }
}

fn noun(kind: ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Link => "link",
        ReferenceKind::Script => "script",
        ReferenceKind::Style => "style sheet",
        ReferenceKind::Image => "image",
        ReferenceKind::Font => "font",
        ReferenceKind::Media => "audio or video",
        ReferenceKind::Frame => "frame",
        ReferenceKind::Object => "object",
        ReferenceKind::Manifest => "manifest",
        ReferenceKind::Prefetch => "load",
        ReferenceKind::Form => "form to",
        ReferenceKind::Contact => "contact with",
    }
}

/// As much of a URL as fits into a line.
fn shown(target: &str) -> String {
    let mut characters = target.chars();
    let mut shown: String = characters.by_ref().take(SHOWN_CHARS_MAX).collect();
    shown = shown.replace(char::is_control, "\u{FFFD}");
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Checked, findings, report};
    use crate::compiler::scan;

    /// What is found in a page at `/docs/a/`, among `/docs/a/`, `/docs/b` and `/docs/C.html`.
    fn found(page: &str) -> Vec<String> {
        let paths = ["/docs/a/", "/docs/b", "/docs/C.html"];
        let checked = Checked {
            path: "/docs/a/",
            origin: "a/index.html",
            base_path: "/docs/",
        };
        let known = |path: &str| path == "/docs/b";
        let report = report(checked, &scan::html(page.as_bytes()), &known);
        let resolves = |path: &str| path == "/docs" || paths.contains(&path);
        let found = findings([report], &resolves, paths.into_iter());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_are_judged_by_where_they_lead() {
        for (page, expected) in [
            ("<a href=../b>", ""),
            ("<a href=../b#x>", ""),
            ("<a href=.>", ""),
            ("<a href=/docs>", ""),
            ("<a href=https://a.example/>", ""),
            ("<link rel=canonical href=https://a.example/>", ""),
            ("<a href=mailto:a@b.example>", ""),
            (
                "\n<a href=c>",
                "a/index.html:2: dead-link: link `/docs/a/c` is not there",
            ),
            (
                "<a href=%zz>",
                "a/index.html:1: dead-link: `%zz` is no path: a `%` is not followed \
              by two hexadecimal digits",
            ),
            (
                "<a href=../c.html>",
                "a/index.html:1: dead-link: link `/docs/c.html` is not there",
            ),
            (
                "<img src=/x.png>",
                "a/index.html:1: outside-base: `/x.png` leaves `/docs/`",
            ),
            (
                "<img src=//h.example/x>",
                "a/index.html:1: external-load: image `//h.example/x`",
            ),
            (
                "<a ping=//h.example/ href=.>",
                "a/index.html:1: external-contact: contact with `//h.example/`",
            ),
            (
                "<form action=https://h.example/>",
                "a/index.html:1: external-contact: form to `https://h.example/`",
            ),
            (
                "<style>@font-face{src:url(//f.example/f)}</style>",
                "a/index.html:1: external-load: font `//f.example/f`,\
              a/index.html:1: inline-style: 1 inline style sheet",
            ),
            (
                "<p style=a><p style=b>",
                "a/index.html:1: inline-style: 2 style attributes",
            ),
        ] {
            assert_eq!(found(page).join(","), expected, "{page}");
        }
    }

    #[test]
    fn one_dead_target_is_one_finding() {
        let page = "<a href=c>\n<a href=./c#x>\n<a href=/docs/a/c?y><img src=c>";
        assert_eq!(found(page).len(), 1);
    }

    #[test]
    fn names_that_differ_in_case_clash_in_any_script() {
        let paths = ["/a", "/A", "/É", "/é", "/b", "/a"];
        let found = findings([], &|_| true, paths.into_iter());
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "/a: case-clash: `/A` differs from it only in case",
                "/é: case-clash: `/É` differs from it only in case",
            ]
        );
    }
}
