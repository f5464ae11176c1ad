//! Counts of what was answered: told in one line at the end, and to whoever asks `/-/metrics`.
//!
//! Each thread counts in a part of its own, so that no request waits for the memory of another;
//! who asks for a sum reads all parts.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sitepack::ContentCoding;

use crate::reason::Reason;

/// Into how many parts the counts are divided. Threads that count in the same one take its memory
/// from each other each time.
const PARTS: usize = 16;

/// Hundreds of a status: 2xx at 2.
const CLASSES: usize = 6;

/// The bounds of the histogram of durations, in microseconds: an answer from memory takes some ten,
/// a large one to a telephone seconds. What takes longer is counted behind the last.
pub const DURATIONS: [u64; 14] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// Counters; shared by all threads, and each has a part to itself unless there are many.
#[derive(Debug)]
pub struct Statistics {
    started: Instant,
    parts: [Counts; PARTS],
}

/// Two cache lines at least: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Counts {
    answers: [[AtomicU64; ContentCoding::ALL.len()]; CLASSES],
    reasons: [AtomicU64; Reason::ALL.len()],
    /// Not cumulative.
    durations: [AtomicU64; DURATIONS.len() + 1],
    duration_microseconds: AtomicU64,
    content_bytes: AtomicU64,
    accepted: AtomicU64,
    accept_failed: AtomicU64,
    ended: [AtomicU64; Ended::ALL.len()],
}

/// An answer, as far as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// The content coding of what was sent.
    pub coding: ContentCoding,
    /// Why it is what it is.
    pub reason: Reason,
    /// How much content was sent.
    pub bytes: u64,
    /// From when the request was all there to the last byte handed to the system.
    pub duration: Duration,
}

/// Why a connection ended that its client might have wanted to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A client that was gone, or took nothing, before its answer was sent.
    Gone,
    /// A panic, which is a fault of this program.
    Failed,
    /// It did not begin with the header of the PROXY protocol.
    ProxyHeader,
    /// At the bound of connections, it made room for another.
    MadeRoom,
}

impl Ended {
    /// All of them.
    pub const ALL: [Ended; 4] = [
        Ended::Gone,
        Ended::Failed,
        Ended::ProxyHeader,
        Ended::MadeRoom,
    ];

    /// As metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Ended::Gone => "gone",
            Ended::Failed => "failed",
            Ended::ProxyHeader => "proxy_header",
            Ended::MadeRoom => "made_room",
        }
    }
}

/// The sums of all parts at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Answers by the hundreds of their status, and by the number of their coding.
    pub answers: [[u64; ContentCoding::ALL.len()]; CLASSES],
    /// In the order of [`Reason::ALL`].
    pub reasons: [u64; Reason::ALL.len()],
    /// How many took at most so long as [`DURATIONS`] has it, and longer than the one before.
    pub durations: [u64; DURATIONS.len() + 1],
    /// All durations together.
    pub duration_microseconds: u64,
    /// Content that was sent.
    pub content_bytes: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Attempts to accept one that failed.
    pub accept_failed: u64,
    /// In the order of [`Ended::ALL`].
    pub ended: [u64; Ended::ALL.len()],
}

impl Statistics {
    /// All zero, the clock started.
    #[must_use]
    pub fn new(started: Instant) -> Statistics {
        Statistics {
            started,
            parts: std::array::from_fn(|_| Counts::new()),
        }
    }

