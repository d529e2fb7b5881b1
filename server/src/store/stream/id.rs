//! IDs of entries: a time and a number, written `ms-seq`.

use smallvec::SmallVec;
use std::fmt;

/// The ID of an entry. IDs of a stream only grow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Id {
    /// By convention milliseconds since 1970.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub seq: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl Id {
    /// The lowest ID, `0-0`: no entry has it.
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    /// The highest ID.
    pub const MAX: Id = Id {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// True of `0-0`.
    pub fn is_zero(self) -> bool {
        self == Id::MIN
    }

    /// The ID after this one; none after the highest.
    pub fn next(self) -> Option<Id> {
        let Id { ms, seq } = self;
        match seq.checked_add(1) {
            Some(seq) => Some(Id { ms, seq }),
            None => ms.checked_add(1).map(|ms| Id { ms, seq: 0 }),
        }
    }

    /// The ID before this one; none before the lowest.
    pub fn previous(self) -> Option<Id> {
        let Id { ms, seq } = self;
        match seq.checked_sub(1) {
            Some(seq) => Some(Id { ms, seq }),
            None => ms.checked_sub(1).map(|ms| Id { ms, seq: u64::MAX }),
        }
    }

    /// As it is written.
    pub fn text(self) -> SmallVec<[u8; 48]> {
        let mut digits = itoa::Buffer::new();
        let mut text = SmallVec::from_slice(digits.format(self.ms).as_bytes());
        text.push(b'-');
        text.extend_from_slice(digits.format(self.seq).as_bytes());
        text
    }

    /// As snapshots have it: both halves big endian.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// What [`Id::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Id {
        let both = u128::from_be_bytes(bytes);
        Id {
            ms: (both >> 64) as u64,
            seq: both as u64, // the lower half
        }
    }

    /// Reads `ms-seq`, `ms` (then the number is `missing`), or `-` and `+` for the ends.
    pub fn parse(text: &[u8], missing: u64) -> Option<Id> {
        match cut(text)? {
            b"-" => Some(Id::MIN),
            b"+" => Some(Id::MAX),
            _ => Id::parse_strict(text, missing),
        }
    }

    /// [`Id::parse`] without the ends.
    pub fn parse_strict(text: &[u8], missing: u64) -> Option<Id> {
        let text = cut(text)?;
        let Some(dash) = text.iter().position(|&b| b == b'-') else {
            let ms = number(text)?;
            return Some(Id { ms, seq: missing });
        };
        let (ms, seq) = (number(&text[..dash])?, number(&text[dash + 1..])?);
        Some(Id { ms, seq })
    }

    /// The time of `ms-*`, an ID whose number is to be found.
    pub fn parse_open(text: &[u8]) -> Option<u64> {
        number(cut(text)?.strip_suffix(b"-*")?)
    }
}

/// What Redis sees of an ID: as far as a zero byte, and nothing if it is longer than any ID.
fn cut(text: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = 127;
    let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
    (text.len() <= LONGEST).then_some(&text[..end])
}

/// A number as `strtoull` reads it: spaces in front and a sign are allowed, though not a number below zero that fits.
fn number(text: &[u8]) -> Option<u64> {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|b| !is_space(b)).unwrap_or(0);
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match negative {
        false => Some(value),
        // It is an integer of 64 bits, and so below zero in earnest; or else it wraps.
        true if super::super::num::parse_i64(text).is_some() => None,
        true => Some(value.wrapping_neg()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let id = |ms, seq| Some(Id { ms, seq });
        for (text, want) in [
            ("5", id(5, 7)),
            ("5-1", id(5, 1)),
            ("05-01", id(5, 1)),
            ("+5-+1", id(5, 1)),
            ("5-", None),
            ("-5", None),
            ("5-1-1", None),
            ("5--1", None),
            ("5--0", id(5, 0)),
            ("5--18446744073709551615", id(5, 1)),
            ("", None),
            ("x", None),
            (" 5", id(5, 7)),
            ("5- -1", id(5, u64::MAX)),
            ("5-\t\n\r 2", id(5, 2)),
            ("5 ", None),
            (" ", None),
            (" -5", None),
            ("5-\0x", None),
            ("5-1\0x", id(5, 1)),
            ("18446744073709551615-18446744073709551615", Some(Id::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            ("+", None),
        ] {
            assert_eq!(Id::parse_strict(text.as_bytes(), 7), want, "{text:?}");
        }
        assert_eq!(Id::parse(b"-", 7), Some(Id::MIN));
        assert_eq!(Id::parse(b"+", 7), Some(Id::MAX));
        assert_eq!(Id::parse(&[b'0'; 128], 7), None);
        assert_eq!(Id::parse_open(b"12-*"), Some(12));
        assert_eq!(Id::parse_open(b"12-1"), None);
    }

    #[test]
    fn neighbours_cross_milliseconds_and_end_at_the_ends() {
        let id = |ms, seq| Id { ms, seq };
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
        assert_eq!(Id::MAX.next(), None);
        assert_eq!(Id::MIN.previous(), None);
        assert_eq!(Id::from_bytes(id(3, 4).to_bytes()), id(3, 4));
    }
}
