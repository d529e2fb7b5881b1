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

    /// How many bytes [`Item::bytes`] has, at most.
    pub fn len_bound(&self) -> usize {
        match self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Int(_) => 20,
        }
    }
}

/// The integer whose canonical decimal form `bytes` is: no sign but `-`, no leading zero, no `-0`.
pub fn canonical_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // Nineteen digits fit an u64.
    let mut magnitude = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_digits_are_integers() {
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "1e3",
            "9223372036854775808",
        ] {
            assert_eq!(canonical_int(text.as_bytes()), None, "{text:?}");
        }
        for int in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(canonical_int(int.to_string().as_bytes()), Some(int));
        }
        assert_eq!(canonical_int(b"-9223372036854775809"), None);
        assert_eq!(canonical_int(b"99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn digits_and_back(int in any::<i64>()) {
            let mut digits = itoa::Buffer::new();
            prop_assert_eq!(canonical_int(Item::Int(int).bytes(&mut digits)), Some(int));
        }

        #[test]
        fn text_is_an_integer_only_if_it_prints_the_same(text in "[-0-9]{0,21}") {
            let want = text.parse::<i64>().ok().filter(|int| int.to_string() == text);
            prop_assert_eq!(canonical_int(text.as_bytes()), want);
        }
    }
}
