//! One connection of the native engine: its socket, its conversation, and what is under way.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::site_file::SiteFile;
use super::stream::{Progress, Stream};
use super::timers::Wait;
use crate::http::date::{imf_fixdate, write_imf_fixdate};
use crate::limits::{
    HELD_BYTES_MAX, INPUT_BYTES, LINGER_BYTES_MAX, TURN_MADE_BYTES_MAX, TURN_READ_BYTES_MAX,
    TURN_REQUESTS_MAX, TURN_SENT_BYTES_MAX,
};
use crate::log::{Answered, Ended, Line};
use crate::origin::Origin;
use crate::reason::Reason;
use crate::response::{Connection as Field, Content, Response};
use crate::server::conversation::{Answer, Conversation, Terms, Turn};
use crate::server::making::Pump;
use crate::server::proxy::{Client, Malformed, Versions};
use crate::server::{Context, Place, Proxies, Role};

/// What a thread keeps for all of its connections, so that none keeps it for itself.
pub(super) struct Scratch {
    /// Where input is read to.
    pub(super) input: Vec<u8>,
    /// Where heads of answers are put together.
    pub(super) head: Vec<u8>,
    /// A buffer for pieces of contents that are made; empty until there was one.
    pub(super) piece: Vec<u8>,
    /// Milliseconds since 1970.
    pub(super) time: u64,
    /// The second of that, which `date` tells.
    pub(super) now: u64,
    /// As the Date field has it.
    pub(super) date: String,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch {
            input: vec![0; INPUT_BYTES],
            head: Vec::with_capacity(2048),
            piece: Vec::new(),
            time: 0,
            now: 0,
            date: imf_fixdate(0),
        }
    }

    /// Takes note of the time since 1970.
    pub(super) fn tick(&mut self, time: Duration) {
        self.time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = time.as_secs();
        if now != self.now {
            self.now = now;
            self.date.clear();
            // Writing to a String cannot fail.
            let _ = write_imf_fixdate(&mut self.date, now);
        }
    }
}

/// What a connection waits for when it can do no more, or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Its client.
    Waits(Wait),
    /// Its next turn: it could do more, but others want theirs.
    Yields,
    /// Nothing: it is over.
    Over,
}

/// How a step of a turn ends: with the next one, or the turn with it.
type Step = ControlFlow<After>;

/// What a connection is given for a turn.
pub(super) struct Means<'a, 's> {
    pub(super) scratch: &'a mut Scratch,
    pub(super) context: &'a Context,
    pub(super) origin: &'a Origin<'s>,
    pub(super) terms: Terms<'a>,
    pub(super) budget: Budget,
}

/// What a connection may still do in its turn. However fast its client is, others wait no longer
/// than this takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    read_bytes: u64,
    sent_bytes: u64,
    made_bytes: u64,
    requests: u32,
}

impl Budget {
    pub(super) const TURN: Budget = Budget {
        read_bytes: TURN_READ_BYTES_MAX,
        sent_bytes: TURN_SENT_BYTES_MAX,
        made_bytes: TURN_MADE_BYTES_MAX,
        requests: TURN_REQUESTS_MAX,
    };

    /// Sends what was not sent, as far as it goes.
    fn send(
        &mut self,
        stream: &mut Stream,
        head: &[u8],
        content: &Content<'_>,
        sent: &mut u64,
        file: Option<&SiteFile>,
    ) -> std::io::Result<Progress> {
        stream.send(head, content, sent, file, &mut self.sent_bytes)
    }

    /// Makes and sends what was not sent, as far as it goes.
    fn send_made(
        &mut self,
        stream: &mut Stream,
        head: &[u8],
        pump: &mut Pump<'_>,
        sent: &mut u64,
    ) -> std::io::Result<Progress> {
        let (left, allowance) = (&mut self.sent_bytes, &mut self.made_bytes);
        stream.send_made(head, pump, sent, left, allowance)
    }

