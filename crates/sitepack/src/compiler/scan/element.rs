//! What a start tag refers to, loads, or holds inline.

use std::borrow::Cow;

use super::html::Syntax;
use super::tag::Tag;
use super::{Lines, ReferenceKind, Remark, Scan, css, script, strip_scheme};

/// An element whose text matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// Classic or module: a program.
    Script,
    /// A program's import map.
    ImportMap,
    /// Rules for the browser, under the same directive.
    SpeculationRules,
    Style,
}

impl Raw {
    /// The element's name.
    pub(super) fn element(self: &Raw) -> &'static [u8] {
        match self {
            Raw::Script | Raw::ImportMap | Raw::SpeculationRules => b"script",
            Raw::Style => b"style",
        }
    }

    /// Whether it has an effect though the file ends within it.
    pub(super) fn counts_unclosed(self: &Raw) -> bool {
        match self {
            Raw::Script | Raw::ImportMap | Raw::SpeculationRules => false,
            Raw::Style => true,
        }
    }

    /// Takes in the element's whole text, which begins at `line`.
    pub(super) fn end(self, scan: &mut Scan, text: &[u8], line: u32) {
        match self {
            // An empty one is not run and not checked.
            Raw::Script if text.is_empty() => return,
            Raw::Script => {
                script::read(scan, text, line);
                scan.inline.runs_scripts = true;
            }
            Raw::ImportMap => {
                script::import_map(scan, text, line);
                scan.inline.runs_scripts = true;
            }
            Raw::SpeculationRules => {}
            Raw::Style => {
                css::read(scan, text, line);
                scan.inline.styles.insert(text);
                scan.remark(Remark::InlineStyle, line);
                return;
            }
        }
        scan.inline.scripts.insert(text);
        scan.remark(Remark::InlineScript, line);
    }
}

/// Takes in a start tag; says whether the text that follows it matters.
pub(super) fn read(
    scan: &mut Scan,
    tag: &Tag,
    syntax: Syntax,
    lines: &mut Lines<'_>,
) -> Option<Raw> {
    let mut raw = None;
    match &*tag.name {
        b"script" => raw = script_type(tag).filter(|_| script_source(tag).is_none()),
        b"style" => raw = is_css(tag).then_some(Raw::Style),
        b"base" if scan.base.is_none() => scan.base = tag.value(b"href").map(text),
        b"meta" => meta(scan, tag, lines),
        _ => {}
    }
    for (name, value, offset) in tag.attributes() {
        let mut line = || lines.at(offset);
        if *name == *b"style" {
            // XML turns line breaks in attributes into spaces, HTML does not.
            let value = match syntax {
                Syntax::Html => value.to_vec(),
                Syntax::Xml => spaces(value),
            };
            css::read(scan, &value, line());
            scan.inline.style_attributes.insert(&value);
            scan.remark(Remark::StyleAttribute, line());
        } else if is_handler(name) {
            let value = match syntax {
                Syntax::Html => value.to_vec(),
                Syntax::Xml => spaces(value),
            };
            script::read(scan, &value, line());
            scan.inline.handlers.insert(&value);
            scan.inline.runs_scripts = true;
            scan.remark(Remark::InlineHandler, line());
        } else if matches!(name, b"srcset" | b"imagesrcset") {
            source_set(scan, &text(value), line());
        } else if let Some(kind) = kind(tag, name) {
            refer(scan, kind, value, line);
        }
    }
    raw
}

/// A URL without tabs and line breaks in its scheme.
fn unbroken_scheme(url: &str) -> Cow<'_, str> {
    let (scheme, rest) = url.split_at(url.find(':').unwrap_or(0));
    let is_break = |c: char| matches!(c, '\t' | '\n' | '\r');
    if scheme.contains(is_break) {
        Cow::Owned(scheme.replace(is_break, "") + rest)
    } else {
        Cow::Borrowed(url)
    }
}

