//! Contents that are made while they are sent: a piece at a time, in bounded memory.
//!
//! 1. A content is made in pieces of [`PIECE_BYTES`]; what its client has not taken of one keeps
//!    the next from being made. A content of one piece, as most are, frees its decoder before it
//!    is sent.
//! 2. All makers of the process share one bound of memory. Beyond it there is an answer that says
//!    so: 503 with Retry-After, rather than a process that the system ends.
//! 3. The first piece is made before the head is sent, so that what is damaged becomes a 500.
//!    What shows later ends the connection: nothing else tells a client that there is no more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(feature = "tiny_http")]
use std::sync::{Mutex, PoisonError};

use sitepack::{Maker, Making, Step};

use crate::limits::{GUNZIP_BYTES, MAKERS_BYTES_MAX, PIECE_BYTES, UNZSTD_BYTES, UNZSTD_GZIP_BYTES};
use crate::log::fail;
use crate::pages::manifest::Listing;
use crate::reason::Reason;
use crate::response::{Content, Made};

/// How much dearer a byte is that is coded than one that is decoded, besides what is decoded for
/// it.
const CODED_WEIGHT: u64 = 8;

/// How much dearer a byte of a manifest is: it is put together from records.
const LISTED_WEIGHT: u64 = 8;

/// How many buffers for pieces are kept for threads that keep none.
#[cfg(feature = "tiny_http")]
const SPARE_PIECES_MAX: usize = 8;

/// The memory that all makers of the process hold.
#[derive(Debug)]
pub struct Makers {
    bytes: AtomicU64,
    bytes_max: u64,
    /// Whether it was said that something is damaged.
    said: AtomicBool,
    /// Buffers for threads that keep none.
    #[cfg(feature = "tiny_http")]
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Default for Makers {
    fn default() -> Makers {
        Makers::new(MAKERS_BYTES_MAX)
    }
}

impl Makers {
    /// Makers that may hold so much.
    #[must_use]
    pub fn new(bytes_max: u64) -> Makers {
        Makers {
            bytes: AtomicU64::new(0),
            bytes_max,
            said: AtomicBool::new(false),
            #[cfg(feature = "tiny_http")]
            spare: Mutex::default(),
        }
    }

    /// A buffer for pieces, empty if there is none.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn spare(&self) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next content.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn keep(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_PIECES_MAX && !buffer.is_empty() {
            spare.push(buffer);
        }
    }

    /// How much they hold.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Room for one more, if there is.
    fn permit(self: &Arc<Makers>, bytes: u64) -> Option<Permit> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let permit = Permit {
            makers: self.clone(),
            bytes,
        };
        (before.saturating_add(bytes) <= self.bytes_max).then_some(permit)
    }

    /// Says, once, that a content cannot be made.
    fn failed(&self, error: &io::Error) {
        if !self.said.swap(true, Ordering::Relaxed) {
            fail(format_args!(
                "a content cannot be made: {error}; `chapbook verify` tells which"
            ));
        }
    }
}

/// Room in the bound, given back when it is dropped.
#[derive(Debug)]
struct Permit {
    makers: Arc<Makers>,
    bytes: u64,
}

impl Permit {
    /// Gives back all but so much.
    fn shrink(&mut self, bytes: u64) {
        let back = self.bytes.saturating_sub(bytes);
        self.bytes -= back;
        self.makers.bytes.fetch_sub(back, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// A content under way: what makes it, and the piece that is being sent.
#[derive(Debug)]
pub(crate) struct Pump<'s> {
    /// None when all is made.
    maker: Option<Source<'s>>,
    /// What stands before the part that was asked for, and is not made yet.
    skip: u64,
    /// What was decoded so far and is not seen by the client.
    unseen: u64,
    /// What is not made yet; of unknown length, more than there can be.
    left: u64,
    weight: u64,
    buffer: Vec<u8>,
    /// What of the buffer is made and not sent.
    unsent: std::ops::Range<usize>,
    permit: Permit,
}

/// What makes it.
#[derive(Debug)]
enum Source<'s> {
    Maker(Maker<'s>),
    Listing(Listing<'s>),
}

impl<'s> Pump<'s> {
    /// Begins to make a content, if it is made. It takes its buffer from `spare`, if there is one.
    ///
    /// # Errors
    /// `Busy` at the bound; `SiteCorrupt` when it cannot be made.
    pub(crate) fn start(
        content: &Content<'s>,
        makers: &Arc<Makers>,
        spare: &mut Vec<u8>,
    ) -> Option<Result<Pump<'s>, Reason>> {
        match content {
            Content::Made(made) => Some(Pump::made(made, makers, spare)),
            Content::Listed(listing) => Some(Pump::listed((**listing).clone(), makers, spare)),
            Content::Empty | Content::Whole(_) | Content::Pieces(_) => None,
        }
    }

    fn listed(
        listing: Listing<'s>,
        makers: &Arc<Makers>,
        spare: &mut Vec<u8>,
    ) -> Result<Pump<'s>, Reason> {
        let permit = makers.permit(PIECE_BYTES as u64).ok_or(Reason::Busy)?;
        Ok(Pump::of(
            Source::Listing(listing),
            0,
            u64::MAX,
            LISTED_WEIGHT,
            permit,
            spare,
        ))
    }

    fn of(
        source: Source<'s>,
        skip: u64,
        left: u64,
        weight: u64,
        permit: Permit,
        spare: &mut Vec<u8>,
    ) -> Pump<'s> {
        let mut buffer = std::mem::take(spare);
        buffer.resize(PIECE_BYTES, 0);
        Pump {
            maker: Some(source),
            skip,
            unseen: 0,
            left,
            weight,
            buffer,
            unsent: 0..0,
            permit,
        }
    }

