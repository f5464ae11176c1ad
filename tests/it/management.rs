//! The management pages of the executable, on every engine, with the site and on a listener of
//! their own. What `/-/metrics` says is read by Prometheus' own parser.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chapbook::reason::Reason;
use chapbook::server::{Engine, METRICS};
use serde_json::Value;

use crate::server::{ENGINES, PATIENCE, Running, chapbook, connect};
use crate::site::skipped_for_want_of;

/// An answer, read to the end of the connection.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.head.lines().any(|known| known == line)
    }
}

/// Asks, with these lines besides the usual ones.
pub(crate) fn ask(address: SocketAddr, method: &str, target: &str, lines: &str) -> Got {
    let usual = "Host: a\r\nConnection: close\r\n";
    said(
        address,
        &format!("{method} {target} HTTP/1.1\r\n{usual}{lines}\r\n"),
    )
}

fn said(address: SocketAddr, raw: &str) -> Got {
    let mut stream = connect(address);
    stream.write_all(raw.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{raw}: {}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut content = bytes[end + 4..].to_vec();
    if head.contains("\r\nTransfer-Encoding: chunked") && !raw.starts_with("HEAD") {
        content = joined(&content);
    }
    Got {
        status: head[9..12].parse().unwrap(),
        head,
        content,
    }
}

/// The content of chunks.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        content.extend_from_slice(&rest[end + 2..][..size]);
        rest = &rest[end + 4 + size..];
        if size == 0 {
            assert!(rest.is_empty());
            return content;
        }
    }
}

fn get(address: SocketAddr, target: &str) -> Got {
    ask(address, "GET", target, "")
}

#[test]
fn what_is_no_address_or_no_switch_is_an_error() {
    for (variable, value) in [
        ("CHAPBOOK_ADMIN_LISTEN", "nowhere"),
        ("CHAPBOOK_ADMIN_LISTEN", "127.0.0.1:65536"),
        ("CHAPBOOK_ADMIN_LISTEN", "unix:@x"),
        ("CHAPBOOK_DEMO", "yes"),
    ] {
        let mut command = chapbook();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let done = command.env(variable, value).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{variable}={value}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(
            said.contains(variable) && said.lines().count() == 1,
            "{said}"
        );
    }
}

