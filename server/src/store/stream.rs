//! Streams: entries in the order of their IDs, and how far groups of consumers have read them.
//!
//! Entries are kept as Redis keeps them, many to a [`node`], so that trimming by whole nodes, snapshots and dumps are the
//! same. Nodes and groups are shared with the copies that snapshots take: a change copies the node it touches.

mod group;
mod id;
mod node;
mod refs;
mod shown;
mod trim;

pub use group::{Consumer, Group, Number, Pending};
pub use id::Id;
pub use node::Record;
pub use refs::Refs;
pub use trim::{Trim, TrimTo};

use super::limits::Limits;
use super::listpack::Fault;
use node::Node;
use std::collections::{BTreeMap, btree_map};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A stream: a log of entries, and the groups that read it.
#[derive(Clone, Default)]
pub struct Stream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Arc<Group>>,
}

/// The entries of a stream.
#[derive(Clone, Default)]
pub struct Log {
    /// By the IDs of their first entries.
    nodes: BTreeMap<Id, Arc<Node>>,
    len: u64,
    marks: Marks,
}

/// What a stream knows of its past.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Marks {
    /// The last ID given.
    pub last: Id,
    /// The ID of the first entry; zero if there is none.
    pub first: Id,
    /// The highest ID that XDEL removed.
    pub max_deleted: Id,
    /// How many entries were ever added.
    pub added: u64,
}

/// The ID of an entry to be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewId {
    /// The present time, or what is next after the last ID; holds Unix milliseconds.
    Now(u64),
    /// The next of this millisecond.
    Of(u64),
    /// This one.
    Exactly(Id),
}

impl Deref for Stream {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.log
    }
}

impl DerefMut for Stream {
    fn deref_mut(&mut self) -> &mut Log {
        &mut self.log
    }
}

/// True when an entry of these fields is more than a node can hold.
pub fn is_too_large(fields: &[[&[u8]; 2]]) -> bool {
    bytes_of(fields) > node::BYTES_MAX
}

fn bytes_of(fields: &[[&[u8]; 2]]) -> usize {
    fields.iter().flatten().map(|part| part.len()).sum()
}

impl Log {
    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when there are no entries. Such a stream stays, unlike other collections.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it knows of its past.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Changes the last ID, and more if it is given.
    pub fn set_marks(&mut self, last: Id, added: Option<u64>, max_deleted: Option<Id>) {
        self.marks.last = last;
        self.marks.added = added.unwrap_or(self.marks.added);
        self.marks.max_deleted = max_deleted.unwrap_or(self.marks.max_deleted);
    }

    /// The ID that an entry would get; none if that is not above the last one.
    pub fn new_id(&self, id: NewId) -> Option<Id> {
        let last = self.marks.last;
        let new = match id {
            NewId::Exactly(id) => Some(id),
            NewId::Now(ms) if ms > last.ms => Some(Id { ms, seq: 0 }),
            NewId::Now(_) => last.next(),
            NewId::Of(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id { ms, seq }),
            NewId::Of(ms) => Some(Id { ms, seq: 0 }),
        };
        new.filter(|new| *new > last)
    }

    /// Adds an entry with an ID that [`Log::new_id`] gave, which is not too large.
    pub fn add(&mut self, id: Id, fields: &[[&[u8]; 2]], limits: &Limits) {
        let bytes = bytes_of(fields);
        let last = self.nodes.iter_mut().next_back();
        match last.filter(|(_, node)| has_room(node, bytes, limits)) {
            Some((first, node)) => Arc::make_mut(node).push(*first, id, fields),
            None => {
                // The last one grows no more.
                if let Some(mut node) = self.nodes.last_entry()
                    && let Some(node) = Arc::get_mut(node.get_mut())
                {
                    node.shrink();
                }
                self.nodes.insert(id, Arc::new(Node::new(fields)));
            }
        }
        self.len += 1;
        self.marks.added += 1;
        self.marks.last = id;
        if self.len == 1 {
            self.marks.first = id;
        }
    }

