//! The image, run as it is meant to be: read-only, nobody's, without capabilities.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::built::{Built, NAME, command, executable};
use crate::docker::{Container, Docker};

/// What every container here is run with.
const HARDENED: [&str; 7] = [
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--network",
    "host",
];
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container of an image, created, not started.
pub(crate) fn create<'a>(docker: &'a Docker, own: &[&str], image: &str) -> Container<'a> {
    Container::create(docker, &[&HARDENED, own, &[image]].concat())
}

fn loaded(docker: &Docker) -> Built {
    let built = Built::new(&[]);
    docker.ask(&["load", "-i", built.file().to_str().unwrap()]);
    built
}

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// The answer to a request, as soon as there is one.
pub(crate) fn get(address: SocketAddr, target: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    let request = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    loop {
        let asked = TcpStream::connect(address).and_then(|mut stream| {
            let mut answer = String::new();
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        match asked {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// One line of `/proc/PID/status`.
fn status(container: &Container<'_>, name: &str) -> String {
    let pid = container.inspect(".State.Pid");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_serves_as_nobody_and_stops_within_a_second() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let _built = loaded(&docker);
    let address = free();
    let listen = format!("CHAPBOOK_LISTEN={address}");
    let container = create(&docker, &["-e", &listen], NAME);
    let mut shortest = Duration::MAX;
    // The machine may be busy with something else, but hardly three times.
    for _ in 0..3 {
        container.ask(&["start"]);
        let answer = get(address, "/poetry/");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(status(&container, "Uid:"), "65532 65532 65532 65532");
        assert_eq!(status(&container, "Gid:"), "65532 65532 65532 65532");
        assert_eq!(status(&container, "CapEff:"), "0000000000000000");
        assert_eq!(status(&container, "NoNewPrivs:"), "1");
        let start = Instant::now();
        container.ask(&["stop"]);
        shortest = shortest.min(start.elapsed());
        assert_eq!(container.inspect(".State.ExitCode"), "0");
        if shortest < Duration::from_secs(1) {
            return eprintln!("`docker stop` took {shortest:?}");
        }
    }
    panic!("`docker stop` took {shortest:?}");
}

/// The probe finds the server by the variables that the server was told its port by.
#[test]
fn it_is_healthy_and_unhealthy_when_it_should_be() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let _built = loaded(&docker);
    let address = free();
    let (listen, port) = (
        format!("CHAPBOOK_LISTEN={address}"),
        format!("PORT={}", free().port()),
    );
    let often = ["--health-interval", "500ms"];
    let by_listen = create(&docker, &[&often[..], &["-e", &listen]].concat(), NAME);
    let by_port = create(&docker, &[&often[..], &["-e", &port]].concat(), NAME);
    for container in [&by_listen, &by_port] {
        container.ask(&["start"]);
        container.wait_for(".State.Health.Status", "healthy");
    }
    // Stopped as by a debugger: it has its port, and answers nobody.
    by_port.ask(&["kill", "--signal", "STOP"]);
    by_port.wait_for(".State.Health.Status", "unhealthy");
    assert_eq!(by_listen.inspect(".State.Health.Status"), "healthy");
    let said = by_port.inspect("json .State.Health.Log");
    assert!(said.contains("no healthy server at"), "{said}");
    by_port.ask(&["kill", "--signal", "CONT"]);
    by_port.wait_for(".State.Health.Status", "healthy");
}

/// From what Docker calls the start to the first answer, beside the same of the process without a
/// container. Docker notes it once the process runs, which then may have answered already: so all
/// of `docker start` is told, too.
#[test]
fn a_container_answers_as_soon_as_a_process_does() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let _built = loaded(&docker);
    let (mut bare, mut contained, mut whole) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let address = free();
    let listen = format!("CHAPBOOK_LISTEN={address}");
    let container = create(&docker, &["-e", &listen], NAME);
    for _ in 0..5 {
        let mut server = command(executable());
        server.env("CHAPBOOK_LISTEN", address.to_string());
        server.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut server = server.spawn().unwrap();
        get(address, "/-/health");
        bare = bare.min(start.elapsed());
        server.kill().unwrap();
        server.wait().unwrap();

        let begun = Instant::now();
        let mut start = docker.command(&["start", container.id()]);
        let mut start = start.stdout(Stdio::null()).spawn().unwrap();
        get(address, "/-/health");
        whole = whole.min(begun.elapsed());
        let answered = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(start.wait().unwrap().success());
        let started = since_epoch(&container.inspect(".State.StartedAt"));
        contained = contained.min(answered.saturating_sub(started));
        container.ask(&["stop"]);
    }
    eprintln!(
        "to the first answer: the process {bare:?}, the container {contained:?}, docker {whole:?}"
    );
    assert!(
        contained <= 2 * bare,
        "the process {bare:?}, the container {contained:?}"
    );
}

/// Of RFC 3339 with fractions of a second.
fn since_epoch(text: &str) -> Duration {
    let seconds = sitepack::date::parse_rfc3339(text).unwrap();
    let fraction = text.split(['.', 'Z']).nth(1).unwrap_or_default();
    let nanoseconds = format!("{fraction:0<9}").parse().unwrap();
    Duration::new(seconds, nanoseconds)
}
