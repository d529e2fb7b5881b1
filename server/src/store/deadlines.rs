//! Names with times, in the order of their names and in that of their times.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

/// So many are kept in a row; beyond, finding one takes too long.
const FEW: usize = 64;

/// A time (milliseconds since 1970) for each of some names: in order in one allocation while they are few, and in trees
/// after, which never stop to move everything at once.
#[derive(Clone, Debug)]
pub struct Deadlines<K> {
    few: Vec<(i64, K)>,
    many: Option<Box<Trees<K>>>,
}

#[derive(Clone, Debug)]
struct Trees<K> {
    times: BTreeMap<K, i64>,
    in_order: BTreeSet<(i64, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Deadlines {
            few: Vec::new(),
            many: None,
        }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// How many names have a time.
    pub fn len(&self) -> usize {
        let many = self.many.as_ref().map_or(0, |trees| trees.times.len());
        self.few.len() + many
    }

    /// True when none has one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of a name.
    pub fn get<Q: Ord + ?Sized>(&self, name: &Q) -> Option<i64>
    where
        K: Borrow<Q>,
    {
        match &self.many {
            Some(trees) => trees.times.get(name).copied(),
            None => self.few.get(self.place(name)?).map(|(at, _)| *at),
        }
    }

    /// Where a name stands among a few.
    fn place<Q: Ord + ?Sized>(&self, name: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.few
            .iter()
            .position(|(_, known)| known.borrow() == name)
    }

    /// Gives a name a time, in place of the one it has.
    pub fn set(&mut self, name: K, at: i64) {
        self.remove(&name);
        if self.few.len() == FEW {
            let few = std::mem::take(&mut self.few);
            self.many = Some(Box::new(Trees {
                times: few.iter().map(|(at, name)| (name.clone(), *at)).collect(),
                in_order: few.into_iter().collect(),
            }));
        }
        match &mut self.many {
            Some(trees) => {
                trees.times.insert(name.clone(), at);
                trees.in_order.insert((at, name));
            }
            None => {
                let new = (at, name);
                let place = self.few.partition_point(|known| *known < new);
                self.few.insert(place, new);
            }
        }
    }

    /// Takes the time of a name away, and returns it.
    pub fn remove<Q: Ord + ?Sized>(&mut self, name: &Q) -> Option<i64>
    where
        K: Borrow<Q>,
    {
        let Some(trees) = &mut self.many else {
            let place = self.place(name)?;
            return Some(self.few.remove(place).0);
        };
        let (name, at) = trees.times.remove_entry(name)?;
        trees.in_order.remove(&(at, name));
        Some(at)
    }

    /// The first of all times, with its name.
    pub fn first(&self) -> Option<&(i64, K)> {
        match &self.many {
            Some(trees) => trees.in_order.first(),
            None => self.few.first(),
        }
    }

    /// Takes out the first one, if its time has come by `now_ms`.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<(i64, K)> {
        let first = self.first().filter(|(at, _)| *at <= now_ms)?.clone();
        self.remove(&first.1);
        Some(first)
    }

    /// All of them, the first to come first.
    pub fn iter(&self) -> impl Iterator<Item = &(i64, K)> {
        let many = self.many.iter().flat_map(|trees| trees.in_order.iter());
        self.few.iter().chain(many)
    }

    /// Those whose time has come by `now_ms`.
    pub fn due(&self, now_ms: i64) -> impl Iterator<Item = &K> {
        let due = self.iter().take_while(move |(at, _)| *at <= now_ms);
        due.map(|(_, name)| name)
    }

    /// Bytes allocated, by estimate (trees are two thirds full), without those that names own.
    pub fn memory_usage(&self) -> usize {
        let many = self.many.as_ref().map_or(0, |trees| {
            size_of::<Trees<K>>() + trees.times.len() * 2 * (size_of::<(i64, K)>() * 3 / 2)
        });
        self.few.capacity() * size_of::<(i64, K)>() + many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_follows_the_times() {
        let mut deadlines = Deadlines::default();
        for (name, at) in [("a", 3), ("b", 1), ("c", 2), ("a", 0)] {
            deadlines.set(name, at);
        }
        assert_eq!((deadlines.len(), deadlines.get("a")), (3, Some(0)));
        assert_eq!(deadlines.due(1).collect::<Vec<_>>(), [&"a", &"b"]);
        assert_eq!(deadlines.remove("b"), Some(1));
        assert_eq!(deadlines.remove("b"), None);
        assert_eq!(deadlines.pop_due(1), Some((0, "a")));
        assert_eq!(deadlines.pop_due(1), None);
        assert_eq!(deadlines.first(), Some(&(2, "c")));
    }

    #[test]
    fn few_or_many_they_are_the_same() {
        let mut deadlines = Deadlines::default();
        let mut model = BTreeMap::new();
        for step in 0..2_000_u64 {
            let dice = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            let (name, at) = ((dice % 150).to_string(), (dice / 150 % 40) as i64);
            // From few to many and back to none.
            if step % 1_000 < 600 {
                deadlines.set(name.clone(), at);
                model.insert(name, at);
            } else if dice.is_multiple_of(3) {
                assert_eq!(deadlines.remove(&name), model.remove(&name));
            } else if let Some((at, name)) = deadlines.pop_due(i64::MAX) {
                assert_eq!(model.remove(&name), Some(at));
                assert!(model.values().all(|later| *later >= at));
            }
            assert_eq!(deadlines.len(), model.len());
            let mut sorted: Vec<_> = model.iter().map(|(n, at)| (*at, n.clone())).collect();
            sorted.sort();
            assert!(deadlines.iter().eq(sorted.iter()));
            assert!(model.iter().all(|(n, at)| deadlines.get(n) == Some(*at)));
        }
    }
}
