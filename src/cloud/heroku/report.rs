//! When to post, and what after a failure. The time and the receiver are passed in.

use std::time::Duration;

use super::sample::{Counters, Sample};
use crate::limits::{HEROKU_BACKOFF_SECONDS_MAX, HEROKU_SECONDS};
use crate::log::{say, warn};

/// A clock, and who waits by it.
pub(super) trait Clock {
    /// Since some moment.
    fn now(&self) -> Duration;
    /// Waits until then; whether there is to be another post.
    fn wait_until(&mut self, due: Duration) -> bool;
    /// Any number.
    fn random(&mut self) -> u64;
}

/// Posts what `sample` tells until the clock says that it is enough.
pub(super) fn post_for_ever(
    clock: &mut impl Clock,
    sample: impl Fn() -> Sample,
    mut post: impl FnMut(&str) -> Result<(), String>,
) {
    let mut known = Counters::default();
    let mut failures = 0_u32;
    let mut due = clock.now() + INTERVAL;
    while clock.wait_until(due) {
        let sample = sample();
        match post(&sample.json(known)) {
            Ok(()) => {
                known = sample.counters();
                if std::mem::take(&mut failures) > 0 {
                    say(format_args!("metrics are posted again"));
                }
                due = next_tick(due, clock.now());
            }
            Err(cause) => {
                failures = failures.saturating_add(1);
                let pause = backoff(failures, clock.random());
                let seconds = pause.as_secs();
                warn(format_args!("{cause}; the next one is in {seconds} s"));
                due = clock.now() + pause;
            }
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(HEROKU_SECONDS);

/// The next of the times that are an interval apart. Those that were missed are not made up for.
fn next_tick(due: Duration, now: Duration) -> Duration {
    match due + INTERVAL {
        next if next > now => next,
        _ => now + INTERVAL,
    }
}

/// Twice as long each time, and up to a quarter more, so that not all who failed together come
/// again together.
fn backoff(failures: u32, random: u64) -> Duration {
    const MILLISECONDS_MAX: u64 = HEROKU_BACKOFF_SECONDS_MAX * 1000 / 5 * 4;
    let doubled = (HEROKU_SECONDS * 1000).saturating_mul(1 << failures.min(16));
    let pause = doubled.min(MILLISECONDS_MAX);
    Duration::from_millis(pause + random % (pause / 4))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use super::{Clock, INTERVAL, Sample, backoff, post_for_ever};
    use crate::limits::{HEROKU_BACKOFF_SECONDS_MAX, HEROKU_POST_SECONDS_MAX, HEROKU_SECONDS};

    /// Nobody waits: it is at once what it should be.
    struct Set<'a> {
        now: &'a Cell<Duration>,
        posts: usize,
    }

    impl Clock for Set<'_> {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn wait_until(&mut self, due: Duration) -> bool {
            self.now.set(self.now.get().max(due));
            self.posts = self.posts.wrapping_sub(1);
            self.posts != usize::MAX
        }

        fn random(&mut self) -> u64 {
            7
        }
    }

    /// Posts to a receiver that says yes or no, each after some seconds, while three requests a
    /// second are answered: when each post began, and what it said of them.
    fn posted(answers: &[(u64, bool)]) -> (Vec<u64>, Vec<u64>) {
        let now = Cell::new(Duration::from_secs(1000));
        let seen = RefCell::new((Vec::new(), Vec::new()));
        let mut clock = Set {
            now: &now,
            posts: answers.len(),
        };
        let sample = || Sample {
            answers: (now.get().as_secs() - 1000) * 3,
            ..Sample::default()
        };
        let mut rest = answers.iter();
        post_for_ever(&mut clock, sample, |content| {
            let json: serde_json::Value = serde_json::from_str(content).unwrap();
            let mut seen = seen.borrow_mut();
            seen.0.push(now.get().as_secs() - 1000);
            seen.1
                .push(json["counters"]["rust.responses"].as_u64().unwrap());
            let (seconds, taken) = rest.next().unwrap();
            now.set(now.get() + Duration::from_secs(*seconds));
            taken.then_some(()).ok_or_else(|| "no".to_owned())
        });
        seen.into_inner()
    }

    #[test]
    fn posts_are_twenty_seconds_apart_however_long_one_takes() {
        let (when, grown) = posted(&[(0, true), (9, true), (1, true), (0, true)]);
        assert_eq!(when, [20, 40, 60, 80]);
        assert_eq!(grown, [60; 4]);
        // Who slept for long does not post for all the time that it slept.
        let (when, grown) = posted(&[(100, true), (0, true), (0, true)]);
        assert_eq!(when, [20, 140, 160]);
        assert_eq!(grown, [60, 360, 60]);
    }

    #[test]
    fn what_a_failed_post_said_is_in_the_next() {
        let (when, grown) = posted(&[(0, true), (0, false), (10, false), (0, true), (0, true)]);
        assert_eq!(when, [20, 40, 80, 170, 190]);
        assert_eq!(grown, [60, 60, 180, 450, 60]);
        // Nothing is lost, nothing counted twice: three a second up to the last post.
        assert_eq!(grown[0] + grown[3] + grown[4], when[4] * 3);
    }

    #[test]
    fn the_pause_grows_to_its_bound_and_differs() {
        for (failures, random, seconds) in [
            (1, 0, 40),
            (1, 9_999, 49),
            (2, 0, 80),
            (4, 0, 320),
            (5, 0, 480),
            (u32::MAX, 0, 480),
            (u32::MAX, 119_999, 599),
        ] {
            assert_eq!(backoff(failures, random).as_secs(), seconds, "{failures}");
        }
        let most = Duration::from_secs(HEROKU_BACKOFF_SECONDS_MAX);
        assert!((0..1000).all(|n: u64| backoff(9, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) <= most));
        assert!(HEROKU_POST_SECONDS_MAX < HEROKU_SECONDS && INTERVAL.as_secs() == 20);
    }
}
