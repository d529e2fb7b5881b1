//! Values of snapshots: every type and encoding, element by element into the collections of the store.

use std::io::Read;

use super::error::Fault;
use super::format::{Kind, node};
use super::intset::Intset;
use super::item::Item;
use super::read::{Refusal, Sink, tick};
use super::source::{Source, Stop};
use super::{listpack, ziplist, zipmap};
use crate::store::hash::{FIELD_TIME_MAX, Hash};
use crate::store::list::{End, List};
use crate::store::num::parse_f64;
use crate::store::set::Set;
use crate::store::zset::Zset;
use crate::store::{Limits, Object};

/// A scratch vector keeps room for this many bytes from one key to the next.
pub(super) const SCRATCH_KEPT: usize = 1024 * 1024;

const FIELD_TWICE: Fault = Fault("a hash has the same field twice");
const MEMBER_TWICE: Fault = Fault("a set has the same member twice");
const SCORED_TWICE: Fault = Fault("a sorted set has the same member twice");
const NO_TIME: Fault = Fault("a field's time is none that there can be");
const NO_PARTNER: Fault = Fault("a compact hash or sorted set has an odd number of elements");
const NO_SCORE: Fault = Fault("a score is not a number");

/// Valkey takes any time for a field, which Redis does not.
const FIELD_TIME_BEYOND: i64 = FIELD_TIME_MAX + 1;

pub(super) struct Builder<'a, R, S> {
    pub source: &'a mut Source<R>,
    pub scratch: &'a mut Vec<u8>,
    pub limits: &'a Limits,
    pub next_tick: &'a mut u64,
    pub sink: &'a mut S,
}

