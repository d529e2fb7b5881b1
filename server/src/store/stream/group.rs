//! Consumer groups: how far a group has read, and what its consumers have not confirmed.

use super::Id;
use std::collections::{BTreeMap, BTreeSet};

/// A group of consumers.
#[derive(Clone, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last: Id,
    /// How many entries of the stream's history are up to that one; [`Group::UNKNOWN`] if nobody knows.
    pub read: i64,
    pending: BTreeMap<Id, Pending>,
    /// By number; numbers are given anew when their consumers have gone.
    consumers: Vec<Option<Consumer>>,
    names: BTreeMap<Box<[u8]>, Number>,
}

/// The number of a consumer in its group.
pub type Number = u32;

/// An entry that was delivered and is not confirmed.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Whose it is.
    pub owner: Number,
    /// When it was delivered last, Unix milliseconds.
    pub time: i64,
    /// How often.
    pub count: u64,
}

impl Pending {
    /// How long it has been so, in milliseconds.
    pub fn idle(&self, now_ms: i64) -> i64 {
        now_ms.wrapping_sub(self.time)
    }
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Box<[u8]>,
    /// When it was heard of last, Unix milliseconds.
    pub seen: i64,
    pending: BTreeSet<Id>,
}

impl Consumer {
    /// How many entries it has not confirmed.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The IDs of these, from `from` on.
    pub fn pending_from(&self, from: Id) -> impl Iterator<Item = Id> {
        self.pending.range(from..).copied()
    }
}

impl Group {
    /// [`Group::read`] when it is not known.
    pub const UNKNOWN: i64 = -1;

    /// A group that has read up to `last`.
    pub fn new(last: Id, read: i64) -> Group {
        Group {
            last,
            read,
            ..Group::default()
        }
    }

    /// The number of a consumer.
    pub fn find(&self, name: &[u8]) -> Option<Number> {
        self.names.get(name).copied()
    }

    /// A consumer by its number.
    pub fn consumer(&self, number: Number) -> Option<&Consumer> {
        self.consumers.get(number as usize)?.as_ref()
    }

    fn consumer_mut(&mut self, number: Number) -> Option<&mut Consumer> {
        self.consumers.get_mut(number as usize)?.as_mut()
    }

    /// The name of a consumer.
    pub fn name_of(&self, number: Number) -> &[u8] {
        self.consumer(number).map_or(&[], |c| &c.name)
    }

    /// All consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (&[u8], Number)> {
        self.names.iter().map(|(name, number)| (&**name, *number))
    }

    /// Adds a consumer; none of this name is there.
    pub fn add_consumer(&mut self, name: &[u8], seen: i64) -> Number {
        let consumer = Some(Consumer {
            name: name.into(),
            seen,
            pending: BTreeSet::new(),
        });
        let free = match self.names.len() < self.consumers.len() {
            true => self.consumers.iter().position(Option::is_none),
            false => None,
        };
        let number = match free {
            Some(at) => {
                self.consumers[at] = consumer;
                at
            }
            None => {
                self.consumers.push(consumer);
                self.consumers.len() - 1
            }
        };
        self.names.insert(name.into(), number as Number);
        number as Number
    }

    /// Removes a consumer with what it has not confirmed; how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.names.remove(name)?;
        let consumer = self.consumers.get_mut(number as usize)?.take()?;
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// A consumer was heard of.
    pub fn see(&mut self, number: Number, now_ms: i64) {
        if let Some(consumer) = self.consumer_mut(number) {
            consumer.seen = now_ms;
        }
    }

    /// How many entries are not confirmed.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The first and the last of these.
    pub fn pending_ends(&self) -> Option<(Id, Id)> {
        let (first, _) = self.pending.first_key_value()?;
        let (last, _) = self.pending.last_key_value()?;
        Some((*first, *last))
    }

    /// Those from `from` on.
    pub fn pending_from(&self, from: Id) -> impl Iterator<Item = (Id, &Pending)> {
        self.pending
            .range(from..)
            .map(|(id, pending)| (*id, pending))
    }

    /// What is known of an entry that is not confirmed.
    pub fn pending(&self, id: Id) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Makes an entry `pending`, whoever had it before.
    pub fn set_pending(&mut self, id: Id, pending: Pending) {
        let old = self.pending.insert(id, pending).map(|old| old.owner);
        if old == Some(pending.owner) {
            return;
        }
        if let Some(owner) = old.and_then(|old| self.consumer_mut(old)) {
            owner.pending.remove(&id);
        }
        if let Some(owner) = self.consumer_mut(pending.owner) {
            owner.pending.insert(id);
        }
    }

    /// An entry is confirmed, or there is none any more; false if it was not pending.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(&id) else {
            return false;
        };
        if let Some(owner) = self.consumer_mut(pending.owner) {
            owner.pending.remove(&id);
        }
        true
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        // A node of a B-tree is two thirds full, more or less.
        let of_map = |len: usize, item: usize| len * item * 3 / 2;
        let names: usize = self.names.keys().map(|name| 2 * name.len()).sum();
        size_of::<Self>()
            + of_map(
                self.pending.len(),
                size_of::<(Id, Pending)>() + size_of::<Id>(),
            )
            + of_map(self.names.len(), size_of::<(Box<[u8]>, Number)>())
            + self.consumers.capacity() * size_of::<Option<Consumer>>()
            + names
    }
}
