//! Render: files become `Page`s. Poems become a page and a text each, and together a list, a
//! JSON list, a feed, and the pages that a whole site has; files of a site pass through.

use std::path::Path;

use super::error::Error;
use super::poem::Poem;
use super::read::{SourceFile, SourceTree};
use super::theme::{self, escape, fill};
use crate::date::rfc3339;
use crate::digest::Digest;
use crate::path::{SitePath, percent_encode};

/// Under this policy the poems' pages work, and nothing else does: no script, no frame, no form,
/// nothing from elsewhere.
const POEMS_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                            base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A site by others may bring its own scripts, also inline ones, but nothing from elsewhere.
const FILES_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; \
                            style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                            font-src 'self' data:; object-src 'none'; base-uri 'self'; \
                            frame-ancestors 'self'";
/// How many hexadecimal digits of its own digest a name must carry to be immutable.
const HASH_DIGITS_MIN: usize = 8;

/// A content under a path, not yet coded.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: SitePath<'static>,
    pub(crate) media_type: String,
    pub(crate) content: Vec<u8>,
    pub(crate) policy: &'static str,
    /// What it was made of, for messages.
    pub(crate) origin: String,
    /// Whether the sitemap names it.
    pub(crate) listed: bool,
}

impl Page {
    /// Whether the name carries the hash of the content, so that the content under this name can
    /// never change: a run of hexadecimal digits that begins the content's SHA-256.
    pub(crate) fn is_immutable(&self) -> bool {
        let digest = Digest::of(&self.content).hex();
        let name = self.path.as_str().rsplit('/').next().unwrap_or_default();
        name.split(|character: char| !character.is_ascii_hexdigit())
            .any(|run| run.len() >= HASH_DIGITS_MIN && digest.starts_with(run))
    }
}

/// A path that leads to another.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) from: SitePath<'static>,
    pub(crate) to: SitePath<'static>,
}

/// What rendering gives.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) pages: Vec<Page>,
    pub(crate) moved: Vec<Moved>,
    /// The latest date that a source states, in seconds since 1970.
    pub(crate) modified: Option<u64>,
}

/// Passes the files of a site through, each `index.html` under its directory's path.
pub(crate) fn files(at: &SitePath<'_>, tree: SourceTree) -> Result<Rendered, Error> {
    let mut rendered = Rendered::default();
    for SourceFile {
        path,
        origin,
        content,
    } in tree.files
    {
        let whole = site_path(&format!("{at}{path}"), &origin)?;
        let media_type = media_type(&path, &content);
        let listed = media_type.starts_with("text/html") && !path.ends_with("404.html");
        let directory = whole
            .as_str()
            .strip_suffix("index.html")
            .filter(|d| d.ends_with('/'));
        let path = match directory {
            Some(directory) => {
                let to = site_path(directory, &origin)?;
                rendered.moved.push(Moved {
                    from: whole.clone(),
                    to: to.clone(),
                });
                to
            }
            None => whole,
        };
        let origin = origin.display().to_string();
        rendered.pages.push(Page {
            path,
            media_type,
            content,
            policy: FILES_POLICY,
            origin,
            listed,
        });
    }
    Ok(rendered)
}

/// Renders a directory of poems, and around them a whole site.
pub(crate) fn poems(
    at: &SitePath<'_>,
    tree: SourceTree,
    base_url: Option<&str>,
) -> Result<Rendered, Error> {
    let mut read = Vec::new();
    for SourceFile {
        path,
        origin,
        content,
    } in tree.files
    {
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
    Booklet::new(at, read, base_url)?.render()
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
    sources: Vec<Source>,
    base_url: Option<&'a str>,
    style_path: String,
    style: Vec<u8>,
    pages: Vec<Page>,
}

impl<'a> Booklet<'a> {
    fn new(
        at: &'a SitePath<'a>,
        sources: Vec<Source>,
        base_url: Option<&'a str>,
    ) -> Result<Booklet<'a>, Error> {
        let style = theme::file("style.css")?;
        let digest = Digest::of(&style).hex();
        let short = digest.get(..16).unwrap_or(&digest);
        let style_path = format!("/assets/style.{short}.css");
        Ok(Booklet {
            at,
            sources,
            base_url,
            style_path,
            style,
            pages: Vec::new(),
        })
    }

    fn render(mut self) -> Result<Rendered, Error> {
        let style = std::mem::take(&mut self.style);
        self.push(&self.style_path.clone(), "text/css; charset=utf-8", style)?;
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
                media_type: "text/plain; charset=utf-8".to_owned(),
                content: std::mem::take(&mut source.content),
                policy: POEMS_POLICY,
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
        self.push(
            "/robots.txt",
            "text/plain; charset=utf-8",
            robots.into_bytes(),
        )
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
            content,
            policy: POEMS_POLICY,
            origin: format!("the page {path} of the poems"),
            listed: false,
        });
        Ok(())
    }
}

const HTML: &str = "text/html; charset=utf-8";

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

fn site_path(text: &str, origin: &Path) -> Result<SitePath<'static>, Error> {
    SitePath::from_decoded(text.to_owned()).map_err(|e| Error::new("place", origin.display(), e))
}

/// The media type of a file by its name, with the charset where it is text in UTF-8.
fn media_type(path: &str, content: &[u8]) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let essence = guess.essence_str();
    let is_text = guess.type_() == "text"
        || matches!(essence, "application/javascript" | "application/xhtml+xml");
    if is_text && std::str::from_utf8(content).is_ok() {
        format!("{essence}; charset=utf-8")
    } else {
        essence.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, FILES_POLICY, Page, SitePath, media_type};

    fn page(path: &str) -> Page {
        Page {
            path: SitePath::from_decoded(path.to_owned()).unwrap(),
            media_type: String::new(),
            content: b"chapbook".to_vec(),
            policy: FILES_POLICY,
            origin: String::new(),
            listed: false,
        }
    }

    #[test]
    fn only_a_name_with_the_contents_own_hash_is_immutable() {
        let hash = Digest::of(b"chapbook").hex();
        assert!(page(&format!("/a/app.{}.js", &hash[..8])).is_immutable());
        assert!(page(&format!("/{hash}")).is_immutable());
        assert!(page(&format!("/app-{}.css", &hash[..20])).is_immutable());
        assert!(!page(&format!("/app.{}.js", &hash[..7])).is_immutable());
        assert!(!page(&format!("/app.{}.js", &hash[1..12])).is_immutable());
        assert!(!page("/deadbeef.js").is_immutable());
        assert!(!page(&format!("/{}/app.js", &hash[..16])).is_immutable());
        assert!(!page("/").is_immutable());
    }

    #[test]
    fn media_types_say_their_charset_where_there_is_one() {
        for (path, content, expected) in [
            ("a.html", &b"x"[..], "text/html; charset=utf-8"),
            ("a.css", b"x", "text/css; charset=utf-8"),
            ("a.js", b"x", "text/javascript; charset=utf-8"),
            ("a.txt", b"\xff", "text/plain"),
            ("a.png", b"x", "image/png"),
            ("a.svg", b"x", "image/svg+xml"),
            ("a.wasm", b"x", "application/wasm"),
            ("a.woff2", b"x", "font/woff2"),
            ("a", b"x", "application/octet-stream"),
        ] {
            assert_eq!(media_type(path, content), expected, "{path}");
        }
    }
}
