//! The access log: one line a request, on standard output, to syslog, or both.
//!
//! Lines gather in a buffer; a thread of its own writes them, 200 ms after a line at the latest,
//! and at the end. Whoever answers requests never waits for it: if standard output is not read,
//! lines wait up to a bound and are dropped beyond, counted; if it goes away, serving goes on.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr_iter;

use super::line::{Draft, Line};
use super::queue::{Queue, write_patiently};
use super::syslog::{Kind, Syslog};
use super::{Form, Level, warn};
use crate::limits::{
    LOG_BUFFER_BYTES, LOG_END_MILLISECONDS_MAX, LOG_FLUSH_MILLISECONDS, LOG_WAITING_BYTES_MAX,
};

thread_local! {
    static DRAFT: RefCell<Draft> = RefCell::default();
}

/// The access log; clones share it.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Sinks>>);

/// Where lines go, and in which form.
struct Sinks {
    local: Option<(Form, Arc<Queue>)>,
    syslog: Option<(Form, Arc<Syslog>)>,
}

impl AccessLog {
    /// A log that says nothing.
    #[must_use]
    pub fn off() -> AccessLog {
        AccessLog(None)
    }

    /// A log that writes text to `out`, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn to(out: Box<dyn Write + Send>) -> std::io::Result<AccessLog> {
        AccessLog::in_form(Form::Text, out)
    }

    /// The same in another form.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn in_form(form: Form, out: Box<dyn Write + Send>) -> std::io::Result<AccessLog> {
        AccessLog::with(Some((form, out)), None)
    }

    /// A log that writes to some of these.
    pub(super) fn with(
        local: Option<(Form, Box<dyn Write + Send>)>,
        syslog: Option<(Form, Arc<Syslog>)>,
    ) -> std::io::Result<AccessLog> {
        let begin = |(form, out)| {
            let queue = Arc::new(Queue::new(LOG_WAITING_BYTES_MAX));
            let lines = queue.clone();
            let work = move || write_to(out, &lines);
            let builder = std::thread::Builder::new().name("access-log".to_owned());
            builder.spawn(work).map(|_| (form, queue))
        };
        let local = local.map(begin).transpose()?;
        Ok(AccessLog(Some(Arc::new(Sinks { local, syslog }))))
    }

    /// Whether lines are wanted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a line.
    pub fn record(&self, line: &Line<'_>) {
        if let Some(sinks) = &self.0 {
            DRAFT.with_borrow_mut(|draft| sinks.record(line, draft));
        }
    }

    /// Lines that were dropped, since nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let local = self.0.as_ref().and_then(|sinks| sinks.local.as_ref());
        local.map_or(0, |(_, queue)| queue.dropped())
    }

    /// Waits until what was recorded is written, or for a moment at most.
    pub fn flush(&self) {
        let local = self.0.as_ref().and_then(|sinks| sinks.local.as_ref());
        if let Some((_, queue)) = local {
            queue.flush(Duration::from_millis(LOG_END_MILLISECONDS_MAX));
            let missing = queue.missing();
            if missing > 0 {
                warn(format_args!(
                    "the access log lost up to {missing} lines in all: nobody took them"
                ));
            }
        }
    }
}

impl Sinks {
    fn record(&self, line: &Line<'_>, draft: &mut Draft) {
        if line.id.is_empty() {
            draft.next();
        }
        if let Some((form, queue)) = &self.local {
            queue.push(&[draft.make(line, *form)]);
        }
        if let Some((form, syslog)) = &self.syslog {
            let text = draft.make(line, *form).trim_ascii_end();
            syslog.push(Level::Info, Kind::Access, line.time, text);
        }
    }
}

fn write_to(mut out: Box<dyn Write + Send>, queue: &Queue) {
    let mut lines = Vec::with_capacity(LOG_BUFFER_BYTES);
    let (mut broken, mut told) = (false, 0);
    loop {
        queue.take(&mut lines, Duration::from_millis(LOG_FLUSH_MILLISECONDS));
        let dropped = queue.dropped();
        let fresh = dropped - std::mem::replace(&mut told, dropped);
        if fresh > 0 {
            warn(format_args!(
                "the access log lost {fresh} lines: nobody took them"
            ));
        }
        let written = match broken {
            true => Err(None),
            false => write_patiently(&mut *out, &lines).map_err(Some),
        };
        match written {
            Ok(()) => queue.arrive(memchr_iter(b'\n', &lines).count() as u64),
            Err(Some(error)) => {
                broken = true;
                warn(format_args!("the access log ends here: {error}"));
            }
            Err(None) => {}
        }
        lines.clear();
        queue.done();
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
    use std::time::Duration;

    use sitepack::ContentCoding;

    use super::{AccessLog, Line};
    use crate::limits::LOG_WAITING_BYTES_MAX;
    use crate::reason::Reason;

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
            host: b"",
            id: b"",
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
        let (_, queue) = log.0.as_ref().unwrap().local.as_ref().unwrap();
        let waiting = queue.waiting_bytes();
        assert!(
            waiting <= LOG_WAITING_BYTES_MAX + 5_000,
            "{waiting} bytes wait"
        );
        assert!(log.dropped() > 0);
        drop(tell);
    }
}
