//! An event: what happened, how grave it is, who says so, and fields where there is something to
//! look up. One line in each form.

use std::fmt::{self, Write as _};

use super::escape::{Json, Text, append_number};
use super::stamp::Stamp;
use super::{Form, Level};

/// What is there in each event in JSON, in this order; `docs/log.md` lists the same.
pub const EVENT_FIELDS: [&str; 5] = ["time", "level", "from", "dependency", "message"];

/// An event.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    /// Milliseconds since 1970.
    pub(super) time: u64,
    pub(super) level: Level,
    /// The module that says it.
    pub(super) from: &'a str,
    /// Whether that is a dependency's, which said it through the `log` facade.
    pub(super) foreign: bool,
    pub(super) message: fmt::Arguments<'a>,
    pub(super) fields: &'a [(&'static str, Value<'a>)],
}

/// The value of a field of an event.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// JSON in one line.
    Json(&'a str),
}

impl Event<'_> {
    /// Appends its line, with the end of line. Writing to a Vec cannot fail, here and below.
    pub(super) fn append(&self, out: &mut Vec<u8>, form: Form) {
        match form {
            Form::Json => self.append_json(out),
            Form::Text => self.append_text(out, false),
            Form::Coloured => self.append_text(out, true),
        }
        out.push(b'\n');
    }

    fn append_text(&self, out: &mut Vec<u8>, coloured: bool) {
        Stamp::default().append(out, self.time);
        let name = self.level.name();
        let _ = match (coloured, self.level.colour()) {
            (true, Some(colour)) => write!(Bytes(out), " {colour}{name:<5}\x1b[0m "),
            (true, None) | (false, _) => write!(Bytes(out), " {name:<5} "),
        };
        let _ = write!(Text(out), "{}", self.from);
        if self.foreign {
            out.extend_from_slice(b" (dependency)");
        }
        let _ = write!(Text(out), ": {}", self.message);
        for (name, value) in self.fields {
            let _ = write!(Bytes(out), " {name}=");
            value.append_text(out);
        }
    }

    fn append_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"time":""#);
        Stamp::default().append(out, self.time);
        let _ = write!(Bytes(out), r#"","level":"{}","from":""#, self.level.name());
        let _ = write!(Json(out), "{}", self.from);
        if self.foreign {
            out.extend_from_slice(br#"","dependency":""#);
            let name = self.from.split("::").next().unwrap_or_default();
            let _ = write!(Json(out), "{name}");
        }
        out.extend_from_slice(br#"","message":""#);
        let _ = write!(Json(out), "{}", self.message);
        out.push(b'"');
        for (name, value) in self.fields {
            let _ = write!(Bytes(out), r#","{name}":"#);
            value.append_json(out);
        }
        out.push(b'}');
    }
}

impl Value<'_> {
    fn append_text(&self, out: &mut Vec<u8>) {
        let is_word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'"')
        };
        match self {
            Value::Text(text) if is_word(text) => out.extend_from_slice(text.as_bytes()),
            Value::Text(_) | Value::Number(_) | Value::Json(_) => self.append_json(out),
        }
    }

    fn append_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => {
                out.push(b'"');
                let _ = Json(out).write_str(text);
                out.push(b'"');
            }
            Value::Number(number) => append_number(out, *number),
            Value::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }
}

/// Writes what needs no escaping.
struct Bytes<'a>(&'a mut Vec<u8>);

impl fmt::Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENT_FIELDS, Event, Form, Level, Value};

    fn told(foreign: bool, form: Form) -> String {
        let event = Event {
            time: 1_795_305_600_000,
            level: Level::Warn,
            from: "chapbook::server",
            foreign,
            message: format_args!("no \"descriptor\"\n{}\x1b[2J", 'ü'),
            fields: &[
                ("plain", Value::Text("a=b")),
                ("spaced", Value::Text("a b\r\n\"")),
                ("pid", Value::Number(7)),
                ("source", Value::Json(r#"{"mounts":[]}"#)),
            ],
        };
        let mut out = Vec::new();
        event.append(&mut out, form);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_one_line_in_each_form() {
        assert_eq!(
            told(false, Form::Text),
            "2026-11-22T00:00:00.000Z warn  chapbook::server: no \"descriptor\"\\x0aü\\x1b[2J \
             plain=a=b spaced=\"a b\\u000d\\u000a\\\"\" pid=7 source={\"mounts\":[]}\n"
        );
        let coloured = told(true, Form::Coloured);
        assert!(coloured.contains(" \x1b[33mwarn \x1b[0m chapbook::server (dependency): no"));
        for foreign in [false, true] {
            let line = told(foreign, Form::Json);
            assert_eq!(line.matches('\n').count(), 1);
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(json["message"], "no \"descriptor\"\nü\u{1b}[2J");
            assert_eq!(json["spaced"], "a b\r\n\"");
            assert_eq!(json["pid"], 7);
            assert_eq!(json["source"]["mounts"], serde_json::json!([]));
            let dependency = json.get("dependency").and_then(|name| name.as_str());
            assert_eq!(dependency, foreign.then_some("chapbook"));
            for field in EVENT_FIELDS {
                assert!(json.get(field).is_some() || !foreign, "{field}");
            }
        }
    }
}
