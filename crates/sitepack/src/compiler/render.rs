//! Render, for a mount of poems: they become a page and a text each, and together a list, a JSON
//! list, a feed, and the pages that a whole site has.

use std::path::Path;

use super::error::Error;
use super::files::site_path;
use super::page::{Moved, Page, Policy, Rendered};
use super::poem::Poem;
use super::source::{Content, SourceFile, SourceTree};
use super::theme::{self, escape, fill};
use crate::date::rfc3339;
use crate::digest::Digest;
use crate::path::{SitePath, percent_encode};

/// Under this policy the poems' pages work, and nothing else does: no script, no frame, no form,
/// nothing from elsewhere.
const POEMS_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                            base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Renders a directory of poems, and around them a whole site.
pub(crate) fn poems(
    at: &SitePath<'_>,
    mount: usize,
    tree: SourceTree,
    base_url: Option<&str>,
) -> Result<Rendered, Error> {
    let stated = tree.modified;
    let mut read = Vec::new();
    for file in tree.files {
        let content = file.read()?.into_owned();
        let SourceFile { path, origin, .. } = file;
        let Some(name) = path.strip_suffix(".txt").filter(|name| !name.is_empty()) else {
            let cause = "it is not a poem: their names end in `.txt`";
            return Err(Error::new("read", origin.display(), cause));
        };
        let poem = Poem::parse(&origin, name, &content)?;
        let page = site_path(&format!("{at}{name}"), &origin)?;
        let text = site_path(&format!("{at}{path}"), &origin)?;
        read.push(Source {
            poem,
            page,
            text,
            content,
            origin: origin.display().to_string(),
        });
    }
    // The author's order: by date, then, or without one, by path.
    read.sort_by_key(|source| (source.poem.date.unwrap_or(u64::MAX), source.page.clone()));
    let mut rendered = Booklet::new(at, mount, read, base_url)?.render()?;
    // An archive of today may hold poems of last year: whichever was stated last.
    rendered.modified = rendered.modified.max(stated);
    Ok(rendered)
}

struct Source {
    poem: Poem,
    page: SitePath<'static>,
    text: SitePath<'static>,
    content: Vec<u8>,
    origin: String,
}

struct Booklet<'a> {
    at: &'a SitePath<'a>,
    mount: usize,
    sources: Vec<Source>,
    base_url: Option<&'a str>,
    style_path: String,
    style: Vec<u8>,
    pages: Vec<Page>,
}

