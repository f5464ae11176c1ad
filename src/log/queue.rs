//! Bytes that wait for the one thread that writes them: the only thing that whoever answers
//! requests and whoever writes the log have in common.
//!
//! 1. Adding never waits for writing: the lock is held for a copy, and for the swap of two buffers.
//! 2. What waits is bounded; what comes beyond is dropped, and counted.
//! 3. In the steady state nothing is allocated: the two buffers go back and forth.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits::{LOG_BUFFER_BYTES, LOG_FLUSH_BYTES, LOG_RETRY_MILLISECONDS};

/// Writes all of it, also to what others have made non-blocking and what takes nothing just now.
pub(super) fn write_patiently(out: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    let patiently = |error: io::Error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            std::thread::sleep(Duration::from_millis(LOG_RETRY_MILLISECONDS));
        } else if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        Ok(())
    };
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) => patiently(error)?,
        }
    }
    while let Err(error) = out.flush() {
        patiently(error)?;
    }
    Ok(())
}

/// A queue of bytes.
pub(super) struct Queue {
    /// So many may wait, and one addition more.
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    /// There is much to write, or the end has come.
    due: Condvar,
    /// All that waited was written.
    written: Condvar,
    /// Additions that found no room, or were given up.
    dropped: AtomicU64,
    /// Additions of which whoever takes them says that they have arrived.
    arrived: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// All additions that were tried.
    tried: u64,
    /// Somebody waits for everything to be written.
    ending: bool,
    /// The thread is writing, outside of the lock.
    writing: bool,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Queue {
        Queue {
            bytes_max,
            waiting: Mutex::new(Waiting {
                bytes: Vec::with_capacity(LOG_BUFFER_BYTES),
                ..Waiting::default()
            }),
            due: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds pieces that belong together.
    pub(super) fn push(&self, pieces: &[&[u8]]) {
        let mut waiting = self.lock();
        waiting.tried += 1;
        if waiting.bytes.len() >= self.bytes_max {
            self.drop_some(1);
            return;
        }
        let first = waiting.bytes.is_empty();
        for piece in pieces {
            waiting.bytes.extend_from_slice(piece);
        }
        if first || (waiting.bytes.len() >= LOG_FLUSH_BYTES && !waiting.writing) {
            self.due.notify_one();
        }
    }

    /// Counts what was given up.
    pub(super) fn drop_some(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts what has arrived.
    pub(super) fn arrive(&self, count: u64) {
        self.arrived.fetch_add(count, Ordering::Relaxed);
    }

    /// How many additions have not arrived: at the end they are lost.
    pub(super) fn missing(&self) -> u64 {
        let tried = self.lock().tried;
        tried.saturating_sub(self.arrived.load(Ordering::Relaxed))
    }

    /// How much was dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits for something to write, and for `pause` for more of it; puts it into `batch`, which is
    /// empty. Until `done` it counts as being written.
    pub(super) fn take(&self, batch: &mut Vec<u8>, pause: Duration) {
        let nothing = |waiting: &mut Waiting| waiting.bytes.is_empty();
        let some = self.due.wait_while(self.lock(), nothing);
        let some = some.unwrap_or_else(PoisonError::into_inner);
        let little =
            |waiting: &mut Waiting| waiting.bytes.len() < LOG_FLUSH_BYTES && !waiting.ending;
        let waited = self.due.wait_timeout_while(some, pause, little);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.bytes, batch);
        waiting.writing = true;
    }

    /// What was taken is written.
    pub(super) fn done(&self) {
        self.lock().writing = false;
        self.written.notify_all();
    }

    /// Waits so long, or until the end. Whether that has come.
    pub(super) fn pause(&self, at_most: Duration) -> bool {
        let not_ending = |waiting: &mut Waiting| !waiting.ending;
        let waited = self
            .due
            .wait_timeout_while(self.lock(), at_most, not_ending);
        waited.unwrap_or_else(PoisonError::into_inner).0.ending
    }

    /// Waits until what was added is written, or so long. Whether it is.
    pub(super) fn flush(&self, at_most: Duration) -> bool {
        let mut waiting = self.lock();
        waiting.ending = true;
        self.due.notify_all();
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.bytes.is_empty();
        let waited = self.written.wait_timeout_while(waiting, at_most, unwritten);
        let (_waiting, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.lock().bytes.len()
    }
}
