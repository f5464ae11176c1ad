//! Scan: one pass over a file of a site, for what it refers to and what a policy must allow.
//!
//! A page is tokenised as a browser does it (HTML §13.2.5), so that script data, comments, CDATA
//! and character references are what they are to the browser: a hash in a
//! Content-Security-Policy is of exactly the text that the browser hashes. Style sheets and
//! scripts are read by small lexers of their own. For scripts that is a heuristic and says so:
//! what a program will do cannot be read off its text.
//!
//! Nothing here opens a file. No input makes it panic; time is linear in the input, memory is
//! bounded by it.

mod css;
mod element;
mod foreign;
mod html;
mod script;
mod tag;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

pub(crate) use self::css::css;
pub(crate) use self::html::{html, svg};
pub(crate) use self::script::script;
use crate::digest::Digest;

/// More hashes of one sort than this are not kept: 54 bytes each, they would not fit into the
/// field (see `policy`), and a page with ten thousand style attributes must not hold 320 kB.
const HASHES_MAX: usize = 60;

/// What one file refers to, and what it holds that a policy governs.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// `<base href>`, the first.
    pub(crate) base: Option<String>,
    /// Each target once for each kind, without its fragment, in the order of the file.
    pub(crate) references: Vec<Reference>,
    /// What the policy is made of: small, and all that must be kept until it is made.
    pub(crate) inline: Inline,
    /// What else is worth telling: first line and number.
    pub(crate) remarks: BTreeMap<Remark, Occurrence>,
    /// Digests of the references so far, to find the second of two.
    seen: HashSet<u64>,
}

/// A URL in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) line: u32,
    pub(crate) kind: ReferenceKind,
    /// As written, character references and escapes decoded, the fragment cut off.
    pub(crate) target: String,
}

/// What a browser does with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ReferenceKind {
    /// Goes there when asked to.
    Link,
    Script,
    Style,
    Image,
    Font,
    Media,
    Frame,
    Object,
    Manifest,
    /// Loads it ahead of need.
    Prefetch,
    /// Sends a form there.
    Form,
    /// Speaks to its host without loading anything: preconnect, ping, a socket.
    Contact,
}

/// What a policy for one page is made of, besides the needs of the site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inline {
    /// Texts of `<script>`.
    pub(crate) scripts: Hashes,
    /// `javascript:` URLs.
    pub(crate) javascript_urls: Hashes,
    /// Values of `on…` attributes.
    pub(crate) handlers: Hashes,
    /// Texts of `<style>`.
    pub(crate) styles: Hashes,
    /// Values of `style` attributes.
    pub(crate) style_attributes: Hashes,
    pub(crate) needs: Needs,
    /// Whether any script runs here: what the site's scripts need matters only then.
    pub(crate) runs_scripts: bool,
    /// Whether a style sheet of the site is loaded.
    pub(crate) loads_styles: bool,
}

/// Digests of inline texts of one sort, at most [`HASHES_MAX`] of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashes {
    pub(crate) digests: BTreeSet<Digest>,
    /// There are more than are kept.
    pub(crate) overflow: bool,
}

/// Something that pages or scripts need beyond files of the same site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// `eval`, `new Function`, a text as a timer's handler.
    Eval,
    WebAssembly,
    Worker,
    /// Objects under `blob:` URLs.
    Blob,
    DataImage,
    DataFont,
    DataMedia,
    DataFrame,
    /// `data:` of other types, which scripts fetch.
    DataFetch,
    /// Scripts put `<style>` elements into pages.
    StyleElement,
    /// Scripts put `style` attributes into pages.
    StyleAttribute,
    /// `<object>` or `<embed>`.
    Object,
}

/// A set of [`Need`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs(u16);

/// What a file holds, apart from references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remark {
    InlineScript,
    InlineStyle,
    InlineHandler,
    StyleAttribute,
    JavascriptUrl,
    /// `<meta http-equiv="Content-Security-Policy">`.
    OwnPolicy,
    Eval,
    /// A script writes `on…` attributes, which no hash can allow beforehand.
    WritesHandler,
    /// A script or a style sheet from a `data:` URL.
    DataCode,
    NotUtf8,
}

/// Where something is first, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    pub(crate) line: u32,
    pub(crate) count: u32,
}

impl Scan {
    /// Notes a URL. `line` is asked for only where the URL is new.
    fn refer(&mut self, kind: ReferenceKind, target: &str, line: impl FnOnce() -> u32) {
        let target = target.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
        let target = target.split('#').next().unwrap_or_default();
        if target.is_empty() {
            return;
        }
        if let Some(data) = strip_scheme(target, "data:") {
            self.data(kind, data, line);
            return;
        }
        if strip_scheme(target, "blob:").is_some() {
            return;
        }
        match kind {
            ReferenceKind::Script => self.inline.runs_scripts = true,
            ReferenceKind::Style => self.inline.loads_styles = true,
            ReferenceKind::Object => self.inline.needs.insert(Need::Object),
            ReferenceKind::Link
            | ReferenceKind::Image
            | ReferenceKind::Font
            | ReferenceKind::Media
            | ReferenceKind::Frame
            | ReferenceKind::Manifest
            | ReferenceKind::Prefetch
            | ReferenceKind::Form
            | ReferenceKind::Contact => {}
        }
        let mut hasher = DefaultHasher::new();
        (kind, target).hash(&mut hasher);
        if self.seen.insert(hasher.finish()) {
            // A URL loses its line breaks and tabs (WHATWG URL, basic parser, step 3).
            let target = target.replace(['\t', '\n', '\r'], "");
            let line = line();
            self.references.push(Reference { line, kind, target });
        }
    }

