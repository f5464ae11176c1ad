//! Index: every path once, sorted; redirects; field lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::encode::Resource;
use super::error::Error;
use super::headers::{FieldChange, HeaderRules};
use super::page::Moved;
use super::redirects::Redirect;
use crate::path::SitePath;
use crate::rules::{self, Pattern};

/// Pages that the server makes itself stand under this prefix.
const MANAGEMENT_PREFIX: &str = "/-/";
/// The name of the page that answers for what is missing.
const NOT_FOUND_NAME: &str = "/404.html";
/// 308 Permanent Redirect: method and content are kept (RFC 9110 §15.4.9).
const PERMANENT: u16 = 308;
/// The status of a resource that answers for itself.
const OK: u16 = 200;
/// Paths and field lines have 16-bit lengths in the packed site.
const TEXT_BYTES_MAX: usize = 4096;

/// What a path leads to, ready to be written.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Resource {
        resource: Resource,
        /// 404 where a rule shows it in place of something that is missing.
        status: u16,
        /// What the author says of its fields.
        changes: Vec<FieldChange>,
    },
    Redirect {
        location: String,
        status: u16,
    },
}

impl Target {
    fn without_rules(resource: Resource) -> Target {
        Target::Resource {
            resource,
            status: OK,
            changes: Vec::new(),
        }
    }
}

/// A redirect or rewrite for every path of a pattern, where nothing else is.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) status: u16,
}

/// Everything in the site, by path in byte order.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) targets: Targets,
    pub(crate) modified: Option<u64>,
    /// For paths that lead nowhere else.
    pub(crate) rules: Vec<Rule>,
    /// The place of the 404 page among the targets.
    pub(crate) not_found: Option<usize>,
}

/// What there is to index.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) resources: Vec<(SitePath<'static>, Resource)>,
    pub(crate) moved: Vec<Moved>,
    pub(crate) headers: Vec<HeaderRules>,
    pub(crate) redirects: Vec<(PathBuf, Redirect)>,
    pub(crate) modified: Option<u64>,
    /// One of the server's own pages, which no rule reaches.
    pub(crate) script: Option<(SitePath<'static>, Resource)>,
}

/// Puts everything under its path.
pub(crate) fn index(parts: Parts) -> Result<Index, Error> {
    let Parts {
        resources,
        moved,
        headers,
        redirects,
        modified,
        script,
    } = parts;
    let mut targets = place(resources, &headers)?;
    let forces = redirects.iter().any(|(_, rule)| rule.force);
    let pages = targets.keys().filter(|_| forces).cloned();
    for path in pages.collect::<Vec<_>>() {
        // A page gives way if the first rule that takes its path says so with `!`.
        let first = redirects.iter().find(|(_, rule)| takes(rule, &path));
        if let Some((file, rule)) = first.filter(|(_, rule)| rule.force) {
            let target = target_of(file, rule, &path, &targets, &moved, &headers)?;
            targets.insert(path, target);
        }
    }
    let mut patterns = Vec::new();
    for (file, rule) in &redirects {
        if rule.is_static {
            let failed = |cause: String| Error::at_line(file, rule.line, cause);
            let from = SitePath::from_decoded(rule.from.clone());
            let from = from.map_err(|e| failed(e.to_string()))?;
            if from.as_str().starts_with(MANAGEMENT_PREFIX) {
                let cause = "belongs to the server's own pages";
                return Err(failed(format!("`{MANAGEMENT_PREFIX}` {cause}")));
            }
            if !targets.contains_key(&from) {
                let target = target_of(file, rule, &from, &targets, &moved, &headers)?;
                targets.insert(from, target);
            }
        } else {
            let to = match shown(file, rule, &targets, &moved)? {
                Some(page) if rule.is_rewrite() => page.encoded(),
                Some(_) | None => rule.to.clone(),
            };
            patterns.push(Rule {
                from: rule.from.clone(),
                to,
                status: rule.status,
            });
        }
    }
    let directories: Vec<Moved> = targets.keys().filter_map(without_slash).collect();
    // A page stands above a redirect, and the first redirect above a later one.
    for Moved { from, to } in moved.into_iter().chain(directories) {
        let redirect = Target::Redirect {
            location: to.encoded(),
            status: PERMANENT,
        };
        targets.entry(from).or_insert(redirect);
    }
    targets.extend(script.map(|(path, resource)| (path, Target::without_rules(resource))));
    Ok(Index {
        not_found: not_found(&targets),
        targets,
        modified,
        rules: patterns,
    })
}

type Targets = BTreeMap<SitePath<'static>, Target>;

