//! Sockets that systemd opened and passes: sd_listen_fds(3).
//!
//! 1. They are taken when LISTEN_PID says that they are for this process, and then they are what is
//!    listened on; what was typed is listened on besides. Variables that a parent left behind for
//!    itself mean nothing.
//! 2. Each has to be a stream socket that listens. One that is not, or is not there: an error that
//!    names it, and nothing starts.
//! 3. All are taken before anything else is opened, a second handle of one among it: a count that
//!    is too high must not lead to the descriptors of this program itself.
//! 4. They stay systemd's, too: neither shut down nor removed at the end, and whoever connects
//!    while nobody serves is served by the next.

use std::env;
use std::io;

use listenfd::ListenFd;

use super::listener::{Bound, Listener, Role, Shape};
use super::socket_file::SocketFile;
use crate::limits::LISTENERS_MAX;

/// Takes the sockets that were passed to this process, for the site; none if none were.
///
/// # Errors
/// When one of them is no listening stream socket, or the variables make no sense.
pub(crate) fn passed(shape: Shape) -> Result<Vec<Bound>, String> {
    let own = std::process::id().to_string();
    if env::var("LISTEN_PID").is_ok_and(|pid| pid == own) {
        let count = env::var("LISTEN_FDS").unwrap_or_default();
        let wrong = || format!("$LISTEN_FDS `{count}`: it is no number from 1 to {LISTENERS_MAX}");
        let plain = count.bytes().all(|byte| byte.is_ascii_digit());
        let count: usize = count.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        if !(1..=LISTENERS_MAX).contains(&count) {
            return Err(wrong());
        }
        // An addition of listenfd's, which systemd does not know.
        if env::var_os("LISTEN_FDS_FIRST_FD").is_some() {
            return Err(format!("$LISTEN_FDS_FIRST_FD: the first is always {FIRST}"));
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        // It removes the variables: no other process is to find them.
        let mut sockets = ListenFd::from_env();
        let taken: Vec<_> = (0..count).map(|index| take(&mut sockets, index)).collect();
        let names = names.split(':').chain(std::iter::repeat("unknown"));
        let bound = (FIRST..)
            .zip(names)
            .zip(taken)
            .map(|((number, name), taken)| {
                let bound = taken.and_then(|listener| bound(listener, shape));
                bound.map_err(|error| {
                    format!("failed to take over descriptor {number}, `{name}`: {error}")
                })
            });
        return bound.collect();
    }
    Ok(Vec::new())
}

/// SD_LISTEN_FDS_START of sd-daemon.h.
const FIRST: usize = 3;

fn take(sockets: &mut ListenFd, index: usize) -> io::Result<Listener> {
    let gone = || io::Error::other("it is not there");
    Ok(match sockets.take_unix_listener(index) {
        Ok(listener) => Listener::Unix(listener.ok_or_else(gone)?),
        Err(_) => Listener::Tcp(sockets.take_tcp_listener(index)?.ok_or_else(gone)?),
    })
}

fn bound(listener: Listener, shape: Shape) -> io::Result<Bound> {
    if !listener.socket().is_listener()? {
        return Err(io::Error::other(
            "it is a stream socket, but does not listen",
        ));
    }
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
