//! Progress, on a terminal only: one line that is written over. A log of CI stays empty.

use std::cell::Cell;
use std::io::{self, Read, Write as _};
use std::time::{Duration, Instant};

/// A line is written over at most so often: more is not seen.
const REFRESH_MILLISECONDS: u64 = 100;

/// One upload, on standard error if that is a terminal.
pub(crate) struct Progress {
    what: String,
    bytes: u64,
    is_shown: bool,
    next: Cell<Option<Instant>>,
}

impl Progress {
    pub(crate) fn new(what: String, bytes: u64, is_shown: bool) -> Progress {
        Progress {
            what,
            bytes,
            is_shown,
            next: Cell::new(None),
        }
    }

    /// So many bytes are sent.
    pub(crate) fn at(&self, sent: u64) {
        let now = Instant::now();
        if !self.is_shown || self.next.get().is_some_and(|next| now < next) {
            return;
        }
        let pause = Duration::from_millis(REFRESH_MILLISECONDS);
        self.next.set(now.checked_add(pause));
        let percent = sent.saturating_mul(100) / self.bytes.max(1);
        self.line(&format!("{}: {percent} %", self.what));
    }

    fn line(&self, text: &str) {
        // A terminal that has gone away is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            self.line("");
        }
    }
}

/// Tells how much of it was read.
pub(crate) struct Watched<'a, R> {
    inner: R,
    read: u64,
    watch: &'a dyn Fn(u64),
}

impl<'a, R> Watched<'a, R> {
    pub(crate) fn new(inner: R, watch: &'a dyn Fn(u64)) -> Watched<'a, R> {
        Watched {
            inner,
            read: 0,
            watch,
        }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        (self.watch)(self.read);
        Ok(read)
    }
}
