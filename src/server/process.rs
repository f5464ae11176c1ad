//! What the system says of this process: files of `/proc/self`, opened before the sandbox is put
//! up, in which no file can be opened, and read again and again: proc(5).

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{RawDir, SeekFrom, fstat, seek};
use rustix::process::{Resource, getrlimit};

use super::now;

/// A process, for those who measure it.
#[derive(Debug)]
pub struct Process {
    /// When it was started, since 1970.
    started: Duration,
    /// Both are asked before the sandbox, too: the system is asked for them by a file.
    ticks_per_second: u64,
    page_bytes: u64,
    stat: File,
    /// The directory of its descriptors, and a place in it, which all that read it share.
    descriptors: Mutex<File>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measures {
    pub(crate) cpu_microseconds: u64,
    pub(crate) started_microseconds: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    pub(crate) descriptors_max: u64,
}

impl Process {
    /// This process, which has just been started.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn open() -> io::Result<Process> {
        Ok(Process {
            started: now(),
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            page_bytes: rustix::param::page_size() as u64,
            stat: File::open("/proc/self/stat")?,
            descriptors: Mutex::new(File::open("/proc/self/fd")?),
        })
    }

    /// How it is now.
    pub(crate) fn measure(&self) -> io::Result<Measures> {
        let mut buffer = [0; 1024];
        let read = self.stat.read_at(&mut buffer, 0)?;
        // The second field is the program's name in parentheses, and may hold anything.
        let text = buffer.get(..read).unwrap_or_default();
        let behind = text.rsplit(|byte| *byte == b')').next();
        let behind = String::from_utf8_lossy(behind.unwrap_or_default());
        let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
        // proc_pid_stat(5) counts from 1, and the first one here is its third.
        let field = |number: usize| -> u64 {
            let text = fields.get(number - 3);
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let ticks = field(14) + field(15);
        let limit = getrlimit(Resource::Nofile).current;
        Ok(Measures {
            cpu_microseconds: ticks.saturating_mul(1_000_000) / self.ticks_per_second,
            started_microseconds: u64::try_from(self.started.as_micros()).unwrap_or(u64::MAX),
            resident_bytes: field(24).saturating_mul(self.page_bytes),
            virtual_bytes: field(23),
            threads: field(20),
            descriptors: self.count()?,
            descriptors_max: limit.unwrap_or(u64::MAX),
        })
    }

    /// How many descriptors are open. From Linux 6.2 on the size of the directory tells; before,
    /// they are counted, which takes some milliseconds for ten thousand.
    fn count(&self) -> io::Result<u64> {
        let directory = self.descriptors.lock();
        let directory = directory.unwrap_or_else(PoisonError::into_inner);
        let size = u64::try_from(fstat(&*directory)?.st_size).unwrap_or(0);
        if size > 0 {
            return Ok(size);
        }
        seek(&*directory, SeekFrom::Start(0))?;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&*directory, &mut buffer);
        let mut count = 0_u64;
        while let Some(entry) = entries.next() {
            entry?;
            count += 1;
        }
        // Without `.` and `..`.
        Ok(count.saturating_sub(2))
    }
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn a_process_is_measured() {
        let process = Process::open().unwrap();
        let before = process.measure().unwrap();
        let more: Vec<_> = (0..5).map(|_| std::fs::File::open("/dev/null")).collect();
        let after = process.measure().unwrap();
        // Other tests open and close some, too.
        assert!(
            after.descriptors >= 3 && after.descriptors < 100_000,
            "{after:?}"
        );
        assert!(before.resident_bytes > 1 << 20 && before.virtual_bytes > before.resident_bytes);
        assert!(after.threads >= 1 && after.descriptors_max >= after.descriptors);
        assert!(after.cpu_microseconds >= before.cpu_microseconds);
        assert!(
            after.started_microseconds > 1_700_000_000_000_000,
            "{after:?}"
        );
        drop(more);
    }
}
