//! `chapbook healthcheck [URL]`: a probe for images that have no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::cli::Failure;
use crate::limits::HEALTHCHECK_MILLISECONDS_MAX;
use crate::pages;

/// A status line is shorter.
const ANSWER_BYTES_MAX: u64 = 64;

pub(super) fn run(target: &str) -> Result<(), Failure> {
    let at_most = Duration::from_millis(HEALTHCHECK_MILLISECONDS_MAX);
    let failed = |cause: &dyn std::fmt::Display| {
        Failure::failed(format!("no healthy server at `{target}`: {cause}"))
    };
    let status = match Target::parse(target)? {
        Target::Http { authority, path } => {
            let stream = connect(authority, at_most).map_err(|e| failed(&e))?;
            stream
                .set_read_timeout(Some(at_most))
                .map_err(|e| failed(&e))?;
            stream
                .set_write_timeout(Some(at_most))
                .map_err(|e| failed(&e))?;
            ask(stream, authority, path)
        }
        #[cfg(unix)]
        Target::Unix(path) => {
            let stream = std::os::unix::net::UnixStream::connect(path).map_err(|e| failed(&e))?;
            stream
                .set_read_timeout(Some(at_most))
                .map_err(|e| failed(&e))?;
            stream
                .set_write_timeout(Some(at_most))
                .map_err(|e| failed(&e))?;
            ask(stream, "localhost", pages::HEALTH)
        }
        #[cfg(not(unix))]
        Target::Unix(_) => return Err(Failure::unusable("there are no Unix sockets here")),
    };
    match status.map_err(|e| failed(&e))? {
        200 => Ok(()),
        other => Err(failed(&format!("it answers {other}"))),
    }
}

enum Target<'a> {
    Http { authority: &'a str, path: &'a str },
    Unix(&'a str),
}

impl Target<'_> {
    fn parse(text: &str) -> Result<Target<'_>, Failure> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Target::Unix(path));
        }
        let unusable = |cause| Failure::unusable(format!("`{text}`: {cause}"));
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| unusable("a health check needs an http:// URL or unix:/path"))?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, pages::HEALTH),
        };
        if !crate::http::host::is_authority(authority.as_bytes()) {
            return Err(unusable("it names no host"));
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unusable("its path must be percent-encoded"));
        }
        Ok(Target::Http { authority, path })
    }
}

fn connect(authority: &str, at_most: Duration) -> io::Result<TcpStream> {
    let has_port = authority
        .rsplit(':')
        .next()
        .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        && authority.contains(':');
    let with_port = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let mut failure = io::Error::other("the name has no address");
    for address in with_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, at_most) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Asks for `path` and returns the status code of the answer.
fn ask(mut stream: impl Read + Write, authority: &str, path: &str) -> io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX);
    // The first bytes are enough; what follows them need not come.
    while answer.len() < "HTTP/1.1 200".len() && limited.limit() > 0 {
        let mut chunk = [0; ANSWER_BYTES_MAX as usize];
        let read = limited.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
    let text = String::from_utf8_lossy(&answer);
    let code = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    code.and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("it does not speak HTTP"))
}
