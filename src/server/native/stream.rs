//! A connection's socket, and the sending of an answer through it.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use smallvec::SmallVec;

use super::site_file::SiteFile;
use crate::limits::{SENDFILE_BYTES_MIN, TURN_BYTES_MAX};
use crate::response::Content;

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
    /// It would take more, but others are waiting.
    Yielded,
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

    /// Sends what of `head` and `content` was not sent before; `sent` counts it.
    pub(super) fn send(
        &mut self,
        head: &[u8],
        content: &Content<'_>,
        sent: &mut u64,
        file: Option<&SiteFile>,
    ) -> io::Result<Progress> {
        let total = head.len() as u64 + content.len();
        let turn = sent.saturating_add(TURN_BYTES_MAX);
        while *sent < total {
            if *sent >= turn {
                return Ok(Progress::Yielded);
            }
            let wrote = match (content, file) {
                (Content::Whole(bytes), Some(file)) if bytes.len() as u64 >= SENDFILE_BYTES_MIN => {
                    match file.offset_of(bytes) {
                        Some(offset) => self.send_from_file(head, bytes, *sent, file, offset),
                        None => self.write(head, content, *sent),
                    }
                }
                _ => self.write(head, content, *sent),
            };
            match wrote {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(wrote) => *sent += wrote as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Done)
    }

    /// One gathering write of what was not sent.
    fn write(&mut self, head: &[u8], content: &Content<'_>, sent: u64) -> io::Result<usize> {
        let mut skip = sent;
        let mut slices: SmallVec<[IoSlice<'_>; 4]> = SmallVec::new();
        for slice in std::iter::once(head).chain(content.slices()) {
            let length = slice.len() as u64;
            let skipped = skip.min(length);
            skip -= skipped;
            let rest = usize::try_from(skipped)
                .ok()
                .and_then(|skipped| slice.get(skipped..));
            if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                slices.push(IoSlice::new(rest));
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
    ) -> io::Result<usize> {
        use rustix::net::SendFlags;
        let of_head = usize::try_from(sent).ok().and_then(|sent| head.get(sent..));
        if let Some(rest) = of_head.filter(|rest| !rest.is_empty()) {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            return rustix::net::send(self, rest, flags).map_err(io::Error::from);
        }
        let done = sent - head.len() as u64;
        let left = (content.len() as u64 - done).min(TURN_BYTES_MAX);
        let mut position = offset + done;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        rustix::fs::sendfile(self, file.file(), Some(&mut position), left).map_err(io::Error::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_from_file(
        &mut self,
        head: &[u8],
        content: &[u8],
        sent: u64,
        _file: &SiteFile,
        _offset: u64,
    ) -> io::Result<usize> {
        self.write(head, &Content::Whole(content), sent)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}
