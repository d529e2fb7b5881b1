//! Hashes: fields with values.

use std::fmt;

use super::dense::{self, Dense, Keyed};
use super::elem::Elem;
use super::encoded::Encoded;
use super::item::Item;
use super::limits::Limits;
use super::pack::{self, Pack};
use super::small::SmallBytes;
use timed::Timed;

mod timed;
mod view;

pub use timed::FIELD_TIME_MAX;
pub use view::View;

/// A hash: a [`Pack`] of fields with values while small, a table after. Times of fields stand beside that,
/// so that a hash without them pays nothing for them.
#[derive(Clone)]
pub struct Hash(Repr);

#[derive(Clone)]
enum Repr {
    Pack(Pack<2>),
    Table(Box<Dense<Pair>>),
    /// Fields have had times.
    Timed(Box<Timed>),
}

#[derive(Clone)]
struct Pair {
    field: SmallBytes,
    value: SmallBytes,
}

impl Keyed for Pair {
    fn key(&self) -> &[u8] {
        self.field.as_slice()
    }

    fn heap_bytes(&self) -> usize {
        self.field.heap_bytes() + self.value.heap_bytes()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// An empty hash.
    pub const fn new() -> Self {
        Hash(Repr::Pack(Pack::new()))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Pack(pack) => pack.len(),
            Repr::Table(table) => table.len(),
            Repr::Timed(timed) => timed.fields.len(),
        }
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding's name, as `OBJECT ENCODING` tells it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Pack(_) => "listpack",
            Repr::Table(_) => "hashtable",
            Repr::Timed(timed) if timed.fields.is_compact() => "listpackex",
            Repr::Timed(_) => "hashtable",
        }
    }

    /// True while it is small.
    pub fn is_compact(&self) -> bool {
        match &self.0 {
            Repr::Pack(_) => true,
            Repr::Table(_) => false,
            Repr::Timed(timed) => timed.fields.is_compact(),
        }
    }

    /// Places for elements in its hash table; `None` if it has none.
    pub fn slots(&self) -> Option<usize> {
        match &self.0 {
            Repr::Table(table) => Some(table.slots()),
            Repr::Pack(_) => None,
            Repr::Timed(timed) => timed.fields.slots(),
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Elem<'_>> {
        match &self.0 {
            Repr::Pack(pack) => {
                let (pos, _) = pack.find(&Encoded::of(field))?;
                let [_, value] = pack.get(pos);
                Some(value.into())
            }
            Repr::Table(table) => {
                let at = table.find(field).ok()?;
                Some(table.get(at).value.as_slice().into())
            }
            Repr::Timed(timed) => timed.fields.get(field),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Repr::Pack(pack) => pack.find(&Encoded::of(field)).is_some(),
            Repr::Table(table) => table.find(field).is_ok(),
            Repr::Timed(timed) => timed.fields.contains(field),
        }
    }

    /// Sets a field, which has no time from now on; true if it is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Repr::Timed(timed) = &mut self.0 {
            return timed.insert(field, value, limits);
        }
        if let Repr::Pack(pack) = &mut self.0 {
            let most = limits.hash_max_listpack_value;
            if field.len() <= most && value.len() <= most {
                let record = [Encoded::of(field), Encoded::of(value)];
                if let Some((pos, _)) = pack.find(&record[0]) {
                    pack.replace(pos, &record);
                    return false;
                }
                if pack.len() < limits.hash_max_listpack_entries {
                    pack.push_back(&record);
                    return true;
                }
            }
        }
        let table = self.table();
        let value = SmallBytes::new(value);
        match table.find(field) {
            Ok(at) => {
                table.get_mut(at).value = value;
                false
            }
            Err(hash) => {
                let field = SmallBytes::new(field);
                table.insert_new(hash, Pair { field, value });
                true
            }
        }
    }

    /// Removes a field; false if there is none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Repr::Pack(pack) => match pack.find(&Encoded::of(field)) {
                Some((pos, _)) => {
                    pack.remove(pos, 1);
                    true
                }
                None => false,
            },
            Repr::Table(table) => match table.find(field) {
                Ok(at) => {
                    table.swap_remove(at);
                    true
                }
                Err(_) => false,
            },
            Repr::Timed(timed) => timed.remove(field),
        }
    }

    /// The fields as they are, for walking them later: nothing is found in it.
    pub(super) fn frozen(&self) -> Hash {
        Hash(match &self.0 {
            Repr::Pack(pack) => Repr::Pack(pack.clone()),
            Repr::Table(table) => Repr::Table(Box::new(table.frozen())),
            // A copy that finds: times are told by field.
            Repr::Timed(timed) => Repr::Timed(timed.clone()),
        })
    }

    /// All fields with their values, in no meaningful order.
    pub fn iter(&self) -> Iter<'_> {
        match &self.0 {
            Repr::Pack(pack) => Iter(Walk::Pack(pack.iter())),
            Repr::Table(table) => Iter(Walk::Table(table.iter())),
            Repr::Timed(timed) => timed.fields.iter(),
        }
    }

    /// The same as they are stored, for those that write them out one by one.
    pub fn items(&self) -> impl Iterator<Item = [Item<'_>; 2]> {
        self.iter().0
    }

    /// A field picked evenly by the random number `r`, with its value; `None` if the hash is empty.
    pub fn random(&self, r: u64) -> Option<(Elem<'_>, Elem<'_>)> {
        let len = self.len() as u64;
        self.nth((r.checked_rem(len)?) as usize)
    }

    /// `count` fields with their values, each picked by a number of `random`, so that some may come again; none if the
    /// hash is empty.
    pub fn random_many(
        &self,
        count: usize,
        mut random: impl FnMut() -> u64,
        mut each: impl FnMut(&[u8], &[u8]),
    ) {
        // A place in a pack is found by walking there: once for all of them.
        let all: Vec<_> = match self.is_compact() {
            true => self.iter().collect(),
            false => Vec::new(),
        };
        for _ in 0..count {
            let r = random();
            let picked = match (r as usize).checked_rem(all.len()) {
                Some(at) => Some(all[at]),
                None => self.random(r),
            };
            if let Some((field, value)) = picked {
                each(&field, &value);
            }
        }
    }

    /// The fields at these places in iteration order, which ascend, with their values.
    pub fn pick<'a>(&'a self, places: &[usize], mut each: impl FnMut(Elem<'a>, Elem<'a>)) {
        if self.is_compact() {
            let mut all = self.iter().enumerate();
            for &place in places {
                if let Some((_, (field, value))) = all.find(|(at, _)| *at == place) {
                    each(field, value);
                }
            }
            return;
        }
        for (field, value) in places.iter().filter_map(|&at| self.nth(at)) {
            each(field, value);
        }
    }

    /// The field at a place in iteration order.
    fn nth(&self, at: usize) -> Option<(Elem<'_>, Elem<'_>)> {
        match &self.0 {
            Repr::Pack(pack) => {
                let [field, value] = pack.get(pack.nth(at)?);
                Some((field.into(), value.into()))
            }
            Repr::Table(table) => {
                let pair = (at < table.len()).then(|| table.get(at))?;
                Some((pair.field.as_slice().into(), pair.value.as_slice().into()))
            }
            Repr::Timed(timed) => timed.fields.nth(at),
        }
    }

    /// One step of `HSCAN`: hands some fields to `each` and returns the next cursor, 0 at the end.
    ///
    /// A compact hash is handed over whole. What is there during a whole scan is seen at least once.
    pub fn scan(&self, cursor: u64, count: usize, each: &mut dyn FnMut(&[u8], &[u8])) -> u64 {
        match &self.0 {
            Repr::Pack(_) => {
                self.iter().for_each(|(f, v)| each(&f, &v));
                0
            }
            Repr::Table(table) => table.scan(cursor, count, |pair| {
                each(pair.field.as_slice(), pair.value.as_slice());
            }),
            Repr::Timed(timed) => timed.fields.scan(cursor, count, each),
        }
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Repr::Pack(pack) => pack.capacity(),
                Repr::Table(table) => size_of::<Dense<Pair>>() + table.memory_usage(),
                Repr::Timed(timed) => timed.memory_usage(),
            }
    }

    /// The table form, made if need be.
    fn table(&mut self) -> &mut Dense<Pair> {
        if let Repr::Pack(_) = self.0 {
            let mut table = Box::new(Dense::new());
            for (field, value) in self.iter() {
                if let Err(hash) = table.find(&field) {
                    let (field, value) = (SmallBytes::new(&field), SmallBytes::new(&value));
                    table.insert_new(hash, Pair { field, value });
                }
            }
            self.0 = Repr::Table(table);
        }
        match &mut self.0 {
            Repr::Table(table) => table,
            Repr::Pack(_) | Repr::Timed(_) => {
                unreachable!("just converted, and times stand outside")
            }
        }
    }
}

/// Walks a [`struct@Hash`].
#[derive(Clone)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Pack(pack::Iter<'a, 2>),
    Table(dense::Iter<'a, Pair>),
}

impl<'a> Iterator for Walk<'a> {
    type Item = [Item<'a>; 2];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Walk::Pack(pack) => pack.next(),
            Walk::Table(table) => table
                .next()
                .map(|pair| [&pair.field, &pair.value].map(|part| Item::Bytes(part.as_slice()))),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Elem<'a>, Elem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|[f, v]| (f.into(), v.into()))
    }
}

#[cfg(test)]
mod tests;