/// Notes an attribute's URL or, of `ping`, URLs.
fn refer(scan: &mut Scan, kind: ReferenceKind, value: &[u8], mut line: impl FnMut() -> u32) {
    let value = String::from_utf8_lossy(value);
    // WHATWG URL, "basic URL parser": tabs and line breaks are removed, wherever they are. Code
    // keeps them, so it is only the scheme that is read without.
    let value = unbroken_scheme(&value);
    let trimmed = value.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
    if let Some(code) = strip_scheme(trimmed, "javascript:") {
        script::read(scan, code.as_bytes(), line());
        for url in javascript_urls(code) {
            scan.inline.javascript_urls.insert(&url);
        }
        scan.inline.runs_scripts = true;
        scan.remark(Remark::JavascriptUrl, line());
    } else if kind == ReferenceKind::Contact {
        for target in trimmed.split_ascii_whitespace() {
            scan.refer(kind, target, &mut line);
        }
    } else {
        scan.refer(kind, trimmed, line);
    }
}

/// A `javascript:` URL in the two forms that are hashed: as a URL is written, which CSP3 says, and
/// percent-decoded, which Chromium does (seen in version 156).
fn javascript_urls(code: &str) -> [Vec<u8>; 2] {
    let mut written = b"javascript:".to_vec();
    for byte in code.bytes() {
        match byte {
            b'\t' | b'\n' | b'\r' => {}
            0x20..0x7F => written.push(byte),
            byte => written.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    let mut decoded = Vec::with_capacity(written.len());
    let mut rest = &*written;
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(*byte));
        rest = after
            .get(if value.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    [written, decoded]
}

/// What an attribute's URL is for, if it has one.
fn kind(tag: &Tag, attribute: &[u8]) -> Option<ReferenceKind> {
    match (&*tag.name, attribute) {
        (b"link", b"href") => Some(link(tag)),
        (b"a" | b"area", b"href" | b"xlink:href") => Some(ReferenceKind::Link),
        (b"a" | b"area", b"ping") => Some(ReferenceKind::Contact),
        (b"script", b"src" | b"href" | b"xlink:href") => {
            let used = script_type(tag).is_some() && script_source(tag) == Some(attribute);
            used.then_some(ReferenceKind::Script)
        }
        (b"img" | b"input", b"src") | (b"video", b"poster") | (_, b"background") => {
            Some(ReferenceKind::Image)
        }
        (b"image" | b"use" | b"feimage" | b"pattern", b"href" | b"xlink:href") => {
            Some(ReferenceKind::Image)
        }
        (b"audio" | b"video" | b"source" | b"track", b"src") => Some(ReferenceKind::Media),
        (b"iframe" | b"frame", b"src") => Some(ReferenceKind::Frame),
        (b"object", b"data") | (b"embed", b"src") => Some(ReferenceKind::Object),
        (b"form", b"action") | (b"button" | b"input", b"formaction") => Some(ReferenceKind::Form),
        _ => None,
    }
}

/// What `<link>` does, by the strongest of its `rel` words.
fn link(tag: &Tag) -> ReferenceKind {
    let words = text(tag.value(b"rel").unwrap_or_default()).to_ascii_lowercase();
    let has = |word: &str| words.split_ascii_whitespace().any(|found| found == word);
    if has("stylesheet") {
        ReferenceKind::Style
    } else if has("icon") || has("apple-touch-icon") || has("mask-icon") {
        ReferenceKind::Image
    } else if has("modulepreload") {
        ReferenceKind::Script
    } else if has("manifest") {
        ReferenceKind::Manifest
    } else if has("preload") || has("prefetch") || has("prerender") {
        ReferenceKind::Prefetch
    } else if has("preconnect") || has("dns-prefetch") {
        ReferenceKind::Contact
    } else {
        // canonical, alternate, next, license…: nobody loads them.
        ReferenceKind::Link
    }
}

fn meta(scan: &mut Scan, tag: &Tag, lines: &mut Lines<'_>) {
    let Some(directive) = tag.value(b"http-equiv") else {
        return;
    };
    let offset = tag.attributes().next().map_or(0, |(_, _, offset)| offset);
    if directive.eq_ignore_ascii_case(b"content-security-policy") {
        scan.remark(Remark::OwnPolicy, lines.at(offset));
    } else if directive.eq_ignore_ascii_case(b"refresh") {
        // `5; url='page.html'` (HTML §4.2.5.3).
        let content = text(tag.value(b"content").unwrap_or_default());
        let Some((_, target)) = content.split_once([';', ',']) else {
            return;
        };
        let target = target.trim_start();
        let target = match strip_scheme(target, "url") {
            Some(rest) => rest.trim_start().strip_prefix('=').unwrap_or(target),
            None => target,
        };
        let target = target.trim_start();
        let quoted = target.strip_prefix(['"', '\'']);
        let target = quoted.map_or(target, |rest| {
            rest.split(['"', '\'']).next().unwrap_or(rest)
        });
        scan.refer(ReferenceKind::Link, target, || lines.at(offset));
    }
}

/// `a.png 1x, b.png 2x`: a URL ends at white space, and a comma at its end is none of it
/// (HTML §4.8.4.2.1).
fn source_set(scan: &mut Scan, value: &str, line: u32) {
    let separates = |c: char| c == ',' || c.is_ascii_whitespace();
    let mut rest = value.trim_start_matches(separates);
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_whitespace());
        let (target, after) = rest.split_at(end.unwrap_or(rest.len()));
        let bare = target.trim_end_matches(',');
        scan.refer(ReferenceKind::Image, bare, || line);
        rest = if bare.len() < target.len() {
            after
        } else {
            after.split_once(',').map_or("", |(_, next)| next)
        };
        rest = rest.trim_start_matches(separates);
    }
}

