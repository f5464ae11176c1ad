//! Syslog: lines to a receiver elsewhere, by RFC 5424 or the older RFC 3164.
//!
//! 1. Whoever logs adds to a bounded queue and goes on. A thread of its own sends. A receiver that
//!    is slow, dead or away costs lines, which are counted, and never an answer.
//! 2. What was asked for must be there at the start: a name that does not resolve, a refused TCP
//!    connection, a missing socket end the program. Later it is tried again, ever less often.
//! 3. The name is resolved once, at the start: what is served needs no file, and a resolver does.
//! 4. TCP frames are counted (RFC 6587 §3.4.1). After a broken connection the first message that
//!    was not sent whole is sent again. What the system had taken of those before may be lost: TCP
//!    does not tell, and syslog has no acknowledgements.
//! 5. UDP and the local socket keep the bounds of a datagram; a longer message is cut between two
//!    characters.

mod message;
mod options;
mod sender;
mod wire;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use options::{FACILITIES, Protocol, Receiver, Standard, SyslogOptions, is_tag};

use self::message::Record;
use self::sender::Sender;
use super::Level;
use super::queue::Queue;
use crate::limits::{
    SYSLOG_END_MILLISECONDS_MAX, SYSLOG_MESSAGE_BYTES_MAX, SYSLOG_WAITING_BYTES_MAX,
};

/// What a message is about: its MSGID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Event,
}

/// The way to a receiver.
pub(super) struct Syslog {
    queue: Arc<Queue>,
    /// Who receives.
    name: String,
    socket: Option<PathBuf>,
    /// What sends, until it does.
    sender: Mutex<Option<Sender>>,
}

impl Syslog {
    /// Finds the receiver.
    ///
    /// # Errors
    /// When it cannot be found, or does not accept.
    pub(super) fn open(options: &SyslogOptions) -> Result<Arc<Syslog>, String> {
        let name = options.receiver.to_string();
        let queue = Arc::new(Queue::new(SYSLOG_WAITING_BYTES_MAX));
        let sender = Sender::new(options, queue.clone());
        let sender = sender.map_err(|e| format!("failed to log to `{name}`: {e}"))?;
        let socket = sender.socket();
        let sender = Mutex::new(Some(sender));
        Ok(Arc::new(Syslog {
            queue,
            name,
            socket,
            sender,
        }))
    }

    /// Begins to send, unless it does.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(&self) -> io::Result<()> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.take() {
            let builder = std::thread::Builder::new().name("syslog".to_owned());
            builder.spawn(move || sender.run())?;
        }
        Ok(())
    }

    /// The Unix socket on which the receiver was found, if it was on one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.socket.clone()
    }

    /// Adds a message.
    pub(super) fn push(&self, level: Level, kind: Kind, time: u64, text: &[u8]) {
        let text = message::cut(text, SYSLOG_MESSAGE_BYTES_MAX);
        let head = Record::head(level, kind, time, text);
        self.queue.push(&[&head, text]);
    }

    /// Messages that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Waits until all is sent, or for a moment at most. What is lost, in words.
    pub(super) fn finish(&self) -> Option<String> {
        // A start may have failed before there was a thread.
        let _ = self.start();
        let at_most = Duration::from_millis(SYSLOG_END_MILLISECONDS_MAX);
        self.queue.flush(at_most);
        let lost = self.queue.missing();
        (lost > 0).then(|| format!("syslog `{}` lost {lost} messages in all", self.name))
    }
}

impl fmt::Debug for Syslog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Syslog({})", self.name)
    }
}
