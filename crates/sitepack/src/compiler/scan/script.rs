//! Scripts: what their text gives away of what they will do.
//!
//! A lexer that tells code from comments, strings, templates and regular expressions, and looks
//! for words in the one and for beginnings of markup in the other. It is a heuristic: a program
//! can hide anything from it, and a regular expression after a `)` or a `}` is taken for two
//! divisions, which the end of the line puts right. What it must not do is find `eval` in a
//! comment.

use super::{Lines, Need, ReferenceKind, Remark, Scan};

/// Templates in the holes of templates: deeper ones are read as code.
const TEMPLATE_DEPTH_MAX: usize = 64;

/// Scans a script in a file of its own.
pub(crate) fn script(content: &[u8]) -> Scan {
    let mut scan = Scan::default();
    scan.inline.runs_scripts = true;
    read(&mut scan, content, 1);
    scan
}

/// Scans a script whose text begins at a line of its file.
pub(super) fn read(scan: &mut Scan, text: &[u8], first_line: u32) {
    let mut reader = Program {
        scan,
        lines: Lines::new(text, first_line),
        text,
        at: 0,
        last: Token::Start,
        holes: Vec::new(),
        depth: 0,
        writes_markup: false,
        markup: Vec::new(),
    };
    reader.run();
    reader.end();
}

/// Notes the addresses of an import map: strings after a colon.
pub(super) fn import_map(scan: &mut Scan, text: &[u8], first_line: u32) {
    let mut lines = Lines::new(text, first_line);
    let mut quotes = memchr::memchr_iter(b'"', text);
    while let (Some(start), Some(end)) = (quotes.next(), quotes.next()) {
        let before = text.get(..start).unwrap_or_default().trim_ascii_end();
        let is_value = before.ends_with(b":");
        let target = text.get(start + 1..end).unwrap_or_default();
        let target = String::from_utf8_lossy(target);
        if is_value && is_address(&target) && !target.ends_with('/') {
            scan.refer(ReferenceKind::Script, &target, || lines.at(start));
        }
    }
}