impl<'a> Booklet<'a> {
    fn new(
        at: &'a SitePath<'a>,
        mount: usize,
        sources: Vec<Source>,
        base_url: Option<&'a str>,
    ) -> Result<Booklet<'a>, Error> {
        let style = theme::file("style.css")?;
        let digest = Digest::of(&style).hex();
        let short = digest.get(..16).unwrap_or(&digest);
        let style_path = format!("/assets/style.{short}.css");
        Ok(Booklet {
            at,
            mount,
            sources,
            base_url,
            style_path,
            style,
            pages: Vec::new(),
        })
    }

    fn render(mut self) -> Result<Rendered, Error> {
        let style = std::mem::take(&mut self.style);
        self.push(&self.style_path.clone(), "text/css", style)?;
        self.push("/favicon.svg", "image/svg+xml", theme::file("favicon.svg")?)?;
        self.home()?;
        self.list()?;
        self.poem_pages()?;
        self.json()?;
        self.feed()?;
        let not_found = self.frame(
            "Not in the pack",
            &fill("not-found.html", &[("poems", &escape(&self.at.encoded()))])?,
        )?;
        self.push("/404.html", HTML, not_found.into_bytes())?;
        self.robots()?;
        self.sitemap()?;
        let moved = Moved {
            from: site_path("/favicon.ico", Path::new("theme"))?,
            to: site_path("/favicon.svg", Path::new("theme"))?,
        };
        let modified = self
            .sources
            .iter()
            .filter_map(|source| source.poem.date)
            .max();
        Ok(Rendered {
            pages: self.pages,
            moved: vec![moved],
            modified,
            ..Rendered::default()
        })
    }

    fn home(&mut self) -> Result<(), Error> {
        let main = self.contents("home.html")?;
        let page = self.frame("chapbook", &main)?;
        self.push_listed("/", page)
    }

    fn list(&mut self) -> Result<(), Error> {
        let main = self.contents("list.html")?;
        let page = self.frame("Contents · chapbook", &main)?;
        self.push_listed(self.at.as_str(), page)
    }

    fn poem_pages(&mut self) -> Result<(), Error> {
        let mut rendered = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            let main = self.poem(index, source)?;
            let title = format!("{} · chapbook", source.poem.title);
            rendered.push((source.page.clone(), self.frame(&title, &main)?));
        }
        for (path, page) in rendered {
            self.push_listed(path.as_str(), page)?;
        }
        for source in &mut self.sources {
            self.pages.push(Page {
                path: source.text.clone(),
                media_type: "text/plain".to_owned(),
                content: Content::Memory(std::mem::take(&mut source.content)),
                policy: Policy::Fixed(POEMS_POLICY),
                mount: self.mount,
                origin: source.origin.clone(),
                listed: false,
            });
        }
        Ok(())
    }

    fn poem(&self, index: usize, source: &Source) -> Result<String, Error> {
        let Source { poem, text, .. } = source;
        let byline = match poem.byline() {
            line if line.is_empty() => line,
            line => format!("<p class=\"byline\">{}</p>", escape(&line)),
        };
        let attribution = match &*poem.attribution {
            [] => String::new(),
            lines => format!("<p class=\"attribution\">{}</p>", joined(lines, "<br>\n")),
        };
        let before = index
            .checked_sub(1)
            .and_then(|before| self.sources.get(before));
        let after = self.sources.get(index + 1);
        fill(
            "poem.html",
            &[
                ("title", &escape(&poem.title)),
                ("byline", &byline),
                ("verse", &verse(poem)),
                ("attribution", &attribution),
                ("text_href", &escape(&text.encoded())),
                ("pager", &pager(before, after)),
            ],
        )
    }

    fn contents(&self, template: &str) -> Result<String, Error> {
        let count = self.sources.len().to_string();
        let (items, poems) = (self.items()?, escape(&self.at.encoded()));
        fill(
            template,
            &[("count", &count), ("items", &items), ("poems", &poems)],
        )
    }

    fn items(&self) -> Result<String, Error> {
        let mut items = String::new();
        for Source { poem, page, .. } in &self.sources {
            items.push_str(&fill(
                "item.html",
                &[
                    ("href", &escape(&page.encoded())),
                    ("title", &escape(&poem.title)),
                    ("byline", &escape(&poem.byline())),
                    ("first_line", &escape(poem.first_line())),
                ],
            )?);
        }
        Ok(items)
    }

    fn json(&mut self) -> Result<(), Error> {
        let poems: Vec<serde_json::Value> = self
            .sources
            .iter()
            .map(
                |Source {
                     poem, page, text, ..
                 }| {
                    serde_json::json!({
                        "title": poem.title,
                        "author": poem.author,
                        "year": poem.year,
                        "date": poem.date.map(rfc3339),
                        "page": page.encoded(),
                        "text": text.encoded(),
                        "stanzas": poem.stanzas,
                        "attribution": poem.attribution,
                    })
                },
            )
            .collect();
        let mut text = serde_json::to_string_pretty(&serde_json::json!({ "poems": poems }))
            .map_err(|e| Error::new("write", "index.json", e))?;
        text.push('\n');
        self.push(
            &format!("{}index.json", self.at),
            "application/json",
            text.into_bytes(),
        )
    }

    /// RFC 4287. The identifiers are `tag:` URIs, so that they do not depend on where it runs; an
    /// entry without a date was updated, as far as anybody knows, at the epoch.
    fn feed(&mut self) -> Result<(), Error> {
        let latest = self
            .sources
            .iter()
            .filter_map(|source| source.poem.date)
            .max();
        let updated = rfc3339(latest.unwrap_or(0));
        let here = escape(&percent_encode(&format!("{}feed.xml", self.at)));
        let list = escape(&self.at.encoded());
        let mut feed = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
             <title>chapbook</title>\n<id>tag:chapbook,2026:{list}</id>\n\
             <updated>{updated}</updated>\n<author><name>chapbook</name></author>\n\
             <link rel=\"self\" type=\"application/atom+xml\" href=\"{here}\"/>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{list}\"/>\n"
        );
        let mut newest: Vec<&Source> = self.sources.iter().collect();
        newest.sort_by_key(|source| std::cmp::Reverse(source.poem.date));
        for Source { poem, page, .. } in newest {
            let href = escape(&page.encoded());
            let author = poem.author.as_deref().map_or_else(String::new, |author| {
                format!("<author><name>{}</name></author>\n", escape(author))
            });
            feed.push_str(&format!(
                "<entry>\n<title>{}</title>\n<id>tag:chapbook,2026:{href}</id>\n\
                 <updated>{}</updated>\n{author}\
                 <link rel=\"alternate\" type=\"text/html\" href=\"{href}\"/>\n\
                 <content type=\"html\">{}</content>\n</entry>\n",
                escape(&poem.title),
                rfc3339(poem.date.unwrap_or(0)),
                escape(&verse_for_feed(poem)),
            ));
        }
        feed.push_str("</feed>\n");
        self.push(
            &format!("{}feed.xml", self.at),
            "application/atom+xml",
            feed.into_bytes(),
        )
    }

    fn robots(&mut self) -> Result<(), Error> {
        let mut robots = "User-agent: *\nDisallow: /-/\n".to_owned();
        if let Some(base) = self.base_url {
            robots.push_str(&format!("\nSitemap: {base}/sitemap.xml\n"));
        }
        self.push("/robots.txt", "text/plain", robots.into_bytes())
    }

    /// The protocol wants whole URLs; without a base URL they are those of a local run.
    fn sitemap(&mut self) -> Result<(), Error> {
        let base = self.base_url.unwrap_or("http://localhost:8080");
        let mut map = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
                       <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
            .to_owned();
        for page in self.pages.iter().filter(|page| page.listed) {
            let url = escape(&format!("{base}{}", page.path.encoded()));
            map.push_str(&format!("<url><loc>{url}</loc></url>\n"));
        }
        map.push_str("</urlset>\n");
        self.push("/sitemap.xml", "application/xml", map.into_bytes())
    }

    fn frame(&self, title: &str, main: &str) -> Result<String, Error> {
        let feed = percent_encode(&format!("{}feed.xml", self.at));
        fill(
            "page.html",
            &[
                ("title", &escape(title)),
                (
                    "description",
                    "A chapbook: poems compiled into the server that hands them out.",
                ),
                ("stylesheet", &self.style_path),
                ("feed", &escape(&feed)),
                ("poems", &escape(&self.at.encoded())),
                ("main", main.trim_end()),
                ("footer", "<p>One file, and nothing else.</p>"),
            ],
        )
    }

    fn push_listed(&mut self, path: &str, page: String) -> Result<(), Error> {
        self.push(path, HTML, page.into_bytes())?;
        if let Some(page) = self.pages.last_mut() {
            page.listed = true;
        }
        Ok(())
    }

    fn push(&mut self, path: &str, media_type: &str, content: Vec<u8>) -> Result<(), Error> {
        self.pages.push(Page {
            path: site_path(path, Path::new("theme"))?,
            media_type: media_type.to_owned(),
            content: Content::Memory(content),
            policy: Policy::Fixed(POEMS_POLICY),
            mount: self.mount,
            origin: format!("the page {path} of the poems"),
            listed: false,
        });
        Ok(())
    }
}

