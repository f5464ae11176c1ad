//! TLS, by `openssl s_server` behind a proxy that tunnels: a name of the Internet, as far as the
//! client can tell, whose certificate is its own root.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Reply, Server, World};
use crate::digest::Digest;

const TOOL: &str = "openssl";
const CONFIG: &str = "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n\
    [name]\nCN = poems.example\n[more]\nbasicConstraints = critical, CA:FALSE\n\
    subjectAltName = DNS:poems.example\n";
const CONTENT: &[u8] = b"a poem";

/// Serves the files of a directory, which are whole answers, and ends with the test.
struct Tls(Child);

impl Drop for Tls {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The server and its port. None, and loud, where there is no tool; in CI there has to be one.
fn serve(directory: &Path) -> Option<(Tls, u16)> {
    fs::write(directory.join("config"), CONFIG).unwrap();
    let mut make = Command::new(TOOL);
    make.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    make.args([
        "-config", "config", "-keyout", "key.pem", "-out", "root.pem",
    ]);
    let made = make.current_dir(directory).stderr(Stdio::null()).status();
    match made {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            assert!(
                std::env::var_os("CHAPBOOK_CI_TOOLS").is_none(),
                "no {TOOL} in CI"
            );
            let skipped = format!("\nSKIPPED: there is no `{TOOL}` here (apt install {TOOL})\n");
            io::stderr().write_all(skipped.as_bytes()).unwrap(); // past the capture of cargo test
            return None;
        }
        made => assert!(made.unwrap().success()),
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut command = Command::new(TOOL);
    command.args([
        "s_server", "-HTTP", "-quiet", "-cert", "root.pem", "-key", "key.pem",
    ]);
    command
        .args(["-accept", &format!("127.0.0.1:{port}")])
        .current_dir(directory);
    let null = Stdio::null;
    let child = command
        .stdin(null())
        .stdout(null())
        .stderr(null())
        .spawn()
        .unwrap();
    let server = Tls(child);
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((server, port));
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{TOOL} did not start");
}

/// A proxy that connects every client to `port` of this machine, whatever it asks for.
fn tunnel(port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut head) = (client.unwrap(), Vec::new());
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            assert!(head.starts_with(b"CONNECT poems.example:443 "));
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut client, &mut server);
                let _ = server.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let _ = io::copy(&mut back, &mut forth);
                let _ = forth.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn https_through_a_proxy_is_verified_from_end_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let inside = Server::new(|_| Reply::ok(CONTENT));
    let moved = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n").into_bytes();
    let fine = [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", CONTENT].concat();
    let whole = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", CONTENT].concat();
    for (name, answer) in [
        ("fine", fine),
        ("cut", whole),
        ("moved", moved("/fine")),
        ("plain", moved(&inside.url("/inside"))),
        ("loopback", moved("https://127.0.0.1/inside")),
        ("localhost", moved("https://localhost/inside")),
        ("private", moved("https://10.0.0.1/latest/inside")),
        ("metadata", moved("https://169.254.169.254/inside")),
    ] {
        fs::write(directory.path().join(name), answer).unwrap();
    }
    let Some((_server, port)) = serve(directory.path()) else {
        return;
    };
    let world = World::new().variable("https_proxy", tunnel(port));
    let error = world
        .file("https://poems.example/fine", Digest::of(CONTENT))
        .unwrap_err();
    assert!(error.contains("certificate"), "an unknown root: {error}");
    let root = directory.path().join("root.pem");
    let world = world.variable("SSL_CERT_FILE", root.to_str().unwrap());
    for (name, cause) in [
        ("cut", "the connection ended before the answer did"),
        ("plain", "refused: from https to plain http"),
        ("loopback", "may not send a build to this machine"),
        ("localhost", "may not send a build to this machine"),
        ("private", "may not send a build into a private network"),
        ("metadata", "may not send a build into a private network"),
    ] {
        let found = world.file(
            &format!("https://poems.example/{name}"),
            Digest::of(CONTENT),
        );
        let error = found.unwrap_err();
        assert!(error.contains(cause), "{name}: {error}");
    }
    assert_eq!(inside.lines(), [""; 0]);
    let path = world
        .file("https://poems.example/moved", Digest::of(CONTENT))
        .unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
}