    fn is_spent(&self) -> bool {
        let bytes = [self.read_bytes, self.sent_bytes, self.made_bytes];
        bytes.contains(&0) || self.requests == 0
    }
}

pub(super) struct Connection<'s> {
    stream: Stream,
    role: Role,
    /// The client, or the last proxy before this server that says nothing of its own.
    peer: Option<IpAddr>,
    /// The header of the PROXY protocol that has to come first, until it has.
    header: Option<Versions>,
    /// The peer is on this machine, and what it says of its client does not deny it.
    is_near: bool,
    /// The peer is a proxy whose forwarding fields are believed.
    is_trusted: bool,
    conversation: Conversation<'s>,
    /// Input that the conversation did not take yet.
    input: Vec<u8>,
    /// The conversation needs more than that.
    hungry: bool,
    /// The system has said that there is input, and a read has not yet said that there is none.
    readable: bool,
    /// The client has said that it sends no more.
    ended: bool,
    /// An answer that could not be sent at once.
    output: Option<Box<Output<'s>>>,
    /// An answer that is held back.
    held: Option<Box<Held<'s>>>,
    /// Bytes that were dropped since the last answer; none unless lingering.
    lingering: Option<u64>,
    /// What of the answer under way was sent when the timer last looked.
    seen: u64,
    /// The system was told to hold little that it has not sent.
    holds_little: bool,
    /// It has yielded, and its next turn comes by itself.
    queued: bool,
}

/// An answer that a demonstration wants late.
struct Held<'s> {
    answer: Answer<'s>,
    seconds: u16,
    started: Option<Instant>,
    _place: Place,
}

/// An answer under way.
struct Output<'s> {
    head: Vec<u8>,
    answer: Answer<'s>,
    /// What makes its content, if that is made.
    pump: Option<Pump<'s>>,
    sent: u64,
    time: u64,
    /// When the request was read.
    started: Option<Instant>,
}

