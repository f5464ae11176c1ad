//! One rule of `_headers`: read line by line, applied to one path.

use super::super::rule_file::pattern;
use super::FieldChange;
use super::fields::{self, Merge};
use crate::path::percent_encode;
use crate::rules::{Captures, Pattern, placeholder};

/// How many fields a rule may set or remove: proxies refuse answers with more.
const FIELDS_MAX: usize = 100;

/// A pattern, and what it does to the fields of the paths that it takes.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) line: usize,
    /// A decoded path or pattern.
    pattern: String,
    is_static: bool,
    removed: Vec<String>,
    set: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    line: usize,
    name: String,
    value: String,
}

impl Rule {
    pub(super) fn new(line: usize, text: &str) -> Result<Rule, String> {
        if text.contains(char::is_whitespace) || !(text.starts_with('/') || text.contains("://")) {
            return Err(format!(
                "`{text}` is not a pattern such as `/docs/*`, and fields are indented"
            ));
        }
        let (pattern, is_static) = pattern(text)?;
        Ok(Rule {
            line,
            pattern,
            is_static,
            removed: Vec::new(),
            set: Vec::new(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.set.is_empty()
    }

    pub(super) fn add(&mut self, line: usize, text: &str) -> Result<(), String> {
        if self.set.len() + self.removed.len() == FIELDS_MAX {
            return Err(format!("the rule has more than {FIELDS_MAX} fields"));
        }
        if let Some(name) = text.strip_prefix('!') {
            let name = name.trim();
            if name.contains(':') {
                return Err(format!(
                    "`{text}`: what is removed is named without a value"
                ));
            }
            fields::check_removable(name)?;
            self.removed.push(name.to_owned());
            return Ok(());
        }
        if text.starts_with('/') {
            return Err(format!(
                "`{text}`: a pattern stands at the margin, without indentation"
            ));
        }
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}` is not a field such as `Name: value`"))?;
        let value = value.trim();
        fields::check(name, value)?;
        let same = |field: &&mut Field| field.name.eq_ignore_ascii_case(name);
        match (self.set.iter_mut().find(same), fields::merge(name)) {
            (Some(first), Merge::Join | Merge::JoinInRule) => join(&mut first.value, value),
            (Some(first), Merge::Replace) => {
                let line = first.line;
                return Err(format!("{name} has one value, and line {line} gives it"));
            }
            (None, Merge::Join | Merge::JoinInRule | Merge::Replace) => self.set.push(Field {
                line,
                name: name.to_owned(),
                value: value.to_owned(),
            }),
        }
        Ok(())
    }

    pub(super) fn matches<'p>(&self, path: &'p str) -> Option<Captures<'_, 'p>> {
        if self.is_static {
            return (self.pattern == path).then(Captures::default);
        }
        Pattern::new(&self.pattern).ok()?.matches(path)
    }

    pub(super) fn apply(&self, captures: &Captures<'_, '_>, changes: &mut Vec<FieldChange>) {
        for name in &self.removed {
            let name = name.clone();
            put(changes, FieldChange::Remove { name });
        }
        for Field { name, value, .. } in &self.set {
            let mut value = filled(value, captures);
            let known = changes
                .iter()
                .find(|change| change.name().eq_ignore_ascii_case(name));
            match (known, fields::merge(name)) {
                (Some(FieldChange::Set { value: before, .. }), Merge::Join) => {
                    let mut joined = before.clone();
                    join(&mut joined, &value);
                    value = joined;
                }
                (Some(FieldChange::Set { .. }), Merge::JoinInRule | Merge::Replace)
                | (Some(FieldChange::Remove { .. }) | None, _) => {}
            }
            let name = name.clone();
            put(changes, FieldChange::Set { name, value });
        }
    }
}

/// Puts a change in the place of one of the same name, or last.
fn put(changes: &mut Vec<FieldChange>, change: FieldChange) {
    let same = |known: &&mut FieldChange| known.name().eq_ignore_ascii_case(change.name());
    match changes.iter_mut().find(same) {
        Some(known) => *known = change,
        None => changes.push(change),
    }
}

/// RFC 9110 §5.3: several lines of one name are one list.
fn join(value: &mut String, more: &str) {
    value.push_str(", ");
    value.push_str(more);
}

/// A value with what the pattern took in the place of `:name` and `:splat`, percent-encoded, so
/// that it stays ASCII; names that the pattern does not have stay as they are.
fn filled(value: &str, captures: &Captures<'_, '_>) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find(':') {
        let (before, behind) = rest.split_at(at);
        text.push_str(before);
        let taken = placeholder(behind).and_then(|name| Some((name, captures.get(name)?)));
        let read = match taken {
            Some((name, taken)) => {
                text.push_str(&percent_encode(taken));
                1 + name.len()
            }
            None => {
                text.push(':');
                1
            }
        };
        rest = behind.get(read..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}
