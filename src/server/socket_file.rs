//! The file of a Unix socket: how it comes, and how it goes.
//!
//! 1. It is there before anybody can connect, and has its mode and owner by then: they are set
//!    between binding and listening.
//! 2. One that is in the way is removed only if it is a socket, nobody answers on it, and it is
//!    ours: this process's user's, or the one's that it is to be given to. A server that was killed
//!    leaves such a file. What else is in the way stays, and is an error.
//! 3. Whoever closes the listener removes the file first: once nobody listens, a successor may have
//!    put its own in its place. It is removed only if it is still the listener's own.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

#[cfg(unix)]
use {
    super::address::UnixAddress,
    crate::limits::WAITING_CONNECTIONS_MAX,
    socket2::{Domain, SockAddr, Socket, Type},
    std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, lchown},
    std::os::unix::net::{SocketAddr, UnixListener},
};

/// The file of a Unix socket; none for TCP, or if somebody else sees to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketFile(Option<(PathBuf, (u64, u64))>);

impl SocketFile {
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

/// Binds a Unix socket and listens on it.
#[cfg(unix)]
pub(super) fn bind(address: &UnixAddress) -> io::Result<(UnixListener, SocketFile)> {
    let path = &*address.path;
    remove_stale(address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(Some((path.to_owned(), identity(path)?)));
    let done = hand_over(address).and_then(|()| socket.listen(WAITING_CONNECTIONS_MAX));
    done.inspect_err(|_| file.remove())?;
    Ok((UnixListener::from(socket), file))
}

/// Gives the file its mode and its owner.
#[cfg(unix)]
fn hand_over(address: &UnixAddress) -> io::Result<()> {
    if let Some(mode) = address.mode {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&address.path, permissions)?;
    }
    if address.user.is_some() || address.group.is_some() {
        lchown(&address.path, address.user, address.group)?;
    }
    Ok(())
}

#[cfg(unix)]
fn remove_stale(address: &UnixAddress) -> io::Result<()> {
    let path = &*address.path;
    let Ok(found) = path.symlink_metadata() else {
        return Ok(());
    };
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let name = SocketAddr::from_pathname(path)?;
    if !found.file_type().is_socket() || !knock(&name).is_err_and(refused) {
        return Ok(());
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own && Some(found.uid()) != address.user {
        let cause = format!(
            "the socket there is user {}'s, though nobody answers",
            found.uid()
        );
        return Err(io::Error::new(io::ErrorKind::AddrInUse, cause));
    }
    std::fs::remove_file(path)
}

/// Connects to a Unix socket and leaves, without waiting for anybody to accept.
#[cfg(unix)]
pub(crate) fn knock(address: &SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let path = path_of(address);
    // Behind a NUL byte, the system takes a path for a name without a file.
    let name = path.to_str().and_then(|path| path.strip_prefix('@'));
    let name = name.map(|name| PathBuf::from(format!("\0{name}")));
    socket.connect(&SockAddr::unix(name.unwrap_or(path))?)
}

/// The path of a socket, or its name behind `@` if it has no file.
#[cfg(unix)]
pub(crate) fn path_of(address: &SocketAddr) -> PathBuf {
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(address) {
        return PathBuf::from(format!("@{}", String::from_utf8_lossy(name)));
    }
    address.as_pathname().map(PathBuf::from).unwrap_or_default()
}

/// What tells a file from every other.
#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let data = path.symlink_metadata()?;
    Ok((data.dev(), data.ino()))
}
