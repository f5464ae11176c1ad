//! HTML and SVG: the tokenizer's tokens, and as much of the tree as decides what a token means.
//!
//! The tree matters in one place, foreign content, which has a module of its own. The contents of
//! `<noscript>` and `<template>` are read as any others: what is in them may come to life.

use std::cell::Cell;
use std::convert::Infallible;

use html5gum::{Emitter, Error, Readable as _, Reader, State, StringReader, Tokenizer};

use super::element::{self, Raw};
use super::foreign::{Entered, Foreign};
use super::tag::Tag;
use super::{Lines, Remark, Scan};

/// Documents in `srcdoc` attributes in documents in `srcdoc` attributes: deeper is not read.
const SRCDOC_DEPTH_MAX: usize = 3;

/// Scans an HTML page.
pub(crate) fn html(content: &[u8]) -> Scan {
    document(content, Syntax::Html)
}

/// Scans an SVG image, or another document in XML.
pub(crate) fn svg(content: &[u8]) -> Scan {
    document(content, Syntax::Xml)
}

fn document(content: &[u8], syntax: Syntax) -> Scan {
    let mut scan = Scan::default();
    if let Err(error) = std::str::from_utf8(content) {
        let line = Lines::new(content, 1).at(error.valid_up_to());
        scan.remark(Remark::NotUtf8, line);
    }
    read(&mut scan, content, syntax, Place::Line(1), 0);
    scan
}

/// The two syntaxes of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Html,
    Xml,
}

/// Where a text begins: at a line of the file, or (an attribute's value) within one.
#[derive(Clone, Copy, Debug)]
enum Place {
    Line(u32),
    Within(u32),
}

fn read(scan: &mut Scan, content: &[u8], syntax: Syntax, place: Place, depth: usize) {
    let offset = Cell::new(0);
    let reader = Cursor {
        inner: content.to_reader(),
        offset: &offset,
    };
    let (lines, line) = match place {
        Place::Line(first) => (content, first),
        Place::Within(line) => (&b""[..], line),
    };
    let document = Document {
        scan,
        lines: Lines::new(lines, line),
        offset: &offset,
        syntax,
        depth,
        tag: Tag::default(),
        last_start_tag: Vec::new(),
        foreign: Foreign::new(syntax),
        raw: None,
        text: Vec::new(),
        text_offset: 0,
    };
    // A reader of memory has no errors.
    let _ = Tokenizer::new_with_emitter(reader, document).finish();
}

struct Document<'a> {
    scan: &'a mut Scan,
    lines: Lines<'a>,
    offset: &'a Cell<usize>,
    syntax: Syntax,
    depth: usize,
    tag: Tag,
    last_start_tag: Vec<u8>,
    foreign: Foreign,
    /// The element whose text is being collected.
    raw: Option<Raw>,
    text: Vec<u8>,
    text_offset: usize,
}

impl Document<'_> {
    fn start_tag(&mut self) -> Option<State> {
        let state = self.foreign.enter(&self.tag.name, self.tag.closes_itself);
        let raw = element::read(self.scan, &self.tag, self.syntax, &mut self.lines);
        self.frame();
        let is_closed = self.tag.closes_itself && state == Entered::Foreign;
        if !is_closed && self.raw.is_none() {
            self.raw = raw;
            self.text.clear();
            self.text_offset = self.offset.get();
        }
        self.last_start_tag.clear();
        self.last_start_tag.extend_from_slice(&self.tag.name);
        match (state, &*self.tag.name) {
            (Entered::Foreign, _) => None,
            (Entered::Html, b"script") => Some(State::ScriptData),
            (Entered::Html, b"style" | b"iframe" | b"xmp" | b"noembed" | b"noframes") => {
                Some(State::RawText)
            }
            (Entered::Html, b"textarea" | b"title") => Some(State::RcData),
            (Entered::Html, b"plaintext") => Some(State::PlainText),
            (Entered::Html, _) => None,
        }
    }

    /// A document in an attribute stands under the policy of the page.
    fn frame(&mut self) {
        if *self.tag.name == *b"iframe"
            && self.depth < SRCDOC_DEPTH_MAX
            && let Some(document) = self.tag.value(b"srcdoc")
        {
            let place = Place::Within(self.lines.at(self.tag.offset));
            read(self.scan, document, Syntax::Html, place, self.depth + 1);
        }
    }

    fn end_tag(&mut self) {
        self.foreign.leave(&self.tag.name);
        let ends = |raw: &Raw| raw.element() == self.tag.name;
        if self.raw.as_ref().is_some_and(ends) {
            self.end_text();
        }
    }

    fn end_text(&mut self) {
        if let Some(raw) = self.raw.take() {
            let line = self.lines.at(self.text_offset);
            raw.end(self.scan, &self.text, line);
        }
    }
}

