//! A node of a stream: a listpack of entries, laid out as Redis lays it out in memory and in snapshots.
//!
//! ```text
//! entries | deleted | fields | name ... | 0        the head: the names that most entries share
//! flags | ms | seq | value ... | size              an entry with these names
//! flags | ms | seq | fields | name value ... | size
//! ```
//!
//! Times and numbers count from the node's ID, which is that of its first entry; the size counts the elements before it.
//! An entry is deleted by a flag; a node goes when its last entry does.

use super::Id;
use crate::store::item::Item;
use crate::store::listpack::{self, Fault, HEADER};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// No node grows beyond this, and no entry may: Redis's limit, bytes.
pub(super) const BYTES_MAX: usize = 1 << 30;

#[derive(Clone)]
pub(super) struct Node(Vec<u8>);

/// An entry, borrowed from its node.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its ID.
    pub id: Id,
    /// How many fields it has.
    pub len: usize,
    pub(super) deleted: bool,
    flags: i64,
    /// Where it begins and ends in the node.
    start: usize,
    end: usize,
    /// The names, if they are not beside the values.
    names: Option<&'a [u8]>,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its fields with their values, in the order they were given.
    pub fn fields(&self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> + use<'a> {
        let (mut names, mut body) = (self.names, self.body);
        (0..self.len).map_while(move |_| {
            let name = match &mut names {
                Some(names) => take(names)?,
                None => take(&mut body)?,
            };
            Some((name, take(&mut body)?))
        })
    }
}

/// The next element of `rest`.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let (item, len) = listpack::element(rest).ok()?;
    *rest = &rest[len..];
    Some(item)
}

/// What the head says.
#[derive(Clone, Copy)]
struct Head {
    live: i64,
    deleted: i64,
    /// Where the counts stand.
    live_at: usize,
    deleted_at: usize,
    fields: usize,
    names_at: usize,
    /// Where the first entry is.
    end: usize,
}

/// Reads a listpack element by element.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn item(&mut self) -> Result<Item<'a>, Fault> {
        let (item, len) = listpack::element(&self.bytes[self.at..])?;
        self.at += len;
        Ok(item)
    }

    fn int(&mut self) -> Result<i64, Fault> {
        match self.item()? {
            Item::Int(int) => Ok(int),
            Item::Bytes(_) => Err(Fault("a stream has text where a number belongs")),
        }
    }

    fn count(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.int()?).map_err(|_| Fault("a stream has a count below zero"))
    }

    fn skip(&mut self, items: usize) -> Result<(), Fault> {
        (0..items).try_for_each(|_| self.item().map(drop))
    }
}

