//! Listeners: the sockets that addresses become, and what is served on them.
//!
//! All that was asked for is bound before anything is served; if one cannot be, none is.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::address::{Address, UnixAddress};
#[cfg(unix)]
use super::socket_file;
use super::socket_file::SocketFile;
use crate::limits::WAITING_CONNECTIONS_MAX;

/// Listeners on one address, as many as an engine needs.
#[derive(Debug)]
pub struct Bound {
    pub(crate) listeners: Vec<Listener>,
    /// What is served there.
    pub(crate) role: Role,
    /// What a Unix socket leaves behind in the file system.
    pub(crate) socket_file: SocketFile,
    /// Whether somebody else has the socket, too, and goes on listening on it.
    #[cfg_attr(
        not(feature = "tiny_http"),
        expect(dead_code, reason = "an event loop only closes its own handle")
    )]
    pub(crate) is_shared: bool,
}

/// What is served on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The site, and the management pages.
    Site,
    /// The management pages alone, for the operator.
    Admin,
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

/// Binds all addresses, or none: what could not be done, to which, and why.
///
/// # Errors
/// When the system refuses one.
pub fn bind_all<'a>(
    addresses: impl IntoIterator<Item = (Role, &'a Address)>,
    shape: Shape,
) -> Result<Vec<Bound>, String> {
    let mut all: Vec<Bound> = Vec::new();
    for (role, address) in addresses {
        match address.bind(shape) {
            Ok(bound) => all.push(Bound { role, ..bound }),
            Err(error) => {
                for bound in all {
                    bound.socket_file.remove();
                }
                return Err(format!("failed to listen on `{address}`: {error}"));
            }
        }
    }
    Ok(all)
}

impl Address {
    /// Binds it and listens, for the site.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(&self, shape: Shape) -> io::Result<Bound> {
        match self {
            Address::Tcp(address) => Ok(Bound {
                listeners: bind_tcp(*address, shape)?,
                role: Role::Site,
                socket_file: SocketFile::default(),
                is_shared: false,
            }),
            #[cfg(unix)]
            Address::Unix(address) => {
                let (listener, socket_file) = socket_file::bind(address)?;
                let listener = Listener::Unix(listener);
                let given = listener.give(shape.progress);
                given.inspect_err(|_| socket_file.remove())?;
                Ok(Bound {
                    listeners: listener.handles(shape.listeners)?,
                    role: Role::Site,
                    socket_file,
                    is_shared: false,
                })
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }
}

impl Bound {
    /// What is served there.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The address that it got, the port that the system chose included.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        match self.listeners.first() {
            Some(Listener::Tcp(listener)) => listener.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Some(Listener::Unix(listener)) => Ok(Address::Unix(UnixAddress {
                path: socket_file::path_of(&listener.local_addr()?),
                ..UnixAddress::default()
            })),
            None => Err(io::Error::other("there is no listener")),
        }
    }
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

    /// So many handles of it, itself among them.
    pub(crate) fn handles(self, count: usize) -> io::Result<Vec<Listener>> {
        let more = (1..count).map(|_| self.try_clone());
        let mut handles = more.collect::<io::Result<Vec<_>>>()?;
        handles.push(self);
        Ok(handles)
    }

    /// What every kind of listener has.
    pub(crate) fn socket(&self) -> SockRef<'_> {
        match self {
            Listener::Tcp(listener) => SockRef::from(listener),
            #[cfg(unix)]
            Listener::Unix(listener) => SockRef::from(listener),
        }
    }

    /// Gives it what is to be had by what it accepts.
    pub(crate) fn give(&self, progress: Option<Duration>) -> io::Result<()> {
        let socket = self.socket();
        match self {
            Listener::Tcp(_) => give_tcp(socket, progress),
            #[cfg(unix)]
            Listener::Unix(_) => {
                socket.set_read_timeout(progress)?;
                socket.set_write_timeout(progress)
            }
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
    give_tcp(SockRef::from(&socket), shape.progress)?;
    socket.bind(&address.into())?;
    socket.listen(WAITING_CONNECTIONS_MAX)?;
    Ok(TcpListener::from(socket))
}

/// What Linux gives to what is accepted.
fn give_tcp(socket: SockRef<'_>, progress: Option<Duration>) -> io::Result<()> {
    // Without it, small answers wait 40 ms for a delayed acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(progress)?;
    socket.set_write_timeout(progress)?;
    // Ends a connection whose client does not take what was sent; a time-out of a write does not.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(progress)?;
    Ok(())
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
