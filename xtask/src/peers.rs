//! The servers that chapbook is measured beside: their configurations, as their manuals recommend
//! them for static files, access logs off; and two of our own, the floor and a bare tiny_http.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::Done;
use crate::server::{Server, free_address};

/// A server that may be installed.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Prints its version.
    version: &'static [&'static str],
    /// Its configuration, for a root directory and a port.
    configuration: fn(&str, u16) -> String,
    /// The command line, for a configuration file, a root directory and a port.
    command: fn(&str, &str, u16) -> Vec<String>,
}

pub(crate) const PEERS: [Peer; 6] = [
    Peer {
        name: "nginx",
        version: &["nginx", "-v"],
        configuration: |root, port| {
            format!(
                "worker_processes 1; daemon off; pid {root}/../nginx.pid;\n\
                 error_log /dev/null crit;\n\
                 events {{ worker_connections 4096; multi_accept on; }}\n\
                 http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
                 keepalive_requests 1000000; open_file_cache max=1000 inactive=60s;\n\
                 default_type image/png; root {root}; client_body_temp_path {root}/../ng;\n\
                 proxy_temp_path {root}/../ng; fastcgi_temp_path {root}/../ng;\n\
                 uwsgi_temp_path {root}/../ng; scgi_temp_path {root}/../ng;\n\
                 server {{ listen 127.0.0.1:{port}; }} }}\n"
            )
        },
        command: |file, _, _| strings(&["nginx", "-e", "/dev/null", "-c", file]),
    },
    Peer {
        name: "h2o",
        version: &["h2o", "--version"],
        configuration: |root, port| {
            format!(
                "num-threads: 1\nlisten:\n  host: 127.0.0.1\n  port: {port}\n\
                 hosts:\n  default:\n    paths:\n      /:\n        file.dir: {root}\n"
            )
        },
        command: |file, _, _| strings(&["h2o", "-c", file]),
    },
    Peer {
        name: "lighttpd",
        version: &["lighttpd", "-v"],
        // The most that its 16 bits hold: 0 is not "unbounded" but "no keep-alive". The rest that
        // its manual speaks of (epoll, sendfile, a stat cache) is its default on Linux.
        configuration: |root, port| {
            format!(
                "server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\n\
                 server.port = {port}\nserver.max-keep-alive-requests = 65535\n\
                 server.network-backend = \"sendfile\"\nserver.max-fds = 4096\n\
                 mimetype.assign = ( \".png\" => \"image/png\" )\n"
            )
        },
        command: |file, _, _| strings(&["lighttpd", "-D", "-f", file]),
    },
    Peer {
        name: "caddy",
        version: &["caddy", "version"],
        configuration: |root, port| {
            format!(
                "{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port} {{\n\
                 \x20bind 127.0.0.1\n root * {root}\n file_server\n}}\n"
            )
        },
        command: |file, _, _| {
            strings(&["caddy", "run", "--adapter", "caddyfile", "--config", file])
        },
    },
    Peer {
        name: "static-web-server",
        version: &["static-web-server", "--version"],
        configuration: |_, _| String::new(),
        command: |_, root, port| {
            let port = port.to_string();
            strings(&[
                "static-web-server",
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--root",
                root,
                "--threads-multiplier",
                "1",
                "--log-level",
                "error",
            ])
        },
    },
    Peer {
        name: "go embed",
        version: &["go", "version"],
        configuration: |_, _| GO.to_owned(),
        command: |file, _, port| strings(&[&format!("{file}.bin"), &format!("127.0.0.1:{port}")]),
    },
];

/// A Go program as one would write it: the files embedded, the standard server.
const GO: &str = r#"package main

import (
	"embed"
	"net/http"
	"os"
)

//go:embed *.png
var files embed.FS

func main() {
	panic(http.ListenAndServe(os.Args[1], http.FileServer(http.FS(files))))
}
"#;

