//! `Exchange::get("/poetry/").field("Accept-Encoding", "br").expect(200).run()`: one request,
//! answered by the pure core and by every engine over a socket. All have to agree.

use std::io::{Read as _, Write as _};

use chapbook::origin::Origin;
use chapbook::request::{Field, Fields, Request, Version};
use chapbook::response::Connection;
use sitepack::Site;

use crate::server::{ENGINES, TestServer};
use crate::sites;

/// A time for the core: 2026-11-22.
pub(crate) const NOW: u64 = 1_795_305_600;

/// A request, and the status that it should have.
#[derive(Clone)]
pub(crate) struct Exchange {
    site: fn() -> Site<'static>,
    method: String,
    target: String,
    version: String,
    fields: Vec<(String, String)>,
    host: bool,
    status: Option<u16>,
}

impl Exchange {
    pub(crate) fn new(method: &str, target: &str) -> Exchange {
        Exchange {
            site: sites::poems,
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1".to_owned(),
            fields: Vec::new(),
            host: true,
            status: None,
        }
    }

    pub(crate) fn get(target: &str) -> Exchange {
        Exchange::new("GET", target)
    }

    pub(crate) fn head(target: &str) -> Exchange {
        Exchange::new("HEAD", target)
    }

    /// On the site of files instead of the poems.
    pub(crate) fn on_files(self) -> Exchange {
        self.on(sites::files)
    }

    /// On another site.
    pub(crate) fn on(mut self, site: fn() -> Site<'static>) -> Exchange {
        self.site = site;
        self
    }

    pub(crate) fn version(mut self, version: &str) -> Exchange {
        version.clone_into(&mut self.version);
        self
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Exchange {
        self.host &= !name.eq_ignore_ascii_case("host");
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_host(mut self) -> Exchange {
        self.host = false;
        self
    }

    pub(crate) fn expect(mut self, status: u16) -> Exchange {
        self.status = Some(status);
        self
    }

    /// Runs it everywhere; the answer, on which all agree.
    pub(crate) fn run(&self) -> Answer {
        let core = self.run_on_core();
        for engine in ENGINES.iter().copied() {
            let answer = self.run_on(engine);
            let same = (answer.status, answer.lasting_fields(), &answer.content)
                == (core.status, core.lasting_fields(), &core.content);
            assert!(
                same,
                "{self}\non {}: {answer}\non the core: {core}",
                engine.name()
            );
        }
        core
    }

    fn all_fields(&self) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        if self.host {
            fields.insert(0, ("Host".to_owned(), "a.example".to_owned()));
        }
        fields
    }

    /// Runs it on the core alone: for what an engine's library answers by itself.
    pub(crate) fn run_on_core(&self) -> Answer {
        let answer = self.answer_of_core(NOW);
        if let Some(status) = self.status {
            assert_eq!(answer.status, status, "{self} on the core: {answer}");
        }
        answer
    }

    /// The same at another time.
    pub(crate) fn run_at(&self, now: u64) -> Answer {
        self.answer_of_core(now)
    }

    fn answer_of_core(&self, now: u64) -> Answer {
        let all = self.all_fields();
        let fields: Vec<Field<'_>> = all
            .iter()
            .map(|(name, value)| Field {
                name: name.as_bytes(),
                value: value.as_bytes(),
            })
            .collect();
        let digits = self.version.strip_prefix("HTTP/").unwrap();
        let (major, minor) = digits.split_once('.').unwrap();
        let request = Request {
            method: self.method.as_bytes(),
            target: self.target.as_bytes(),
            version: Version {
                major: major.parse().unwrap(),
                minor: minor.parse().unwrap(),
            },
            fields: Fields(&fields),
        };
        let origin = Origin::new((self.site)());
        let response = origin.respond(&request, now);
        let mut bytes = Vec::new();
        response.write_head(
            &mut bytes,
            "Sun, 22 Nov 2026 00:00:00 GMT",
            Connection::Persistent,
        );
        bytes.extend(
            response
                .content
                .to_vec()
                .unwrap_or_else(|e| panic!("{self}: {e}")),
        );
        Answer::parse(&bytes, &self.method)
    }

    fn run_on(&self, engine: chapbook::server::Engine) -> Answer {
        let server = TestServer::shared(engine, self.site);
        let mut raw = format!("{} {} {}\r\n", self.method, self.target, self.version);
        for (name, value) in self.all_fields() {
            raw.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = server.connect();
        stream
            .write_all(format!("{raw}Connection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes, &self.method)
    }
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} {} {} {:?}",
            self.method, self.target, self.version, self.fields
        )
    }
}

/// An answer, parsed strictly: what does not re-parse fails the test.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

impl Answer {
    /// Parses all of `bytes` as one answer to `method`.
    pub(crate) fn parse(bytes: &[u8], method: &str) -> Answer {
        let (answer, rest) = Answer::take(bytes, method);
        assert!(
            rest.is_empty(),
            "{} bytes behind the answer: {answer}",
            rest.len()
        );
        answer
    }

