//! How an element of a compact encoding is written: as in Redis's listpack, but for the length that follows it there.
//!
//! An element is bytes, or an integer in place of its digits. Every element has one form only, and none begins with another
//! one: two are equal if their bytes are.

use super::item::Item;
use super::num::parse_i64;

/// The longest head: an announcing byte and an integer, or a length, of eight bytes.
const HEAD: usize = 9;

/// An element ready to be written: what announces it, and the bytes that follow as they are.
#[derive(Clone, Copy)]
pub struct Encoded<'a> {
    head: [u8; HEAD],
    head_len: u8,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// An element; digits in canonical form become an integer.
    pub fn of(element: &'a [u8]) -> Self {
        match parse_i64(element) {
            Some(int) => Self::int(int),
            None => Self::bytes(element),
        }
    }

    /// An integer, which stands for its digits.
    pub fn int(int: i64) -> Self {
        let le = int.to_le_bytes();
        let (tag, data) = match int {
            0..=127 => (le[0], &[][..]),
            -4096..=4095 => (0xc0 | le[1] & 0x1f, &le[..1]),
            -0x8000..=0x7fff => (0xf1, &le[..2]),
            -0x80_0000..=0x7f_ffff => (0xf2, &le[..3]),
            -0x8000_0000..=0x7fff_ffff => (0xf3, &le[..4]),
            _ => (0xf4, &le[..]),
        };
        Self::new(tag, data, &[])
    }

    /// Bytes, whatever they read like.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        let len = bytes.len();
        let le = (len as u64).to_le_bytes();
        match len {
            0..=63 => Self::new(0x80 | le[0], &[], bytes),
            64..=4095 => Self::new(0xe0 | le[1], &le[..1], bytes),
            4096..=0xffff_ffff => Self::new(0xf0, &le[..4], bytes),
            // Redis has none that long.
            _ => Self::new(0xf5, &le, bytes),
        }
    }

    fn new(tag: u8, data: &[u8], body: &'a [u8]) -> Self {
        let mut head = [0; HEAD];
        head[0] = tag;
        head[1..=data.len()].copy_from_slice(data);
        Encoded {
            head,
            head_len: data.len() as u8 + 1, // at most 9
            body,
        }
    }

    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    /// The bytes it takes.
    pub fn len(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Writes it to the start of `dst`, and returns how many bytes that were.
    pub fn write(&self, dst: &mut [u8]) -> usize {
        let (head, rest) = dst.split_at_mut(usize::from(self.head_len));
        head.copy_from_slice(self.head());
        rest[..self.body.len()].copy_from_slice(self.body);
        self.len()
    }

    /// Appends it to `out`.
    pub fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head());
        out.extend_from_slice(self.body);
    }

    /// Whether this is the element that `written` begins with.
    #[inline]
    pub fn begins(&self, written: &[u8]) -> bool {
        // Mostly the first byte, which is the length of what is short, tells them apart.
        let head = usize::from(self.head_len);
        written.first() == Some(&self.head[0])
            && (head == 1 || written.starts_with(self.head()))
            && written
                .get(head..self.len())
                .is_some_and(|body| body == self.body)
    }
}

impl<'a> From<Item<'a>> for Encoded<'a> {
    fn from(item: Item<'a>) -> Self {
        match item {
            Item::Bytes(bytes) => Self::bytes(bytes),
            Item::Int(int) => Self::int(int),
        }
    }
}

/// The element that `rest` begins with, and the bytes it takes; `None` if it reaches past the end or is none.
#[inline]
pub fn decode(rest: &[u8]) -> Option<(Item<'_>, usize)> {
    let bytes = |at: usize, len: usize| {
        let end = at.checked_add(len)?;
        Some((Item::Bytes(rest.get(at..end)?), end))
    };
    match *rest {
        [first @ ..=0x7f, ..] => Some((Item::Int(first.into()), 1)),
        [first @ 0x80..=0xbf, ..] => bytes(1, usize::from(first & 0x3f)),
        // Thirteen bits of two's complement: shift the sign up, and back down.
        [first @ 0xc0..=0xdf, low, ..] => {
            let raw = u16::from_be_bytes([first, low]) << 3;
            Some((Item::Int((raw as i16 >> 3).into()), 2))
        }
        [first @ 0xe0..=0xef, low, ..] => {
            bytes(2, usize::from(first & 0x0f) << 8 | usize::from(low))
        }
        [0xf0, a, b, c, d, ..] => bytes(5, u32::from_le_bytes([a, b, c, d]) as usize),
        [0xf1, a, b, ..] => Some((Item::Int(i16::from_le_bytes([a, b]).into()), 3)),
        [0xf2, a, b, c, ..] => Some((Item::Int((i32::from_le_bytes([0, a, b, c]) >> 8).into()), 4)),
        [0xf3, a, b, c, d, ..] => Some((Item::Int(i32::from_le_bytes([a, b, c, d]).into()), 5)),
        [0xf4, a, b, c, d, e, f, g, h, ..] => {
            Some((Item::Int(i64::from_le_bytes([a, b, c, d, e, f, g, h])), 9))
        }
        [0xf5, a, b, c, d, e, f, g, h, ..] => bytes(
            9,
            usize::try_from(u64::from_le_bytes([a, b, c, d, e, f, g, h])).ok()?,
        ),
        _ => None,
    }
}

/// The bytes that the element takes that `rest` begins with; `None` if it is none.
#[inline]
pub fn size(rest: &[u8]) -> Option<usize> {
    let first = usize::from(*rest.first()?);
    match first {
        // Computed, which is sooner there than what is read from a table.
        0x80..=0xbf => Some(first - 0x7f),
        _ => match INTEGERS[first] {
            0 => decode(rest).map(|(_, len)| len),
            size => Some(usize::from(size)),
        },
    }
}

/// The bytes of integers by their first one; 0 of what is none.
const INTEGERS: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut first = 0;
    while first < 256 {
        sizes[first] = match first {
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xf1 => 3,
            0xf2 => 4,
            0xf3 => 5,
            0xf4 => 9,
            _ => 0,
        };
        first += 1;
    }
    sizes
};
