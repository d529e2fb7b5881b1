//! One element of a compact encoding: bytes, or an integer that stands for its decimal digits.

/// An element as it is stored: integers are not turned into digits before somebody asks for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// The bytes themselves.
    Bytes(&'a [u8]),
    /// An integer, whose decimal digits are the element.
    Int(i64),
}

impl<'a> Item<'a> {
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
