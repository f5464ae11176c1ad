//! Syslog, with receivers on loopback: each way, each form, and what goes wrong.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::logs::{connect_free, get};
use crate::server::{PATIENCE, Running, chapbook};

fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn received(receive: impl Fn(&mut [u8]) -> std::io::Result<usize>) -> String {
    let mut buffer = vec![0; 16 << 10];
    let read = receive(&mut buffer).expect("nothing came");
    String::from_utf8(buffer[..read].to_vec()).unwrap()
}

/// The head of a message of RFC 5424, word by word, and its text.
fn split_5424(message: &str) -> (Vec<&str>, Value) {
    let mut words = message.splitn(8, ' ');
    let head: Vec<&str> = words.by_ref().take(7).collect();
    let text = words.next().unwrap_or_else(|| panic!("{message}"));
    let text = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {message}"));
    (head, text)
}

#[test]
fn events_and_requests_go_by_udp() {
    let (socket, address) = udp();
    let arguments = [
        "--log-syslog",
        &address,
        "--log-syslog-tag",
        "poems",
        "--engine",
    ];
    for engine in crate::server::ENGINES {
        let more = ["--log-syslog-facility", "local3"];
        let server = Running::start(&[&arguments[..], &[engine.name()], &more].concat());
        let pid = server.child.id().to_string();
        let event = received(|buffer| socket.recv(buffer));
        let (head, text) = split_5424(&event);
        assert_eq!(head[0], format!("<{}>1", 19 * 8 + 6));
        assert_eq!(
            (head[3], head[4], head[5], head[6]),
            ("poems", &*pid, "event", "-")
        );
        assert_eq!(text["time"], head[1]);
        assert_eq!(text["pid"], server.child.id());
        get(server.address, "/poetry/", "");
        let request = received(|buffer| socket.recv(buffer));
        let (head, text) = split_5424(&request);
        assert_eq!(head[5], "access");
        assert_eq!(
            (&text["target"], &text["status"]),
            (&"/poetry/".into(), &200.into())
        );
        // A long one is cut.
        get(server.address, &format!("/{}", "x".repeat(3000)), "");
        assert_eq!(received(|buffer| socket.recv(buffer)).len(), 2048);
        server.signal("TERM");
        let (code, out, _) = server.end();
        assert_eq!((code, out.lines().count()), (Some(0), 2));
        let last = received(|buffer| socket.recv(buffer));
        assert!(last.contains("answered 2 requests"), "{last}");
    }
}

#[test]
fn the_older_form_goes_to_a_socket_and_nothing_is_local() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let listen = connect_free();
    let mut command = chapbook();
    let receiver = format!("unix:{}", path.display());
    command.args([
        "serve",
        "--log-no-local",
        "--log-format",
        "text",
        "--listen",
        &listen,
    ]);
    let child = command.args(["--log-syslog", &receiver]).spawn().unwrap();
    let event = received(|buffer| socket.recv(buffer));
    assert!(event.starts_with("<30>") && event.contains(&format!(" chapbook[{}]: ", child.id())));
    assert!(
        event.contains(" info  chapbook::commands::start: serving "),
        "{event}"
    );
    let time = event[4..].split(" chapbook[").next().unwrap();
    assert_eq!(time.len(), "Nov 22 00:00:00".len(), "{event}");
    get(listen.parse().unwrap(), "/", "");
    assert!(received(|buffer| socket.recv(buffer)).contains(" GET / 200 "));
    // The receiver starts anew.
    drop(socket);
    std::fs::remove_file(&path).unwrap();
    get(listen.parse().unwrap(), "/lost", "");
    std::thread::sleep(Duration::from_millis(400));
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let until = |wanted: &str| while !received(|buffer| socket.recv(buffer)).contains(wanted) {};
    until(" /lost 404 ");
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    until("answered 2 requests");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert!(done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
}