impl Peer {
    /// Its version, if it is installed.
    pub(crate) fn version(&self) -> Option<String> {
        let (program, arguments) = self.version.split_first()?;
        let done = Command::new(program).args(arguments).output().ok()?;
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let words = said.lines().next()?.split_whitespace();
        Some(words.collect::<Vec<_>>().join(" "))
    }

    /// Starts it, pinned to a processor.
    pub(crate) fn start(&self, root: &Path) -> Result<Server, String> {
        let address = free_address()?;
        let root = root.to_string_lossy().into_owned();
        let file = format!("{root}/../{}.conf", self.name.replace(' ', "-"));
        let configuration = (self.configuration)(&root, address.port());
        fs::write(&file, configuration).map_err(|e| format!("{file}: {e}"))?;
        if self.name == "go embed" {
            build_go(&file, &root)?;
        }
        let line = (self.command)(&file, &root, address.port());
        Server::spawn(pinned(0).args(line), address)
    }

    /// Its configuration, for the report.
    pub(crate) fn configuration(&self) -> String {
        let line = (self.command)("FILE", "ROOT", 80).join(" ");
        format!("{line}\n{}", (self.configuration)("ROOT", 80))
    }
}

fn build_go(file: &str, root: &str) -> Done {
    let source = format!("{root}/main.go");
    fs::copy(file, &source).map_err(|e| format!("{source}: {e}"))?;
    let mut command = Command::new("go");
    command
        .args(["build", "-o", &format!("{file}.bin"), "main.go"])
        .current_dir(root);
    command.env("GO111MODULE", "off");
    let status = command.status().map_err(|e| format!("go: {e}"))?;
    fs::remove_file(&source).map_err(|e| format!("{source}: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("go build failed".to_owned())
    }
}

/// A command that will run on one processor.
pub(crate) fn pinned(processor: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &processor.to_string()]);
    command
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Serves one file by tiny_http alone, the way its documentation shows.
pub(crate) fn bare_tiny_http(address: &str, file: &str) -> Done {
    let content = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let server = tiny_http::Server::http(address).map_err(|e| format!("{address}: {e}"))?;
    let server = Arc::new(server);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (server, content) = (server.clone(), content.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    let _ = request.respond(tiny_http::Response::from_data(content.clone()));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker failed".to_owned())?;
    }
    Ok(())
}

/// The floor: an event loop that answers any readable socket with the same bytes, unread and
/// unparsed. No server of this kind can be faster.
pub(crate) fn floor(address: &str, file: &str) -> Done {
    let content = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let length = content.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let answer = [head.into_bytes(), content].concat();
    let address: SocketAddr = address.parse().map_err(|e| format!("{address}: {e}"))?;
    floor_loop(address, &answer).map_err(|e| e.to_string())
}

fn floor_loop(address: SocketAddr, answer: &[u8]) -> std::io::Result<()> {
    use mio::{Events, Interest, Poll, Token, net::TcpListener};
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut listener = TcpListener::bind(address)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    // The stream, and how much of an answer it still has to get.
    let mut streams: Vec<Option<(mio::net::TcpStream, usize)>> = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(streams.len());
                    stream.set_nodelay(true)?;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, token, both)?;
                    streams.push(Some((stream, 0)));
                }
                continue;
            }
            let Some(slot) = streams.get_mut(event.token().0) else {
                continue;
            };
            let Some((stream, left)) = slot else { continue };
            let mut ended = false;
            if event.is_readable() {
                match stream.read(&mut buffer) {
                    Ok(0) => ended = true,
                    Ok(_) => *left = answer.len(),
                    Err(_) => {}
                }
            }
            while *left > 0 {
                match stream.write(answer.get(answer.len() - *left..).unwrap_or_default()) {
                    Ok(wrote) => *left -= wrote,
                    Err(_) => break,
                }
            }
            if ended {
                *slot = None;
            }
        }
    }
}
