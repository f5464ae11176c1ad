//! Where to listen: what was typed, and the socket that it becomes.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::pages;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;
/// The port that is listened on when nobody says otherwise.
const DEFAULT_PORT: u16 = 8080;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port of one address, or of all.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Default for Address {
    fn default() -> Address {
        Address::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)))
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let named = !path.is_empty();
            return named
                .then(|| Address::Unix(path.into()))
                .ok_or("it names no path".to_owned());
        }
        let port = text.strip_prefix(':').unwrap_or(text);
        if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
            let port: u16 = port
                .parse()
                .map_err(|_| "a port is at most 65535".to_owned())?;
            return Ok(Address::Tcp(SocketAddr::from((
                Ipv6Addr::UNSPECIFIED,
                port,
            ))));
        }
        text.parse().map(Address::Tcp).map_err(|_| {
            "it is no address like 8080, :8080, 127.0.0.1:8080, [::1]:8080 or unix:/path".to_owned()
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(formatter, "{address}"),
            Address::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Where a client on this machine reaches it.
    #[must_use]
    pub fn local_url(&self) -> String {
        match self {
            Address::Tcp(address) => {
                let ip = match address.ip() {
                    // Also right for `[::]`, which listens for both.
                    ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    ip => ip,
                };
                format!("http://{}/", SocketAddr::new(ip, address.port()))
            }
            Address::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The URL of its health page; for a Unix socket only the socket.
    #[must_use]
    pub fn health_url(&self) -> String {
        match self {
            Address::Tcp(_) => {
                format!(
                    "{}{}",
                    self.local_url().trim_end_matches('/'),
                    pages::HEALTH
                )
            }
            Address::Unix(_) => self.local_url(),
        }
    }

    /// Binds it and listens.
    ///
    /// `progress` bounds how long a read or a write on an accepted connection may make none. It
    /// and TCP_NODELAY are set on the listener; Linux gives both to what is accepted. Without
    /// TCP_NODELAY, small answers wait 40 ms for a delayed acknowledgement.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(&self, progress: Duration) -> io::Result<Bound> {
        match self {
            Address::Tcp(address) => bind_tcp(*address, progress).map(Bound::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => bind_unix(path, progress),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }
}

fn bind_tcp(address: SocketAddr, progress: Duration) -> io::Result<TcpListener> {
    match bind_one(address, progress) {
        // `:8080` on a machine without IPv6.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && lacks_ipv6(&error) => bind_one(
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())),
            progress,
        ),
        bound => bound,
    }
}

fn bind_one(address: SocketAddr, progress: Duration) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    // A server that was just stopped leaves connections that would block its port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(progress))?;
    socket.set_write_timeout(Some(progress))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// EAFNOSUPPORT and EADDRNOTAVAIL, as Linux numbers them; std has a kind for the second alone.
fn lacks_ipv6(error: &io::Error) -> bool {
    const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;
    error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED)
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(unix)]
fn bind_unix(path: &std::path::Path, progress: Duration) -> io::Result<Bound> {
    use std::os::unix::fs::FileTypeExt as _;
    use std::os::unix::net::{UnixListener, UnixStream};
    // A socket that nobody answers on was left behind; one that somebody answers on is in use.
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|data| data.file_type().is_socket());
    if is_socket
        && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let socket = socket2::SockRef::from(&listener);
    socket.set_read_timeout(Some(progress))?;
    socket.set_write_timeout(Some(progress))?;
    Ok(Bound::Unix(listener))
}

/// A listener.
#[derive(Debug)]
pub enum Bound {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a Unix socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Bound {
    /// The address that it got, the port that the system chose included.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Bound::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(Address::Unix(
                    address.as_pathname().map(PathBuf::from).unwrap_or_default(),
                ))
            }
        }
    }

    /// Another handle of the same listener.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub fn try_clone(&self) -> io::Result<Bound> {
        match self {
            Bound::Tcp(listener) => listener.try_clone().map(Bound::Tcp),
            #[cfg(unix)]
            Bound::Unix(listener) => listener.try_clone().map(Bound::Unix),
        }
    }

    /// Stops accepting, for every handle: a blocked accept returns, new connections are refused.
    pub fn stop(&self) {
        // Where a system cannot shut a listener down, it ends with the process.
        let _ = match self {
            Bound::Tcp(listener) => {
                socket2::SockRef::from(listener).shutdown(std::net::Shutdown::Both)
            }
            #[cfg(unix)]
            Bound::Unix(listener) => {
                socket2::SockRef::from(listener).shutdown(std::net::Shutdown::Both)
            }
        };
    }
}
