//! One element of a compact encoding: bytes, or an integer that stands for its decimal digits.

use super::num::parse_i64;

/// An element as it is stored: integers are not turned into digits before somebody asks for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// The bytes themselves.
    Bytes(&'a [u8]),
    /// An integer, whose decimal digits are the element.
    Int(i64),
}

impl<'a> Item<'a> {
    /// The item that stands for `bytes`: an integer if these are its digits. Equal if and only if the bytes are.
    pub fn of(bytes: &'a [u8]) -> Self {
        parse_i64(bytes).map_or(Item::Bytes(bytes), Item::Int)
    }

    /// The number of the element's bytes.
    pub fn len(&self) -> usize {
        match *self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Int(int) => {
                let digits = int.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                digits as usize + usize::from(int < 0)
            }
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element's bytes; the digits of an integer are written to `digits`.
    pub fn bytes<'b>(&self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Item::Bytes(bytes) => bytes,
            Item::Int(int) => digits.format(int).as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_its_digits() {
        let mut digits = itoa::Buffer::new();
        assert_eq!(
            Item::Int(i64::MIN).bytes(&mut digits),
            b"-9223372036854775808"
        );
        assert_eq!(Item::Bytes(b"07").bytes(&mut digits), b"07");
    }
}
