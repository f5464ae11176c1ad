//! A connection's socket, and the sending of an answer through it.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use smallvec::SmallVec;

use super::site_file::SiteFile;
use crate::limits::SENDFILE_BYTES_MIN;
use crate::response::Content;
use crate::server::making::Pump;

/// A connected socket that never blocks.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How far an attempt to send has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All is sent.
    Done,
    /// The system takes no more for now, and will say when it does.
    Blocked,
    /// It would take more, but so much was sent, or made, as may be at once.
    Spent,
    /// What the content is made of is damaged: there is no more of it.
    Damaged,
}

impl Stream {
    /// Registers it for reading and writing; both are told once, when they begin.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, interest),
            Stream::Unix(stream) => stream.register(registry, token, interest),
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Stream::Tcp(stream) => stream.read(buffer),
                Stream::Unix(stream) => stream.read(buffer),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    pub(super) fn stop_writing(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Has the system hold little that it has not sent, so that its taking more tells how fast the
    /// client takes it.
    pub(super) fn hold_little(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Stream::Tcp(stream) = self {
            let unsent = crate::limits::UNSENT_BYTES_MAX;
            // Where that is refused, progress is seen as coarsely as the system's buffer is large.
            let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(unsent);
        }
    }

    /// Sends what of `head` and `content` was not sent before; `sent` counts it. It takes what it
    /// sends off `left`, and sends no more than that.
    pub(super) fn send(
        &mut self,
        head: &[u8],
        content: &Content<'_>,
        sent: &mut u64,
        file: Option<&SiteFile>,
        left: &mut u64,
    ) -> io::Result<Progress> {
        let total = head.len() as u64 + content.len();
        while *sent < total {
            if *left == 0 {
                return Ok(Progress::Spent);
            }
            let wrote = match in_file(content, file) {
                Some((bytes, file, offset)) => {
                    match self.send_from_file(head, bytes, *sent, file, offset, *left) {
                        Err(error) if *sent >= head.len() as u64 && file.refuses(&error) => {
                            self.write(head, content, *sent, *left)
                        }
                        wrote => wrote,
                    }
                }
                None => self.write(head, content, *sent, *left),
            };
            match wrote {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(wrote) => {
                    *sent += wrote as u64;
                    *left = left.saturating_sub(wrote as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    /// The same for a content that is made while it is sent. What making costs it takes off
    /// `allowance`.
    pub(super) fn send_made(
        &mut self,
        head: &[u8],
        pump: &mut Pump<'_>,
        sent: &mut u64,
        left: &mut u64,
        allowance: &mut u64,
    ) -> io::Result<Progress> {
        let head_bytes = head.len() as u64;
        while *sent < head_bytes || !pump.is_done() {
            if pump.fill(allowance).is_err() {
                return Ok(Progress::Damaged);
            }
            let has_no_piece = pump.piece().is_empty() && !pump.is_done();
            if has_no_piece || *left == 0 {
                return Ok(Progress::Spent);
            }
            let head_left = head.get(count(*sent)..).unwrap_or_default();
            let slices = [head_left, pump.piece()].into_iter();
            match self.write_slices(slices, 0, *left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(wrote) => {
                    *sent += wrote as u64;
                    *left = left.saturating_sub(wrote as u64);
                    pump.sent(wrote.saturating_sub(head_left.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    /// One gathering write of what was not sent, at most so many bytes.
    fn write(
        &mut self,
        head: &[u8],
        content: &Content<'_>,
        sent: u64,
        most: u64,
    ) -> io::Result<usize> {
        self.write_slices(std::iter::once(head).chain(content.slices()), sent, most)
    }

    fn write_slices<'a>(
        &mut self,
        all: impl Iterator<Item = &'a [u8]>,
        sent: u64,
        most: u64,
    ) -> io::Result<usize> {
        let (mut skip, mut room) = (sent, most);
        let mut slices: SmallVec<[IoSlice<'_>; 4]> = SmallVec::new();
        for slice in all {
            let rest = slice
                .get(count(skip).min(slice.len())..)
                .unwrap_or_default();
            let some = rest.get(..count(room).min(rest.len())).unwrap_or_default();
            skip -= (slice.len() - rest.len()) as u64;
            room -= some.len() as u64;
            if !some.is_empty() {
                slices.push(IoSlice::new(some));
            }
        }
        match self {
            Stream::Tcp(stream) => stream.write_vectored(&slices),
            Stream::Unix(stream) => stream.write_vectored(&slices),
        }
    }

    /// Sends the head, marked as a beginning, or some of the content from the file.
    #[cfg(target_os = "linux")]
    fn send_from_file(
        &self,
        head: &[u8],
        content: &[u8],
        sent: u64,
        file: &SiteFile,
        offset: u64,
        most: u64,
    ) -> io::Result<usize> {
        use rustix::net::SendFlags;
        if let Some(rest) = head.get(count(sent)..).filter(|rest| !rest.is_empty()) {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            return rustix::net::send(self, rest, flags).map_err(io::Error::from);
        }
        let done = sent - head.len() as u64;
        let some = count((content.len() as u64 - done).min(most));
        let mut position = offset + done;
        rustix::fs::sendfile(self, file.file(), Some(&mut position), some).map_err(io::Error::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_from_file(
        &mut self,
        head: &[u8],
        content: &[u8],
        sent: u64,
        _file: &SiteFile,
        _offset: u64,
        most: u64,
    ) -> io::Result<usize> {
        self.write(head, &Content::Whole(content), sent, most)
    }
}

/// The content that is to be sent from the file, if any, and where it is there.
fn in_file<'a>(
    content: &Content<'a>,
    file: Option<&'a SiteFile>,
) -> Option<(&'a [u8], &'a SiteFile, u64)> {
    let (Content::Whole(bytes), Some(file)) = (content, file) else {
        return None;
    };
    if (bytes.len() as u64) < SENDFILE_BYTES_MIN {
        return None;
    }
    Some((bytes, file, file.offset_of(bytes)?))
}

/// A number of bytes, as memory counts them.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}
