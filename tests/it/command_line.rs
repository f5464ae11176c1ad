//! The executable, as a user meets it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chapbook::limits::{ConnectionLimits, RequestLimits, UNSENT_BYTES_MAX};

use crate::exchange::Answer;
use crate::runnable::make_runnable;
use crate::server::{PATIENCE, Running, chapbook, connect, executable};

fn ran(arguments: &[&str]) -> Output {
    chapbook().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn poem(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/poems");
    fs::read(directory.join(name)).unwrap()
}

#[test]
fn cat_prints_the_bytes_of_the_source() {
    assert_eq!(
        ran(&["cat", "/poetry/slipway.txt"]).stdout,
        poem("slipway.txt")
    );
    assert_eq!(
        ran(&["cat", "poetry/slipway.txt"]).stdout,
        poem("slipway.txt")
    );
    let missing = ran(&["cat", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/nowhere"));
    assert_eq!(ran(&["cat", "../x"]).status.code(), Some(2));
    assert!(text(&ran(&["cat", "/poetry"]).stderr).contains("redirect to `/poetry/`"));
}

#[test]
fn ls_lists_everything_and_its_json_is_the_manifest() {
    let listed = ran(&["ls"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&ran(&["ls", "--json"]).stdout).unwrap();
    let entries = manifest["entries"].as_array().unwrap();
    assert_eq!(text(&listed.stdout).lines().count(), entries.len());
    let slipway = entries
        .iter()
        .find(|entry| entry["path"] == "/poetry/slipway.txt")
        .unwrap();
    let content = poem("slipway.txt");
    assert_eq!(slipway["size"], content.len());
    assert_eq!(slipway["sha256"], sitepack::Digest::of(&content).hex());
    assert_eq!(slipway["media_type"], "text/plain; charset=utf-8");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = chapbook().arg("ls").spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn extract_writes_every_resource_and_refuses_a_full_directory() {
    let root = tempfile::tempdir().unwrap();
    let into = root.path().join("new/site");
    let done = ran(&["extract", into.to_str().unwrap()]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(
        fs::read(into.join("poetry/slipway.txt")).unwrap(),
        poem("slipway.txt")
    );
    assert!(into.join("index.html").is_file() && into.join("poetry/slipway.html").is_file());
    assert!(
        text(&done.stderr).contains("2 redirects"),
        "{}",
        text(&done.stderr)
    );
    let again = ran(&["extract", into.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("not empty"));
}

#[test]
fn version_tells_the_site() {
    let version: serde_json::Value =
        serde_json::from_slice(&ran(&["version", "--json"]).stdout).unwrap();
    assert_eq!(
        version["site"]["sha256"],
        crate::sites::poems().digest().hex()
    );
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["build"], chapbook::about::BUILD);
    let rustc = version["rustc"].as_str().unwrap();
    assert!(rustc.starts_with("rustc 1."), "{rustc}");
    let features: Vec<&str> = chapbook::about::features().collect();
    assert_eq!(version["features"], serde_json::json!(features));
    assert!(!features.contains(&"default") && !features.is_empty());
    assert!(text(&ran(&["-V"]).stdout).starts_with("chapbook "));
}

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    for arguments in [
        &["frobnicate"][..],
        &["--frobnicate"],
        &["-p", "http"],
        &["--listen", "1.2.3:80"],
        &["--listen", "192.0.2.1:80"],
        &["--listen", &busy],
        &["--listen", "unix:/nonexistent/socket"],
        &["--engine", "apache"],
        &["--access-log", "perhaps"],
        &["healthcheck", "https://a.example/"],
    ] {
        let done = ran(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert_eq!(
            text(&done.stderr).lines().count(),
            1,
            "{}",
            text(&done.stderr)
        );
        assert!(done.stdout.is_empty());
        let named = arguments.last().unwrap().trim_start_matches('-');
        assert!(
            text(&done.stderr).contains(named),
            "{arguments:?}: {}",
            text(&done.stderr)
        );
    }
}

#[test]
fn healthcheck_is_0_while_it_runs_and_1_after() {
    let server = Running::start(&[]);
    let url = format!("http://{}/-/health", server.address);
    assert_eq!(ran(&["healthcheck", &url]).status.code(), Some(0));
    let missing = format!("http://{}/nowhere", server.address);
    let done = ran(&["healthcheck", &missing]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("404"));
    let port = server.address.port().to_string();
    let by_port = chapbook()
        .arg("healthcheck")
        .env("PORT", &port)
        .output()
        .unwrap();
    assert_eq!(by_port.status.code(), Some(0), "{}", text(&by_port.stderr));
    drop(server);
    assert_eq!(ran(&["healthcheck", &url]).status.code(), Some(1));
}

#[test]
fn healthcheck_does_not_wait_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let done = ran(&[
        "healthcheck",
        &format!("http://{}/", silent.local_addr().unwrap()),
    ]);
    assert_eq!(done.status.code(), Some(1));
    assert!(started.elapsed() < PATIENCE);
}

/// What the help says is the default is the default.
#[test]
fn help_tells_the_limits_as_they_are() {
    let help = ran(&["serve", "--help"]).stdout;
    let (connections, requests) = (ConnectionLimits::default(), RequestLimits::default());
    for (flag, default) in [
        ("--max-connections", connections.connections as u64),
        ("--max-requests", u64::from(connections.requests)),
        ("--max-target", requests.target_bytes as u64),
        ("--max-fields", requests.field_lines as u64),
        ("--max-field-bytes", requests.field_section_bytes as u64),
        ("--request-timeout", connections.request_seconds),
        ("--idle-timeout", connections.idle_seconds),
        ("--write-timeout", connections.write_seconds),
    ] {
        let told = text(&help)
            .split(&format!("{flag} "))
            .nth(1)
            .and_then(|rest| rest.split("[default: ").nth(1))
            .and_then(|rest| rest.split(']').next());
        assert_eq!(told, Some(&*default.to_string()), "{flag}");
    }
    // What can be seen is that half of what the system may hold is gone.
    let floor = format!("less than {} KiB of an answer", UNSENT_BYTES_MAX / 2 / 1024);
    let line = text(&help)
        .lines()
        .find(|line| line.contains("--write-timeout"));
    assert!(
        line.is_some_and(|line| line.contains(&floor)),
        "{floor}: {line:?}"
    );
}

#[cfg(unix)]
#[test]
fn unix_sockets_serve_and_stale_ones_are_replaced() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listen = format!("unix:{}", path.display());
    let mut command = chapbook();
    command.args(["--listen", &listen]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while ran(&["healthcheck", &listen]).status.code() != Some(0) {
        assert!(Instant::now() < deadline, "it never answered");
        std::thread::sleep(Duration::from_millis(20));
    }
    // In use now: it stays the first one's.
    assert_eq!(ran(&["--listen", &listen]).status.code(), Some(2));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A server that drains has given up its address: what is there now is another's.
#[cfg(unix)]
#[test]
fn a_unix_socket_may_be_taken_over_while_its_server_drains() {
    for engine in crate::server::ENGINES.iter().copied() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let listen = format!("unix:{}", path.display());
        let arguments = ["--listen", &*listen, "--engine", engine.name()];
        let lives = || ran(&["healthcheck", &listen]).status.code() == Some(0);
        let first = Quiet::spawn(&arguments);
        until("the first answers", lives);
        // Answers that nobody takes keep it from ending.
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let raw = b"GET /poetry/ HTTP/1.1\r\nHost: a\r\n\r\n".repeat(300);
        stream.write_all(&raw).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        first.signal("TERM");
        let refuses = || std::os::unix::net::UnixStream::connect(&path).is_err();
        until("the first refuses", refuses);
        let second = Quiet::spawn(&arguments);
        until("the second answers", lives);
        let _ = stream.read_to_end(&mut Vec::new());
        first.end();
        assert!(lives(), "{}: the first took it away", engine.name());
        second.signal("TERM");
        second.end();
        assert!(!path.exists(), "{}: it is left behind", engine.name());
    }
}

/// The executable, serving where it has no port; killed when dropped.
#[cfg(unix)]
struct Quiet(std::process::Child);

#[cfg(unix)]
impl Quiet {
    fn spawn(arguments: &[&str]) -> Quiet {
        let mut command = chapbook();
        command.args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Quiet(command.spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let done = Command::new("kill")
            .args([&format!("-{name}"), &*pid])
            .status()
            .unwrap();
        assert!(done.success());
    }

    fn end(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_access_log_is_complete_at_the_end_and_statistics_are_one_line() {
    let server = Running::start(&["--log-format", "text"]);
    for target in ["/", "/poetry/slipway", "/nowhere"] {
        let mut stream = connect(server.address);
        let raw = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(raw.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes, "GET");
    }
    server.signal("TERM");
    let (code, out, err) = server.end();
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(
        lines[1].contains(" 127.0.0.1 GET /poetry/slipway 200 "),
        "{out}"
    );
    assert!(
        lines[2].contains(" /nowhere 404 ") && lines[2].contains(" NotFound "),
        "{out}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("answered 3 requests, 2 2xx, 1 4xx"), "{err}");
}

#[test]
fn access_log_off_is_silent() {
    let server = Running::start(&["--access-log", "off"]);
    let url = format!("http://{}/", server.address);
    assert_eq!(ran(&["healthcheck", &url]).status.code(), Some(0));
    server.signal("INT");
    let (code, out, _) = server.end();
    assert_eq!((code, &*out), (Some(0), ""));
}

#[test]
fn it_ends_as_pid_1_too() {
    // PID 1 of a namespace of its own gets only the signals that it handles.
    let unshare = [
        "--pid",
        "--fork",
        "--kill-child",
        "--map-root-user",
        "--user",
    ];
    let possible = Command::new("unshare").args(unshare).arg("true").output();
    if !possible.is_ok_and(|done| done.status.success()) {
        crate::site::skipped("unshare cannot make a PID namespace here");
        return;
    }
    for signal in ["TERM", "INT"] {
        let mut command = Command::new("unshare");
        command
            .args(unshare)
            .arg(env!("CARGO_BIN_EXE_chapbook"))
            .args(["--listen", "127.0.0.1:0"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let server = Running::spawn(command);
        let parent = server.child.id().to_string();
        let found = Command::new("pgrep")
            .args(["-P", &parent])
            .output()
            .unwrap();
        let pid = text(&found.stdout).trim().to_owned();
        assert!(!pid.is_empty(), "unshare has no child");
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &*pid])
                .status()
                .unwrap()
                .success()
        );
        let (code, _, err) = server.end();
        assert_eq!(code, Some(0), "{err}");
        assert!(err.contains("answered 0 requests"), "{err}");
    }
}

/// A copy of the executable whose packed site is changed by `change`.
fn damaged(root: &Path, change: impl Fn(&mut [u8])) -> PathBuf {
    let mut file = fs::read(env!("CARGO_BIN_EXE_chapbook")).unwrap();
    let site = chapbook::embedded::bytes().unwrap();
    let at = file
        .windows(256)
        .position(|window| window == &site[..256])
        .unwrap();
    assert_eq!(&file[at..at + site.len()], site);
    change(&mut file[at..at + site.len()]);
    let copy = root.join("damaged");
    fs::copy(env!("CARGO_BIN_EXE_chapbook"), &copy).unwrap();
    fs::write(&copy, file).unwrap();
    make_runnable(&copy);
    copy
}

#[test]
fn verify_names_the_resource_with_a_flipped_byte() {
    assert!(ran(&["verify"]).status.success());
    let site = crate::sites::poems();
    let path = sitepack::SitePath::from_decoded("/poetry/slipway.txt").unwrap();
    let Ok(Some(sitepack::Entry::Resource(resource))) = site.find(&path) else {
        panic!("gone")
    };
    let offset = usize::try_from(resource.identity().unwrap().offset).unwrap();
    let root = tempfile::tempdir().unwrap();
    let copy = damaged(root.path(), |site| site[offset + 100] ^= 1);
    let done = executable(&copy).arg("verify").output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done.stderr).contains("/poetry/slipway.txt"),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn a_broken_header_is_refused_before_listening() {
    let root = tempfile::tempdir().unwrap();
    let copy = damaged(root.path(), |site| site[70] ^= 1);
    for command in ["serve", "verify", "ls", "version"] {
        let mut started = executable(&copy);
        started.arg(command);
        if command == "serve" {
            started.args(["--listen", "127.0.0.1:0"]);
        }
        let done = started.output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{command}");
        assert!(
            text(&done.stderr).contains("header"),
            "{}",
            text(&done.stderr)
        );
        assert_eq!(text(&done.stderr).lines().count(), 1);
    }
}
