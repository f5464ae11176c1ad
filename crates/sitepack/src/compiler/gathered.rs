//! What the mounts gave, together: pages that wait to be coded, and what is known besides.

use std::path::PathBuf;

use serde_json::json;

use super::check;
use super::encode::{Placed, Resource};
use super::error::Error;
use super::headers::HeaderRules;
use super::index::{self, Index, Parts};
use super::page::{Moved, Page};
use super::redirects::Redirect;
use super::sources::Opened;
use super::survey::Policies;
use super::{Compiled, Kind, Mount, files, render, theme};
use crate::date::rfc3339;
use crate::digest::{Digest, Running};
use crate::path::SitePath;
use crate::rules::Pattern;

/// Everything that was gathered from the mounts.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) pages: Vec<Page>,
    pub(super) moved: Vec<Moved>,
    /// Where each mount stands.
    pub(super) mounts: Vec<String>,
    pub(super) modified: Option<u64>,
    /// Digests of what says how pages are answered.
    pub(super) rules: Vec<Digest>,
    /// The script that reloads pages.
    pub(super) script: Option<(SitePath<'static>, Resource)>,
    headers: Vec<HeaderRules>,
    redirects: Vec<(PathBuf, Redirect)>,
    inputs: Vec<PathBuf>,
    left_out: Vec<PathBuf>,
    origins: Vec<Origin>,
}

/// Where the pages of a mount came from.
#[derive(Debug)]
struct Origin {
    kind: Kind,
    from: String,
    digest: Option<String>,
    modified: Option<u64>,
}

impl Gathered {
    pub(super) fn add(
        &mut self,
        mount: &Mount,
        number: usize,
        at: &SitePath<'_>,
        opened: Opened,
        base_url: Option<&str>,
    ) -> Result<(), Error> {
        let Opened { tree, from, digest } = opened;
        self.left_out.extend_from_slice(&tree.left_out);
        self.inputs.extend_from_slice(&tree.inputs);
        let rendered = match mount.kind {
            Kind::Poems => render::poems(at, number, tree, base_url)?,
            Kind::Files => files::files(at, number, mount.style, tree)?,
        };
        self.pages.extend(rendered.pages);
        self.moved.extend(rendered.moved);
        self.headers.extend(rendered.headers);
        self.redirects.extend(rendered.redirects);
        self.rules.extend(rendered.rules);
        self.modified = self.modified.max(rendered.modified);
        self.mounts.push(at.as_str().to_owned());
        self.origins.push(Origin {
            kind: mount.kind,
            from,
            digest,
            modified: rendered.modified,
        });
        Ok(())
    }

    /// Where the site came from, as JSON: nothing of it names the machine.
    pub(super) fn provenance(&self, placed: &[Placed]) -> String {
        let mut digests = vec![Running::default(); self.mounts.len()];
        for (page, placed) in self.pages.iter().zip(placed) {
            if let Some(digest) = digests.get_mut(page.mount) {
                placed.add_to(digest, page);
            }
        }
        let mounts: Vec<serde_json::Value> = self
            .mounts
            .iter()
            .zip(&self.origins)
            .zip(digests)
            .map(|((at, origin), files)| {
                let kind = match origin.kind {
                    Kind::Poems => "poems",
                    Kind::Files => "files",
                };
                let digest = origin.digest.clone();
                json!({
                    "at": at,
                    "as": kind,
                    "from": origin.from,
                    "sha256": digest.unwrap_or_else(|| files.finish().hex()),
                    "modified": origin.modified.map(rfc3339),
                })
            })
            .collect();
        json!({ "mounts": mounts }).to_string()
    }

    /// Puts all that was coded under its path, and judges what was found on the way.
    pub(super) fn index(
        &mut self,
        mut placed: Vec<Placed>,
        policies: Policies,
    ) -> Result<(Index, Compiled), Error> {
        let files = self.pages.len();
        let content_bytes = self.pages.iter().map(|page| page.content.bytes()).sum();
        let mut reports = Vec::new();
        for placed in &mut placed {
            reports.extend(placed.surveyed.take_report());
        }
        let resources = std::mem::take(&mut self.pages)
            .into_iter()
            .zip(placed)
            .zip(policies.of_pages)
            .map(|((page, placed), policy)| {
                let resource = Resource {
                    origin: page.origin,
                    media_type: placed.media_type,
                    immutable: placed.immutable,
                    representations: placed.representations,
                    policy,
                };
                (page.path, resource)
            });
        let index = index::index(Parts {
            resources: resources.collect(),
            moved: std::mem::take(&mut self.moved),
            headers: self.headers.clone(),
            redirects: std::mem::take(&mut self.redirects),
            modified: self.modified,
            script: self.script.take(),
        })?;
        let mut findings = check::findings(
            reports,
            &|path| resolves(&index, path),
            index.targets.keys().map(SitePath::as_str),
        );
        findings.extend(policies.findings);
        for rules in &self.headers {
            findings.extend(rules.findings(index.targets.keys().map(SitePath::as_str)));
        }
        findings.sort_unstable();
        let mut inputs: Vec<PathBuf> = Vec::from_iter(theme::theme_directory().map(PathBuf::from));
        inputs.append(&mut self.inputs);
        let compiled = Compiled {
            bytes: Vec::new(),
            length: 0,
            digest: Digest([0; Digest::BYTES]),
            files,
            content_bytes,
            inputs,
            left_out: std::mem::take(&mut self.left_out),
            findings,
        };
        Ok((index, compiled))
    }
}

/// Whether the site answers at a path with something else than 404.
fn resolves(index: &Index, path: &str) -> bool {
    let found = SitePath::from_decoded(path).is_ok_and(|path| index.targets.contains_key(&path));
    found
        || path.starts_with("/-/")
        || index.rules.iter().any(|rule| {
            let takes = |pattern: Pattern<'_>| pattern.matches(path).is_some();
            rule.status != 404 && Pattern::new(&rule.from).is_ok_and(takes)
        })
}