/// Asks until it is answered so, for what takes its time.
fn until(address: SocketAddr, target: &str, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    while get(address, target).status != status {
        assert!(Instant::now() < deadline, "{target} is never {status}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start(engine: Engine, arguments: &[&str]) -> Running {
    let engine = ["--engine", engine.name()];
    Running::start(&[&engine, arguments].concat())
}

/// The address of the operator's listener.
fn admin(server: &Running) -> SocketAddr {
    let (before, _) = server.said.split_once("/ (management)").unwrap();
    before.rsplit("http://").next().unwrap().parse().unwrap()
}

/// The number of a sample, which has to be there.
fn number(page: &Got, sample: &str) -> f64 {
    let line = page.text().lines().find_map(|line| {
        let (name, number) = line.rsplit_once(' ')?;
        (name == sample).then_some(number)
    });
    let line = line.unwrap_or_else(|| panic!("no {sample} in {}", page.text()));
    line.parse().unwrap()
}

/// What the requests of the test below have counted.
const COUNTED: [(&str, f64); 11] = [
    (
        r#"chapbook_http_requests_total{status="2xx",coding="gzip"}"#,
        1.0,
    ),
    (
        r#"chapbook_http_requests_total{status="3xx",coding="gzip"}"#,
        1.0,
    ),
    (
        r#"chapbook_http_requests_total{status="4xx",coding="identity"}"#,
        2.0,
    ),
    (
        r#"chapbook_http_requests_total{status="5xx",coding="identity"}"#,
        0.0,
    ),
    (r#"chapbook_http_responses_total{reason="Fresh"}"#, 4.0),
    (
        r#"chapbook_http_responses_total{reason="NotModifiedByTag"}"#,
        1.0,
    ),
    (r#"chapbook_http_responses_total{reason="NotFound"}"#, 1.0),
    (
        r#"chapbook_http_responses_total{reason="MethodNotAllowed"}"#,
        1.0,
    ),
    (r#"chapbook_log_lines_dropped_total{log="access"}"#, 0.0),
    ("chapbook_ready", 1.0),
    ("chapbook_sites", 1.0),
];

#[test]
fn metrics_count_what_was_asked() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, &[]);
        let address = server.address;
        for _ in 0..3 {
            assert_eq!(get(address, "/").status, 200);
        }
        let coded = ask(address, "GET", "/", "Accept-Encoding: gzip\r\n");
        assert!(coded.has("Content-Encoding: gzip"), "{}", coded.head);
        let tag = coded
            .head
            .lines()
            .find(|line| line.starts_with("ETag: "))
            .unwrap();
        let again = format!("Accept-Encoding: gzip\r\nIf-None-Match: {}\r\n", &tag[6..]);
        assert_eq!(ask(address, "GET", "/", &again).status, 304);
        assert_eq!(get(address, "/nowhere").status, 404);
        assert_eq!(ask(address, "PUT", "/", "").status, 405);
        assert_eq!(get(address, "/-/metrics").status, 200);
        // The count of an answer may come a moment after it.
        let deadline = Instant::now() + PATIENCE;
        let total = "chapbook_http_request_duration_seconds_count";
        let page = loop {
            let page = get(address, "/-/metrics");
            let wrong = COUNTED
                .iter()
                .find(|(name, count)| number(&page, name) != *count);
            let Some((name, count)) = wrong else {
                break page;
            };
            let late = Instant::now() > deadline;
            assert!(
                !late,
                "{name} is not {count} on {}: {}",
                engine.name(),
                page.text()
            );
        };
        assert!(page.has("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
        let sent = number(&page, "chapbook_http_content_bytes_total");
        assert!(sent > 3.0 * coded.content.len() as f64, "{sent}");
        let bucket = r#"chapbook_http_request_duration_seconds_bucket{le="+Inf"}"#;
        assert_eq!(number(&page, bucket), number(&page, total));
        see_process(&page, engine);
    }
}

/// Connections, and what the system says: that is read inside of the sandbox, where there is one.
fn see_process(page: &Got, engine: Engine) {
    if engine.owns_connections() {
        assert!(number(page, "chapbook_connections_accepted_total") >= 8.0);
        assert!(number(page, "chapbook_connections") >= 1.0);
    }
    if cfg!(target_os = "linux") {
        assert!(number(page, "process_resident_memory_bytes") > 100_000.0);
        assert!(number(page, "process_open_fds") > 3.0);
        assert!(number(page, "process_start_time_seconds") > 1.7e9);
    }
}

/// Reads standard input and prints a line for each family: name, type, how many samples.
const PARSER: &str = "\
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    print(family.name, family.type, len(family.samples), bool(family.documentation))
";

#[test]
fn metrics_are_read_by_prometheus_parser() {
    // Debian's own, for which the package is, before any other.
    let has = |python: &&str| {
        let mut probe = Command::new(python);
        let done = probe.args(["-c", "import prometheus_client"]).output();
        done.is_ok_and(|done| done.status.success())
    };
    let Some(python) = ["/usr/bin/python3", "python3"].into_iter().find(has) else {
        return skipped_for_want_of("python3-prometheus-client");
    };
    for engine in ENGINES.iter().copied() {
        let page = get(start(engine, &[]).address, "/-/metrics");
        let mut parser = Command::new(python);
        let parser = parser.args(["-c", PARSER]).stdin(Stdio::piped());
        let mut parser = parser.stdout(Stdio::piped()).spawn().unwrap();
        parser
            .stdin
            .take()
            .unwrap()
            .write_all(&page.content)
            .unwrap();
        let done = parser.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", page.text());
        let found = String::from_utf8(done.stdout).unwrap();
        let known = METRICS.iter().filter(|metric| {
            let of_connections = [
                "chapbook_connections",
                "chapbook_connections_accepted_total",
            ];
            (engine.owns_connections() || !of_connections.contains(&metric.name))
                && (cfg!(target_os = "linux") || !metric.name.starts_with("process_"))
        });
        let mut lines = found.lines();
        for metric in known {
            // The parser takes this end off the names of counters.
            let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
            let samples = match metric.name {
                "chapbook_http_requests_total" => 16,
                "chapbook_http_responses_total" => Reason::ALL.len(),
                "chapbook_http_request_duration_seconds" => 17,
                "chapbook_connections_ended_total" => 4,
                "chapbook_log_lines_dropped_total" => 2,
                _ => 1,
            };
            let expected = format!("{name} {} {samples} True", metric.kind.name());
            assert_eq!(lines.next(), Some(&*expected), "{}", page.text());
        }
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn metrics_are_for_this_machine() {
    for engine in ENGINES.iter().copied() {
        let alone = start(engine, &[]);
        let behind = start(engine, &["--trusted-proxy", "127.0.0.1"]);
        for (server, lines, status) in [
            (&alone, "", 200),
            (&alone, "X-Forwarded-For: 127.0.0.1\r\n", 403),
            (&alone, "Forwarded: for=192.0.2.1\r\n", 403),
            (&alone, "Via: 1.1 a\r\n", 403),
            (&alone, "X-Forwarded-Proto: https\r\n", 403),
            (&behind, "", 200),
            (&behind, "X-Forwarded-For: 192.0.2.1\r\n", 403),
            (&behind, "X-Forwarded-For: 127.0.0.1, 192.0.2.1\r\n", 403),
            (&behind, "X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n", 403),
            (&behind, "X-Forwarded-For: ::1\r\n", 200),
            (&behind, "X-Forwarded-For: unknown\r\n", 403),
        ] {
            let got = ask(server.address, "GET", "/-/metrics", lines);
            assert_eq!(got.status, status, "{lines}, {}", engine.name());
            assert!(got.has("Cache-Control: no-store"));
            // Others see the rest.
            for page in ["health", "ready", "version", "manifest.json"] {
                let got = ask(server.address, "GET", &format!("/-/{page}"), lines);
                assert_eq!(got.status, 200, "{page}, {lines}");
            }
        }
    }
}

#[test]
#[cfg(feature = "native")]
fn who_comes_by_a_proxy_header_is_who_it_says() {
    let server = start(Engine::Native, &["--proxy-protocol", "v1"]);
    for (header, status) in [
        ("PROXY UNKNOWN\r\n", 200),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", 200),
        ("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n", 403),
    ] {
        let raw = "GET /-/metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let got = said(server.address, &format!("{header}{raw}"));
        assert_eq!(got.status, status, "{header}");
    }
}

#[test]
fn the_operators_listener_has_the_pages_and_no_site() {
    for engine in ENGINES.iter().copied() {
        // No headers of proxies are asked for there.
        let mut arguments = vec!["--admin-listen", "127.0.0.1:0"];
        if engine.owns_connections() {
            arguments.extend(["--proxy-protocol", "v1"]);
        }
        let server = start(engine, &arguments);
        let (site, admin) = (server.address, admin(&server));
        let header = if engine.owns_connections() {
            "PROXY UNKNOWN\r\n"
        } else {
            ""
        };
        for (target, on_site, on_admin) in [
            ("/", 200, 404),
            ("/nowhere", 404, 404),
            ("/-/nowhere", 404, 404),
            ("/-/health", 200, 200),
            ("/-/ready", 200, 200),
            ("/-/version", 404, 200),
            ("/-/manifest.json", 404, 200),
            ("/-/metrics", 404, 200),
        ] {
            let raw = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
            let got = said(site, &format!("{header}{raw}\r\n"));
            assert_eq!(got.status, on_site, "{target}, {}", engine.name());
            for lines in ["", "X-Forwarded-For: 192.0.2.1\r\n"] {
                let got = said(admin, &format!("{raw}{lines}\r\n"));
                assert_eq!(got.status, on_admin, "{target}, {}", engine.name());
            }
        }
    }
}

#[test]
fn version_and_manifest_are_what_the_command_line_tells() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, &[]);
        let printed = |command: &str| -> Value {
            let done = chapbook().args([command, "--json"]).output().unwrap();
            serde_json::from_slice(&done.stdout).unwrap()
        };
        let got = get(server.address, "/-/version");
        assert!(got.has("Content-Type: application/json"), "{}", got.head);
        let mut version: Value = serde_json::from_slice(&got.content).unwrap();
        let sandbox = version.as_object_mut().unwrap().remove("sandbox").unwrap();
        assert_eq!(sandbox["mode"], "best-effort");
        assert!(sandbox["parts"]["seccomp"].is_string(), "{sandbox}");
        assert_eq!(version["engine"], engine.name());
        version["engine"] = Engine::default().name().into();
        assert_eq!(version, printed("version"));

        let manifest = printed("ls");
        let raw = "GET /-/manifest.json HTTP/1.0\r\n\r\n";
        for got in [
            get(server.address, "/-/manifest.json"),
            said(server.address, raw),
        ] {
            assert!(got.has("Content-Type: application/json"), "{}", got.head);
            let found: Value = serde_json::from_slice(&got.content).unwrap();
            assert_eq!(found, manifest, "{}", engine.name());
        }
        // What follows on the same connection is answered.
        let ask = "GET /-/manifest.json HTTP/1.1\r\nHost: a\r\n";
        let mut stream = connect(server.address);
        let raw = format!("{ask}\r\n{ask}Connection: close\r\n\r\n");
        stream.write_all(raw.as_bytes()).unwrap();
        let mut both = String::new();
        stream.read_to_string(&mut both).unwrap();
        assert_eq!(
            both.matches("HTTP/1.1 200 OK").count(),
            2,
            "{}",
            engine.name()
        );
        assert_eq!(both.matches("\r\n0\r\n\r\n").count(), 2);
    }
}

#[test]
fn pages_answer_what_pages_are_asked() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, &[]);
        for page in ["health", "ready", "version", "manifest.json", "metrics"] {
            let target = format!("/-/{page}");
            let got = get(server.address, &target);
            let head = ask(server.address, "HEAD", &target, "");
            assert_eq!((got.status, head.status), (200, 200), "{target}");
            assert!(
                head.content.is_empty() && !got.content.is_empty(),
                "{target}"
            );
            for answer in [&got, &head] {
                assert!(answer.has("Cache-Control: no-store"), "{}", answer.head);
                assert!(
                    answer.has("X-Content-Type-Options: nosniff"),
                    "{}",
                    answer.head
                );
            }
            let options = ask(server.address, "OPTIONS", &target, "");
            assert_eq!(options.status, 200, "{target}");
            for method in ["POST", "DELETE"] {
                let refused = ask(server.address, method, &target, "");
                assert_eq!(refused.status, 405, "{method} {target}");
                assert!(refused.has("Allow: GET, HEAD, OPTIONS"), "{}", refused.head);
            }
        }
        assert_eq!(get(server.address, "/-/nowhere").status, 404);
        assert_eq!(get(server.address, "/-/").status, 404);
    }
}

#[test]
#[cfg(unix)]
fn signals_say_whether_it_is_ready() {
    for engine in ENGINES.iter().copied() {
        let server = start(engine, &[]);
        until(server.address, "/-/ready", 200);
        server.signal("USR1");
        until(server.address, "/-/ready", 503);
        // It lives, and serves who comes all the same.
        assert_eq!(get(server.address, "/-/health").status, 200);
        assert_eq!(get(server.address, "/").status, 200);
        assert_eq!(
            number(&get(server.address, "/-/metrics"), "chapbook_ready"),
            0.0
        );
        server.signal("USR2");
        until(server.address, "/-/ready", 200);
        server.signal("TERM");
        let (code, _, said) = server.end();
        assert_eq!(code, Some(0));
        for event in ["SIGUSR1: not ready", "SIGUSR2: ready"] {
            assert!(said.contains(event), "{said}");
        }
    }
}