impl<'s> Connection<'s> {
    pub(super) fn new(stream: Stream, peer: Option<IpAddr>) -> Connection<'s> {
        Connection {
            stream,
            role: Role::Site,
            peer,
            header: None,
            is_near: peer.is_some_and(|peer| peer.is_loopback()),
            is_trusted: false,
            conversation: Conversation::default(),
            input: Vec::new(),
            hungry: true,
            readable: false,
            ended: false,
            output: None,
            held: None,
            lingering: None,
            seen: 0,
            holds_little: false,
            queued: false,
        }
    }

    /// The same by a listener with this role, and perhaps by way of proxies; before the operator's
    /// there are none.
    pub(super) fn with(self, role: Role, proxies: &Proxies) -> Connection<'s> {
        if role == Role::Admin {
            return Connection { role, ..self };
        }
        Connection {
            role,
            header: proxies.header,
            is_trusted: proxies.trusted.believes(self.peer),
            ..self
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
        let done = self.output.as_ref().map_or(0, |output| {
            let unseen = output.pump.as_ref().map_or(0, Pump::unseen);
            output.sent + unseen
        });
        let progressed = done >= self.seen.saturating_add(bytes);
        self.seen = done;
        progressed
    }

    /// Whether nothing is under way: no request has begun, no answer is unsent.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_begun()
            && self.output.is_none()
            && self.held.is_none()
            && self.lingering.is_none()
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> u32 {
        self.conversation.answered()
    }

    /// Notes that its next turn comes by itself; whether that was so before.
    pub(super) fn queue(&mut self) -> bool {
        std::mem::replace(&mut self.queued, true)
    }

    /// Whether its next turn comes by itself.
    pub(super) fn is_queued(&self) -> bool {
        self.queued
    }

    /// What its client is waited for, if it is.
    pub(super) fn waits(&self) -> Wait {
        if self.output.is_some() {
            Wait::Write
        } else if self.held.is_some() {
            Wait::Held
        } else if self.lingering.is_some() {
            Wait::Linger
        } else if self.has_begun() {
            Wait::Request
        } else {
            Wait::Idle
        }
    }

    fn has_begun(&self) -> bool {
        !self.input.is_empty() || self.conversation.is_in_content()
    }

    /// Does all that can be done without waiting, as far as the budget goes.
    pub(super) fn turn(&mut self, means: &mut Means<'_, 's>) -> After {
        self.queued = false;
        loop {
            if let ControlFlow::Break(after) = self.step(means) {
                return after;
            }
        }
    }

    fn step(&mut self, means: &mut Means<'_, 's>) -> Step {
        if means.budget.is_spent() {
            ControlFlow::Break(After::Yields)
        } else if self.output.is_some() {
            self.continue_output(means)
        } else if self.held.is_some() {
            ControlFlow::Break(After::Waits(Wait::Held))
        } else if self.lingering.is_some() {
            self.drop_input(means)
        } else if !self.hungry {
            self.take_up_input(means)
        } else if self.readable {
            self.hear(means)
        } else {
            ControlFlow::Break(After::Waits(self.waits()))
        }
    }

    /// Reads into the scratch input: how much, none if there is nothing now.
    fn read(&mut self, means: &mut Means<'_, 's>) -> ControlFlow<After, Option<usize>> {
        let input = &mut means.scratch.input;
        match self.stream.read(input) {
            Ok(read @ 1..) => {
                // epoll(7): fewer bytes than asked for means that there are no more. The end of
                // them, though, was told with the bytes, and is not told again.
                self.readable = read == input.len() || self.ended;
                let left = &mut means.budget.read_bytes;
                *left = left.saturating_sub(read as u64);
                ControlFlow::Continue(Some(read))
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.readable = false;
                ControlFlow::Continue(None)
            }
            Ok(_) | Err(_) => ControlFlow::Break(After::Over),
        }
    }

    /// Reads, and takes what came.
    fn hear(&mut self, means: &mut Means<'_, 's>) -> Step {
        let Some(read) = self.read(means)? else {
            return ControlFlow::Continue(());
        };
        let fresh = std::mem::take(&mut means.scratch.input);
        let heard = fresh.get(..read).unwrap_or_default();
        let step = if self.input.is_empty() {
            let (taken, step) = self.converse(heard, means);
            self.input
                .extend_from_slice(heard.get(taken..).unwrap_or_default());
            step
        } else {
            self.input.extend_from_slice(heard);
            self.take_up_input(means)
        };
        means.scratch.input = fresh;
        step
    }

    /// Takes what was kept of earlier input, and keeps what is left of that.
    fn take_up_input(&mut self, means: &mut Means<'_, 's>) -> Step {
        let mut input = std::mem::take(&mut self.input);
        let (taken, step) = self.converse(&input, means);
        // An idle connection keeps no buffer.
        if taken < input.len() {
            input.drain(..taken);
            self.input = input;
        }
        step
    }

    /// Lets the conversation take what it can of `input`, and sends its answers: how much it took.
    fn converse(&mut self, input: &[u8], means: &mut Means<'_, 's>) -> (usize, Step) {
        let context = means.context;
        let mut taken = match self.take_header(input, context) {
            Ok(Some(taken)) => taken,
            Ok(None) => {
                self.hungry = true;
                return (0, ControlFlow::Continue(()));
            }
            Err(Malformed) => return (input.len(), ControlFlow::Break(After::Over)),
        };
        let trusted = self.is_trusted.then_some(&context.proxies.trusted);
        let terms = Terms {
            trusted,
            role: self.role,
            is_near: self.is_near,
            ..means.terms
        };
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            #[cfg(test)]
            super::tests::panic_if_asked("turn", rest);
            let started = (!rest.is_empty()).then(Instant::now);
            let (used, turn) = self.conversation.next(rest, means.origin, &terms);
            taken += used;
            match turn {
                Turn::More { .. } => {
                    self.hungry = true;
                    return (taken, ControlFlow::Continue(()));
                }
                Turn::Over => return (input.len(), ControlFlow::Break(After::Over)),
                Turn::Answer(answer) => {
                    self.hungry = false;
                    let left = &mut means.budget.requests;
                    *left = left.saturating_sub(1);
                    let step = match answer.response.delay_seconds {
                        0 => self.send(answer, rest, started, means),
                        _ => self.hold(answer, rest, started, means),
                    };
                    let goes_on = self.lingering.is_none() && !means.budget.is_spent();
                    if step.is_break() || !goes_on {
                        return (taken, step);
                    }
                    if taken == input.len() {
                        self.hungry = true;
                        return (taken, step);
                    }
                }
            }
        }
    }

    /// Holds an answer back, unless too many are; `said` is the input in which the request was.
    fn hold(
        &mut self,
        mut answer: Answer<'s>,
        said: &[u8],
        started: Option<Instant>,
        means: &mut Means<'_, 's>,
    ) -> Step {
        let Some(place) = Place::take(&means.context.held) else {
            let is_head = answer.method.of(said) == b"HEAD";
            answer.response = Response::refusal(Reason::Busy);
            if is_head {
                answer.response = answer.response.without_content();
            }
            return self.send(answer, said, started, means);
        };
        answer.keep(said);
        let seconds = answer.response.delay_seconds;
        self.held = Some(Box::new(Held {
            answer,
            seconds,
            started,
            _place: place,
        }));
        ControlFlow::Break(After::Waits(Wait::Held))
    }

    /// An answer was held back for another second.
    pub(super) fn wake(&mut self, means: &mut Means<'_, 's>) -> After {
        let Some(mut held) = self.held.take() else {
            return After::Waits(self.waits());
        };
        held.seconds = held.seconds.saturating_sub(1);
        if held.seconds > 0 {
            self.held = Some(held);
            return After::Waits(Wait::Held);
        }
        match self.send(held.answer, b"", held.started, means) {
            ControlFlow::Break(after) => after,
            ControlFlow::Continue(()) => self.turn(means),
        }
    }

    /// Takes the header that has to come first: how many bytes, if it is there or there is none.
    fn take_header(&mut self, input: &[u8], context: &Context) -> Result<Option<usize>, Malformed> {
        let Some(versions) = self.header else {
            return Ok(Some(0));
        };
        let read = versions.read(input);
        let header = read.inspect_err(|_| context.statistics.ended(Ended::ProxyHeader))?;
        let Some(header) = header else {
            return Ok(None);
        };
        self.header = None;
        self.peer = match header.client {
            Client::Peer => self.peer,
            Client::At(address) => Some(address),
            Client::Unix => None,
        };
        self.is_near &= self.peer.is_some_and(|peer| peer.is_loopback());
        self.is_trusted = context.proxies.trusted.believes(self.peer);
        Ok(Some(header.bytes))
    }

    /// Sends an answer; `said` is the input in which the request was.
    fn send(
        &mut self,
        mut answer: Answer<'s>,
        said: &[u8],
        started: Option<Instant>,
        means: &mut Means<'_, 's>,
    ) -> Step {
        let mut pump = begin_to_make(&mut answer, means);
        let Scratch {
            head,
            piece,
            date,
            time,
            ..
        } = &mut *means.scratch;
        head.clear();
        answer.response.write_head(head, date, answer.connection);
        let mut sent = 0;
        let content = &answer.response.content;
        if content.len() > HELD_BYTES_MAX {
            self.hold_little();
        }
        let (file, budget) = (means.context.site_file.as_ref(), &mut means.budget);
        let progress = match &mut pump {
            Some(pump) => budget.send_made(&mut self.stream, head, pump, &mut sent),
            None => budget.send(&mut self.stream, head, content, &mut sent, file),
        };
        if let Some(after) = self.unfinished(&progress) {
            answer.keep(said);
            self.seen = sent;
            if let Some(pump) = &mut pump {
                pump.rest(piece);
            }
            let (head, time) = (head.clone(), *time);
            self.output = Some(Box::new(Output {
                head,
                answer,
                pump,
                sent,
                time,
                started,
            }));
            return ControlFlow::Break(after);
        }
        if let Some(pump) = pump {
            pump.end(piece);
        }
        if sent == 0 && matches!(progress, Ok(Progress::Damaged)) {
            answer.response = Response::refusal(Reason::SiteCorrupt);
            return self.send(answer, said, started, means);
        }
        let bytes = sent.saturating_sub(head.len() as u64);
        self.log(means.context, &answer, said, bytes, *time, started);
        self.after_answer(&progress, &answer, means)
    }

    fn continue_output(&mut self, means: &mut Means<'_, 's>) -> Step {
        let Some(mut output) = self.output.take() else {
            return ControlFlow::Continue(());
        };
        let Output {
            head,
            answer,
            pump,
            sent,
            ..
        } = &mut *output;
        let content = &answer.response.content;
        let (file, budget) = (means.context.site_file.as_ref(), &mut means.budget);
        let progress = match pump {
            Some(pump) => budget.send_made(&mut self.stream, head, pump, sent),
            None => budget.send(&mut self.stream, head, content, sent, file),
        };
        if let Some(after) = self.unfinished(&progress) {
            if let Some(pump) = &mut output.pump {
                pump.rest(&mut means.scratch.piece);
            }
            self.output = Some(output);
            return ControlFlow::Break(after);
        }
        let Output {
            head,
            mut answer,
            pump,
            sent,
            time,
            started,
        } = *output;
        if let Some(pump) = pump {
            pump.end(&mut means.scratch.piece);
        }
        if sent == 0 && matches!(progress, Ok(Progress::Damaged)) {
            answer.response = Response::refusal(Reason::SiteCorrupt);
            return self.send(answer, b"", started, means);
        }
        let bytes = sent.saturating_sub(head.len() as u64);
        self.log(means.context, &answer, b"", bytes, time, started);
        self.after_answer(&progress, &answer, means)
    }

    /// How the turn ends, if an answer is not all sent.
    fn unfinished(&mut self, progress: &std::io::Result<Progress>) -> Option<After> {
        match progress {
            Ok(Progress::Blocked) => {
                self.hold_little();
                Some(After::Waits(Wait::Write))
            }
            Ok(Progress::Spent) => Some(After::Yields),
            Ok(Progress::Done | Progress::Damaged) | Err(_) => None,
        }
    }

    /// A call, once, and only for a client that is slow or has asked for much.
    fn hold_little(&mut self) {
        if !std::mem::replace(&mut self.holds_little, true) {
            self.stream.hold_little();
        }
    }

    /// What is next after an answer that is sent, or that its client did not wait for.
    fn after_answer(
        &mut self,
        progress: &std::io::Result<Progress>,
        answer: &Answer<'_>,
        means: &Means<'_, '_>,
    ) -> Step {
        match progress {
            Ok(Progress::Done) => {}
            // The end of the connection is what tells that the content is cut short.
            Ok(Progress::Damaged | Progress::Blocked | Progress::Spent) => {
                return ControlFlow::Break(After::Over);
            }
            Err(_) => {
                means.context.statistics.ended(Ended::Gone);
                return ControlFlow::Break(After::Over);
            }
        }
        match answer.connection {
            Field::KeepAlive | Field::Persistent => ControlFlow::Continue(()),
            // What is unread when a socket is closed makes the system reset the connection.
            // So may the end of the process, if an answer is not all on its way by then.
            Field::Close if answer.lingers || self.readable || means.terms.draining => {
                self.begin_to_linger()
            }
            Field::Close => ControlFlow::Break(After::Over),
        }
    }

    /// Ends the connection, though its client was not told before.
    pub(super) fn part(&mut self, means: &mut Means<'_, 's>) -> After {
        match self.begin_to_linger() {
            ControlFlow::Break(after) => after,
            ControlFlow::Continue(()) => self.turn(means),
        }
    }

    /// Says that nothing more is sent, and waits for the client to say the same.
    fn begin_to_linger(&mut self) -> Step {
        if self.stream.stop_writing().is_err() {
            return ControlFlow::Break(After::Over);
        }
        self.lingering = Some(0);
        ControlFlow::Continue(())
    }

    /// Reads and drops what the client still sends.
    fn drop_input(&mut self, means: &mut Means<'_, 's>) -> Step {
        self.input = Vec::new();
        if !self.readable {
            return ControlFlow::Break(After::Waits(Wait::Linger));
        }
        let read = self.read(means)?.unwrap_or(0);
        let dropped = self.lingering.unwrap_or(0).saturating_add(read as u64);
        self.lingering = Some(dropped);
        if dropped > LINGER_BYTES_MAX {
            return ControlFlow::Break(After::Over);
        }
        ControlFlow::Continue(())
    }

    /// The request did not come in time.
    pub(super) fn time_out(&mut self, means: &mut Means<'_, 's>) -> After {
        if self.header.is_some() {
            means.context.statistics.ended(Ended::ProxyHeader);
            return After::Over;
        }
        if !self.has_begun() || self.output.is_some() {
            return After::Over;
        }
        #[cfg(test)]
        super::tests::panic_if_asked("time-out", &self.input);
        let answer = self.conversation.timed_out(&self.input);
        self.input = Vec::new();
        match self.send(answer, b"", None, means) {
            ControlFlow::Break(after) => after,
            ControlFlow::Continue(()) => self.turn(means),
        }
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
        let (coding, reason) = (answer.response.coding, answer.response.reason);
        let duration = started.map_or(Duration::ZERO, |started| started.elapsed());
        context.statistics.answered(&Answered {
            status,
            coding,
            reason,
            bytes,
            duration,
        });
        if !context.access_log.is_on() {
            return;
        }
        context.access_log.record(&Line {
            time,
            peer: answer.client.or(self.peer),
            method: answer.method.of(said),
            target: answer.target.of(said),
            host: answer.host.of(said),
            id: answer.id.of(said),
            status,
            bytes,
            coding,
            reason,
            duration,
        });
    }
}

