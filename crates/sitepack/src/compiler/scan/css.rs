//! Style sheets: `url(…)`, `@import`, `image-set(…)`, and which of them are fonts (CSS Syntax 3).

use super::{Lines, ReferenceKind, Scan};

/// Scans a style sheet.
pub(crate) fn css(content: &[u8]) -> Scan {
    let mut scan = Scan::default();
    read(&mut scan, content, 1);
    scan
}

/// Scans a style sheet, or the declarations of an attribute, whose text begins at a line.
pub(super) fn read(scan: &mut Scan, text: &[u8], first_line: u32) {
    let mut lexer = Lexer {
        text,
        at: 0,
        rule: Rule::Plain,
        parentheses: 0,
        image_set: None,
    };
    let mut lines = Lines::new(text, first_line);
    while let Some((kind, target, offset)) = lexer.next_url() {
        scan.refer(kind, &target, || lines.at(offset));
    }
}

/// The at-rule that the lexer is in, as far as it says what a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Plain,
    FontFace,
    Import,
    /// `@namespace url(…)` names, and loads nothing.
    Namespace,
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    rule: Rule,
    parentheses: u32,
    /// The depth of parentheses at which strings are URLs.
    image_set: Option<u32>,
}

impl<'a> Lexer<'a> {
    fn next_url(&mut self) -> Option<(ReferenceKind, String, usize)> {
        while let Some(byte) = self.peek() {
            let offset = self.at;
            self.at += 1;
            match byte {
                b'/' if self.peek() == Some(b'*') => self.skip_comment(),
                b'"' | b'\'' => {
                    let string = self.string(byte);
                    let is_image = self.image_set == Some(self.parentheses);
                    if self.rule == Rule::Import || is_image {
                        return Some((self.take_kind(), unescape(string), offset));
                    }
                }
                b'@' => {
                    let word = self.word();
                    self.rule = match () {
                        () if word.eq_ignore_ascii_case(b"import") => Rule::Import,
                        () if word.eq_ignore_ascii_case(b"font-face") => Rule::FontFace,
                        () if word.eq_ignore_ascii_case(b"namespace") => Rule::Namespace,
                        () => Rule::Plain,
                    };
                }
                b'(' => self.parentheses = self.parentheses.saturating_add(1),
                b')' => {
                    if self.image_set == Some(self.parentheses) {
                        self.image_set = None;
                    }
                    self.parentheses = self.parentheses.saturating_sub(1);
                }
                b'}' => (self.rule, self.parentheses, self.image_set) = (Rule::Plain, 0, None),
                b';' if matches!(self.rule, Rule::Import | Rule::Namespace) => {
                    self.rule = Rule::Plain;
                }
                byte if is_name(byte) => {
                    self.at = offset;
                    if let Some(target) = self.function() {
                        return Some((self.take_kind(), unescape(target), offset));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// What the URL here is for. Of `@import` only the first is a URL: `layer(…)` follows.
    fn take_kind(&mut self) -> ReferenceKind {
        match self.rule {
            Rule::Plain => ReferenceKind::Image,
            Rule::FontFace => ReferenceKind::Font,
            Rule::Namespace => ReferenceKind::Link,
            Rule::Import => {
                self.rule = Rule::Plain;
                ReferenceKind::Style
            }
        }
    }

    /// A word; if it is `url(`, the URL.
    fn function(&mut self) -> Option<&'a [u8]> {
        let word = self.word();
        if self.peek() != Some(b'(') {
            return None;
        }
        if word.eq_ignore_ascii_case(b"image-set")
            || word.eq_ignore_ascii_case(b"-webkit-image-set")
        {
            self.image_set = Some(self.parentheses.saturating_add(1));
        }
        if !word.eq_ignore_ascii_case(b"url") {
            return None;
        }
        self.at += 1;
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        let target = match self.peek()? {
            quote @ (b'"' | b'\'') => {
                self.at += 1;
                let target = self.string(quote);
                self.skip_to(b')');
                target
            }
            _ => {
                let start = self.at;
                let end = self.skip_to(b')');
                self.text.get(start..end)?.trim_ascii()
            }
        };
        (self.rule != Rule::Namespace).then_some(target)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_name(*byte));
        let word = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    fn skip_comment(&mut self) {
        self.at += 1;
        let end = memchr::memmem::find(self.rest(), b"*/").map(|end| end + 2);
        self.at += end.unwrap_or(self.rest().len());
    }

    /// The string whose opening quote was just read. A line break ends a bad one (§4.3.5).
    fn string(&mut self, quote: u8) -> &'a [u8] {
        let start = self.at;
        while let Some(found) = memchr::memchr3(quote, b'\\', b'\n', self.rest()) {
            self.at += found + 1;
            if self.text.get(self.at - 1) == Some(&b'\\') {
                self.at += 1;
                continue;
            }
            return self.text.get(start..self.at - 1).unwrap_or_default();
        }
        self.at = self.text.len();
        self.text.get(start..).unwrap_or_default()
    }

    /// Goes behind the next `end` that no `\` stands before; says where that is.
    fn skip_to(&mut self, end: u8) -> usize {
        while let Some(found) = memchr::memchr2(end, b'\\', self.rest()) {
            self.at += found + 1;
            if self.text.get(self.at - 1) == Some(&end) {
                return self.at - 1;
            }
            self.at += 1;
        }
        self.at = self.text.len();
        self.at
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'\\' | 0x80..)
}

/// Takes the escapes out: `\2F ` and `\)` (§4.3.7).
fn unescape(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    if !text.contains('\\') {
        return text.into_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let digits = after
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_hexdigit)
            .count();
        let (hex, tail) = after.split_at(digits);
        if digits == 0 {
            let mut characters = tail.chars();
            plain.extend(characters.next().filter(|c| *c != '\n'));
            rest = characters.as_str();
        } else {
            let code = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
            plain.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            let space = tail.strip_prefix(|c: char| c.is_ascii_whitespace());
            rest = space.unwrap_or(tail);
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::css;
    use crate::compiler::scan::{Need, ReferenceKind};

    fn found(text: &str) -> Vec<(u32, ReferenceKind, String)> {
        let references = css(text.as_bytes()).references;
        let triple = |r: crate::compiler::scan::Reference| (r.line, r.kind, r.target);
        references.into_iter().map(triple).collect()
    }

    #[test]
    fn urls_are_found_where_browsers_find_them() {
        use ReferenceKind::{Font, Image, Style};
        for (text, kind, target) in [
            ("a{background:url(b.png)}", Image, "b.png"),
            ("a{background:URL( 'b.png' )}", Image, "b.png"),
            ("a{background:url(\"b c.png\")}", Image, "b c.png"),
            ("a{background:url(b\\).png)}", Image, "b).png"),
            ("a{background:url(\\2F b.png)}", Image, "/b.png"),
            ("a{mask:url(b.svg#part)}", Image, "b.svg"),
            ("@import 'x.css' layer(url);", Style, "x.css"),
            ("@import url(x.css) print;", Style, "x.css"),
            (
                "@font-face{font-family:'f';src:local('f'),url(f.woff2)format('woff2')}",
                Font,
                "f.woff2",
            ),
            ("@font-face{}a{background:url(i)}", Image, "i"),
            (
                "a{background:image-set('b.png' 1x type('image/png'))}",
                Image,
                "b.png",
            ),
            ("a{b:url(c", Image, "c"),
            ("a{b:url('c", Image, "c"),
            ("--x:url(y)", Image, "y"),
        ] {
            assert_eq!(found(text), [(1, kind, target.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_loads_nothing_is_not_found() {
        for text in [
            "/* url(a) */",
            "a{content:'url(a)'}",
            "@namespace svg url(http://www.w3.org/2000/svg);",
            "@charset 'x';",
            "a{filter:url(#blur)}",
            "a{b:myurl(c)}",
            "/* open url(x)",
            "a{b:url()}",
            "a{b:url(\"\")}",
            "\\",
            "url(\\",
            "'\\",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn lines_and_needs_are_told() {
        let text = "a{\nb:url(c)}\n\n@import\n'd';\n@font-face{src:url(data:font/woff2;base64,AA)}";
        let lines: Vec<u32> = found(text).into_iter().map(|(line, _, _)| line).collect();
        assert_eq!(lines, [2, 5]);
        let needs = css(text.as_bytes()).inline.needs;
        assert!(needs.has(Need::DataFont) && !needs.has(Need::DataImage));
        assert!(css(b"a{b:url(data:,x)}").inline.needs.has(Need::DataImage));
    }
}
