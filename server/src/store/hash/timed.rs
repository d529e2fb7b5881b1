//! Hashes whose fields have times.

use super::{Hash, Limits, Repr, SmallBytes};
use crate::store::deadlines::Deadlines;

/// The last moment a field may be given, milliseconds since 1970: as in Redis, which keeps it in 46 bits.
pub const FIELD_TIME_MAX: i64 = (1 << 46) - 1;

/// The fields, and the times of those that have one.
#[derive(Clone)]
pub(super) struct Timed {
    /// Never timed itself.
    pub fields: Hash,
    times: Deadlines<SmallBytes>,
}

impl Timed {
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        let new = self.fields.insert(field, value, limits);
        if !new {
            self.times.remove(field);
        }
        new
    }

    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.times.remove(field);
        self.fields.remove(field)
    }

    pub fn memory_usage(&self) -> usize {
        size_of::<Deadlines<SmallBytes>>() + self.fields.memory_usage() + self.times.memory_usage()
    }
}

impl Hash {
    fn timed(&self) -> Option<&Timed> {
        match &self.0 {
            Repr::Timed(timed) => Some(timed),
            Repr::Pack(_) | Repr::Table(_) => None,
        }
    }

    /// Sets a field, which keeps its time if it has one; true if it is new.
    pub fn update(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        match &mut self.0 {
            Repr::Timed(timed) => timed.fields.insert(field, value, limits),
            Repr::Pack(_) | Repr::Table(_) => self.insert(field, value, limits),
        }
    }

    /// How many fields have a time.
    pub fn timed_fields(&self) -> usize {
        self.timed().map_or(0, |timed| timed.times.len())
    }

    /// When the time of a field comes, milliseconds since 1970.
    pub fn time_of(&self, field: &[u8]) -> Option<i64> {
        self.timed()?.times.get(field)
    }

    /// When the first time of a field comes.
    pub fn first_time(&self) -> Option<i64> {
        self.timed()?.times.first().map(|(at, _)| *at)
    }

    /// Gives `field` a time, or none; false if there is no such field.
    pub fn set_time(&mut self, field: &[u8], at: Option<i64>) -> bool {
        if !self.contains(field) {
            return false;
        }
        if at.is_some() && self.timed().is_none() {
            self.0 = Repr::Timed(Box::new(Timed {
                fields: std::mem::take(self),
                times: Deadlines::default(),
            }));
        }
        if let Repr::Timed(timed) = &mut self.0 {
            match at {
                Some(at) => timed.times.set(SmallBytes::new(field), at),
                None => drop(timed.times.remove(field)),
            }
        }
        true
    }

    /// The fields whose time has come by `now_ms`, in the order of their times.
    pub fn past(&self, now_ms: i64) -> impl Iterator<Item = &[u8]> {
        let timed = self.timed().into_iter();
        timed.flat_map(move |timed| timed.times.due(now_ms).map(SmallBytes::as_slice))
    }

    /// All fields that have times, with these, the first to come first.
    pub fn times(&self) -> impl Iterator<Item = (&[u8], i64)> {
        let timed = self.timed().into_iter();
        timed.flat_map(|timed| {
            timed
                .times
                .iter()
                .map(|(at, field)| (field.as_slice(), *at))
        })
    }
}
