//! The end of a download's time. Of the crate this file alone asks a clock, and nothing that the
//! clock says goes into a packed site.

use std::thread;
use std::time::{Duration, Instant};

/// When a download has to be over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    start: Instant,
    whole: Duration,
}

impl Deadline {
    /// `whole` from now.
    pub(super) fn after(whole: Duration) -> Deadline {
        let start = Instant::now();
        Deadline { start, whole }
    }

    /// What is left.
    pub(super) fn left(&self) -> Result<Duration, String> {
        self.whole
            .checked_sub(self.start.elapsed())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| format!("it took more than {:?}", self.whole))
    }

    /// Sleeps, unless the time would be over before.
    pub(super) fn sleep(&self, pause: Duration) -> Result<(), String> {
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
