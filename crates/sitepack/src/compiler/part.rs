//! Files of a cache that are being written under a name that is not theirs yet, and what becomes
//! of them when the process is told to end meanwhile: they go. What kills it leaves them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those of this process.
static BEGUN: Begun = Begun(Mutex::new(BTreeSet::new()));

/// Removes every one that is being written, and has none be begun any more: for a process that
/// ends, whatever its other threads are doing.
pub fn abandon() {
    BEGUN.abandon();
}

/// A file that is being written. Unless it is given its name, it is removed.
pub(crate) struct Part<'a> {
    path: &'a Path,
    begun: &'static Begun,
}

struct Begun(Mutex<BTreeSet<PathBuf>>);

impl Part<'_> {
    /// Takes note of it, before it is made.
    pub(crate) fn begin(path: &Path) -> Part<'_> {
        BEGUN.begin(path)
    }

    /// Gives it its name.
    pub(crate) fn finish(self, path: &Path) -> io::Result<()> {
        fs::rename(self.path, path)?;
        self.begun.all().remove(self.path);
        // There is nothing to remove.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path);
        self.begun.all().remove(self.path);
    }
}

impl Begun {
    fn begin<'a>(&'static self, path: &'a Path) -> Part<'a> {
        self.all().insert(path.to_owned());
        Part { path, begun: self }
    }

    fn abandon(&self) {
        let all = self.all();
        for part in &*all {
            let _ = fs::remove_file(part);
        }
        // Whoever wants to begin one waits for the end.
        std::mem::forget(all);
    }

    fn all(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use super::{BTreeSet, Begun};

    #[test]
    fn what_is_being_written_goes_and_what_was_written_stays() {
        static BEGUN: Begun = Begun(Mutex::new(BTreeSet::new()));
        let root = tempfile::tempdir().unwrap();
        let names = ["one", "two", "three", "four"];
        let [one, two, three, four] = names.map(|name| root.path().join(name));
        let (first, second, third) = (BEGUN.begin(&one), BEGUN.begin(&two), BEGUN.begin(&three));
        for file in [&one, &two, &three] {
            fs::write(file, "part").unwrap();
        }
        drop(first);
        assert!(!one.exists());
        second.finish(&four).unwrap();
        assert!(third.path.exists());
        BEGUN.abandon();
        assert!(!three.exists() && four.exists());
        let late = thread::spawn(move || BEGUN.begin(&one).path.exists());
        thread::sleep(Duration::from_millis(50));
        assert!(!late.is_finished(), "another was begun");
        std::mem::forget(third);
    }
}