/// Begins to make the content of an answer, if that is made. If it cannot be, the answer says so.
fn begin_to_make<'s>(answer: &mut Answer<'s>, means: &mut Means<'_, 's>) -> Option<Pump<'s>> {
    let (makers, spare) = (&means.context.makers, &mut means.scratch.piece);
    match Pump::start(&answer.response.content, makers, spare)? {
        Ok(pump) => Some(pump),
        Err(reason) => {
            answer.response = Response::refusal(reason);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use sitepack::compiler::{Compiler, Store};
    use sitepack::{ContentCoding, Site};

    use super::{After, Budget, Connection, Means, Scratch};
    use crate::limits::{GUNZIP_BYTES, PIECE_BYTES, RequestLimits, TURN_REQUESTS_MAX};
    use crate::log::AccessLog;
    use crate::origin::Origin;
    use crate::server::conversation::Terms;
    use crate::server::native::stream::Stream;
    use crate::server::native::timers::Wait;
    use crate::server::{Context, Role};

    const ASK: &[u8] = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// A connection without a loop, and its client.
    struct Bench {
        connection: Connection<'static>,
        origin: Origin<'static>,
        client: UnixStream,
        scratch: Scratch,
        context: Context,
    }

    impl Bench {
        fn new() -> Bench {
            Bench::on(crate::embedded::site().unwrap())
        }

        fn on(site: Site<'static>) -> Bench {
            let (server, client) = UnixStream::pair().unwrap();
            server.set_nonblocking(true).unwrap();
            client.set_nonblocking(true).unwrap();
            let stream = Stream::Unix(mio::net::UnixStream::from_std(server));
            let origin = Origin::new(site);
            Bench {
                connection: Connection::new(stream, None),
                client,
                scratch: Scratch::new(),
                context: Context::new(origin.clone(), AccessLog::off()),
                origin,
            }
        }

        fn says(&mut self, raw: &[u8]) {
            self.client.write_all(raw).unwrap();
            self.connection.set_readable(false);
        }

        /// A turn of which the client reads nothing.
        fn turn_unread(&mut self, budget: Budget) -> After {
            self.connection.turn(&mut Means {
                scratch: &mut self.scratch,
                context: &self.context,
                origin: &self.origin,
                terms: Terms {
                    limits: RequestLimits::default(),
                    requests_max: u32::MAX,
                    draining: false,
                    now: 1_795_305_600,
                    trusted: None,
                    role: Role::Site,
                    is_near: false,
                },
                budget,
            })
        }

        /// A turn, and how many bytes the client got.
        fn turn(&mut self, budget: Budget) -> (After, usize) {
            let after = self.turn_unread(budget);
            let mut bytes = Vec::new();
            let _ = self.client.read_to_end(&mut bytes);
            (after, bytes.len())
        }
    }

    #[test]
    fn a_turn_answers_so_many_requests_and_no_more() {
        let mut bench = Bench::new();
        bench.says(&ASK.repeat(1000));
        let mut turns = 0;
        loop {
            turns += 1;
            let (after, _) = bench.turn(Budget::TURN);
            let answered = bench.connection.answered();
            assert_eq!(answered, 1000.min(turns * TURN_REQUESTS_MAX));
            match after {
                After::Yields => assert!(answered <= 1000),
                After::Waits(wait) => {
                    assert_eq!((wait, answered), (Wait::Idle, 1000));
                    break;
                }
                After::Over => panic!("it ended"),
            }
        }
        assert_eq!(bench.connection.input.capacity(), 0, "it keeps a buffer");
    }

    #[test]
    fn a_turn_sends_so_many_bytes_and_no_more() {
        for range in ["", "Range: bytes=0-999\r\n", "Range: bytes=0-9,500-999\r\n"] {
            let mut bench = Bench::new();
            bench.says(format!("GET / HTTP/1.1\r\nHost: a\r\n{range}\r\n").as_bytes());
            let budget = Budget {
                sent_bytes: 700,
                ..Budget::TURN
            };
            assert_eq!(bench.turn(budget), (After::Yields, 700), "{range}");
            let (after, more) = bench.turn(Budget::TURN);
            assert_eq!(after, After::Waits(Wait::Idle), "{range}");
            assert!(more > 300, "{more} bytes, {range}");
        }
    }

    /// A site whose `/a.txt` of 1 MB is stored as its gzip coding alone.
    fn coded() -> Site<'static> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), text()).unwrap();
        let compiler = Compiler::new().files("/", root.path()).store(Store::Coded);
        let compiler = compiler.codings(&[ContentCoding::Gzip]);
        Site::open(compiler.compile().unwrap().bytes.leak()).unwrap()
    }

    fn text() -> Vec<u8> {
        let lines = (0..100_000).map(|number| format!("{number:09}\n"));
        lines.flat_map(String::into_bytes).collect()
    }

    #[test]
    fn a_turn_makes_so_many_bytes_and_no_more() {
        let mut bench = Bench::on(coded());
        let budget = Budget {
            made_bytes: 100_000,
            ..Budget::TURN
        };
        bench.says(b"GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=-20\r\n\r\n");
        let mut turns = 0;
        loop {
            turns += 1;
            let progressed = bench.connection.has_progressed(1);
            match bench.turn(budget) {
                (After::Yields, 0) => assert!(progressed || turns < 3, "it seems to stand still"),
                (after, bytes) => {
                    assert_eq!(after, After::Waits(Wait::Idle));
                    assert!((100..1_000).contains(&bytes), "{bytes}");
                    break;
                }
            }
        }
        assert!((7..=10).contains(&turns), "{turns} turns to skip 1 MB");
        assert_eq!(bench.context.makers.bytes(), 0);
        bench.says(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut bytes = 0;
        loop {
            let (after, more) = bench.turn(budget);
            bytes += more;
            assert!(more <= 100_000 + 2 * PIECE_BYTES, "{more} in a turn");
            if after == After::Waits(Wait::Idle) {
                break;
            }
        }
        assert!(bytes > 1_000_000, "{bytes}");
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn what_compresses_to_nothing_is_made_in_many_turns() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), vec![b' '; 8 << 20]).unwrap();
        let compiler = Compiler::new().files("/", root.path()).store(Store::Small);
        let site = Site::open(compiler.compile().unwrap().bytes.leak()).unwrap();
        let mut bench = Bench::on(site);
        for range in ["", "Range: bytes=-20\r\n"] {
            let accepted = "Accept-Encoding: gzip";
            bench.says(
                format!("GET /a.txt HTTP/1.1\r\nHost: a\r\n{accepted}\r\n{range}\r\n").as_bytes(),
            );
            let (mut turns, mut bytes) = (0, 0);
            loop {
                turns += 1;
                let (after, more) = bench.turn(Budget::TURN);
                bytes += more;
                let progressed = bench.connection.has_progressed(32 << 10);
                if after != After::Yields {
                    assert_eq!(after, After::Waits(Wait::Idle));
                    break;
                }
                assert!(progressed, "it seems to stand still");
            }
            assert!((300..20_000).contains(&bytes), "{bytes} {range}");
            assert!(
                (16..=40).contains(&turns),
                "{turns} turns of half a MiB, {range}"
            );
        }
    }

    #[test]
    fn what_waits_for_its_client_holds_a_piece_and_a_decoder_and_no_more() {
        let mut bench = Bench::on(coded());
        bench.says(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        bench.says(b"GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-50000\r\n\r\n");
        while bench.turn_unread(Budget::TURN) == After::Yields {}
        assert_eq!(bench.connection.waits(), Wait::Write);
        let bytes = bench.context.makers.bytes();
        assert_eq!(bytes, GUNZIP_BYTES + PIECE_BYTES as u64);
        while bench.turn(Budget::TURN).0 != After::Waits(Wait::Idle) {}
        assert_eq!(bench.context.makers.bytes(), 0);
        assert_eq!(
            bench.scratch.piece.len(),
            PIECE_BYTES,
            "it is kept for the next"
        );
    }

    #[test]
    fn a_turn_reads_so_many_bytes_and_no_more() {
        let mut bench = Bench::new();
        bench.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
        bench.says(&[b'x'; 10_000]);
        let budget = Budget {
            read_bytes: 1,
            ..Budget::TURN
        };
        // A buffer of the thread at once.
        assert_eq!(bench.turn(budget), (After::Yields, 0));
        assert_eq!(bench.connection.waits(), Wait::Request);
        let (after, _) = bench.turn(Budget::TURN);
        assert_eq!(after, After::Waits(Wait::Request));
        bench.says(&[b'x'; 10_000]);
        let (after, answer) = bench.turn(Budget::TURN);
        assert_eq!(after, After::Waits(Wait::Idle));
        assert!(answer > 0);
    }

    #[test]
    fn after_waiting_for_its_client_an_idle_connection_keeps_no_buffer() {
        let mut bench = Bench::new();
        bench.says(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000));
        let budget = Budget {
            sent_bytes: u64::MAX,
            requests: u32::MAX,
            ..Budget::TURN
        };
        let (after, _) = bench.turn(budget);
        assert_eq!(after, After::Waits(Wait::Write));
        assert!(!bench.connection.input.is_empty());
        while bench.turn(budget).0 != After::Waits(Wait::Idle) {}
        assert_eq!(bench.connection.answered(), 1000);
        assert_eq!(bench.connection.input.capacity(), 0, "it keeps a buffer");
    }

    #[test]
    fn what_comes_behind_an_answer_that_ends_the_connection_is_read_at_once() {
        let mut bench = Bench::new();
        bench.says(b"no request\r\n\r\n");
        bench.says(&[b'x'; 100_000]);
        let (after, answer) = bench.turn(Budget::TURN);
        assert_eq!(after, After::Waits(Wait::Linger));
        assert!(answer > 0);
        // A connection that closes with something unread resets, and its client loses the answer.
        assert!(
            !bench.connection.readable,
            "there is more, and nobody will tell"
        );
    }
}
