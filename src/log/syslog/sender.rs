//! The thread that sends to syslog.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{Record, Template};
use super::wire::{Sent, Wire};
use super::{Receiver, Standard, SyslogOptions};
use crate::limits::{
    LOG_BUFFER_BYTES, LOG_FLUSH_MILLISECONDS, SYSLOG_RETRY_MILLISECONDS_MAX,
    SYSLOG_RETRY_MILLISECONDS_MIN, SYSLOG_TELL_SECONDS_MIN,
};
use crate::log::queue::Queue;
use crate::log::warn;

/// What the thread works with.
pub(super) struct Sender {
    name: String,
    queue: Arc<Queue>,
    template: Template,
    wire: Wire,
    /// What is to be sent at once.
    out: Vec<u8>,
    pause: Duration,
    /// What was told of losses, and when.
    told: u64,
    told_at: Option<Instant>,
}

impl Sender {
    /// Finds the receiver.
    pub(super) fn new(options: &SyslogOptions, queue: Arc<Queue>) -> io::Result<Sender> {
        let SyslogOptions {
            receiver,
            protocol,
            standard,
            tag,
            facility,
        } = options;
        let host = match receiver {
            Receiver::Local | Receiver::Socket(_) => None,
            Receiver::Network(..) => Some(host_name()),
        };
        Ok(Sender {
            name: receiver.to_string(),
            queue,
            template: Template {
                standard: standard.unwrap_or_else(|| Standard::usual(receiver)),
                facility: *facility,
                host,
                tag: tag.clone(),
                pid: std::process::id(),
                stamp: Default::default(),
            },
            wire: Wire::connect(receiver, *protocol)?,
            out: Vec::with_capacity(LOG_BUFFER_BYTES),
            pause: Duration::ZERO,
            told: 0,
            told_at: None,
        })
    }

    /// The Unix socket on which the receiver was found, if it was on one.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.wire.socket()
    }

    /// Sends what is in the queue, for ever.
    pub(super) fn run(mut self) {
        let mut batch = Vec::with_capacity(LOG_BUFFER_BYTES);
        loop {
            self.queue
                .take(&mut batch, Duration::from_millis(LOG_FLUSH_MILLISECONDS));
            let mut rest = &*batch;
            while !rest.is_empty() || !self.out.is_empty() {
                rest = self.fill(rest);
                self.send();
            }
            batch.clear();
            self.tell_losses();
            self.queue.done();
        }
    }

    /// Puts together what is sent at once: one message, or as many as a stream takes well.
    fn fill<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while self.wire.takes_more(self.out.len()) {
            let Some((record, behind)) = Record::split(rest) else {
                return &[];
            };
            self.wire.append(&mut self.out, &mut self.template, &record);
            rest = behind;
        }
        rest
    }

    /// Sends what was put together, as far as it goes; what did not go is tried again after a
    /// while, or given up at the end.
    fn send(&mut self) {
        let before = self.wire.messages(&self.out);
        let result = self.wire.send(&mut self.out);
        match result {
            Ok(Sent::All) => {
                self.queue.arrive(before);
                self.out.clear();
                self.pause = Duration::ZERO;
            }
            Ok(Sent::Lost(cause)) => {
                self.out.clear();
                self.queue.drop_some(1);
                self.tell(&cause);
            }
            Err(cause) => {
                let unsent = self.wire.messages(&self.out);
                self.queue.arrive(before.saturating_sub(unsent));
                self.tell(&cause);
                let least = Duration::from_millis(SYSLOG_RETRY_MILLISECONDS_MIN);
                let most = Duration::from_millis(SYSLOG_RETRY_MILLISECONDS_MAX);
                let ending = self.queue.pause(self.pause);
                // The first attempt is made at once, also at the end.
                let is_first = self.pause.is_zero();
                self.pause = (self.pause * 2).clamp(least, most);
                if self.wire.reconnect().is_err() && ending && !is_first {
                    self.queue.drop_some(self.wire.messages(&self.out));
                    self.out.clear();
                }
            }
        }
        self.tell_losses();
    }

    fn is_time_to_tell(&self) -> bool {
        let least = Duration::from_secs(SYSLOG_TELL_SECONDS_MIN);
        self.told_at.is_none_or(|at| at.elapsed() >= least)
    }

    fn tell(&mut self, cause: &io::Error) {
        if self.is_time_to_tell() {
            self.told_at = Some(Instant::now());
            warn(format_args!("failed to log to `{}`: {cause}", self.name));
        }
    }

    fn tell_losses(&mut self) {
        let dropped = self.queue.dropped();
        if dropped > self.told && self.is_time_to_tell() {
            self.told_at = Some(Instant::now());
            let fresh = dropped - std::mem::replace(&mut self.told, dropped);
            warn(format_args!("syslog `{}` lost {fresh} messages", self.name));
        }
    }
}

/// What this machine calls itself: RFC 5424 §6.2.4, printable ASCII or `-`.
fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_graphic();
    match !name.is_empty() && name.len() <= 255 && name.bytes().all(fits) {
        true => name,
        false => "-".to_owned(),
    }
}
