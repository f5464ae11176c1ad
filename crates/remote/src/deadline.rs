//! The end of an exchange's time. Of the crate this file alone asks a clock.

use std::thread;
use std::time::{Duration, Instant};

/// When what was begun has to be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    whole: Duration,
}

impl Deadline {
    /// `whole` from now.
    #[must_use]
    pub fn after(whole: Duration) -> Deadline {
        let start = Instant::now();
        Deadline { start, whole }
    }

    /// What is left.
    ///
    /// # Errors
    /// That nothing is left.
    pub fn left(&self) -> Result<Duration, String> {
        self.whole
            .checked_sub(self.start.elapsed())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| format!("it took more than {:?}", self.whole))
    }

    /// Sleeps, unless the time would be over before.
    ///
    /// # Errors
    /// That the time would be over.
    pub fn sleep(&self, pause: Duration) -> Result<(), String> {
        if self.left()? <= pause {
            return Err(format!("it took more than {:?}", self.whole));
        }
        thread::sleep(pause);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Deadline;

    #[test]
    fn a_deadline_ends() {
        assert!(Deadline::after(Duration::from_secs(60)).left().is_ok());
        let over = Deadline::after(Duration::ZERO);
        assert_eq!(over.left().unwrap_err(), "it took more than 0ns");
        let short = Deadline::after(Duration::from_secs(1));
        assert!(short.sleep(Duration::from_secs(2)).is_err());
        assert!(short.sleep(Duration::ZERO).is_ok());
    }
}
