//! `chapbook healthcheck [URL]`: a probe for images that have no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::limits::HEALTHCHECK_MILLISECONDS_MAX;
use crate::server::proxy::Versions;
use crate::{pages, resolve};

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
            Target::Unix(path) => Ok(Box::new(connect_unix(path)?)),
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

/// A server that no longer accepts has a full queue, in which a connection would wait for ever.
#[cfg(unix)]
fn connect_unix(path: &str) -> io::Result<std::os::unix::net::UnixStream> {
    use socket2::{Domain, SockAddr, Socket, Type};
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?).map_err(|error| {
        match error.kind() == io::ErrorKind::WouldBlock {
            true => io::Error::other("its queue of connections is full"),
            false => error,
        }
    })?;
    socket.set_nonblocking(false)?;
    Ok(std::os::fd::OwnedFd::from(socket).into())
}

/// The addresses of a host. A resolver has a patience of its own, so it is left behind.
fn resolved(authority: &str, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let authority = authority.to_owned();
    std::thread::Builder::new().spawn(move || {
        // Nobody may wait for it any more.
        let _ = sender.send(resolve::addresses(&authority, HTTP_PORT));
    })?;
    let late = |_| io::Error::other("the name is not resolved in time");
    receiver.recv_timeout(left(deadline)?).map_err(late)?
}

fn connect_tcp(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the name has no address");
    for address in resolved(authority, deadline)? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// § RFC 9110 4.2.1: the port of an `http` URL that names none.
const HTTP_PORT: u16 = 80;

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
    let rest = text.strip_prefix("HTTP/1.0 ");
    let rest = rest.or_else(|| text.strip_prefix("HTTP/1.1 "));
    let code = rest.and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("it does not speak HTTP"))
}