/// A receiver of counted frames.
struct Receiver {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Receiver {
    fn accept(listener: &TcpListener) -> Receiver {
        listener.set_nonblocking(true).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let bytes = Vec::new();
                return Receiver { stream, bytes };
            }
            assert!(Instant::now() < deadline, "nobody connects");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The next message; none at the end.
    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(space) = self.bytes.iter().position(|byte| *byte == b' ') {
                let count = std::str::from_utf8(&self.bytes[..space]).unwrap();
                let count: usize = count.parse().unwrap();
                if self.bytes.len() > space + count {
                    let rest = self.bytes.split_off(space + 1 + count);
                    let frame = std::mem::replace(&mut self.bytes, rest);
                    return Some(String::from_utf8(frame[space + 1..].to_vec()).unwrap());
                }
            }
            let mut more = [0; 4096];
            match self.stream.read(&mut more).expect("nothing came") {
                0 => return None,
                read => self.bytes.extend_from_slice(&more[..read]),
            }
        }
    }
}

#[test]
fn tcp_has_counted_frames_and_a_receiver_may_start_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = address.to_string();
    let server = Running::start(&["--log-syslog", &receiver, "--log-syslog-proto", "tcp"]);
    let mut first = Receiver::accept(&listener);
    assert!(first.next().unwrap().contains(" event - {"));
    get(server.address, "/one", "");
    let request = first.next().unwrap();
    let (head, text) = split_5424(&request);
    assert_eq!((head[5], &text["target"]), ("access", &"/one".into()));
    // It goes, and nobody is there for a while.
    drop((first, listener));
    for target in ["/two", "/three"] {
        get(server.address, target, "");
        std::thread::sleep(Duration::from_millis(300));
    }
    let listener = TcpListener::bind(address).unwrap();
    let mut second = Receiver::accept(&listener);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let message = second.next().unwrap();
        let (_, text) = split_5424(&message);
        seen.extend(
            text.get("target")
                .map(|target| target.as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(seen, ["/two", "/three"]);
    get(server.address, "/four", "");
    server.signal("TERM");
    let (code, _, err) = server.end();
    assert_eq!(code, Some(0));
    assert!(err.contains("failed to log to"), "{err}");
    assert!(!err.contains(" lost "), "{err}");
    let mut rest = String::new();
    while let Some(message) = second.next() {
        rest.push_str(&message);
    }
    assert!(
        rest.contains("\"/four\"") && rest.contains("answered 4 requests"),
        "{rest}"
    );
}

#[test]
fn what_cannot_be_set_up_stops_the_start() {
    let nobody = connect_free();
    for (arguments, code, said) in [
        (
            &["--log-syslog", "not an address"][..],
            2,
            "--log-syslog `not an address`",
        ),
        (
            &["--log-syslog", "name.invalid:514"],
            1,
            "failed to log to `name.invalid:514`",
        ),
        (
            &["--log-syslog", &nobody, "--log-syslog-proto", "tcp"],
            1,
            "failed to log to `127",
        ),
        (
            &["--log-syslog", "unix:/nonexistent/log"],
            1,
            "failed to log to `unix:/nonexistent",
        ),
        (&["--log-no-local"], 2, "--log-no-local needs --log-syslog"),
    ] {
        let mut command = chapbook();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments);
        let done = command.output().unwrap();
        let err = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(code), "{err}");
        assert!(err.contains(said), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

/// A dead receiver, one that never reads: answers come as fast, the end is in time, and what was
/// lost is told.
#[test]
fn a_receiver_that_does_not_take_lines_slows_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stuck = listener.local_addr().unwrap().to_string();
    let dead = connect_free();
    for (receiver, protocol) in [(&stuck, "tcp"), (&dead, "udp")] {
        let arguments = [
            "--access-log",
            "on",
            "--log-syslog",
            receiver,
            "--log-syslog-proto",
        ];
        let mut server = Running::start(&[&arguments[..], &[protocol]].concat());
        let mut stdout = server.child.stdout.take().unwrap();
        let local = std::thread::spawn(move || {
            let mut out = String::new();
            stdout.read_to_string(&mut out).unwrap();
            out.lines().count()
        });
        // Some 18 MB of lines, of which 4 MiB may wait and as many be under way.
        let target = format!("/{}", "x".repeat(6000));
        let raw = format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(10);
        let reader = drain(server.address, 3000, raw.into_bytes());
        // Its client waits ten seconds for an answer at most: none has waited for the receiver.
        assert_eq!(reader.join().unwrap(), 3000, "{protocol}");
        let began = Instant::now();
        server.signal("TERM");
        let (code, _, err) = server.end();
        assert_eq!((code, local.join().unwrap()), (Some(0), 3000));
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        let told = err.contains(" lost ") || err.contains(" were lost");
        assert!(told && err.contains("messages"), "{protocol}: {err}");
    }
}

/// Sends `raw` until so many answers came: how many did.
fn drain(address: SocketAddr, answers: usize, raw: Vec<u8>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut stream = crate::server::connect(address);
        let (mut found, mut sent) = (0, 0);
        let mut bytes = Vec::new();
        let mut more = [0; 65536];
        while found < answers {
            if sent <= found {
                stream.write_all(&raw).unwrap();
                sent += 10;
            }
            let read = stream.read(&mut more).unwrap();
            assert!(read > 0, "it ended after {found}");
            bytes.extend_from_slice(&more[..read]);
            let ends = bytes
                .windows(13)
                .filter(|window| *window == b"HTTP/1.1 404 ")
                .count();
            found += ends;
            let keep = bytes.len().saturating_sub(12);
            bytes.drain(..keep);
        }
        found
    })
}