impl Emitter for Document<'_> {
    type Token = Infallible;

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start_tag.clear();
        self.last_start_tag
            .extend_from_slice(name.unwrap_or_default());
    }

    /// A style sheet that the file's end cuts short counts, a script does not run (§13.2.6.4.8).
    fn emit_eof(&mut self) {
        if self.raw.as_ref().is_some_and(Raw::counts_unclosed) {
            self.end_text();
        }
    }

    fn emit_error(&mut self, _: Error) {}

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn pop_token(&mut self) -> Option<Infallible> {
        None
    }

    fn emit_string(&mut self, text: &[u8]) {
        if self.raw.is_some() {
            self.text.extend_from_slice(text);
        }
    }

    fn init_start_tag(&mut self) {
        self.tag.clear(false, self.offset.get());
    }

    fn init_end_tag(&mut self) {
        self.tag.clear(true, self.offset.get());
    }

    fn init_comment(&mut self) {}

    fn emit_current_tag(&mut self) -> Option<State> {
        if self.tag.is_end {
            self.end_tag();
            None
        } else {
            self.start_tag()
        }
    }

    fn emit_current_comment(&mut self) {}

    fn emit_current_doctype(&mut self) {}

    fn set_self_closing(&mut self) {
        self.tag.closes_itself = true;
    }

    fn set_force_quirks(&mut self) {}

    fn push_tag_name(&mut self, text: &[u8]) {
        self.tag.name.extend_from_slice(text);
    }

    fn push_comment(&mut self, _: &[u8]) {}

    fn push_doctype_name(&mut self, _: &[u8]) {}

    fn init_doctype(&mut self) {}

    fn init_attribute(&mut self) {
        self.tag.push_attribute(self.offset.get());
    }

    fn push_attribute_name(&mut self, text: &[u8]) {
        self.tag.push_name(text);
    }

    fn push_attribute_value(&mut self, text: &[u8]) {
        self.tag.push_value(text);
    }

    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tag.is_end && self.tag.name == self.last_start_tag
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.foreign.is_inside()
    }
}

/// The tokenizer's reader, which tells how far it has come.
struct Cursor<'a> {
    inner: StringReader<'a>,
    offset: &'a Cell<usize>,
}

impl Cursor<'_> {
    fn advance(&self, bytes: usize) {
        self.offset.set(self.offset.get() + bytes);
    }
}

