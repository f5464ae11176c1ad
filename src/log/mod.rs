//! What is written while serving: one access line a request on standard output, events on
//! standard error, both to syslog if that is asked for. `docs/log.md` tells the fields.
//!
//! 1. Each event and each access line is one line, whatever is in it.
//! 2. Each stream has its form: text on a terminal, JSON elsewhere, unless `--log-format` says
//!    which. Only a terminal sees colours.
//! 3. What dependencies say through the `log` facade comes out in the same form, marked as theirs.
//! 4. Of a request only what `Line` has is told: no other field of it, and no credentials.
//!
//! Before `open`, and in commands that do not serve, an event is for the person who typed the
//! command: `chapbook: ` and what there is to say.

mod access;
mod escape;
mod event;
mod facade;
mod line;
mod queue;
mod stamp;
mod statistics;
mod syslog;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::panic::{self, Location};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use access::AccessLog;
use event::Event;
pub use event::{EVENT_FIELDS, Value};
pub use line::{ACCESS_FIELDS, Line};
use queue::{Queue, write_patiently};
pub use statistics::{Answered, DURATIONS, Ended, Statistics, Sums};
pub use syslog::{FACILITIES, Protocol, Receiver, Standard, SyslogOptions, is_tag};
use syslog::{Kind, Syslog};

use crate::limits::{EVENTS_WAITING_BYTES_MAX, LOG_END_MILLISECONDS_MAX};

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something does not work as well as it should.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What one who looks for a fault wants to know.
    Debug,
}

impl Level {
    /// All, the gravest first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    /// As it is typed and told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The escape sequence of a terminal for what stands out.
    const fn colour(self) -> Option<&'static str> {
        match self {
            Level::Error => Some("\x1b[31m"),
            Level::Warn => Some("\x1b[33m"),
            Level::Info => None,
            Level::Debug => Some("\x1b[2m"),
        }
    }
}

/// What `--log-format` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The form of the lines of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Words with spaces between.
    Text,
    /// The same for a terminal that shows colours.
    Coloured,
    /// An object a line.
    Json,
}

impl Form {
    /// The form for a stream: a terminal or not, on which colours are wanted or not.
    fn of(format: Option<Format>, terminal: bool, colours: bool) -> Form {
        match format {
            None if !terminal => Form::Json,
            Some(Format::Json) => Form::Json,
            None | Some(Format::Text) if terminal && colours => Form::Coloured,
            None | Some(Format::Text) => Form::Text,
        }
    }
}

/// What the options say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The form of all lines, if it is not to follow from where they go.
    pub format: Option<Format>,
    /// The least grave events that are told.
    pub level: Level,
    /// Whether each request is told.
    pub access: bool,
    /// Whether standard output and standard error are written to.
    pub local: bool,
    /// Whether colours are wanted on a terminal.
    pub colours: bool,
    /// Where else lines go.
    pub syslog: Option<SyslogOptions>,
}

/// Where events go, once that is known.
struct Events {
    level: Level,
    local: Option<Form>,
    /// What waits for standard error, once there is a thread that writes it: nobody who answers
    /// requests waits for whoever reads it.
    waiting: OnceLock<Arc<Queue>>,
    syslog: Option<(Form, Arc<Syslog>)>,
}

static EVENTS: OnceLock<Events> = OnceLock::new();

/// A log that is open, and of which no thread runs yet: events are told from here on.
pub struct Opened {
    options: Options,
    syslog: Option<(Form, Arc<Syslog>)>,
}

/// Opens what the options say. No thread is started, so that a process can still confine itself.
///
/// # Errors
/// When what was asked for cannot be: then nothing should be served.
pub fn open(options: &Options) -> Result<Opened, String> {
    let syslog = options.syslog.as_ref().map(Syslog::open).transpose()?;
    let syslog = syslog.map(|syslog| (Form::of(options.format, false, false), syslog));
    let terminal = std::io::stderr().is_terminal();
    let events = Events {
        level: options.level,
        local: options
            .local
            .then(|| Form::of(options.format, terminal, options.colours)),
        waiting: OnceLock::new(),
        syslog: syslog.clone(),
    };
    if EVENTS.set(events).is_err() {
        return Err("failed to begin to log: that was done before".to_owned());
    }
    facade::install(options.level);
    tell_panics();
    Ok(Opened {
        options: options.clone(),
        syslog,
    })
}

impl Opened {
    /// The TCP port that is connected to, now and then again.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.options.syslog.as_ref()?.port()
    }

    /// The Unix socket that is connected to, now and then again.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        self.syslog.as_ref()?.1.socket()
    }

    /// Starts the threads that write. The access log.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(self) -> Result<AccessLog, String> {
        let Opened { options, syslog } = self;
        let failed = |e| format!("failed to begin to log: {e}");
        if let Some((_, syslog)) = &syslog {
            syslog.start().map_err(failed)?;
        }
        if let Some(events) = EVENTS.get().filter(|events| events.local.is_some()) {
            events.start().map_err(failed)?;
        }
        if !options.access {
            return Ok(AccessLog::off());
        }
        let out = std::io::stdout();
        let form = Form::of(options.format, out.is_terminal(), options.colours);
        let local = options.local.then(|| (form, Box::new(out) as _));
        AccessLog::with(local, syslog).map_err(failed)
    }
}

/// A panic is a fault of this program; it is told as any event is, and in one line.
fn tell_panics() {
    panic::set_hook(Box::new(|info| {
        let (file, line) = info
            .location()
            .map_or(("?", 0), |at| (at.file(), at.line()));
        let cause = info.payload_as_str().unwrap_or("it does not say why");
        fail(format_args!("panicked at {file}:{line}: {cause}"));
    }));
}

