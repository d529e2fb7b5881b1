//! The listpack: a run of small elements in one string.
//!
//! Total size (4 bytes, little endian), count (2 bytes, 65535 = count them), elements, 0xff. An element is
//! an encoding byte with its data, then the length of both once more, readable backwards.

use super::encoded::{Encoded, decode};
use super::item::Item;

/// What is wrong with bytes that were meant to be a value, or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub &'static str);

/// Bytes before the first element.
pub const HEADER: usize = 6;
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
        if self.rest.first() == Some(&END) {
            return match (self.rest.len(), self.promised) {
                (1, None | Some(0)) => Ok(None),
                (1, _) => Err(Fault("a listpack has fewer elements than it says")),
                _ => Err(Fault("a listpack has bytes after its end")),
            };
        }
        let (item, len) = element(self.rest)?;
        self.rest = &self.rest[len..];
        if let Some(promised) = &mut self.promised {
            *promised = promised
                .checked_sub(1)
                .ok_or(Fault("a listpack has more elements than it says"))?;
        }
        Ok(Some(item))
    }
}

/// The element that `rest` begins with, and the bytes it takes.
pub fn element(rest: &[u8]) -> Result<(Item<'_>, usize), Fault> {
    let &first = rest
        .first()
        .ok_or(Fault("a listpack element reaches past the end"))?;
    if first > 0xf4 {
        return Err(Fault("a listpack element has an unknown encoding"));
    }
    let decoded = decode(rest);
    let (item, len) = decoded.ok_or(Fault("a listpack element reaches past the end"))?;
    let mut back = [0; BACK];
    let back = back_length(len, &mut back);
    match rest.get(len..).is_some_and(|after| after.starts_with(back)) {
        true => Ok((item, len + back.len())),
        false => Err(Fault("a listpack element's two lengths differ")),
    }
}

/// Where the element begins that ends before byte `end` of `bytes`.
pub fn before(bytes: &[u8], end: usize) -> Option<usize> {
    let mut len = 0;
    for size in 1..=BACK {
        let byte = *bytes.get(end.checked_sub(size)?)?;
        len |= usize::from(byte & 0x7f) << (7 * (size - 1));
        if byte & 0x80 == 0 {
            return end.checked_sub(size + len);
        }
    }
    None
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

/// Bytes of the longest length that is read backwards.
pub const BACK: usize = 10;

/// How many bytes a length takes in the form that is read backwards.
#[inline]
pub const fn back_size(len: usize) -> usize {
    // The odd bounds (one less than could be) are those of Redis.
    match len {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        268_435_455..=0x7_ffff_ffff => 5,
        // Redis has none that long.
        _ => BACK,
    }
}

/// An element's length in the form that is read backwards: seven bits a byte, the highest bit set in all
/// bytes but the one that is read last (which comes first).
pub fn back_length(len: usize, out: &mut [u8; BACK]) -> &[u8] {
    let size = back_size(len);
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
        put(element, self.out);
        self.count += 1;
    }

    /// Appends an element as it is.
    pub fn push_item(&mut self, item: Item<'_>) {
        put_encoded(item.into(), self.out);
        self.count += 1;
    }

    /// Appends the digits of an integer.
    pub fn push_int(&mut self, int: i64) {
        put_int(int, self.out);
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
        seal(&mut self.out[self.start..], self.count);
    }
}

/// Writes the header of a whole listpack of `count` elements.
fn seal(pack: &mut [u8], count: usize) {
    let total = pack.len() as u32;
    let count = u16::try_from(count).unwrap_or(UNCOUNTED);
    pack[..4].copy_from_slice(&total.to_le_bytes());
    pack[4..HEADER].copy_from_slice(&count.to_le_bytes());
}

/// Appends `added` elements, which `fill` writes with [`put`] and [`put_int`], to the whole listpack `pack`.
pub fn extend(pack: &mut Vec<u8>, added: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    pack.pop();
    fill(pack);
    pack.push(END);
    // Once it is not counted, it never is again.
    let count = usize::from(u16::from_le_bytes([pack[4], pack[5]]));
    seal(pack, count.saturating_add(added).min(UNCOUNTED.into()));
}

/// Puts an integer in place of the element at byte `at` of the whole listpack `pack`.
pub fn replace_int(pack: &mut Vec<u8>, at: usize, int: i64) {
    let Ok((_, len)) = element(&pack[at..]) else {
        return;
    };
    // Written behind the end, then moved to its place.
    let end = pack.len();
    put_int(int, pack);
    let new = pack.len() - end;
    if new == len {
        pack.copy_within(end.., at);
        pack.truncate(end);
        return;
    }
    pack[at + len..].rotate_right(new);
    pack.drain(at..at + len);
    let total = pack.len() as u32;
    pack[..4].copy_from_slice(&total.to_le_bytes());
}

/// Appends an element to `out`; digits in canonical form become an integer, as Redis does it.
pub fn put(element: &[u8], out: &mut Vec<u8>) {
    put_encoded(Encoded::of(element), out);
}

/// Appends an integer, which stands for its digits, to `out`.
pub fn put_int(int: i64, out: &mut Vec<u8>) {
    put_encoded(Encoded::int(int), out);
}

/// Appends an element, and its length readable backwards.
fn put_encoded(element: Encoded<'_>, out: &mut Vec<u8>) {
    element.append(out);
    out.extend_from_slice(back_length(element.len(), &mut [0; BACK]));
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
        fn it_is_walked_backwards_changed_and_extended(
            mut elements in prop::collection::vec(element(), 1..9), at in any::<prop::sample::Index>(), int in any::<i64>(),
        ) {
            let mut bytes = built(elements.iter().map(Vec::as_slice));
            let mut starts = Vec::new();
            let mut end = bytes.len() - 1;
            while end > HEADER {
                end = before(&bytes, end).unwrap();
                starts.insert(0, end);
            }
            prop_assert_eq!(starts.len(), elements.len());
            let at = at.index(elements.len());
            replace_int(&mut bytes, starts[at], int);
            elements[at] = int.to_string().into_bytes();
            extend(&mut bytes, 2, |out| {
                put(b"more", out);
                put_int(-5, out);
            });
            elements.extend([b"more".to_vec(), b"-5".to_vec()]);
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
        let mut out = [0; BACK];
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