impl Node {
    /// A node of one entry.
    pub(super) fn new(fields: &[[&[u8]; 2]]) -> Node {
        let mut bytes = Vec::new();
        let mut pack = listpack::Builder::new(&mut bytes);
        pack.push_int(1);
        pack.push_int(0);
        pack.push_int(fields.len() as i64);
        fields.iter().for_each(|[name, _]| pack.push(name));
        for int in [0, SAME_FIELDS, 0, 0] {
            pack.push_int(int);
        }
        fields.iter().for_each(|[_, value]| pack.push(value));
        pack.push_int(fields.len() as i64 + 3);
        pack.finish();
        Node(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Gives back the room for entries to come.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    fn cursor(&self, at: usize) -> Cursor<'_> {
        Cursor { bytes: &self.0, at }
    }

    fn head(&self) -> Result<Head, Fault> {
        let mut cursor = self.cursor(HEADER);
        let live_at = cursor.at;
        let live = cursor.int()?;
        let deleted_at = cursor.at;
        let deleted = cursor.int()?;
        let fields = cursor.count()?;
        let names_at = cursor.at;
        cursor.skip(fields + 1)?;
        Ok(Head {
            live,
            deleted,
            live_at,
            deleted_at,
            fields,
            names_at,
            end: cursor.at,
        })
    }

    /// How many entries are there, and how many were.
    pub(super) fn counts(&self) -> (i64, i64) {
        let mut cursor = self.cursor(HEADER);
        let counts = cursor.int().and_then(|live| Ok((live, cursor.int()?)));
        counts.unwrap_or_default()
    }

    fn set_counts(&mut self, live: i64, deleted: i64) {
        // The second first: where it stands is known only as long as the first is what it was.
        if let Ok(head) = self.head() {
            listpack::replace_int(&mut self.0, head.deleted_at, deleted);
            listpack::replace_int(&mut self.0, head.live_at, live);
        }
    }

    /// Adds an entry with a higher ID than any here; `node` is the node's.
    pub(super) fn push(&mut self, node: Id, id: Id, fields: &[[&[u8]; 2]]) {
        let Ok(head) = self.head() else { return };
        let mut names = &self.0[head.names_at..];
        let mut digits = itoa::Buffer::new();
        let mut is_next =
            |name: &[u8]| take(&mut names).is_some_and(|n| n.bytes(&mut digits) == name);
        let same = fields.len() == head.fields && fields.iter().all(|[name, _]| is_next(name));
        let size = 3 + fields.len() + if same { 0 } else { fields.len() + 1 };
        listpack::replace_int(&mut self.0, head.live_at, head.live + 1);
        listpack::extend(&mut self.0, size + 1, |out| {
            listpack::put_int(if same { SAME_FIELDS } else { 0 }, out);
            listpack::put_int(id.ms.wrapping_sub(node.ms) as i64, out);
            listpack::put_int(id.seq.wrapping_sub(node.seq) as i64, out);
            if !same {
                listpack::put_int(fields.len() as i64, out);
            }
            for [name, value] in fields {
                if !same {
                    listpack::put(name, out);
                }
                listpack::put(value, out);
            }
            listpack::put_int(size as i64, out);
        });
    }

    /// Marks an entry deleted, which is not yet.
    fn flag_deleted(&mut self, record: (usize, i64)) {
        listpack::replace_int(&mut self.0, record.0, record.1 | DELETED);
    }

    /// Deletes an entry of this node.
    pub(super) fn delete(&mut self, id: Id, node: Id) {
        let found = self.entries(node).find(|r| r.id == id && !r.deleted);
        if let Some(record) = found.map(|r| (r.start, r.flags)) {
            let (live, deleted) = self.counts();
            self.flag_deleted(record);
            self.set_counts(live - 1, deleted + 1);
        }
    }

    /// Deletes entries, from the start on, for which `goes` says so, until it says nothing; returns how many that were
    /// there.
    pub(super) fn delete_first(
        &mut self,
        node: Id,
        mut goes: impl FnMut(&Record<'_>) -> Option<bool>,
    ) -> i64 {
        let entries = self.entries(node);
        let gone: Vec<_> = entries
            .map_while(|r| Some((goes(&r)?, r)))
            .filter(|(goes, r)| *goes && !r.deleted)
            .map(|(_, r)| (r.start, r.flags))
            .collect();
        let (live, deleted) = self.counts();
        // Flags take one byte whatever they are.
        gone.iter().for_each(|&record| self.flag_deleted(record));
        let count = gone.len() as i64;
        self.set_counts(live - count, deleted + count);
        count
    }

    /// All entries, deleted ones, too; `node` is the node's ID.
    pub(super) fn entries(&self, node: Id) -> Entries<'_> {
        let end = self.0.len() - 1;
        match self.head() {
            Ok(head) => Entries {
                bytes: &self.0,
                head,
                node,
                front: head.end,
                back: end,
            },
            // Not so: what is here was made here, or checked.
            Err(_) => Entries {
                bytes: &self.0,
                head: Head {
                    live: 0,
                    deleted: 0,
                    live_at: 0,
                    deleted_at: 0,
                    fields: 0,
                    names_at: 0,
                    end,
                },
                node,
                front: end,
                back: end,
            },
        }
    }

    /// The node with ID `node` that a snapshot has as `bytes`, if all of it makes sense.
    pub(super) fn checked(bytes: Vec<u8>, node: Id) -> Result<Node, Fault> {
        for item in listpack::items(&bytes)? {
            item?;
        }
        let checked = Node(bytes);
        let head = checked.head()?;
        let (mut live, mut deleted, mut last) = (0, 0, None);
        let mut entries = checked.entries(node);
        while entries.front < entries.back {
            let record = entries.record(entries.front)?;
            entries.front = record.end;
            *(if record.deleted {
                &mut deleted
            } else {
                &mut live
            }) += 1;
            if last >= Some(record.id) || record.id < node {
                return Err(Fault("the IDs of a stream do not grow"));
            }
            last = Some(record.id);
        }
        match last.is_some() && (live, deleted) == (head.live, head.deleted) {
            true => Ok(checked),
            false => Err(Fault("a stream's node has not the entries it says")),
        }
    }
}

/// The entries of a node, from either end.
#[derive(Clone)]
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    head: Head,
    node: Id,
    front: usize,
    back: usize,
}

impl<'a> Entries<'a> {
    fn record(&self, start: usize) -> Result<Record<'a>, Fault> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            at: start,
        };
        let flags = cursor.int()?;
        let id = Id {
            ms: self.node.ms.wrapping_add(cursor.int()? as u64),
            seq: self.node.seq.wrapping_add(cursor.int()? as u64),
        };
        let (len, names, items) = match flags & SAME_FIELDS {
            0 => {
                let len = cursor.count()?;
                // Each takes a byte at least, and there are not so many.
                let items = len.checked_mul(2);
                (
                    len,
                    None,
                    items.ok_or(Fault("a stream entry has too many fields"))?,
                )
            }
            _ => (
                self.head.fields,
                Some(&self.bytes[self.head.names_at..]),
                self.head.fields,
            ),
        };
        let body = &self.bytes[cursor.at..];
        cursor.skip(items)?;
        let size = cursor.count()?;
        if size != 3 + items + usize::from(names.is_none()) {
            return Err(Fault("a stream entry misstates its size"));
        }
        Ok(Record {
            id,
            len,
            deleted: flags & DELETED != 0,
            flags,
            start,
            end: cursor.at,
            names,
            body,
        })
    }

    /// Where the last entry begins.
    fn last_start(&self) -> Option<usize> {
        let mut at = listpack::before(self.bytes, self.back)?;
        let mut cursor = Cursor {
            bytes: self.bytes,
            at,
        };
        for _ in 0..cursor.count().ok()? {
            at = listpack::before(self.bytes, at)?;
        }
        Some(at)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.front >= self.back {
            return None;
        }
        let record = self.record(self.front).ok()?;
        self.front = record.end;
        Some(record)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let record = self.record(self.last_start()?).ok()?;
        self.back = record.start;
        Some(record)
    }
}