    /// Notes a `data:` URL, of which only its use matters.
    fn data(&mut self, kind: ReferenceKind, data: &str, line: impl FnOnce() -> u32) {
        match kind {
            ReferenceKind::Image => self.inline.needs.insert(Need::DataImage),
            ReferenceKind::Font => self.inline.needs.insert(Need::DataFont),
            ReferenceKind::Media => self.inline.needs.insert(Need::DataMedia),
            ReferenceKind::Frame => self.inline.needs.insert(Need::DataFrame),
            ReferenceKind::Prefetch | ReferenceKind::Contact => self.data_text(data.as_bytes()),
            ReferenceKind::Script | ReferenceKind::Style | ReferenceKind::Object => {
                self.remark(Remark::DataCode, line());
            }
            ReferenceKind::Link | ReferenceKind::Manifest | ReferenceKind::Form => {}
        }
    }

    /// Notes what a `data:` URL of a script is for, by the media type that it begins with.
    fn data_text(&mut self, media_type: &[u8]) {
        let kinds: [(&[u8], Need); 8] = [
            (b"image/", Need::DataImage),
            (b"font/", Need::DataFont),
            (b"application/font", Need::DataFont),
            (b"application/x-font", Need::DataFont),
            (b"audio/", Need::DataMedia),
            (b"video/", Need::DataMedia),
            (b"text/html", Need::DataFrame),
            (b"application/", Need::DataFetch),
        ];
        let found = kinds
            .iter()
            .find(|(start, _)| media_type.starts_with(start));
        if let Some((_, need)) = found {
            self.inline.needs.insert(*need);
        }
    }

    fn remark(&mut self, remark: Remark, line: u32) {
        let first = Occurrence { line, count: 0 };
        let occurrence = self.remarks.entry(remark).or_insert(first);
        occurrence.count = occurrence.count.saturating_add(1);
    }
}

impl Hashes {
    /// Adds the text as the browser hashes it: in UTF-8, what is not UTF-8 replaced by U+FFFD.
    fn insert(&mut self, text: &[u8]) {
        let digest = Digest::of(String::from_utf8_lossy(text).as_bytes());
        if self.digests.len() < HASHES_MAX || self.digests.contains(&digest) {
            self.digests.insert(digest);
        } else {
            self.overflow = true;
        }
    }

    /// Whether there is nothing to allow.
    pub(crate) fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

impl Needs {
    pub(crate) fn insert(&mut self, need: Need) {
        self.0 |= 1 << need as u16;
    }

    pub(crate) fn has(self, need: Need) -> bool {
        self.0 & (1 << need as u16) != 0
    }

    /// What either needs.
    #[must_use]
    pub(crate) fn union(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

/// Counts lines up to ever later offsets, each byte once.
#[derive(Debug)]
struct Lines<'a> {
    text: &'a [u8],
    first: u32,
    counted: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8], first: u32) -> Lines<'a> {
        Lines {
            text,
            first,
            counted: 0,
            line: first,
        }
    }

    /// The line of the byte at `offset`; an offset before the last one asked for is on its line.
    fn at(&mut self, offset: usize) -> u32 {
        let new = self.text.get(self.counted..offset).unwrap_or_default();
        let count = memchr::memchr_iter(b'\n', new).count();
        self.line = self
            .line
            .saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.counted = self.counted.max(offset);
        self.line
    }
}

/// What follows the scheme, if the URL has it.
fn strip_scheme<'a>(target: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = target.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::{HASHES_MAX, Scan, css, html, script, svg};

    /// Everything that opens something, and some that close it.
    const PIECES: [&[u8]; 40] = [
        b"<script>",
        b"</script>",
        b"<!--",
        b"-->",
        b"<svg>",
        b"</svg>",
        b"<![CDATA[",
        b"]]>",
        b"<a ",
        b"href=",
        b"'",
        b"\"",
        b"`",
        b"${",
        b"}",
        b"{",
        b"/",
        b"*",
        b"//",
        b"/*",
        b"\\",
        b"\n",
        b"\r",
        b"\0",
        b"\xFF",
        b"&",
        b"&#x10ffff;",
        b"url(",
        b")",
        b"@import",
        b"@font-face{",
        b"=",
        b">",
        b"<style",
        b"<iframe srcdoc='",
        b"image-set(",
        b"eval(",
        b"%zz",
        b"javascript:",
        b"on1=",
    ];

    fn all(content: &[u8]) -> [Scan; 4] {
        [html(content), svg(content), css(content), script(content)]
    }

    #[test]
    fn no_text_makes_a_scan_panic() {
        let mut random = crate::testing::Random(1);
        let mut text = Vec::new();
        for round in 0..2000 {
            text.clear();
            for _ in 0..round % 40 {
                text.extend_from_slice(PIECES[random.below(PIECES.len())]);
            }
            all(&text);
        }
    }

    /// With a quadratic step anywhere this would take minutes.
    #[test]
    fn a_file_of_one_line_takes_linear_time() {
        for piece in PIECES {
            all(&piece.repeat(100_000 / piece.len()));
        }
        all(&b"<a href=x ".repeat(20_000));
        all(&[&b"<a "[..], &b"href=x ".repeat(20_000)].concat());
        all(&[&b"<link "[..], &b"href=x ".repeat(20_000)].concat());
        all(&b"{\"a\":    \"./b\"}".repeat(30_000));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let styles: String = (0..1000).map(|i| format!("<p style='a:{i}'>")).collect();
        let hashes = html(styles.as_bytes()).inline.style_attributes;
        assert!(hashes.overflow && hashes.digests.len() == HASHES_MAX);
        let same = "<p style='a'><a href=b>".repeat(1000);
        let scan = html(same.as_bytes());
        assert!(!scan.inline.style_attributes.overflow && scan.references.len() == 1);
    }
}