impl<R: Read, S: Sink> Builder<'_, R, S> {
    /// The value of a key of type `kind`, which is not a string; nothing if it has no elements and cannot be without.
    pub(super) fn build(&mut self, kind: Kind) -> Result<Option<Object>, Stop> {
        let limits = self.limits;
        let object = match kind {
            Kind::List => self.list()?,
            Kind::ListQuicklist | Kind::ListQuicklist2 => self.quicklist(kind)?,
            Kind::ListZiplist => {
                let mut list = List::new();
                push_all(&mut list, ziplist::items(self.blob()?)?, limits)?;
                list_object(list)
            }
            Kind::Set => self.set()?,
            Kind::SetIntset => {
                let mut set = Set::new();
                let mut digits = itoa::Buffer::new();
                for int in Intset::parse(self.blob()?)?.iter() {
                    // Strictly ascending: no duplicates.
                    set.insert(digits.format(int).as_bytes(), limits);
                }
                set_object(set)
            }
            Kind::SetListpack => set_object(members(listpack::items(self.blob()?)?, limits)?),
            Kind::Hash => self.hash()?,
            Kind::HashZipmap => {
                let mut hash = Hash::new();
                for pair in zipmap::pairs(self.blob()?)? {
                    let (field, value) = pair?;
                    insert_field(&mut hash, field, value, limits)?;
                }
                hash_object(hash)
            }
            Kind::HashZiplist => hash_object(fields(ziplist::items(self.blob()?)?, false, limits)?),
            Kind::HashListpack => {
                let items = listpack::items(self.blob()?)?;
                hash_object(fields(items, false, &of_any_length(limits))?)
            }
            Kind::Zset | Kind::Zset2 => self.zset(kind)?,
            Kind::ZsetZiplist => zset_object(scored(ziplist::items(self.blob()?)?, limits)?),
            Kind::ZsetListpack => {
                let items = listpack::items(self.blob()?)?;
                zset_object(scored(items, &of_any_length(limits))?)
            }
            Kind::ModulePreGa | Kind::Module2 => {
                let name = super::format::module_name(self.source.count()?);
                return Err(Refusal::NotServed(format!("a value of module \"{name}\"")).into());
            }
            Kind::String => return Err(Fault("a string is no collection").into()),
            Kind::Stream | Kind::Stream2 | Kind::Stream3 | Kind::Stream4 => {
                Some(Object::Stream(Box::new(self.stream(kind)?)))
            }
            Kind::HashMetadataPreGa => self.timed_hash(None)?,
            Kind::HashMetadata => {
                let first = u64::from_le_bytes(self.source.array()?);
                self.timed_hash(Some(first))?
            }
            Kind::HashValkey => self.valkey_hash()?,
            Kind::HashListpackExPreGa => {
                hash_object(fields(listpack::items(self.blob()?)?, true, limits)?)
            }
            Kind::HashListpackEx => {
                // The first time is in the listpack, too.
                let _: [u8; 8] = self.source.array()?;
                hash_object(fields(listpack::items(self.blob()?)?, true, limits)?)
            }
        };
        Ok(object)
    }

    /// A string that holds a compact collection, or an element.
    pub(super) fn blob(&mut self) -> Result<&[u8], Stop> {
        Ok(match self.source.string(self.scratch)? {
            super::source::Text::Buffered(bytes) => bytes,
            super::source::Text::Built(bytes) => bytes,
        })
    }

    /// Between two elements: lets the sink look at its limits now and then.
    #[inline]
    pub(super) fn breathe(&mut self) -> Result<(), Stop> {
        if self.source.offset() >= *self.next_tick {
            tick(self.source, self.next_tick, self.sink)?;
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Option<Object>, Stop> {
        let limits = self.limits;
        let mut list = List::new();
        for _ in 0..self.source.count()? {
            self.breathe()?;
            list.push(End::Right, self.blob()?, limits);
        }
        Ok(list_object(list))
    }

    fn quicklist(&mut self, kind: Kind) -> Result<Option<Object>, Stop> {
        let limits = self.limits;
        let mut list = List::new();
        for _ in 0..self.source.count()? {
            self.breathe()?;
            if kind == Kind::ListQuicklist {
                push_all(&mut list, ziplist::items(self.blob()?)?, limits)?;
                continue;
            }
            match self.source.count()? {
                node::PLAIN => match self.blob()? {
                    // No server makes one, and as in Redis none is taken.
                    [] => return Err(Fault("a list's plain node is empty").into()),
                    element => list.push(End::Right, element, limits),
                },
                node::PACKED => push_all(&mut list, listpack::items(self.blob()?)?, limits)?,
                _ => return Err(Fault("a list's node has an unknown container").into()),
            }
        }
        Ok(list_object(list))
    }

    fn set(&mut self) -> Result<Option<Object>, Stop> {
        let limits = self.limits;
        let mut set = Set::new();
        for _ in 0..self.source.count()? {
            self.breathe()?;
            if !set.insert(self.blob()?, limits) {
                return Err(MEMBER_TWICE.into());
            }
        }
        Ok(set_object(set))
    }

    fn hash(&mut self) -> Result<Option<Object>, Stop> {
        self.hash_with(|_| Ok(None), |_| Ok(None))
    }

    /// Fields, each with its time before it: counted from the first of all, which is 1, or without that from 1970; 0 is
    /// none.
    fn timed_hash(&mut self, first: Option<u64>) -> Result<Option<Object>, Stop> {
        let time = |source: &mut Source<R>| {
            Ok(match (source.count()?, first) {
                (0, _) => None,
                (time, None) => Some(time),
                (time, Some(first)) => Some(first.checked_add(time - 1).ok_or(NO_TIME)?),
            })
        };
        self.hash_with(time, |_| Ok(None))
    }

    /// Fields, each with its time behind it, milliseconds since 1970; -1 is none.
    fn valkey_hash(&mut self) -> Result<Option<Object>, Stop> {
        let time = |source: &mut Source<R>| match i64::from_le_bytes(source.array()?) {
            -1 => Ok(None),
            FIELD_TIME_BEYOND.. => {
                let what = "a time of a hash's field that Redis could not keep".to_owned();
                Err(Refusal::NotServed(what).into())
            }
            time => Ok(Some(u64::try_from(time).map_err(|_| NO_TIME)?)),
        };
        self.hash_with(|_| Ok(None), time)
    }

    /// A count, then fields and values. A field's time is what is read before it, or behind its value.
    fn hash_with(
        &mut self,
        before: impl Fn(&mut Source<R>) -> Result<Option<u64>, Stop>,
        behind: impl Fn(&mut Source<R>) -> Result<Option<u64>, Stop>,
    ) -> Result<Option<Object>, Stop> {
        let limits = self.limits;
        let mut hash = Hash::new();
        let mut field = Vec::new();
        for _ in 0..self.source.count()? {
            self.breathe()?;
            let time = before(self.source)?;
            field.clear();
            field.extend_from_slice(self.blob()?);
            insert_field(&mut hash, &field, self.blob()?, limits)?;
            let time = time.or(behind(self.source)?);
            set_time(&mut hash, &field, time)?;
        }
        Ok(hash_object(hash))
    }

    fn zset(&mut self, kind: Kind) -> Result<Option<Object>, Stop> {
        let limits = self.limits;
        // It may know 0 from -0, which the compact form does not.
        let mut zset = Zset::new_big();
        let mut member = Vec::new();
        for _ in 0..self.source.count()? {
            self.breathe()?;
            member.clear();
            member.extend_from_slice(self.blob()?);
            let score = match kind {
                Kind::Zset2 => f64::from_le_bytes(self.source.array()?),
                _ => self.ascii_score()?,
            };
            insert_scored(&mut zset, &member, score, limits)?;
        }
        Ok(zset_object(zset.compact(limits)))
    }

    /// A score in digits, as snapshots before version 8 have it: a length of one byte, three of which are
    /// infinities and not-a-number.
    fn ascii_score(&mut self) -> Result<f64, Stop> {
        match self.source.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Err(NO_SCORE.into()),
            len => {
                let digits = self.source.slice(usize::from(len))?;
                Ok(parse_f64(digits).ok_or(NO_SCORE)?)
            }
        }
    }
}

