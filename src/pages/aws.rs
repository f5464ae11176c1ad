//! `/aws`: what a cloud says of the host on which this runs. It is there only with `--aws`, since
//! it tells everybody who asks.
//!
//! 1. Nothing here fetches. A [`Page`] notes that somebody asked; whoever fetches waits for that
//!    ([`Page::wanted`]) and brings what was found ([`Page::put`]).
//! 2. Who asks never waits: there is a page that is younger than a minute, or 503 with
//!    `Retry-After`, and `Refresh` for browsers.
//! 3. One fetch at a time, however many ask.
//! 4. What was found is text, whatever it says it is: escaped, without control characters.
//! 5. The time is that of requests, so that there is no clock here either.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::AWS_FRESH_SECONDS;
use crate::reason::Reason;
use crate::response::Response;

/// Where it is.
pub const PATH: &str = "/aws";

const HTML: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n";

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is, and where it is from.
    pub title: String,
    /// What was found, or why nothing was.
    pub found: Result<Vec<u8>, String>,
}

/// The page, shared by those who answer and the one who fetches.
#[derive(Debug, Default)]
pub struct Page {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The page, and when it was asked for, in seconds since 1970.
    made: Option<(u64, Vec<u8>)>,
    /// When somebody asked for what is not there yet, or is being fetched.
    wanted: Option<u64>,
}

impl Page {
    /// Answers at a time, in seconds since 1970.
    #[must_use]
    pub fn respond<'s>(&self, now: u64) -> Response<'s> {
        let mut state = self.state();
        if let Some((at, html)) = &state.made
            // A clock that was set back makes no page young.
            && now.checked_sub(*at).is_some_and(|age| age < AWS_FRESH_SECONDS)
        {
            return Response::page(HTML, html.clone());
        }
        if state.wanted.is_none() {
            state.wanted = Some(now);
            self.asked.notify_one();
        }
        drop(state);
        let mut response = Response::refusal(Reason::Awaited);
        response.push("Refresh", 1);
        response
    }

    /// Waits until somebody asks for what is not there: when that was. It is being fetched from
    /// then on, until [`Page::put`].
    pub fn wanted(&self) -> u64 {
        let mut state = self.state();
        loop {
            if let Some(at) = state.wanted {
                return at;
            }
            let woken = self.asked.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Brings what was found for those who asked at a time.
    pub fn put(&self, at: u64, items: &[Item]) {
        let html = html(items);
        let mut state = self.state();
        state.made = Some((at, html));
        state.wanted = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn html(items: &[Item]) -> Vec<u8> {
    let mut html = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
        <meta name=\"viewport\" content=\"width=device-width\">\
        <title>This host, as AWS sees it</title>\n<h1>This host, as AWS sees it</h1>\n"
        .to_owned();
    for item in items {
        html.push_str("<h2>");
        escape(&mut html, &item.title);
        match &item.found {
            Ok(found) => {
                html.push_str("</h2>\n<pre>");
                escape(&mut html, &String::from_utf8_lossy(found));
                html.push_str("</pre>\n");
            }
            Err(cause) => {
                html.push_str("</h2>\n<p class=\"error\">There is no answer: ");
                escape(&mut html, cause);
                html.push_str("</p>\n");
            }
        }
    }
    html.into_bytes()
}

/// Text as text. What moves a cursor or turns the direction of reading is no text.
fn escape(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' | '\t' => html.push(character),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                html.push('\u{fffd}');
            }
            other if other.is_control() => html.push('\u{fffd}'),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, Page, html};
    use crate::reason::Reason;

    fn item(found: Result<&str, &str>) -> Item {
        Item {
            title: "a".to_owned(),
            found: found
                .map(|found| found.as_bytes().to_vec())
                .map_err(str::to_owned),
        }
    }

    #[test]
    fn a_page_is_shown_for_a_minute_and_fetched_once() {
        let page = Page::default();
        let reason = |now| page.respond(now).reason;
        assert_eq!(reason(1000), Reason::Awaited);
        // Asked for again meanwhile, it is the same fetch.
        assert_eq!(reason(1002), Reason::Awaited);
        assert_eq!(page.wanted(), 1000);
        assert_eq!(reason(1002), Reason::Awaited);
        page.put(1000, &[item(Ok("found"))]);
        for (now, expected) in [
            (999, Reason::Awaited),
            (1000, Reason::Management),
            (1059, Reason::Management),
            (1060, Reason::Awaited),
        ] {
            assert_eq!(reason(now), expected, "{now}");
        }
        // The first of them that found none has asked.
        assert_eq!(page.wanted(), 999);
    }

    #[test]
    fn what_was_found_is_text() {
        let shown = |found| String::from_utf8(html(&[item(found)])).unwrap();
        for (text, expected) in [
            ("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1"),
            ("a&b\"c", "a&amp;b&quot;c"),
            ("a\r\n\tb\x1b[2J\0", "a\u{fffd}\n\tb\u{fffd}[2J\u{fffd}"),
            ("a\u{202e}b\u{85}", "a\u{fffd}b\u{fffd}"),
        ] {
            for found in [Ok(text), Err(text)] {
                let shown = shown(found);
                assert!(shown.contains(expected), "{shown}");
                assert!(!shown.contains("<script"), "{shown}");
            }
        }
        let raw = Item {
            title: "<b>".to_owned(),
            found: Ok(vec![b'a', 0xff, b'<']),
        };
        let shown = String::from_utf8(html(&[raw])).unwrap();
        assert!(
            shown.contains("<h2>&lt;b&gt;</h2>\n<pre>a\u{fffd}&lt;</pre>"),
            "{shown}"
        );
    }
}
