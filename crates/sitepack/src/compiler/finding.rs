//! Findings: what `check` says, a line each.

use std::fmt;

/// Something that the author of a site should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file that it is in, as the author knows it.
    pub file: String,
    /// The line, counted from 1; 0 is the file as a whole.
    pub line: u32,
    /// What sort it is.
    pub kind: FindingKind,
    /// What it is, in a line.
    pub text: String,
}

/// The sorts of findings. Their names are part of the command line: `--deny dead-link`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A URL leads to a path of this site where nothing is.
    DeadLink,
    /// A URL leads out of the prefix that the site stands under.
    OutsideBase,
    /// Two paths differ only in the case of their letters.
    CaseClash,
    /// A page loads something from another host.
    ExternalLoad,
    /// A page speaks to another host without loading anything: a form, a ping, a preconnect.
    ExternalContact,
    /// A script stands in the page.
    InlineScript,
    /// A style sheet stands in the page, or in attributes.
    InlineStyle,
    /// An `on…` attribute or a `javascript:` URL.
    InlineHandler,
    /// A script makes programs of texts.
    Eval,
    /// The page's policy had to be made weaker than hashes are.
    PolicyRelaxed,
    /// The page's policy blocks something that the page does.
    PolicyBlocks,
    /// The page states a policy of its own, which holds too.
    OwnPolicy,
    /// The file is not UTF-8: browsers guess, and hashes may be of another text.
    NotUtf8,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [FindingKind; 13] = [
        FindingKind::DeadLink,
        FindingKind::OutsideBase,
        FindingKind::CaseClash,
        FindingKind::ExternalLoad,
        FindingKind::ExternalContact,
        FindingKind::InlineScript,
        FindingKind::InlineStyle,
        FindingKind::InlineHandler,
        FindingKind::Eval,
        FindingKind::PolicyRelaxed,
        FindingKind::PolicyBlocks,
        FindingKind::OwnPolicy,
        FindingKind::NotUtf8,
    ];

    /// The kind's name, which does not change.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::DeadLink => "dead-link",
            FindingKind::OutsideBase => "outside-base",
            FindingKind::CaseClash => "case-clash",
            FindingKind::ExternalLoad => "external-load",
            FindingKind::ExternalContact => "external-contact",
            FindingKind::InlineScript => "inline-script",
            FindingKind::InlineStyle => "inline-style",
            FindingKind::InlineHandler => "inline-handler",
            FindingKind::Eval => "eval",
            FindingKind::PolicyRelaxed => "policy-relaxed",
            FindingKind::PolicyBlocks => "policy-blocks",
            FindingKind::OwnPolicy => "own-policy",
            FindingKind::NotUtf8 => "not-utf-8",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<FindingKind> {
        FindingKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Whether it breaks nothing under the policy that is made: worth a number, not a line each.
    #[must_use]
    pub fn is_note(self) -> bool {
        match self {
            FindingKind::InlineScript | FindingKind::InlineStyle | FindingKind::InlineHandler => {
                true
            }
            FindingKind::DeadLink
            | FindingKind::OutsideBase
            | FindingKind::CaseClash
            | FindingKind::ExternalLoad
            | FindingKind::ExternalContact
            | FindingKind::Eval
            | FindingKind::PolicyRelaxed
            | FindingKind::PolicyBlocks
            | FindingKind::OwnPolicy
            | FindingKind::NotUtf8 => false,
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            file,
            line,
            kind,
            text,
        } = self;
        match line {
            0 => write!(formatter, "{file}: {kind}: {text}"),
            line => write!(formatter, "{file}:{line}: {kind}: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FindingKind;

    #[test]
    fn every_kind_has_its_name() {
        for kind in FindingKind::ALL {
            assert_eq!(FindingKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(FindingKind::from_name("x"), None);
    }
}
