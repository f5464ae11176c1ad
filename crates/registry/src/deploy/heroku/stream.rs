//! What a release phase prints, shown as it comes.
//!
//! 1. It is asked for at Heroku's hosts alone, without the token; its address, which holds a secret
//!    of its own, is told to nobody, and no redirect is followed.
//! 2. § It is not there at once: 404 is asked again, as Heroku's own client does (heroku/cli
//!    11.9.0), a pause apart.
//! 3. An answer is listened to for as long as a silence may last; then its release is looked at,
//!    and the stream is asked for again. It begins anew each time, and what was shown is passed
//!    over. So none that hangs, or never ends, hides how the release ended.

use std::io::{self, Write};

use remote::{Address, Deadline, Near, near};

use crate::World;
use crate::client::{Client, Content, Method, Request, Trouble};

/// A release phase prints what a migration does: 4 MiB of it are more than anybody reads.
const STREAM_BYTES_MAX: u64 = 4 << 20;
/// Of one line; a longer one is broken.
const LINE_BYTES_MAX: usize = 4096;
/// How often 404 is believed to mean "not yet".
const NOT_YET_MAX: u32 = 30;

/// One release's.
pub(super) struct Stream<'a> {
    /// None once there is nothing more to ask for.
    address: Option<Address>,
    world: &'a World<'a>,
    lines: Lines,
    not_yet: u32,
    /// Why it is not shown, or not all of it.
    trouble: Option<String>,
}

/// How an attempt at it ended.
enum Ended {
    /// That was all.
    Whole,
    /// There may be more.
    Part(String),
    /// There will be no more.
    Lost(String),
}

impl<'a> Stream<'a> {
    /// `base` is the API's own address: one on this machine has its streams here.
    pub(super) fn open(world: &'a World<'a>, base: &Address, address: &str) -> Stream<'a> {
        let (address, trouble) = match checked(world, base, address) {
            Ok(address) => (Some(address), None),
            Err(cause) => (None, Some(cause)),
        };
        Stream {
            address,
            world,
            lines: Lines::default(),
            not_yet: 0,
            trouble,
        }
    }

    /// Shows what there is by now, or comes within a time.
    pub(super) fn listen(&mut self, until: &Deadline, out: &mut dyn Write) -> Result<(), String> {
        let Some(address) = self.address.clone() else {
            return Ok(());
        };
        match self.attempt(&address, until, out) {
            Ended::Whole => (self.address, self.trouble) = (None, None),
            Ended::Part(cause) => self.trouble = Some(cause),
            Ended::Lost(cause) => (self.address, self.trouble) = (None, Some(cause)),
        }
        self.lines.failure.take().map_or(Ok(()), Err)
    }

    /// Once its release has ended, and with it all that it prints: the rest, or what is missing.
    pub(super) fn end(mut self, until: &Deadline, out: &mut dyn Write) -> Result<(), String> {
        self.listen(until, out)?;
        self.lines.end(self.world, out)?;
        // How the release ended is told by itself.
        match self.trouble {
            None => Ok(()),
            Some(cause) if self.lines.passed == 0 => {
                let line = format!("what the release phase prints is not shown: {cause}");
                tell(out, &line)
            }
            Some(cause) => tell(out, &format!("the release phase printed more: {cause}")),
        }
    }

    fn attempt(&mut self, address: &Address, until: &Deadline, out: &mut dyn Write) -> Ended {
        // Half of what is left at most: the release has to be looked at after it.
        let world = self.world;
        let slice = until.left().map(|left| world.limits.idle.min(left / 2));
        let slice = match slice {
            Ok(slice) => Deadline::after(slice),
            Err(cause) => return Ended::Lost(cause),
        };
        let client = match Client::new(world, slice) {
            Ok(client) => client,
            Err(cause) => return Ended::Lost(cause),
        };
        self.lines.at = 0;
        let mut passed_on = PassedOn {
            lines: &mut self.lines,
            world,
            out,
        };
        let request = Request {
            method: Method::Get,
            address,
            fields: &[],
            content: Content::None,
            authorization: None,
            bytes_max: STREAM_BYTES_MAX,
        };
        let answer = client.once(request, Some(&mut passed_on));
        let is_over = slice.left().is_err();
        match answer {
            Ok(answer) if answer.status == 200 => Ended::Whole,
            Ok(answer) if answer.status == 404 && self.not_yet < NOT_YET_MAX => {
                self.not_yet += 1;
                Ended::Part(format!("it answered {}", answer.said()))
            }
            Ok(answer) if answer.is_passing() => {
                Ended::Part(format!("it answered {}", answer.said()))
            }
            Ok(answer) => Ended::Lost(format!("it answered {}", answer.said())),
            Err(Trouble::Passing(cause)) => Ended::Part(hidden(&cause, address)),
            Err(Trouble::Final(_)) if is_over => {
                Ended::Part("it did not end with the release".to_owned())
            }
            Err(Trouble::Final(cause)) => Ended::Lost(hidden(&cause, address)),
        }
    }
}

fn checked(world: &World<'_>, base: &Address, address: &str) -> Result<Address, String> {
    let address = Address::parse(address)?;
    let is_heroku = [".heroku.com", ".herokuapp.com"]
        .iter()
        .any(|zone| address.host.ends_with(zone));
    let is_here = [&address, base]
        .iter()
        .all(|address| near(&address.host) == Some(Near::Loopback));
    match is_heroku || is_here {
        true => Ok(address),
        false => Err(format!(
            "`{}` is no host of Heroku's",
            world.shown(&address.host)
        )),
    }
}

fn hidden(cause: &str, address: &Address) -> String {
    cause.replace(&address.to_string(), "its stream")
}

pub(super) fn tell(out: &mut dyn Write, line: &str) -> Result<(), String> {
    writeln!(out, "{line}").map_err(unwritten)
}

fn unwritten(error: io::Error) -> String {
    format!("failed to write `standard output`: {error}")
}

/// Lines, without what would move a terminal's cursor.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// Bytes that were passed on, and how far the answer of now has come.
    passed: u64,
    at: u64,
    /// That nothing can be written any more.
    failure: Option<String>,
}

impl Lines {
    fn end(&mut self, world: &World<'_>, out: &mut dyn Write) -> Result<(), String> {
        if self.line.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.line);
        let text = world.secrets.masked(&text);
        let mut shown = String::new();
        for character in text.trim_end_matches(['\n', '\r']).chars() {
            match character {
                '\t' => shown.push(character),
                _ if character.is_control() => shown.extend(character.escape_default()),
                _ => shown.push(character),
            }
        }
        self.line.clear();
        tell(out, &format!("| {shown}"))
    }
}

struct PassedOn<'a> {
    lines: &'a mut Lines,
    world: &'a World<'a>,
    out: &'a mut dyn Write,
}

impl Write for PassedOn<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        for byte in buffer {
            self.lines.at += 1;
            if self.lines.at <= self.lines.passed {
                continue;
            }
            self.lines.passed = self.lines.at;
            self.lines.line.push(*byte);
            if (*byte == b'\n' || self.lines.line.len() >= LINE_BYTES_MAX)
                && let Err(cause) = self.lines.end(self.world, self.out)
            {
                self.lines.failure = Some(cause.clone());
                return Err(io::Error::other(cause));
            }
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
