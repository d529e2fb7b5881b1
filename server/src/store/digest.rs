//! Digests of values and datasets, the same as the stock server's: equal data have equal digests, in whatever order and
//! encoding a server keeps them.

use super::dataset::Dataset;
use super::elem::Elem;
use super::entry::Entry;
use super::object::ValueRef;
use super::stream::Id;
use crate::resp::decimal::double_text;
use sha1::{Digest as _, Sha1};
use std::fmt;

/// Bytes of a digest.
const SIZE: usize = 20;

/// A digest. That of nothing is all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest([u8; SIZE]);

impl Digest {
    /// Adds what has no order among its kind: twice the same is nothing.
    fn add(&mut self, bytes: &[u8]) {
        for (own, new) in self.0.iter_mut().zip(Sha1::digest(bytes)) {
            *own ^= new;
        }
    }

    /// Adds what comes after all before.
    fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Of two things that belong together.
    fn pair(first: &[u8], second: &[u8]) -> Digest {
        let mut digest = Digest::default();
        digest.mix(first);
        digest.mix(second);
        digest
    }

    /// Adds the value of `entry`, and whether it expires.
    fn mix_value(&mut self, entry: &Entry) {
        let value = entry.value();
        self.mix(&type_number(value).to_be_bytes());
        match value {
            ValueRef::Str(text) => self.mix(text),
            ValueRef::List(list) => {
                list.iter().for_each(|elem| self.mix(&Elem::from(elem)));
            }
            ValueRef::Set(set) => set.iter().for_each(|member| self.add(&member)),
            ValueRef::Zset(zset) => {
                for (member, score) in zset.iter() {
                    self.add(&Digest::pair(&member, double_text(score).as_bytes()).0);
                }
            }
            ValueRef::Hash(hash) => {
                for (field, value) in hash.iter() {
                    let mut pair = Digest::pair(&field, &value);
                    if hash.time_of(&field).is_some() {
                        pair.add(b"!!hexpire!!");
                    }
                    self.add(&pair.0);
                }
            }
            ValueRef::Stream(stream) => {
                let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
                for record in stream.range(Id::MIN, Id::MAX) {
                    self.mix(format!("{}.{}", record.id.ms, record.id.seq).as_bytes());
                    for (name, value) in record.fields() {
                        let [of_name, of_value] = &mut digits;
                        self.mix(name.bytes(of_name));
                        self.mix(value.bytes(of_value));
                    }
                }
            }
        }
        if entry.expires() {
            self.add(b"!!expire!!");
        }
    }

    /// Of the value of `entry`; the key is no part of it.
    pub fn of_value(entry: &Entry) -> Digest {
        let mut digest = Digest::default();
        digest.mix_value(entry);
        digest
    }

    /// Of all keys of all databases. The caller sees to it that nothing changes meanwhile.
    pub fn of_dataset(dataset: &Dataset) -> Digest {
        let mut all = Digest::default();
        for (number, db) in (0u32..).zip(dataset.dbs()) {
            if db.is_empty() {
                continue;
            }
            all.mix(&number.to_be_bytes());
            db.for_each(|entry| {
                let mut digest = Digest::default();
                digest.mix(entry.key());
                digest.mix_value(entry);
                all.add(&digest.0);
            });
        }
        all
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number that Redis has for a type.
fn type_number(value: ValueRef<'_>) -> u32 {
    match value {
        ValueRef::Str(_) => 0,
        ValueRef::List(_) => 1,
        ValueRef::Set(_) => 2,
        ValueRef::Zset(_) => 3,
        ValueRef::Hash(_) => 4,
        ValueRef::Stream(_) => 6,
    }
}
