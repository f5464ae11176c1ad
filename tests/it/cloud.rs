//! The page `/aws` and Heroku's metrics, with services on loopback: those that work, fail, hang,
//! close, and say too much.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Running, chapbook};

/// How a service answers a target.
#[derive(Clone, Debug)]
enum Manner {
    /// A status and a content.
    Answer(u16, Vec<u8>),
    /// Nothing, for as long as its client is there.
    Hang,
    /// A byte now and then.
    Drip,
    /// It closes.
    Close,
}

/// A service on loopback. What it was sent, head and content, is kept.
struct Service {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start(manner: impl Fn(&str) -> Manner + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, manner) = (seen.clone(), Arc::new(manner));
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, manner) = (kept.clone(), manner.clone());
                std::thread::spawn(move || serve(stream, &kept, &*manner));
            }
        });
        Service { port, seen }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<String>>, manner: &dyn Fn(&str) -> Manner) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let text = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1);
            let length = length.map_or("0", |rest| rest.lines().next().unwrap());
            if content.len() >= length.parse().unwrap() {
                break text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let target = text.split(' ').nth(1).unwrap_or_default().to_owned();
    kept.lock().unwrap().push(text);
    let head = |status: u16, bytes: usize| {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n")
    };
    match manner(&target) {
        Manner::Answer(status, content) => {
            let _ = stream.write_all(head(status, content.len()).as_bytes());
            let _ = stream.write_all(&content);
        }
        Manner::Hang => {
            let _ = stream.read(&mut buffer);
        }
        Manner::Drip => {
            let _ = stream.write_all(head(200, 1000).as_bytes());
            while stream.write_all(b"a").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Manner::Close => {}
    }
}

/// Waits until `ready` is there.
fn eventually<T>(what: &str, at_most: Duration, ready: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(begun.elapsed() < at_most, "{what} is not there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn serving(arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    let mut command = chapbook();
    let unset = [
        "ECS_CONTAINER_METADATA_FILE",
        "ECS_CONTAINER_METADATA_URI_V4",
        "HEROKU_METRICS_URL",
    ];
    for name in unset {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.args(arguments);
    Running::spawn(command)
}

/// Whether the sandbox is up; a system without one says so loudly.
fn is_inside(server: &Running) -> bool {
    let inside = server.said.contains("sandbox on\"") || server.said.contains("\"sandbox\":\"on\"");
    if !inside {
        let why = format!("there is no sandbox here: {}", server.said);
        crate::site::skipped(&why);
        assert!(std::env::var_os("CHAPBOOK_CI_TOOLS").is_none(), "{why}");
    }
    inside
}

/// What ends with a line and exit code 2.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = chapbook();
    command.envs(variables.iter().copied());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.args(arguments);
    crate::workshop::refused(command)
}

#[cfg(feature = "aws")]
mod aws {
    use super::*;
    use crate::server::ENGINES;
    use crate::workshop::{Workshop, get};

    fn ok(content: &str) -> Manner {
        Manner::Answer(200, content.as_bytes().to_vec())
    }

    /// EC2's service, in which one thing is otherwise.
    fn ec2(other: &'static str, manner: Manner) -> Service {
        Service::start(move |target| match target {
            _ if target == other => manner.clone(),
            "/latest/api/token" => ok("AQAE-token=="),
            "/latest/meta-data/hostname" => ok("ip-10-0-0-1.ec2.internal"),
            "/latest/meta-data/placement/availability-zone" => ok("us-east-1a"),
            "/latest/meta-data/iam/info" => ok("{\"Code\" : \"Success\"}"),
            _ => Manner::Answer(404, Vec::new()),
        })
    }

    /// The page, once it is there.
    fn page(server: &Running) -> String {
        eventually("the page", PATIENCE * 2, || {
            let answer = get(server.address, "/aws");
            match answer.status {
                200 => {
                    let media_type = answer.field("content-type");
                    assert_eq!(media_type, Some("text/html; charset=utf-8"));
                    Some(String::from_utf8(answer.content).unwrap())
                }
                503 => {
                    assert_eq!(answer.field("retry-after"), Some("1"));
                    assert_eq!(answer.field("refresh"), Some("1"));
                    None
                }
                other => panic!("{other}"),
            }
        })
    }

    #[test]
    fn the_page_shows_what_ec2_says_from_inside_the_sandbox() {
        for engine in ENGINES {
            let service = ec2("", Manner::Close);
            let url = service.url();
            let server = serving(
                &[
                    "--aws",
                    "--aws-metadata-url",
                    &url,
                    "--engine",
                    engine.name(),
                ],
                &[],
            );
            is_inside(&server);
            assert!(service.seen().is_empty(), "nobody has asked yet");
            let page = page(&server);
            for text in [
                "EC2 hostname</h2>\n<pre>ip-10-0-0-1.ec2.internal</pre>",
                "EC2 placement/availability-zone</h2>\n<pre>us-east-1a</pre>",
                "EC2 iam/info</h2>\n<pre>{&quot;Code&quot; : &quot;Success&quot;}</pre>",
            ] {
                assert!(page.contains(text), "{page}");
            }
            // It is kept, and each thing was asked for once.
            assert_eq!(get(server.address, "/aws").content, page.as_bytes());
            let seen = service.seen();
            assert_eq!(seen.len(), 4, "{seen:?}");
            assert!(
                seen[0].starts_with("PUT /latest/api/token HTTP/1.1\r\n"),
                "{seen:?}"
            );
            let lower: Vec<String> = seen.iter().map(|text| text.to_ascii_lowercase()).collect();
            assert!(lower[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 60\r\n"));
            for text in &lower[1..] {
                assert!(
                    text.contains("x-aws-ec2-metadata-token: aqae-token==\r\n"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn what_fails_is_shown_beside_what_does_not() {
        let hostile = "<script>alert(1)</script>\x1b[2J\0".to_owned();
        for (manner, shown) in [
            (Manner::Answer(500, b"no".to_vec()), "it answered 500"),
            (Manner::Answer(301, b"no".to_vec()), "it answered 301"),
            (Manner::Hang, "it took more than"),
            (Manner::Drip, "it took more than"),
            (Manner::Close, "There is no answer: "),
            (
                Manner::Answer(200, vec![b'a'; 1 << 20]),
                "it is longer than 65536 bytes",
            ),
            (
                Manner::Answer(200, hostile.into_bytes()),
                "<pre>&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}[2J\u{fffd}</pre>",
            ),
        ] {
            let told = format!("{manner:?}").chars().take(20).collect::<String>();
            let service = ec2("/latest/meta-data/hostname", manner);
            let server = serving(&["--aws", "--aws-metadata-url", &service.url()], &[]);
            let asked = Instant::now();
            // The site is served meanwhile.
            assert_eq!(get(server.address, "/aws").status, 503);
            assert_eq!(get(server.address, "/").status, 200);
            let page = page(&server);
            assert!(asked.elapsed() < PATIENCE, "{told}");
            assert!(page.contains(shown), "{told}: {page}");
            assert!(page.contains("<pre>us-east-1a</pre>"), "{told}: {page}");
            assert!(!page.contains("<script"), "{page}");
        }
    }

    #[test]
    fn without_a_token_nothing_is_asked_for() {
        for manner in [
            Manner::Answer(403, Vec::new()),
            Manner::Hang,
            ok(""),
            ok("two\r\nlines"),
            ok(&"a".repeat(5000)),
        ] {
            let service = ec2("/latest/api/token", manner);
            let server = serving(&["--aws", "--aws-metadata-url", &service.url()], &[]);
            let page = page(&server);
            assert_eq!(page.matches("no token: ").count(), 3, "{page}");
            assert_eq!(service.seen().len(), 1);
        }
        // Nobody is there at all.
        let server = serving(&["--aws", "--aws-metadata-url", "http://127.0.0.1:1"], &[]);
        assert_eq!(page(&server).matches("no token: ").count(), 3);
    }

    #[test]
    fn ecs_tells_by_a_file_and_by_a_service() {
        let workshop = Workshop::new();
        workshop.write("ecs/metadata.json", b"{\"Cluster\": \"<old>\"}");
        let file = workshop.path("ecs/metadata.json");
        let service = Service::start(|target| match target {
            "/v4/0123-4567" => ok("the container"),
            "/v4/0123-4567/task" => ok("the task"),
            _ => Manner::Close,
        });
        let uri = format!("http://localhost:{}/v4/0123-4567", service.port);
        let variables = [
            ("ECS_CONTAINER_METADATA_FILE", file.to_str().unwrap()),
            ("ECS_CONTAINER_METADATA_URI_V4", &uri),
        ];
        let server = serving(&["--aws"], &variables);
        // The agent puts another file in its place while the server runs.
        workshop.write("ecs/new", b"{\"Cluster\": \"<new>\"}");
        std::fs::rename(workshop.path("ecs/new"), &file).unwrap();
        let shown = page(&server);
        for text in [
            "&lt;new&gt;",
            "<pre>the container</pre>",
            "<pre>the task</pre>",
        ] {
            assert!(shown.contains(text), "{shown}");
        }
        assert!(!shown.contains("EC2"), "{shown}");
        // No file, one that is too long, and something that is none.
        workshop.write("long/long", &vec![b'a'; 70_000]);
        for (path, cause) in [
            (workshop.path("ecs/none"), "There is no answer: "),
            (workshop.path("long/long"), "longer than 65536 bytes"),
            (workshop.path("long"), "it is no file"),
        ] {
            let name = "ECS_CONTAINER_METADATA_FILE";
            let server = serving(&["--aws"], &[(name, path.to_str().unwrap())]);
            let shown = page(&server);
            assert!(shown.contains(name) && shown.contains(cause), "{shown}");
        }
    }

    #[test]
    fn it_is_never_there_by_accident_and_hides_a_page_of_the_site() {
        let uri = [("ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:1/v4/a")];
        let server = serving(&[], &uri);
        assert_eq!(get(server.address, "/aws").status, 404);
        let workshop = Workshop::with(&[("index.html", "home"), ("aws", "own")]);
        let directory = workshop.path("site");
        let directory = directory.to_str().unwrap();
        let server = serving(&[directory, "--cache", "off"], &[]);
        assert_eq!(get(server.address, "/aws").content, b"own");
        let server = serving(&[directory, "--cache", "off", "--aws"], &uri);
        assert_eq!(get(server.address, "/aws").status, 503);
        server.signal("TERM");
        let (_, _, said) = server.end();
        assert_eq!(
            said.matches("--aws hides /aws of the site").count(),
            1,
            "{said}"
        );
    }

    #[test]
    fn malformed_places_are_refused() {
        for (url, cause) in [
            ("", ""),
            ("169.254.169.254", "it is no whole address"),
            ("ftp://127.0.0.1/", "neither http nor https"),
            ("https://127.0.0.1/", "not plain http"),
            ("http://u:p@127.0.0.1/", "not plain http"),
            ("http://192.0.2.1/", "no address of loopback"),
            ("http://metadata.example/", "no address of loopback"),
            ("http://127.0.0.1:0/", "port"),
            ("http://127.0.0.1/latest", "it has a path"),
        ] {
            if !url.is_empty() {
                let line = refused(&["--aws", "--aws-metadata-url", url], &[]);
                assert!(
                    line.contains("--aws-metadata-url") && line.contains(cause),
                    "{line}"
                );
            }
        }
        let name = "ECS_CONTAINER_METADATA_URI_V4";
        for uri in [
            "nothing",
            "http://secret.example/v4/a",
            "https://127.0.0.1/v4",
        ] {
            let line = refused(&["--aws"], &[(name, uri)]);
            assert!(line.contains(name) && !line.contains("secret"), "{line}");
        }
        let line = refused(&["--aws-metadata-url", "http://127.0.0.1:1"], &[]);
        assert!(line.contains("it is for --aws"), "{line}");
        let line = refused(&[], &[("CHAPBOOK_AWS", "yes")]);
        assert!(line.contains("$CHAPBOOK_AWS"), "{line}");
    }
}

#[cfg(feature = "heroku")]
mod heroku {
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::workshop::get;

    const CONFIG: &str = "[req]\ndistinguished_name = name\nx509_extensions = more\n\
        prompt = no\n[name]\nCN = localhost\n[more]\nbasicConstraints = critical, CA:FALSE\n\
        subjectAltName = DNS:localhost\n";

    /// `openssl s_server`, killed when dropped, and what it was sent.
    struct Tls(Child, u16, Arc<Mutex<String>>);

    impl Drop for Tls {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// In a directory in which `root.pem` is then the certificate to trust. None, and loud, where
    /// there is no tool; in CI there has to be one.
    fn tls(directory: &Path) -> Option<Tls> {
        std::fs::write(directory.join("config"), CONFIG).unwrap();
        let mut make = Command::new("openssl");
        let key = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ];
        let names = [
            "-config", "config", "-keyout", "key.pem", "-out", "root.pem",
        ];
        make.args(key).args(names).current_dir(directory);
        if make.stderr(Stdio::null()).status().is_err() {
            crate::site::skipped("there is no `openssl` here");
            assert!(std::env::var_os("CHAPBOOK_CI_TOOLS").is_none());
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-cert", "root.pem", "-key", "key.pem"]);
        command.args(["-accept", &format!("127.0.0.1:{port}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.current_dir(directory).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let seen: Arc<Mutex<String>> = Arc::default();
        let kept = seen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]);
                kept.lock().unwrap().push_str(&text);
            }
        });
        Some(Tls(child, port, seen))
    }

    fn events(server: Running) -> String {
        server.signal("TERM");
        let (code, _, err) = server.end();
        assert_eq!(code, Some(0), "{err}");
        err
    }

    #[test]
    fn without_a_url_one_line_says_so() {
        for variables in [&[][..], &[("HEROKU_METRICS_URL", "")]] {
            let said = events(serving(&[], variables));
            let lines = said.lines().filter(|line| line.contains("HEROKU"));
            let lines: Vec<&str> = lines.collect();
            assert_eq!(lines.len(), 1, "{said}");
            assert!(lines[0].contains("\"level\":\"info\""), "{said}");
            assert!(!said.contains("\"level\":\"warn\""), "{said}");
        }
    }

    #[test]
    fn malformed_urls_are_refused_without_showing_them() {
        for url in [
            "secret",
            "tcp://secret:1/",
            "http://",
            "http://u:secret@:1/",
            "http://a/ secret",
        ] {
            let line = refused(&[], &[("HEROKU_METRICS_URL", url)]);
            assert!(line.contains("HEROKU_METRICS_URL"), "{line}");
            assert!(!line.contains("secret"), "{line}");
        }
    }

    /// The real clock once, and all of the sandbox: the interval is what Heroku's dashboards are
    /// made for, so there is no option to make it shorter.
    #[test]
    fn metrics_are_posted_from_inside_the_sandbox() {
        let good = Service::start(|_| Manner::Answer(200, b"ok".to_vec()));
        let bad = Service::start(|_| Manner::Answer(500, b"no".to_vec()));
        let slow = Service::start(|_| Manner::Hang);
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let url = |service: &Service| {
            format!(
                "http://u:secret@localhost:{}/{uuid}?token=secret",
                service.port
            )
        };
        let [well, ill, hung] = [&good, &bad, &slow]
            .map(|service| serving(&[], &[("HEROKU_METRICS_URL", &url(service))]));
        let directory = tempfile::tempdir().unwrap();
        let secured = tls(directory.path()).map(|tls| {
            let url = format!("https://localhost:{}/", tls.1);
            let root = directory.path().join("root.pem");
            let root = root.to_str().unwrap();
            let variables = [("HEROKU_METRICS_URL", &*url), ("SSL_CERT_FILE", root)];
            (serving(&[], &variables), tls)
        });
        is_inside(&well);
        for _ in 0..3 {
            assert_eq!(get(well.address, "/").status, 200);
        }
        let patience = Duration::from_secs(60);
        let posted = eventually("a post", patience, || good.seen().first().cloned());
        let (head, content) = posted.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(
            head.starts_with(&format!("post /{uuid}?token=secret http/1.1\r\n")),
            "{head}"
        );
        assert!(head.contains("content-type: application/json"), "{head}");
        // u:secret
        assert!(head.contains("authorization: basic dtpzzwnyzxq="), "{head}");
        let json: serde_json::Value = serde_json::from_str(content).unwrap();
        assert_eq!(json["counters"]["rust.responses"], 3);
        assert!(json["counters"]["rust.responses.bytes"].as_u64().unwrap() > 1000);
        let memory = json["gauges"]["go.memory.heap.bytes"].as_u64().unwrap();
        assert!((1 << 12..1 << 32).contains(&memory), "{json}");
        eventually("a post", patience, || (bad.seen().len() == 1).then_some(()));
        eventually("a post", patience, || {
            (slow.seen().len() == 1).then_some(())
        });
        if let Some((_server, tls)) = secured {
            let seen = || tls.2.lock().unwrap().contains("\"counters\"").then_some(());
            eventually("a post by https", patience, seen);
        }
        // One that hangs keeps nobody, neither from an answer nor from the end.
        assert_eq!(get(hung.address, "/").status, 200);
        events(hung);
        let shown =
            |port: u16| format!("http://u:redacted@localhost:{port}/redacted-uuid?token=redacted");
        assert_eq!(get(ill.address, "/").status, 200);
        std::thread::sleep(Duration::from_millis(500));
        for (server, service, failed) in [(well, &good, false), (ill, &bad, true)] {
            let said = events(server);
            assert!(said.contains(&format!("metrics are posted to `{}`", shown(service.port))));
            let failure = format!(
                "failed to post metrics to `{}`: it answered 500",
                shown(service.port)
            );
            assert_eq!(said.contains(&failure), failed, "{said}");
            assert!(!said.contains("secret") && !said.contains(uuid), "{said}");
        }
    }

    #[test]
    fn a_host_that_is_not_found_is_told_and_all_is_served() {
        let server = serving(&[], &[("HEROKU_METRICS_URL", "http://a.invalid/")]);
        assert_eq!(get(server.address, "/").status, 200);
        let said = events(server);
        assert!(
            said.contains("no metrics are posted to `http://a.invalid:80/`"),
            "{said}"
        );
    }
}
