//! The three ways to a receiver of syslog, and what each makes of failures.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::message::{Record, Template};
use super::{Protocol, Receiver};
use crate::limits::{
    LOG_FLUSH_BYTES, SYSLOG_ADDRESSES_CONNECTIONS_MAX, SYSLOG_CONNECT_MILLISECONDS_MAX,
    SYSLOG_DATAGRAM_BYTES_MAX, SYSLOG_MESSAGE_BYTES_MAX, SYSLOG_REPLIES_BYTES_MAX,
    SYSLOG_WRITE_MILLISECONDS_MAX,
};
use crate::log::escape::append_number;

/// Where the system's own log listens: Linux, macOS, the BSDs.
#[cfg(unix)]
const USUAL: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// A way to a receiver.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp {
        addresses: Vec<SocketAddr>,
        /// None after it broke.
        stream: Option<TcpStream>,
    },
    #[cfg(unix)]
    Local {
        path: PathBuf,
        socket: UnixDatagram,
    },
}

/// What became of something to send.
pub(super) enum Sent {
    /// It is on its way.
    All,
    /// A message is lost; the next one may not be.
    Lost(io::Error),
}

impl Wire {
    pub(super) fn connect(receiver: &Receiver, protocol: Protocol) -> io::Result<Wire> {
        match (receiver, protocol) {
            (Receiver::Network(host, port), Protocol::Udp) => {
                udp(&resolve(host, *port)?).map(Wire::Udp)
            }
            (Receiver::Network(host, port), Protocol::Tcp) => {
                let addresses = resolve(host, *port)?;
                let stream = Some(tcp(&addresses)?);
                Ok(Wire::Tcp { addresses, stream })
            }
            #[cfg(unix)]
            (Receiver::Socket(path), _) => Ok(Wire::Local {
                socket: local(path)?,
                path: path.clone(),
            }),
            #[cfg(unix)]
            (Receiver::Local, _) => usual_local(),
            #[cfg(not(unix))]
            (Receiver::Socket(_) | Receiver::Local, _) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The Unix socket of the receiver, if it is on one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        match self {
            Wire::Udp(_) | Wire::Tcp { .. } => None,
            #[cfg(unix)]
            Wire::Local { path, .. } => Some(path.clone()),
        }
    }

    /// Connects anew, after an error. A sandbox may permit no new socket for datagrams; an old one
    /// can be connected again.
    pub(super) fn reconnect(&mut self) -> io::Result<()> {
        match self {
            Wire::Udp(_) => Ok(()),
            Wire::Tcp { addresses, stream } => tcp(addresses).map(|fresh| *stream = Some(fresh)),
            #[cfg(unix)]
            Wire::Local { path, socket } => socket.connect(path),
        }
    }

    /// Whether another message may be put to so many bytes that wait to be sent.
    pub(super) fn takes_more(&self, bytes: usize) -> bool {
        match self {
            Wire::Udp(_) => bytes == 0,
            Wire::Tcp { .. } => bytes < LOG_FLUSH_BYTES,
            #[cfg(unix)]
            Wire::Local { .. } => bytes == 0,
        }
    }

    /// Puts a message to what waits to be sent.
    pub(super) fn append(&self, out: &mut Vec<u8>, template: &mut Template, record: &Record<'_>) {
        match self {
            Wire::Udp(_) => template.append(out, record, SYSLOG_DATAGRAM_BYTES_MAX),
            Wire::Tcp { .. } => {
                // The length stands before the message, and is known behind it.
                let start = out.len();
                template.append(out, record, SYSLOG_MESSAGE_BYTES_MAX);
                let end = out.len();
                append_number(out, (end - start) as u64);
                out.push(b' ');
                let digits = out.len() - end;
                if let Some(frame) = out.get_mut(start..) {
                    frame.rotate_right(digits);
                }
            }
            #[cfg(unix)]
            Wire::Local { .. } => template.append(out, record, SYSLOG_MESSAGE_BYTES_MAX),
        }
    }

    /// How many messages wait to be sent.
    pub(super) fn messages(&self, out: &[u8]) -> u64 {
        match self {
            Wire::Tcp { .. } => frames(out).map_or(0, |ends| ends.count() as u64),
            Wire::Udp(_) => 1,
            #[cfg(unix)]
            Wire::Local { .. } => 1,
        }
    }

    /// Sends it. After an error, `out` is what has to be sent again on another connection.
    pub(super) fn send(&mut self, out: &mut Vec<u8>) -> io::Result<Sent> {
        match self {
            Wire::Udp(socket) => Ok(match socket.send(out) {
                Ok(_) => Sent::All,
                // udp(7): it is about a datagram before, and this one was not sent.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    let _ = socket.send(out);
                    Sent::Lost(error)
                }
                Err(error) => Sent::Lost(error),
            }),
            Wire::Tcp { stream, .. } => {
                let Some(open) = stream else {
                    return Err(io::ErrorKind::NotConnected.into());
                };
                let sent = send_frames(open, out);
                if sent.is_err() {
                    *stream = None;
                }
                sent.map(|()| Sent::All)
            }
            #[cfg(unix)]
            Wire::Local { socket, .. } => match socket.send(out) {
                Ok(_) => Ok(Sent::All),
                Err(error) if is_about_the_message(&error) => Ok(Sent::Lost(error)),
                Err(error) => Err(error),
            },
        }
    }
}