    fn made(
        made: &Made<'s>,
        makers: &Arc<Makers>,
        spare: &mut Vec<u8>,
    ) -> Result<Pump<'s>, Reason> {
        let (decoder_bytes, weight) = match made.making() {
            Making::Stored => (0, 0),
            Making::Gunzip => (GUNZIP_BYTES, 0),
            Making::Unzstd => (UNZSTD_BYTES, 0),
            Making::UnzstdGzip => (UNZSTD_GZIP_BYTES, CODED_WEIGHT),
        };
        let bytes = decoder_bytes + PIECE_BYTES as u64;
        let permit = makers.permit(bytes).ok_or(Reason::Busy)?;
        let (skip, maker) = made.maker().map_err(|error| {
            makers.failed(&error);
            Reason::SiteCorrupt
        })?;
        let source = Source::Maker(maker);
        Ok(Pump::of(source, skip, made.length(), weight, permit, spare))
    }

    /// Whether all is made.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn is_made(&self) -> bool {
        self.left == 0
    }

    /// Whether all is made and sent.
    pub(crate) fn is_done(&self) -> bool {
        self.unsent.is_empty() && self.left == 0
    }

    /// What is made and not sent.
    pub(crate) fn piece(&self) -> &[u8] {
        self.buffer.get(self.unsent.clone()).unwrap_or_default()
    }

    /// How much was decoded only to be skipped, or to be coded again.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(
            dead_code,
            reason = "only the native engine does not wait for a client"
        )
    )]
    pub(crate) fn unseen(&self) -> u64 {
        self.unseen
    }

    /// So much of the piece was sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.unsent.start = self.unsent.end.min(self.unsent.start.saturating_add(bytes));
    }

    /// Makes the next piece, when all of the one before is sent. What that costs it takes off
    /// `allowance`; when nothing is left of that, the piece is shorter, or there is none yet.
    ///
    /// # Errors
    /// When what the content is made of is damaged.
    pub(crate) fn fill(&mut self, allowance: &mut u64) -> io::Result<()> {
        let filled = self.make(allowance);
        filled.inspect_err(|error| self.permit.makers.failed(error))
    }

    /// The same however long it takes.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn fill_at_once(&mut self) -> io::Result<()> {
        let mut allowance = u64::MAX;
        self.fill(&mut allowance)
    }

    fn make(&mut self, allowance: &mut u64) -> io::Result<()> {
        let Some(maker) = self.maker.as_mut().filter(|_| self.unsent.is_empty()) else {
            return Ok(());
        };
        self.unsent = 0..0;
        while self.left > 0 && self.unsent.end < self.buffer.len() && *allowance > 0 {
            let (start, most) = match self.skip {
                0 => (self.unsent.end, self.left),
                skip => (0, skip),
            };
            let room = self.buffer.get_mut(start..).unwrap_or_default();
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(room.len());
            let room = room.get_mut(..most).unwrap_or_default();
            let (step, is_over) = maker.step(room)?;
            let made = step.made as u64;
            if self.skip > 0 {
                self.skip -= made;
                self.unseen += step.decoded as u64;
            } else {
                self.unsent.end += step.made;
                self.left = if is_over { 0 } else { self.left - made };
                self.unseen += (step.decoded as u64).saturating_sub(made);
            }
            // A step that gave nothing has its price too: there is an end to all of them.
            let cost = (step.decoded as u64).max(1) + made * self.weight;
            *allowance = allowance.saturating_sub(cost);
        }
        if self.left == 0 {
            self.maker = None;
            self.permit.shrink(self.buffer.len() as u64);
        }
        Ok(())
    }

    /// Whether it is made twice, to see first that it can be.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn is_tried(&self) -> bool {
        matches!(self.maker, Some(Source::Maker(_)))
    }

    /// Its client takes no more for now: keeps of the last piece only what is not sent. `spare` is
    /// given the rest of the buffer.
    #[cfg_attr(
        not(all(unix, feature = "native")),
        expect(
            dead_code,
            reason = "only the native engine does not wait for a client"
        )
    )]
    pub(crate) fn rest(&mut self, spare: &mut Vec<u8>) {
        if self.maker.is_none() && self.buffer.len() == PIECE_BYTES {
            let kept = self.piece().to_vec();
            self.permit.shrink(kept.len() as u64);
            self.unsent = 0..kept.len();
            *spare = std::mem::replace(&mut self.buffer, kept);
        }
    }

    /// The end of it; `spare` is given the buffer.
    pub(crate) fn end(self, spare: &mut Vec<u8>) {
        if self.buffer.len() == PIECE_BYTES {
            *spare = self.buffer;
        }
    }
}

impl Source<'_> {
    /// Makes more, and whether that was the last of what has no length.
    fn step(&mut self, room: &mut [u8]) -> io::Result<(Step, bool)> {
        match self {
            Source::Maker(maker) => Ok((maker.step(room)?, false)),
            Source::Listing(listing) => {
                let (made, is_over) = listing.step(room);
                let step = Step {
                    made,
                    decoded: made,
                };
                Ok((step, is_over))
            }
        }
    }
}
