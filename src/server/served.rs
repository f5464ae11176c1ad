//! What is served, and how another site takes its place while the server runs.
//!
//! A **generation** is a site and all that is answered from it. Each thread that answers holds the
//! generation that it answers from, and borrows the site from there; so a site's memory goes with
//! the last of its answers, and nothing has to be leaked. [`Context::replace`] begins the next
//! generation: the portable engine asks for the current one at each request; the native one has
//! event loops of each, on the same listeners, and those of the old end as a server ends:
//! connections close, answers under way complete, a deadline ends the rest. Whoever begins many
//! generations asks [`Served::generations`] first, and waits.
//!
//! [`Context::replace`]: super::Context::replace

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use sitepack::OwnedSite;

use super::Shutdown;
use crate::origin::{Manner, Origin};

/// What is served now.
#[derive(Debug)]
pub(crate) struct Served {
    current: RwLock<Arc<Generation>>,
    /// Those of before that may still be answered from.
    before: Mutex<Vec<Weak<Generation>>>,
    manner: Manner,
}

/// A site, for as long as it is served.
#[derive(Debug)]
pub(crate) struct Generation {
    site: Kept,
    /// Begun when another site takes its place, and when the server ends.
    pub(crate) ending: Shutdown,
}

/// A site, and how long it is there.
#[derive(Debug)]
enum Kept {
    /// As long as the program.
    Always(Origin<'static>),
    /// As long as its generation.
    Held(OwnedSite, Manner),
}

impl Served {
    pub(crate) fn new(origin: Origin<'static>) -> Served {
        let manner = origin.manner().clone();
        Served {
            current: RwLock::new(Generation::of(Kept::Always(origin))),
            before: Mutex::default(),
            manner,
        }
    }

    /// The first of several sites, or the only one.
    pub(crate) fn holding(site: OwnedSite, manner: Manner) -> Served {
        Served {
            current: RwLock::new(Generation::of(Kept::Held(site, manner.clone()))),
            before: Mutex::default(),
            manner,
        }
    }

    /// The current generation.
    pub(crate) fn current(&self) -> Arc<Generation> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How all generations answer.
    pub(crate) fn manner(&self) -> &Manner {
        &self.manner
    }

    /// Begins the next generation, and the end of the one before; unless `shutdown` has begun.
    pub(super) fn replace(&self, site: OwnedSite, shutdown: &Shutdown) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Asked under the lock: whoever begins it ends the current generation after that.
        if shutdown.is_begun() {
            return;
        }
        let next = Generation::of(Kept::Held(site, self.manner.clone()));
        let old = std::mem::replace(&mut *current, next);
        drop(current);
        self.before().push(Arc::downgrade(&old));
        old.ending.begin();
    }

    /// How many generations there are: the current one, and those that end.
    pub(super) fn generations(&self) -> usize {
        let mut before = self.before();
        before.retain(|generation| generation.strong_count() > 0);
        before.len() + 1
    }

    fn before(&self) -> MutexGuard<'_, Vec<Weak<Generation>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generation {
    fn of(site: Kept) -> Arc<Generation> {
        Arc::new(Generation {
            site,
            ending: Shutdown::default(),
        })
    }

    /// Answers from its site.
    pub(crate) fn origin(&self) -> Origin<'_> {
        match &self.site {
            Kept::Always(origin) => origin.clone(),
            Kept::Held(site, manner) => Origin::new(site.site()).with_manner(manner.clone()),
        }
    }
}
