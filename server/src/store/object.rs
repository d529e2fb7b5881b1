//! Values: what a key holds.

use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::stream::Stream;
use super::zset::Zset;

/// A value that owns itself.
#[derive(Clone, Debug)]
pub enum Object {
    /// A string. In the keyspace only large ones are kept in this form, see [`super::entry::Entry`].
    Str(Vec<u8>),
    /// A list.
    List(List),
    /// A hash.
    Hash(Hash),
    /// A set.
    Set(Set),
    /// A sorted set.
    Zset(Zset),
    /// A stream; large in itself.
    Stream(Box<Stream>),
}

impl Object {
    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Object::Str(v) => ValueRef::Str(v),
            Object::List(v) => ValueRef::List(v),
            Object::Hash(v) => ValueRef::Hash(v),
            Object::Set(v) => ValueRef::Set(v),
            Object::Zset(v) => ValueRef::Zset(v),
            Object::Stream(v) => ValueRef::Stream(v),
        }
    }
}

/// A borrowed value, wherever it is kept.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// The bytes of a string.
    Str(&'a [u8]),
    /// A list.
    List(&'a List),
    /// A hash.
    Hash(&'a Hash),
    /// A set.
    Set(&'a Set),
    /// A sorted set.
    Zset(&'a Zset),
    /// A stream.
    Stream(&'a Stream),
}

/// The longest string `OBJECT ENCODING` calls `embstr`, in bytes.
const EMBSTR_MAX: usize = 44;

impl ValueRef<'_> {
    /// The type's name as `TYPE` and `SCAN .. TYPE` spell it.
    pub fn type_name(&self) -> &'static str {
        match self {
            ValueRef::Str(_) => "string",
            ValueRef::List(_) => "list",
            ValueRef::Hash(_) => "hash",
            ValueRef::Set(_) => "set",
            ValueRef::Zset(_) => "zset",
            ValueRef::Stream(_) => "stream",
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match self {
            ValueRef::Str(s) if super::num::parse_i64(s).is_some() => "int",
            ValueRef::Str(s) if s.len() <= EMBSTR_MAX => "embstr",
            ValueRef::Str(_) => "raw",
            ValueRef::List(v) => v.encoding(),
            ValueRef::Hash(v) => v.encoding(),
            ValueRef::Set(v) => v.encoding(),
            ValueRef::Zset(v) => v.encoding(),
            ValueRef::Stream(v) => v.encoding(),
        }
    }

    /// The value as it is, for walking it later: nothing is found in it. What is large is shared, not copied, until one
    /// side changes it.
    pub(super) fn frozen(&self) -> Object {
        match *self {
            ValueRef::Hash(v) => Object::Hash(v.frozen()),
            ValueRef::Set(v) => Object::Set(v.frozen()),
            ValueRef::Zset(v) => Object::Zset(v.frozen()),
            // Of these a copy is as cheap, or a copy of bytes.
            ValueRef::Str(_) | ValueRef::List(_) | ValueRef::Stream(_) => self.to_object(),
        }
    }

    /// A copy that owns itself.
    pub fn to_object(&self) -> Object {
        match *self {
            ValueRef::Str(v) => Object::Str(v.to_vec()),
            ValueRef::List(v) => Object::List(v.clone()),
            ValueRef::Hash(v) => Object::Hash(v.clone()),
            ValueRef::Set(v) => Object::Set(v.clone()),
            ValueRef::Zset(v) => Object::Zset(v.clone()),
            ValueRef::Stream(v) => Object::Stream(Box::new(v.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of these stands between the key and what a collection keeps.
    #[test]
    fn takes_four_words() {
        assert_eq!(size_of::<Object>(), 32);
    }
}
