//! The access log: one line a request.
//!
//! `TIME PEER METHOD TARGET STATUS BYTES CODING REASON MICROSECONDSus`, separated by single
//! spaces. Bytes of method and target that could break the line are escaped as `\xHH`.
//!
//! Lines gather in a buffer, which is written when it is full, 200 ms after a line at the latest,
//! and at the end. If standard output goes away, serving goes on.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sitepack::ContentCoding;
use sitepack::date::rfc3339;

use crate::limits::{LOG_BUFFER_BYTES, LOG_FLUSH_MILLISECONDS};
use crate::response::Reason;

/// What one line says.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Seconds since 1970.
    pub time: u64,
    /// Who asked; none on a Unix socket.
    pub peer: Option<std::net::IpAddr>,
    /// The method token.
    pub method: &'a [u8],
    /// The request target.
    pub target: &'a [u8],
    /// The status code.
    pub status: u16,
    /// How many bytes of content were sent.
    pub bytes: u64,
    /// The content coding of what was sent.
    pub coding: ContentCoding,
    /// Why the answer is what it is.
    pub reason: Reason,
    /// From the parsed request to the last byte handed to the system.
    pub duration: Duration,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", rfc3339(self.time))?;
        match self.peer {
            Some(peer) => write!(formatter, "{peer}")?,
            None => formatter.write_str("-")?,
        }
        writeln!(
            formatter,
            " {} {} {} {} {} {:?} {}us",
            Escaped(self.method),
            Escaped(self.target),
            self.status,
            self.bytes,
            self.coding,
            self.reason,
            self.duration.as_micros()
        )
    }
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("-");
        }
        for &byte in self.0 {
            match byte {
                b'\\' => formatter.write_str("\\\\")?,
                byte if byte.is_ascii_graphic() => write!(formatter, "{}", char::from(byte))?,
                byte => write!(formatter, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// The access log; clones share it.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Mutex<Buffer>>>);

struct Buffer {
    waiting: Vec<u8>,
    out: Box<dyn Write + Send>,
    /// The reader went away.
    broken: bool,
}

impl AccessLog {
    /// A log that says nothing.
    #[must_use]
    pub fn off() -> AccessLog {
        AccessLog(None)
    }

    /// A log that writes to `out`.
    #[must_use]
    pub fn to(out: Box<dyn Write + Send>) -> AccessLog {
        let buffer = Buffer {
            waiting: Vec::new(),
            out,
            broken: false,
        };
        AccessLog(Some(Arc::new(Mutex::new(buffer))))
    }

    /// Whether lines are wanted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a line.
    pub fn record(&self, line: &Line<'_>) {
        let Some(buffer) = &self.0 else { return };
        let mut buffer = lock(buffer);
        // Writing to a Vec cannot fail.
        let _ = write!(buffer.waiting, "{line}");
        if buffer.waiting.len() >= LOG_BUFFER_BYTES {
            buffer.flush();
        }
    }

    /// Writes what waits.
    pub fn flush(&self) {
        if let Some(buffer) = &self.0 {
            lock(buffer).flush();
        }
    }

    /// Flushes from time to time, on a thread of its own, for as long as the process lives.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn keep_flushed(&self) -> std::io::Result<()> {
        let Some(buffer) = self.0.clone() else {
            return Ok(());
        };
        let flush = move || loop {
            std::thread::sleep(Duration::from_millis(LOG_FLUSH_MILLISECONDS));
            lock(&buffer).flush();
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(flush)
            .map(|_| ())
    }
}

fn lock(buffer: &Mutex<Buffer>) -> MutexGuard<'_, Buffer> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Buffer {
    fn flush(&mut self) {
        if !self.broken && !self.waiting.is_empty() {
            let written = self
                .out
                .write_all(&self.waiting)
                .and_then(|()| self.out.flush());
            if let Err(error) = written {
                self.broken = true;
                eprintln!("chapbook: the access log ends here: {error}");
            }
        }
        self.waiting.clear();
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() {
            "AccessLog(on)"
        } else {
            "AccessLog(off)"
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use sitepack::ContentCoding;

    use super::{AccessLog, Line};
    use crate::response::Reason;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_the_client_sends() {
        let out = Shared::default();
        let log = AccessLog::to(Box::new(out.clone()));
        log.record(&Line {
            time: 1_795_305_600,
            peer: Some("::1".parse().unwrap()),
            method: b"",
            target: b"/a b\n\x1b[2J\\\xff",
            status: 400,
            bytes: 34,
            coding: ContentCoding::Identity,
            reason: Reason::TargetMalformed,
            duration: Duration::from_micros(12),
        });
        assert!(out.0.lock().unwrap().is_empty(), "lines wait for a flush");
        log.flush();
        assert_eq!(
            String::from_utf8_lossy(&out.0.lock().unwrap()),
            "2026-11-22T00:00:00Z ::1 - /a\\x20b\\x0a\\x1b[2J\\\\\\xff 400 34 identity \
             TargetMalformed 12us\n"
        );
    }
}
