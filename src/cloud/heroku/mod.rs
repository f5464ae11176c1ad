//! Heroku's metrics of a language runtime: a sample of counters and gauges, posted as JSON to
//! `HEROKU_METRICS_URL` every 20 seconds. No document tells the protocol; the agents that Heroku
//! publishes are what there is. Only 200 says that a post was taken.
//!
//! 1. A counter is posted as what it has grown by since the last post that was taken, so that a
//!    post that failed loses nothing (`report`).
//! 2. After a failure the next post waits longer, up to ten minutes.
//! 3. The receiver's name is resolved before the sandbox, which has no resolver, and within
//!    seconds: neither a slow resolver nor one that fails keeps anything from being served. Heroku
//!    starts every dyno anew each day.
//! 4. Serving never depends on it: what goes wrong is told, and that is all.

mod report;
mod sample;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use self::report::{Clock, post_for_ever};
use self::sample::{Memory, Sample};
use super::Url;
use super::client::{Asked, Client, Tls};
use crate::limits::{
    HEROKU_FIND_PAUSE_MILLISECONDS, HEROKU_FIND_SECONDS_MAX, HEROKU_POST_SECONDS_MAX,
};
use crate::log::{say, warn};
use crate::resolve;

/// The longest content of an answer: none is of interest.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What there is to begin with, found before the sandbox.
pub(super) struct Prepared {
    url: Url,
    found: Result<(Vec<SocketAddr>, Tls), String>,
    memory: Memory,
}

impl Prepared {
    pub(super) fn of(url: Url) -> Prepared {
        Prepared {
            found: find(&url),
            memory: Memory::open(),
            url,
        }
    }

    /// The port that it connects to.
    pub(super) fn port(&self) -> u16 {
        self.url.port()
    }

    /// Begins to post, on a thread of its own.
    pub(super) fn start(
        self,
        totals: impl Fn() -> (u64, u64, u64) + Send + 'static,
    ) -> io::Result<()> {
        let Prepared { url, found, memory } = self;
        let (addresses, tls) = match found {
            Ok(found) => found,
            Err(cause) => {
                warn(format_args!("no metrics are posted to `{url}`: {cause}"));
                return Ok(());
            }
        };
        say(format_args!("metrics are posted to `{url}`"));
        let client = Client::to(addresses, Some(tls));
        let sample = move || {
            let (answers, content_bytes, connections) = totals();
            Sample {
                answers,
                content_bytes,
                connections,
                process: memory.read(),
            }
        };
        let post = move |content: &str| {
            client
                .ask(&Asked {
                    method: "POST",
                    url: &url,
                    fields: &[("Content-Type", "application/json")],
                    content: content.as_bytes(),
                    within: Duration::from_secs(HEROKU_POST_SECONDS_MAX),
                    bytes_max: ANSWER_BYTES_MAX,
                })
                .map(drop)
                .map_err(|cause| format!("failed to post metrics to `{url}`: {cause}"))
        };
        let thread = thread::Builder::new().name("heroku".to_owned());
        let run = move || post_for_ever(&mut Real(Instant::now()), sample, post);
        thread.spawn(run).map(drop)
    }
}

fn find(url: &Url) -> Result<(Vec<SocketAddr>, Tls), String> {
    let env = |name: &str| std::env::var(name).ok();
    let (authority, port) = (url.authority(), url.port());
    let look = move || resolve::addresses(&authority, port);
    let found = search(Duration::from_secs(HEROKU_FIND_SECONDS_MAX), look);
    let found = found.map_err(|error| format!("its host is not found: {error}"))?;
    Ok((found, remote::tls(&env)?))
}

/// Looks until there is something, on a thread, since nobody can make a resolver give up.
fn search<T: Send + 'static>(
    within: Duration,
    look: impl Fn() -> io::Result<T> + Send + 'static,
) -> Result<T, String> {
    let until = Instant::now() + within;
    let (tell, told) = mpsc::channel();
    let search = move || {
        loop {
            let found = look();
            let is_over = found.is_ok();
            // It is over, too, when nobody waits for it any more.
            if tell.send(found).is_err() || is_over {
                return;
            }
            thread::sleep(Duration::from_millis(HEROKU_FIND_PAUSE_MILLISECONDS));
        }
    };
    let thread = thread::Builder::new().name("heroku-find".to_owned());
    thread.spawn(search).map_err(|error| error.to_string())?;
    let mut cause = format!("nothing answered within {} s", within.as_secs());
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => cause = error.to_string(),
            Err(_) => return Err(cause),
        }
    }
}

/// The time that passes.
struct Real(Instant);

impl Clock for Real {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait_until(&mut self, due: Duration) -> bool {
        thread::sleep(due.saturating_sub(self.now()));
        true
    }

    fn random(&mut self) -> u64 {
        // Seeded anew by the system, which is all that a jitter needs.
        RandomState::new().hash_one(self.now())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::search;

    #[test]
    fn a_search_goes_on_after_a_failure_and_ends_in_time() {
        let asked = AtomicU32::new(0);
        let late = move || match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(io::Error::other("not yet")),
            asked => Ok(asked),
        };
        assert_eq!(search(Duration::from_secs(60), late), Ok(2));
        let never = || Err::<(), _>(io::Error::other("no such name"));
        let found = search(Duration::from_millis(700), never);
        assert_eq!(found, Err("no such name".to_owned()));
        let hangs = || {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        };
        let found = search(Duration::from_millis(1), hangs);
        assert_eq!(found, Err("nothing answered within 0 s".to_owned()));
    }
}
