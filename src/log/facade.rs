//! The `log` facade: what dependencies say through it becomes an event of theirs.
//!
//! tiny_http says so that its accept thread begins and ends; mio has only traces, which are left
//! out of a release. Without `open` nobody listens, and it costs a load.

use super::event::Event;
use super::{EVENTS, Level, stamp};

/// It calls the end of its accept thread an error. That thread ends whenever the engine stops it,
/// and whenever nobody has come for a while; where that is a fault, the engine says so.
const ALARMIST: &str = "tiny_http";

struct Facade;

/// Listens to all that is grave enough.
pub(super) fn install(level: Level) {
    // Somebody else may be listening, in a test: then nothing is to be done.
    if log::set_logger(&Facade).is_ok() {
        log::set_max_level(match level {
            Level::Error => log::LevelFilter::Error,
            Level::Warn => log::LevelFilter::Warn,
            Level::Info => log::LevelFilter::Info,
            Level::Debug => log::LevelFilter::Debug,
        });
    }
}

impl log::Log for Facade {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        let Some(events) = EVENTS.get() else { return };
        let level = match record.level() {
            _ if record.target() == ALARMIST => Level::Debug,
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug | log::Level::Trace => Level::Debug,
        };
        events.tell(&Event {
            time: stamp::now(),
            level,
            from: record.target(),
            foreign: true,
            message: *record.args(),
            fields: &[],
        });
    }

    fn flush(&self) {
        super::finish();
    }
}