/// Which kind of script it is; `None` is a block of data, which no policy governs.
fn script_type(tag: &Tag) -> Option<Raw> {
    let kind = match (tag.value(b"type"), tag.value(b"language")) {
        (Some(b""), _) | (None, None | Some(b"")) => return Some(Raw::Script),
        (Some(kind), _) => text(kind).trim().to_ascii_lowercase(),
        (None, Some(language)) => format!("text/{}", text(language).to_ascii_lowercase()),
    };
    match &*kind {
        "importmap" => return Some(Raw::ImportMap),
        "speculationrules" => return Some(Raw::SpeculationRules),
        "module" => return Some(Raw::Script),
        _ => {}
    }
    // JavaScript MIME types (WHATWG MIME Sniffing §4.6). With parameters it is none.
    let essence = kind
        .strip_prefix("text/")
        .or_else(|| kind.strip_prefix("application/"))?;
    let is_program = match essence {
        "javascript" | "ecmascript" | "x-javascript" | "x-ecmascript" => true,
        "jscript" | "livescript" => kind.starts_with("text/"),
        versioned => {
            let version = versioned.strip_prefix("javascript1.");
            let known =
                version.is_some_and(|minor| ["0", "1", "2", "3", "4", "5"].contains(&minor));
            known && kind.starts_with("text/")
        }
    };
    is_program.then_some(Raw::Script)
}

/// The attribute that names a script's file.
fn script_source(tag: &Tag) -> Option<&'static [u8]> {
    let names: [&'static [u8]; 3] = [b"src", b"href", b"xlink:href"];
    names.into_iter().find(|name| tag.value(name).is_some())
}

fn is_css(tag: &Tag) -> bool {
    tag.value(b"type")
        .is_none_or(|kind| kind.is_empty() || kind.eq_ignore_ascii_case(b"text/css"))
}

