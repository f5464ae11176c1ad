//! Where the executable listens: several addresses, Unix sockets, sockets that systemd passes.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::exchange::Answer;
use crate::server::{ENGINES, PATIENCE, Running, chapbook, connect};
use crate::workshop::{get, refused, said};

const ASK: &[u8] = b"GET /-/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The status of the answer on a connection.
fn asked(mut stream: impl Read + Write) -> u16 {
    stream.write_all(ASK).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes, "GET").status
}

fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn serve(arguments: &[&str]) -> Command {
    let mut command = chapbook();
    command.arg("serve").args(arguments);
    command
}

/// Starts a command that says on which addresses it serves; what it says.
fn started(mut command: Command) -> (Child, String) {
    use std::io::BufRead as _;
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("serving ") && stderr.read_line(&mut line).unwrap() > 0 {}
    child.stderr = Some(stderr.into_inner());
    (child, line)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let done = Command::new("kill")
        .args([&format!("-{name}"), &*pid])
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn every_address_is_served_and_told() {
    for engine in ENGINES.iter().copied() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.sock");
        let list = format!("127.0.0.1:0,unix:{},mode=0620", path.display());
        let arguments = [
            "--listen",
            &*list,
            "--listen",
            "[::1]:0",
            "--engine",
            engine.name(),
        ];
        let (mut child, line) = started(serve(&arguments));
        let urls: Vec<&str> = line.split("http://").skip(1).collect();
        let addresses = urls
            .iter()
            .map(|rest| rest.split('/').next().unwrap().parse().unwrap());
        let addresses: Vec<SocketAddr> = addresses.collect();
        assert_eq!(addresses.len(), 2, "{line}");
        assert!(
            line.contains(&format!(", unix:{}, ", path.display())),
            "{line}"
        );
        for _ in 0..3 {
            for address in &addresses {
                assert_eq!(asked(connect(*address)), 200, "{address}");
            }
            assert_eq!(asked(unix(&path)), 200);
        }
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o620
        );
        signal(&child, "TERM");
        assert!(child.wait().unwrap().success(), "{}", engine.name());
        assert!(!path.exists());
    }
}

#[test]
fn one_address_that_fails_leaves_none() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.sock");
    let free = format!("unix:{}", path.display());
    for engine in ENGINES.iter().copied() {
        for (last, named) in [
            (&*busy, &*busy),
            (&*free, &*free),
            ("unix:/nonexistent/x", "unix:/nonexistent/x"),
            (&format!("{free}2,owner=4294967294"), &format!("{free}2")),
        ] {
            // The last cannot fail for root.
            if last.contains("owner=") && rustix::process::geteuid().is_root() {
                continue;
            }
            let arguments = [
                "--listen",
                &free,
                "--listen",
                last,
                "--engine",
                engine.name(),
            ];
            let line = refused(serve(&arguments));
            assert!(
                line.contains(&format!("failed to listen on `{named}`: ")),
                "{line}"
            );
            assert_eq!(root.path().read_dir().unwrap().count(), 0, "{line}");
        }
    }
}

#[test]
fn only_a_stale_socket_of_ours_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::write(path("file"), "kept").unwrap();
    let _live = UnixListener::bind(path("live")).unwrap();
    let _datagrams = UnixDatagram::bind(path("datagrams")).unwrap();
    std::os::unix::fs::symlink(path("live"), path("link")).unwrap();
    let mut cases = vec!["file", "live", "datagrams", "link"];
    // Only root can make a socket that is somebody else's.
    drop(UnixListener::bind(path("foreign")).unwrap());
    if std::os::unix::fs::lchown(path("foreign"), Some(65_532), None).is_ok() {
        cases.push("foreign");
    } else {
        println!("not run as root: somebody else's socket was not tried");
    }
    for name in cases {
        let before = fs::symlink_metadata(path(name)).unwrap();
        let line = refused(serve(&[
            "--listen",
            &format!("unix:{}", path(name).display()),
        ]));
        assert!(line.contains(&format!("/{name}`: ")), "{line}");
        let after = fs::symlink_metadata(path(name)).unwrap();
        assert_eq!(before.ino(), after.ino(), "{name} was replaced");
    }
    drop(UnixListener::bind(path("stale")).unwrap());
    let stale = format!("unix:{},mode=0600", path("stale").display());
    let (child, _) = started(serve(&["--listen", &stale]));
    let found = fs::symlink_metadata(path("stale")).unwrap();
    assert!(found.file_type().is_socket() && found.permissions().mode() & 0o777 == 0o600);
    assert_eq!(asked(unix(&path("stale"))), 200);
    signal(&child, "TERM");
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn the_health_check_finds_a_unix_socket() {
    let root = tempfile::tempdir().unwrap();
    let listen = format!("unix:{},mode=0600", root.path().join("a.sock").display());
    for header in ["", "v1", "v2", "any"] {
        let mut command = serve(&["--listen", &listen]);
        let (child, _) = started({
            command.env("CHAPBOOK_PROXY_PROTOCOL", header);
            command
        });
        let mut probe = chapbook();
        probe.arg("healthcheck").env("CHAPBOOK_LISTEN", &listen);
        let probed = probe
            .env("CHAPBOOK_PROXY_PROTOCOL", header)
            .output()
            .unwrap();
        assert!(probed.status.success(), "{header}: {}", said(&probed));
        signal(&child, "TERM");
        assert!(child.wait_with_output().unwrap().status.success());
    }
}

