//! Timers for connections: a queue for each kind of waiting.
//!
//! Everybody in a queue waits equally long, so the queue is sorted by itself: who came last waits
//! longest. Setting a timer, clearing it and asking for the next to expire cost the same for ten
//! connections and for ten thousand.

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The rest of a request.
    Request,
    /// The next request.
    Idle,
    /// The client to take what is sent.
    Write,
    /// The client to close, after an answer that ended the connection.
    Linger,
    /// A first request, while the server ends.
    First,
    /// A second of those that an answer is held back for.
    Held,
}

impl Wait {
    pub(crate) const ALL: [Wait; 6] = [
        Wait::Request,
        Wait::Idle,
        Wait::Write,
        Wait::Linger,
        Wait::First,
        Wait::Held,
    ];
}

const NOBODY: usize = usize::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    wait: Option<Wait>,
    since: u64,
    before: usize,
    after: usize,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: usize,
    last: usize,
}

/// The timers of all connections, named by their keys. Times are in milliseconds.
#[derive(Debug)]
pub(crate) struct Timers {
    nodes: Vec<Node>,
    queues: [Queue; Wait::ALL.len()],
    patience: [u64; Wait::ALL.len()],
}

impl Timers {
    /// `patience` says how long each kind of waiting may last, in the order of [`Wait::ALL`].
    pub(crate) fn new(patience: [u64; Wait::ALL.len()]) -> Timers {
        let empty = Queue {
            first: NOBODY,
            last: NOBODY,
        };
        Timers {
            nodes: Vec::new(),
            queues: [empty; Wait::ALL.len()],
            patience,
        }
    }

    /// Key `key` waits from `now` on, and no longer for what it waited for.
    pub(crate) fn set(&mut self, key: usize, wait: Wait, now: u64) {
        self.clear(key);
        if key >= self.nodes.len() {
            let free = Node {
                wait: None,
                since: 0,
                before: NOBODY,
                after: NOBODY,
            };
            self.nodes.resize(key + 1, free);
        }
        let Some(queue) = self.queues.get_mut(wait as usize) else {
            return;
        };
        let last = std::mem::replace(&mut queue.last, key);
        if last == NOBODY {
            queue.first = key;
        } else if let Some(node) = self.nodes.get_mut(last) {
            node.after = key;
        }
        if let Some(node) = self.nodes.get_mut(key) {
            *node = Node {
                wait: Some(wait),
                since: now,
                before: last,
                after: NOBODY,
            };
        }
    }

    /// Key `key` waits for nothing.
    pub(crate) fn clear(&mut self, key: usize) {
        let Some(node) = self.nodes.get_mut(key) else {
            return;
        };
        let Some(wait) = node.wait.take() else { return };
        let Node { before, after, .. } = *node;
        if let Some(node) = self.nodes.get_mut(before) {
            node.after = after;
        }
        if let Some(node) = self.nodes.get_mut(after) {
            node.before = before;
        }
        let Some(queue) = self.queues.get_mut(wait as usize) else {
            return;
        };
        if queue.first == key {
            queue.first = after;
        }
        if queue.last == key {
            queue.last = before;
        }
    }

    /// What `key` waits for.
    pub(crate) fn waits(&self, key: usize) -> Option<Wait> {
        self.nodes.get(key).and_then(|node| node.wait)
    }

    /// How long `key` has waited at `now`, if it does.
    pub(crate) fn waited(&self, key: usize, now: u64) -> Option<u64> {
        let node = self.nodes.get(key)?;
        node.wait.map(|_| now.saturating_sub(node.since))
    }

    /// Who has waited longest for this, if at `now` that is at least so long.
    pub(crate) fn longest(&self, wait: Wait, now: u64, at_least: u64) -> Option<usize> {
        let (key, since) = self.first(wait)?;
        (since.saturating_add(at_least) <= now).then_some(key)
    }

