//! An element handed out of a collection.

use super::item::Item;
use std::fmt;
use std::ops::Deref;

/// The longest decimal form of an `i64`: a sign and 19 digits.
const MAX_INT_LEN: usize = 20;

/// The bytes of an element: borrowed from the collection, or written out when it keeps a number.
#[derive(Clone, Copy)]
pub struct Elem<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Bytes(&'a [u8]),
    /// The digits stand at the end.
    Int {
        text: [u8; MAX_INT_LEN],
        start: u8,
    },
}

impl<'a> From<&'a [u8]> for Elem<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Elem(Repr::Bytes(bytes))
    }
}

impl<'a> From<Item<'a>> for Elem<'a> {
    #[inline]
    fn from(item: Item<'a>) -> Self {
        match item {
            Item::Bytes(bytes) => bytes.into(),
            Item::Int(int) => int.into(),
        }
    }
}

impl From<i64> for Elem<'_> {
    #[inline]
    fn from(value: i64) -> Self {
        let mut text = [0; MAX_INT_LEN];
        let (mut at, mut rest) = (MAX_INT_LEN, value.unsigned_abs());
        loop {
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            at -= 1;
            text[at] = b'-';
        }
        let start = at as u8; // below 20
        Elem(Repr::Int { text, start })
    }
}

impl Deref for Elem<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Bytes(bytes) => bytes,
            Repr::Int { text, start } => &text[usize::from(*start)..],
        }
    }
}

impl AsRef<[u8]> for Elem<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Elem<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Elem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}