fn push_all<'a>(
    list: &mut List,
    items: impl Iterator<Item = Result<Item<'a>, Fault>>,
    limits: &Limits,
) -> Result<(), Fault> {
    let mut digits = itoa::Buffer::new();
    for item in items {
        list.push(End::Right, item?.bytes(&mut digits), limits);
    }
    Ok(())
}

fn members<'a>(
    items: impl Iterator<Item = Result<Item<'a>, Fault>>,
    limits: &Limits,
) -> Result<Set, Fault> {
    let mut set = Set::new();
    let mut digits = itoa::Buffer::new();
    for item in items {
        if !set.insert(item?.bytes(&mut digits), limits) {
            return Err(MEMBER_TWICE);
        }
    }
    Ok(set)
}

/// Fields with values and, if they are `timed`, times, of which 0 is none.
fn fields<'a>(
    mut items: impl Iterator<Item = Result<Item<'a>, Fault>>,
    timed: bool,
    limits: &Limits,
) -> Result<Hash, Fault> {
    let mut hash = Hash::new();
    let (mut digits, mut more_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    while let Some(field) = items.next().transpose()? {
        let value = items.next().ok_or(NO_PARTNER)??;
        let time = match timed {
            true => items.next().ok_or(NO_PARTNER)??,
            false => Item::Int(0),
        };
        let time = match time {
            Item::Int(0) => None,
            Item::Int(at) => Some(u64::try_from(at).map_err(|_| NO_TIME)?),
            Item::Bytes(_) => return Err(NO_TIME),
        };
        let field = field.bytes(&mut digits);
        insert_field(&mut hash, field, value.bytes(&mut more_digits), limits)?;
        set_time(&mut hash, field, time)?;
    }
    Ok(hash)
}

fn set_time(hash: &mut Hash, field: &[u8], time: Option<u64>) -> Result<(), Fault> {
    if let Some(time) = time {
        let at = i64::try_from(time).ok().filter(|at| *at <= FIELD_TIME_MAX);
        hash.set_time(field, Some(at.ok_or(NO_TIME)?));
    }
    Ok(())
}

/// Limits for what was compact where it comes from: it stays so, as in Redis, if there are not too many elements, however
/// long they are.
fn of_any_length(limits: &Limits) -> Limits {
    Limits {
        hash_max_listpack_value: usize::MAX,
        zset_max_listpack_value: usize::MAX,
        ..limits.clone()
    }
}

fn scored<'a>(
    mut items: impl Iterator<Item = Result<Item<'a>, Fault>>,
    limits: &Limits,
) -> Result<Zset, Fault> {
    let mut zset = Zset::new();
    let mut digits = itoa::Buffer::new();
    while let Some(member) = items.next().transpose()? {
        let score = match items.next().ok_or(NO_PARTNER)?? {
            Item::Int(int) => int as f64,
            Item::Bytes(digits) => parse_f64(digits).ok_or(NO_SCORE)?,
        };
        insert_scored(&mut zset, member.bytes(&mut digits), score, limits)?;
    }
    Ok(zset)
}

fn insert_field(hash: &mut Hash, field: &[u8], value: &[u8], limits: &Limits) -> Result<(), Fault> {
    match hash.insert(field, value, limits) {
        true => Ok(()),
        false => Err(FIELD_TWICE),
    }
}

fn insert_scored(zset: &mut Zset, member: &[u8], score: f64, limits: &Limits) -> Result<(), Fault> {
    if score.is_nan() {
        return Err(NO_SCORE);
    }
    match zset.insert(member, score, limits) {
        None => Ok(()),
        Some(_) => Err(SCORED_TWICE),
    }
}

fn list_object(list: List) -> Option<Object> {
    (!list.is_empty()).then_some(Object::List(list))
}

fn set_object(set: Set) -> Option<Object> {
    (!set.is_empty()).then_some(Object::Set(set))
}

fn hash_object(hash: Hash) -> Option<Object> {
    (!hash.is_empty()).then_some(Object::Hash(hash))
}

fn zset_object(zset: Zset) -> Option<Object> {
    (!zset.is_empty()).then_some(Object::Zset(zset))
}
