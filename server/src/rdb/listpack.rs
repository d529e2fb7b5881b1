//! The listpack: a run of small elements in one string.
//!
//! Total size (4 bytes, little endian), count (2 bytes, 65535 = count them), elements, 0xff. An element is
//! an encoding byte with its data, then the length of both once more, readable backwards.

use super::error::Fault;
use super::item::Item;
use crate::store::num::parse_i64;

const HEADER: usize = 6;
const END: u8 = 0xff;
/// The count says nothing: there are this many elements or more.
const UNCOUNTED: u16 = u16::MAX;

/// The elements of a listpack, checked one by one as they are taken.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    /// What is left, the end byte included.
    rest: &'a [u8],
    /// Elements that the header still promises, if it counts them.
    promised: Option<u16>,
    failed: bool,
}

/// Begins to read the listpack that fills all of `bytes`.
pub fn items(bytes: &[u8]) -> Result<Items<'_>, Fault> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(Fault("a listpack is shorter than its header"));
    };
    let [t0, t1, t2, t3, c0, c1] = *header;
    if u32::from_le_bytes([t0, t1, t2, t3]) as usize != bytes.len() {
        return Err(Fault("a listpack's size is not what it says"));
    }
    let count = u16::from_le_bytes([c0, c1]);
    Ok(Items {
        rest,
        promised: (count != UNCOUNTED).then_some(count),
        failed: false,
    })
}

impl<'a> Items<'a> {
    /// How many elements the header promises; nothing if it does not count them.
    pub fn promised(&self) -> Option<usize> {
        self.promised.map(usize::from)
    }

    fn take(&mut self) -> Result<Option<Item<'a>>, Fault> {
        const SHORT: Fault = Fault("a listpack element reaches past the end");
        let rest = self.rest;
        let &first = rest.first().ok_or(SHORT)?;
        if first == END {
            return match (rest.len(), self.promised) {
                (1, None | Some(0)) => Ok(None),
                (1, _) => Err(Fault("a listpack has fewer elements than it says")),
                _ => Err(Fault("a listpack has bytes after its end")),
            };
        }
        let int = |at: usize| rest.get(at).copied().ok_or(SHORT);
        let bytes = |at: usize, len: usize| {
            let end = at.checked_add(len).ok_or(SHORT)?;
            Ok((Item::Bytes(rest.get(at..end).ok_or(SHORT)?), end))
        };
        let (item, len) = match first {
            0x00..=0x7f => (Item::Int(first.into()), 1),
            0x80..=0xbf => bytes(1, usize::from(first & 0x3f))?,
            0xc0..=0xdf => {
                // Thirteen bits of two's complement: shift the sign up, and back down.
                let raw = u16::from_be_bytes([first, int(1)?]) << 3;
                (Item::Int((raw as i16 >> 3).into()), 2)
            }
            0xe0..=0xef => bytes(2, usize::from(first & 0x0f) << 8 | usize::from(int(1)?))?,
            0xf0 => {
                let len = u32::from_le_bytes([int(1)?, int(2)?, int(3)?, int(4)?]);
                bytes(5, len as usize)?
            }
            0xf1 => (Item::Int(i16::from_le_bytes([int(1)?, int(2)?]).into()), 3),
            0xf2 => {
                let raw = i32::from_le_bytes([0, int(1)?, int(2)?, int(3)?]);
                (Item::Int((raw >> 8).into()), 4)
            }
            0xf3 => {
                let raw = [int(1)?, int(2)?, int(3)?, int(4)?];
                (Item::Int(i32::from_le_bytes(raw).into()), 5)
            }
            0xf4 => {
                let raw = rest.get(1..9).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
                (Item::Int(i64::from_le_bytes(*raw)), 9)
            }
            _ => return Err(Fault("a listpack element has an unknown encoding")),
        };
        let mut back = [0; 5];
        let back = back_length(len, &mut back);
        let after = rest.get(len..).ok_or(SHORT)?;
        self.rest = after
            .strip_prefix(back)
            .ok_or(Fault("a listpack element's two lengths differ"))?;
        if let Some(promised) = &mut self.promised {
            *promised = promised
                .checked_sub(1)
                .ok_or(Fault("a listpack has more elements than it says"))?;
        }
        Ok(Some(item))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let taken = self.take();
        self.failed = taken.is_err();
        taken.transpose()
    }
}

/// An element's length in the form that is read backwards: seven bits a byte, the highest bit set in all
/// bytes but the one that is read last (which comes first).
fn back_length(len: usize, out: &mut [u8; 5]) -> &[u8] {
    // The odd bounds (one less than could be) are those of Redis.
    let size = match len {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    for (place, byte) in out[..size].iter_mut().rev().enumerate() {
        *byte = (len >> (7 * place) & 0x7f) as u8 | 0x80;
    }
    out[0] &= 0x7f;
    &out[..size]
}

/// Writes one listpack to the end of a vector.
#[derive(Debug)]
pub struct Builder<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    count: usize,
}