/// Says what happened. If nobody listens, so be it.
#[track_caller]
pub fn say(event: std::fmt::Arguments<'_>) {
    tell(Level::Info, event, &[]);
}

/// Says what does not work as well as it should.
#[track_caller]
pub fn warn(event: std::fmt::Arguments<'_>) {
    tell(Level::Warn, event, &[]);
}

/// Says what does not work.
#[track_caller]
pub fn fail(event: std::fmt::Arguments<'_>) {
    tell(Level::Error, event, &[]);
}

/// Says what one who looks for a fault wants to know.
#[track_caller]
pub fn debug(event: std::fmt::Arguments<'_>) {
    tell(Level::Debug, event, &[]);
}

/// Says what happened, with fields.
#[track_caller]
pub fn tell(level: Level, message: std::fmt::Arguments<'_>, fields: &[(&'static str, Value<'_>)]) {
    let Some(events) = EVENTS.get() else {
        if level < Level::Debug {
            say_to_a_person(message);
        }
        return;
    };
    events.tell(&Event {
        time: stamp::now(),
        level,
        from: &module_of(Location::caller().file()),
        foreign: false,
        message,
        fields,
    });
}

/// Says the last word: why nothing is served. Standard error hears of it in any case.
#[track_caller]
pub fn last_word(message: std::fmt::Arguments<'_>) {
    fail(message);
    if let Some(events) = EVENTS.get() {
        events.flush();
    }
    if EVENTS.get().is_some_and(|events| events.local.is_none()) {
        say_to_a_person(message);
    }
}

fn say_to_a_person(message: std::fmt::Arguments<'_>) {
    let mut line = b"chapbook: ".to_vec();
    let _ = write!(escape::Text(&mut line), "{message}");
    line.push(b'\n');
    let _ = std::io::stderr().write_all(&line);
}

/// Waits until syslog and standard error have what was said, or for a moment at most. What syslog
/// does not get is told.
pub fn finish() {
    let Some(events) = EVENTS.get() else {
        return;
    };
    let syslog = events.syslog.as_ref();
    if let Some(loss) = syslog.and_then(|(_, syslog)| syslog.finish()) {
        warn(format_args!("{loss}"));
        // The one who was to hear of it has not heard the rest, either.
        if events.local.is_none() {
            say_to_a_person(format_args!("{loss}"));
        }
    }
    events.flush();
}

/// Lines that syslog did not get, if there is a syslog.
#[must_use]
pub fn syslog_dropped() -> Option<u64> {
    let (_, syslog) = EVENTS.get()?.syslog.as_ref()?;
    Some(syslog.dropped())
}

impl Events {
    /// From here on a thread writes.
    fn start(&self) -> std::io::Result<()> {
        let queue = Arc::new(Queue::new(EVENTS_WAITING_BYTES_MAX));
        let events = queue.clone();
        let work = move || write_events(&events);
        let builder = std::thread::Builder::new().name("events".to_owned());
        builder.spawn(work)?;
        // It is started once.
        let _ = self.waiting.set(queue);
        Ok(())
    }

    /// Waits until it has written, or for a moment at most.
    fn flush(&self) {
        if let Some(queue) = self.waiting.get() {
            queue.flush(Duration::from_millis(LOG_END_MILLISECONDS_MAX));
        }
    }

    fn tell(&self, event: &Event<'_>) {
        if event.level > self.level {
            return;
        }
        let mut line = Vec::new();
        if let Some(form) = self.local {
            event.append(&mut line, form);
            match self.waiting.get() {
                Some(queue) => queue.push(&[&line]),
                // One call, so that lines of several threads do not meet.
                None => drop(std::io::stderr().write_all(&line)),
            }
        }
        if let Some((form, syslog)) = &self.syslog {
            line.clear();
            event.append(&mut line, *form);
            syslog.push(event.level, Kind::Event, event.time, line.trim_ascii_end());
        }
    }
}

/// Writes what is said. What was lost meanwhile is told in the same place.
fn write_events(queue: &Queue) {
    let (mut lines, mut told) = (Vec::new(), 0);
    loop {
        queue.take(&mut lines, Duration::ZERO);
        // If nobody listens, so be it.
        let _ = write_patiently(&mut std::io::stderr(), &lines);
        lines.clear();
        queue.done();
        let dropped = queue.dropped();
        let fresh = dropped - std::mem::replace(&mut told, dropped);
        if fresh > 0 {
            warn(format_args!("{fresh} events were lost: nobody took them"));
        }
    }
}

/// The module whose source is `file`, as the `log` facade names modules.
fn module_of(file: &str) -> String {
    let path = file.rsplit_once("src/").map_or(file, |(_, path)| path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    format!("chapbook::{}", path.replace('/', "::"))
}

#[cfg(test)]
mod tests {
    use super::{Form, Format, module_of};

    #[test]
    fn forms_follow_the_stream_unless_one_is_asked_for() {
        let cases = [
            (None, true, true, Form::Coloured),
            (None, true, false, Form::Text),
            (None, false, true, Form::Json),
            (Some(Format::Text), false, true, Form::Text),
            (Some(Format::Text), true, true, Form::Coloured),
            (Some(Format::Json), true, true, Form::Json),
        ];
        for (format, terminal, colours, form) in cases {
            assert_eq!(Form::of(format, terminal, colours), form);
        }
    }

    #[test]
    fn modules_are_named_by_their_files() {
        for (file, module) in [
            ("src/server/mod.rs", "chapbook::server"),
            (
                "src/server/native/site_file.rs",
                "chapbook::server::native::site_file",
            ),
            (
                "/somewhere/src/commands/serve.rs",
                "chapbook::commands::serve",
            ),
            ("src/lib.rs", "chapbook::lib"),
        ] {
            assert_eq!(module_of(file), module);
        }
    }
}
