//! The reader against the writer, against snapshots put together by hand, and against damaged ones.

mod by_hand;
mod damage;
mod field_times;
mod loading;
mod round_trip;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use super::error::RdbError;
use super::read::{Loaded, Options, Reader, Refusal, Sink, Summary};
use crate::store::ValueRef;
use crate::store::elem::Elem;

/// A value as its users see it, whatever its encoding.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Plain {
    Str(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// With the times of its fields, of which there are some.
    TimedHash(BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>),
    Zset(Vec<(Vec<u8>, f64)>),
    /// In words.
    Stream(String),
}

impl From<ValueRef<'_>> for Plain {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Str(text) => Plain::Str(text.to_vec()),
            ValueRef::List(list) => {
                Plain::List(list.iter().map(|e| Elem::from(e).to_vec()).collect())
            }
            ValueRef::Set(set) => Plain::Set(set.iter().map(|member| member.to_vec()).collect()),
            ValueRef::Hash(hash) if hash.timed_fields() > 0 => {
                let timed = |(field, value): (Elem<'_>, Elem<'_>)| {
                    (field.to_vec(), (value.to_vec(), hash.time_of(&field)))
                };
                Plain::TimedHash(hash.iter().map(timed).collect())
            }
            ValueRef::Hash(hash) => Plain::Hash(
                hash.iter()
                    .map(|(field, value)| (field.to_vec(), value.to_vec()))
                    .collect(),
            ),
            ValueRef::Zset(zset) => Plain::Zset(
                zset.iter()
                    .map(|(member, score)| (member.to_vec(), score))
                    .collect(),
            ),
            ValueRef::Stream(stream) => Plain::Stream(format!("{stream:?}")),
        }
    }
}

/// Keeps all that is handed over.
#[derive(Default, PartialEq, Debug)]
pub(super) struct Gather {
    pub keys: BTreeMap<(u32, Vec<u8>), (Plain, Option<i64>)>,
    pub aux: BTreeMap<Vec<u8>, Vec<u8>>,
    pub sizes: Vec<(u32, u64, u64)>,
    pub ticks: u64,
    /// The encoding of the key that was handed over last.
    pub encoding: &'static str,
}

impl Sink for Gather {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.aux.insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    fn resize_db(&mut self, db: u32, keys: u64, expiring: u64) -> Result<(), Refusal> {
        self.sizes.push((db, keys, expiring));
        Ok(())
    }

    fn key(
        &mut self,
        db: u32,
        key: &[u8],
        value: Loaded<'_>,
        expire_ms: Option<i64>,
    ) -> Result<(), Refusal> {
        let value = match &value {
            Loaded::Str(text) => ValueRef::Str(text),
            Loaded::Object(object) => object.as_ref(),
        };
        self.encoding = value.encoding();
        let kept = (Plain::from(value), expire_ms);
        match self.keys.insert((db, key.to_vec()), kept) {
            None => Ok(()),
            Some(_) => Err(Refusal::Corrupt(super::Fault("twice"))),
        }
    }

    fn tick(&mut self, _read: u64) -> Result<(), Refusal> {
        self.ticks += 1;
        Ok(())
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<(Gather, Summary), RdbError> {
    let mut gather = Gather::default();
    let summary = Reader::new(bytes, Options::default()).read(&mut gather)?;
    Ok((gather, summary))
}
