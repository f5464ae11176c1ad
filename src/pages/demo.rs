//! What `--demo` shows, for those who try a platform rather than a site: answers that are late or
//! refused, what arrives of a request, whether it is ready, and a banner on the index page that
//! tells one version from the next while it is rolled out. None of it is there without `--demo`.
//!
//! 1. Values of a few variables are told that deployments set to be told; of all others the name.
//!    Nor are credentials of a request told to a script that its browser would keep them from.
//! 2. The banner is put into the page when it is asked for, and the page has an entity-tag of its
//!    own. It is coloured by attributes of a table: these need no leave of the page's
//!    Content-Security-Policy, as a style would, so that the policy stays what it was.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sitepack::{Corrupt, Digest, Resource, Site};

use super::Pages;
use crate::about;
use crate::http::status::Status;
use crate::limits::{DEMO_DELAY_SECONDS_MAX, DEMO_INDEX_BYTES_MAX, DEMO_VARIABLES_MEMBERS_MAX};
use crate::reason::Reason;
use crate::request::{Fields, Request};
use crate::response::Response;

/// Variables whose values are told: where something runs, as platforms and manifests name it.
pub const VARIABLES: [&str; 8] = [
    "DYNO",
    "HOSTNAME",
    "LOCATION",
    "NODE_NAME",
    "POD_IP",
    "POD_NAME",
    "POD_NAMESPACE",
    "PORT",
];

/// Fields of a request whose values are not told.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Colours on which white is read.
const COLOURS: [&str; 8] = [
    "#9c1c3c", "#8a4b00", "#3f6212", "#0f6b52", "#0b5f86", "#3443a8", "#6b2fa0", "#4a4a4a",
];

/// What is shown, and where this runs.
#[derive(Clone, Debug)]
pub struct Demo {
    location: Option<String>,
    /// As JSON.
    environment: Value,
}

impl Demo {
    /// What is shown where this runs, with these variables.
    #[must_use]
    pub fn new(
        location: Option<String>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Demo {
        let mut variables: Vec<(String, String)> = variables.collect();
        variables.sort();
        let told = variables
            .iter()
            .filter(|(name, _)| VARIABLES.contains(&&**name));
        let values: serde_json::Map<String, Value> = told
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        // Their own few are told however many others there are.
        let names = variables.iter().map(|(name, _)| &**name);
        let names: Vec<&str> = names.take(DEMO_VARIABLES_MEMBERS_MAX).collect();
        Demo {
            environment: json!({ "names": names, "values": values }),
            location,
        }
    }

    /// The page of this name, if there is one.
    pub(super) fn find<'s>(
        &self,
        name: &str,
        request: &Request<'_>,
    ) -> Result<Option<Response<'s>>, Reason> {
        let shown = match name.split_once('/') {
            None if name == "headers" => Response::shown(Status::Ok, &fields(request.fields)),
            None if name == "env" => Response::shown(Status::Ok, &self.environment),
            Some(("ready", "enable" | "disable")) => return Err(Reason::PostWanted),
            Some(("status", code)) => match number(code).and_then(Status::shown) {
                Some(status) => Response::shown(status, &json!({ "status": status.code() })),
                None => return Ok(None),
            },
            Some(("delay", seconds)) => match number(seconds) {
                Some(seconds) if seconds <= DEMO_DELAY_SECONDS_MAX => {
                    let mut late = Response::shown(Status::Ok, &json!({ "delay": seconds }));
                    late.delay_seconds = seconds;
                    late
                }
                Some(_) | None => return Ok(None),
            },
            None | Some(_) => return Ok(None),
        };
        Ok(Some(shown))
    }

    /// Does what a POST asks for, if it does anything.
    pub(super) fn post<'s>(&self, name: &str, pages: &Pages) -> Option<Response<'s>> {
        let wanted = match name {
            "ready/enable" => true,
            "ready/disable" => false,
            _ => return None,
        };
        pages.want(wanted);
        Some(Response::shown(Status::Ok, &json!({ "ready": wanted })))
    }

    /// The page behind the banner: before it, the banner, what follows, and an entity-tag. None of
    /// what is no page, or a very long one.
    pub(crate) fn index<'s>(
        &self,
        resource: &Resource<'s>,
        site: &Site<'_>,
    ) -> Result<Option<Index<'s>>, Corrupt> {
        let page = resource.identity()?;
        if !resource.media_type.starts_with("text/html") || page.length > DEMO_INDEX_BYTES_MAX {
            return Ok(None);
        }
        let content = page.content().map_err(|_| Corrupt)?;
        let banner = self.banner(site);
        let digest = Digest::of_all(&[&page.digest.0, banner.as_bytes()]);
        Ok(Some(Index {
            behind: behind_body(&content),
            content,
            banner,
            entity_tag: digest.entity_tag().to_string(),
        }))
    }

    fn banner(&self, site: &Site<'_>) -> String {
        let (version, build, site) = (about::VERSION, about::BUILD, site.digest());
        let digest = Digest::of_all(&[version.as_bytes(), build.as_bytes(), &site.0]);
        let at = digest.0.first().map_or(0, |byte| usize::from(*byte)) % COLOURS.len();
        let colour = COLOURS.get(at).copied().unwrap_or_default();
        let site = site.hex();
        let site = site.get(..12).unwrap_or_default();
        let mut text = format!(
            "<table bgcolor=\"{colour}\" width=\"100%\" cellpadding=\"12\" role=\"presentation\">\
             <tr><td><font color=\"#ffffff\">chapbook <b>{version}</b> "
        );
        push_escaped(&mut text, build);
        // Writing to a String cannot fail.
        let _ = write!(text, ", site {site}");
        if let Some(location) = &self.location {
            text.push_str(", at <b>");
            push_escaped(&mut text, location);
            text.push_str("</b>");
        }
        text.push_str("</font></td></tr></table>\n");
        text
    }
}

