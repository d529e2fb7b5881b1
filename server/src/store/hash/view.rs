//! A hash as a reader sees it.

use super::{Elem, Hash, Item};
use crate::store::random::{distinct, random};

/// A hash at a moment: without the fields whose time has come.
#[derive(Clone, Copy)]
pub struct View<'a> {
    hash: &'a Hash,
    /// The moment, if any field's time has come by then.
    now_ms: Option<i64>,
}

impl Hash {
    /// What is to be seen of it at a moment, milliseconds since 1970; of all its fields if that is `None`.
    #[inline]
    pub fn at(&self, now_ms: Option<i64>) -> View<'_> {
        let first = self.first_time();
        View {
            hash: self,
            now_ms: now_ms.filter(|now| first.is_some_and(|at| at <= *now)),
        }
    }
}

impl<'a> View<'a> {
    /// Whether the field is there, and its time has come.
    #[inline]
    pub fn hides(&self, field: &[u8]) -> bool {
        self.now_ms
            .is_some_and(|now| self.hash.time_of(field).is_some_and(|at| at <= now))
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Elem<'a>> {
        match self.hides(field) {
            true => None,
            false => self.hash.get(field),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        !self.hides(field) && self.hash.contains(field)
    }

    /// When the time of a field comes, milliseconds since 1970.
    pub fn time_of(&self, field: &[u8]) -> Option<i64> {
        self.hash.time_of(field)
    }

    fn hidden(&self) -> usize {
        self.now_ms.map_or(0, |now| self.hash.past(now).count())
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.hash.len() - self.hidden()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All fields with their values, in no meaningful order.
    pub fn iter(self) -> impl Iterator<Item = [Item<'a>; 2]> {
        self.hash
            .items()
            .filter(move |[field, _]| self.now_ms.is_none() || !self.hides(&Elem::from(*field)))
    }

    /// One step of `HSCAN`; see [`Hash::scan`].
    pub fn scan(&self, cursor: u64, count: usize, each: &mut dyn FnMut(&[u8], &[u8])) -> u64 {
        self.hash.scan(cursor, count, &mut |field, value| {
            if !self.hides(field) {
                each(field, value);
            }
        })
    }

    /// A field picked at random, with its value; `None` if there is none.
    pub fn random(&self) -> Option<(Elem<'a>, Elem<'a>)> {
        /// Most fields are to be seen, mostly: those that are not are removed soon.
        const TRIES: usize = 64;
        let picks = (0..TRIES).map_while(|_| self.hash.random(random()));
        let seen = picks.into_iter().find(|(field, _)| !self.hides(field));
        seen.or_else(|| self.choose(1).pop())
    }

    /// `count` fields with their values, all different, no more than there are.
    pub fn random_distinct(&self, count: usize, mut each: impl FnMut(&[u8], &[u8])) {
        if self.now_ms.is_none() {
            let len = self.hash.len();
            let places = distinct(count.min(len), len);
            return self.hash.pick(&places, |field, value| each(&field, &value));
        }
        for (field, value) in self.choose(count) {
            each(&field, &value);
        }
    }

    /// As many picks as are hidden more than are asked for: so many are left when the hidden ones are taken out.
    fn choose(&self, count: usize) -> Vec<(Elem<'a>, Elem<'a>)> {
        let len = self.hash.len();
        let picks = len.min(count.saturating_add(self.hidden()));
        let mut seen = Vec::new();
        self.hash.pick(&distinct(picks, len), |field, value| {
            if !self.hides(&field) {
                seen.push((field, value));
            }
        });
        let chosen = distinct(count.min(seen.len()), seen.len());
        chosen.into_iter().map(|at| seen[at]).collect()
    }

    /// `count` fields with their values, each picked anew.
    pub fn random_many(&self, count: usize, mut each: impl FnMut(&[u8], &[u8])) {
        if self.now_ms.is_none() {
            return self.hash.random_many(count, random, each);
        }
        let elem = |pair: [Item<'a>; 2]| pair.map(Elem::from);
        let seen: Vec<_> = self.iter().map(elem).collect();
        for _ in 0..count {
            if let Some(at) = (random() as usize).checked_rem(seen.len()) {
                each(&seen[at][0], &seen[at][1]);
            }
        }
    }
}