    /// Counts an answer.
    pub fn answered(&self, answer: &Answered) {
        let Some(own) = self.own() else { return };
        let one = |counter: Option<&AtomicU64>| {
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let class = own.answers.get(usize::from(answer.status / 100));
        one(class.and_then(|codings| codings.get(usize::from(answer.coding.number()))));
        one(own.reasons.get(answer.reason as usize));
        let microseconds = u64::try_from(answer.duration.as_micros()).unwrap_or(u64::MAX);
        let longer = |bound: &u64| microseconds > *bound;
        one(own
            .durations
            .get(DURATIONS.iter().take_while(|bound| longer(bound)).count()));
        let sums = [
            (&own.duration_microseconds, microseconds),
            (&own.content_bytes, answer.bytes),
        ];
        for (sum, more) in sums {
            sum.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Counts a connection that was accepted.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(dead_code, reason = "tiny_http owns its connections")
    )]
    pub(crate) fn accepted(&self) {
        if let Some(own) = self.own() {
            own.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an attempt to accept one that failed.
    pub(crate) fn accept_failed(&self) {
        if let Some(own) = self.own() {
            own.accept_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that ended before its time.
    pub fn ended(&self, why: Ended) {
        let counter = self.own().and_then(|own| own.ended.get(why as usize));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All that was counted so far. What is counted meanwhile may be half in it.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let answers = |class: usize, coding: usize| {
            self.sum(|part| part.answers.get(class).and_then(|all| all.get(coding)))
        };
        Sums {
            answers: std::array::from_fn(|class| {
                std::array::from_fn(|coding| answers(class, coding))
            }),
            reasons: std::array::from_fn(|at| self.sum(|part| part.reasons.get(at))),
            durations: std::array::from_fn(|at| self.sum(|part| part.durations.get(at))),
            duration_microseconds: self.sum(|part| Some(&part.duration_microseconds)),
            content_bytes: self.sum(|part| Some(&part.content_bytes)),
            accepted: self.sum(|part| Some(&part.accepted)),
            accept_failed: self.sum(|part| Some(&part.accept_failed)),
            ended: std::array::from_fn(|at| self.sum(|part| part.ended.get(at))),
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

    fn sum(&self, count: impl Fn(&Counts) -> Option<&AtomicU64>) -> u64 {
        let counts = self.parts.iter().filter_map(count);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Counts {
    fn new() -> Counts {
        Counts {
            answers: Default::default(),
            reasons: std::array::from_fn(|_| AtomicU64::new(0)),
            durations: Default::default(),
            duration_microseconds: AtomicU64::new(0),
            content_bytes: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            accept_failed: AtomicU64::new(0),
            ended: Default::default(),
        }
    }
}

#[cfg(feature = "heroku")]
impl Statistics {
    /// How many answers there were, and how many bytes of content in them.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let sums = self.sums();
        (sums.answers.iter().flatten().sum(), sums.content_bytes)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = self.sums();
        let classes = sums.answers.map(|codings| codings.iter().sum::<u64>());
        write!(
            formatter,
            "answered {} requests",
            classes.iter().sum::<u64>()
        )?;
        for (class, count) in classes.iter().enumerate().filter(|(_, count)| **count > 0) {
            write!(formatter, ", {count} {class}xx")?;
        }
        let [gone, failed, refused, _made_room] = sums.ended;
        if failed > 0 {
            write!(formatter, "; {failed} connections failed")?;
        }
        if refused > 0 {
            write!(formatter, "; {refused} PROXY headers refused")?;
        }
        write!(
            formatter,
            "; {} bytes of content; {gone} clients gone early; {:.1} s",
            sums.content_bytes,
            self.started.elapsed().as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use sitepack::ContentCoding;

    use super::{Answered, DURATIONS, Ended, PARTS, Statistics};
    use crate::reason::Reason;

    #[test]
    fn what_many_threads_count_is_summed() {
        let statistics = Statistics::new(Instant::now());
        let answered = |reason: Reason, bytes, microseconds| Answered {
            status: reason.status().code(),
            coding: ContentCoding::Gzip,
            reason,
            bytes,
            duration: Duration::from_micros(microseconds),
        };
        let count = || {
            statistics.answered(&answered(Reason::Fresh, 5, 25));
            statistics.answered(&answered(Reason::NotFound, 1, 26));
            statistics.ended(Ended::Gone);
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
        let sums = statistics.sums();
        assert_eq!((sums.answers[2][1], sums.answers[4][1]), (20, 20));
        assert_eq!(sums.answers.iter().flatten().sum::<u64>(), 40);
        assert_eq!(sums.reasons[Reason::NotFound as usize], 20);
        assert_eq!(sums.durations[..3], [20, 20, 0]);
        assert_eq!(sums.duration_microseconds, 20 * 51);
        assert!(DURATIONS.is_sorted());
    }
}
