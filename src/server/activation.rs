//! Sockets that systemd opened and passes: sd_listen_fds(3).
//!
//! 1. They are taken when LISTEN_PID says that they are for this process, and then they are what is
//!    listened on; what was typed is listened on besides. Variables that a parent left behind for
//!    itself mean nothing, and so do this process's to others.
//! 2. Each has to be a stream socket that listens. One that is not, or is not there: an error that
//!    names it, and nothing starts.
//! 3. All are taken before anything else is opened, a second handle of one among it: a count that
//!    is too high must not lead to the descriptors of this program itself.
//! 4. They stay systemd's, too: neither shut down nor removed at the end, and whoever connects
//!    while nobody serves is served by the next.

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::listener::{Bound, Listener, Role, Shape};
use super::socket_file::SocketFile;
use crate::limits::LISTENERS_MAX;

/// Takes the sockets that were passed to this process, for the site; none if none were.
///
/// # Errors
/// When one of them is no listening stream socket, or the variables make no sense.
pub(crate) fn passed(shape: Shape) -> Result<Vec<Bound>, String> {
    let own = std::process::id().to_string();
    if !env::var("LISTEN_PID").is_ok_and(|pid| pid == own) {
        return Ok(Vec::new());
    }
    let count = env::var("LISTEN_FDS").unwrap_or_default();
    let plain = count.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<usize> = count.parse().ok().filter(|_| plain);
    if !number.is_some_and(|number| (1..=LISTENERS_MAX).contains(&number)) {
        let cause = format!("it is no number from 1 to {LISTENERS_MAX}");
        return Err(format!("$LISTEN_FDS `{count}`: {cause}"));
    }
    let passed = sd_listen_fds::get().map_err(|error| format!("$LISTEN_FDS: {error}"))?;
    let taken = (FIRST..).zip(passed).map(|(number, (name, descriptor))| {
        let name = format!("{number}, `{}`", name.as_deref().unwrap_or("unknown"));
        (name, take(descriptor.into_std()))
    });
    let taken: Vec<_> = taken.collect();
    let bound = taken.into_iter().map(|(name, taken)| {
        let bound = taken.and_then(|listener| bound(listener, shape));
        bound.map_err(|error| format!("failed to take over descriptor {name}: {error}"))
    });
    bound.collect()
}

/// SD_LISTEN_FDS_START of sd-daemon.h.
const FIRST: usize = 3;

/// A listener of a number that may be anything, or nothing.
fn take(descriptor: OwnedFd) -> io::Result<Listener> {
    // No other program is to have it.
    if let Err(error) = fcntl_setfd(&descriptor, FdFlags::CLOEXEC) {
        // Nothing is open there, and so there is nothing to close.
        std::mem::forget(descriptor);
        return Err(error.into());
    }
    let other = |cause| Err(io::Error::other(cause));
    if sockopt::socket_type(&descriptor)? != SocketType::STREAM {
        return other("it is no stream socket");
    }
    if !sockopt::socket_acceptconn(&descriptor)? {
        return other("it is a stream socket, but does not listen");
    }
    match sockopt::socket_domain(&descriptor)? {
        AddressFamily::INET | AddressFamily::INET6 => {
            Ok(Listener::Tcp(TcpListener::from(descriptor)))
        }
        AddressFamily::UNIX => Ok(Listener::Unix(UnixListener::from(descriptor))),
        _ => other("it is neither a socket of TCP nor of Unix"),
    }
}

fn bound(listener: Listener, shape: Shape) -> io::Result<Bound> {
    listener.give(shape.progress)?;
    // Whoever had it before may have left it otherwise.
    listener.socket().set_nonblocking(false)?;
    Ok(Bound {
        listeners: listener.handles(shape.listeners)?,
        role: Role::Site,
        socket_file: SocketFile::default(),
        is_shared: true,
    })
}