/// The index page with its banner.
pub(crate) struct Index<'s> {
    pub(crate) content: Cow<'s, [u8]>,
    /// How much of the content stands before the banner.
    pub(crate) behind: usize,
    pub(crate) banner: String,
    /// Quoted.
    pub(crate) entity_tag: String,
}

/// Where the first thing in the page's body stands; without a body, the end is in it, too.
fn behind_body(page: &[u8]) -> usize {
    let tag = page
        .windows(5)
        .position(|five| five.eq_ignore_ascii_case(b"<body"));
    let end = tag.and_then(|at| {
        let rest = page.get(at..)?;
        Some(at + rest.iter().position(|byte| *byte == b'>')? + 1)
    });
    end.unwrap_or(page.len())
}

fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => html.push_str("&lt;"),
            '&' => html.push_str("&amp;"),
            character if character.is_control() => html.push('\u{fffd}'),
            character => html.push(character),
        }
    }
}

/// The fields of a request: each name with the values of its lines.
fn fields(fields: Fields<'_>) -> Value {
    let mut told = serde_json::Map::new();
    for field in fields.0 {
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        let value = match SECRET.contains(&&*name) {
            true => Cow::Borrowed("(not told)"),
            false => String::from_utf8_lossy(field.value),
        };
        let values = told.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(value));
        }
    }
    Value::Object(told)
}

/// A number in decimal digits, and nothing else.
fn number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::{Demo, behind_body, fields, number};
    use crate::request::made::with_fields;

    #[test]
    fn the_banner_stands_first_in_the_body() {
        for (page, before) in [
            ("<!DOCTYPE html><body><p>a", "<!DOCTYPE html><body>"),
            ("<BODY class=\"a\">\n<p>a", "<BODY class=\"a\">"),
            ("<p>a", "<p>a"),
            ("<body", "<body"),
            ("", ""),
        ] {
            assert_eq!(behind_body(page.as_bytes()), before.len(), "{page}");
        }
    }

    #[test]
    fn what_others_chose_is_escaped() {
        let site = crate::embedded::site().unwrap();
        let demo = Demo::new(Some("<i>\u{1b}&".to_owned()), std::iter::empty());
        let banner = demo.banner(&site);
        assert!(banner.contains("at <b>&lt;i>\u{fffd}&amp;</b>"), "{banner}");
        let lines = [("X-A", "\"1\\"), ("x-a", "2"), ("Cookie", "secret")];
        let told = with_fields(&lines, |all| fields(all).to_string());
        assert_eq!(told, r#"{"cookie":["(not told)"],"x-a":["\"1\\","2"]}"#);
        let variables = [("SECRET", "x"), ("PORT", "80")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told = Demo::new(None, variables.into_iter())
            .environment
            .to_string();
        assert_eq!(
            told,
            r#"{"names":["PORT","SECRET"],"values":{"PORT":"80"}}"#
        );
        let others = (0..600).map(|number| (format!("A{number}"), String::new()));
        let variables = others.chain([("PORT".to_owned(), "80".to_owned())]);
        let told = Demo::new(None, variables).environment;
        assert_eq!(told["names"].as_array().unwrap().len(), 512);
        assert_eq!(told["values"]["PORT"], "80");
        for (text, expected) in [("", None), ("+1", None), ("007", Some(7)), ("65536", None)] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