#[cfg(unix)]
fn is_about_the_message(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE)
}

/// The addresses of a host; so many that trying them all has a bound.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = (host, port).to_socket_addrs()?;
    let found: Vec<SocketAddr> = found.take(SYSLOG_ADDRESSES_CONNECTIONS_MAX).collect();
    match found.is_empty() {
        true => Err(io::Error::other("it has no address")),
        false => Ok(found),
    }
}

/// Nothing is sent yet, so nobody says whether somebody is there.
fn udp(addresses: &[SocketAddr]) -> io::Result<UdpSocket> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(address)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    let at_most = Duration::from_millis(SYSLOG_CONNECT_MILLISECONDS_MAX);
    for address in addresses {
        match TcpStream::connect_timeout(address, at_most) {
            Ok(stream) => {
                let patience = Duration::from_millis(SYSLOG_WRITE_MILLISECONDS_MAX);
                stream.set_write_timeout(Some(patience))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(unix)]
fn local(path: &std::path::Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(Duration::from_millis(SYSLOG_WRITE_MILLISECONDS_MAX)))?;
    Ok(socket)
}

#[cfg(unix)]
fn usual_local() -> io::Result<Wire> {
    let mut last = io::ErrorKind::NotFound.into();
    for path in USUAL.map(PathBuf::from) {
        match local(&path) {
            Ok(socket) => return Ok(Wire::Local { path, socket }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sends frames. After an error, `out` begins with the first that was not sent whole.
fn send_frames(stream: &mut TcpStream, out: &mut Vec<u8>) -> io::Result<()> {
    let mut sent = 0;
    let mut send = || {
        if is_closed(stream)? {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        while let Some(rest) = out.get(sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let result = send();
    if result.is_err() {
        let whole = frames(out).and_then(|ends| ends.take_while(|end| *end <= sent).last());
        out.drain(..whole.unwrap_or(0));
    }
    result
}

/// Whether the receiver has closed the connection: what is sent then vanishes, the first time
/// without an error. A receiver sends nothing; what one sends all the same stands before that end.
fn is_closed(stream: &mut TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let mut dropped = 0;
    let read = loop {
        match stream.read(&mut [0; 1024]) {
            Ok(read @ 1..) if dropped < SYSLOG_REPLIES_BYTES_MAX => dropped += read,
            read => break read,
        }
    };
    stream.set_nonblocking(false)?;
    match read {
        Ok(read) => Ok(read == 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where counted frames end.
fn frames(out: &[u8]) -> Option<impl Iterator<Item = usize>> {
    let mut at = 0;
    let next = move || {
        let rest = out.get(at..)?;
        let digits = rest.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(rest.get(..digits)?)
            .ok()?
            .parse()
            .ok()?;
        at += digits + 1 + length;
        (at <= out.len()).then_some(at)
    };
    (!out.is_empty()).then(|| std::iter::from_fn(next))
}

#[cfg(test)]
mod tests {
    use super::frames;

    #[test]
    fn frames_are_found_by_their_counts() {
        let ends = |out: &[u8]| frames(out).map(|ends| ends.collect::<Vec<usize>>());
        assert_eq!(ends(b""), None);
        assert_eq!(ends(b"3 abc"), Some(vec![5]));
        assert_eq!(ends(b"3 abc10 0123456789"), Some(vec![5, 18]));
        assert_eq!(ends(b"3 abc10 01"), Some(vec![5]));
        assert_eq!(ends(b"x"), Some(vec![]));
    }
}