/// What stands before the byte that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Start,
    Word(&'a [u8]),
    /// A word and `(`.
    Call(&'a [u8]),
    /// A word and `=`.
    Assign(&'a [u8]),
    /// A word and `.`.
    Member(&'a [u8]),
    /// A string, a template or a regular expression.
    Value,
    Mark(u8),
}

struct Program<'a, 's> {
    scan: &'s mut Scan,
    lines: Lines<'a>,
    text: &'a [u8],
    at: usize,
    last: Token<'a>,
    /// The depths of braces at which a template goes on.
    holes: Vec<u32>,
    depth: u32,
    /// It has a function that turns text into elements.
    writes_markup: bool,
    /// What that text would need: sort and place, the first of each.
    markup: Vec<(Markup, usize)>,
}

/// Something in a string that matters if the string becomes elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Markup {
    StyleElement,
    StyleAttribute,
    Handler,
}

impl<'a> Program<'a, '_> {
    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' | b'\'' => self.string(byte),
                b'`' => {
                    self.at += 1;
                    self.template();
                }
                b'}' if self.holes.last() == Some(&self.depth) => {
                    self.holes.pop();
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                    self.template();
                }
                b'/' => self.slash(),
                byte if is_word(byte) => self.word(),
                byte if byte.is_ascii_whitespace() => self.at += 1,
                byte => self.mark(byte),
            }
        }
    }

    fn mark(&mut self, byte: u8) {
        match byte {
            b'{' => self.depth = self.depth.saturating_add(1),
            b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.last = match (self.last, byte) {
            (Token::Word(word), b'(') => Token::Call(word),
            (Token::Word(word), b'=') => Token::Assign(word),
            (Token::Word(word), b'.') => Token::Member(word),
            (_, byte) => Token::Mark(byte),
        };
        self.at += 1;
    }

    fn slash(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        match self.peek(1) {
            Some(b'/') => self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
            Some(b'*') => {
                let body = rest.get(2..).unwrap_or_default();
                let end = memchr::memmem::find(body, b"*/").map(|end| end + 4);
                self.at += end.unwrap_or(rest.len());
            }
            _ if self.begins_value() => self.regular_expression(),
            _ => self.mark(b'/'),
        }
    }

    /// Whether a value may begin here, so that a `/` is no division.
    fn begins_value(&self) -> bool {
        match self.last {
            Token::Start | Token::Call(_) | Token::Assign(_) => true,
            Token::Value | Token::Member(_) => false,
            Token::Mark(mark) => !matches!(mark, b')' | b']' | b'}'),
            Token::Word(word) => matches!(
                word,
                b"return"
                    | b"typeof"
                    | b"case"
                    | b"in"
                    | b"of"
                    | b"delete"
                    | b"void"
                    | b"throw"
                    | b"new"
                    | b"do"
                    | b"else"
                    | b"yield"
                    | b"await"
                    | b"instanceof"
            ),
        }
    }

    fn regular_expression(&mut self) {
        self.at += 1;
        let mut in_class = false;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'[' => in_class = true,
                b']' => in_class = false,
                b'/' if !in_class => break,
                b'\n' => break,
                _ => {}
            }
        }
        self.last = Token::Value;
    }

    fn string(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        let from = self.at;
        let mut end = self.text.len();
        while let Some(found) = memchr::memchr3(quote, b'\\', b'\n', self.rest()) {
            self.at += found + 1;
            if self.text.get(self.at - 1) == Some(&b'\\') {
                self.at += 1;
            } else {
                end = self.at - 1;
                break;
            }
        }
        self.at = self.at.max(end).min(self.text.len());
        if end == self.text.len() {
            self.at = end;
        }
        let string = self.text.get(from..end).unwrap_or_default();
        self.address(string, start);
        self.literal(string, from);
        self.last = Token::Value;
    }

    /// The text of a template up to its end or its next hole.
    fn template(&mut self) {
        let start = self.at;
        let mut end = self.text.len();
        while let Some(found) = memchr::memchr3(b'`', b'\\', b'$', self.rest()) {
            self.at += found + 1;
            match self.text.get(self.at - 1) {
                Some(b'\\') => self.at += 1,
                Some(b'$') if self.peek(0) != Some(b'{') => {}
                Some(b'$') => {
                    end = self.at - 1;
                    if self.holes.len() < TEMPLATE_DEPTH_MAX {
                        self.depth = self.depth.saturating_add(1);
                        self.holes.push(self.depth);
                    }
                    self.at += 1;
                    break;
                }
                _ => {
                    end = self.at - 1;
                    break;
                }
            }
        }
        let in_hole = self.text.get(end) == Some(&b'$');
        if end == self.text.len() {
            self.at = end;
        }
        self.literal(self.text.get(start..end).unwrap_or_default(), start);
        self.last = if in_hole {
            Token::Mark(b'{')
        } else {
            Token::Value
        };
    }

    fn word(&mut self) {
        let offset = self.at;
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_word(*byte));
        let word = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        self.meaning(word, offset);
        self.last = Token::Word(word);
    }

    /// What a word of the code gives away.
    fn meaning(&mut self, word: &[u8], offset: usize) {
        let is_member = matches!(self.last, Token::Mark(b'.') | Token::Member(_));
        let of_global = match self.last {
            Token::Member(b"window" | b"globalThis" | b"self") => true,
            Token::Start | Token::Call(_) | Token::Assign(_) | Token::Value => true,
            Token::Mark(mark) => mark != b'.',
            Token::Word(before) => before != b"function",
            Token::Member(_) => false,
        };
        match word {
            b"eval" if of_global => {
                let direct = self.argument().is_some();
                // `(0, eval)(…)`
                let indirect = self.next_bytes(2).starts_with(b")(");
                self.evaluates(direct || indirect, offset);
            }
            b"Function" if of_global => {
                // An old way to the global object, always inside of a `try`.
                let harmless = |text: &[u8]| {
                    let text = text.get(1..).unwrap_or_default();
                    text.starts_with(b"return this") || text.starts_with(b")")
                };
                let calls = self.argument().is_some_and(|text| !harmless(text));
                self.evaluates(calls, offset);
            }
            b"setTimeout" | b"setInterval" => {
                let quoted = |text: &[u8]| text.starts_with(b"\"") || text.starts_with(b"'");
                let calls = self.argument().is_some_and(quoted);
                self.evaluates(calls, offset);
            }
            b"WebAssembly" => self.scan.inline.needs.insert(Need::WebAssembly),
            b"Worker" | b"SharedWorker" if self.last == Token::Word(b"new") => {
                self.scan.inline.needs.insert(Need::Worker);
            }
            b"createObjectURL" => self.scan.inline.needs.insert(Need::Blob),
            b"toDataURL" | b"readAsDataURL" => self.scan.inline.needs.insert(Need::DataImage),
            b"setAttribute" => self.sets_attribute(offset),
            b"createElement" => {
                let name = self.argument().and_then(|text| text.get(1..6));
                if name.is_some_and(|name| name == b"style") {
                    self.scan.inline.needs.insert(Need::StyleElement);
                }
            }
            b"innerHTML"
            | b"outerHTML"
            | b"insertAdjacentHTML"
            | b"createContextualFragment"
            | b"dangerouslySetInnerHTML"
            | b"setHTMLUnsafe"
            | b"srcdoc"
            | b"jQuery" => {
                self.writes_markup = true;
            }
            b"write" | b"writeln" | b"html" | b"append" if is_member => self.writes_markup = true,
            _ => {}
        }
    }

    fn evaluates(&mut self, yes: bool, offset: usize) {
        if yes {
            self.scan.inline.needs.insert(Need::Eval);
            let line = self.lines.at(offset);
            self.scan.remark(Remark::Eval, line);
        }
    }

    /// `setAttribute("style", …)`, `setAttribute("onclick", …)`.
    fn sets_attribute(&mut self, offset: usize) {
        let Some(name) = self.argument().and_then(|text| text.get(1..)) else {
            return;
        };
        if name.starts_with(b"style\"") || name.starts_with(b"style'") {
            self.scan.inline.needs.insert(Need::StyleAttribute);
        } else if name.starts_with(b"on") && name.get(2).is_some_and(u8::is_ascii_lowercase) {
            let line = self.lines.at(offset);
            self.scan.remark(Remark::WritesHandler, line);
        }
    }

    /// The text of a call's arguments, if what follows is a call.
    fn argument(&self) -> Option<&'a [u8]> {
        let rest = self.rest().trim_ascii_start().strip_prefix(b"(")?;
        Some(rest.trim_ascii_start())
    }

    /// A string that is the address of something.
    fn address(&mut self, string: &[u8], offset: usize) {
        let kind = match self.last {
            Token::Word(b"from" | b"import") | Token::Call(b"import" | b"importScripts") => {
                ReferenceKind::Script
            }
            Token::Call(b"WebSocket" | b"EventSource" | b"sendBeacon" | b"Worker") => {
                ReferenceKind::Contact
            }
            // Wrappers of `fetch` are called after it.
            Token::Call(name) if name.starts_with(b"fetch") => ReferenceKind::Contact,
            Token::Assign(b"src") => ReferenceKind::Prefetch,
            Token::Start
            | Token::Word(_)
            | Token::Call(_)
            | Token::Assign(_)
            | Token::Member(_)
            | Token::Value
            | Token::Mark(_) => return,
        };
        let target = String::from_utf8_lossy(string);
        // Only imports are relative to the script; other addresses are to the page.
        let is_import = kind == ReferenceKind::Script;
        let wanted = is_external(&target) || is_import && is_address(&target);
        if wanted {
            self.scan.refer(kind, &target, || self.lines.at(offset));
        }
    }

    /// A string's text: markup, and `data:` URLs.
    fn literal(&mut self, text: &[u8], offset: usize) {
        for place in memchr::memmem::find_iter(text, b"data:") {
            self.scan
                .data_text(text.get(place + 5..).unwrap_or_default());
        }
        for place in memchr::memmem::find_iter(text, b"<style") {
            let next = text.get(place + 6).copied().unwrap_or(b' ');
            if next == b'>' || next.is_ascii_whitespace() {
                self.markup(Markup::StyleElement, offset + place);
            }
        }
        for place in memchr::memchr_iter(b'=', text) {
            let before = text.get(..place).unwrap_or_default();
            let name = before.rsplit(|byte| !byte.is_ascii_alphabetic()).next();
            match name.unwrap_or_default() {
                b"style" => self.markup(Markup::StyleAttribute, offset + place),
                name if name.len() > 3 && name.starts_with(b"on") => {
                    let led = before.len().checked_sub(name.len() + 1);
                    let led = led.and_then(|place| before.get(place));
                    if led.is_some_and(u8::is_ascii_whitespace) {
                        self.markup(Markup::Handler, offset + place);
                    }
                }
                _ => {}
            }
        }
    }

    fn markup(&mut self, markup: Markup, offset: usize) {
        if !self.markup.iter().any(|(known, _)| *known == markup) {
            self.markup.push((markup, offset));
        }
    }

    fn end(&mut self) {
        if !self.writes_markup {
            return;
        }
        for (markup, offset) in std::mem::take(&mut self.markup) {
            match markup {
                Markup::StyleElement => self.scan.inline.needs.insert(Need::StyleElement),
                Markup::StyleAttribute => self.scan.inline.needs.insert(Need::StyleAttribute),
                Markup::Handler => {
                    let line = Lines::new(self.text, self.lines.first).at(offset);
                    self.scan.remark(Remark::WritesHandler, line);
                }
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next_bytes(&self, count: usize) -> &'a [u8] {
        let rest = self.rest();
        rest.get(..count).unwrap_or(rest)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

fn is_external(target: &str) -> bool {
    let schemes = ["http://", "https://", "ws://", "wss://", "//"];
    schemes.iter().any(|scheme| target.starts_with(scheme))
}

/// Whether an import is an address, and no bare name.
fn is_address(target: &str) -> bool {
    is_external(target)
        || ["/", "./", "../"]
            .iter()
            .any(|start| target.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::script;
    use crate::compiler::scan::{Need, Needs, ReferenceKind, Remark};

    fn needs(text: &str) -> Needs {
        script(text.as_bytes()).inline.needs
    }

    #[test]
    fn needs_are_found_in_code() {
        for (text, need) in [
            ("eval('1')", Need::Eval),
            ("x = eval ( y )", Need::Eval),
            ("window.eval(x)", Need::Eval),
            ("(0,eval)(x)", Need::Eval),
            ("new Function('a', 'return a')", Need::Eval),
            ("setTimeout('a()', 1)", Need::Eval),
            ("`${eval(x)}`", Need::Eval),
            ("`${`${1}`}`; eval(x)", Need::Eval),
            ("a = b / c; eval(x) / 2", Need::Eval),
            ("r = /[/'\"]/; eval(x)", Need::Eval),
            ("WebAssembly.instantiate(b)", Need::WebAssembly),
            ("new Worker('w.js')", Need::Worker),
            ("URL.createObjectURL(b)", Need::Blob),
            ("c.toDataURL()", Need::DataImage),
            ("i.src = 'data:image/png;base64,'", Need::DataImage),
            ("fetch('data:application/wasm,')", Need::DataFetch),
            ("e.setAttribute('style', x)", Need::StyleAttribute),
            ("e.innerHTML = '<p style=\"a\">'", Need::StyleAttribute),
            (
                "e.insertAdjacentHTML('beforeend', `<p style=\"${x}\">`)",
                Need::StyleAttribute,
            ),
            ("document.createElement(\"style\")", Need::StyleElement),
            ("e.innerHTML = '<style>' + x", Need::StyleElement),
        ] {
            assert!(needs(text).has(need), "{text}");
        }
    }

    #[test]
    fn what_only_looks_so_is_no_need() {
        for text in [
            "// eval(x)\n",
            "/* eval(x) */",
            "'eval(x)'",
            "`eval(x)`",
            "r = /eval(x)/",
            "return /eval('x)/",
            "function eval(x) {}",
            "math.eval(x)",
            "evaluate(x); medieval(x)",
            "f instanceof Function",
            "try { g = Function('return this')() } catch (e) {}",
            "setTimeout(f, 1)",
            "e.style.color = 'red'; e.style.cssText = 'a:b'",
            "s = '<p style=\"a\">'",
            "e.innerHTML = 'background-style = x'; begin = '<style(?=x)'",
            "'unclosed eval(x)",
            "'a\\'; eval(x)'",
        ] {
            assert_eq!(needs(text), Needs::default(), "{text}");
        }
    }

    #[test]
    fn imports_and_other_hosts_are_references() {
        for (text, kind, target) in [
            ("import a from './a.js'", ReferenceKind::Script, "./a.js"),
            ("import '/a.js'", ReferenceKind::Script, "/a.js"),
            (
                "export * from \"https://h.example/a\"",
                ReferenceKind::Script,
                "https://h.example/a",
            ),
            ("import('../a.js')", ReferenceKind::Script, "../a.js"),
            (
                "fetch('https://h.example/')",
                ReferenceKind::Contact,
                "https://h.example/",
            ),
            (
                "fetch_soon('//h.example/')",
                ReferenceKind::Contact,
                "//h.example/",
            ),
            (
                "s.src = 'https://h.example/a'",
                ReferenceKind::Prefetch,
                "https://h.example/a",
            ),
        ] {
            let references = script(text.as_bytes()).references;
            let found: Vec<_> = references.iter().map(|r| (r.kind, &*r.target)).collect();
            assert_eq!(found, [(kind, target)], "{text}");
        }
        for text in [
            "import a from 'a'",
            "fetch('/a')",
            "x = 'https://h.example/'",
            "from('./a')",
        ] {
            assert_eq!(script(text.as_bytes()).references, [], "{text}");
        }
    }

    #[test]
    fn handlers_that_scripts_write_are_told_with_their_line() {
        for text in [
            "\ne.setAttribute('onclick', x)",
            "e.innerHTML =\n'<p onclick=\"x\">'",
        ] {
            let remarks = script(text.as_bytes()).remarks;
            assert_eq!(remarks[&Remark::WritesHandler].line, 2, "{text}");
        }
    }
}