    /// Takes one answer off the front of `bytes`.
    pub(crate) fn take<'a>(bytes: &'a [u8], method: &str) -> (Answer, &'a [u8]) {
        let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no end of the field section in {:?}", shown()));
        let head = std::str::from_utf8(&bytes[..end]).expect("the head is text");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..4))
            .and_then(|code| code.strip_suffix(' '))
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("status line {status_line:?}"));
        let fields: Vec<(String, String)> = lines.map(parse_line).collect();
        let mut answer = Answer {
            status,
            fields,
            content: Vec::new(),
        };
        let stated: Option<usize> = answer
            .field("Content-Length")
            .map(|length| length.parse().expect("a length"));
        let bodiless = method == "HEAD" || status == 304;
        assert_eq!(
            stated.is_none(),
            status == 304,
            "Content-Length in {answer}"
        );
        let length = if bodiless { 0 } else { stated.unwrap() };
        let rest = &bytes[end + 4..];
        assert!(
            rest.len() >= length,
            "{} of {length} bytes: {answer}",
            rest.len()
        );
        answer.content = rest[..length].to_vec();
        assert!(answer.field("Date").is_some(), "Date in {answer}");
        assert!(
            answer.field("Transfer-Encoding").is_none(),
            "nothing is chunked: {answer}"
        );
        (answer, &rest[length..])
    }

    /// The status of an answer that an engine's library may have written by itself.
    pub(crate) fn parse_leniently(bytes: &[u8]) -> Option<u16> {
        std::str::from_utf8(bytes.get(..12)?)
            .ok()?
            .strip_prefix("HTTP/1.1 ")?
            .parse()
            .ok()
    }

    /// The value of a field; a second line of it fails the test.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| &**value);
        assert!(values.next().is_none(), "{name} twice in {self}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }

    /// The fields that do not depend on the moment or the connection, in any order.
    pub(crate) fn lasting_fields(&self) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        fields.retain(|(name, _)| name != "Date" && name != "Connection");
        fields.sort();
        fields
    }
}

/// RFC 9112 §5: a token, a colon, a space, and a value without control characters.
fn parse_line(line: &str) -> (String, String) {
    let (name, value) = line
        .split_once(": ")
        .unwrap_or_else(|| panic!("field line {line:?}"));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    assert!(
        !name.is_empty() && name.bytes().all(is_token),
        "field name {name:?}"
    );
    let is_value = |byte: u8| (b' '..=b'~').contains(&byte);
    assert!(
        !value.is_empty() && value.bytes().all(is_value),
        "field value {value:?}"
    );
    assert_eq!(value.trim(), value, "white space around a value");
    (name.to_owned(), value.to_owned())
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} {:?} and {} bytes",
            self.status,
            self.fields,
            self.content.len()
        )
    }
}