const HTML: &str = "text/html";

fn verse(poem: &Poem) -> String {
    let mut markup = "<div class=\"verse\">\n".to_owned();
    for stanza in &poem.stanzas {
        let lines: Vec<String> = stanza
            .iter()
            .map(|line| format!("<span class=\"line\">{}</span>", escape(line)))
            .collect();
        markup.push_str(&format!("<p class=\"stanza\">{}</p>\n", lines.join("\n")));
    }
    markup.push_str("</div>");
    markup
}

/// A feed reader has no style sheet: `pre` keeps the lines.
fn verse_for_feed(poem: &Poem) -> String {
    let stanzas: Vec<String> = poem
        .stanzas
        .iter()
        .map(|stanza| joined(stanza, "\n"))
        .collect();
    let attribution = joined(&poem.attribution, "<br>");
    match &*attribution {
        "" => format!("<pre>{}</pre>", stanzas.join("\n\n")),
        said => format!("<pre>{}</pre><p>{said}</p>", stanzas.join("\n\n")),
    }
}

fn joined(lines: &[String], between: &str) -> String {
    lines
        .iter()
        .map(|line| escape(line))
        .collect::<Vec<_>>()
        .join(between)
}

fn pager(before: Option<&Source>, after: Option<&Source>) -> String {
    let link = |relation: &str, to: &Source| {
        let (href, title) = (escape(&to.page.encoded()), escape(&to.poem.title));
        format!("<a rel=\"{relation}\" href=\"{href}\">{title}</a>")
    };
    let links: String = before
        .map(|to| link("prev", to))
        .into_iter()
        .chain(after.map(|to| link("next", to)))
        .collect();
    match &*links {
        "" => String::new(),
        links => format!("<nav class=\"pager\" aria-label=\"Poems\">{links}</nav>"),
    }
}