/// The protocol by hand: a shell has this process's socket as standard input, and passes it on as
/// descriptor 3. `before` is what it says before.
fn activated(socket: impl Into<OwnedFd>, before: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{before} exec \"$@\" 3<&0 </dev/null");
    let (chapbook, clean) = (env!("CARGO_BIN_EXE_chapbook"), chapbook());
    command
        .args(["-c", &script, "sh", chapbook])
        .args(arguments);
    for (name, _) in clean.get_envs() {
        command.env_remove(name);
    }
    command.stdin(Stdio::from(socket.into()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const OURS: &str = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web;";

#[test]
#[cfg(target_os = "linux")]
fn a_passed_socket_is_served_and_outlives_the_server() {
    for engine in ENGINES.iter().copied() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // As some managers pass it.
        listener.set_nonblocking(true).unwrap();
        for round in 0..2 {
            let arguments = ["serve", "--engine", engine.name(), "--threads", "2"];
            let mut command = activated(listener.try_clone().unwrap(), OURS, &arguments);
            // Who comes before it serves is served.
            let early = connect(address);
            let server = Running::spawn({
                command.env("CHAPBOOK_ACCESS_LOG", "off");
                command
            });
            assert_eq!(server.address, address);
            assert_eq!(asked(early), 200);
            for _ in 0..20 {
                assert_eq!(asked(connect(address)), 200, "round {round}");
            }
            server.signal("TERM");
            let (code, _, said) = server.end();
            assert_eq!(code, Some(0), "{}: {said}", engine.name());
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_passed_unix_socket_keeps_its_file() {
    for engine in ENGINES.iter().copied() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let arguments = [
            "serve",
            "--engine",
            engine.name(),
            "--listen",
            "127.0.0.1:0",
        ];
        let server = Running::spawn(activated(listener, OURS, &arguments));
        assert_eq!(asked(unix(&path)), 200);
        assert_eq!(get(server.address, "/").status, 200, "and what was typed");
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        assert!(path.exists(), "{} removed it", engine.name());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_passed_has_to_listen() {
    let root = tempfile::tempdir().unwrap();
    let datagrams = || UnixDatagram::bind(root.path().join("d")).unwrap();
    let listening = || TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = || UnixStream::pair().unwrap().0;
    let file = || fs::File::open("/dev/null").unwrap();
    let two = "export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin;";
    let fds = |count: &str| format!("export LISTEN_PID=$$ LISTEN_FDS={count};");
    for (socket, before, cause) in [
        (OwnedFd::from(datagrams()), OURS, "descriptor 3, `web`: "),
        (
            connected().into(),
            OURS,
            "descriptor 3, `web`: it is a stream socket, but does not",
        ),
        (file().into(), OURS, "descriptor 3, `web`: "),
        (listening().into(), two, "descriptor 4, `admin`: "),
        (
            listening().into(),
            &fds("0"),
            "$LISTEN_FDS `0`: it is no number from 1 to 64",
        ),
        (listening().into(), &fds("65"), "$LISTEN_FDS `65`"),
        (listening().into(), &fds("+1"), "$LISTEN_FDS `+1`"),
        (listening().into(), &fds("many"), "$LISTEN_FDS `many`"),
        (listening().into(), &fds(""), "$LISTEN_FDS ``"),
    ] {
        let line = refused(activated(socket, before, &["serve"]));
        assert!(line.contains(cause), "{before}: {line}");
    }
    let addresses = vec!["127.0.0.1:0"; 64].join(",");
    let line = refused(activated(
        listening(),
        OURS,
        &["serve", "--listen", &addresses],
    ));
    assert!(line.contains("more than 64 addresses"), "{line}");
    // What is meant for another process is nothing to this one.
    for before in ["export LISTEN_PID=1 LISTEN_FDS=1;", "export LISTEN_FDS=1;"] {
        let arguments = ["serve", "--listen", "127.0.0.1:0"];
        let passed = listening();
        let address = passed.local_addr().unwrap();
        let server = Running::spawn(activated(passed, before, &arguments));
        assert_ne!(server.address, address);
        assert_eq!(asked(connect(server.address)), 200);
    }
}

/// The real thing, where it is installed.
#[test]
#[cfg(target_os = "linux")]
fn systemd_passes_sockets() {
    let tool = "systemd-socket-activate";
    if Command::new(tool).arg("--version").output().is_err() {
        let needed = std::env::var("CHAPBOOK_CI_TOOLS").is_ok_and(|set| set == "1");
        assert!(!needed, "{tool} is not installed");
        return println!("SKIPPED: {tool} is not installed");
    }
    for engine in ENGINES.iter().copied() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.sock");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut command = Command::new(tool);
        command.args(["-l", &port.to_string(), "-l", path.to_str().unwrap()]);
        command.args(["--fdname=web:local", env!("CARGO_BIN_EXE_chapbook")]);
        command.args(["serve", "--access-log", "off", "--engine", engine.name()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !path.exists() || std::net::TcpStream::connect(port).is_err() {
            assert!(Instant::now() < deadline, "it never listened");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(asked(connect(port)), 200, "{}", engine.name());
        assert_eq!(asked(unix(&path)), 200, "{}", engine.name());
        signal(&child, "TERM");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_service_manager_hears_how_it_is() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = serve(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path);
    let server = Running::spawn(command);
    let heard = || {
        let mut bytes = [0; 64];
        let read = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    };
    assert_eq!(heard(), "READY=1");
    server.signal("TERM");
    assert_eq!(heard(), "STOPPING=1");
    assert_eq!(server.end().0, Some(0));
    // Nobody there is told, and no reason to end.
    let mut command = serve(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", root.path().join("nobody"));
    let server = Running::spawn(command);
    assert_eq!(asked(connect(server.address)), 200);
    server.signal("TERM");
    let (code, _, said) = server.end();
    assert_eq!(code, Some(0));
    assert!(
        said.contains("failed to reach `$NOTIFY_SOCKET`: "),
        "{said}"
    );
}
