//! Survey: what each page refers to and needs, while it is at hand; and at the end, when all
//! paths are known, its policy and what its author should know.

use std::collections::{BTreeMap, HashSet};

use super::check::{self, Checked, PageReport};
use super::encode::Placed;
use super::finding::Finding;
use super::page::{Page, Policy};
use super::policy;
use super::scan::{self, Inline, Need, Needs};

/// Whether and how browsers are told what a page may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Csp {
    /// They are told nothing.
    Off,
    /// They report what the policy would have refused, and do it.
    Report,
    /// They refuse what the policy does not allow.
    #[default]
    Enforce,
}

impl Csp {
    /// Every one.
    pub const ALL: [Csp; 3] = [Csp::Off, Csp::Report, Csp::Enforce];

    /// The name, as `--csp` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Csp::Off => "off",
            Csp::Report => "report",
            Csp::Enforce => "enforce",
        }
    }

    /// The field that states a policy, if one is stated.
    const fn field(self) -> Option<&'static str> {
        match self {
            Csp::Off => None,
            Csp::Report => Some("Content-Security-Policy-Report-Only"),
            Csp::Enforce => Some("Content-Security-Policy"),
        }
    }
}

/// What is known of a site before its pages are read.
pub(crate) struct Survey<'a> {
    pub(crate) csp: Csp,
    /// Where each mount stands.
    pub(crate) mounts: &'a [String],
    /// Paths that will be there.
    pub(crate) known: HashSet<&'a str>,
}

/// What was found in a page.
#[derive(Debug, Default)]
pub(crate) struct Surveyed {
    /// What a policy is made of, if it is a page.
    inline: Option<Box<Inline>>,
    /// What its scripts and style sheets need, wherever they are loaded.
    needs: Needs,
    report: Option<PageReport>,
}

impl Surveyed {
    /// What is open until all paths are known.
    pub(crate) fn take_report(&mut self) -> Option<PageReport> {
        self.report.take()
    }
}

/// What a file is to a browser, as far as it can refer to others.
enum Form {
    Html,
    Svg,
    Css,
    Script,
}

impl Form {
    fn of(media_type: &str) -> Option<Form> {
        match media_type {
            "text/html" => Some(Form::Html),
            "image/svg+xml" | "application/xhtml+xml" => Some(Form::Svg),
            "text/css" => Some(Form::Css),
            "text/javascript" | "application/javascript" => Some(Form::Script),
            _ => None,
        }
    }
}

impl Survey<'_> {
    /// Looks through the content of a page.
    pub(crate) fn page(&self, page: &Page, content: &[u8]) -> Surveyed {
        let mut surveyed = Surveyed::default();
        if page.media_type == "application/wasm" {
            surveyed.needs.insert(Need::WebAssembly);
        }
        let Some(form) = Form::of(&page.media_type) else {
            return surveyed;
        };
        let scan = match form {
            Form::Html => scan::html(content),
            Form::Svg => scan::svg(content),
            Form::Css => scan::css(content),
            Form::Script => scan::script(content),
        };
        let base_path = self.mounts.get(page.mount).map_or("/", String::as_str);
        let checked = Checked {
            path: page.path.as_str(),
            origin: &page.origin,
            base_path,
        };
        let known = |path: &str| self.known.contains(path);
        surveyed.report = Some(check::report(checked, &scan, &known));
        match form {
            Form::Css | Form::Script => surveyed.needs = scan.inline.needs,
            Form::Html | Form::Svg => {}
        }
        match form {
            // A worker obeys the policy of its own script.
            Form::Html | Form::Svg | Form::Script => {
                surveyed.inline = Some(Box::new(scan.inline));
            }
            Form::Css => {}
        }
        surveyed
    }

    /// The policy of each page, and what is found about it.
    pub(crate) fn policies(&self, pages: &[Page], placed: &[Placed]) -> Policies {
        let mut needs = vec![Needs::default(); self.mounts.len()];
        for (page, placed) in pages.iter().zip(placed) {
            if let Some(needs) = needs.get_mut(page.mount) {
                *needs = needs.union(placed.surveyed.needs);
            }
        }
        let mut policies = Policies::default();
        let mut told = Told::default();
        for (page, placed) in pages.iter().zip(placed) {
            let needs = needs.get(page.mount).copied().unwrap_or_default();
            let policy = match (page.policy, &placed.surveyed.inline) {
                (Policy::Fixed(policy), _) => Some(("Content-Security-Policy", policy.to_owned())),
                (Policy::Computed, Some(inline)) => self.csp.field().map(|field| {
                    let policy = policy::policy(inline, needs);
                    told.add(policy.findings(&page.origin));
                    (field, policy.value)
                }),
                (Policy::Computed, None) => None,
            };
            policies.of_pages.push(policy);
        }
        policies.findings = told.findings();
        policies
    }
}

/// Findings that one script of a site causes on all of its pages: the first page, and a number.
#[derive(Default)]
struct Told(BTreeMap<String, (Finding, usize)>);

impl Told {
    fn add(&mut self, findings: impl Iterator<Item = Finding>) {
        for finding in findings {
            match self.0.get_mut(&finding.text) {
                Some((_, others)) => *others += 1,
                None => {
                    self.0.insert(finding.text.clone(), (finding, 0));
                }
            }
        }
    }

    fn findings(self) -> Vec<Finding> {
        let one = |(mut finding, others): (Finding, usize)| {
            if others > 0 {
                finding
                    .text
                    .push_str(&format!(" (and on {others} other pages)"));
            }
            finding
        };
        self.0.into_values().map(one).collect()
    }
}

/// The policies of pages, in their order.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) of_pages: Vec<Option<(&'static str, String)>>,
    pub(crate) findings: Vec<Finding>,
}
