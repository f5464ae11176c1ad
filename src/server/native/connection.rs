//! One connection of the native engine: its socket, its conversation, and what is under way.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::site_file::SiteFile;
use super::stream::{Progress, Stream};
use crate::http::date::{imf_fixdate, write_imf_fixdate};
use crate::limits::LINGER_BYTES_MAX;
use crate::log::Line;
use crate::response::Connection as Field;
use crate::server::Context;
use crate::server::conversation::{Answer, Conversation, Terms, Turn};

/// What a thread keeps for all of its connections, so that none keeps it for itself.
pub(super) struct Scratch {
    /// Where input is read to.
    pub(super) input: Vec<u8>,
    /// Where heads of answers are put together.
    pub(super) head: Vec<u8>,
    /// The second that `date` tells.
    pub(super) now: u64,
    /// As the Date field has it.
    pub(super) date: String,
}

impl Scratch {
    /// Reads as much at once as a system call is worth.
    const INPUT_BYTES: usize = 64 << 10;

    pub(super) fn new() -> Scratch {
        Scratch {
            input: vec![0; Self::INPUT_BYTES],
            head: Vec::with_capacity(2048),
            now: 0,
            date: imf_fixdate(0),
        }
    }

    /// Takes note of the time.
    pub(super) fn tick(&mut self, now: u64) {
        if now != self.now {
            self.now = now;
            self.date.clear();
            // Writing to a String cannot fail.
            let _ = write_imf_fixdate(&mut self.date, now);
        }
    }
}

/// What the connection waits for after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The rest of a request.
    Request,
    /// Another request.
    Idle,
    /// The client to take more of an answer.
    Blocked,
    /// Its next turn.
    Yielded,
    /// The client to close.
    Linger,
    /// Nothing: it is over.
    Over,
}

impl After {
    /// Whether there may be more to do at once.
    fn goes_on(self) -> bool {
        matches!(self, After::Request | After::Idle)
    }
}

pub(super) struct Connection {
    stream: Stream,
    peer: Option<IpAddr>,
    conversation: Conversation<'static>,
    /// Input that the conversation did not take yet.
    input: Vec<u8>,
    /// The conversation needs more than that.
    hungry: bool,
    /// The system has said that there is input, and a read has not yet said that there is none.
    readable: bool,
    /// The client has said that it sends no more.
    ended: bool,
    /// An answer that could not be sent at once.
    output: Option<Box<Output>>,
    /// Bytes that were dropped since the last answer; none unless lingering.
    lingering: Option<u64>,
    /// What of the answer under way was sent when the timer last looked.
    seen: u64,
}

