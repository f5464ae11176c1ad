//! Where to listen: what was typed, and the socket that it becomes.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::WAITING_CONNECTIONS_MAX;
use crate::pages;

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
            return match path.chars().next() {
                None => Err("it names no path".to_owned()),
                Some('@') => Err("abstract sockets are not supported".to_owned()),
                Some(_) => Ok(Address::Unix(path.into())),
            };
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
    /// # Errors
    /// When the system refuses.
    pub fn bind(&self, shape: Shape) -> io::Result<Bound> {
        match self {
            Address::Tcp(address) => Ok(Bound {
                listeners: bind_tcp(*address, shape)?,
                socket_file: SocketFile::default(),
            }),
            #[cfg(unix)]
            Address::Unix(path) => bind_unix(path, shape),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }
}

/// What an engine needs of its listeners.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many there are: one for each thread that accepts.
    pub listeners: usize,
    /// How long a read or a write may make no progress, for an engine that blocks. Linux gives it
    /// to what is accepted on TCP, and to nothing on a Unix socket.
    pub progress: Option<Duration>,
}

/// Whether several sockets may share a port, and the system spreads connections over them: Linux's
/// SO_REUSEPORT. That of the BSDs and macOS gives all to one of them; there, and where there is
/// none, threads share one socket.
const SPREADS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// One listener, or several: sockets of their own if `SPREADS`, else handles of the first.
fn bind_tcp(address: SocketAddr, shape: Shape) -> io::Result<Vec<Listener>> {
    let (first, address) = match bind_one(address, shape) {
        // `:8080` on a machine without IPv6.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && lacks_ipv6(&error) => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            (bind_one(address, shape)?, address)
        }
        bound => (bound?, address),
    };
    let address = SocketAddr::new(address.ip(), first.local_addr()?.port());
    let mut listeners = Vec::new();
    for _ in 1..shape.listeners {
        listeners.push(Listener::Tcp(if SPREADS {
            bind_socket(address, shape)?
        } else {
            first.try_clone()?
        }));
    }
    listeners.push(Listener::Tcp(first));
    Ok(listeners)
}

/// Binds the first listener. Sockets that share a port let any other process of the same user
/// share it too, so whether it is free is asked before, by one that does not share.
fn bind_one(address: SocketAddr, shape: Shape) -> io::Result<TcpListener> {
    let shares = SPREADS && shape.listeners > 1;
    if shares && address.port() != 0 {
        drop(bind_socket(
            address,
            Shape {
                listeners: 1,
                ..shape
            },
        )?);
    }
    bind_socket(address, shape)
}

fn bind_socket(address: SocketAddr, shape: Shape) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // OpenBSD has no sockets for both: there `[::]` is IPv6 alone.
        let both = socket.set_only_v6(false);
        if cfg!(not(target_os = "openbsd")) {
            both?;
        }
    }
    // A server that was just stopped leaves connections that would block its port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if shape.listeners > 1 {
        socket.set_reuse_port(true)?;
    }
    // Linux gives this to what is accepted. Without it, small answers wait 40 ms for a delayed
    // acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(shape.progress)?;
    socket.set_write_timeout(shape.progress)?;
    // Ends a connection whose client does not take what was sent; a time-out of a write does not.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(shape.progress)?;
    socket.bind(&address.into())?;
    socket.listen(WAITING_CONNECTIONS_MAX)?;
    Ok(TcpListener::from(socket))
}

/// EAFNOSUPPORT or EADDRNOTAVAIL; std has a kind for the second alone, and systems number the
/// first differently; Linux, as here, on all processors but two.
fn lacks_ipv6(error: &io::Error) -> bool {
    const ADDRESS_FAMILY_NOT_SUPPORTED: i32 =
        if cfg!(any(target_os = "linux", target_os = "android")) {
            97
        } else if cfg!(any(target_os = "solaris", target_os = "illumos")) {
            124
        } else if cfg!(windows) {
            10_047
        } else {
            47 // the BSDs and macOS
        };
    error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED)
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(unix)]
fn bind_unix(path: &std::path::Path, shape: Shape) -> io::Result<Bound> {
    use std::os::unix::fs::FileTypeExt as _;
    use std::os::unix::net::UnixListener;
    // A socket that nobody answers on was left behind; one that somebody answers on is in use.
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|data| data.file_type().is_socket());
    let name = std::os::unix::net::SocketAddr::from_pathname(path)?;
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && knock_unix(&name).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let socket = socket2::SockRef::from(&listener);
    socket.set_read_timeout(shape.progress)?;
    socket.set_write_timeout(shape.progress)?;
    let mut listeners = Vec::new();
    for _ in 1..shape.listeners {
        listeners.push(Listener::Unix(listener.try_clone()?));
    }
    listeners.push(Listener::Unix(listener));
    Ok(Bound {
        listeners,
        socket_file: SocketFile::of(path)?,
    })
}

/// Connects to a Unix socket and leaves, without waiting for anybody to accept.
#[cfg(unix)]
pub(crate) fn knock_unix(address: &std::os::unix::net::SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let path = address.as_pathname().unwrap_or(std::path::Path::new(""));
    socket.connect(&socket2::SockAddr::unix(path)?)
}

/// Listeners on one address.
#[derive(Debug)]
pub struct Bound {
    pub(crate) listeners: Vec<Listener>,
    /// What a Unix socket leaves behind in the file system.
    pub(crate) socket_file: SocketFile,
}

/// The file of a Unix socket; none for TCP. Whoever closes the listener removes it first: once
/// nobody listens, a successor may have put its own in its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketFile(Option<(PathBuf, (u64, u64))>);

impl SocketFile {
    #[cfg(unix)]
    fn of(path: &std::path::Path) -> io::Result<SocketFile> {
        let identity = identity(path)?;
        Ok(SocketFile(Some((path.to_owned(), identity))))
    }

    /// Removes the file, if it is still the listener's own. As long as the listener is open, no
    /// other file can have its number.
    pub(crate) fn remove(&self) {
        #[cfg(unix)]
        if let Some((path, own)) = &self.0
            && identity(path).is_ok_and(|found| found == *own)
        {
            // What is left behind is replaced at the next start all the same.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What tells a file from every other.
#[cfg(unix)]
fn identity(path: &std::path::Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let data = path.symlink_metadata()?;
    Ok((data.dev(), data.ino()))
}

/// A listener.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a Unix socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Another handle of the same one.
    pub(crate) fn try_clone(&self) -> io::Result<Listener> {
        Ok(match self {
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone()?),
            #[cfg(unix)]
            Listener::Unix(listener) => Listener::Unix(listener.try_clone()?),
        })
    }
}

impl Bound {
    /// The address that it got, the port that the system chose included.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        match self.listeners.first() {
            Some(Listener::Tcp(listener)) => listener.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Some(Listener::Unix(listener)) => {
                let address = listener.local_addr()?;
                Ok(Address::Unix(
                    address.as_pathname().map(PathBuf::from).unwrap_or_default(),
                ))
            }
            None => Err(io::Error::other("there is no listener")),
        }
    }
}
