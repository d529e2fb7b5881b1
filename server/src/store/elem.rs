//! An element handed out of a collection.

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
    Int { text: [u8; MAX_INT_LEN], len: u8 },
}

impl<'a> From<&'a [u8]> for Elem<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Elem(Repr::Bytes(bytes))
    }
}

impl From<i64> for Elem<'_> {
    fn from(value: i64) -> Self {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value).as_bytes();
        let mut text = [0; MAX_INT_LEN];
        text[..digits.len()].copy_from_slice(digits);
        Elem(Repr::Int {
            text,
            len: digits.len() as u8,
        }) // at most 20
    }
}

impl Deref for Elem<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Bytes(bytes) => bytes,
            Repr::Int { text, len } => &text[..usize::from(*len)],
        }
    }
}

impl AsRef<[u8]> for Elem<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Elem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}
