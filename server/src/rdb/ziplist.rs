//! The ziplist: what listpacks replaced in Redis 7.0, and what older servers still send.
//!
//! Total size (4 bytes), offset of the last element (4), count (2, 65535 = count them), all little endian;
//! elements; 0xff. An element is the length of the one before, an encoding, and data.

use super::error::Fault;
use super::item::Item;

const HEADER: usize = 10;
const END: u8 = 0xff;
const UNCOUNTED: u16 = u16::MAX;
/// The length before takes four more bytes.
const LONG: u8 = 0xfe;

/// The elements of a ziplist, checked one by one as they are taken.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the header says the last element is.
    tail: usize,
    /// Size of the element before this one.
    before: usize,
    promised: Option<u16>,
    failed: bool,
}

/// Begins to read the ziplist that fills all of `bytes`.
pub fn items(bytes: &[u8]) -> Result<Items<'_>, Fault> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(Fault("a ziplist is shorter than its header"));
    };
    let [s0, s1, s2, s3, t0, t1, t2, t3, c0, c1] = *header;
    if u32::from_le_bytes([s0, s1, s2, s3]) as usize != bytes.len() {
        return Err(Fault("a ziplist's size is not what it says"));
    }
    let count = u16::from_le_bytes([c0, c1]);
    Ok(Items {
        bytes,
        at: HEADER,
        tail: u32::from_le_bytes([t0, t1, t2, t3]) as usize,
        before: 0,
        promised: (count != UNCOUNTED).then_some(count),
        failed: false,
    })
}

impl<'a> Items<'a> {
    fn take(&mut self) -> Result<Option<Item<'a>>, Fault> {
        const SHORT: Fault = Fault("a ziplist element reaches past the end");
        let start = self.at;
        let byte = |at: usize| self.bytes.get(at).copied().ok_or(SHORT);
        let le32 = |at: usize| {
            Ok(i32::from_le_bytes([
                byte(at)?,
                byte(at + 1)?,
                byte(at + 2)?,
                byte(at + 3)?,
            ]))
        };
        let first = byte(start)?;
        if first == END {
            return self.end();
        }
        let (before, at) = match first {
            LONG => (le32(start + 1)? as u32 as usize, start + 5),
            short => (usize::from(short), start + 1),
        };
        if before != self.before {
            return Err(Fault("a ziplist element misstates the length before it"));
        }
        let bytes = |at: usize, len: usize| {
            let end = at.checked_add(len).ok_or(SHORT)?;
            Ok((Item::Bytes(self.bytes.get(at..end).ok_or(SHORT)?), end))
        };
        let code = byte(at)?;
        let (item, end) = match code {
            0x00..=0x3f => bytes(at + 1, usize::from(code))?,
            0x40..=0x7f => {
                let len = usize::from(code & 0x3f) << 8 | usize::from(byte(at + 1)?);
                bytes(at + 2, len)?
            }
            0x80 => bytes(at + 5, (le32(at + 1)? as u32).swap_bytes() as usize)?,
            0xc0 => {
                let int = i16::from_le_bytes([byte(at + 1)?, byte(at + 2)?]);
                (Item::Int(int.into()), at + 3)
            }
            0xd0 => (Item::Int(le32(at + 1)?.into()), at + 5),
            0xe0 => {
                let low = le32(at + 1)? as u32;
                let high = le32(at + 5)?;
                (Item::Int(i64::from(high) << 32 | i64::from(low)), at + 9)
            }
            0xf0 => {
                let raw = i32::from_le_bytes([0, byte(at + 1)?, byte(at + 2)?, byte(at + 3)?]);
                (Item::Int((raw >> 8).into()), at + 4)
            }
            0xfe => (Item::Int((byte(at + 1)? as i8).into()), at + 2),
            0xf1..=0xfd => (Item::Int(i64::from(code & 0x0f) - 1), at + 1),
            _ => return Err(Fault("a ziplist element has an unknown encoding")),
        };
        if let Some(promised) = &mut self.promised {
            *promised = promised
                .checked_sub(1)
                .ok_or(Fault("a ziplist has more elements than it says"))?;
        }
        self.before = end - start;
        self.at = end;
        Ok(Some(item))
    }

    /// At the end byte: everything the header said must be so.
    fn end(&self) -> Result<Option<Item<'a>>, Fault> {
        if self.at + 1 != self.bytes.len() {
            return Err(Fault("a ziplist has bytes after its end"));
        }
        if self.promised.is_some_and(|left| left != 0) {
            return Err(Fault("a ziplist has fewer elements than it says"));
        }
        if self.tail != self.at - self.before {
            return Err(Fault("a ziplist misstates where its last element is"));
        }
        Ok(None)
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Old servers wrote these; we do not, so the writer is the tests' own.
    pub(in crate::rdb) fn encode(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        let (mut before, mut tail) = (0usize, HEADER);
        for element in elements {
            tail = out.len();
            match u8::try_from(before) {
                Ok(short) if short < LONG => out.push(short),
                _ => {
                    out.push(LONG);
                    out.extend((before as u32).to_le_bytes());
                }
            }
            match crate::store::num::parse_i64(element) {
                Some(int @ 0..=12) => out.push(0xf1 + int as u8),
                Some(int) => {
                    let le = int.to_le_bytes();
                    let (code, width) = match int {
                        -0x80..=0x7f => (0xfe, 1),
                        -0x8000..=0x7fff => (0xc0, 2),
                        -0x80_0000..=0x7f_ffff => (0xf0, 3),
                        -0x8000_0000..=0x7fff_ffff => (0xd0, 4),
                        _ => (0xe0, 8),
                    };
                    out.push(code);
                    out.extend(&le[..width]);
                }
                None => {
                    let len = element.len();
                    match len {
                        0..=63 => out.push(len as u8),
                        64..=16383 => out.extend([0x40 | (len >> 8) as u8, len as u8]),
                        _ => {
                            out.push(0x80);
                            out.extend((len as u32).to_be_bytes());
                        }
                    }
                    out.extend(element);
                }
            }
            before = out.len() - tail;
        }
        out.push(END);
        let size = out.len() as u32;
        out[..4].copy_from_slice(&size.to_le_bytes());
        out[4..8].copy_from_slice(&(tail as u32).to_le_bytes());
        out[8..10].copy_from_slice(&(elements.len() as u16).to_le_bytes());
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
            any::<i32>().prop_map(|int| int.to_string().into_bytes()),
            (-40_000i64..40_000).prop_map(|int| int.to_string().into_bytes()),
            (-1i64..14).prop_map(|int| int.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(any::<u8>(), 16_380..16_390),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(elements in prop::collection::vec(element(), 0..10)) {
            prop_assert_eq!(read(&encode(&elements)).unwrap(), elements);
        }

        #[test]
        fn a_cut_or_flipped_one_never_panics(
            elements in prop::collection::vec(element(), 0..5), cut in any::<prop::sample::Index>(), bit in 0..8,
        ) {
            let mut bytes = encode(&elements);
            let at = cut.index(bytes.len());
            prop_assert!(read(&bytes[..at]).is_err());
            bytes[at] ^= 1u8 << bit;
            let _ = read(&bytes);
        }
    }

    #[test]
    fn the_header_is_held_to() {
        let good = encode(&[b"one".to_vec(), b"2".to_vec()]);
        assert!(read(&good).is_ok());
        for at in [0, 4, 8, HEADER] {
            for change in [1, 2, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= change;
                assert!(read(&bad).is_err(), "byte {at} changed by {change}");
            }
        }
    }
}
