//! Foreign content: whether a place in a document is inside of SVG or MathML.
//!
//! There a `<script>` is not script data but text with character references, `<title>` may hold
//! elements, `<a/>` closes itself and CDATA sections exist (HTML §13.2.6.5). A stack of the
//! elements that lead in and out is kept for that, and of no others.

use super::html::Syntax;

/// Elements that lead in and out, one in another; browsers stop at 512 of any sort.
const DEPTH_MAX: usize = 512;

/// Elements of foreign content whose own content is HTML (HTML §13.2.6.5, integration points).
const LEAD_BACK: [&[u8]; 8] = [
    b"foreignobject",
    b"desc",
    b"title",
    b"mi",
    b"mo",
    b"mn",
    b"ms",
    b"mtext",
];

/// Elements that end foreign content when they stand in it (the same section).
const BREAK_OUT: [&[u8]; 44] = [
    b"b",
    b"big",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"code",
    b"dd",
    b"div",
    b"dl",
    b"dt",
    b"em",
    b"embed",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"head",
    b"hr",
    b"i",
    b"img",
    b"li",
    b"listing",
    b"menu",
    b"meta",
    b"nobr",
    b"ol",
    b"p",
    b"pre",
    b"ruby",
    b"s",
    b"small",
    b"span",
    b"strong",
    b"strike",
    b"sub",
    b"sup",
    b"table",
    b"tt",
    b"u",
    b"ul",
    b"var",
];

/// Where a document's reader is.
#[derive(Debug)]
pub(super) struct Foreign {
    syntax: Syntax,
    stack: Vec<Element>,
}

/// An element that leads in or, within, back to HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Svg,
    Math,
    Back(&'static [u8]),
}

/// What a start tag's element belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    Html,
    Foreign,
}

impl Foreign {
    pub(super) fn new(syntax: Syntax) -> Foreign {
        let stack = Vec::new();
        Foreign { syntax, stack }
    }

    /// In XML every place is foreign to HTML's rules.
    pub(super) fn is_inside(&self) -> bool {
        let top = self.stack.last();
        self.syntax == Syntax::Xml || matches!(top, Some(Element::Svg | Element::Math))
    }

    pub(super) fn enter(&mut self, name: &[u8], closes_itself: bool) -> Entered {
        let in_element = |stack: &[Element]| {
            let top = stack.last();
            matches!(top, Some(Element::Svg | Element::Math))
        };
        if in_element(&self.stack) && BREAK_OUT.contains(&name) {
            while in_element(&self.stack) {
                self.stack.pop();
            }
        }
        let is_inside = self.is_inside();
        let element = match name {
            b"svg" => Some(Element::Svg),
            b"math" => Some(Element::Math),
            _ => {
                let back = LEAD_BACK.iter().find(|back| is_inside && **back == name);
                back.map(|back| Element::Back(back))
            }
        };
        if let Some(element) = element.filter(|_| !closes_itself && self.stack.len() < DEPTH_MAX) {
            self.stack.push(element);
        }
        if is_inside || element.is_some() {
            Entered::Foreign
        } else {
            Entered::Html
        }
    }

    pub(super) fn leave(&mut self, name: &[u8]) {
        let ended = |element: &Element| match element {
            Element::Svg => name == b"svg",
            Element::Math => name == b"math",
            Element::Back(back) => name == *back,
        };
        let is_top = self.stack.last().is_some_and(ended);
        if is_top || matches!(name, b"svg" | b"math") {
            let place = self.stack.iter().rposition(ended);
            self.stack.truncate(place.unwrap_or(self.stack.len()));
        }
    }
}