impl Reader for Cursor<'_> {
    type Error = Infallible;

    fn read_byte(&mut self) -> Result<Option<u8>, Infallible> {
        let byte = self.inner.read_byte()?;
        self.advance(usize::from(byte.is_some()));
        Ok(byte)
    }

    fn try_read_string(&mut self, text: &[u8], case_sensitive: bool) -> Result<bool, Infallible> {
        let found = self.inner.try_read_string(text, case_sensitive)?;
        self.advance(if found { text.len() } else { 0 });
        Ok(found)
    }

    fn read_until<'b>(
        &'b mut self,
        needle: &[u8],
        buffer: &'b mut [u8; 4],
    ) -> Result<Option<&'b [u8]>, Infallible> {
        let chunk = self.inner.read_until(needle, buffer)?;
        self.offset
            .set(self.offset.get() + chunk.map_or(0, <[u8]>::len));
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::html;
    use crate::compiler::scan::{Hashes, Remark};
    use crate::digest::Digest;

    fn is_hash_of(hashes: &Hashes, text: &str) -> bool {
        hashes.digests.iter().eq([&Digest::of(text.as_bytes())])
    }

    /// Each pair was tried in Chromium 156 under the policy made of the hash.
    #[test]
    fn a_script_is_hashed_as_the_browser_reads_it() {
        for (page, text) in [
            ("<script>a</script>", "a"),
            ("<script>\na\n</script>", "\na\n"),
            ("<script>a\r\nb\rc</script>", "a\nb\nc"),
            ("<script>&amp;</script>", "&amp;"),
            ("<script>a\0b</script>", "a\u{FFFD}b"),
            ("<script>é\u{1F600}</script>", "é\u{1F600}"),
            (
                "<script><!-- <script> </script> --></script>",
                "<!-- <script> </script> -->",
            ),
            ("<script>'<\\/script>'</script >", "'<\\/script>'"),
            ("<SCRIPT>a</scripty></Script\n>", "a</scripty>"),
            ("<svg><script>1 &lt; 2</script></svg>", "1 < 2"),
            ("<svg><script><![CDATA[1 < 2]]></script></svg>", "1 < 2"),
            (
                "<svg><foreignObject><script>&lt;</script></foreignObject></svg>",
                "&lt;",
            ),
            ("<svg><p><script>&lt;</script>", "&lt;"),
            ("<svg/><script>&lt;</script>", "&lt;"),
            ("<svg><title>x</title><script>&lt;</script></svg>", "<"),
            ("<math><mi><script>&lt;</script></mi></math>", "&lt;"),
            ("<template><script>a</script></template>", "a"),
            ("<noscript><script>a</script></noscript>", "a"),
            (
                "<iframe srcdoc='&lt;script>&amp;quot;&lt;/script>'></iframe>",
                "&quot;",
            ),
            ("<!-- <script>b</script> --><script>a</script>", "a"),
            ("<script>a</script><script>unclosed", "a"),
            ("<script></script><script>a</script>", "a"),
        ] {
            let scripts = html(page.as_bytes()).inline.scripts;
            assert!(is_hash_of(&scripts, text), "{page:?}");
        }
    }

    #[test]
    fn attributes_and_styles_are_hashed_as_the_browser_reads_them() {
        let inline = |page: &str| html(page.as_bytes()).inline;
        let handlers = inline("<p onclick='a=&quot;&amp;&quot;;\r\nb' ONfocus=c>").handlers;
        assert_eq!(handlers.digests.len(), 2);
        assert!(is_hash_of(&inline("<p onclick=a ONclick=b>").handlers, "a"));
        assert!(is_hash_of(
            &inline("<p onclick='a &amp;&amp; \r\nb'>").handlers,
            "a && \nb"
        ));
        assert!(is_hash_of(
            &inline("<p style=' c:d;&#10;'>").style_attributes,
            " c:d;\n"
        ));
        assert!(is_hash_of(
            &inline("<style>&gt;\r\n</style>").styles,
            "&gt;\n"
        ));
        assert!(is_hash_of(&inline("<style>a{}").styles, "a{}"));
        assert!(is_hash_of(
            &inline("<svg><style>&gt;</style></svg>").styles,
            ">"
        ));
        assert!(is_hash_of(
            &inline("<a href=' JavaScript:a()'>").javascript_urls,
            "javascript:a()"
        ));
        assert!(is_hash_of(
            &inline("<a href='java\nscript:a()'>").javascript_urls,
            "javascript:a()"
        ));
        assert!(inline("<style type=text/less>a</style>").styles.is_empty());
    }

    #[test]
    fn what_is_not_utf8_is_told_and_replaced() {
        let scan = html(b"<p>\n<script>\xFF</script>");
        assert_eq!(scan.remarks[&Remark::NotUtf8].line, 2);
        assert!(is_hash_of(&scan.inline.scripts, "\u{FFFD}"));
    }
}
