//! Counts of what was answered, told in one line at the end.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Into how many parts the counts are divided. Threads that count in the same one take its memory
/// from each other each time.
const PARTS: usize = 16;

/// Counters; shared by all threads, and each has a part to itself unless there are many.
#[derive(Debug)]
pub struct Statistics {
    started: Instant,
    parts: [Counts; PARTS],
}

/// Two cache lines at least: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    /// Answers by the hundreds of their status: 2xx at 2.
    classes: [AtomicU64; 6],
    content_bytes: AtomicU64,
    peers_gone: AtomicU64,
    connections_failed: AtomicU64,
    proxy_headers_refused: AtomicU64,
}

impl Statistics {
    /// All zero, the clock started.
    #[must_use]
    pub fn new(started: Instant) -> Statistics {
        Statistics {
            started,
            parts: Default::default(),
        }
    }

    /// Counts an answer.
    pub fn answered(&self, status: u16, content_bytes: u64) {
        let Some(own) = self.own() else { return };
        if let Some(class) = own.classes.get(usize::from(status / 100)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        own.content_bytes
            .fetch_add(content_bytes, Ordering::Relaxed);
    }

    /// Counts a client that was gone before its answer was.
    pub fn peer_gone(&self) {
        if let Some(own) = self.own() {
            own.peers_gone.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that a panic ended.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(dead_code, reason = "tiny_http owns its connections")
    )]
    pub(crate) fn connection_failed(&self) {
        if let Some(own) = self.own() {
            own.connections_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that ended for want of a header of the PROXY protocol.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(dead_code, reason = "tiny_http owns its connections")
    )]
    pub(crate) fn proxy_header_refused(&self) {
        if let Some(own) = self.own() {
            own.proxy_headers_refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The part in which this thread counts.
    fn own(&self) -> Option<&Counts> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        self.parts.get(NUMBER.with(|number| number % PARTS))
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        let counts = self.parts.iter().map(count);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(feature = "heroku")]
impl Statistics {
    /// How many answers there were, and how many bytes of content in them.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let classes = self.parts.iter().flat_map(|part| &part.classes);
        let answers = classes.map(|class| class.load(Ordering::Relaxed)).sum();
        (answers, self.sum(|part| &part.content_bytes))
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = [0; 6];
        for part in &self.parts {
            for (sum, count) in counts.iter_mut().zip(&part.classes) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        write!(
            formatter,
            "answered {} requests",
            counts.iter().sum::<u64>()
        )?;
        for (class, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            write!(formatter, ", {count} {class}xx")?;
        }
        let failed = self.sum(|part| &part.connections_failed);
        if failed > 0 {
            write!(formatter, "; {failed} connections failed")?;
        }
        let refused = self.sum(|part| &part.proxy_headers_refused);
        if refused > 0 {
            write!(formatter, "; {refused} PROXY headers refused")?;
        }
        write!(
            formatter,
            "; {} bytes of content; {} clients gone early; {:.1} s",
            self.sum(|part| &part.content_bytes),
            self.sum(|part| &part.peers_gone),
            self.started.elapsed().as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::{PARTS, Statistics};

    #[test]
    fn what_many_threads_count_is_summed() {
        let statistics = Statistics::new(Instant::now());
        let count = || {
            statistics.answered(200, 5);
            statistics.answered(404, 1);
            statistics.peer_gone();
        };
        thread::scope(|scope| {
            for _ in 0..PARTS + 4 {
                scope.spawn(count);
            }
        });
        let said = statistics.to_string();
        let expected = "answered 40 requests, 20 2xx, 20 4xx; 120 bytes of content; \
                        20 clients gone early; ";
        assert!(said.starts_with(expected), "{said}");
    }
}