fn place(
    resources: Vec<(SitePath<'static>, Resource)>,
    headers: &[HeaderRules],
) -> Result<Targets, Error> {
    let mut targets = Targets::new();
    for (path, resource) in resources {
        let origin = resource.origin.clone();
        if path.as_str().starts_with(MANAGEMENT_PREFIX) {
            let cause = format!("`{MANAGEMENT_PREFIX}` belongs to the server's own pages");
            return Err(Error::new("place", origin, cause));
        }
        if path.encoded().len() > TEXT_BYTES_MAX {
            let cause = format!("its path is longer than {TEXT_BYTES_MAX} bytes");
            return Err(Error::new("place", origin, cause));
        }
        if let Some(Target::Resource { resource, .. }) = targets.get(&path) {
            let cause = format!("its path `{path}` is taken by `{}`", resource.origin);
            return Err(Error::new("place", origin, cause));
        }
        let target = resource_target(&path, resource, OK, headers)?;
        targets.insert(path, target);
    }
    Ok(targets)
}

/// A resource under a path, with what the author says of that path.
fn resource_target(
    path: &SitePath<'_>,
    mut resource: Resource,
    status: u16,
    headers: &[HeaderRules],
) -> Result<Target, Error> {
    let mut changes = Vec::new();
    for rules in headers {
        changes.extend(rules.of(path.as_str())?);
    }
    for change in &changes {
        if let FieldChange::Set { name, value } = change
            && name.eq_ignore_ascii_case("content-type")
        {
            resource.media_type.clone_from(value);
        }
    }
    Ok(Target::Resource {
        resource,
        status,
        changes,
    })
}

fn takes(rule: &Redirect, path: &SitePath<'_>) -> bool {
    if rule.is_static {
        return rule.from == path.as_str();
    }
    Pattern::new(&rule.from).is_ok_and(|pattern| pattern.matches(path.as_str()).is_some())
}

/// What a rule makes of a path that it takes.
fn target_of(
    file: &Path,
    rule: &Redirect,
    from: &SitePath<'static>,
    targets: &Targets,
    moved: &[Moved],
    headers: &[HeaderRules],
) -> Result<Target, Error> {
    let failed = |e: rules::TargetError| Error::at_line(file, rule.line, e);
    let pattern = Pattern::new(&rule.from).map_err(|e| Error::at_line(file, rule.line, e))?;
    let captures = pattern.matches(from.as_str()).unwrap_or_default();
    if !rule.is_rewrite() {
        shown(file, rule, targets, moved)?;
        return Ok(Target::Redirect {
            location: rules::location(&rule.to, &captures).map_err(failed)?,
            status: rule.status,
        });
    }
    let path = rules::rewritten(&rule.to, &captures).map_err(failed)?;
    let resource = existing(file, rule, path, targets, moved)?.1;
    resource_target(from, resource.clone(), rule.status, headers)
}

/// The page that must be there for a rule, if that does not depend on the request.
fn shown(
    file: &Path,
    rule: &Redirect,
    targets: &Targets,
    moved: &[Moved],
) -> Result<Option<SitePath<'static>>, Error> {
    let Some(needed) = rule.page_needed() else {
        return Ok(None);
    };
    existing(file, rule, needed, targets, moved).map(|(path, _)| Some(path))
}

/// The resource at a path, or where a file of that name is served.
fn existing<'t>(
    file: &Path,
    rule: &Redirect,
    path: SitePath<'static>,
    targets: &'t Targets,
    moved: &[Moved],
) -> Result<(SitePath<'static>, &'t Resource), Error> {
    let is_page = matches!(targets.get(&path), Some(Target::Resource { .. }));
    let moved_to = moved.iter().find(|moved| !is_page && moved.from == path);
    let place = moved_to.map_or(&path, |moved| &moved.to);
    match targets.get(place) {
        Some(Target::Resource { resource, .. }) => Ok((place.clone(), resource)),
        Some(Target::Redirect { .. }) | None => {
            let cause = format!("there is no page at `{path}`, which the rule shows");
            Err(Error::at_line(file, rule.line, cause))
        }
    }
}

/// `/a` for `/a/`.
fn without_slash(directory: &SitePath<'static>) -> Option<Moved> {
    let name = directory
        .as_str()
        .strip_suffix('/')
        .filter(|name| !name.is_empty())?;
    let from = SitePath::from_decoded(name.to_owned()).ok()?;
    Some(Moved {
        from,
        to: directory.clone(),
    })
}

/// The 404 page nearest to the root: a site below a prefix has it there.
fn not_found(targets: &Targets) -> Option<usize> {
    let is_page = |target: &Target| matches!(target, Target::Resource { .. });
    targets
        .iter()
        .enumerate()
        .filter(|(_, (path, target))| path.as_str().ends_with(NOT_FOUND_NAME) && is_page(target))
        .min_by_key(|(_, (path, _))| path.as_str().matches('/').count())
        .map(|(place, _)| place)
}