    /// Somebody who has waited too long at `now`, and for what. Their timer is cleared.
    pub(crate) fn expired(&mut self, now: u64) -> Option<(usize, Wait)> {
        let found = Wait::ALL.into_iter().find_map(|wait| {
            let (key, due) = self.due(wait)?;
            (due <= now).then_some((key, wait))
        })?;
        self.clear(found.0);
        Some(found)
    }

    /// How long until somebody will have waited too long.
    pub(crate) fn next(&self, now: u64) -> Option<u64> {
        let dues = Wait::ALL.into_iter().filter_map(|wait| self.due(wait));
        dues.map(|(_, due)| due.saturating_sub(now)).min()
    }

    fn due(&self, wait: Wait) -> Option<(usize, u64)> {
        let (key, since) = self.first(wait)?;
        Some((
            key,
            since.saturating_add(*self.patience.get(wait as usize)?),
        ))
    }

    fn first(&self, wait: Wait) -> Option<(usize, u64)> {
        let key = self.queues.get(wait as usize)?.first;
        Some((key, self.nodes.get(key)?.since))
    }
}

#[cfg(test)]
mod tests {
    use super::{Timers, Wait};

    #[test]
    fn who_waited_longest_expires_first() {
        let mut timers = Timers::new([10, 100, 20, 5, 5, 5]);
        timers.set(0, Wait::Idle, 0);
        timers.set(1, Wait::Request, 1);
        timers.set(2, Wait::Request, 2);
        assert_eq!(timers.next(3), Some(8));
        assert_eq!(timers.expired(10), None);
        assert_eq!(timers.expired(12), Some((1, Wait::Request)));
        assert_eq!(timers.expired(12), Some((2, Wait::Request)));
        assert_eq!(timers.expired(12), None);
        assert_eq!(timers.next(12), Some(88));
        assert_eq!(timers.expired(100), Some((0, Wait::Idle)));
        assert_eq!(timers.next(100), None);
    }

    #[test]
    fn setting_again_starts_again_and_clearing_keeps_the_rest() {
        let mut timers = Timers::new([10; 6]);
        for key in 0..5 {
            timers.set(key, Wait::Idle, key as u64);
        }
        timers.set(0, Wait::Idle, 5);
        timers.clear(2);
        timers.clear(2);
        timers.clear(99);
        timers.set(4, Wait::Write, 6);
        assert_eq!(timers.longest(Wait::Idle, 5, 4), Some(1));
        assert_eq!(timers.longest(Wait::Idle, 5, 5), None);
        assert_eq!(timers.longest(Wait::Linger, 5, 0), None);
        assert_eq!(timers.waits(2), None);
        assert_eq!((timers.waited(2, 9), timers.waited(4, 9)), (None, Some(3)));
        assert_eq!(timers.waits(4), Some(Wait::Write));
        let order: Vec<_> = std::iter::from_fn(|| timers.expired(1000))
            .map(|(k, _)| k)
            .collect();
        assert_eq!(order, [1, 3, 0, 4]);
        assert_eq!(timers.next(0), None);
    }

    #[test]
    fn a_long_mixture_agrees_with_a_plain_list() {
        let mut timers = Timers::new([3, 5, 7, 11, 13, 17]);
        let mut plain: Vec<(u64, usize, Wait)> = Vec::new();
        let mut state = 7_u64;
        for now in 0..5_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = (state >> 33) as usize % 50;
            let wait = Wait::ALL[(state >> 40) as usize % 6];
            plain.retain(|(_, known, _)| *known != key);
            if state >> 60 == 0 {
                timers.clear(key);
            } else {
                timers.set(key, wait, now);
                plain.push((now + [3, 5, 7, 11, 13, 17][wait as usize], key, wait));
            }
            while let Some((key, wait)) = timers.expired(now) {
                let at = plain
                    .iter()
                    .position(|entry| (entry.1, entry.2) == (key, wait));
                let (due, _, _) = plain.remove(at.unwrap());
                assert!(due <= now);
            }
            assert!(plain.iter().all(|(due, _, _)| *due > now));
            let next = plain.iter().map(|(due, _, _)| due - now).min();
            assert_eq!(timers.next(now), next);
        }
    }
}