impl<'v> Builder<'v> {
    /// Begins an empty listpack at the end of `out`.
    pub fn new(out: &'v mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        Builder {
            out,
            start,
            count: 0,
        }
    }

    /// Appends an element; digits in canonical form become an integer, as Redis does it.
    pub fn push(&mut self, element: &[u8]) {
        match parse_i64(element) {
            Some(int) => self.push_int(int),
            None => self.push_bytes(element),
        }
    }

    /// Appends the digits of an integer.
    pub fn push_int(&mut self, int: i64) {
        let start = self.out.len();
        let le = int.to_le_bytes();
        match int {
            0..=127 => self.out.push(le[0]),
            -4096..=4095 => {
                self.out.push(0xc0 | (le[1] & 0x1f));
                self.out.push(le[0]);
            }
            -0x8000..=0x7fff => self.tagged(0xf1, &le[..2]),
            -0x80_0000..=0x7f_ffff => self.tagged(0xf2, &le[..3]),
            -0x8000_0000..=0x7fff_ffff => self.tagged(0xf3, &le[..4]),
            _ => self.tagged(0xf4, &le),
        }
        self.close(start);
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.out.len();
        let len = bytes.len();
        match len {
            0..=63 => self.out.push(0x80 | len as u8),
            64..=4095 => self
                .out
                .extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
            _ => self.tagged(0xf0, &(len as u32).to_le_bytes()),
        }
        self.out.extend_from_slice(bytes);
        self.close(start);
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(bytes);
    }

    fn close(&mut self, start: usize) {
        let mut back = [0; 5];
        let len = self.out.len() - start;
        self.out.extend_from_slice(back_length(len, &mut back));
        self.count += 1;
    }

    /// Bytes so far, without the end byte.
    pub fn size(&self) -> usize {
        self.out.len() - self.start
    }

    /// Elements so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Ends the listpack. Its size must be below 4 GiB.
    pub fn finish(self) {
        self.out.push(END);
        let total = (self.out.len() - self.start) as u32;
        let count = u16::try_from(self.count).unwrap_or(UNCOUNTED);
        let header = &mut self.out[self.start..self.start + HEADER];
        header[..4].copy_from_slice(&total.to_le_bytes());
        header[4..].copy_from_slice(&count.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn built<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut builder = Builder::new(&mut out);
        for element in elements {
            builder.push(element);
        }
        builder.finish();
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut digits = itoa::Buffer::new();
        items(bytes)?
            .map(|item| item.map(|item| item.bytes(&mut digits).to_vec()))
            .collect()
    }

    fn element() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|int| int.to_string().into_bytes()),
            (-9000i64..9000).prop_map(|int| int.to_string().into_bytes()),
            any::<i32>().prop_map(|int| int.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(any::<u8>(), 4000..5000),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(elements in prop::collection::vec(element(), 0..12)) {
            let bytes = built(elements.iter().map(Vec::as_slice));
            prop_assert_eq!(read(&bytes).unwrap(), elements);
        }

        #[test]
        fn a_cut_or_flipped_one_never_panics(
            elements in prop::collection::vec(element(), 0..5), cut in any::<prop::sample::Index>(), bit in 0..8,
        ) {
            let mut bytes = built(elements.iter().map(Vec::as_slice));
            let at = cut.index(bytes.len());
            prop_assert!(read(&bytes[..at]).is_err());
            bytes[at] ^= 1u8 << bit;
            let _ = read(&bytes);
        }
    }

    #[test]
    fn every_integer_width() {
        // Widths of encoding and data by the first value on each side of a bound.
        for (int, width) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (-1, 2),
            (-4096, 2),
            (4095, 2),
            (-4097, 3),
            (4096, 3),
            (32767, 3),
            (32768, 4),
            (-8_388_608, 4),
            (8_388_608, 5),
            (i64::from(i32::MIN), 5),
            (i64::from(i32::MAX) + 1, 9),
            (i64::MIN, 9),
            (i64::MAX, 9),
        ] {
            let text = int.to_string().into_bytes();
            let bytes = built([text.as_slice()]);
            assert_eq!(bytes.len(), HEADER + width + 1 + 1, "{int}");
            assert_eq!(read(&bytes), Ok(vec![text]));
        }
    }

    #[test]
    fn lengths_read_backwards_as_redis_writes_them() {
        let mut out = [0; 5];
        for (len, want) in [
            (1, &[1][..]),
            (127, &[127]),
            (128, &[1, 0x80]),
            (16382, &[127, 0xfe]),
            (16383, &[0, 0xff, 0xff]),
            (2_097_151, &[0, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(back_length(len, &mut out), want, "{len}");
        }
    }

    #[test]
    fn counts_are_held_to() {
        let mut bytes = built([b"a".as_slice(), b"b"]);
        bytes[4] = 1;
        assert!(read(&bytes).is_err());
        bytes[4] = 3;
        assert!(read(&bytes).is_err());
        bytes[4..6].copy_from_slice(&UNCOUNTED.to_le_bytes());
        assert_eq!(read(&bytes).map(|elements| elements.len()), Ok(2));
    }
}
