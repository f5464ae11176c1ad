//! `chapbook healthcheck [URL]`: a probe for images that have no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::limits::HEALTHCHECK_MILLISECONDS_MAX;
use crate::pages;
use crate::server::proxy::Versions;

/// Asks the server at `target`, which may want to see a header first: this probe is no proxy, and
/// speaks for itself.
pub(super) fn run(target: &str, header: Option<Versions>) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_millis(HEALTHCHECK_MILLISECONDS_MAX);
    let target_of = Target::parse(target)?;
    let status = target_of.connect(deadline).and_then(|mut stream| {
        let (authority, path) = target_of.authority_and_path();
        let header = header.map_or(&b""[..], Versions::local_header);
        ask(&mut *stream, header, authority, path, deadline)
    });
    let unhealthy =
        |cause: String| Failure::failed(format!("no healthy server at `{target}`: {cause}"));
    match status {
        Ok(200) => Ok(()),
        Ok(other) => Err(unhealthy(format!("it answers {other}"))),
        Err(error) => Err(unhealthy(error.to_string())),
    }
}

/// A connection whose reads and writes end when time is up.
trait Stream: Read + Write {
    fn end_by(&self, deadline: Instant) -> io::Result<()>;
}

/// What is left of the time; none left is an error.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

impl Stream for TcpStream {
    fn end_by(&self, deadline: Instant) -> io::Result<()> {
        let left = left(deadline)?;
        self.set_read_timeout(Some(left))?;
        self.set_write_timeout(Some(left))
    }
}

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn end_by(&self, deadline: Instant) -> io::Result<()> {
        let left = left(deadline)?;
        self.set_read_timeout(Some(left))?;
        self.set_write_timeout(Some(left))
    }
}

enum Target<'a> {
    Http { authority: &'a str, path: &'a str },
    Unix(&'a str),
}

impl Target<'_> {
    fn authority_and_path(&self) -> (&str, &str) {
        match self {
            Target::Http { authority, path } => (authority, path),
            Target::Unix(_) => ("localhost", pages::HEALTH),
        }
    }

    fn connect(&self, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        match self {
            Target::Http { authority, .. } => Ok(Box::new(connect_tcp(authority, deadline)?)),
            #[cfg(unix)]
            Target::Unix(path) => Ok(Box::new(std::os::unix::net::UnixStream::connect(path)?)),
            #[cfg(not(unix))]
            Target::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

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

fn connect_tcp(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let has_port =
        port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let with_port = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let mut failure = io::Error::other("the name has no address");
    for address in with_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Asks for `path` and returns the status code of the answer.
fn ask(
    stream: &mut dyn Stream,
    header: &[u8],
    authority: &str,
    path: &str,
    deadline: Instant,
) -> io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.end_by(deadline)?;
    stream.write_all(&[header, request.as_bytes()].concat())?;
    let mut answer = Vec::new();
    // The first bytes are enough; what follows them need not come.
    while answer.len() < "HTTP/1.1 200 ".len() {
        let mut chunk = [0; 64];
        stream.end_by(deadline)?;
        let read = stream.read(&mut chunk)?;
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
