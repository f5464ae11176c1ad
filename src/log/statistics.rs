//! Counts of what was answered, told in one line at the end.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Counters; shared by all threads.
#[derive(Debug)]
pub struct Statistics {
    started: Instant,
    /// Answers by the hundreds of their status: 2xx at 2.
    classes: [AtomicU64; 6],
    content_bytes: AtomicU64,
    peers_gone: AtomicU64,
    connections_failed: AtomicU64,
}

impl Statistics {
    /// All zero, the clock started.
    #[must_use]
    pub fn new(started: Instant) -> Statistics {
        Statistics {
            started,
            classes: Default::default(),
            content_bytes: AtomicU64::new(0),
            peers_gone: AtomicU64::new(0),
            connections_failed: AtomicU64::new(0),
        }
    }

    /// Counts an answer.
    pub fn answered(&self, status: u16, content_bytes: u64) {
        if let Some(class) = self.classes.get(usize::from(status / 100)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        self.content_bytes
            .fetch_add(content_bytes, Ordering::Relaxed);
    }

    /// Counts a client that was gone before its answer was.
    pub fn peer_gone(&self) {
        self.peers_gone.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that a panic ended.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(dead_code, reason = "tiny_http owns its connections")
    )]
    pub(crate) fn connection_failed(&self) {
        self.connections_failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<u64> = self
            .classes
            .iter()
            .map(|n| n.load(Ordering::Relaxed))
            .collect();
        write!(
            formatter,
            "answered {} requests",
            counts.iter().sum::<u64>()
        )?;
        for (class, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            write!(formatter, ", {count} {class}xx")?;
        }
        let failed = self.connections_failed.load(Ordering::Relaxed);
        if failed > 0 {
            write!(formatter, "; {failed} connections failed")?;
        }
        write!(
            formatter,
            "; {} bytes of content; {} clients gone early; {:.1} s",
            self.content_bytes.load(Ordering::Relaxed),
            self.peers_gone.load(Ordering::Relaxed),
            self.started.elapsed().as_secs_f64()
        )
    }
}
