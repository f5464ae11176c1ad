//! Render, for a mount of files: they pass through as they are, under the paths that the usual
//! hosts give them.
//!
//! `index.html` stands under its directory's path. With clean URLs, `a.html` stands under `/a`.
//! `_headers` and `_redirects` at the mount's root are not pages but are read: `docs/hosting.md`.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::headers::HeaderRules;
use super::page::{Moved, Page, Policy, Rendered, media_type};
use super::redirects::{self, Redirect};
use super::source::{SourceFile, SourceTree};
use crate::digest::Digest;
use crate::path::SitePath;

/// How the files of a mount become pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// `/a` for `a.html`.
    pub(crate) clean_urls: bool,
    /// The index page for every path that leads nowhere.
    pub(crate) single_page: bool,
}

/// Passes the files of a site through.
pub(crate) fn files(
    at: &SitePath<'_>,
    mount: usize,
    style: Style,
    tree: SourceTree,
) -> Result<Rendered, Error> {
    let mut rendered = Rendered {
        modified: tree.modified,
        ..Rendered::default()
    };
    for file in tree.files {
        match &*file.path {
            "_headers" => {
                let text = file.read()?;
                rendered.rules.push(Digest::of(&text));
                rendered.headers = Some(HeaderRules::parse(&file.origin, &text)?);
            }
            "_redirects" => {
                let text = file.read()?;
                rendered.rules.push(Digest::of(&text));
                let rules = redirects::parse(&file.origin, &text)?;
                let rules = rules.into_iter().map(|rule| (file.origin.clone(), rule));
                rendered.redirects.extend(rules);
            }
            _ => page(at, mount, style, file, &mut rendered)?,
        }
    }
    if style.single_page {
        let index = |page: &Page| page.path == *at;
        if !rendered.pages.iter().any(index) {
            let cause = "there is no index.html to show for other paths";
            return Err(Error::new("serve as one page", at, cause));
        }
        rendered
            .redirects
            .push((PathBuf::from("--spa"), fallback(at)));
    }
    Ok(rendered)
}

/// The index page in place of whatever is not there.
fn fallback(at: &SitePath<'_>) -> Redirect {
    Redirect {
        line: 0,
        from: format!("{at}*"),
        to: at.encoded(),
        status: 200,
        force: false,
        is_static: false,
    }
}

fn page(
    at: &SitePath<'_>,
    mount: usize,
    style: Style,
    file: SourceFile,
    rendered: &mut Rendered,
) -> Result<(), Error> {
    let SourceFile {
        path: name,
        origin,
        content,
    } = file;
    let whole = site_path(&format!("{at}{name}"), &origin)?;
    let path = served_under(&whole, style);
    let path = path.map(|path| site_path(path, &origin)).transpose()?;
    if let Some(to) = &path {
        rendered.moved.push(Moved {
            from: whole.clone(),
            to: to.clone(),
        });
        if !to.as_str().ends_with('/') {
            let from = site_path(&format!("{to}/"), &origin)?;
            rendered.moved.push(Moved {
                from,
                to: to.clone(),
            });
        }
    }
    rendered.pages.push(Page {
        path: path.unwrap_or(whole),
        media_type: media_type(&name),
        content,
        policy: Policy::Computed,
        mount,
        origin: origin.display().to_string(),
        listed: false,
    });
    Ok(())
}

/// The path of a file that is served under another than its own.
fn served_under<'a>(whole: &'a SitePath<'_>, style: Style) -> Option<&'a str> {
    let whole = whole.as_str();
    let directory = whole.strip_suffix("index.html");
    if let Some(directory) = directory.filter(|directory| directory.ends_with('/')) {
        return Some(directory);
    }
    let name = whole.strip_suffix(".html").filter(|_| style.clean_urls)?;
    (!name.ends_with('/') && !name.ends_with("/404")).then_some(name)
}

pub(crate) fn site_path(text: &str, origin: &Path) -> Result<SitePath<'static>, Error> {
    SitePath::from_decoded(text.to_owned()).map_err(|e| Error::new("place", origin.display(), e))
}

#[cfg(test)]
mod tests {
    use super::{SitePath, Style, served_under};

    #[test]
    fn pages_stand_where_hosts_put_them() {
        for (file, plain, clean) in [
            ("/index.html", Some("/"), Some("/")),
            ("/a/index.html", Some("/a/"), Some("/a/")),
            ("/a.html", None, Some("/a")),
            ("/a/b.html", None, Some("/a/b")),
            ("/404.html", None, None),
            ("/a/404.html", None, None),
            ("/a/.html", None, None),
            ("/myindex.html", None, Some("/myindex")),
            ("/a.htm", None, None),
            ("/a.txt", None, None),
        ] {
            let path = SitePath::from_decoded(file.to_owned()).unwrap();
            for (clean_urls, expected) in [(false, plain), (true, clean)] {
                let style = Style {
                    clean_urls,
                    single_page: false,
                };
                assert_eq!(served_under(&path, style), expected, "{file} {clean_urls}");
            }
        }
    }
}