fn is_handler(name: &[u8]) -> bool {
    name.len() > 3 && name.starts_with(b"on") && name.iter().all(u8::is_ascii_lowercase)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn spaces(value: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| match byte {
        b'\t' | b'\n' | b'\r' => b' ',
        byte => *byte,
    };
    value.iter().map(space).collect()
}

#[cfg(test)]
mod tests {
    use crate::compiler::scan::{Need, ReferenceKind, Remark, Scan, html, svg};

    fn found(scan: Scan) -> Vec<(ReferenceKind, String)> {
        let pair = |r: crate::compiler::scan::Reference| (r.kind, r.target);
        scan.references.into_iter().map(pair).collect()
    }

    #[test]
    fn every_attribute_with_a_url_has_its_use() {
        use ReferenceKind::{
            Contact, Font, Form, Frame, Image, Link, Manifest, Media, Object, Prefetch, Script,
            Style,
        };
        let table: &[(&str, ReferenceKind)] = &[
            ("<a href=x>", Link),
            ("<A HREF = 'x'>", Link),
            ("<area href=x#y>", Link),
            ("<a ping=x>", Contact),
            ("<script src=x></script>", Script),
            ("<script type=module src=x></script>", Script),
            ("<link rel=stylesheet href=x>", Style),
            ("<link rel='alternate StyleSheet' href=x>", Style),
            ("<link rel='shortcut icon' href=x>", Image),
            ("<link rel=apple-touch-icon href=x>", Image),
            ("<link rel=preload as=font href=x>", Prefetch),
            ("<link rel=prefetch href=x>", Prefetch),
            ("<link rel=modulepreload href=x>", Script),
            ("<link rel=manifest href=x>", Manifest),
            ("<link rel=preconnect href=x>", Contact),
            ("<link rel=dns-prefetch href=x>", Contact),
            ("<link rel=canonical href=x>", Link),
            ("<link rel='alternate' href=x>", Link),
            ("<link rel=preload imagesrcset='x 1x'>", Image),
            ("<img src=x>", Image),
            ("<img srcset=' x '>", Image),
            ("<input type=image src=x>", Image),
            ("<body background=x>", Image),
            ("<video poster=x>", Image),
            ("<video src=x>", Media),
            ("<video><source src=x>", Media),
            ("<picture><source srcset='x 2x'>", Image),
            ("<track src=x>", Media),
            ("<iframe src=x></iframe>", Frame),
            ("<object data=x>", Object),
            ("<embed src=x>", Object),
            ("<form action=x>", Form),
            ("<button formaction=x>", Form),
            ("<meta http-equiv=refresh content='3; URL=x'>", Link),
            ("<meta http-equiv=Refresh content=\"0;url='x'\">", Link),
            ("<meta http-equiv=refresh content='0, x'>", Link),
            ("<svg><use href=x#part /></svg>", Image),
            ("<svg><image xlink:href=x /></svg>", Image),
            ("<svg><a xlink:href=x /></svg>", Link),
            ("<svg><script href=x /></svg>", Script),
            ("<noscript><img src=x></noscript>", Image),
            ("<template><img src=x></template>", Image),
            ("<p style='background:url(x)'>", Image),
            ("<style>@font-face{src:url(x)}</style>", Font),
            (
                "<script type=importmap>{\"imports\":{\"./y\":\"x\",\"a\":\"/x\"}}</script>",
                Script,
            ),
            ("<iframe srcdoc='&lt;img src=x>'></iframe>", Image),
            ("<a href='&#120;'>", Link),
            ("<a href=x><a href=x#y><a href=' x '>", Link),
        ];
        for (text, kind) in table {
            let references = found(html(text.as_bytes()));
            let [(found, target)] = &*references else {
                panic!("{text}: {references:?}");
            };
            assert_eq!(
                (found, target.trim_start_matches('/')),
                (kind, "x"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_reference_is_not_found() {
        for text in [
            "<a>",
            "<a href>",
            "<a href='#x'>",
            "<p href=x>",
            "<!-- <a href=x> -->",
            "<textarea><a href=x></textarea>",
            "<title><a href=x></title>",
            "<iframe><a href=x></iframe>",
            "<script><a href=x></script>",
            "<script type=text/template><a href=x></script>",
            "<script type=text/template src=x></script>",
            "<a href=data:,x>",
            "<a title='<a href=x>'>",
            "<meta http-equiv=refresh content=5>",
            "<blockquote cite=x>",
            "<a href",
            "<a href='x",
        ] {
            assert_eq!(found(html(text.as_bytes())), [], "{text}");
        }
    }

    #[test]
    fn source_sets_are_split_as_browsers_do() {
        for (text, targets) in [
            ("a.png 1x, b.png 2x", &["a.png", "b.png"][..]),
            ("a,b.png 1x,c.png", &["a,b.png", "c.png"]),
            (" ,, a.png, b.png ,", &["a.png", "b.png"]),
            ("a.png 100w 50h ,b.png", &["a.png", "b.png"]),
            (",", &[]),
        ] {
            let page = format!("<img srcset='{text}'>");
            let found = found(html(page.as_bytes()));
            let found: Vec<&str> = found.iter().map(|(_, target)| &**target).collect();
            assert_eq!(found, targets, "{text}");
        }
    }

    #[test]
    fn only_programs_are_hashed() {
        for (attributes, hashed) in [
            ("", true),
            ("type=''", true),
            ("type=text/javascript", true),
            ("type=' Application/JavaScript '", true),
            ("type=module", true),
            ("type=importmap", true),
            ("type=speculationrules", true),
            ("language=javascript1.5", true),
            ("language=vbscript", false),
            ("type=application/json", false),
            ("type=application/ld+json", false),
            ("type=text/template", false),
            ("type='text/javascript; charset=utf-8'", false),
            ("type=application/javascript1.5", false),
            ("src=x", false),
        ] {
            let page = format!("<script {attributes}>1</script>");
            let scan = html(page.as_bytes());
            assert_eq!(!scan.inline.scripts.is_empty(), hashed, "{attributes}");
            assert_eq!(
                scan.remarks.contains_key(&Remark::InlineScript),
                hashed,
                "{attributes}"
            );
        }
    }

    #[test]
    fn data_urls_tell_what_they_are_for() {
        for (text, need) in [
            ("<img src=data:,x>", Need::DataImage),
            ("<img srcset='DATA:,x 1x'>", Need::DataImage),
            ("<iframe src=data:,x>", Need::DataFrame),
            ("<audio src=data:,x>", Need::DataMedia),
            (
                "<style>@font-face{src:url(data:,x)}</style>",
                Need::DataFont,
            ),
            ("<p style='background:url(data:,x)'>", Need::DataImage),
            ("<embed src=x>", Need::Object),
        ] {
            assert!(html(text.as_bytes()).inline.needs.has(need), "{text}");
        }
        let scan = html(b"<script src=data:,1></script>");
        assert!(scan.remarks.contains_key(&Remark::DataCode));
    }

    #[test]
    fn lines_are_those_of_the_attribute() {
        let scan =
            html(b"<p>\r\n<a\n title=x\n href=y>\n<script>\n1</script><b style=z onclick=1>");
        assert_eq!(scan.references[0].line, 4);
        assert_eq!(scan.remarks[&Remark::InlineScript].line, 5);
        assert_eq!(scan.remarks[&Remark::StyleAttribute].line, 6);
    }

    #[test]
    fn an_image_in_xml_is_read_by_its_own_rules() {
        let scan = svg(b"<svg><script/><title/><a href='x'/><style/><rect style='a:\nb'/></svg>");
        assert_eq!(found(scan), [(ReferenceKind::Link, "x".to_owned())]);
        let scan = svg(b"<svg><rect style='a:\nb'/></svg>");
        let same = html(b"<rect style='a: b'>");
        assert_eq!(scan.inline.style_attributes, same.inline.style_attributes);
    }
}