    /// Entries from `from` to `to`, both included, in ascending order.
    pub fn range(&self, from: Id, to: Id) -> impl Iterator<Item = Record<'_>> {
        self.raw_range(from, to).filter(|r| !r.deleted)
    }

    /// [`Log::range`] with what was deleted and is still there.
    fn raw_range(&self, from: Id, to: Id) -> impl Iterator<Item = Record<'_>> {
        self.nodes_between(from, to)
            .flat_map(|(first, node)| node.entries(*first))
            .skip_while(move |r| r.id < from)
            .take_while(move |r| r.id <= to)
    }

    /// Entries from `to` back to `from`, both included.
    pub fn range_back(&self, from: Id, to: Id) -> impl Iterator<Item = Record<'_>> {
        self.nodes_between(from, to)
            .rev()
            .flat_map(|(first, node)| node.entries(*first).rev())
            .skip_while(move |r| r.id > to)
            .take_while(move |r| r.id >= from)
            .filter(|r| !r.deleted)
    }

    /// The nodes that may have entries between the two.
    fn nodes_between(&self, from: Id, to: Id) -> btree_map::Range<'_, Id, Arc<Node>> {
        let before = self.nodes.range(..=from).next_back();
        let start = before.map_or(from, |(first, _)| *first);
        self.nodes.range(start..=to.max(start))
    }

    /// The entry of an ID.
    pub fn get(&self, id: Id) -> Option<Record<'_>> {
        self.range(id, id).next()
    }

    /// The ID of the last entry that is there.
    pub fn last_entry(&self) -> Option<Id> {
        self.range_back(Id::MIN, Id::MAX).next().map(|r| r.id)
    }

    /// The ID of the first entry, deleted or not; the highest ID if there is none.
    pub fn first_even_deleted(&self) -> Id {
        self.raw_range(Id::MIN, Id::MAX)
            .next()
            .map_or(Id::MAX, |r| r.id)
    }

    /// Deletes an entry; false if there is none.
    pub fn delete(&mut self, id: Id) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let Some((&first, node)) = self.nodes.range_mut(..=id).next_back() else {
            return false;
        };
        match node.counts() {
            (1, _) => drop(self.nodes.remove(&first)),
            _ => Arc::make_mut(node).delete(id, first),
        }
        self.len -= 1;
        self.marks.max_deleted = self.marks.max_deleted.max(id);
        if id == self.marks.first || self.len == 0 {
            self.find_first();
        }
        true
    }

    fn find_first(&mut self) {
        let first = self.range(Id::MIN, Id::MAX).next();
        self.marks.first = first.map_or(Id::MIN, |r| r.id);
    }

    /// True when XDEL has removed something at or after `from` and behind the first entry, so that counting entries up
    /// to there says nothing.
    pub fn has_gaps_after(&self, from: Id) -> bool {
        let Marks {
            first, max_deleted, ..
        } = self.marks;
        !self.is_empty() && !max_deleted.is_zero() && first <= max_deleted && from <= max_deleted
    }

    /// How many entries were ever added up to `id`, if that can be told: what Redis calls a logical read counter;
    /// [`Group::UNKNOWN`] if not.
    pub fn distance(&self, id: Id) -> i64 {
        let Marks {
            last,
            first,
            max_deleted,
            added,
        } = self.marks;
        let (added, len) = (added as i64, self.len as i64);
        if added == 0 {
            return 0;
        }
        if len == 0 && id <= last || id == last {
            return added;
        }
        if id > last {
            return Group::UNKNOWN;
        }
        let unbroken = max_deleted.is_zero() || max_deleted < first;
        match unbroken {
            true if id < first => added.wrapping_sub(len),
            true if id == first => added.wrapping_sub(len).wrapping_add(1),
            _ => Group::UNKNOWN,
        }
    }

    /// How many entries the group has still to read, if that can be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.marks.added as i64;
        if added == 0 {
            return Some(0);
        }
        let read = match group.read == Group::UNKNOWN || self.has_gaps_after(group.last) {
            true => self.distance(group.last),
            false => return Some(added.wrapping_sub(group.read)),
        };
        (read != Group::UNKNOWN).then(|| added.wrapping_sub(read))
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes with their IDs, as snapshots have them.
    pub fn packs(&self) -> impl Iterator<Item = (Id, &[u8])> {
        self.nodes
            .iter()
            .map(|(first, node)| (*first, node.as_bytes()))
    }

    fn memory(&self) -> usize {
        const OF_NODE: usize =
            size_of::<(Id, Arc<Node>)>() * 3 / 2 + 2 * size_of::<usize>() + size_of::<Node>();
        let nodes = self.nodes.values();
        nodes.map(|node| OF_NODE + node.capacity()).sum()
    }

    /// Adds a node of a snapshot after those that are there.
    pub fn load_pack(&mut self, first: Id, pack: Vec<u8>) -> Result<(), Fault> {
        let node = Node::checked(pack, first)?;
        let before = self.nodes.iter().next_back();
        let before = before.and_then(|(first, node)| node.entries(*first).next_back());
        if before.is_some_and(|r| r.id >= first) {
            return Err(Fault("the nodes of a stream are not in order"));
        }
        self.len += node.counts().0.max(0) as u64; // counted
        self.nodes.insert(first, Arc::new(node));
        Ok(())
    }

    /// What a snapshot says of a stream whose nodes are loaded. `first` is found if it is not given.
    pub fn load_marks(
        &mut self,
        len: u64,
        marks: Marks,
        first_is_known: bool,
    ) -> Result<(), Fault> {
        let top = self.nodes.iter().next_back();
        let top = top.and_then(|(first, node)| node.entries(*first).next_back());
        if len != self.len || top.is_some_and(|r| r.id > marks.last) {
            return Err(Fault(
                "a stream's length or last ID is not that of its entries",
            ));
        }
        self.marks = marks;
        if !first_is_known {
            self.find_first();
        }
        Ok(())
    }
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// The encoding's name, as `OBJECT ENCODING` tells it.
    pub const fn encoding(&self) -> &'static str {
        "stream"
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// A group, for changing it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name).map(Arc::make_mut)
    }

    /// The entries, and a group for changing it.
    pub fn with_group(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        let group = self.groups.get_mut(name)?;
        Some((&self.log, Arc::make_mut(group)))
    }

    /// Adds a group; false if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups.insert(name.into(), Arc::new(group));
        true
    }

    /// Removes a group; false if there is none.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// How many things there are to free.
    pub fn weight(&self) -> usize {
        let groups = self.groups.values();
        let groups = groups.map(|g| g.pending_len() + g.consumers().len());
        self.nodes.len() + groups.sum::<usize>()
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        let groups = self.groups.iter();
        let groups = groups.map(|(name, group)| name.len() + group.memory_usage());
        size_of::<Self>() + self.log.memory() + groups.sum::<usize>()
    }
}

/// True when an entry of so many bytes goes into the last node, as Redis decides it.
fn has_room(node: &Node, bytes: usize, limits: &Limits) -> bool {
    let most = match limits.stream_node_max_bytes {
        0 => node::BYTES_MAX,
        most => most.min(node::BYTES_MAX),
    };
    let (live, deleted) = node.counts();
    let entries = limits.stream_node_max_entries;
    node.as_bytes().len() + bytes < most && (entries == 0 || live + deleted < entries)
}

#[cfg(test)]
mod tests;