/// rsyslogd with a configuration of its own; ended when dropped.
struct Rsyslogd(Child);

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it in `root`, listening by UDP and TCP, to write what comes to `file`.
#[cfg(target_os = "linux")]
fn rsyslogd(program: &str, root: &Path, file: &Path, [udp, tcp]: [&str; 2]) -> Rsyslogd {
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let config = root.join("conf");
    let text = format!(
        "global(workDirectory=\"{root}\")\nmodule(load=\"imudp\")\nmodule(load=\"imtcp\")\n\
         input(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\")\n\
         template(name=\"t\" type=\"string\" \
         string=\"%syslogfacility-text%|%syslogseverity-text%|%programname%|%procid%|%msgid%|\
         %protocol-version%|%msg%\\n\")\n\
         *.* action(type=\"omfile\" file=\"{file}\" template=\"t\")\n",
        root = root.display(),
        udp = port(udp),
        tcp = port(tcp),
        file = file.display(),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(program);
    command
        .arg("-n")
        .arg("-f")
        .arg(&config)
        .arg("-i")
        .arg(root.join("pid"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let rsyslogd = Rsyslogd(command.spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(tcp).is_err() {
        assert!(Instant::now() < deadline, "rsyslogd does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    rsyslogd
}

#[test]
#[cfg(target_os = "linux")]
fn rsyslogd_takes_what_is_sent() {
    let program = ["/usr/sbin/rsyslogd", "/usr/bin/rsyslogd"];
    let Some(program) = program.into_iter().find(|path| Path::new(path).exists()) else {
        return crate::site::skipped_for_want_of("rsyslogd");
    };
    let root = tempfile::tempdir().unwrap();
    let (udp, tcp) = (connect_free(), connect_free());
    let file = root.path().join("out");
    let _rsyslogd = rsyslogd(program, root.path(), &file, [&udp, &tcp]);
    for (receiver, protocol, standard, tag) in [
        (&udp, "udp", "rfc5424", "udp-new"),
        (&udp, "udp", "rfc3164", "udp-old"),
        (&tcp, "tcp", "rfc5424", "tcp-new"),
        (&tcp, "tcp", "rfc3164", "tcp-old"),
    ] {
        let place = ["--log-syslog", receiver, "--log-syslog-proto", protocol];
        let form = ["--log-syslog-format", standard, "--log-syslog-tag", tag];
        let server = Running::start(&[place, form].concat());
        let pid = server.child.id();
        // tiny_http says nothing to bytes beyond ASCII.
        let strange = if cfg!(feature = "native") { "ü" } else { "" };
        get(server.address, &format!("/poetry/?a=%22{strange}"), "");
        get(server.address, "/poetry/slipway", "");
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        let head = match standard {
            "rfc5424" => format!("daemon|info|{tag}|{pid}|access|1|"),
            _ => format!("daemon|info|{tag}|{pid}|-|0|"),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let out = std::fs::read_to_string(&file).unwrap_or_default();
            let lines = out.lines().filter_map(|line| line.strip_prefix(&head));
            let lines: Vec<Value> = lines
                .map(|line| serde_json::from_str(line.trim()).unwrap())
                .collect();
            if lines.iter().any(|line| line["target"] == "/poetry/slipway") {
                break;
            }
            assert!(Instant::now() < deadline, "{head}: {out}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
