//! What is measured, and under which names: `docs/decisions/0025-heroku-metrics.md`.

use std::fmt::Write as _;
use std::fs::File;
use std::io;

/// What there is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) answers: u64,
    pub(super) content_bytes: u64,
    /// Now.
    pub(super) connections: u64,
    /// Where the system tells.
    pub(super) process: Option<Process>,
}

/// What the system says of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) resident_bytes: u64,
    /// Of these, what is no file's: heap and stacks.
    pub(super) anonymous_bytes: u64,
    pub(super) threads: u64,
}

/// What only grows.
pub(super) type Counters = [u64; 2];

const COUNTERS: [&str; 2] = ["rust.responses", "rust.responses.bytes"];

impl Sample {
    pub(super) fn counters(&self) -> Counters {
        [self.answers, self.content_bytes]
    }

    /// The content of a post, for a receiver that knows of so much already.
    pub(super) fn json(&self, known: Counters) -> String {
        let grown = self.counters().into_iter().zip(known);
        let counters = COUNTERS.into_iter().zip(grown);
        let counters = counters.map(|(name, (now, known))| (name, now.saturating_sub(known)));
        let counters = object(counters);
        let process = self.process.iter().flat_map(|process| {
            [
                // The one name of Go's whose meaning is near enough.
                ("go.memory.heap.bytes", process.anonymous_bytes),
                ("rust.memory.resident.bytes", process.resident_bytes),
                ("rust.threads", process.threads),
            ]
        });
        let gauges = object(process.chain([("rust.connections", self.connections)]));
        format!("{{\"counters\":{counters},\"gauges\":{gauges}}}\n")
    }
}

/// Names that need no escape, and numbers.
fn object(pairs: impl Iterator<Item = (&'static str, u64)>) -> String {
    let mut text = "{".to_owned();
    for (index, (name, number)) in pairs.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}\"{name}\":{number}");
    }
    text.push('}');
    text
}

/// `/proc/self/status`, opened before the sandbox and read again and again.
pub(super) struct Memory(Option<File>);

impl Memory {
    /// Without `/proc` there is nothing to tell.
    pub(super) fn open() -> Memory {
        Memory(File::open("/proc/self/status").ok())
    }

    pub(super) fn read(&self) -> Option<Process> {
        let mut buffer = [0; 4096];
        let read = read_at(self.0.as_ref()?, &mut buffer).ok()?;
        let text = String::from_utf8_lossy(buffer.get(..read)?);
        parse(&text)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, 0)
}

#[cfg(not(unix))]
fn read_at(_file: &File, _buffer: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

fn parse(status: &str) -> Option<Process> {
    let field = |name: &str| -> Option<u64> {
        let lines = status.lines().filter_map(|line| line.split_once(':'));
        let value = lines.clone().find(|(found, _)| *found == name)?.1;
        let mut words = value.split_ascii_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        let unit = if words.next().is_some() { 1024 } else { 1 };
        Some(number.saturating_mul(unit))
    };
    Some(Process {
        resident_bytes: field("VmRSS")?,
        anonymous_bytes: field("RssAnon")?,
        threads: field("Threads")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Process, Sample, parse};

    #[test]
    fn a_sample_is_json_of_what_has_grown() {
        let sample = Sample {
            answers: 5,
            content_bytes: 70,
            connections: 3,
            process: Some(Process {
                resident_bytes: 4096,
                anonymous_bytes: 1024,
                threads: 2,
            }),
        };
        assert_eq!(
            sample.json([1, 20]),
            "{\"counters\":{\"rust.responses\":4,\"rust.responses.bytes\":50},\
             \"gauges\":{\"go.memory.heap.bytes\":1024,\"rust.memory.resident.bytes\":4096,\
             \"rust.threads\":2,\"rust.connections\":3}}\n"
        );
        let json: serde_json::Value =
            serde_json::from_str(&Sample::default().json([0, 9])).unwrap();
        assert_eq!(json["counters"]["rust.responses.bytes"], 0);
        assert_eq!(json["gauges"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn the_system_s_status_is_read() {
        let text = "Name:\tchapbook: x\nVmRSS:\t  4 kB\nRssAnon:\t 1 kB\nThreads:\t7\n";
        let expected = Process {
            resident_bytes: 4096,
            anonymous_bytes: 1024,
            threads: 7,
        };
        assert_eq!(parse(text), Some(expected));
        for text in ["", "VmRSS: x kB", "VmRSS:\nRssAnon:\nThreads:\n"] {
            assert_eq!(parse(text), None);
        }
        #[cfg(target_os = "linux")]
        assert!(super::Memory::open().read().unwrap().anonymous_bytes > 4096);
    }
}
