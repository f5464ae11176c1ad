//! The access log: one line a request.
//!
//! `TIME PEER METHOD TARGET STATUS BYTES CODING REASON MICROSECONDSus`, separated by single
//! spaces. Bytes of method and target that could break the line are escaped as `\xHH`.
//!
//! Lines gather in a buffer; a thread of its own writes them, 200 ms after a line at the latest,
//! and at the end. Whoever answers requests never waits for it: if standard output is not read,
//! lines wait up to a bound and are dropped beyond, counted; if it goes away, serving goes on.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sitepack::ContentCoding;
use sitepack::date::write_rfc3339;

use crate::limits::{
    LOG_BUFFER_BYTES, LOG_END_MILLISECONDS_MAX, LOG_FLUSH_BYTES, LOG_FLUSH_MILLISECONDS,
    LOG_WAITING_BYTES_MAX,
};
use crate::log::say;
use crate::reason::Reason;

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
    /// From when the request was all there to the last byte handed to the system.
    pub duration: Duration,
}

impl Line<'_> {
    /// Appends it to `out`; `stamp` is its time, as it is written. Writing to a Vec cannot fail.
    fn append_to(&self, out: &mut Vec<u8>, stamp: &str) {
        out.extend_from_slice(stamp.as_bytes());
        let _ = match self.peer {
            Some(peer) => write!(out, " {peer} "),
            None => out.write_all(b" - "),
        };
        append_escaped(out, self.method);
        out.push(b' ');
        append_escaped(out, self.target);
        let _ = writeln!(
            out,
            " {} {} {} {:?} {}us",
            self.status,
            self.bytes,
            self.coding,
            self.reason,
            self.duration.as_micros()
        );
    }
}

fn append_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        out.push(b'-');
    }
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().position(|byte| !is_plain(byte));
        let (run, behind) = rest.split_at(plain.unwrap_or(rest.len()));
        out.extend_from_slice(run);
        let Some((byte, behind)) = behind.split_first() else {
            return;
        };
        let _ = match byte {
            b'\\' => out.write_all(b"\\\\"),
            byte => write!(out, "\\x{byte:02x}"),
        };
        rest = behind;
    }
}

/// What a thread keeps for its lines, so that they are made before others have to wait for it.
#[derive(Default)]
struct Draft {
    line: Vec<u8>,
    /// The second that `stamp` tells.
    second: Option<u64>,
    stamp: String,
}

impl Draft {
    fn make(&mut self, line: &Line<'_>) -> &[u8] {
        if self.second.replace(line.time) != Some(line.time) {
            self.stamp.clear();
            // Writing to a String cannot fail.
            let _ = write_rfc3339(&mut self.stamp, line.time);
        }
        self.line.clear();
        line.append_to(&mut self.line, &self.stamp);
        &self.line
    }
}

thread_local! {
    static DRAFT: RefCell<Draft> = RefCell::default();
}

/// The access log; clones share it.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Shared>>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// There is much to write, or the end has come.
    due: Condvar,
    /// All that waited was written.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that found no room.
    dropped: u64,
    /// Somebody waits for everything to be written.
    ending: bool,
    /// The thread is writing, outside of the lock.
    writing: bool,
}

impl AccessLog {
    /// A log that says nothing.
    #[must_use]
    pub fn off() -> AccessLog {
        AccessLog(None)
    }

    /// A log that writes to `out`, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn to(out: Box<dyn Write + Send>) -> std::io::Result<AccessLog> {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                lines: Vec::with_capacity(LOG_BUFFER_BYTES),
                ..Waiting::default()
            }),
            due: Condvar::new(),
            written: Condvar::new(),
        });
        let writing = shared.clone();
        let write = move || writing.write_to(out);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(write)?;
        Ok(AccessLog(Some(shared)))
    }

    /// Whether lines are wanted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a line.
    pub fn record(&self, line: &Line<'_>) {
        if let Some(shared) = &self.0 {
            DRAFT.with_borrow_mut(|draft| shared.record(draft.make(line)));
        }
    }

    /// Waits until what was recorded is written, or for a moment at most.
    pub fn flush(&self) {
        let Some(shared) = &self.0 else { return };
        let mut waiting = shared.lock();
        waiting.ending = true;
        shared.due.notify_one();
        let at_most = Duration::from_millis(LOG_END_MILLISECONDS_MAX);
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        drop(
            shared
                .written
                .wait_timeout_while(waiting, at_most, unwritten),
        );
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() >= LOG_WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        if first || (waiting.lines.len() >= LOG_FLUSH_BYTES && !waiting.writing) {
            self.due.notify_one();
        }
    }

    fn write_to(&self, mut out: Box<dyn Write + Send>) {
        let pause = Duration::from_millis(LOG_FLUSH_MILLISECONDS);
        let mut lines = Vec::with_capacity(LOG_BUFFER_BYTES);
        let mut broken = false;
        loop {
            let nothing = |waiting: &mut Waiting| waiting.lines.is_empty();
            let some = self.due.wait_while(self.lock(), nothing);
            let some = some.unwrap_or_else(PoisonError::into_inner);
            let little =
                |waiting: &mut Waiting| waiting.lines.len() < LOG_FLUSH_BYTES && !waiting.ending;
            let waited = self.due.wait_timeout_while(some, pause, little);
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut waiting.lines, &mut lines);
            let dropped = std::mem::take(&mut waiting.dropped);
            waiting.writing = !lines.is_empty();
            drop(waiting);
            if dropped > 0 {
                say(format_args!(
                    "the access log lost {dropped} lines: nobody took them"
                ));
            }
            if !broken && !lines.is_empty() {
                let written = out.write_all(&lines).and_then(|()| out.flush());
                if let Err(error) = written {
                    broken = true;
                    say(format_args!("the access log ends here: {error}"));
                }
            }
            lines.clear();
            self.lock().writing = false;
            self.written.notify_all();
        }
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
    use crate::reason::Reason;

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
        let log = AccessLog::to(Box::new(out.clone())).unwrap();
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
        log.flush();
        assert_eq!(
            String::from_utf8_lossy(&out.0.lock().unwrap()),
            "2026-11-22T00:00:00Z ::1 - /a\\x20b\\x0a\\x1b[2J\\\\\\xff 400 34 identity \
             TargetMalformed 12us\n"
        );
    }

    /// A reader that never reads, until it is told to.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_stops_nobody() {
        let (tell, told) = std::sync::mpsc::channel();
        let log = AccessLog::to(Box::new(Stuck(told))).unwrap();
        let target = [b'x'; 4096];
        let line = Line {
            time: 0,
            peer: None,
            method: b"GET",
            target: &target,
            status: 200,
            bytes: 0,
            coding: ContentCoding::Identity,
            reason: Reason::Fresh,
            duration: Duration::ZERO,
        };
        let started = std::time::Instant::now();
        for _ in 0..5_000 {
            log.record(&line);
        }
        log.flush();
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
        let waiting = log.0.as_ref().unwrap().lock().lines.len();
        assert!(
            waiting <= crate::limits::LOG_WAITING_BYTES_MAX + 5_000,
            "{waiting} bytes wait"
        );
        assert!(log.0.as_ref().unwrap().lock().dropped > 0);
        drop(tell);
    }
}
