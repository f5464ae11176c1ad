//! Tells a service manager how this program is: sd_notify(3).
//!
//! With `Type=notify` systemd starts what needs this server when it listens, and not before. The
//! socket is opened at start, and connected: later, there may be no way to it.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Who wants to know, if anybody.
#[derive(Debug)]
pub(crate) struct Manager(Option<UnixDatagram>);

impl Manager {
    /// Finds whom `$NOTIFY_SOCKET` names.
    ///
    /// # Errors
    /// When it names nobody who can be reached.
    pub(crate) fn find() -> io::Result<Manager> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Manager(None));
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address(name.as_encoded_bytes())?)?;
        // Whoever does not listen does not keep this server from serving.
        socket.set_nonblocking(true)?;
        Ok(Manager(Some(socket)))
    }

    /// Requests are being answered.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// They are being answered for the last time.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// A path, or behind `@` a name without a file.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt as _;
    #[cfg(target_os = "linux")]
    if let Some(name) = name.strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))
}