/// An answer under way.
struct Output {
    head: Vec<u8>,
    answer: Answer<'static>,
    sent: u64,
    time: u64,
    /// When the request was read, if the log wants to know.
    started: Option<Instant>,
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Option<IpAddr>) -> Connection {
        Connection {
            stream,
            peer,
            conversation: Conversation::default(),
            input: Vec::new(),
            hungry: true,
            readable: false,
            ended: false,
            output: None,
            lingering: None,
            seen: 0,
        }
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// The system says that there is input; `ended` if also that the client sends no more.
    pub(super) fn set_readable(&mut self, ended: bool) {
        self.readable = true;
        self.ended |= ended;
    }

    /// Whether the client has taken at least so much of the answer under way since the last time.
    pub(super) fn has_progressed(&mut self, bytes: u64) -> bool {
        let sent = self.output.as_ref().map_or(0, |output| output.sent);
        let progressed = sent >= self.seen.saturating_add(bytes);
        self.seen = sent;
        progressed
    }

    /// Whether nothing is under way: no request has begun, no answer is unsent.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_begun() && self.output.is_none() && self.lingering.is_none()
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> u32 {
        self.conversation.answered()
    }

    fn has_begun(&self) -> bool {
        !self.input.is_empty() || self.conversation.is_in_content()
    }

    /// Does all that can be done without waiting.
    pub(super) fn turn(
        &mut self,
        scratch: &mut Scratch,
        context: &Context,
        terms: &Terms,
        file: Option<&SiteFile>,
    ) -> After {
        loop {
            if self.output.is_some() {
                let after = self.continue_output(context, file);
                if !after.goes_on() {
                    return self.linger_if(after, scratch);
                }
            }
            if self.lingering.is_some() {
                return self.linger(scratch);
            }
            if !self.hungry {
                let mut input = std::mem::take(&mut self.input);
                let (taken, after) = self.converse(&input, scratch, context, terms, file);
                input.drain(..taken.min(input.len()));
                self.input = input;
                if !after.goes_on() {
                    return self.linger_if(after, scratch);
                }
            }
            if !self.readable {
                return if self.has_begun() {
                    After::Request
                } else {
                    After::Idle
                };
            }
            match self.read(scratch) {
                Some(0) => return After::Over,
                None => {}
                Some(read) => {
                    let after = self.hear(read, scratch, context, terms, file);
                    if !after.goes_on() {
                        return self.linger_if(after, scratch);
                    }
                }
            }
        }
    }

    /// Reads into the scratch input: how much, 0 at the end, none if there is nothing now.
    fn read(&mut self, scratch: &mut Scratch) -> Option<usize> {
        match self.stream.read(&mut scratch.input) {
            Ok(0) => Some(0),
            Ok(read) => {
                // epoll(7): fewer bytes than asked for means that there are no more. The end of
                // them, though, was told with the bytes, and is not told again.
                self.readable = read == scratch.input.len() || self.ended;
                Some(read)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.readable = false;
                None
            }
            Err(_) => Some(0),
        }
    }

    /// Takes the `read` bytes in the scratch input.
    fn hear(
        &mut self,
        read: usize,
        scratch: &mut Scratch,
        context: &Context,
        terms: &Terms,
        file: Option<&SiteFile>,
    ) -> After {
        let fresh = std::mem::take(&mut scratch.input);
        let heard = fresh.get(..read).unwrap_or_default();
        let after = if self.input.is_empty() {
            let (taken, after) = self.converse(heard, scratch, context, terms, file);
            self.input
                .extend_from_slice(heard.get(taken..).unwrap_or_default());
            after
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(heard);
            let (taken, after) = self.converse(&input, scratch, context, terms, file);
            input.drain(..taken.min(input.len()));
            self.input = input;
            after
        };
        if self.input.is_empty() {
            self.input = Vec::new(); // an idle connection keeps no buffer
        }
        scratch.input = fresh;
        after
    }

    /// Lets the conversation take what it can of `input`, and sends its answers: how much it took.
    fn converse(
        &mut self,
        input: &[u8],
        scratch: &mut Scratch,
        context: &Context,
        terms: &Terms,
        file: Option<&SiteFile>,
    ) -> (usize, After) {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            #[cfg(test)]
            super::tests::panic_if_asked("turn", rest);
            let started = context.access_log.is_on().then(Instant::now);
            let (used, turn) = self.conversation.next(rest, &context.origin, terms);
            taken += used;
            match turn {
                Turn::More { begun } => {
                    self.hungry = true;
                    return (taken, if begun { After::Request } else { After::Idle });
                }
                Turn::Over => return (input.len(), After::Over),
                Turn::Answer(answer) => {
                    self.hungry = false;
                    let after = self.send(answer, rest, started, scratch, context, file);
                    if !after.goes_on() {
                        return (taken, after);
                    }
                }
            }
        }
    }

    /// Sends an answer; `said` is the input in which the request was.
    fn send(
        &mut self,
        mut answer: Answer<'static>,
        said: &[u8],
        started: Option<Instant>,
        scratch: &mut Scratch,
        context: &Context,
        file: Option<&SiteFile>,
    ) -> After {
        let Scratch {
            head,
            date,
            now: time,
            ..
        } = scratch;
        head.clear();
        answer.response.write_head(head, date, answer.connection);
        let mut sent = 0;
        let content = &answer.response.content;
        let progress = self.stream.send(head, content, &mut sent, file);
        if let Some(waits) = waits(&progress) {
            answer.keep(said);
            self.seen = sent;
            let (head, time) = (head.clone(), *time);
            self.output = Some(Box::new(Output {
                head,
                answer,
                sent,
                time,
                started,
            }));
            return waits;
        }
        let bytes = sent.saturating_sub(head.len() as u64);
        self.log(context, &answer, said, bytes, *time, started);
        self.after_answer(progress.is_ok(), &answer, context)
    }

    fn continue_output(&mut self, context: &Context, file: Option<&SiteFile>) -> After {
        let Some(mut output) = self.output.take() else {
            return After::Idle;
        };
        let content = &output.answer.response.content;
        let progress = self
            .stream
            .send(&output.head, content, &mut output.sent, file);
        if let Some(waits) = waits(&progress) {
            self.output = Some(output);
            return waits;
        }
        let Output {
            head,
            answer,
            sent,
            time,
            started,
        } = *output;
        let bytes = sent.saturating_sub(head.len() as u64);
        self.log(context, &answer, b"", bytes, time, started);
        self.after_answer(progress.is_ok(), &answer, context)
    }

    /// What is next after an answer that is sent, or that its client did not wait for.
    fn after_answer(&mut self, sent: bool, answer: &Answer<'_>, context: &Context) -> After {
        if !sent {
            context.statistics.peer_gone();
            return After::Over;
        }
        match answer.connection {
            Field::KeepAlive | Field::Persistent => After::Idle,
            // What is unread when a socket is closed makes the system reset the connection.
            Field::Close if answer.lingers || self.readable => {
                if self.stream.stop_writing().is_err() {
                    return After::Over;
                }
                self.lingering = Some(0);
                After::Linger
            }
            Field::Close => After::Over,
        }
    }

    /// What is here already is not told again: an ending that lingers begins with it.
    fn linger_if(&mut self, after: After, scratch: &mut Scratch) -> After {
        if after == After::Linger {
            self.linger(scratch)
        } else {
            after
        }
    }

    /// Reads and drops what the client still sends.
    fn linger(&mut self, scratch: &mut Scratch) -> After {
        self.input = Vec::new();
        while self.readable {
            match self.read(scratch) {
                Some(0) => return After::Over,
                None => {}
                Some(read) => {
                    let dropped = self.lingering.unwrap_or(0).saturating_add(read as u64);
                    self.lingering = Some(dropped);
                    if dropped > LINGER_BYTES_MAX {
                        return After::Over;
                    }
                }
            }
        }
        After::Linger
    }

    /// The request did not come in time.
    pub(super) fn time_out(&mut self, scratch: &mut Scratch, context: &Context) -> After {
        if !self.has_begun() || self.output.is_some() {
            return After::Over;
        }
        #[cfg(test)]
        super::tests::panic_if_asked("time-out", &self.input);
        let answer = self.conversation.timed_out(&self.input);
        self.input = Vec::new();
        self.send(answer, b"", None, scratch, context, None)
    }

    /// Counts and logs an answer; `said` is the input in which the request was, unless its words
    /// were kept.
    fn log(
        &self,
        context: &Context,
        answer: &Answer<'_>,
        said: &[u8],
        bytes: u64,
        time: u64,
        started: Option<Instant>,
    ) {
        let status = answer.response.status.code();
        context.statistics.answered(status, bytes);
        if !context.access_log.is_on() {
            return;
        }
        context.access_log.record(&Line {
            time,
            peer: self.peer,
            method: answer.method.of(said),
            target: answer.target.of(said),
            status,
            bytes,
            coding: answer.response.coding,
            reason: answer.response.reason,
            duration: started.map_or(Duration::ZERO, |started| started.elapsed()),
        });
    }
}

/// What a connection waits for, if its answer is not all sent.
fn waits(progress: &std::io::Result<Progress>) -> Option<After> {
    match progress {
        Ok(Progress::Blocked) => Some(After::Blocked),
        Ok(Progress::Yielded) => Some(After::Yielded),
        Ok(Progress::Done) | Err(_) => None,
    }
}
