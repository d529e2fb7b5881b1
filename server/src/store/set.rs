//! Sets of distinct members.

mod intset;

use std::fmt;

use super::dense::{self, Dense, Keyed};
use super::elem::Elem;
use super::limits::Limits;
use super::num::parse_i64;
use super::small::SmallBytes;
use intset::IntSet;

/// A set: a sorted array of integers while it is small and nothing else is in it, a table after.
#[derive(Clone)]
pub struct Set(Repr);

#[derive(Clone)]
enum Repr {
    Ints(IntSet),
    Table(Box<Dense<SmallBytes>>),
}

impl Keyed for SmallBytes {
    fn key(&self) -> &[u8] {
        self.as_slice()
    }

    fn heap_bytes(&self) -> usize {
        SmallBytes::heap_bytes(self)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    /// An empty set.
    pub fn new() -> Self {
        Set(Repr::Ints(IntSet::new()))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Ints(ints) => ints.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding's name, as `OBJECT ENCODING` tells it.
    pub const fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Ints(_) => "intset",
            Repr::Table(_) => "hashtable",
        }
    }

    /// Places for elements in its hash table; `None` if it has none.
    pub fn slots(&self) -> Option<usize> {
        match &self.0 {
            Repr::Table(table) => Some(table.slots()),
            Repr::Ints(_) => None,
        }
    }

    /// Whether `member` is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Repr::Ints(ints) => parse_i64(member).is_some_and(|v| ints.contains(v)),
            Repr::Table(table) => table.find(member).is_ok(),
        }
    }

    /// Adds a member; false if it is there.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        if let Repr::Ints(ints) = &mut self.0
            && let Some(value) = parse_i64(member)
        {
            let added = ints.insert(value);
            if ints.len() > limits.set_max_intset_entries {
                self.table();
            }
            return added;
        }
        let table = self.table();
        match table.find(member) {
            Ok(_) => false,
            Err(hash) => {
                table.insert_new(hash, SmallBytes::new(member));
                true
            }
        }
    }

    /// Removes a member; false if it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Repr::Ints(ints) => parse_i64(member).is_some_and(|v| ints.remove(v)),
            Repr::Table(table) => match table.find(member) {
                Ok(at) => {
                    table.swap_remove(at);
                    true
                }
                Err(_) => false,
            },
        }
    }

    /// The members as they are, for walking them later: nothing is found in it.
    pub(super) fn frozen(&self) -> Set {
        Set(match &self.0 {
            Repr::Ints(ints) => Repr::Ints(ints.clone()),
            Repr::Table(table) => Repr::Table(Box::new(table.frozen())),
        })
    }

    /// All members: integers in their order, others in no meaningful one.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Repr::Ints(ints) => Walk::Ints(ints, 0),
            Repr::Table(table) => Walk::Table(table.iter()),
        })
    }

    /// A member picked evenly by the random number `r`; `None` if the set is empty.
    pub fn random(&self, r: u64) -> Option<Elem<'_>> {
        let at = r.checked_rem(self.len() as u64)? as usize;
        match &self.0 {
            Repr::Ints(ints) => ints.get(at).map(Elem::from),
            Repr::Table(table) => Some(table.get(at).as_slice().into()),
        }
    }

    /// The members at these places in iteration order.
    pub fn pick(&self, places: &[usize]) -> impl Iterator<Item = Elem<'_>> {
        places.iter().filter_map(|&at| match &self.0 {
            Repr::Ints(ints) => ints.get(at).map(Elem::from),
            Repr::Table(table) => (at < table.len()).then(|| table.get(at).as_slice().into()),
        })
    }

    /// One step of `SSCAN`: hands some members to `each` and returns the next cursor, 0 at the end.
    ///
    /// A set of integers is handed over whole. What is there during a whole scan is seen at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&[u8])) -> u64 {
        match &self.0 {
            Repr::Ints(_) => {
                self.iter().for_each(|member| each(&member));
                0
            }
            Repr::Table(table) => table.scan(cursor, count, |member| each(member.as_slice())),
        }
    }

    /// Bytes allocated, by estimate.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Repr::Ints(ints) => ints.memory_usage(),
                Repr::Table(table) => size_of::<Dense<SmallBytes>>() + table.memory_usage(),
            }
    }

    /// The table form, made if need be.
    fn table(&mut self) -> &mut Dense<SmallBytes> {
        if let Repr::Ints(_) = self.0 {
            let mut table = Box::new(Dense::new());
            for member in self.iter() {
                if let Err(hash) = table.find(&member) {
                    table.insert_new(hash, SmallBytes::new(&member));
                }
            }
            self.0 = Repr::Table(table);
        }
        match &mut self.0 {
            Repr::Table(table) => table,
            Repr::Ints(_) => unreachable!("just converted"),
        }
    }
}

/// Walks a [`Set`].
#[derive(Clone)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Ints(&'a IntSet, usize),
    Table(dense::Iter<'a, SmallBytes>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    fn next(&mut self) -> Option<Elem<'a>> {
        match &mut self.0 {
            Walk::Ints(ints, at) => {
                let value = ints.get(*at)?;
                *at += 1;
                Some(value.into())
            }
            Walk::Table(table) => table.next().map(|member| member.as_slice().into()),
        }
    }
}

#[cfg(test)]
mod tests;
